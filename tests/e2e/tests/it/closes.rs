//! One side closes without the other, at each phase of a channel's life: what each gets is exact to the unit.

use alloy_primitives::U256;
use lockstep_e2e::channel::{Pair, initiate_close_by_hand};
use lockstep_e2e::node::{Node, PERIOD};
use lockstep_e2e::patiently;
use lockstep_e2e::proxy::{PoolEvent, Proxy};
use serde_json::{Value, json};

/// What both sides bring, in each of the channels of [`Phases`].
const DEPOSITS: [(u128, u128); 6] =
    [(1_000, 0), (1_000, 500), (1_000, 1_000), (1_000, 1_000), (1_000, 1_000), (1_000, 1_000)];
/// Calls of a thousand payments each that a counterparty does not answer.
const MOST_BATCHES: usize = 100;
/// A payment that is under way when the close begins.
const UNDER_WAY: u128 = 7;

#[tokio::test(flavor = "multi_thread")]
async fn p12_either_side_closes_alone_at_any_phase_and_both_get_what_is_theirs() {
    let pair = Pair::start().await;
    let ones = Phases::prepare(&pair, &pair.one).await;
    let twos = Phases::prepare(&pair, &pair.two).await;
    ones.close(&pair.one, &pair.two).await;
    twos.close(&pair.two, &pair.one).await;
    pair.world().pass(PERIOD).await;
    ones.assert_settled(&pair, &pair.one, true).await;
    twos.assert_settled(&pair, &pair.two, false).await;
    let contract = pair.contract().await;
    assert_eq!(pair.world().anvil.balance(contract).await, U256::ZERO);
}

/// Channels at different points of their lives.
struct Phases {
    /// Only who opened it has brought money.
    funded_by_one: String,
    /// Nobody has paid.
    idle: String,
    /// Both have paid.
    used: String,
    /// A payment waits for the other side's signature.
    paying: String,
    /// The other side was asked to close together, and has not answered.
    asked: String,
    /// Closed with an old state, and challenged.
    cheated: String,
    /// What the cheat closes with.
    stale: Value,
}

impl Phases {
    async fn prepare(pair: &Pair, closer: &Node) -> Self {
        let ids = pair.add_channels(&DEPOSITS).await;
        let [funded_by_one, idle, used, paying, asked, cheated] = ids.try_into().expect("six");
        pair.one.pay(&used, "100").await;
        pair.two.pay(&used, "30").await;
        pair.until_balances_of(&used, 930, 1_070).await;
        for id in [&paying, &asked] {
            pair.one.pay(id, "100").await;
            pair.until_balances_of(id, 900, 1_100).await;
        }
        let stale = stale_proof(closer, &cheated).await;
        Self { funded_by_one, idle, used, paying, asked, cheated, stale }
    }

    /// Those that are closed in good faith.
    fn honest(&self) -> [&str; 5] {
        [&self.funded_by_one, &self.idle, &self.used, &self.paying, &self.asked]
    }

    /// One side cheats, and then closes all others while the other stands still.
    async fn close(&self, closer: &Node, other: &Node) {
        initiate_close_by_hand(closer.world(), &self.stale, closer.account()).await;
        for node in [closer, other] {
            node.until_channel(&self.cheated, "the answer", |it| it["close"]["version"] == 2).await;
        }
        other.freeze();
        closer.begin_to_pay(&self.paying, &UNDER_WAY.to_string()).await;
        closer.ask("lockstep_closeChannel", json!([self.asked])).await;
        for id in self.honest() {
            closer.force_close(id).await;
        }
        for id in self.honest() {
            closer.until_channel(id, "its own close", is_closing).await;
        }
        other.thaw();
        for id in self.honest() {
            other.until_channel(id, "the close", is_closing).await;
        }
        // It may order the close that there is already, and changes nothing by that.
        let ordered = closer.call("lockstep_forceClose", json!([self.cheated])).await;
        println!("after the challenge: {ordered:?}");
    }

    async fn assert_settled(&self, pair: &Pair, closer: &Node, is_one: bool) {
        pair.assert_settled_as(&self.funded_by_one, 1_000, 0).await;
        pair.assert_settled_as(&self.idle, 1_000, 500).await;
        pair.assert_settled_as(&self.used, 930, 1_070).await;
        pair.assert_settled_as(&self.asked, 900, 1_100).await;
        let end = if is_one { (600, 1_400) } else { (1_400, 600) };
        pair.assert_settled_as(&self.cheated, end.0, end.1).await;
        // The other side may have signed it in the end, or not; both know which.
        let moved = if is_one { (893, 1_107) } else { (907, 1_093) };
        let paid = pair.settled(&self.paying).await;
        assert!(paid == (900, 1_100) || paid == moved, "{paid:?}");
        let expected = if paid == moved { "final" } else { "failed" };
        let other = if is_one { &pair.two } else { &pair.one };
        // Once the end is final, nothing is under way any more.
        let is_idle = |it: &Value| it["pendingPayments"] == 0;
        closer.until_channel(&self.paying, "an end of the payment", is_idle).await;
        assert_eq!(states_of(closer, &self.paying).await, [expected]);
        let heard: &[&str] = if paid == moved { &["final"] } else { &[] };
        assert_eq!(states_of(other, &self.paying).await, heard);
    }
}

/// What a node says of the payment that was under way in a channel.
async fn states_of(node: &Node, id: &str) -> Vec<String> {
    let payments = node.payments().await;
    let is_it = |it: &&Value| it["channelId"] == id && it["amount"] == UNDER_WAY.to_string();
    let states = payments.iter().filter(is_it).map(|it| it["state"].as_str().expect("text"));
    states.map(str::to_owned).collect()
}

fn is_closing(channel: &Value) -> bool {
    !channel["close"].is_null() || !channel["settled"].is_null()
}

fn is_withdrawing(channel: &Value) -> bool {
    let waiting = channel["waiting"].as_array().expect("what it waits for");
    waiting.iter().any(|it| it["kind"] == "withdrawal")
}

#[tokio::test(flavor = "multi_thread")]
async fn p43_closes_beside_outstanding_withdrawals_end_with_exact_sums() {
    let mut pair = Pair::stopped().await;
    let pool = Proxy::start(&pair.world().anvil.url).await;
    pair.one.set("LOCKSTEP_CHAIN_ENDPOINTS", pool.url.clone());
    pair.run().await;
    let ids = pair.add_channels(&[(1_000, 1_000); 2]).await;
    let [taken, kept] = ids.try_into().expect("two");
    for id in [&taken, &kept] {
        pair.one.pay(id, "100").await;
        pair.until_balances_of(id, 900, 1_100).await;
    }

    // Both withdrawals are signed by both, and wait for a block. Whoever takes out brings them.
    pool.rule(|rules| rules.holds = true);
    for id in [&taken, &kept] {
        pair.one.ask("lockstep_withdraw", json!([id, "300"])).await;
        for node in [&pair.one, &pair.two] {
            node.until_channel(id, "the withdrawal", is_withdrawing).await;
        }
    }
    patiently("a withdrawal in the pool", async || {
        let log = pool.pool_log().await;
        log.iter().any(|event| matches!(event, PoolEvent::Taken { .. })).then_some(())
    })
    .await;
    pair.two.force_close(&kept).await;
    pair.two.until_channel(&kept, "its own close", is_closing).await;
    pair.one.until_channel(&kept, "the close", is_closing).await;
    pair.one.force_close(&taken).await;
    pool.be_honest();
    for node in [&pair.one, &pair.two] {
        node.until_channel(&taken, "the close", is_closing).await;
    }

    pair.world().pass(PERIOD).await;
    pair.assert_settled_as(&kept, 900, 1_100).await;
    let paid = pair.settled(&taken).await;
    // The withdrawal had its turn before the close of the same account, or has died with it.
    assert!(paid == (600, 1_100) || paid == (900, 1_100), "{paid:?}");
    let contract = pair.contract().await;
    assert_eq!(pair.world().anvil.balance(contract).await, U256::ZERO);
}

#[tokio::test(flavor = "multi_thread")]
async fn p46_a_counterparty_that_reads_nothing_keeps_no_order_of_the_operator_waiting() {
    let pair = Pair::open("1000000", "1000").await;
    let Pair { one, two, id } = &pair;
    one.pay(id, "1").await;
    two.freeze();
    // More than the link, its buffers and the outbox hold, or as much as the node takes.
    let payments = vec![json!({"amount": "1", "memo": "m".repeat(64)}); 1_000];
    let call = json!({"channelId": id, "payments": payments, "waitMillis": 0});
    let mut taken = 0;
    while taken < MOST_BATCHES && one.call("lockstep_payBatch", call.clone()).await.is_ok() {
        taken += 1;
    }
    println!("{taken} batches were taken");
    assert!(taken > 0);
    let proof = one.proof(id).await;
    assert!(proof["calls"].is_array(), "{proof}");
    one.force_close(id).await;
    one.until_channel(id, "its own close", is_closing).await;
    two.thaw();
    pair.world().pass(PERIOD).await;
    // However many of them the other side has signed in the end: both count the same.
    let (ones, twos) = pair.settled(id).await;
    assert_eq!(ones + twos, 1_001_000);
    let paid = one.payments().await.iter().filter(|it| it["state"] == "final").count();
    assert_eq!(twos, 1_000 + u128::try_from(paid).expect("few"));
    one.until_channel(id, "nothing under way", |it| it["pendingPayments"] == 0).await;
}

/// What a node could have closed with before its last payment.
async fn stale_proof(cheat: &Node, id: &str) -> Value {
    cheat.pay(id, "100").await;
    let proof = cheat.proof(id).await;
    cheat.pay(id, "300").await;
    proof
}
