//! Channels whose money belongs to accounts that no node holds the keys of: a hardware wallet, a contract.

use alloy_primitives::{Address, U256, keccak256};
use lockstep_e2e::channel::{Pair, milli, number};
use lockstep_e2e::node::PERIOD;
use lockstep_e2e::proxy::Proxy;
use serde_json::json;

/// An account of which nobody here has the key.
fn outside(name: &str) -> Address {
    Address::from_word(keccak256(name))
}

fn wei(count: u128) -> u128 {
    number(&json!(milli(count)))
}

#[tokio::test(flavor = "multi_thread")]
async fn p12_the_money_of_an_outside_account_comes_back_to_it_whichever_way_the_channel_ends() {
    let owners = [outside("the first owner"), outside("the second owner")];
    let mut pair = Pair::stopped().await;
    let chain = Proxy::start(&pair.world().anvil.url).await;
    pair.one.set("LOCKSTEP_CHANNEL_OWNER", owners[0].to_string());
    pair.two.set("LOCKSTEP_CHANNEL_OWNER", owners[1].to_string());
    pair.two.set("LOCKSTEP_CHAIN_ENDPOINTS", chain.url.clone());
    pair.run().await;
    let info = pair.one.ask("lockstep_getInfo", json!([])).await;
    assert_eq!(info["owner"].as_str().map(str::to_lowercase), Some(format!("{:#x}", owners[0])));
    assert_ne!(info["owner"], info["account"]);

    // Side two leaves alone with what it was paid. Its node dies before anything is sent, and orders it again.
    pair.add_channel(&milli(2_000), &milli(1_000), None).await;
    pair.one.pay(&pair.id, &milli(600)).await;
    pair.two.pay(&pair.id, &milli(50)).await;
    let call = json!({"channelId": pair.id, "dryRun": true});
    let plan = pair.two.ask("lockstep_forceClose", call).await;
    assert!(plan["cost"]["gas"].is_number(), "{plan}");
    chain.rule(|rules| rules.is_down = true);
    pair.two.force_close(&pair.id).await;
    pair.two.kill();
    chain.be_honest();
    pair.two.start().await;
    pair.one.until_channel(&pair.id, "a close", |it| it["phase"] == "disputed").await;
    pair.world().pass(PERIOD).await;
    pair.assert_settled(wei(1_450), wei(1_550)).await;
    assert_eq!(held(&pair, owners).await, [wei(1_450), wei(1_550)]);

    // Together; before that a part is taken out.
    pair.add_channel(&milli(2_000), "0", None).await;
    let Pair { one, two, id } = &pair;
    one.pay(id, &milli(500)).await;
    two.ask("lockstep_withdraw", json!([id, milli(200)])).await;
    for node in [one, two] {
        node.until_channel(id, "the withdrawal", |it| it["capacity"] == milli(1_800)).await;
    }
    two.ask("lockstep_closeChannel", json!([id])).await;
    pair.assert_settled(wei(1_500), wei(300)).await;
    assert_eq!(held(&pair, owners).await, [wei(1_450 + 1_500), wei(1_550 + 200 + 300)]);
}

/// What the outside accounts hold by now.
async fn held(pair: &Pair, owners: [Address; 2]) -> [u128; 2] {
    let anvil = &pair.world().anvil;
    let balances: [U256; 2] = [anvil.balance(owners[0]).await, anvil.balance(owners[1]).await];
    balances.map(|balance| balance.to::<u128>())
}
