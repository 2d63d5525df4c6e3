//! One of three endpoints is slow or lies, and what pools do to transactions: a stale close is answered all the same.

use std::time::Duration;

use lockstep_e2e::channel::{Pair, initiate_close_by_hand};
use lockstep_e2e::node::PERIOD;
use lockstep_e2e::patiently;
use lockstep_e2e::proxy::{Forgery, PoolEvent, Proxy, Rules};
use serde_json::{Value, json};

/// Longer than a node waits for one answer. Units: seconds.
const TOO_SLOW_SECS: u64 = 8;

/// How many ways to be odd are tried.
const ODDITIES: usize = 6;

/// What the odd one of three does, one after the other.
fn oddities() -> [Rules; ODDITIES] {
    let honest = Rules::default();
    [
        Rules { delay: Duration::from_secs(2), ..honest.clone() },
        Rules { delay: Duration::from_secs(TOO_SLOW_SECS), ..honest.clone() },
        Rules { gas: Some(4_000_000), ..honest.clone() },
        Rules { head_lie: Some(Forgery::Far), ..honest.clone() },
        Rules { head_lie: Some(Forgery::Dear), ..honest.clone() },
        Rules { stalls: true, ..honest },
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn p70_p96_whatever_one_of_three_endpoints_does_a_stale_close_is_answered() {
    let mut pair = Pair::stopped().await;
    let url = pair.world().anvil.url.clone();
    let (odd, third) = (Proxy::start(&url).await, Proxy::start(&url).await);
    pair.two.set("LOCKSTEP_CHAIN_ENDPOINTS", format!("{},{url},{}", odd.url, third.url));
    pair.run().await;
    let ids = pair.add_channels(&[(1_000, 1_000); ODDITIES]).await;
    let mut stale = Vec::new();
    for id in &ids {
        pair.one.pay(id, "100").await;
        stale.push(pair.one.proof(id).await);
        pair.one.pay(id, "300").await;
        pair.until_balances_of(id, 600, 1_400).await;
    }
    pair.one.kill();
    for ((rules, id), proof) in oddities().into_iter().zip(&ids).zip(&stale) {
        println!("{rules:?}");
        odd.rule(|now| *now = rules);
        initiate_close_by_hand(pair.world(), proof, pair.one.account()).await;
        let answered = |it: &Value| it["close"]["version"] == 2;
        pair.two.until_channel(id, "the answer", answered).await;
    }
    // It is not even settled later than it can be.
    pair.world().pass(PERIOD).await;
    for id in &ids {
        pair.two.until_channel(id, "the end", |it| !it["settled"].is_null()).await;
    }
    odd.be_honest();
    pair.one.start().await;
    for id in &ids {
        pair.assert_settled_as(id, 600, 1_400).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p76_an_answer_that_is_forgotten_or_priced_out_is_sent_again_until_it_lands() {
    let mut pair = Pair::stopped().await;
    let pool = Proxy::start(&pair.world().anvil.url).await;
    pair.two.set("LOCKSTEP_CHAIN_ENDPOINTS", pool.url.clone());
    pair.run().await;
    pair.add_channel("1000", "1000", None).await;
    let world = pair.one.world().clone();
    pair.one.pay(&pair.id, "100").await;
    let stale = pair.one.proof(&pair.id).await;
    pair.one.pay(&pair.id, "300").await;
    pair.until_balances(600, 1_400).await;
    pair.one.kill();

    // The answer is sent at today's price, and forgotten by every pool.
    pool.rule(|rules| rules.holds = true);
    let before = pool.pool_log().await.len();
    initiate_close_by_hand(pair.world(), &stale, pair.one.account()).await;
    until_taken(&pool, before).await;
    let before = pool.pool_log().await.len();
    assert_eq!(pool.evict_all().await, 1);
    until_taken(&pool, before).await;

    // And then nothing below a hundred times as much lands.
    world.pin_base_fee(100_000_000_000);
    pool.be_honest();
    let answered = |it: &Value| it["close"]["version"] == 2;
    pair.two.until_channel(&pair.id, "the answer", answered).await;
    let replaced = |event: &PoolEvent| matches!(event, PoolEvent::Replaced { max_fee, .. } if *max_fee >= 100_000_000_000);
    let log = pool.pool_log().await;
    assert!(log.iter().any(replaced), "{log:?}");
    world.pin_base_fee(1_000_000_000);
    pair.one.start().await;
    world.pass(PERIOD).await;
    pair.assert_settled(600, 1_400).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p65_a_counterparty_that_is_silent_is_told_of_while_the_chain_does_not_answer() {
    let mut pair = Pair::stopped().await;
    let chain = Proxy::start(&pair.world().anvil.url).await;
    pair.one.set("LOCKSTEP_CHAIN_ENDPOINTS", chain.url.clone());
    pair.one.set("LOCKSTEP_CHANNEL_PEER_TIMEOUT_MILLIS", "1000");
    pair.run().await;
    pair.add_channel("1000", "1000", None).await;
    let Pair { one, two, id } = &pair;
    one.pay(id, "100").await;
    chain.rule(|rules| rules.stalls = true);
    two.freeze();
    one.begin_to_pay(id, "10").await;
    let is_told = |page: &Value| {
        let events = page["events"].as_array().expect("events");
        events.iter().any(|event| event["body"]["what"] == "peerSilent")
    };
    // Also to whoever looks only later.
    one.until("lockstep_listEvents", json!({"kind": "channels"}), "the event", is_told).await;
    let waits = one.channel(id).await["waiting"].to_string();
    assert!(waits.contains("owes an answer for too long"), "{waits}");
    two.thaw();
    chain.be_honest();
    pair.until_balances(890, 1_110).await;
}

/// Waits until the pool takes a transaction that it does not hold.
async fn until_taken(pool: &Proxy, before: usize) {
    patiently("a transaction in the pool", async || {
        let log = pool.pool_log().await;
        log[before..].iter().any(|it| matches!(it, PoolEvent::Taken { .. })).then_some(())
    })
    .await;
}
