//! What a chain and its endpoints do to whole nodes: blocks that are made anew, a base fee that jumps, endpoints
//! that say nothing or the wrong thing.

use alloy_primitives::B256;
use alloy_sol_types::SolEvent;
use lockstep_contracts::bindings::PaymentChannel::ChannelOpened;
use lockstep_e2e::channel::{Pair, initiate_close_by_hand};
use lockstep_e2e::node::PERIOD;
use lockstep_e2e::patiently;
use lockstep_e2e::proxy::Proxy;
use lockstep_e2e::world::World;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn p94_an_open_that_a_reorg_removes_lets_nobody_pay_and_is_sent_again() {
    let mut pair = Pair::start().await;
    let world = pair.one.world().clone();
    world.pause().await;
    let invite = pair.two.invite().await;
    let call = json!({"peer": invite, "deposit": "1000", "counterpartyDeposit": "0"});
    let offered = pair.one.ask("lockstep_openChannel", call).await;
    pair.id = offered["channelId"].as_str().expect("an id").to_owned();
    let is_offered = |offers: &Value| offers.as_array().is_some_and(|it| !it.is_empty());
    pair.two.until("lockstep_listPendingOpens", json!([]), "offer", is_offered).await;
    pair.two.ask("lockstep_joinChannel", json!([pair.id])).await;
    until_waiting(&world).await;

    // In a block, and seen by both: nobody may pay with it yet.
    world.anvil.mine(1).await;
    let head = world.anvil.head().await;
    assert_eq!(opened(&pair).await, 1);
    for node in [&pair.one, &pair.two] {
        node.until("lockstep_status", json!([]), "the block", has_head(head)).await;
        assert_ne!(node.channel(&pair.id).await["phase"], "open");
        let call = json!({"channelId": pair.id, "amount": "1"});
        node.call("lockstep_pay", call).await.expect_err("it is not open");
    }
    world.anvil.reorg(1).await;
    assert_eq!(opened(&pair).await, 0, "it is gone");
    world.anvil.mine(1).await;
    let head = world.anvil.head().await;
    for node in [&pair.one, &pair.two] {
        node.until("lockstep_status", json!([]), "the other block", has_head(head)).await;
        assert_ne!(node.channel(&pair.id).await["phase"], "open");
    }

    world.go_on();
    for node in [&pair.one, &pair.two] {
        node.until_channel(&pair.id, "an open channel", |it| it["phase"] == "open").await;
    }
    assert_eq!(opened(&pair).await, 1);
    pair.one.pay(&pair.id, "400").await;
    pair.one.ask("lockstep_closeChannel", json!([pair.id])).await;
    pair.assert_settled(600, 400).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_down_hides_or_forgets_does_not_keep_a_close_unanswered() {
    let mut pair = Pair::stopped().await;
    let url = pair.world().anvil.url.clone();
    let (broken, hiding) = (Proxy::start(&url).await, Proxy::start(&url).await);
    let other = Proxy::start(&url).await;
    let all = format!("{},{},{url},{}", broken.url, hiding.url, other.url);
    pair.two.set("LOCKSTEP_CHAIN_ENDPOINTS", all);
    pair.run().await;
    pair.add_channel("1000", "1000", None).await;
    let stale = stale_proof(&mut pair).await;
    broken.rule(|rules| rules.is_down = true);
    hiding.rule(|rules| (rules.hides_logs, rules.swallows) = (true, true));
    initiate_close_by_hand(pair.world(), &stale, pair.one.account()).await;
    let answered = |it: &Value| it["close"]["version"] == 2;
    pair.two.until_channel(&pair.id, "the answer", answered).await;
    pair.one.start().await;
    pair.world().pass(PERIOD).await;
    pair.assert_settled(600, 1_400).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p96_a_node_whose_only_endpoint_says_nothing_answers_from_memory_and_goes_on_later() {
    let mut pair = Pair::stopped().await;
    let silent = Proxy::start(&pair.world().anvil.url).await;
    pair.one.set("LOCKSTEP_CHAIN_ENDPOINTS", silent.url.clone());
    pair.run().await;
    pair.add_channel("1000", "1000", None).await;
    silent.rule(|rules| rules.stalls = true);
    let asked = silent.asked("eth_getBlockByNumber");
    patiently("it asks the silent one", async || {
        (silent.asked("eth_getBlockByNumber") > asked).then_some(())
    })
    .await;
    // None of these needs the chain.
    let Pair { one, id, .. } = &pair;
    one.cli(&["status"]).await.expect_done();
    one.cli(&["channels", id]).await.expect_done();
    one.pay(id, "250").await;
    pair.two.pay(id, "50").await;
    silent.be_honest();
    one.ask("lockstep_closeChannel", json!([id])).await;
    pair.assert_settled(800, 1_200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p93_a_node_does_not_start_on_an_endpoint_of_another_chain() {
    let (world, mut node) = World::start().await;
    let other = Proxy::start(&world.anvil.url).await;
    other.rule(|rules| rules.chain_id = Some(10));
    node.set("LOCKSTEP_CHAIN_ENDPOINTS", other.url.clone());
    node.launch(&[]);
    let code = node.ends().await;
    let said = node.log_text();
    assert_eq!(code, 3, "{said}");
    assert!(said.lines().any(|it| it.starts_with("error: ") && it.contains("10")), "{said}");
    other.be_honest();
    node.start().await;
}

/// What the first node could have closed with before its last payment; it is killed.
async fn stale_proof(pair: &mut Pair) -> Value {
    pair.one.pay(&pair.id, "100").await;
    let proof = pair.one.proof(&pair.id).await;
    pair.one.pay(&pair.id, "300").await;
    pair.until_balances(600, 1_400).await;
    pair.one.kill();
    proof
}

/// Waits until a transaction waits for a block.
async fn until_waiting(world: &World) {
    patiently("a transaction", async || {
        let status = world.anvil.ask("txpool_status", json!([])).await;
        (status["pending"] != "0x0").then_some(())
    })
    .await;
}

fn has_head(head: u64) -> impl Fn(&Value) -> bool {
    move |status| status["chain"]["headNumber"].as_u64() >= Some(head)
}

/// How often the channel's opening is on the chain.
async fn opened(pair: &Pair) -> usize {
    let contract = pair.contract().await;
    let id: B256 = pair.id.parse().expect("an id");
    let filter = json!([{
        "fromBlock": "0x0", "toBlock": "latest", "address": contract, "topics": [ChannelOpened::SIGNATURE_HASH, id],
    }]);
    let logs = pair.world().anvil.ask("eth_getLogs", filter).await;
    logs.as_array().map_or(0, Vec::len)
}
