//! A channel whose driver has broken down: it is taken up again, frozen, and the chain is read again for it. Internal
//! failure costs one channel its signatures, never its watch.

use crate::engine::alarms::AlarmKind;
use crate::engine::driver::{Beginning, Driver};
use crate::engine::shared::Shared;
use crate::engine::watch_over::watch_over;
use crate::engine::wording;
use lockstep_core::commit::recover;
use lockstep_core::ids::ChannelId;
use lockstep_core::time::BlockNumber;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tracing::{Instrument, Span};

/// How often a channel is taken up again in one run: what breaks it down each time is in its record, or on the chain.
const MAX_REVIVALS: u32 = 3;
/// How long until what failed for a passing reason is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// Runs a driver, and takes its channel up again if it breaks down.
pub(crate) fn drive(
    shared: &Arc<Shared>,
    channel_id: ChannelId,
    driver: impl Future<Output = ()> + Send + 'static,
) -> JoinHandle<()> {
    drive_again(shared, channel_id, tokio::spawn(driver.instrument(span_of(channel_id))), 0)
}

/// Under which a channel's log lines stand.
fn span_of(channel_id: ChannelId) -> Span {
    tracing::info_span!("channel", %channel_id)
}

fn drive_again(
    shared: &Arc<Shared>,
    channel_id: ChannelId,
    running: JoinHandle<()>,
    revivals: u32,
) -> JoinHandle<()> {
    let shared = Arc::clone(shared);
    watch_over(running, move |outcome| {
        // A driver that ends by itself was told to.
        if outcome.is_ok() || shared.is_stopping() {
            return;
        }
        let message = "a task of this channel has broken down; it signs nothing more, and its closes are still \
                       watched and answered. Please report it with the log, and close the channel with \
                       `lockstep force-close`";
        shared.alarm(AlarmKind::ChannelFrozen, Some(channel_id), message.to_owned());
        if revivals < MAX_REVIVALS {
            tokio::spawn(
                async move { revive(&shared, channel_id, revivals.saturating_add(1)).await },
            );
        } else {
            shared.part_ended("a channel's task");
        }
    })
}

async fn revive(shared: &Arc<Shared>, channel_id: ChannelId, revivals: u32) {
    loop {
        match take_up(shared, channel_id, revivals).await {
            Ok(()) => break,
            Err(error) => {
                tracing::error!(%channel_id, error, "a channel is not taken up again yet");
            }
        }
        if shared.sleep_or_stop(AGAIN).await {
            return;
        }
    }
    // What waited for the driver is lost with it, and the cursor may have passed it.
    let first = BlockNumber(shared.settings.first_block);
    while let Err(error) = shared.chain.rescan(first).await {
        let error = wording::chain_of(&error);
        tracing::error!(%channel_id, error, "the chain is not read again yet");
        if shared.sleep_or_stop(AGAIN).await {
            return;
        }
    }
}

async fn take_up(
    shared: &Arc<Shared>,
    channel_id: ChannelId,
    revivals: u32,
) -> Result<(), Box<str>> {
    let text = |error: &dyn std::error::Error| wording::chain_of(error).into_boxed_str();
    let read = shared.journal.read(move |journal| recover(journal, channel_id)).await;
    let record = read.map_err(|error| text(&error))?.map_err(|error| text(&error))?;
    let record = record.ok_or("there is no record")?;
    let (driver, handle) = Driver::resume(shared, record).map_err(|error| text(&error))?;
    shared.registry.insert(handle);
    let running = tokio::spawn(driver.run(Beginning::Revived).instrument(span_of(channel_id)));
    // Ended with the node: a driver ends at its stop event.
    drop(drive_again(shared, channel_id, running, revivals));
    Ok(())
}
