//! Payments of the past: by name and by index.

use super::event;
use crate::engine::event::Event;
use crate::engine::order::Standing;
use crate::engine::registry::Handle;
use crate::engine::shared::Shared;
use crate::engine::view::View;
use crate::engine::wording;
use lockstep_core::ids::{PaymentId, Sequence};
use lockstep_core::output::Notice;
use lockstep_core::update::{Action, Payment as CorePayment};
use lockstep_rpc::failure::{Failure, FailureKind};
use lockstep_rpc::types::{
    Direction, GetPayment, ListPayments, Payment, PaymentPage, PaymentState, Text,
};
use lockstep_store::feed::{self, Count, Entry};
use lockstep_store::request::Request;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Payments in one answer, unless the caller says.
const PAGE: u32 = 100;
/// The most in one answer.
const MAX_PAGE: u32 = 1_000;
/// How many of the newest payments are looked through for one by its name.
const LOOK_BACK: u64 = 50_000;

/// What the channel knows of payments of ours without the history.
async fn standing(handle: &Handle, first: Sequence, count: u32) -> Result<Standing, Failure> {
    let (answer, answered) = oneshot::channel();
    handle.post_urgent(Event::Standing { first, count, answer })?;
    answered.await.map_err(|_| wording::stopping())
}

/// One payment of ours by its sequence.
pub(super) async fn find(
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

pub(super) async fn look_up(shared: &Arc<Shared>, id: PaymentId) -> Result<Payment, Failure> {
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
pub(super) async fn count_ended(
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
        // A page skips lines that are forgotten, and may reach into what was listed before.
        let newest_first =
            page.iter().rev().filter(|entry| entry.index < end).filter(is_meant(call));
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

pub(super) fn payment_of(
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
