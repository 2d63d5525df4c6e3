//! `lockstep stream`: pays at a rate, in batches, until a count is reached or somebody presses Ctrl-C.

use super::args::Stream;
use super::failure::CliError;
use super::output::Terminal;
use super::session::Session;
use super::{amount, payment, progress};
use indicatif::ProgressBar;
use lockstep_core::money::Amount;
use lockstep_rpc::api;
use lockstep_rpc::types::{AmountText, BatchItem, BatchReceipt, Channel, PayBatch, Text};
use serde::Serialize;
use std::num::NonZeroU64;
use std::time::Duration;
use tokio::time::MissedTickBehavior;

/// Batches in a second, at most.
const BATCHES: u64 = 10;
/// Payments of one call.
const MOST: u64 = 1_000;
const SECOND_MILLIS: u64 = 1_000;

/// What a stream came to.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    payments: u64,
    final_payments: u64,
    failed_payments: u64,
    total: AmountText,
}

pub(super) async fn run(
    args: &Stream,
    session: &Session,
    terminal: &mut Terminal,
) -> Result<(), CliError> {
    let channel = session.channel(&args.channel).await?;
    let each = amount::read_in(&args.amount, &channel.asset)?;
    if amount::is_zero(&each) {
        return Err(CliError::refused("nothing is paid with nothing").safe("nothing was paid"));
    }
    let bar = progress::bar(args.count, terminal);
    let mut summary = Summary::default();
    let outcome = tokio::select! {
        outcome = pay_on(args, each, &channel, session, &mut summary, &bar) => outcome,
        _ = tokio::signal::ctrl_c() => Ok(()),
    };
    bar.finish_and_clear();
    terminal.answer(&summary, |summary| describe(summary, &channel))?;
    outcome
}

/// Pays a batch each time the clock ticks. Each batch has a key, so that one whose answer is lost is asked
/// for again and not paid again.
async fn pay_on(
    args: &Stream,
    each: AmountText,
    channel: &Channel,
    session: &Session,
    summary: &mut Summary,
    bar: &ProgressBar,
) -> Result<(), CliError> {
    let pace = Pace::of(u64::from(args.rate));
    let mut clock = tokio::time::interval(pace.every);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let left = args.count.map_or(MOST, |count| count.saturating_sub(summary.payments));
        if left == 0 {
            return Ok(());
        }
        clock.tick().await;
        let size = pace.batch.min(left);
        let item = BatchItem { amount: each, memo: None };
        let call = PayBatch {
            channel_id: channel.channel_id,
            payments: vec![item; usize::try_from(size).unwrap_or(0)],
            idempotency_key: Some(payment::new_key()?),
            wait_millis: None,
        };
        let receipt = session.call(&api::PAY_BATCH, &call).await?;
        summary.add(&receipt)?;
        bar.set_position(summary.payments);
        bar.set_message(amount::show(summary.total, &channel.asset));
    }
}

impl Summary {
    fn add(&mut self, receipt: &BatchReceipt) -> Result<(), CliError> {
        self.payments = self.payments.saturating_add(u64::from(receipt.count));
        self.final_payments = self.final_payments.saturating_add(u64::from(receipt.final_count));
        self.failed_payments = self.failed_payments.saturating_add(u64::from(receipt.failed_count));
        let (Text(total), Text(more)): (Text<Amount>, Text<Amount>) = (self.total, receipt.total);
        let total = total.checked_add(more).map_err(|error| CliError::of(error.class(), &error))?;
        self.total = Text(total);
        Ok(())
    }
}

fn describe(summary: &Summary, channel: &Channel) -> String {
    let Summary { payments, final_payments, failed_payments, total } = summary;
    let total = amount::show(*total, &channel.asset);
    format!("{payments} payments, {total}: {final_payments} final, {failed_payments} failed")
}

/// How many payments go out together, and how often.
#[derive(Debug, PartialEq, Eq)]
struct Pace {
    batch: u64,
    every: Duration,
}

impl Pace {
    /// At a low rate one payment at a time, at a high one as many as fit ten batches in a second.
    fn of(rate: u64) -> Self {
        let rate = NonZeroU64::new(rate).unwrap_or(NonZeroU64::MIN);
        let batch = rate.get().div_ceil(BATCHES).min(MOST);
        let millis = batch.saturating_mul(SECOND_MILLIS).div_euclid(rate.get());
        Self { batch, every: Duration::from_millis(millis.max(1)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_comes_to_its_rate() {
        for (rate, batch, millis) in [
            (1, 1, 1_000),
            (2, 1, 500),
            (10, 1, 100),
            (50, 5, 100),
            (1_000, 100, 100),
            (10_000, 1_000, 100),
        ] {
            let expected = Pace { batch, every: Duration::from_millis(millis) };
            assert_eq!(Pace::of(rate), expected, "{rate}");
        }
    }
}
