//! A channel's task that breaks down at the worst moment: its step is durable, and nothing has followed from it.

use crate::kit::{Node, PERIOD, Pair, amount};
use crate::tower::has_alarm;
use lockstep_core::ids::ChannelId;
use lockstep_rpc::backend::{Backend, Spender};
use lockstep_rpc::failure::FailureKind;
use lockstep_rpc::types::{Channel, ChannelPhase, Pay, PaymentState};
use lockstep_store::open::Provenance;

async fn until_back(node: &Node, id: ChannelId) {
    node.until("the break", |node| !node.engine.is_to_break(id)).await;
    node.until_channel(id, "a frozen channel", |it| it.frozen.is_some()).await;
    node.until("it says so", |node| has_alarm(node, "channelFrozen")).await;
}

fn is_seen(channel: &Channel) -> bool {
    channel.phase == ChannelPhase::Disputed
}

#[tokio::test(flavor = "multi_thread")]
async fn p59_a_payment_whose_task_breaks_down_before_it_is_sent_is_neither_lost_nor_made_twice() {
    let (pair, id) = Pair::open(1_000, 1_000).await;
    let other = pair.open_channel(500, 0).await;
    pair.one.pay(id, 100).await;
    pair.one.engine.break_after_commit(id);
    let key = Some("order 9".to_owned());
    let call = Pay { idempotency_key: key, wait_millis: Some(0), ..Node::pay_call(id, 40) };
    // Whether its caller hears that it is durable is a race; nothing else is.
    println!("{:?}", pair.one.engine.pay(call.clone(), Spender::Operator).await);
    until_back(&pair.one, id).await;
    let refused = pair.one.engine.pay(Node::pay_call(id, 1), Spender::Operator).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Frozen);
    // Internal failure costs one channel its signatures, and no other anything.
    pair.one.pay(other, 10).await;
    let Pair { world, one, two } = pair;
    let one = one.stop().await.run(&world, Provenance::Untouched).await;
    one.connect(&two).await;
    let again = one.engine.pay(call, Spender::Operator).await.unwrap();
    assert_eq!((again.amount, again.state), (amount(40), PaymentState::Pending));
    assert_eq!((one.channel(id).await.version, two.channel(id).await.version), (1, 1));
    one.force_close(id).await;
    world.pass(1).await;
    one.until_channel(id, "its close", is_seen).await;
    world.pass(u64::from(PERIOD)).await;
    one.assert_settled(id, 900, 1_100).await;
    two.assert_settled(id, 1_100, 900).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p32_p59_income_whose_task_breaks_down_before_it_is_acknowledged_is_had_and_had_once() {
    let (pair, id) = Pair::open(1_000, 1_000).await;
    pair.one.pay(id, 100).await;
    pair.two.engine.break_after_commit(id);
    let call = Pay { wait_millis: Some(0), ..Node::pay_call(id, 40) };
    let sent = pair.one.engine.pay(call, Spender::Operator).await.unwrap();
    assert_eq!(sent.state, PaymentState::Pending);
    until_back(&pair.two, id).await;
    // The record binds its signature: it is final for whoever receives it, and made known by nobody yet.
    pair.two.until_channel(id, "the income", |it| it.own_balance == amount(1_140)).await;
    assert_eq!(pair.one.channel(id).await.version, 1);
    let Pair { world, one, two } = pair;
    let two = two.stop().await.run(&world, Provenance::Untouched).await;
    assert_eq!(Node::own(&two.channel(id).await), 1_140);
    two.force_close(id).await;
    world.pass(1).await;
    one.until_channel(id, "the close", is_seen).await;
    world.pass(u64::from(PERIOD)).await;
    one.assert_settled(id, 860, 1_140).await;
    two.assert_settled(id, 1_140, 860).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p59_a_close_whose_task_breaks_down_before_it_is_handed_on_is_handed_on_all_the_same() {
    let (pair, id) = Pair::open(1_000, 1_000).await;
    pair.one.pay(id, 100).await;
    let Pair { world, one, two } = pair;
    // Nobody else could begin it, and no other step breaks down instead of it.
    two.stop().await;
    one.until_channel(id, "no link", |it| !it.is_connected).await;
    one.engine.break_after_commit(id);
    let call = lockstep_rpc::types::ForceClose {
        channel_id: lockstep_rpc::types::Text(id),
        dry_run: None,
    };
    println!("{:?}", one.engine.force_close(call).await);
    until_back(&one, id).await;
    world.pass(1).await;
    one.until_channel(id, "its close", |it| {
        is_seen(it) && it.close.as_ref().is_some_and(|close| close.version == 1)
    })
    .await;
    world.pass(u64::from(PERIOD)).await;
    one.assert_settled(id, 900, 1_100).await;
}
