//! Payments: planned, ordered, and what became of them.

use super::history::{count_ended, find_ordered, look_up, payment_of};
use super::invoice::payable;
use crate::engine::event::Event;
use crate::engine::ledger::{Claim, Reserved};
use crate::engine::order::{PayOrder, Taken, Tally};
use crate::engine::registry::Handle;
use crate::engine::shared::Shared;
use crate::engine::view::View;
use crate::engine::wording;
use alloy_primitives::{B256, keccak256};
use lockstep_core::ids::{ChannelId, PaymentId, Sequence};
use lockstep_core::money::Amount;
use lockstep_core::record::Phase;
use lockstep_core::update::{Action, MAX_PENDING_UPDATES, Memo, Payment as CorePayment};
use lockstep_rpc::backend::Spender;
use lockstep_rpc::failure::{Failure, FailureKind};
use lockstep_rpc::types::{BatchReceipt, Pay, PayBatch, Payment, PaymentState, Text};
use lockstep_store::request::Request;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// How long a caller waits for a payment to be final, unless it says.
const WAIT_MILLIS: u64 = 10_000;
/// The longest that a caller may wait.
/// The interface answers every call within 100 s, and looking a payment up takes a moment.
const MAX_WAIT_MILLIS: u64 = 90_000;
/// How long is looked for what the history says of a payment that is made. Its answer does not depend on that.
const LOOK_UP: Duration = Duration::from_secs(3);

/// What a payment will be.
pub(super) struct Planned {
    handle: Handle,
    actions: Vec<Action>,
    total: Amount,
}

/// A payment, checked as far as that is possible before it is ordered.
pub(super) async fn plan(
    shared: &Arc<Shared>,
    call: &Pay,
    spender: Spender,
) -> Result<Planned, Failure> {
    let invoice = match &call.invoice {
        Some(text) => Some(payable(shared, text)?),
        None => None,
    };
    let channel_id = match (&invoice, call.channel_id) {
        (Some(invoice), Some(named)) if named.0 != invoice.channel_id => {
            let message = "the invoice is to be paid in another channel";
            return Err(Failure::new(FailureKind::BadInvoice, message).safe("nothing was paid"));
        }
        (Some(invoice), _) => invoice.channel_id,
        (None, Some(named)) => named.0,
        (None, None) => {
            let message = "a payment needs a channel or an invoice";
            return Err(Failure::new(FailureKind::Refused, message).safe("nothing was paid"));
        }
    };
    let amount = match (&invoice, call.amount) {
        (Some(invoice), Some(named)) if named.0 != invoice.amount => {
            let view = shared.registry.get(invoice.channel_id).map(|handle| handle.view());
            let token = view.map_or_else(|| shared.settings.coin(), |view| view.setup.terms.token);
            let exact = shared.settings.words(token, invoice.amount);
            let message = format!("the invoice asks for exactly {exact}");
            return Err(Failure::new(FailureKind::BadAmount, message).safe("nothing was paid"));
        }
        (Some(invoice), _) => invoice.amount,
        (None, Some(named)) => named.0,
        (None, None) => {
            return Err(Failure::new(
                FailureKind::BadAmount,
                "how much is to be paid was not said",
            )
            .safe("nothing was paid"));
        }
    };
    let memo = match (&call.memo, &invoice) {
        (Some(text), _) => memo_of(text)?,
        (None, Some(invoice)) => invoice.memo.clone(),
        (None, None) => Memo::default(),
    };
    let payment = CorePayment { amount, memo, invoice: invoice.map(|invoice| invoice.id) };
    planned(shared, channel_id, vec![payment], spender)
}

/// Many payments, checked.
pub(super) async fn plan_batch(
    shared: &Arc<Shared>,
    call: &PayBatch,
    spender: Spender,
) -> Result<Planned, Failure> {
    let count = call.payments.len();
    if count == 0 || count > MAX_PENDING_UPDATES {
        let message = format!("{count} payments are not between 1 and {MAX_PENDING_UPDATES}");
        return Err(Failure::new(FailureKind::LimitReached, message).safe("nothing was paid"));
    }
    let mut payments = Vec::with_capacity(count);
    for item in &call.payments {
        let memo = item.memo.as_deref().map(memo_of).transpose()?.unwrap_or_default();
        payments.push(CorePayment { amount: item.amount.0, memo, invoice: None });
    }
    planned(shared, call.channel_id.0, payments, spender)
}

pub(super) fn memo_of(text: &str) -> Result<Memo, Failure> {
    Memo::new(text.as_bytes().to_vec()).map_err(|error| {
        Failure::new(FailureKind::Refused, error.to_string()).safe("nothing was paid")
    })
}

fn planned(
    shared: &Arc<Shared>,
    channel_id: ChannelId,
    payments: Vec<CorePayment>,
    spender: Spender,
) -> Result<Planned, Failure> {
    shared.check_can_sign()?;
    let handle = shared.registry.find(channel_id)?;
    let view = handle.view();
    check_payable(&view)?;
    let mut total = Amount::ZERO;
    for payment in &payments {
        if payment.amount.is_zero() {
            return Err(Failure::new(FailureKind::BadAmount, "nothing is paid with zero")
                .safe("nothing was paid"));
        }
        total = total.checked_add(payment.amount).map_err(|error| {
            Failure::new(FailureKind::BadAmount, error.to_string()).safe("nothing was paid")
        })?;
    }
    if total > view.spendable {
        let words = |amount| shared.settings.words(view.setup.terms.token, amount);
        let (spendable, wanted) = (words(view.spendable), words(total));
        let message = format!("{spendable} can be paid in this channel now, {wanted} is wanted");
        return Err(Failure::new(FailureKind::InsufficientFunds, message)
            .safe("nothing was paid")
            .advice("pay less, or add to your deposit with `lockstep deposit`"));
    }
    if let Spender::Token(limit) = spender
        && (total > limit.limit || limit.asset != view.setup.terms.token)
    {
        let most = shared.settings.words(limit.asset, limit.limit);
        let message = format!("this access token pays at most {most}");
        return Err(Failure::new(FailureKind::SpendingLimit, message).safe("nothing was paid"));
    }
    let actions = payments.into_iter().map(Action::Pay).collect();
    Ok(Planned { handle, actions, total })
}

pub(super) fn check_payable(view: &View) -> Result<(), Failure> {
    let refused = |kind, message: String| Err(Failure::new(kind, message).safe("nothing was paid"));
    if let Some(reason) = view.marks.frozen {
        return refused(FailureKind::Frozen, wording::freeze_reason(reason).to_owned());
    }
    if let Some(reason) = view.marks.restored {
        let message = format!("the channel only closes: {}", wording::restore_reason(reason));
        return refused(FailureKind::Restored, message);
    }
    match &view.phase {
        Phase::Open => Ok(()),
        Phase::Opening(_) | Phase::Funding { .. } => {
            let message = "the channel is not open yet".to_owned();
            refused(FailureKind::WrongPhase, message)
                .map_err(|failure| failure.advice("`lockstep channels` shows what it waits for"))
        }
        Phase::Closing(_) | Phase::Disputed(_) | Phase::Settled(_) => {
            refused(FailureKind::WrongPhase, "the channel is closing or closed".to_owned())
        }
    }
}

/// Pays.
pub(super) async fn pay(
    shared: &Arc<Shared>,
    call: &Pay,
    spender: Spender,
) -> Result<Payment, Failure> {
    let fingerprint =
        fingerprint(b"pay", &(call.channel_id, call.amount, &call.invoice, &call.memo));
    let planning = plan(shared, call, spender);
    match claim(shared, call.idempotency_key.as_ref(), fingerprint)? {
        Err(known) => {
            let handle = shared.registry.find(known.channel_id)?;
            find_ordered(shared, &handle, &known)
                .await
                .map_err(|failure| failure.safe("this key is used; nothing is paid twice"))
        }
        Ok(request) => {
            let planned = planning.await?;
            let action = planned.actions.first().cloned();
            let (handle, taken) = order(shared, planned, request, spender).await?;
            let first = taken.first;
            let tally = wait(taken.ended, call.wait_millis).await;
            Ok(made(shared, &handle, (first, action), tally).await)
        }
    }
}

/// The answer about a payment that is durable: never an error, or it would be made a second time. The history, where
/// it answers soon, adds its index.
async fn made(
    shared: &Arc<Shared>,
    handle: &Handle,
    (sequence, action): (Sequence, Option<Action>),
    tally: Option<Tally>,
) -> Payment {
    let view = handle.view();
    let id = PaymentId { channel_id: handle.channel_id, payer: view.side(), sequence };
    if tally.is_some()
        && let Ok(Ok(payment)) = tokio::time::timeout(LOOK_UP, look_up(shared, id)).await
    {
        return payment;
    }
    let payment = match action {
        Some(Action::Pay(payment)) => payment,
        // A call pays.
        Some(
            Action::AddLock(_)
            | Action::SettleLock { .. }
            | Action::FailLock { .. }
            | Action::ExpireLock { .. },
        )
        | None => CorePayment { amount: Amount::ZERO, memo: Memo::default(), invoice: None },
    };
    told(shared, &view, id, &payment, tally.as_ref())
}

/// What is known of a payment without the history.
fn told(
    shared: &Shared,
    view: &View,
    id: PaymentId,
    payment: &CorePayment,
    tally: Option<&Tally>,
) -> Payment {
    let (state, version, problem) = outcome(tally);
    let at = shared.clock.unix_secs();
    let shown = payment_of(shared, view, id, payment, state, at);
    Payment { version, problem, ..shown }
}

fn outcome(tally: Option<&Tally>) -> (PaymentState, Option<u64>, Option<String>) {
    match tally {
        None => (PaymentState::Pending, None, None),
        Some(Tally { applied: 0, reason, .. }) => {
            let problem = reason.map(|reason| wording::reject_reason(reason).to_owned());
            (PaymentState::Failed, None, problem)
        }
        Some(Tally { version, .. }) => (PaymentState::Final, Some(version.0), None),
    }
}

/// Pays many times with one commit.
pub(super) async fn pay_batch(
    shared: &Arc<Shared>,
    call: &PayBatch,
    spender: Spender,
) -> Result<BatchReceipt, Failure> {
    let fingerprint = fingerprint(b"batch", &(call.channel_id, &call.payments));
    let payer = |handle: &Handle, first| PaymentId {
        channel_id: handle.channel_id,
        payer: handle.view().side(),
        sequence: first,
    };
    let total =
        call.payments.iter().try_fold(Amount::ZERO, |sum, item| sum.checked_add(item.amount.0));
    let total = Text(total.unwrap_or(Amount::MAX));
    match claim(shared, call.idempotency_key.as_ref(), fingerprint)? {
        Err(known) => {
            let handle = shared.registry.find(known.channel_id)?;
            let counted = count_ended(shared, &handle, &known)
                .await
                .map_err(|failure| failure.safe("this key is used; nothing is paid twice"));
            let (final_count, failed_count) = counted?;
            let first = Text(payer(&handle, known.first));
            Ok(BatchReceipt { first, count: known.count, total, final_count, failed_count })
        }
        Ok(request) => {
            let planned = plan_batch(shared, call, spender).await?;
            let (handle, taken) = order(shared, planned, request, spender).await?;
            let (first, count) = (taken.first, taken.count);
            let tally = wait(taken.ended, call.wait_millis).await;
            // Durable by now: an error here would make the caller pay again.
            let tally = match tally {
                Some(tally) => tally,
                None => {
                    let counting = part_tally(shared, &handle, first, count);
                    let counted = tokio::time::timeout(LOOK_UP, counting).await;
                    counted.ok().and_then(Result::ok).unwrap_or_default()
                }
            };
            let (final_count, failed_count) = (tally.applied, tally.failed);
            let first = Text(payer(&handle, first));
            Ok(BatchReceipt { first, count, total, final_count, failed_count })
        }
    }
}

/// How many of some payments have ended by now, as far as the channel itself knows.
async fn part_tally(
    shared: &Shared,
    handle: &Handle,
    first: Sequence,
    count: u32,
) -> Result<Tally, Failure> {
    let request = Request {
        name: B256::ZERO,
        fingerprint: B256::ZERO,
        channel_id: handle.channel_id,
        first,
        count,
        at_secs: shared.clock.unix_secs(),
    };
    let (applied, failed) = count_ended(shared, handle, &request).await?;
    Ok(Tally { applied, failed, ..Tally::default() })
}

type Claimed = Result<Option<crate::engine::ledger::Reservation>, Request>;

/// Takes the caller's name for its order, if it gave one.
fn claim(
    shared: &Arc<Shared>,
    name: Option<&String>,
    fingerprint: B256,
) -> Result<Claimed, Failure> {
    let Some(name) = name else { return Ok(Ok(None)) };
    Ok(match shared.ledger.claim(name, fingerprint)? {
        Claim::New(reservation) => Ok(Some(reservation)),
        Claim::Repeated(request) => Err(request),
    })
}

/// A hash of what was ordered, so that a name is not used for something else.
fn fingerprint(kind: &[u8], order: &impl serde::Serialize) -> B256 {
    let text = serde_json::to_vec(order).unwrap_or_default();
    keccak256([kind, &text].concat())
}

async fn order(
    shared: &Arc<Shared>,
    planned: Planned,
    request: Option<crate::engine::ledger::Reservation>,
    spender: Spender,
) -> Result<(Handle, Taken), Failure> {
    let Planned { handle, actions, total } = planned;
    let spending = match spender {
        Spender::Operator => None,
        Spender::Token(limit) => {
            let asset = handle.view().setup.terms.token;
            Some(shared.ledger.spend(limit, asset, total).await?)
        }
    };
    let reserved = Reserved { request, spending, total };
    let (answer, answered) = oneshot::channel();
    handle.post(Event::Pay(Box::new(PayOrder { actions, reserved, answer })))?;
    let taken = answered.await.map_err(|_| {
        Failure::new(FailureKind::NotReady, "the node is stopping")
            .safe("it is not known whether this was paid")
            .advice("look at `lockstep payments` before you pay again, or repeat the same idempotency key")
    })??;
    Ok((handle, taken))
}

async fn wait(ended: oneshot::Receiver<Tally>, millis: Option<u64>) -> Option<Tally> {
    let millis = millis.unwrap_or(WAIT_MILLIS).min(MAX_WAIT_MILLIS);
    match tokio::time::timeout(Duration::from_millis(millis), ended).await {
        Ok(Ok(tally)) => Some(tally),
        Ok(Err(_)) | Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockstep_core::ids::Version;
    use lockstep_core::message::RejectReason;

    #[test]
    fn p65_who_waits_as_long_as_it_may_is_answered_before_the_server_gives_up() {
        let longest = Duration::from_millis(MAX_WAIT_MILLIS).saturating_add(LOOK_UP);
        assert!(longest < lockstep_rpc::server::ANSWER_WITHIN, "{longest:?}");
    }

    #[test]
    fn a_payment_that_is_durable_is_answered_from_what_its_channel_told() {
        assert_eq!(outcome(None), (PaymentState::Pending, None, None));
        let applied = Tally { applied: 1, version: Version(7), ..Tally::default() };
        assert_eq!(outcome(Some(&applied)), (PaymentState::Final, Some(7), None));
        let reason = Some(RejectReason::NotNow);
        let failed = Tally { failed: 1, reason, ..Tally::default() };
        let (state, version, problem) = outcome(Some(&failed));
        assert_eq!((state, version), (PaymentState::Failed, None));
        assert!(problem.is_some());
    }
}
