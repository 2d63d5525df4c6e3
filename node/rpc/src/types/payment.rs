//! Payments and invoices.

use super::asset::Asset;
use super::value::{
    AccountText, AmountText, ChannelIdText, InvoiceIdText, NodeKeyText, PaymentName,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which way money went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Direction {
    /// We paid.
    Sent,
    /// We were paid.
    Received,
}

/// What became of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum PaymentState {
    /// Durable here, and not yet in a state that counts.
    Pending,
    /// It can't be taken back.
    Final,
    /// It was left out for ever; nothing was paid.
    Failed,
}

/// One payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Payment {
    /// Its place in the node's list of payments; none while it is pending.
    pub index: Option<u64>,
    /// Its name.
    pub payment_id: PaymentName,
    /// The channel.
    pub channel_id: ChannelIdText,
    /// The other side.
    pub counterparty: NodeKeyText,
    /// Which way it went.
    pub direction: Direction,
    /// The token.
    pub asset: Asset,
    /// How much.
    pub amount: AmountText,
    /// What the payer wrote, if it is text.
    pub memo: Option<String>,
    /// The invoice that it pays.
    pub invoice_id: Option<InvoiceIdText>,
    /// What became of it.
    pub state: PaymentState,
    /// The version that made it final.
    pub version: Option<u64>,
    /// Why it failed.
    pub problem: Option<String>,
    /// When it was last heard of. Units: seconds since 1970.
    pub at: u64,
}

/// Pays. Either an invoice, or an amount in a channel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pay {
    /// The channel to pay in; none lets the node find the one with the invoice's payee.
    pub channel_id: Option<ChannelIdText>,
    /// How much; none is what the invoice says.
    pub amount: Option<AmountText>,
    /// The invoice to pay.
    pub invoice: Option<String>,
    /// A note for the payee. Units: at most 64 bytes.
    pub memo: Option<String>,
    /// The same key again gives the first call's answer and pays nothing more, for 24 hours. At most 64
    /// characters.
    pub idempotency_key: Option<String>,
    /// How long to wait for the payment to be final; none is 10 seconds, 0 does not wait. A payment that is
    /// still pending then is answered as such, and goes on. Units: milliseconds.
    pub wait_millis: Option<u64>,
}

/// One payment of many.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BatchItem {
    /// How much.
    pub amount: AmountText,
    /// A note for the payee. Units: at most 64 bytes.
    pub memo: Option<String>,
}

/// Pays many times in one channel with one call: all are taken, or none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PayBatch {
    /// The channel to pay in.
    pub channel_id: ChannelIdText,
    /// The payments, in order. At most 1,000.
    pub payments: Vec<BatchItem>,
    /// As in `lockstep_pay`.
    pub idempotency_key: Option<String>,
    /// As in `lockstep_pay`, for the last of them.
    pub wait_millis: Option<u64>,
}

/// What became of many payments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BatchReceipt {
    /// The first; the others follow it by sequence without a gap.
    pub first: PaymentName,
    /// How many.
    pub count: u32,
    /// Their sum.
    pub total: AmountText,
    /// How many of them are final.
    pub final_count: u32,
    /// How many of them have failed.
    pub failed_count: u32,
}

/// Names a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GetPayment {
    /// Which.
    pub payment_id: PaymentName,
}

/// Chooses payments that are final or have failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListPayments {
    /// From this index on; none is the oldest that is kept.
    pub from_index: Option<u64>,
    /// How many at most; none is 100, the most is 1,000.
    pub limit: Option<u32>,
    /// Only in this channel.
    pub channel_id: Option<ChannelIdText>,
    /// Newest first, counting down from `fromIndex` or from the newest.
    pub newest_first: Option<bool>,
}

/// Some payments, by index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PaymentPage {
    /// The payments.
    pub payments: Vec<Payment>,
    /// Where to go on; none at the end when `newestFirst`.
    pub next_index: Option<u64>,
}

/// Asks for a payment request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateInvoice {
    /// The channel that it is to be paid in.
    pub channel_id: ChannelIdText,
    /// Exactly this much.
    pub amount: AmountText,
    /// How long it may be paid; none is one hour. Units: seconds.
    pub expiry_secs: Option<u64>,
    /// What it is for; it travels in the invoice. Units: at most 64 bytes.
    pub memo: Option<String>,
}

/// Names an invoice by its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InvoiceCall {
    /// The text of the invoice.
    pub invoice: String,
}

/// What became of an invoice, as far as this node can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum InvoiceState {
    /// May be paid.
    Open,
    /// Was paid.
    Paid,
    /// Its time is over.
    Expired,
    /// Of another network, or of no channel of ours.
    Foreign,
}

/// A request for one payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Invoice {
    /// One line of text for the payer.
    pub invoice: String,
    /// Its id.
    pub invoice_id: InvoiceIdText,
    /// The channel that it is to be paid in.
    pub channel_id: ChannelIdText,
    /// Who is paid.
    pub payee: NodeKeyText,
    /// Whether we are paid.
    pub is_ours: bool,
    /// The token.
    pub token: AccountText,
    /// Exactly this much.
    pub amount: AmountText,
    /// Last second at which it may be paid, by the chain's clock. Units: seconds since 1970.
    pub expires_at: u64,
    /// What it is for.
    pub memo: Option<String>,
    /// What became of it.
    pub state: InvoiceState,
}

/// Asks for invoices of our own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListInvoices {
    /// Only of this channel.
    pub channel_id: Option<ChannelIdText>,
    /// Also those that are paid or expired, as long as they are kept; none is no.
    pub include_ended: Option<bool>,
}
