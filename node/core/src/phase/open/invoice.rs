//! Requests for one payment each.

use crate::change::Change;
use crate::error::ProtocolError;
use crate::ids::{InvoiceId, Version};
use crate::money::Amount;
use crate::record::{Invoice, InvoiceStatus, MAX_INVOICES, RecordParts};
use crate::rules;
use crate::time::BlockTimestamp;
use crate::update::{Memo, Payment};

/// Adds an invoice; makes room by dropping those past their time.
pub(crate) fn add(
    change: &mut Change<'_>,
    id: InvoiceId,
    amount: Amount,
    expiry: BlockTimestamp,
    memo: Memo,
) -> Result<(), ProtocolError> {
    if amount.is_zero() {
        return Err(ProtocolError::ZeroAmount);
    }
    let now = rules::now(&change.parts);
    let parts = change.write();
    if expiry < now || parts.invoices.contains_key(&id) {
        return Err(ProtocolError::InvoiceRefused);
    }
    if parts.invoices.len() >= MAX_INVOICES {
        drop_ended(parts, now);
    }
    if parts.invoices.len() >= MAX_INVOICES {
        return Err(ProtocolError::Busy);
    }
    parts.invoices.insert(id, Invoice { amount, expiry, memo, status: InvoiceStatus::Open });
    Ok(())
}

/// An invoice past its time can no longer be paid, so its id need not be remembered.
fn drop_ended(parts: &mut RecordParts, now: BlockTimestamp) {
    parts.invoices.retain(|_, invoice| invoice.expiry >= now);
}

/// The invoice that a final payment names is paid.
pub(crate) fn mark_paid(change: &mut Change<'_>, payment: &Payment, version: Version) {
    let Some(id) = payment.invoice else { return };
    if let Some(invoice) = change.write().invoices.get_mut(&id) {
        invoice.status = InvoiceStatus::Paid { version };
    }
}
