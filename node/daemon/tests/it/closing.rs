//! How channels end: together, alone, and against a cheat.

use crate::kit::{Node, PERIOD, Pair, amount};
use lockstep_rpc::backend::{Backend, Spender};
use lockstep_rpc::failure::FailureKind;
use lockstep_rpc::types::{
    ChannelPhase, EventBody, EventKind, ForceClose, ListEvents, Text, Withdraw,
};
use lockstep_store::open::Provenance;

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_close_together_and_are_paid_to_the_wei() {
    let (pair, id) = Pair::open(1_000, 500).await;
    pair.one.pay(id, 200).await;
    let before = pair.world.balance(pair.two.account).await;
    pair.two.close(id).await;
    pair.one.assert_settled(id, 800, 700).await;
    pair.two.assert_settled(id, 700, 800).await;
    // Side one brought it to the chain, so side two paid no gas.
    let gain = pair.world.balance(pair.two.account).await - before;
    assert_eq!(gain, alloy_primitives::U256::from(700));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_side_alone_closes_with_the_newest_state_and_says_before_what_that_means() {
    let (pair, id) = Pair::open(1_000, 500).await;
    pair.two.pay(id, 120).await;
    let is_paid = |channel: &lockstep_rpc::types::Channel| channel.own_balance == amount(1_120);
    pair.one.until_channel(id, "the income", is_paid).await;
    let dry = ForceClose { channel_id: Text(id), dry_run: Some(true) };
    let report = pair.one.engine.force_close(dry).await.unwrap();
    assert!(!report.is_ordered);
    assert_eq!((report.own_payout, report.counterparty_payout), (amount(1_120), amount(380)));
    assert_eq!(report.wait_secs, u64::from(PERIOD));
    assert!(report.cost.is_some_and(|cost| cost.gas > 50_000));
    assert_eq!(pair.one.channel(id).await.phase, ChannelPhase::Open);
    pair.one.force_close(id).await;
    for node in [&pair.one, &pair.two] {
        node.until_phase(id, ChannelPhase::Disputed).await;
    }
    let close = pair.two.channel(id).await.close.unwrap();
    assert!(!close.is_ours && !close.is_stale);
    pair.world.pass(u64::from(PERIOD)).await;
    pair.one.assert_settled(id, 1_120, 380).await;
    pair.two.assert_settled(id, 380, 1_120).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p42_a_stale_close_is_challenged_by_the_node_itself() {
    let (pair, id) = Pair::open(1_000, 1_000).await;
    pair.one.pay(id, 100).await;
    let old = pair.one.export(id).await;
    pair.two.pay(id, 600).await;
    pair.one.pay(id, 150).await;
    pair.two.until_channel(id, "version 3", |channel| channel.version >= 3).await;
    // The cheat: side two brings the first state to the chain, by hand, from an account of nobody.
    pair.initiate_close_by_hand(&old).await;
    pair.one.until_phase(id, ChannelPhase::Disputed).await;
    // From the first sight of the close on nothing new is bound.
    let late = pair.one.engine.pay(Node::pay_call(id, 1), Spender::Operator).await.unwrap_err();
    assert_eq!(late.kind, FailureKind::WrongPhase);
    let version = pair.one.channel(id).await.version;
    pair.two
        .until_channel(id, "a challenge", |channel| {
            channel.close.as_ref().is_some_and(|close| close.version == version)
        })
        .await;
    pair.world.pass(u64::from(PERIOD)).await;
    pair.one.assert_settled(id, 1_350, 650).await;
    let kind = EventKind::Disputes;
    let events =
        pair.one.engine.events(ListEvents { kind, from_index: None, limit: None }).await.unwrap();
    let seen: Vec<_> = events
        .events
        .iter()
        .filter_map(|event| {
            let EventBody::Dispute { what, version, .. } = &event.body else { return None };
            if what == "closeSeen" { *version } else { None }
        })
        .collect();
    assert_eq!(seen, [1, version]);
}

#[tokio::test(flavor = "multi_thread")]
async fn p42_a_stale_close_that_happened_while_the_node_was_down_is_challenged_after_its_start() {
    let (pair, id) = Pair::open(1_000, 1_000).await;
    pair.one.pay(id, 100).await;
    let old = pair.one.export(id).await;
    pair.two.pay(id, 600).await;
    let Pair { world, one, two } = pair;
    one.until_channel(id, "the income", |channel| channel.own_balance == amount(1_500)).await;
    let parts = one.stop().await;
    let pair_world = world;
    crate::closing::initiate_close(&pair_world, &old).await;
    two.stop().await;
    let one = parts.run(&pair_world, Provenance::Untouched).await;
    one.until_channel(id, "a challenge", |channel| {
        channel.close.as_ref().is_some_and(|close| close.version == channel.version)
    })
    .await;
    pair_world.pass(u64::from(PERIOD)).await;
    one.assert_settled(id, 1_500, 500).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn money_is_taken_out_while_the_channel_stays_open() {
    let (pair, id) = Pair::open(1_000, 500).await;
    pair.one.pay(id, 100).await;
    let before = pair.world.balance(pair.two.account).await;
    let others = pair.world.balance(pair.one.account).await;
    let call = Withdraw { channel_id: Text(id), amount: amount(350) };
    pair.two.engine.withdraw(call).await.unwrap();
    for node in [&pair.one, &pair.two] {
        node.until_channel(id, "the withdrawal", |channel| channel.capacity == amount(1_150)).await;
    }
    // P78: whoever takes money out pays for that.
    assert_eq!(pair.world.balance(pair.one.account).await, others);
    assert!(pair.world.balance(pair.two.account).await < before);
    pair.one.pay(id, 1).await;
    pair.one.close(id).await;
    pair.two.assert_settled(id, 251, 899).await;
}

/// A call of a proof file.
pub async fn initiate_close(world: &crate::kit::World, proof: &serde_json::Value) {
    // Only a participant may start a close without a signed intent.
    send_call(world, proof, "initiateClose", &proof["terms"]["participant2"]).await;
}

/// A call of a proof file, sent from somebody's account.
pub async fn send_call(
    world: &crate::kit::World,
    proof: &serde_json::Value,
    function: &str,
    from: &serde_json::Value,
) {
    use alloy_primitives::{Address, Bytes, U256};
    use serde_json::json;
    let calls = proof["calls"].as_array().unwrap();
    let call = calls.iter().find(|call| call["function"].as_str().unwrap().starts_with(function));
    let call = call.expect("the proof has the call");
    let to: Address = call["to"].as_str().unwrap().parse().unwrap();
    let data: Bytes = call["calldata"].as_str().unwrap().parse().unwrap();
    let from: Address = from.as_str().unwrap().parse().unwrap();
    world.ask("anvil_impersonateAccount", json!([from])).await;
    let gas = U256::from(500_000);
    let hash = world
        .ask("eth_sendTransaction", json!([{"from": from, "to": to, "data": data, "gas": gas}]))
        .await;
    world.ask("anvil_stopImpersonatingAccount", json!([from])).await;
    assert!(hash.is_string(), "{hash}");
}

impl Pair {
    async fn initiate_close_by_hand(&self, proof: &serde_json::Value) {
        initiate_close(&self.world, proof).await;
    }
}

impl Node {
    pub async fn export(&self, id: lockstep_core::ids::ChannelId) -> serde_json::Value {
        let call = lockstep_rpc::types::ExportProof { channel_id: Text(id), equivocation: None };
        self.engine.export_proof(call).await.unwrap().proof
    }
}
