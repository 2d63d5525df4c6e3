//! What the server needs of the node behind it.
//!
//! Every method returns within a bounded time; what the chain takes minutes for is ordered and answered at
//! once, and shows in the channel's `waiting`. Nothing is half done: a method that fails has changed nothing,
//! unless its failure says so.

use crate::failure::Failure;
use crate::types::{
    AddTower, Backup, BackupReport, BatchReceipt, CancelOpen, CashCredit, Channel, ChannelCall,
    ChannelList, CheckCall, CheckReport, Connect, CreateInvite, CreateInvoice, Deposit, EventKind,
    EventPage, ExportProof, ForceClose, ForceCloseReport, Fund, GetPayment, Invite, InviteCall,
    InviteDetails, Invoice, InvoiceCall, JoinChannel, ListChannels, ListEvents, ListInvoices,
    ListPayments, ListReceipts, NetworkReport, NodeInfo, OpenChannel, Pay, PayBatch, Payment,
    PaymentPage, Peer, PeerCall, PendingOpen, Proof, Recover, RecoverReport, RejectChannel, Status,
    Tower, TowerCall, TowerReceipt, Transfer, Withdraw, WithdrawToL1,
};
use alloy_primitives::B256;
use lockstep_core::ids::AccountRef;
use lockstep_core::money::Amount;
use std::future::Future;
use tokio::sync::watch;

/// The answer of a call.
pub type Answer<T> = Result<T, Failure>;

/// Whose money a payment is counted against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spender {
    /// The operator: no limit.
    Operator,
    /// A token with a limit.
    Token(SpendingLimit),
}

/// How much may be paid with one access token in its whole life.
///
/// The node keeps the sum of what it has paid under `token_id` and writes it in the same commit as the
/// payment. A payment that would bring the sum above `limit`, or of another asset, is
/// [`crate::failure::FailureKind::SpendingLimit`]. A payment that fails for ever gives its amount back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpendingLimit {
    /// Names the token; its hash, so that it may be stored and logged.
    pub token_id: B256,
    /// The only asset that it may pay.
    pub asset: AccountRef,
    /// The most that it may pay in all.
    pub limit: Amount,
}

/// The node behind the server.
pub trait Backend: Send + Sync + 'static {
    /// Who the node is; from memory.
    fn info(&self) -> NodeInfo;

    /// How the node is; from memory, waits for nobody.
    fn status(&self) -> Status;

    /// Peers that we have channels or links with, and contacts.
    fn peers(&self) -> impl Future<Output = Answer<Vec<Peer>>> + Send;

    /// Makes an invite.
    fn create_invite(&self, call: CreateInvite) -> impl Future<Output = Answer<Invite>> + Send;

    /// Reads an invite.
    fn decode_invite(&self, call: InviteCall)
    -> impl Future<Output = Answer<InviteDetails>> + Send;

    /// Connects to a peer and keeps its address.
    fn connect(&self, call: Connect) -> impl Future<Output = Answer<Peer>> + Send;

    /// Ends the link to a peer and no longer looks for it.
    fn disconnect_peer(&self, call: PeerCall) -> impl Future<Output = Answer<Peer>> + Send;

    /// Forgets a peer with which no channel is open.
    fn forget_peer(&self, call: PeerCall) -> impl Future<Output = Answer<()>> + Send;

    /// Offers and opens a channel. Answers once the offer is durable and on its way.
    fn open_channel(&self, call: OpenChannel) -> impl Future<Output = Answer<Channel>> + Send;

    /// What others offer us.
    fn pending_opens(&self) -> impl Future<Output = Answer<Vec<PendingOpen>>> + Send;

    /// Accepts an offer, or brings our deposit to a channel that is PENDING.
    fn join_channel(&self, call: JoinChannel) -> impl Future<Output = Answer<Channel>> + Send;

    /// Declines an offer.
    fn reject_channel(&self, call: RejectChannel) -> impl Future<Output = Answer<()>> + Send;

    /// Takes back the deposit of a channel that was never joined.
    fn cancel_open(&self, call: CancelOpen) -> impl Future<Output = Answer<Channel>> + Send;

    /// Adds to our deposit.
    fn deposit(&self, call: Deposit) -> impl Future<Output = Answer<Channel>> + Send;

    /// Takes money out while the channel stays open.
    fn withdraw(&self, call: Withdraw) -> impl Future<Output = Answer<Channel>> + Send;

    /// Funds a channel from L1.
    fn fund(&self, call: Fund) -> impl Future<Output = Answer<Transfer>> + Send;

    /// Takes money of our account on the rollup to L1.
    fn withdraw_to_l1(&self, call: WithdrawToL1) -> impl Future<Output = Answer<Transfer>> + Send;

    /// Transfers between L1 and the rollup.
    fn transfers(&self) -> impl Future<Output = Answer<Vec<Transfer>>> + Send;

    /// The networks as they are now.
    fn networks(&self) -> impl Future<Output = Answer<Vec<NetworkReport>>> + Send;

    /// Fetches payouts that the contract could not deliver.
    fn cash_credit(&self, call: CashCredit) -> impl Future<Output = Answer<B256>> + Send;

    /// Closes together with the counterparty.
    fn close_channel(&self, call: ChannelCall) -> impl Future<Output = Answer<Channel>> + Send;

    /// Closes without the counterparty, or says what that would mean.
    fn force_close(
        &self,
        call: ForceClose,
    ) -> impl Future<Output = Answer<ForceCloseReport>> + Send;

    /// Signs nothing more in a channel; watching goes on. It can't be undone.
    fn freeze_channel(&self, call: ChannelCall) -> impl Future<Output = Answer<Channel>> + Send;

    /// Some channels.
    fn channels(&self, call: ListChannels) -> impl Future<Output = Answer<ChannelList>> + Send;

    /// One channel.
    fn channel(&self, call: ChannelCall) -> impl Future<Output = Answer<Channel>> + Send;

    /// Pays.
    fn pay(&self, call: Pay, spender: Spender) -> impl Future<Output = Answer<Payment>> + Send;

    /// Pays many times with one commit.
    fn pay_batch(
        &self,
        call: PayBatch,
        spender: Spender,
    ) -> impl Future<Output = Answer<BatchReceipt>> + Send;

    /// One payment.
    fn payment(&self, call: GetPayment) -> impl Future<Output = Answer<Payment>> + Send;

    /// Payments by index.
    fn payments(&self, call: ListPayments) -> impl Future<Output = Answer<PaymentPage>> + Send;

    /// Makes an invoice.
    fn create_invoice(&self, call: CreateInvoice) -> impl Future<Output = Answer<Invoice>> + Send;

    /// Reads an invoice.
    fn decode_invoice(&self, call: InvoiceCall) -> impl Future<Output = Answer<Invoice>> + Send;

    /// Invoices of our own.
    fn invoices(&self, call: ListInvoices) -> impl Future<Output = Answer<Vec<Invoice>>> + Send;

    /// Evidence of a channel.
    fn export_proof(&self, call: ExportProof) -> impl Future<Output = Answer<Proof>> + Send;

    /// Writes a backup.
    fn backup(&self, call: Backup) -> impl Future<Output = Answer<BackupReport>> + Send;

    /// Takes in what others still know.
    fn recover(&self, call: Recover) -> impl Future<Output = Answer<RecoverReport>> + Send;

    /// Uses a watchtower.
    fn add_tower(&self, call: AddTower) -> impl Future<Output = Answer<Tower>> + Send;

    /// The watchtowers; from memory.
    fn towers(&self) -> Vec<Tower>;

    /// Uses a watchtower no more.
    fn remove_tower(&self, call: TowerCall) -> impl Future<Output = Answer<()>> + Send;

    /// The newest promises of watchtowers; from memory.
    fn receipts(&self, call: ListReceipts) -> Vec<TowerReceipt>;

    /// What an order would do.
    fn check(
        &self,
        call: CheckCall,
        spender: Spender,
    ) -> impl Future<Output = Answer<CheckReport>> + Send;

    /// Events that are durable, by index without a gap; an empty page at the end of the line.
    ///
    /// # Errors
    /// [`crate::failure::FailureKind::Pruned`] if `from_index` is no longer kept.
    fn events(&self, call: ListEvents) -> impl Future<Output = Answer<EventPage>> + Send;

    /// The index that the next event of a line will have; changes after the event is durable. The server
    /// feeds subscriptions by reading `events` up to it, so nothing is queued for a slow reader.
    fn watch_events(&self, kind: EventKind) -> watch::Receiver<u64>;

    /// Begins an orderly stop and returns before it is done.
    fn stop(&self) -> impl Future<Output = Answer<()>> + Send;
}
