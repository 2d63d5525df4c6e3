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
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Payments in one answer, unless the caller says.
const PAGE: u32 = 100;
/// The most in one answer.
const MAX_PAGE: u32 = 1_000;
/// How many of the newest payments are looked through for one by its name.
const LOOK_BACK: u64 = 50_000;
/// A line that was written so long before an order by the node's own clock is older than it, whatever that clock did
/// since. Units: seconds.
const CLOCK_SLACK_SECS: u64 = 24 * 3_600;

/// How far back payments are looked through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Depth {
    /// The newest [`LOOK_BACK`].
    Newest,
    /// All that were told since an order of this time. Units: seconds since 1970.
    Since(u64),
}

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
    match find_pending(shared, handle, sequence).await? {
        Ok(payment) => Ok(payment),
        Err(id) => look_up(shared, id).await,
    }
}

/// A payment of ours that has not ended; otherwise its name.
async fn find_pending(
    shared: &Shared,
    handle: &Handle,
    sequence: Sequence,
) -> Result<Result<Payment, PaymentId>, Failure> {
    let view = handle.view();
    let payer = view.side();
    let id = PaymentId { channel_id: handle.channel_id, payer, sequence };
    let standing = standing(handle, sequence, 1).await?;
    let Some(Action::Pay(payment)) = standing.pending.get(&sequence) else { return Ok(Err(id)) };
    let now = shared.clock.unix_secs();
    Ok(Ok(payment_of(shared, &view, id, payment, PaymentState::Pending, now)))
}

pub(super) async fn look_up(shared: &Arc<Shared>, id: PaymentId) -> Result<Payment, Failure> {
    look_for(shared, id, Depth::Newest).await?.ok_or_else(|| {
        let message = format!("no payment {} is among the newest {LOOK_BACK}", Text(id));
        Failure::new(FailureKind::UnknownPayment, message)
            .advice("`lockstep payments` lists them by index")
    })
}

async fn look_for(
    shared: &Arc<Shared>,
    id: PaymentId,
    depth: Depth,
) -> Result<Option<Payment>, Failure> {
    let mut found = None;
    look_back(shared, depth, |entry| {
        if ended(&entry.notice).is_some_and(|(ended, _)| ended == id) {
            found = of_entry(shared, entry);
        }
        found.is_none()
    })
    .await?;
    Ok(found)
}

/// Looks at the lines of payments, newest first, as long as it is told to go on.
async fn look_back(
    shared: &Shared,
    depth: Depth,
    mut goes_on: impl FnMut(&Entry) -> bool,
) -> Result<(), Failure> {
    let next = event::next_index(shared, Count::Payments).await?;
    // What was told since the counts were read is found, too.
    let mut end = next.saturating_add(u64::from(MAX_PAGE));
    let (oldest, since_secs) = match depth {
        Depth::Newest => (next.saturating_sub(LOOK_BACK), 0),
        Depth::Since(at_secs) => (0, at_secs.saturating_sub(CLOCK_SLACK_SECS)),
    };
    while end > oldest {
        let from = end.saturating_sub(u64::from(MAX_PAGE));
        let limit = usize::try_from(MAX_PAGE).unwrap_or(usize::MAX);
        let page = event::read(shared, Count::Payments, from, limit).await?;
        // A page skips lines that are forgotten, and may reach into what was looked at before.
        let page = page.iter().rev().filter(|entry| entry.index < end);
        let mut is_old = false;
        for entry in page {
            is_old = entry.at_secs < since_secs;
            if !goes_on(entry) {
                return Ok(());
            }
        }
        if is_old {
            return Ok(());
        }
        end = from;
    }
    Ok(())
}

/// Which payment a line ends, and whether it has failed.
fn ended(notice: &Notice) -> Option<(PaymentId, bool)> {
    if let Notice::Applied { id, .. } = notice {
        Some((*id, false))
    } else if let Notice::Failed { id, .. } = notice {
        Some((*id, true))
    } else {
        None
    }
}

/// The payment that an order of ours has made, however long ago.
pub(super) async fn find_ordered(
    shared: &Arc<Shared>,
    handle: &Handle,
    request: &Request,
) -> Result<Payment, Failure> {
    match find_pending(shared, handle, request.first).await? {
        Ok(payment) => Ok(payment),
        Err(id) => look_for(shared, id, Depth::Since(request.at_secs)).await?.ok_or_else(|| {
            let message = format!(
                "payment {} was ordered, and what became of it is not in this node's journal",
                Text(id)
            );
            Failure::new(FailureKind::UnknownPayment, message)
                .advice("ask the counterparty before it is paid under another key")
        }),
    }
}

/// How many payments of a request are final and how many have failed, however long ago. Each is counted by the line
/// that ended it: one that has none is neither, also if it is no longer pending. A backup forgets what was pending in
/// it, since it can't know what became of that.
pub(super) async fn count_ended(
    shared: &Shared,
    handle: &Handle,
    request: &Request,
) -> Result<(u32, u32), Failure> {
    let standing = standing(handle, request.first, request.count).await?;
    let payer = handle.view().side();
    let end = request.first.0.saturating_add(u64::from(request.count));
    let has_ended = |sequence: &u64| !standing.pending.contains_key(&Sequence(*sequence));
    let mut missing: BTreeSet<u64> = (request.first.0..end).filter(has_ended).collect();
    let (mut applied, mut failed): (u32, u32) = (0, 0);
    if missing.is_empty() {
        return Ok((applied, failed));
    }
    look_back(shared, Depth::Since(request.at_secs), |entry| {
        if let Some((id, has_failed)) = ended(&entry.notice)
            && id.channel_id == request.channel_id
            && id.payer == payer
            && missing.remove(&id.sequence.0)
        {
            let count = if has_failed { &mut failed } else { &mut applied };
            *count = count.saturating_add(1);
        }
        !missing.is_empty()
    })
    .await?;
    Ok((applied, failed))
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
