//! Invoices: made, read, listed.

use super::payment::{check_payable, memo_of};
use crate::engine::event::Event;
use crate::engine::invoice::InvoiceText;
use crate::engine::shared::Shared;
use crate::engine::wording;
use lockstep_core::ids::InvoiceId;
use lockstep_core::input::Command;
use lockstep_core::record::{Invoice as KnownInvoice, InvoiceStatus};
use lockstep_core::time::BlockTimestamp;
use lockstep_core::update::Memo;
use lockstep_rpc::failure::{Failure, FailureKind};
use lockstep_rpc::types::{CreateInvoice, Invoice, InvoiceCall, InvoiceState, ListInvoices, Text};
use std::sync::Arc;
use tokio::sync::oneshot;

/// How long an invoice may be paid, unless the caller says. Source: protocol §8. Units: seconds.
const INVOICE_SECS: u64 = 3_600;
/// The longest that an invoice may be paid. Units: seconds.
const MAX_INVOICE_SECS: u64 = 30 * 24 * 3_600;
/// Invoices in one answer.
const MAX_LISTED: usize = 1_000;

/// An invoice that we may pay.
pub(super) fn payable(shared: &Shared, text: &str) -> Result<InvoiceText, Failure> {
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

/// What an invoice will say, checked: until when it may be paid, and for what.
pub(super) fn plan(
    shared: &Shared,
    call: &CreateInvoice,
) -> Result<(BlockTimestamp, Memo), Failure> {
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
    Ok((expiry, memo))
}

/// Makes an invoice.
pub(super) async fn create(shared: &Arc<Shared>, call: &CreateInvoice) -> Result<Invoice, Failure> {
    let (expiry, memo) = plan(shared, call)?;
    let channel_id = call.channel_id.0;
    let mut id = [0; 32];
    getrandom::fill(&mut id).map_err(|error| {
        Failure::new(FailureKind::Internal, format!("no randomness: {error}"))
            .safe("nothing was done")
    })?;
    let id = InvoiceId(id.into());
    let amount = call.amount.0;
    let order = Command::AddInvoice { id, amount, expiry, memo: memo.clone() };
    super::channel::order(shared, channel_id, order).await?;
    let text = InvoiceText {
        domain: shared.settings.domain,
        channel_id,
        payee: shared.node_id,
        id,
        amount,
        expiry,
        memo,
    };
    Ok(shown(shared, &text, InvoiceState::Open))
}

/// Reads an invoice.
pub(super) async fn decode(shared: &Arc<Shared>, call: &InvoiceCall) -> Result<Invoice, Failure> {
    let text = InvoiceText::from_text(&call.invoice).map_err(|error| {
        Failure::new(FailureKind::BadInvoice, error.to_string())
            .advice("copy the whole invoice again")
    })?;
    let state = state(shared, &text).await?;
    Ok(shown(shared, &text, state))
}

async fn state(shared: &Shared, text: &InvoiceText) -> Result<InvoiceState, Failure> {
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
    // One that was dropped to make room was so only after its time.
    Ok(known.map_or(InvoiceState::Expired, |known| state_of(&known, by_time)))
}

fn shown(shared: &Shared, text: &InvoiceText, state: InvoiceState) -> Invoice {
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

fn state_of(known: &KnownInvoice, by_time: InvoiceState) -> InvoiceState {
    match known.status {
        InvoiceStatus::Paid { .. } => InvoiceState::Paid,
        InvoiceStatus::Open => by_time,
    }
}

/// Our own invoices, those that end first first.
pub(super) async fn list(
    shared: &Arc<Shared>,
    call: &ListInvoices,
) -> Result<Vec<Invoice>, Failure> {
    let handles = match call.channel_id {
        Some(channel_id) => vec![shared.registry.find(channel_id.0)?],
        None => shared.registry.all(),
    };
    let now = shared.chain_time().finalized();
    let mut listed = Vec::new();
    for handle in handles {
        let (answer, answered) = oneshot::channel();
        handle.post_urgent(Event::Invoices(answer))?;
        let known = answered.await.map_err(|_| wording::stopping())?;
        listed.extend(known.into_iter().map(|(id, known)| {
            let by_time =
                if now > known.expiry { InvoiceState::Expired } else { InvoiceState::Open };
            let text = InvoiceText {
                domain: shared.settings.domain,
                channel_id: handle.channel_id,
                payee: shared.node_id,
                id,
                amount: known.amount,
                expiry: known.expiry,
                memo: known.memo.clone(),
            };
            (text, state_of(&known, by_time))
        }));
    }
    let all = call.include_ended.unwrap_or(false);
    listed.retain(|(_, state)| all || *state == InvoiceState::Open);
    listed.sort_by_key(|(text, _)| (text.expiry, text.id));
    listed.truncate(MAX_LISTED);
    Ok(listed.iter().map(|(text, state)| shown(shared, text, *state)).collect())
}
