//! Payments and invoices.

use super::event;
use crate::engine::event::Event;
use crate::engine::invoice::InvoiceText;
use crate::engine::ledger::{Claim, Reserved};
use crate::engine::order::{PayOrder, Standing, Taken, Tally};
use crate::engine::registry::Handle;
use crate::engine::shared::Shared;
use crate::engine::view::View;
use crate::engine::wording;
use alloy_primitives::{B256, keccak256};
use lockstep_core::ids::{ChannelId, InvoiceId, PaymentId, Sequence};
use lockstep_core::input::Command;
use lockstep_core::money::Amount;
use lockstep_core::output::Notice;
use lockstep_core::record::{Invoice as KnownInvoice, InvoiceStatus, Phase};
use lockstep_core::time::BlockTimestamp;
use lockstep_core::update::{Action, MAX_PENDING_UPDATES, Memo, Payment as CorePayment};
use lockstep_rpc::backend::Spender;
use lockstep_rpc::failure::{Failure, FailureKind};
use lockstep_rpc::types::{
    BatchReceipt, CreateInvoice, Direction, GetPayment, Invoice, InvoiceCall, InvoiceState,
    ListPayments, Pay, PayBatch, Payment, PaymentPage, PaymentState, Text,
};
use lockstep_store::feed::{self, Count, Entry};
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
/// Payments in one answer, unless the caller says.
const PAGE: u32 = 100;
/// The most in one answer.
const MAX_PAGE: u32 = 1_000;
/// How many of the newest payments are looked through for one by its name.
const LOOK_BACK: u64 = 50_000;
/// How long an invoice may be paid, unless the caller says. Source: protocol §8. Units: seconds.
const INVOICE_SECS: u64 = 3_600;
/// The longest that an invoice may be paid. Units: seconds.
const MAX_INVOICE_SECS: u64 = 30 * 24 * 3_600;

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
        Some(text) => Some(payable_invoice(shared, text)?),
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

fn memo_of(text: &str) -> Result<Memo, Failure> {
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

fn check_payable(view: &View) -> Result<(), Failure> {
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

/// An invoice that we may pay.
fn payable_invoice(shared: &Shared, text: &str) -> Result<InvoiceText, Failure> {
    let invoice = InvoiceText::from_text(text).map_err(|error| {
        Failure::new(FailureKind::BadInvoice, error.to_string())
            .safe("nothing was paid")
            .advice("copy the whole invoice again")
    })?;
    let refused = |kind, message: &str| Err(Failure::new(kind, message).safe("nothing was paid"));
    if invoice.domain != shared.settings.domain {
        return refused(FailureKind::WrongNetwork, "the invoice is of another network or contract");
    }
    if invoice.payee == shared.node_id {
        return refused(FailureKind::OwnNode, "the invoice is this node's own");
    }
    let Some(handle) = shared.registry.get(invoice.channel_id) else {
        return refused(FailureKind::BadInvoice, "the invoice is for a channel that is not ours");
    };
    if handle.peer != invoice.payee {
        return refused(
            FailureKind::BadInvoice,
            "the invoice names another payee than its channel has",
        );
    }
    if shared.chain_time().finalized() > invoice.expiry {
        return refused(FailureKind::InvoiceExpired, "the invoice's time is over")
            .map_err(|failure: Failure| failure.advice("ask the payee for a new one"));
    }
    Ok(invoice)
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
            find(shared, &handle, known.first).await.map_err(|failure| {
                failure.safe("the first call with this key has paid; nothing is paid twice")
            })
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
            let counted = count_ended(shared, &handle, &known).await.map_err(|failure| {
                failure.safe("the first call with this key has paid; nothing is paid twice")
            });
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
        at_secs: 0,
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

/// What the channel knows of payments of ours without the history.
async fn standing(handle: &Handle, first: Sequence, count: u32) -> Result<Standing, Failure> {
    let (answer, answered) = oneshot::channel();
    handle.post_urgent(Event::Standing { first, count, answer })?;
    answered.await.map_err(|_| wording::stopping())
}

/// One payment of ours by its sequence.
async fn find(
    shared: &Arc<Shared>,
    handle: &Handle,
    sequence: Sequence,
) -> Result<Payment, Failure> {
    let view = handle.view();
    let payer = view.side();
    let id = PaymentId { channel_id: handle.channel_id, payer, sequence };
    let standing = standing(handle, sequence, 1).await?;
    if let Some(Action::Pay(payment)) = standing.pending.get(&sequence) {
        let now = shared.clock.unix_secs();
        return Ok(payment_of(shared, &view, id, payment, PaymentState::Pending, now));
    }
    look_up(shared, id).await
}

async fn look_up(shared: &Arc<Shared>, id: PaymentId) -> Result<Payment, Failure> {
    let next = event::next_index(shared, Count::Payments).await?;
    // What was told since the counts were read is found, too.
    let mut end = next.saturating_add(u64::from(MAX_PAGE));
    let oldest = next.saturating_sub(LOOK_BACK);
    while end > oldest {
        let from = end.saturating_sub(u64::from(MAX_PAGE));
        let limit = usize::try_from(MAX_PAGE).unwrap_or(usize::MAX);
        let page = event::read(shared, Count::Payments, from, limit).await?;
        let found = page.iter().rev().filter(|entry| entry.channel_id == id.channel_id);
        let mut found = found.filter_map(|entry| of_entry(shared, entry));
        if let Some(payment) = found.find(|payment| payment.payment_id.0 == id) {
            return Ok(payment);
        }
        end = from;
    }
    let message = format!("no payment {} is among the newest {LOOK_BACK}", Text(id));
    Err(Failure::new(FailureKind::UnknownPayment, message)
        .advice("`lockstep payments` lists them by index"))
}

/// How many payments of a request are final and have failed.
async fn count_ended(
    shared: &Shared,
    handle: &Handle,
    request: &Request,
) -> Result<(u32, u32), Failure> {
    let standing = standing(handle, request.first, request.count).await?;
    let pending = u32::try_from(standing.pending.len()).unwrap_or(u32::MAX);
    let ended = request.count.saturating_sub(pending);
    let payer = handle.view().side();
    let range = request.first.0..request.first.0.saturating_add(u64::from(request.count));
    let next = event::next_index(shared, Count::Payments).await?;
    let mut failed: u32 = 0;
    let mut from = next.saturating_sub(LOOK_BACK);
    loop {
        let limit = usize::try_from(MAX_PAGE).unwrap_or(usize::MAX);
        let page = event::read(shared, Count::Payments, from, limit).await?;
        let Some(last) = page.last() else { break };
        from = last.index.saturating_add(1);
        for entry in &page {
            if let Notice::Failed { id, .. } = &entry.notice
                && id.channel_id == request.channel_id
                && id.payer == payer
                && range.contains(&id.sequence.0)
            {
                failed = failed.saturating_add(1);
            }
        }
    }
    Ok((ended.saturating_sub(failed), failed))
}

/// One payment by its name.
pub(super) async fn get(shared: &Arc<Shared>, call: &GetPayment) -> Result<Payment, Failure> {
    let id = call.payment_id.0;
    let handle = shared.registry.find(id.channel_id)?;
    if handle.view().side() == id.payer {
        find(shared, &handle, id.sequence).await
    } else {
        look_up(shared, id).await
    }
}

/// Payments by index.
pub(super) async fn list(
    shared: &Arc<Shared>,
    call: &ListPayments,
) -> Result<PaymentPage, Failure> {
    let limit = usize::try_from(call.limit.unwrap_or(PAGE).min(MAX_PAGE)).unwrap_or(usize::MAX);
    if call.newest_first.unwrap_or(false) {
        return list_newest(shared, call, limit).await;
    }
    let mut payments: Vec<Payment> = Vec::new();
    let mut next = call.from_index.unwrap_or(0);
    let end = next.saturating_add(LOOK_BACK);
    while payments.len() < limit && next < end {
        let room = limit.saturating_sub(payments.len());
        let page = event::read(shared, Count::Payments, next, room).await?;
        let Some(last) = page.last() else { break };
        next = last.index.saturating_add(1);
        payments.extend(page.iter().filter(is_meant(call)).filter_map(|e| of_entry(shared, e)));
    }
    Ok(PaymentPage { payments, next_index: Some(next) })
}

async fn list_newest(
    shared: &Arc<Shared>,
    call: &ListPayments,
    limit: usize,
) -> Result<PaymentPage, Failure> {
    let newest = shared
        .journal
        .look(|journal| feed::next_index(journal.engine(), Count::Payments))
        .await
        .map_err(|error| wording::not_durable(&error))?
        .map_err(|error| Failure::new(FailureKind::Internal, wording::chain_of(&error)))?;
    let mut end = call.from_index.map_or(newest, |from| from.saturating_add(1).min(newest));
    let oldest = end.saturating_sub(LOOK_BACK);
    let mut payments: Vec<Payment> = Vec::new();
    while payments.len() < limit && end > oldest {
        let room = limit.saturating_sub(payments.len());
        let step = u64::try_from(room).unwrap_or(u64::MAX).min(end);
        let from = end.saturating_sub(step);
        let size = usize::try_from(step).unwrap_or(usize::MAX);
        let page = event::read(shared, Count::Payments, from, size).await?;
        let newest_first = page.iter().rev().filter(is_meant(call));
        payments.extend(newest_first.filter_map(|entry| of_entry(shared, entry)));
        end = from;
    }
    Ok(PaymentPage { payments, next_index: end.checked_sub(1) })
}

fn is_meant(call: &ListPayments) -> impl Fn(&&Entry) -> bool {
    let channel_id = call.channel_id.map(|channel_id| channel_id.0);
    move |entry| channel_id.is_none_or(|wanted| entry.channel_id == wanted)
}

/// The payment of a counted line, if it is about one.
pub(super) fn of_entry(shared: &Shared, entry: &Entry) -> Option<Payment> {
    let Some(Action::Pay(payment)) = feed::action_of(entry) else { return None };
    let view = shared.registry.get(entry.channel_id)?.view();
    let (id, state, version, problem) = if let Notice::Applied { id, version, .. } = &entry.notice {
        (*id, PaymentState::Final, Some(version.0), None)
    } else if let Notice::Failed { id, reason } = &entry.notice {
        let problem = Some(wording::reject_reason(*reason).to_owned());
        (*id, PaymentState::Failed, None, problem)
    } else {
        return None;
    };
    let mut shown = payment_of(shared, &view, id, payment, state, entry.at_secs);
    shown.index = Some(entry.index);
    shown.version = version;
    shown.problem = problem;
    Some(shown)
}

fn payment_of(
    shared: &Shared,
    view: &View,
    id: PaymentId,
    payment: &CorePayment,
    state: PaymentState,
    at: u64,
) -> Payment {
    let memo = payment.memo.as_bytes();
    let memo = std::str::from_utf8(memo).ok().filter(|text| !text.is_empty());
    let is_own = id.payer == view.side();
    Payment {
        index: None,
        payment_id: Text(id),
        channel_id: Text(id.channel_id),
        counterparty: Text(view.setup.peer),
        direction: if is_own { Direction::Sent } else { Direction::Received },
        asset: shared.settings.describe(view.setup.terms.token),
        amount: Text(payment.amount),
        memo: memo.map(ToOwned::to_owned),
        invoice_id: payment.invoice.map(Text),
        state,
        version: None,
        problem: None,
        at,
    }
}

/// Makes an invoice.
pub(super) async fn create_invoice(
    shared: &Arc<Shared>,
    call: &CreateInvoice,
) -> Result<Invoice, Failure> {
    shared.check_can_sign()?;
    let channel_id = call.channel_id.0;
    let handle = shared.registry.find(channel_id)?;
    check_payable(&handle.view()).map_err(|failure| failure.safe("nothing was done"))?;
    let secs = call.expiry_secs.unwrap_or(INVOICE_SECS);
    if secs == 0 || secs > MAX_INVOICE_SECS {
        let message = format!("an invoice may be paid for 1 to {MAX_INVOICE_SECS} seconds");
        return Err(Failure::new(FailureKind::Refused, message).safe("nothing was done"));
    }
    let now = shared.chain_time().finalized();
    let expiry = now.checked_add_secs(secs).unwrap_or(BlockTimestamp(u64::MAX));
    let memo = call.memo.as_deref().map(memo_of).transpose()?.unwrap_or_default();
    let mut id = [0; 32];
    getrandom::fill(&mut id).map_err(|error| {
        Failure::new(FailureKind::Internal, format!("no randomness: {error}"))
            .safe("nothing was done")
    })?;
    let id = InvoiceId(id.into());
    let amount = call.amount.0;
    super::channel::order(shared, channel_id, Command::AddInvoice { id, amount, expiry }).await?;
    let text = InvoiceText {
        domain: shared.settings.domain,
        channel_id,
        payee: shared.node_id,
        id,
        amount,
        expiry,
        memo,
    };
    Ok(invoice(shared, &text, InvoiceState::Open))
}

/// Reads an invoice.
pub(super) async fn decode_invoice(
    shared: &Arc<Shared>,
    call: &InvoiceCall,
) -> Result<Invoice, Failure> {
    let text = InvoiceText::from_text(&call.invoice).map_err(|error| {
        Failure::new(FailureKind::BadInvoice, error.to_string())
            .advice("copy the whole invoice again")
    })?;
    let state = invoice_state(shared, &text).await?;
    Ok(invoice(shared, &text, state))
}

async fn invoice_state(shared: &Shared, text: &InvoiceText) -> Result<InvoiceState, Failure> {
    let is_here = text.domain == shared.settings.domain;
    let Some(handle) = shared.registry.get(text.channel_id).filter(|_| is_here) else {
        return Ok(InvoiceState::Foreign);
    };
    let is_expired = shared.chain_time().finalized() > text.expiry;
    let by_time = if is_expired { InvoiceState::Expired } else { InvoiceState::Open };
    if text.payee != shared.node_id {
        return Ok(by_time);
    }
    let (answer, answered) = oneshot::channel();
    handle.post(Event::Invoice(text.id, answer))?;
    let known = answered.await.map_err(|_| wording::stopping())?;
    Ok(match known {
        Some(KnownInvoice { status: InvoiceStatus::Paid { .. }, .. }) => InvoiceState::Paid,
        Some(KnownInvoice { status: InvoiceStatus::Open, .. }) => by_time,
        // Dropped to make room, which only happens after its time.
        None => InvoiceState::Expired,
    })
}

fn invoice(shared: &Shared, text: &InvoiceText, state: InvoiceState) -> Invoice {
    let view = shared.registry.get(text.channel_id).map(|handle| handle.view());
    let token = view.map_or_else(|| shared.settings.coin(), |view| view.setup.terms.token);
    let memo = std::str::from_utf8(text.memo.as_bytes()).ok().filter(|memo| !memo.is_empty());
    Invoice {
        invoice: text.to_text(),
        invoice_id: Text(text.id),
        channel_id: Text(text.channel_id),
        payee: Text(text.payee),
        is_ours: text.payee == shared.node_id,
        token: Text(token),
        amount: Text(text.amount),
        expires_at: text.expiry.0,
        memo: memo.map(ToOwned::to_owned),
        state,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockstep_core::ids::Version;
    use lockstep_core::message::RejectReason;

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
