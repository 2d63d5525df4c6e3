//! What travels: one struct for each request and each answer, in the JSON that callers see.
//!
//! Names are camelCase, amounts are decimal strings of base units, times are seconds since 1970, ids and
//! accounts are lower-case hex with `0x`. A field that has nothing to say is `null` or left out.

mod access;
mod asset;
mod bridge;
mod channel;
mod check;
mod event;
mod node;
mod payment;
mod peer;
mod recovery;
mod tower;
mod value;

pub use access::{AccessToken, AccessTokenCall, CreateAccessToken, NewAccessToken, Subscribe};
pub use asset::{Asset, AssetBalance};
pub use bridge::{Fund, NetworkReport, Transfer, TransferDirection, TransferState, WithdrawToL1};
pub use channel::{
    CancelOpen, CashCredit, Channel, ChannelCall, ChannelList, ChannelPhase, CloseView, Deposit,
    ForceClose, ForceCloseReport, JoinChannel, ListChannels, OpenChannel, PendingOpen,
    RejectChannel, Waiting, Withdraw,
};
pub use check::{CheckCall, CheckReport, CheckStep, Cost};
pub use event::{Event, EventBody, EventKind, EventPage, ListEvents};
pub use node::{
    AccountBalance, Alarm, ChainStatus, ChannelCounts, EndpointStatus, NodeInfo, NodeState, Status,
    TowerCounts,
};
pub use payment::{
    BatchItem, BatchReceipt, CreateInvoice, Direction, GetPayment, Invoice, InvoiceCall,
    InvoiceState, ListInvoices, ListPayments, Pay, PayBatch, Payment, PaymentPage, PaymentState,
};
pub use peer::{Connect, CreateInvite, Invite, InviteCall, InviteDetails, Peer, PeerCall};
pub use recovery::{Backup, BackupReport, ExportProof, Proof, Recover, RecoverReport};
pub use tower::{AddTower, ListReceipts, TermsView, Tower, TowerCall, TowerReceipt};
pub use value::{
    AccountText, AmountText, ChannelIdText, HashText, InvoiceIdText, NodeKeyText, PaymentName,
    Text, TextError, TextForm,
};
