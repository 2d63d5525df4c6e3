//! Every method, in the order in which people meet them.

use crate::method::{Method, NoParams, Scope};
use crate::types::{
    AccessToken, AccessTokenCall, AddTower, Backup, BackupReport, BatchReceipt, CancelOpen,
    CashCredit, Channel, ChannelCall, ChannelList, CheckCall, CheckReport, Connect,
    CreateAccessToken, CreateInvite, CreateInvoice, Deposit, Event, EventPage, ExportProof,
    ForceClose, ForceCloseReport, Fund, GetPayment, HashText, Invite, InviteCall, InviteDetails,
    Invoice, InvoiceCall, JoinChannel, ListChannels, ListEvents, ListInvoices, ListPayments,
    ListReceipts, NetworkReport, NewAccessToken, NodeInfo, OpenChannel, Pay, PayBatch, Payment,
    PaymentPage, Peer, PeerCall, PendingOpen, Proof, Recover, RecoverReport, RejectChannel, Status,
    Subscribe, Tower, TowerCall, TowerReceipt, Transfer, Withdraw, WithdrawToL1,
};

/// Who the node is.
pub const GET_INFO: Method<NoParams, NodeInfo> = Method::new(
    "lockstep_getInfo",
    Scope::Read,
    &[],
    "Who the node is: its keys, network, contract and tokens.",
);

/// How the node is.
pub const STATUS: Method<NoParams, Status> = Method::new(
    "lockstep_status",
    Scope::Read,
    &[],
    "How the node is, from memory: it never waits for the chain or a peer.",
);

/// Other nodes.
pub const LIST_PEERS: Method<NoParams, Vec<Peer>> =
    Method::new("lockstep_listPeers", Scope::Read, &[], "Nodes that this node knows.");

/// A link for a counterparty.
pub const CREATE_INVITE: Method<CreateInvite, Invite> = Method::new(
    "lockstep_createInvite",
    Scope::Admin,
    &["openerDeposit", "ownDeposit", "token", "challengePeriod"],
    "Makes a link with which another node finds this one and can offer it a channel.",
);

/// What an invite says.
pub const DECODE_INVITE: Method<InviteCall, InviteDetails> =
    Method::new("lockstep_decodeInvite", Scope::Read, &["invite"], "Reads an invite.");

/// Connects to a node.
pub const CONNECT: Method<Connect, Peer> = Method::new(
    "lockstep_connect",
    Scope::Admin,
    &["invite", "waitMillis"],
    "Connects to the node of an invite and stays connected.",
);

/// Sends a node away.
pub const DISCONNECT_PEER: Method<PeerCall, Peer> = Method::new(
    "lockstep_disconnectPeer",
    Scope::Admin,
    &["nodeId"],
    "Ends the link to a node and no longer looks for it. It stays known and may come back by itself.",
);

/// Forgets a node.
pub const FORGET_PEER: Method<PeerCall, ()> = Method::new(
    "lockstep_forgetPeer",
    Scope::Admin,
    &["nodeId"],
    "Forgets a node with which no channel is open: it is a stranger from then on.",
);

/// Opens a channel.
pub const OPEN_CHANNEL: Method<OpenChannel, Channel> = Method::new(
    "lockstep_openChannel",
    Scope::Admin,
    &["peer", "deposit", "counterpartyDeposit", "token", "challengePeriod"],
    "Offers a channel, and opens it on the chain once the other node agrees.",
);

/// What others offer.
pub const LIST_PENDING_OPENS: Method<NoParams, Vec<PendingOpen>> = Method::new(
    "lockstep_listPendingOpens",
    Scope::Read,
    &[],
    "Channels that others offer and that wait for an answer.",
);

/// Accepts an offer.
pub const JOIN_CHANNEL: Method<JoinChannel, Channel> = Method::new(
    "lockstep_joinChannel",
    Scope::Admin,
    &["channelId", "deposit"],
    "Accepts an offered channel, and brings our deposit if there is one.",
);

/// Declines an offer.
pub const REJECT_CHANNEL: Method<RejectChannel, ()> =
    Method::new("lockstep_rejectChannel", Scope::Admin, &["channelId"], "Declines an offer.");

/// Takes back a deposit.
pub const CANCEL_OPEN: Method<CancelOpen, Channel> = Method::new(
    "lockstep_cancelOpen",
    Scope::Admin,
    &["channelId"],
    "Takes back the deposit of a channel that the other side never joined.",
);

/// Adds to our deposit.
pub const DEPOSIT: Method<Deposit, Channel> = Method::new(
    "lockstep_deposit",
    Scope::Admin,
    &["channelId", "amount", "idempotencyKey"],
    "Adds money to our side of an open channel.",
);

/// Some channels.
pub const LIST_CHANNELS: Method<ListChannels, ChannelList> = Method::new(
    "lockstep_listChannels",
    Scope::Read,
    &["counterparty", "after", "limit", "includeSettled"],
    "Channels, in order of id.",
);

/// One channel.
pub const GET_CHANNEL: Method<ChannelCall, Channel> =
    Method::new("lockstep_getChannel", Scope::Read, &["channelId"], "One channel.");

/// Asks to be paid.
pub const CREATE_INVOICE: Method<CreateInvoice, Invoice> = Method::new(
    "lockstep_createInvoice",
    Scope::Pay,
    &["channelId", "amount", "expirySecs", "memo"],
    "Makes a request for one payment in a channel.",
);

/// What an invoice says.
pub const DECODE_INVOICE: Method<InvoiceCall, Invoice> = Method::new(
    "lockstep_decodeInvoice",
    Scope::Read,
    &["invoice"],
    "Reads an invoice and says what became of it.",
);

/// Our invoices.
pub const LIST_INVOICES: Method<ListInvoices, Vec<Invoice>> = Method::new(
    "lockstep_listInvoices",
    Scope::Read,
    &["channelId", "includeEnded"],
    "Invoices of this node, those that end first first; at most 1,000.",
);

/// Pays.
pub const PAY: Method<Pay, Payment> = Method::new(
    "lockstep_pay",
    Scope::Pay,
    &["channelId", "amount", "invoice", "memo", "idempotencyKey", "waitMillis"],
    "Pays an invoice, or an amount in a channel.",
);

/// Pays many times.
pub const PAY_BATCH: Method<PayBatch, BatchReceipt> = Method::new(
    "lockstep_payBatch",
    Scope::Pay,
    &["channelId", "payments", "idempotencyKey", "waitMillis"],
    "Pays many times in one channel: all are taken, or none.",
);

/// One payment.
pub const GET_PAYMENT: Method<GetPayment, Payment> =
    Method::new("lockstep_getPayment", Scope::Read, &["paymentId"], "One payment, by its name.");

/// Payments by index.
pub const LIST_PAYMENTS: Method<ListPayments, PaymentPage> = Method::new(
    "lockstep_listPayments",
    Scope::Read,
    &["fromIndex", "limit", "channelId", "newestFirst"],
    "Payments that are final or have failed, by index.",
);

/// Takes money out.
pub const WITHDRAW: Method<Withdraw, Channel> = Method::new(
    "lockstep_withdraw",
    Scope::Admin,
    &["channelId", "amount"],
    "Takes money out of a channel that stays open.",
);

/// Fetches credits.
pub const CASH_CREDIT: Method<CashCredit, HashText> = Method::new(
    "lockstep_cashCredit",
    Scope::Admin,
    &["token"],
    "Fetches payouts that the contract could not deliver; answers with the transaction's hash.",
);

/// Funds from L1.
pub const FUND: Method<Fund, Transfer> = Method::new(
    "lockstep_fund",
    Scope::Admin,
    &["channelId", "amount", "l1Token", "idempotencyKey"],
    "Funds a channel from L1 with one L1 transaction.",
);

/// To L1.
pub const WITHDRAW_TO_L1: Method<WithdrawToL1, Transfer> = Method::new(
    "lockstep_withdrawToL1",
    Scope::Admin,
    &["amount", "token", "recipient", "idempotencyKey"],
    "Takes money of this node's account on the rollup to L1; proof and payout follow by themselves.",
);

/// Transfers.
pub const LIST_TRANSFERS: Method<NoParams, Vec<Transfer>> = Method::new(
    "lockstep_listTransfers",
    Scope::Read,
    &[],
    "Transfers between L1 and the rollup, with what each waits for.",
);

/// Networks.
pub const LIST_NETWORKS: Method<NoParams, Vec<NetworkReport>> = Method::new(
    "lockstep_listNetworks",
    Scope::Read,
    &[],
    "What the networks cost and how long they take, read from their chains now.",
);

/// Closes together.
pub const CLOSE_CHANNEL: Method<ChannelCall, Channel> = Method::new(
    "lockstep_closeChannel",
    Scope::Admin,
    &["channelId"],
    "Closes a channel together with the counterparty: no waiting period.",
);

/// Closes alone.
pub const FORCE_CLOSE: Method<ForceClose, ForceCloseReport> = Method::new(
    "lockstep_forceClose",
    Scope::Admin,
    &["channelId", "dryRun"],
    "Closes a channel without the counterparty, or says what that costs and gives.",
);

/// Freezes.
pub const FREEZE_CHANNEL: Method<ChannelCall, Channel> = Method::new(
    "lockstep_freezeChannel",
    Scope::Admin,
    &["channelId"],
    "Signs nothing more in a channel; it is still watched and can be closed. It can't be undone.",
);

/// A dry run.
pub const CHECK: Method<CheckCall, CheckReport> = Method::new(
    "lockstep_check",
    Scope::Read,
    &["method", "params"],
    "Says what an order would do, without doing it.",
);

/// Evidence.
pub const EXPORT_PROOF: Method<ExportProof, Proof> = Method::new(
    "lockstep_exportProof",
    Scope::Admin,
    &["channelId", "equivocation"],
    "The newest co-signed state of a channel, for anyone to bring to the chain; or the proof that the counterparty \
     signed two states of one version, for anyone to check.",
);

/// A backup.
pub const BACKUP: Method<Backup, BackupReport> = Method::new(
    "lockstep_backup",
    Scope::Admin,
    &["fileName"],
    "Writes an encrypted backup into the data folder.",
);

/// Comes back from a loss.
pub const RECOVER: Method<Recover, RecoverReport> = Method::new(
    "lockstep_recover",
    Scope::Admin,
    &["invite", "proof", "fromTowers", "waitMillis"],
    "Takes in what a counterparty, a proof file or towers still know about channels that were lost.",
);

/// Uses a tower.
pub const ADD_TOWER: Method<AddTower, Tower> = Method::new(
    "lockstep_addTower",
    Scope::Admin,
    &["address"],
    "Uses a watchtower from now on: it is given the newest state of each channel.",
);

/// The towers.
pub const LIST_TOWERS: Method<NoParams, Vec<Tower>> = Method::new(
    "lockstep_listTowers",
    Scope::Read,
    &[],
    "Watchtowers of this node, and how they are.",
);

/// Uses a tower no more.
pub const REMOVE_TOWER: Method<TowerCall, ()> = Method::new(
    "lockstep_removeTower",
    Scope::Admin,
    &["tower"],
    "Uses a watchtower no more; its receipts stay.",
);

/// What towers promised.
pub const LIST_RECEIPTS: Method<ListReceipts, Vec<TowerReceipt>> = Method::new(
    "lockstep_listReceipts",
    Scope::Read,
    &["channelId"],
    "The newest promise of each tower about each channel, to be checked by anybody.",
);

/// Events by index.
pub const LIST_EVENTS: Method<ListEvents, EventPage> = Method::new(
    "lockstep_listEvents",
    Scope::Read,
    &["kind", "fromIndex", "limit"],
    "What happened, by index without a gap.",
);

/// A new access token.
pub const CREATE_TOKEN: Method<CreateAccessToken, NewAccessToken> = Method::new(
    "lockstep_createToken",
    Scope::Admin,
    &["name", "scope", "limit", "asset"],
    "Makes an access token and writes it to a file of its own in the data folder.",
);

/// The access tokens.
pub const LIST_TOKENS: Method<NoParams, Vec<AccessToken>> =
    Method::new("lockstep_listTokens", Scope::Admin, &[], "Access tokens, without their secrets.");

/// Ends an access token.
pub const REVOKE_TOKEN: Method<AccessTokenCall, ()> = Method::new(
    "lockstep_revokeToken",
    Scope::Admin,
    &["name"],
    "Ends an access token and removes its file.",
);

/// Stops the node.
pub const STOP: Method<NoParams, ()> = Method::new(
    "lockstep_stop",
    Scope::Admin,
    &[],
    "Begins an orderly stop. Channels stay open, and nobody watches them until the node is back.",
);

/// The document that describes all this.
pub const DISCOVER: Method<NoParams, serde_json::Value> =
    Method::new("rpc.discover", Scope::Read, &[], "This interface as an OpenRPC document.");

/// Begins a subscription. The answer is its id; what follows are notifications of [`NOTIFICATION`].
pub const SUBSCRIBE: Method<Subscribe, String> = Method::new(
    "lockstep_subscribe",
    Scope::Read,
    &["kind", "fromIndex"],
    "Over WebSocket: sends every event of a kind from an index on, without a gap, as \
     `lockstep_subscription` notifications whose `params.result` is an Event.",
);

/// Ends a subscription.
pub const UNSUBSCRIBE: Method<Unsubscribe, bool> = Method::new(
    "lockstep_unsubscribe",
    Scope::Read,
    &["subscription"],
    "Ends a subscription; false if there is none of that id.",
);

/// Name of the notifications of a subscription.
pub const NOTIFICATION: &str = "lockstep_subscription";

/// What a notification's `params.result` is.
pub type Notification = Event;

/// Names a subscription.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Unsubscribe {
    /// Its id.
    pub subscription: String,
}
