//! Bad input: each refused for its own reason, before anything is written.

use crate::kit::{Node, Pair, World, amount};
use lockstep_core::ids::ChannelId;
use lockstep_rpc::backend::{Backend, Spender};
use lockstep_rpc::failure::FailureKind;
use lockstep_rpc::types::{
    Connect, CreateInvoice, ForceClose, ListPayments, OpenChannel, Pay, Text,
};

fn open_call(peer: String, deposit: u64) -> OpenChannel {
    OpenChannel {
        peer,
        deposit: Some(amount(deposit)),
        counterparty_deposit: None,
        token: None,
        challenge_period: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_meant_is_refused_each_for_its_own_reason() {
    let world = World::start().await;
    let node = Node::start(&world).await;
    let invite = node.invite().await;
    let open = |call| node.engine.open_channel(call);
    let kind = |failure: lockstep_rpc::failure::Failure| failure.kind;
    let own = open(open_call(invite.clone(), 5)).await.unwrap_err();
    assert_eq!(own.kind, FailureKind::OwnNode);
    let bad = open(open_call("lockstep:abcdef".to_owned(), 5)).await.unwrap_err();
    assert_eq!(bad.kind, FailureKind::BadInvite);
    let damaged = invite.replace('a', "b");
    let bad = node.engine.connect(Connect { invite: damaged, wait_millis: None }).await;
    assert_eq!(bad.map_err(kind).unwrap_err(), FailureKind::BadInvite);
    let unknown = ChannelId(alloy_primitives::B256::repeat_byte(1));
    let pay = node.engine.pay(Node::pay_call(unknown, 1), Spender::Operator).await.unwrap_err();
    assert_eq!(pay.kind, FailureKind::UnknownChannel);
    let close = ForceClose { channel_id: Text(unknown), dry_run: Some(true) };
    assert_eq!(node.engine.force_close(close).await.unwrap_err().kind, FailureKind::UnknownChannel);
    let neither = node.engine.pay(Pay::default(), Spender::Operator).await.unwrap_err();
    assert_eq!(neither.kind, FailureKind::Refused);
    assert!(node.channels().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_peer_and_missing_funds_leave_nothing_behind() {
    let pair = Pair::start().await;
    let invite = pair.two.invite().await;
    let poor = open_call(invite.clone(), u64::MAX);
    let call = OpenChannel {
        deposit: Some(Text(lockstep_core::money::Amount::from(crate::kit::ether(1_000)))),
        ..poor
    };
    let refused = pair.one.engine.open_channel(call).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::InsufficientFunds);
    let Pair { world: _world, one, two } = pair;
    two.stop().await;
    let refused = one.engine.open_channel(open_call(invite, 5)).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::PeerUnreachable, "{refused}");
    assert!(one.channels().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn payments_that_can_not_be_made_change_nothing() {
    let (pair, id) = Pair::open(100, 0).await;
    let pay = |call| pair.one.engine.pay(call, Spender::Operator);
    let too_much = pay(Node::pay_call(id, 101)).await.unwrap_err();
    assert_eq!(too_much.kind, FailureKind::InsufficientFunds);
    let nothing = pay(Node::pay_call(id, 0)).await.unwrap_err();
    assert_eq!(nothing.kind, FailureKind::BadAmount);
    let long = Pay { memo: Some("x".repeat(65)), ..Node::pay_call(id, 1) };
    assert_eq!(pay(long).await.unwrap_err().kind, FailureKind::Refused);
    let garbage = Pay { invoice: Some("lsi1qqqq".to_owned()), ..Pay::default() };
    assert_eq!(pay(garbage).await.unwrap_err().kind, FailureKind::BadInvoice);
    let call =
        CreateInvoice { channel_id: Text(id), amount: amount(5), expiry_secs: Some(1), memo: None };
    let invoice = pair.two.engine.create_invoice(call).await.unwrap();
    pair.world.pass(100).await;
    let head = invoice.expires_at;
    pair.one
        .until("time has passed", |node| {
            let status = node.engine.status().chain;
            status.head_timestamp > Some(head) && status.processed_number >= status.finalized_number
        })
        .await;
    pair.two.until_expired(&invoice.invoice).await;
    let expired = Pay { invoice: Some(invoice.invoice), ..Pay::default() };
    assert_eq!(pay(expired).await.unwrap_err().kind, FailureKind::InvoiceExpired);
    let page = pair.one.engine.payments(ListPayments::default()).await.unwrap();
    assert!(page.payments.is_empty());
    assert_eq!(Node::own(&pair.one.channel(id).await), 100);
}

impl Node {
    async fn until_expired(&self, invoice: &str) {
        use lockstep_rpc::types::{InvoiceCall, InvoiceState};
        let call = InvoiceCall { invoice: invoice.to_owned() };
        while self.engine.decode_invoice(call.clone()).await.unwrap().state != InvoiceState::Expired
        {
            tokio::task::yield_now().await;
        }
    }
}
