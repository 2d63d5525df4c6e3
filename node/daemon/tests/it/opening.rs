//! How channels come to be: with one deposit, with two, by policy and by the operator; and what is refused.

use crate::kit::{Node, Pair, amount, config, ether};
use lockstep::config::AcceptPolicy;
use lockstep_rpc::backend::{Backend, Spender};
use lockstep_rpc::failure::FailureKind;
use lockstep_rpc::types::{ChannelPhase, RejectChannel, Text};

#[tokio::test(flavor = "multi_thread")]
async fn p34_a_channel_opens_with_one_deposit_and_takes_payments_only_once_that_is_final() {
    let pair = Pair::start().await;
    let id = pair.one.open(&pair.two, 1_000, 0).await;
    let early = pair.one.engine.pay(Node::pay_call(id, 1), Spender::Operator).await.unwrap_err();
    assert_eq!(early.kind, FailureKind::WrongPhase);
    pair.one.until_phase(id, ChannelPhase::Open).await;
    pair.two.until_phase(id, ChannelPhase::Open).await;
    let channel = pair.two.channel(id).await;
    assert_eq!((channel.side, channel.own_balance), (2, amount(0)));
    assert_eq!(channel.counterparty_balance, amount(1_000));
    let payment = pair.one.pay(id, 400).await;
    assert_eq!(payment.version, Some(1));
    pair.two.until_channel(id, "the payment", |channel| channel.own_balance == amount(400)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_opens_with_two_deposits_once_the_operator_joins() {
    let (pair, id) = Pair::open(700, 300).await;
    let (one, two) = (pair.one.channel(id).await, pair.two.channel(id).await);
    assert_eq!((one.own_deposit, one.counterparty_deposit), (amount(700), amount(300)));
    assert_eq!((two.own_deposit, two.counterparty_deposit), (amount(300), amount(700)));
    let again = pair.two.join_again(id).await.unwrap_err();
    assert_eq!(again.kind, FailureKind::WrongPhase);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_is_declined_by_policy_or_by_the_operator_and_nothing_goes_to_the_chain() {
    let mut pair = Pair::start().await;
    let never = {
        let mut config = config();
        config.channel.accept = AcceptPolicy::Never;
        config
    };
    pair.two = Node::start_with(&pair.world, never).await;
    let id = pair.one.open(&pair.two, 1_000, 0).await;
    pair.one.until_channel(id, "a refusal", |channel| channel.problem.is_some()).await;
    assert_eq!(pair.one.channel(id).await.phase, ChannelPhase::Opening);
    assert!(pair.two.channels().await.is_empty());

    let asks = {
        let mut config = config();
        config.channel.accept = AcceptPolicy::Ask;
        config
    };
    pair.two = Node::start_with(&pair.world, asks).await;
    let id = pair.one.open(&pair.two, 1_000, 0).await;
    pair.two.until("an offer", |node| node.engine.status().pending_opens == 1).await;
    let offer = pair.two.engine.pending_opens().await.unwrap().remove(0);
    assert_eq!((offer.channel_id.0, offer.counterparty_deposit), (id, amount(1_000)));
    pair.two.engine.reject_channel(RejectChannel { channel_id: Text(id) }).await.unwrap();
    pair.one.until_channel(id, "a refusal", |channel| channel.problem.is_some()).await;
    assert_eq!(pair.two.engine.status().pending_opens, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deposit_under_one_key_is_made_once_and_counts_when_it_is_final() {
    let (pair, id) = Pair::open(1_000, 0).await;
    for _ in 0..3 {
        pair.one.deposit(id, 250, "top-up").await.unwrap();
    }
    let other = pair.one.deposit(id, 9, "top-up").await.unwrap_err();
    assert_eq!(other.kind, FailureKind::Refused);
    for node in [&pair.one, &pair.two] {
        node.until_channel(id, "the deposit", |channel| channel.capacity == amount(1_250)).await;
    }
    assert_eq!(pair.one.channel(id).await.spendable, amount(1_250));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deposit_that_an_empty_account_could_not_make_is_made_once_the_account_is_funded() {
    let pair = Pair::start().await;
    let id = pair.one.open(&pair.two, 700, 300).await;
    pair.two.join(id).await.unwrap();
    pair.world.fund(pair.two.account, 0).await;
    pair.two.until_channel(id, "a refusal", |channel| channel.problem.is_some()).await;
    pair.world.fund(pair.two.account, ether(1)).await;
    pair.world.pass(120).await;
    for node in [&pair.one, &pair.two] {
        node.until_channel(id, "the deposit", |channel| channel.capacity == amount(1_000)).await;
    }
    assert_eq!(pair.two.channel(id).await.problem, None);
}

impl Node {
    async fn join_again(
        &self,
        id: lockstep_core::ids::ChannelId,
    ) -> Result<lockstep_rpc::types::Channel, lockstep_rpc::failure::Failure> {
        let call = lockstep_rpc::types::JoinChannel { channel_id: Text(id), deposit: None };
        self.engine.join_channel(call).await
    }
}
