//! Waiting, with something to look at.

use super::failure::CliError;
use super::output::Terminal;
use super::session::Session;
use super::wording;
use indicatif::{ProgressBar, ProgressStyle};
use lockstep_rpc::api;
use lockstep_rpc::types::{Channel, ChannelCall};
use std::future::Future;
use std::time::Duration;

/// How often the node is asked.
const LOOK_EVERY: Duration = Duration::from_millis(300);
/// A thing that takes shorter needs no bar.
const SHORT: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(120);

/// Does something, with a bar if it takes longer than a moment.
pub(super) async fn watched<T>(
    what: &str,
    terminal: &Terminal,
    work: impl Future<Output = T>,
) -> T {
    tokio::pin!(work);
    if let Ok(done) = tokio::time::timeout(SHORT, &mut work).await {
        return done;
    }
    let bar = spinner(terminal);
    bar.set_message(what.to_owned());
    let done = work.await;
    bar.finish_and_clear();
    done
}

/// Looks at a channel until it is as it should be, or its last order has failed.
pub(super) async fn until(
    channel: Channel,
    session: &Session,
    terminal: &Terminal,
    is_done: impl Fn(&Channel) -> bool,
) -> Result<Channel, CliError> {
    let call = ChannelCall { channel_id: channel.channel_id };
    let bar = spinner(terminal);
    let mut channel = channel;
    loop {
        if let Some(problem) = &channel.problem {
            bar.finish_and_clear();
            return Err(CliError::refused(problem.clone()).advice(format!(
                "`lockstep channels {}` shows the channel",
                wording::short(&channel.channel_id)
            )));
        }
        if is_done(&channel) {
            bar.finish_and_clear();
            return Ok(channel);
        }
        bar.set_message(waits_for(&channel));
        tokio::time::sleep(LOOK_EVERY).await;
        channel = session.call(&api::GET_CHANNEL, &call).await?;
    }
}

/// What a channel waits for.
fn waits_for(channel: &Channel) -> String {
    let first = channel.waiting.first().map(|waiting| waiting.message.clone());
    first.unwrap_or_else(|| format!("channel is {}", wording::phase(channel.phase)))
}

/// A bar of a known length.
pub(super) fn bar(length: Option<u64>, terminal: &Terminal) -> ProgressBar {
    let Some(length) = length.filter(|_| terminal.is_person() && !terminal.is_json()) else {
        return spinner(terminal);
    };
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}");
    ProgressBar::new(length).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn spinner(terminal: &Terminal) -> ProgressBar {
    if !terminal.is_person() || terminal.is_json() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{spinner} {msg} ({elapsed})");
    let bar = ProgressBar::new_spinner()
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar.enable_steady_tick(TICK);
    bar
}
