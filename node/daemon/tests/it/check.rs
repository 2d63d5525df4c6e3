//! Dry runs: each says what it would do or is refused as the order itself, and changes nothing.

use crate::kit::{Node, Pair, amount};
use lockstep_rpc::backend::{Backend, Spender};
use lockstep_rpc::failure::FailureKind;
use lockstep_rpc::types::{
    AddTower, Backup, ChannelCall, CheckCall, CheckReport, Connect, CreateInvite, CreateInvoice,
    ExportProof, Fund, InvoiceState, ListInvoices, PeerCall, Recover, RejectChannel, Text,
    TowerCall, WithdrawToL1,
};

impl Node {
    async fn check(&self, call: CheckCall) -> Result<CheckReport, FailureKind> {
        let checked = self.engine.check(call, Spender::Operator).await;
        checked.map_err(|failure| failure.kind)
    }

    async fn would(&self, call: CheckCall) -> CheckReport {
        let report = self.check(call).await.unwrap();
        assert!(!report.steps.is_empty());
        assert!(report.steps.iter().all(|step| step.message.len() > 10), "{report:?}");
        report
    }
}

fn no_tower() -> TowerCall {
    TowerCall { tower: Text(lockstep_core::ids::NodeId([3; 33])) }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_order_can_be_looked_at_and_looking_changes_nothing() {
    let (pair, id) = Pair::open(1_000, 0).await;
    let other = pair.two.engine.info().node_id;
    let stranger = Node::start(&pair.world).await;
    let channel = || ChannelCall { channel_id: Text(id) };
    let before = pair.one.engine.peers().await.unwrap().len();

    let invite = stranger.invite().await;
    let connect = Connect { invite: invite.clone(), wait_millis: None };
    assert!(pair.one.would(CheckCall::Connect(connect)).await.warnings.is_empty());
    pair.one.would(CheckCall::CreateInvite(CreateInvite::default())).await;
    let peer = PeerCall { node_id: other };
    let away = pair.one.would(CheckCall::DisconnectPeer(peer.clone())).await;
    assert_eq!(away.warnings.len(), 1);
    let invoice = |value| CreateInvoice {
        channel_id: Text(id),
        amount: amount(value),
        expiry_secs: None,
        memo: None,
    };
    let can_pay = pair.two.would(CheckCall::CreateInvoice(invoice(900))).await;
    assert!(can_pay.warnings.is_empty());
    let too_much = pair.two.would(CheckCall::CreateInvoice(invoice(1_001))).await;
    assert_eq!(too_much.warnings.len(), 1);
    pair.one.would(CheckCall::FreezeChannel(channel())).await;
    pair.one.would(CheckCall::Backup(Backup::default())).await;
    let recover = Recover { invite: Some(invite), ..Recover::default() };
    pair.one.would(CheckCall::Recover(recover)).await;
    pair.one.pay(id, 1).await;
    pair.one
        .would(CheckCall::ExportProof(ExportProof { channel_id: Text(id), equivocation: None }))
        .await;

    // Nothing of it was done.
    let channel = pair.one.channel(id).await;
    assert!(channel.is_connected && channel.frozen.is_none());
    assert_eq!(pair.one.engine.peers().await.unwrap().len(), before);
    assert!(!pair.one.dir.path().join("backups").exists());
    let all = ListInvoices { include_ended: Some(true), ..ListInvoices::default() };
    assert!(pair.two.engine.invoices(all).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_be_refused_is_refused_when_it_is_looked_at() {
    let (pair, id) = Pair::open(1_000, 0).await;
    let other = pair.two.engine.info().node_id;
    let channel_id = Text(id);
    let own = pair.one.invite().await;
    let fund = Fund { channel_id, amount: Some(amount(5)), l1_token: None, idempotency_key: None };
    let to_l1 =
        WithdrawToL1 { amount: amount(5), token: None, recipient: None, idempotency_key: None };
    let named = |name: &str| Backup { file_name: Some(name.to_owned()) };
    let long =
        CreateInvoice { channel_id, amount: amount(1), expiry_secs: Some(u64::MAX), memo: None };
    for (call, kind) in [
        (CheckCall::Connect(Connect { invite: own, wait_millis: None }), FailureKind::OwnNode),
        (
            CheckCall::Connect(Connect { invite: "lockstep:x".to_owned(), wait_millis: None }),
            FailureKind::BadInvite,
        ),
        (CheckCall::ForgetPeer(PeerCall { node_id: other }), FailureKind::WrongPhase),
        (CheckCall::RejectChannel(RejectChannel { channel_id }), FailureKind::UnknownOffer),
        (CheckCall::Fund(fund), FailureKind::NotSupported),
        (CheckCall::WithdrawToL1(to_l1), FailureKind::NotSupported),
        (CheckCall::CreateInvoice(long), FailureKind::Refused),
        // Nothing was paid yet.
        (
            CheckCall::ExportProof(ExportProof { channel_id, equivocation: None }),
            FailureKind::WrongPhase,
        ),
        // Nobody cheated.
        (
            CheckCall::ExportProof(ExportProof { channel_id, equivocation: Some(true) }),
            FailureKind::WrongPhase,
        ),
        (CheckCall::Backup(named("../away")), FailureKind::BadFile),
        (CheckCall::Recover(Recover::default()), FailureKind::Refused),
        (
            CheckCall::Recover(Recover { from_towers: Some(true), ..Recover::default() }),
            FailureKind::Refused,
        ),
        (CheckCall::AddTower(AddTower { address: "tower".to_owned() }), FailureKind::Refused),
        (CheckCall::RemoveTower(no_tower()), FailureKind::Refused),
    ] {
        assert_eq!(pair.one.check(call.clone()).await.unwrap_err(), kind, "{call:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn invoices_of_our_own_are_listed_until_they_are_paid_or_their_time_is_over() {
    let (pair, id) = Pair::open(1_000, 0).await;
    let make = async |value, secs| {
        let call = CreateInvoice {
            channel_id: Text(id),
            amount: amount(value),
            expiry_secs: Some(secs),
            memo: Some("tea".to_owned()),
        };
        pair.two.engine.create_invoice(call).await.unwrap()
    };
    let later = make(70, 900_000).await;
    let sooner = make(50, 600).await;
    let list = async |all| {
        let call = ListInvoices { channel_id: Some(Text(id)), include_ended: Some(all) };
        pair.two.engine.invoices(call).await.unwrap()
    };
    let open = list(false).await;
    let ids: Vec<_> = open.iter().map(|invoice| invoice.invoice_id).collect();
    assert_eq!(ids, [sooner.invoice_id, later.invoice_id]);
    assert!(open.iter().all(|invoice| invoice.is_ours && invoice.state == InvoiceState::Open));
    assert!(open.iter().all(|invoice| invoice.memo.as_deref() == Some("tea")));
    assert_eq!(open[1].invoice, later.invoice);

    // The text of a listed one is as good as the one that was given out.
    let call = lockstep_rpc::types::Pay {
        invoice: Some(open[1].invoice.clone()),
        ..lockstep_rpc::types::Pay::default()
    };
    pair.one.engine.pay(call, Spender::Operator).await.unwrap();
    pair.two.until_channel(id, "the income", |channel| channel.own_balance == amount(70)).await;
    pair.world.pass(700).await;
    pair.two
        .until("time has passed", |node| {
            node.engine
                .status()
                .chain
                .head_timestamp
                .is_some_and(|time| time > sooner.expires_at + 60)
        })
        .await;
    assert!(list(false).await.is_empty());
    let states: Vec<_> = list(true).await.iter().map(|invoice| invoice.state).collect();
    assert_eq!(states, [InvoiceState::Expired, InvoiceState::Paid]);
    // Its giver has none.
    assert!(pair.one.engine.invoices(ListInvoices::default()).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_listed_from_the_start_on_and_their_balances_once_they_are_known() {
    let pair = Pair::start().await;
    let accounts = pair.one.engine.status().accounts;
    assert_eq!(accounts.len(), 1);
    assert_eq!(accounts[0].account.0, lockstep_core::ids::AccountRef::Evm(pair.one.account));
    pair.one.until("its balance", |node| node.engine.status().accounts[0].balance.is_some()).await;
}
