//! Whole lives of channels between two `lockstep` processes, and where every unit of money is in the end.

use alloy_primitives::U256;
use lockstep_e2e::channel::{Pair, milli, number};
use lockstep_e2e::node::PERIOD;
use serde_json::json;

/// What each account has in the beginning.
fn purse() -> U256 {
    U256::from(10).pow(U256::from(20))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_with_one_deposit_is_topped_up_drawn_from_and_closed_together() {
    let mut pair = Pair::start().await;
    pair.add_channel(&milli(2_000), "0", None).await;
    let id = pair.id.clone();
    let Pair { one, two, .. } = &pair;
    one.pay(&id, &milli(300)).await;
    let invoice = json!({"channelId": id, "amount": milli(250), "memo": "for coffee"});
    let invoice = two.ask("lockstep_createInvoice", invoice).await["invoice"].take();
    let paid = one.ask("lockstep_pay", json!({"invoice": invoice})).await;
    assert_eq!((&paid["state"], &paid["memo"]), (&json!("final"), &json!("for coffee")));
    let again = one.ask("lockstep_pay", json!({"invoice": invoice})).await;
    assert_eq!(again["state"], "failed", "{again}");
    two.pay(&id, &milli(50)).await;
    pair.until_balances(number(&json!(milli(1_500))), number(&json!(milli(500)))).await;

    // Each side adds to its own, and takes out of it again.
    let deposit = json!([id, milli(1_000), "top-up"]);
    two.ask("lockstep_deposit", deposit.clone()).await;
    let is_in = |it: &serde_json::Value| it["capacity"] == milli(3_000);
    one.until_channel(&id, "the top-up", is_in).await;
    two.until_channel(&id, "the top-up", is_in).await;
    two.ask("lockstep_deposit", deposit).await;
    one.ask("lockstep_withdraw", json!([id, milli(700)])).await;
    let is_out = |it: &serde_json::Value| it["capacity"] == milli(2_300);
    one.until_channel(&id, "the withdrawal", is_out).await;
    two.until_channel(&id, "the withdrawal", is_out).await;
    two.pay(&id, &milli(1_400)).await;
    pair.until_balances(number(&json!(milli(2_200))), number(&json!(milli(100)))).await;

    two.ask("lockstep_closeChannel", json!([id])).await;
    pair.assert_settled(number(&json!(milli(2_200))), number(&json!(milli(100)))).await;
    // To the wei: what came out, less what went in, less gas.
    for (node, brought, got) in [(one, 2_000, 2_900), (two, 1_000, 100)] {
        let fees = pair.world().fees_of(node.account()).await;
        let wei = |count| U256::from(number(&json!(milli(count))));
        let expected = purse() - fees - wei(brought) + wei(got);
        assert_eq!(pair.world().anvil.balance(node.account()).await, expected);
    }
    assert_eq!(pair.world().anvil.balance(pair.contract().await).await, U256::ZERO);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_payments_go_both_ways_at_once_and_one_side_closes_alone() {
    let pair = Pair::open("1000000", "1000000").await;
    let Pair { one, two, id } = &pair;
    let head = pair.world().anvil.head().await;
    let stream = async |node: &lockstep_e2e::node::Node, amount: &str| {
        for _ in 0..5 {
            node.pay_batch(id, amount, 1_000).await;
        }
    };
    tokio::join!(stream(one, "7"), stream(two, "3"));
    pair.until_balances(1_000_000 - 35_000 + 15_000, 1_000_000 + 35_000 - 15_000).await;
    for node in [one, two] {
        let payments = node.payments().await;
        assert_eq!(payments.len(), 10_000);
        assert!(payments.iter().all(|payment| payment["state"] == "final"));
    }
    let no_gas = pair.world().fees_of(two.account()).await;
    println!("{} blocks, {no_gas} wei of gas", pair.world().anvil.head().await - head);
    let plan = two.ask("lockstep_forceClose", json!({"channelId": id, "dryRun": true})).await;
    assert_eq!((&plan["isOrdered"], &plan["waitSecs"]), (&json!(false), &json!(PERIOD)));
    assert_eq!(
        (&plan["ownPayout"], &plan["counterpartyPayout"]),
        (&json!("1020000"), &json!("980000"))
    );
    two.force_close(id).await;
    one.until_channel(id, "a close", |it| it["phase"] == "disputed").await;
    two.until_channel(id, "a close", |it| it["phase"] == "disputed").await;
    pair.world().pass(PERIOD).await;
    pair.assert_settled(980_000, 1_020_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_in_a_token_lives_as_one_in_coins() {
    let mut pair = Pair::stopped().await;
    let owners = [pair.one.account(), pair.two.account()];
    let token = pair.world().token(&owners, 10_000).await;
    pair.one.set("LOCKSTEP_CHANNEL_TOKENS", format!("TST:{token}:2"));
    pair.two.set("LOCKSTEP_CHANNEL_TOKENS", format!("TST:{token}:2"));
    pair.run().await;
    pair.add_channel("4000", "3000", Some(token)).await;
    let Pair { one, two, id } = &pair;
    tokio::join!(one.pay(id, "1500"), two.pay(id, "200"));
    pair.until_balances(2_700, 4_300).await;
    one.ask("lockstep_deposit", json!([id, "1000"])).await;
    two.until_channel(id, "the top-up", |it| it["capacity"] == "8000").await;
    one.until_channel(id, "the top-up", |it| it["capacity"] == "8000").await;
    two.ask("lockstep_withdraw", json!([id, "4000"])).await;
    two.until_channel(id, "the withdrawal", |it| it["capacity"] == "4000").await;
    pair.until_balances(3_700, 300).await;
    assert_eq!(pair.world().held(token, owners[1]).await, 10_000 - 3_000 + 4_000);
    one.pay(id, "99").await;

    // The other side is gone, and can't even watch.
    pair.two.kill();
    let Pair { one, id, .. } = &pair;
    one.force_close(id).await;
    one.until_channel(id, "a close", |it| it["phase"] == "disputed").await;
    pair.world().pass(PERIOD).await;
    one.until_channel(id, "the end", |it| !it["settled"].is_null()).await;
    assert_eq!(pair.paid_on_chain(&pair.id).await, [(3_601, 399)]);
    pair.two.start().await;
    pair.assert_settled(3_601, 399).await;
    assert_eq!(pair.world().held(token, owners[0]).await, 10_000 - 5_000 + 3_601);
    assert_eq!(pair.world().held(token, owners[1]).await, 10_000 - 3_000 + 4_000 + 399);
    assert_eq!(pair.world().held(token, pair.contract().await).await, 0);
}
