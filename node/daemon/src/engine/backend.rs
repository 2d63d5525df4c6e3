//! What the API asks of the engine, one file for each kind of question.

mod bridge;
mod chain_order;
mod channel;
mod check;
mod describe;
mod event;
mod guide;
mod history;
mod invoice;
mod node;
mod payment;
mod peer;
mod tower;

pub(crate) use peer::{forget_contact, reach};
pub(crate) use tower::receipts_of;

use crate::engine::Engine;
use alloy_primitives::B256;
use lockstep_rpc::backend::{Answer, Backend, Spender};
use lockstep_rpc::types::{
    AddTower, Backup, BackupReport, BatchReceipt, CancelOpen, CashCredit, Channel, ChannelCall,
    ChannelList, CheckCall, CheckReport, Connect, CreateInvite, CreateInvoice, Deposit, EventKind,
    EventPage, ExportProof, ForceClose, ForceCloseReport, Fund, GetPayment, Invite, InviteCall,
    InviteDetails, Invoice, InvoiceCall, JoinChannel, ListChannels, ListEvents, ListInvoices,
    ListPayments, ListReceipts, NetworkReport, NodeInfo, OpenChannel, Pay, PayBatch, Payment,
    PaymentPage, Peer, PeerCall, PendingOpen, Proof, Recover, RecoverReport, RejectChannel, Status,
    Tower, TowerCall, TowerReceipt, Transfer, Withdraw, WithdrawToL1,
};
use tokio::sync::watch;

impl Backend for Engine {
    fn info(&self) -> NodeInfo {
        node::info(&self.shared)
    }

    fn status(&self) -> Status {
        node::status(&self.shared)
    }

    async fn peers(&self) -> Answer<Vec<Peer>> {
        Ok(peer::peers(&self.shared))
    }

    async fn create_invite(&self, call: CreateInvite) -> Answer<Invite> {
        peer::create_invite(&self.shared, &call)
    }

    async fn decode_invite(&self, call: InviteCall) -> Answer<InviteDetails> {
        peer::decode_invite(&self.shared, &call)
    }

    async fn connect(&self, call: Connect) -> Answer<Peer> {
        peer::connect(&self.shared, &call).await
    }

    async fn disconnect_peer(&self, call: PeerCall) -> Answer<Peer> {
        peer::disconnect(&self.shared, &call).await
    }

    async fn forget_peer(&self, call: PeerCall) -> Answer<()> {
        peer::forget(&self.shared, &call).await
    }

    async fn open_channel(&self, call: OpenChannel) -> Answer<Channel> {
        channel::open(&self.shared, &call).await
    }

    async fn pending_opens(&self) -> Answer<Vec<PendingOpen>> {
        Ok(channel::pending_opens(&self.shared))
    }

    async fn join_channel(&self, call: JoinChannel) -> Answer<Channel> {
        channel::join(&self.shared, &call).await
    }

    async fn reject_channel(&self, call: RejectChannel) -> Answer<()> {
        channel::reject(&self.shared, &call)
    }

    async fn cancel_open(&self, call: CancelOpen) -> Answer<Channel> {
        chain_order::cancel_open(&self.shared, &call).await
    }

    async fn deposit(&self, call: Deposit) -> Answer<Channel> {
        chain_order::deposit(&self.shared, &call).await
    }

    async fn withdraw(&self, call: Withdraw) -> Answer<Channel> {
        channel::withdraw(&self.shared, &call).await
    }

    async fn fund(&self, call: Fund) -> Answer<Transfer> {
        bridge::fund(&self.shared, &call).await
    }

    async fn withdraw_to_l1(&self, call: WithdrawToL1) -> Answer<Transfer> {
        bridge::withdraw(&self.shared, &call).await
    }

    async fn transfers(&self) -> Answer<Vec<Transfer>> {
        Ok(bridge::transfers(&self.shared))
    }

    async fn networks(&self) -> Answer<Vec<NetworkReport>> {
        bridge::networks(&self.shared).await
    }

    async fn cash_credit(&self, call: CashCredit) -> Answer<B256> {
        chain_order::cash_credit(&self.shared, &call).await
    }

    async fn close_channel(&self, call: ChannelCall) -> Answer<Channel> {
        channel::close(&self.shared, &call).await
    }

    async fn force_close(&self, call: ForceClose) -> Answer<ForceCloseReport> {
        chain_order::force_close(&self.shared, &call).await
    }

    async fn freeze_channel(&self, call: ChannelCall) -> Answer<Channel> {
        channel::freeze(&self.shared, &call).await
    }

    async fn channels(&self, call: ListChannels) -> Answer<ChannelList> {
        Ok(channel::list(&self.shared, &call))
    }

    async fn channel(&self, call: ChannelCall) -> Answer<Channel> {
        channel::get(&self.shared, &call)
    }

    async fn pay(&self, call: Pay, spender: Spender) -> Answer<Payment> {
        payment::pay(&self.shared, &call, spender).await
    }

    async fn pay_batch(&self, call: PayBatch, spender: Spender) -> Answer<BatchReceipt> {
        payment::pay_batch(&self.shared, &call, spender).await
    }

    async fn payment(&self, call: GetPayment) -> Answer<Payment> {
        history::get(&self.shared, &call).await
    }

    async fn payments(&self, call: ListPayments) -> Answer<PaymentPage> {
        history::list(&self.shared, &call).await
    }

    async fn create_invoice(&self, call: CreateInvoice) -> Answer<Invoice> {
        invoice::create(&self.shared, &call).await
    }

    async fn decode_invoice(&self, call: InvoiceCall) -> Answer<Invoice> {
        invoice::decode(&self.shared, &call).await
    }

    async fn invoices(&self, call: ListInvoices) -> Answer<Vec<Invoice>> {
        invoice::list(&self.shared, &call).await
    }

    async fn export_proof(&self, call: ExportProof) -> Answer<Proof> {
        guide::export_proof(&self.shared, &call).await
    }

    async fn backup(&self, call: Backup) -> Answer<BackupReport> {
        guide::backup(&self.shared, &call).await
    }

    async fn recover(&self, call: Recover) -> Answer<RecoverReport> {
        guide::recover(&self.shared, &call).await
    }

    async fn add_tower(&self, call: AddTower) -> Answer<Tower> {
        tower::add(&self.shared, &call).await
    }

    fn towers(&self) -> Vec<Tower> {
        tower::list(&self.shared)
    }

    async fn remove_tower(&self, call: TowerCall) -> Answer<()> {
        tower::remove(&self.shared, &call).await
    }

    fn receipts(&self, call: ListReceipts) -> Vec<TowerReceipt> {
        tower::receipts(&self.shared, &call)
    }

    async fn check(&self, call: CheckCall, spender: Spender) -> Answer<CheckReport> {
        check::check(&self.shared, call, spender).await
    }

    async fn events(&self, call: ListEvents) -> Answer<EventPage> {
        event::list(&self.shared, &call).await
    }

    fn watch_events(&self, kind: EventKind) -> watch::Receiver<u64> {
        self.shared.feeds.watch(kind)
    }

    async fn stop(&self) -> Answer<()> {
        self.shared.stopping.send_replace(true);
        Ok(())
    }
}
