//! A node that remembers what it was asked and answers from a list.

use alloy_primitives::{Address, B256};
use lockstep_core::ids::{AccountRef, ChannelId, NodeId, PaymentId, Sequence, Side};
use lockstep_core::money::Amount;
use lockstep_rpc::access::{ADMIN, Grant, READ, Tokens};
use lockstep_rpc::server::{Server, ServerConfig};
use lockstep_rpc::types::*;
use lockstep_rpc::{Answer, Backend, Failure, FailureKind, Spender};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tokio::sync::{Semaphore, watch};

pub(crate) const CHANNEL: &str =
    "0x1111111111111111111111111111111111111111111111111111111111111111";
/// A channel that the node does not have.
pub(crate) const MISSING: &str =
    "0x2222222222222222222222222222222222222222222222222222222222222222";

/// What was asked of the node: the method and its parameters.
pub(crate) type Asked = (&'static str, Value);

#[derive(Debug)]
pub(crate) struct Fake {
    asked: Mutex<Vec<Asked>>,
    events: BTreeMap<EventKind, (Mutex<Vec<Event>>, watch::Sender<u64>)>,
    spent: Mutex<Vec<Spender>>,
    /// Events before this one are no longer kept.
    oldest: u64,
    /// Peers answer when this has permits.
    pub(crate) peer: Semaphore,
}

impl Default for Fake {
    fn default() -> Self {
        let line = |kind| (kind, (Mutex::new(Vec::new()), watch::Sender::new(0)));
        Self {
            asked: Mutex::default(),
            events: EventKind::ALL.map(line).into(),
            spent: Mutex::default(),
            oldest: 0,
            peer: Semaphore::new(Semaphore::MAX_PERMITS),
        }
    }
}

impl Fake {
    /// A node that keeps nothing before this event.
    pub(crate) fn pruned(oldest: u64) -> Self {
        Self { oldest, ..Self::default() }
    }

    /// Takes what was asked since the last time.
    pub(crate) fn take_asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    /// How much was asked since the last time.
    pub(crate) fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    pub(crate) fn last_spender(&self) -> Spender {
        *self.spent.lock().unwrap().last().expect("somebody paid")
    }

    /// Something happens.
    pub(crate) fn happen(&self, kind: EventKind, count: u64) {
        let (events, next) = &self.events[&kind];
        let mut events = events.lock().unwrap();
        for _ in 0..count {
            let index = u64::try_from(events.len()).unwrap();
            events.push(Event { index, at: 1_000 + index, body: body(index) });
        }
        next.send_replace(u64::try_from(events.len()).unwrap());
    }

    fn ask(&self, method: &'static str, call: impl Serialize) {
        self.asked.lock().unwrap().push((method, serde_json::to_value(call).unwrap()));
    }

    fn of_channel(&self, channel_id: ChannelIdText) -> Answer<Channel> {
        if channel_id.to_string() == MISSING {
            return Err(unknown_channel());
        }
        Ok(channel(channel_id))
    }
}

fn unknown_channel() -> Failure {
    Failure::new(FailureKind::UnknownChannel, "this node has no channel 0x22..")
        .safe("nothing was done")
        .advice("look for its id in lockstep_listChannels")
}

fn body(index: u64) -> EventBody {
    EventBody::Channel {
        what: "opened".to_owned(),
        message: format!("channel step {index}"),
        channel: None,
        channel_id: CHANNEL.parse().unwrap(),
    }
}

fn coin() -> Asset {
    Asset { token: Text(AccountRef::Evm(Address::ZERO)), symbol: "ETH".to_owned(), decimals: 18 }
}

fn amount(value: u64) -> AmountText {
    Text(Amount::from(value))
}

fn channel(channel_id: ChannelIdText) -> Channel {
    Channel {
        channel_id,
        side: 1,
        counterparty: Text(NodeId([2; 33])),
        is_connected: true,
        asset: coin(),
        phase: ChannelPhase::Open,
        frozen: None,
        restored: None,
        version: 4,
        capacity: amount(100),
        own_balance: amount(60),
        spendable: amount(55),
        counterparty_balance: amount(40),
        own_deposit: amount(50),
        counterparty_deposit: amount(50),
        unprotected: amount(5),
        pending_payments: 1,
        challenge_period: 60,
        close: None,
        settled: None,
        waiting: Vec::new(),
        transaction: None,
        problem: None,
    }
}

fn payment() -> Payment {
    let channel_id = ChannelId(B256::repeat_byte(0x11));
    Payment {
        index: Some(0),
        payment_id: Text(PaymentId { channel_id, payer: Side::One, sequence: Sequence(1) }),
        channel_id: Text(channel_id),
        counterparty: Text(NodeId([2; 33])),
        direction: Direction::Sent,
        asset: coin(),
        amount: amount(7),
        memo: None,
        invoice_id: None,
        state: PaymentState::Final,
        version: Some(5),
        problem: None,
        at: 1_000,
    }
}

fn invoice() -> Invoice {
    Invoice {
        invoice: "lsi1".to_owned(),
        invoice_id: Text(lockstep_core::ids::InvoiceId(B256::repeat_byte(3))),
        channel_id: CHANNEL.parse().unwrap(),
        payee: Text(NodeId([2; 33])),
        is_ours: false,
        token: coin().token,
        amount: amount(7),
        expires_at: 2_000,
        memo: None,
        state: InvoiceState::Open,
    }
}

pub(crate) fn tower() -> Tower {
    Tower {
        tower: Text(NodeId([3; 33])),
        signer: Text(AccountRef::Evm(Address::repeat_byte(3))),
        address: "lockstep-tower:03@/ip4/192.0.2.1/tcp/1".to_owned(),
        is_connected: true,
        heard_at: Some(7),
        added_at: 5,
        protected_channels: 1,
        exposed_channels: 0,
        problem: None,
    }
}

fn peer() -> Peer {
    Peer {
        node_id: Text(NodeId([2; 33])),
        peer_id: "12D3".to_owned(),
        addresses: Vec::new(),
        is_connected: true,
        since: 1_000,
        problem: None,
        channels: 1,
    }
}

impl Backend for Fake {
    fn info(&self) -> NodeInfo {
        self.ask("info", ());
        NodeInfo {
            version: "0.1.0".to_owned(),
            network: "dev".to_owned(),
            chain_id: "31337".to_owned(),
            contract: Text(AccountRef::Evm(Address::repeat_byte(5))),
            node_id: Text(NodeId([3; 33])),
            peer_id: "12D3".to_owned(),
            addresses: Vec::new(),
            account: Text(AccountRef::Evm(Address::repeat_byte(6))),
            owner: Text(AccountRef::Evm(Address::repeat_byte(6))),
            assets: vec![coin()],
            challenge_period_bounds: (60, 600),
            challenge_period: 60,
        }
    }

    fn status(&self) -> Status {
        self.ask("status", ());
        Status {
            state: NodeState::Ready,
            started_at: 1,
            chain: ChainStatus {
                head_number: Some(9),
                head_timestamp: Some(1_000),
                finalized_number: Some(7),
                processed_number: Some(7),
                endpoints: Vec::new(),
            },
            connected_peers: 1,
            towers: TowerCounts { known: 2, connected: 1 },
            channels: ChannelCounts { open: 1, ..ChannelCounts::default() },
            pending_opens: 0,
            balances: Vec::new(),
            accounts: Vec::new(),
            waiting: Vec::new(),
            alarms: Vec::new(),
        }
    }

    async fn peers(&self) -> Answer<Vec<Peer>> {
        self.ask("peers", ());
        Ok(vec![peer()])
    }

    async fn create_invite(&self, call: CreateInvite) -> Answer<Invite> {
        self.ask("create_invite", call);
        Ok(Invite { invite: "lockstep:abc".to_owned(), qr: None })
    }

    async fn decode_invite(&self, call: InviteCall) -> Answer<InviteDetails> {
        self.ask("decode_invite", call);
        Err(Failure::new(FailureKind::BadInvite, "invite is damaged"))
    }

    async fn connect(&self, call: Connect) -> Answer<Peer> {
        self.ask("connect", call);
        drop(self.peer.acquire().await);
        Err(Failure::new(FailureKind::PeerUnreachable, "nobody answers"))
    }

    async fn invoices(&self, call: ListInvoices) -> Answer<Vec<Invoice>> {
        self.ask("invoices", call);
        Ok(vec![invoice()])
    }

    async fn disconnect_peer(&self, call: PeerCall) -> Answer<Peer> {
        self.ask("disconnect_peer", call);
        Ok(peer())
    }

    async fn forget_peer(&self, call: PeerCall) -> Answer<()> {
        self.ask("forget_peer", call);
        Ok(())
    }

    async fn open_channel(&self, call: OpenChannel) -> Answer<Channel> {
        self.ask("open_channel", call);
        self.of_channel(CHANNEL.parse().unwrap())
    }

    async fn pending_opens(&self) -> Answer<Vec<PendingOpen>> {
        self.ask("pending_opens", ());
        Ok(Vec::new())
    }

    async fn join_channel(&self, call: JoinChannel) -> Answer<Channel> {
        self.ask("join_channel", call);
        self.of_channel(call.channel_id)
    }

    async fn reject_channel(&self, call: RejectChannel) -> Answer<()> {
        self.ask("reject_channel", call);
        Ok(())
    }

    async fn cancel_open(&self, call: CancelOpen) -> Answer<Channel> {
        self.ask("cancel_open", call);
        self.of_channel(call.channel_id)
    }

    async fn deposit(&self, call: Deposit) -> Answer<Channel> {
        let channel_id = call.channel_id;
        self.ask("deposit", call);
        self.of_channel(channel_id)
    }

    async fn withdraw(&self, call: Withdraw) -> Answer<Channel> {
        self.ask("withdraw", call);
        self.of_channel(call.channel_id)
    }

    async fn fund(&self, call: Fund) -> Answer<Transfer> {
        self.ask("fund", call);
        Ok(transfer())
    }

    async fn withdraw_to_l1(&self, call: WithdrawToL1) -> Answer<Transfer> {
        self.ask("withdraw_to_l1", call);
        Ok(transfer())
    }

    async fn transfers(&self) -> Answer<Vec<Transfer>> {
        self.ask("transfers", ());
        Ok(vec![transfer()])
    }

    async fn networks(&self) -> Answer<Vec<NetworkReport>> {
        self.ask("networks", ());
        Ok(Vec::new())
    }

    async fn cash_credit(&self, call: CashCredit) -> Answer<B256> {
        self.ask("cash_credit", call);
        Ok(B256::repeat_byte(9))
    }

    async fn close_channel(&self, call: ChannelCall) -> Answer<Channel> {
        self.ask("close_channel", call);
        self.of_channel(call.channel_id)
    }

    async fn force_close(&self, call: ForceClose) -> Answer<ForceCloseReport> {
        self.ask("force_close", call);
        Ok(ForceCloseReport {
            channel: self.of_channel(call.channel_id)?,
            is_ordered: call.dry_run != Some(true),
            version: 4,
            own_payout: amount(60),
            counterparty_payout: amount(40),
            wait_secs: 60,
            cost: None,
            warnings: Vec::new(),
        })
    }

    async fn freeze_channel(&self, call: ChannelCall) -> Answer<Channel> {
        self.ask("freeze_channel", call);
        self.of_channel(call.channel_id)
    }

    async fn channels(&self, call: ListChannels) -> Answer<ChannelList> {
        self.ask("channels", call);
        let channels = vec![channel(CHANNEL.parse().unwrap())];
        Ok(ChannelList { channels, has_more: false })
    }

    async fn channel(&self, call: ChannelCall) -> Answer<Channel> {
        self.ask("channel", call);
        self.of_channel(call.channel_id)
    }

    async fn pay(&self, call: Pay, spender: Spender) -> Answer<Payment> {
        self.ask("pay", call);
        self.spent.lock().unwrap().push(spender);
        Ok(payment())
    }

    async fn pay_batch(&self, call: PayBatch, spender: Spender) -> Answer<BatchReceipt> {
        let count = u32::try_from(call.payments.len()).unwrap();
        self.ask("pay_batch", call);
        self.spent.lock().unwrap().push(spender);
        let first = payment().payment_id;
        Ok(BatchReceipt { first, count, total: amount(7), final_count: count, failed_count: 0 })
    }

    async fn payment(&self, call: GetPayment) -> Answer<Payment> {
        self.ask("payment", call);
        Ok(payment())
    }

    async fn payments(&self, call: ListPayments) -> Answer<PaymentPage> {
        self.ask("payments", call);
        Ok(PaymentPage { payments: vec![payment()], next_index: Some(1) })
    }

    async fn create_invoice(&self, call: CreateInvoice) -> Answer<Invoice> {
        self.ask("create_invoice", call);
        Ok(invoice())
    }

    async fn decode_invoice(&self, call: InvoiceCall) -> Answer<Invoice> {
        self.ask("decode_invoice", call);
        Err(Failure::new(FailureKind::InvoiceExpired, "the invoice expired at 1000"))
    }

    async fn export_proof(&self, call: ExportProof) -> Answer<Proof> {
        self.ask("export_proof", call);
        Ok(Proof { channel_id: call.channel_id, version: 4, proof: Value::Null })
    }

    async fn backup(&self, call: Backup) -> Answer<BackupReport> {
        self.ask("backup", call);
        Ok(BackupReport { path: "backups/a".to_owned(), size_bytes: 7, channels: 1 })
    }

    async fn recover(&self, call: Recover) -> Answer<RecoverReport> {
        self.ask("recover", call);
        Err(Failure::new(FailureKind::PeerMisbehaved, "the peer broke the protocol"))
    }

    async fn add_tower(&self, call: AddTower) -> Answer<Tower> {
        self.ask("add_tower", call);
        Ok(tower())
    }

    fn towers(&self) -> Vec<Tower> {
        self.ask("towers", ());
        vec![tower()]
    }

    async fn remove_tower(&self, call: TowerCall) -> Answer<()> {
        self.ask("remove_tower", call);
        Ok(())
    }

    fn receipts(&self, call: ListReceipts) -> Vec<TowerReceipt> {
        self.ask("receipts", call);
        vec![]
    }

    async fn check(&self, call: CheckCall, spender: Spender) -> Answer<CheckReport> {
        self.ask("check", call);
        self.spent.lock().unwrap().push(spender);
        Ok(CheckReport { steps: Vec::new(), warnings: Vec::new() })
    }

    async fn events(&self, call: ListEvents) -> Answer<EventPage> {
        self.ask("events", call);
        let from = call.from_index.unwrap_or(self.oldest);
        if from < self.oldest {
            let message = format!("events before {} are no longer kept", self.oldest);
            return Err(Failure::new(FailureKind::Pruned, message));
        }
        let events = self.events[&call.kind].0.lock().unwrap();
        let limit = usize::try_from(call.limit.unwrap_or(100)).unwrap();
        let from = usize::try_from(from).unwrap();
        let page: Vec<Event> = events.iter().skip(from).take(limit).cloned().collect();
        let next_index = u64::try_from(from + page.len()).unwrap();
        Ok(EventPage { events: page, next_index })
    }

    fn watch_events(&self, kind: EventKind) -> watch::Receiver<u64> {
        self.events[&kind].1.subscribe()
    }

    async fn stop(&self) -> Answer<()> {
        self.ask("stop", ());
        Err(Failure::new(FailureKind::SigningStopped, "the journal failed"))
    }
}

/// A server with its node and tokens.
pub(crate) struct Host {
    pub(crate) fake: Arc<Fake>,
    pub(crate) server: Server,
    pub(crate) folder: TempDir,
    pub(crate) admin: String,
    pub(crate) read: String,
}

impl Host {
    pub(crate) async fn start() -> Self {
        Self::with(Fake::default(), |_| {}).await
    }

    pub(crate) async fn with(fake: Fake, change: impl FnOnce(&mut ServerConfig)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tokens = Arc::new(Tokens::init(folder.path()).unwrap());
        let mut config = ServerConfig::new("127.0.0.1:0".parse().unwrap());
        change(&mut config);
        let fake = Arc::new(fake);
        let server = Server::start(config, tokens, Arc::clone(&fake)).await.unwrap();
        let secret = |name| Tokens::read_secret(folder.path(), name).unwrap();
        let (admin, read) = (secret(ADMIN), secret(READ));
        Self { fake, server, folder, admin, read }
    }

    /// A server with a token that may pay 100.
    pub(crate) async fn with_payer() -> (Self, String) {
        let folder = tempfile::tempdir().unwrap();
        let tokens = Tokens::init(folder.path()).unwrap();
        let asset = AccountRef::Evm(Address::ZERO);
        let grant = Grant::Pay { asset, limit: Amount::from(100_u64) };
        let payer = tokens.create("shop", grant).unwrap().secret;
        let config = ServerConfig::new("127.0.0.1:0".parse().unwrap());
        let fake = Arc::new(Fake::default());
        let server = Server::start(config, Arc::new(tokens), Arc::clone(&fake)).await.unwrap();
        let secret = |name| Tokens::read_secret(folder.path(), name).unwrap();
        let (admin, read) = (secret(ADMIN), secret(READ));
        (Self { fake, server, folder, admin, read }, payer)
    }
}

fn transfer() -> Transfer {
    Transfer {
        transfer_id: Text(B256::repeat_byte(9)),
        direction: TransferDirection::In,
        channel_id: None,
        amount: Text(Amount::from(5_u64)),
        asset: Asset {
            token: Text(AccountRef::Evm(Address::ZERO)),
            symbol: "ETH".to_owned(),
            decimals: 18,
        },
        state: TransferState::Sent,
        waits_for: "L1 to be final".to_owned(),
        expected_at: None,
        arrives_at: None,
        is_over: false,
        transaction: None,
    }
}
