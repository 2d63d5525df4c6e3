//! Many challenges in one transaction.

use crate::anvil::FINALITY;
use crate::disk::{Disk, LANES, RICH, has_ended, nonce, order, sent, stale_close, submitter};
use crate::scene::{Channel, Scene};
use alloy_primitives::{B256, Bytes};
use alloy_sol_types::SolCall;
use lockstep_chain::submitter::{Submitter, SubmitterEvent as Event};
use lockstep_contracts::bindings::PaymentChannel::channelOfCall;
use lockstep_core::chain::{ChainCall, Obligation, ObligationKind, ObligationStage};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

async fn stale_closes(scene: &Scene, salts: std::ops::RangeInclusive<u8>) -> Vec<(Channel, u64)> {
    let mut closes = Vec::new();
    for salt in salts {
        closes.push(stale_close(scene, salt).await);
    }
    closes
}

async fn submit_all(submitter: &mut Submitter<Disk>, closes: &[(Channel, u64)]) {
    for (channel, closes_at) in closes {
        let challenge = channel.challenge(5, *closes_at);
        submitter.submit(order(channel, challenge, RICH)).await.unwrap();
    }
}

fn transactions(events: &[Event]) -> BTreeSet<B256> {
    sent(events).into_iter().map(|(_, tx, _)| tx).collect()
}

async fn used(scene: &Scene) -> u64 {
    nonce(scene, LANES[0]).await + nonce(scene, LANES[1]).await
}

#[tokio::test]
async fn p71_p72_many_closes_are_answered_in_one_transaction_and_end_when_it_is_final() {
    let scene = Scene::start().await;
    let closes = stale_closes(&scene, 1..=9).await;
    let disk = Disk::default();
    let mut submitter = submitter(&scene, scene.endpoints(), &disk, &LANES).await;
    submit_all(&mut submitter, &closes).await;
    let events = submitter.step().await.unwrap();
    assert_eq!((sent(&events).len(), transactions(&events).len()), (9, 1), "{events:?}");
    assert!(sent(&submitter.step().await.unwrap()).is_empty());
    scene.anvil.mine(1).await;
    let events = submitter.step().await.unwrap();
    let included = events.iter().filter(|event| matches!(event, Event::Included { .. })).count();
    assert_eq!(included, 9, "{events:?}");
    for (channel, _) in &closes {
        assert_eq!(scene.stored(channel).await.version, 5);
    }
    scene.anvil.mine(FINALITY).await;
    let events = submitter.step().await.unwrap();
    assert!(has_ended(&events, ObligationStage::Done), "{events:?}");
    assert_eq!((submitter.owed().count(), used(&scene).await), (0, 1));
}

#[tokio::test]
async fn p76_a_row_that_the_contract_refuses_goes_alone_and_stops_no_other() {
    let scene = Scene::start().await;
    let closes = stale_closes(&scene, 1..=3).await;
    let (stranger, closes_at) = stale_close(&scene, 4).await;
    let disk = Disk::default();
    let mut submitter = submitter(&scene, scene.endpoints(), &disk, &LANES).await;
    submit_all(&mut submitter, &closes).await;
    // Signed for another channel.
    let call = ChainCall::Challenge(closes[0].0.evidence(6, 20));
    let forged = stranger.challenge(6, closes_at);
    let forged = Obligation::new(*forged.key(), call, forged.deadline());
    submitter.submit(order(&stranger, forged, RICH)).await.unwrap();
    let events = submitter.step().await.unwrap();
    assert_eq!((sent(&events).len(), transactions(&events).len()), (3, 1), "{events:?}");
    let refused = stranger.key(ObligationKind::Challenge, 6);
    assert!(
        events.iter().any(|event| matches!(event, Event::Refused { key, .. } if *key == refused)),
        "{events:?}"
    );
    scene.anvil.mine(1).await;
    for (channel, _) in &closes {
        assert_eq!(scene.stored(channel).await.version, 5);
    }
}

/// What the contract stores of a channel, by slot; the ledger first.
async fn storage(scene: &Scene, channel: &Channel) -> BTreeMap<B256, B256> {
    let data: Bytes = channelOfCall { channelId: channel.id.0 }.abi_encode().into();
    let to = scene.contracts.channel;
    let listed = scene.anvil.ask("eth_createAccessList", (json!({"to": to, "data": data}),)).await;
    let mut stored = BTreeMap::new();
    for slot in listed["accessList"][0]["storageKeys"].as_array().unwrap() {
        let slot: B256 = slot.as_str().unwrap().parse().unwrap();
        let value = scene.anvil.ask("eth_getStorageAt", (to, slot, "latest")).await;
        stored.insert(slot, value.as_str().unwrap().parse().unwrap());
    }
    stored
}

#[tokio::test]
async fn p72_a_row_that_a_block_has_skipped_is_taken_up_again_alone() {
    let scene = Scene::start().await;
    let mut closes = stale_closes(&scene, 1..=2).await;
    let last = scene.open(3).await;
    let open = *storage(&scene, &last).await.values().next().unwrap();
    scene.close(&last, 3).await;
    let closes_at = scene.stored(&last).await.closesAt.to::<u64>();
    closes.push((last, closes_at));
    let disk = Disk::default();
    let mut submitter = submitter(&scene, scene.endpoints(), &disk, &LANES).await;
    submit_all(&mut submitter, &closes).await;
    assert_eq!(transactions(&submitter.step().await.unwrap()).len(), 1);
    // Where the batch lands the last close is not there, and it comes back behind it.
    let closing = storage(&scene, &closes[2].0).await;
    for slot in closing.keys() {
        let before = if slot == closing.keys().next().unwrap() { open } else { B256::ZERO };
        scene.anvil.ask("anvil_setStorageAt", (scene.contracts.channel, slot, before)).await;
    }
    scene.anvil.mine(1).await;
    let events = submitter.step().await.unwrap();
    let dropped = closes[2].0.key(ObligationKind::Challenge, 5);
    assert!(
        events.iter().any(|event| matches!(event, Event::Dropped { key } if *key == dropped)),
        "{events:?}"
    );
    for (channel, _) in &closes[..2] {
        assert_eq!(scene.stored(channel).await.version, 5);
    }
    for (slot, value) in &closing {
        scene.anvil.ask("anvil_setStorageAt", (scene.contracts.channel, slot, value)).await;
    }
    scene.anvil.mine(1).await;
    assert_eq!(scene.stored(&closes[2].0).await.version, 3);
    let again = sent(&submitter.step().await.unwrap());
    assert_eq!(again.iter().map(|(key, ..)| *key).collect::<Vec<_>>(), [dropped]);
    scene.anvil.mine(1).await;
    assert_eq!(scene.stored(&closes[2].0).await.version, 5);
    scene.anvil.mine(FINALITY).await;
    submitter.step().await.unwrap();
    assert_eq!((submitter.owed().count(), used(&scene).await), (0, 2));
}

#[tokio::test]
async fn p72_a_batch_that_a_reorg_removes_is_sent_again() {
    let scene = Scene::start().await;
    let closes = stale_closes(&scene, 1..=3).await;
    let disk = Disk::default();
    let mut submitter = submitter(&scene, scene.endpoints(), &disk, &LANES).await;
    submit_all(&mut submitter, &closes).await;
    submitter.step().await.unwrap();
    scene.anvil.mine(1).await;
    submitter.step().await.unwrap();
    scene.anvil.reorg(1).await;
    assert_eq!(scene.stored(&closes[0].0).await.version, 3);
    let events = submitter.step().await.unwrap();
    assert!(events.iter().any(|event| matches!(event, Event::Dropped { .. })), "{events:?}");
    scene.anvil.mine(1).await;
    for (channel, _) in &closes {
        assert_eq!(scene.stored(channel).await.version, 5);
    }
}

#[tokio::test]
async fn p74_a_batch_is_one_transaction_also_after_a_restart() {
    let scene = Scene::start().await;
    let closes = stale_closes(&scene, 1..=3).await;
    let disk = Disk::default();
    let mut first = submitter(&scene, scene.endpoints(), &disk, &LANES).await;
    submit_all(&mut first, &closes).await;
    assert_eq!(transactions(&first.step().await.unwrap()).len(), 1);
    drop(first);
    let rows: Vec<Obligation> = disk.rows.lock().unwrap().values().cloned().collect();
    let orders = rows.into_iter().map(|row| {
        let own = |(channel, _): &&(Channel, u64)| channel.id == row.key().channel_id;
        let (channel, _) = closes.iter().find(own).unwrap();
        order(channel, row, RICH)
    });
    let mut second = submitter(&scene, scene.endpoints(), &disk, &LANES).await;
    second.resume(orders.collect()).await.unwrap();
    // It lies too low in the pool by now, and is replaced, not doubled.
    scene.anvil.spike(40_000_000_000).await;
    scene.anvil.mine(1).await;
    let again = second.step().await.unwrap();
    assert_eq!((sent(&again).len(), transactions(&again).len()), (3, 1), "{again:?}");
    scene.anvil.mine(1).await;
    for (channel, _) in &closes {
        assert_eq!(scene.stored(channel).await.version, 5);
    }
    assert_eq!(used(&scene).await, 1);
}

#[tokio::test]
async fn p76_channels_of_unlike_budgets_do_not_share_a_transaction() {
    let scene = Scene::start().await;
    let closes = stale_closes(&scene, 1..=4).await;
    let disk = Disk::default();
    let mut submitter = submitter(&scene, scene.endpoints(), &disk, &LANES).await;
    for (place, (channel, closes_at)) in closes.iter().enumerate() {
        let budget = if place < 2 { 300_000_000_000_000 } else { RICH };
        let challenge = channel.challenge(5, *closes_at);
        submitter.submit(order(channel, challenge, budget)).await.unwrap();
    }
    assert_eq!(transactions(&submitter.step().await.unwrap()).len(), 2);
    scene.anvil.spike(50_000_000_000).await;
    scene.anvil.mine(1).await;
    submitter.step().await.unwrap();
    scene.anvil.mine(1).await;
    for (place, (channel, _)) in closes.iter().enumerate() {
        let version = if place < 2 { 3 } else { 5 };
        assert_eq!(scene.stored(channel).await.version, version);
    }
}

#[tokio::test]
async fn p76_what_is_left_of_a_batch_can_pay_as_much_per_gas_as_the_whole_one() {
    let scene = Scene::start().await;
    let closes = stale_closes(&scene, 1..=9).await;
    let disk = Disk::default();
    let mut submitter = submitter(&scene, scene.endpoints(), &disk, &LANES).await;
    for (channel, closes_at) in &closes {
        // Thirty gwei for a challenge alone; eight for one with the gas of nine.
        let challenge = channel.challenge(5, *closes_at);
        submitter.submit(order(channel, challenge, 4_000_000_000_000_000)).await.unwrap();
    }
    assert_eq!(transactions(&submitter.step().await.unwrap()).len(), 1);
    // Others answer all but the last, finally, while the price is above what the batch offers.
    let price = 15_000_000_000;
    let (last, others) = closes.split_last().unwrap();
    for (channel, _) in others {
        let call = ChainCall::Challenge(channel.evidence(5, 20));
        let (to, data) =
            lockstep_chain::call::encode(&scene.contracts, &channel.terms, &call, None).unwrap();
        scene.anvil.send(scene.owner2, to, 0, data).await;
    }
    for _ in 0..=FINALITY {
        scene.anvil.spike(price).await;
        scene.anvil.mine(1).await;
    }
    assert_eq!(scene.stored(&last.0).await.version, 3);
    let events = submitter.step().await.unwrap();
    assert_eq!(submitter.owed().count(), 1, "{events:?}");
    for _ in 0..3 {
        submitter.step().await.unwrap();
        scene.anvil.spike(price).await;
        scene.anvil.mine(1).await;
    }
    assert_eq!(scene.stored(&last.0).await.version, 5);
}

#[tokio::test]
async fn p72_a_batch_that_is_offered_again_has_gas_for_rows_that_only_the_newest_block_shows_answered()
 {
    let scene = Scene::start().await;
    let closes = stale_closes(&scene, 1..=9).await;
    let disk = Disk::default();
    let mut submitter = submitter(&scene, scene.endpoints(), &disk, &LANES).await;
    submit_all(&mut submitter, &closes).await;
    assert_eq!(transactions(&submitter.step().await.unwrap()).len(), 1);
    // Somebody answers all but the last, in a block that may still go; what waits lies too low in the pool by then.
    let (_, others) = closes.split_last().unwrap();
    for (channel, _) in others {
        let call = ChainCall::Challenge(channel.evidence(5, 20));
        let (to, data) =
            lockstep_chain::call::encode(&scene.contracts, &channel.terms, &call, None).unwrap();
        scene.anvil.send(scene.owner2, to, 0, data).await;
    }
    scene.anvil.spike(15_000_000_000).await;
    scene.anvil.mine(1).await;
    let again = transactions(&submitter.step().await.unwrap());
    assert_eq!(again.len(), 1);
    let tx = scene.anvil.ask("eth_getTransactionByHash", again).await;
    let gas = u64::from_str_radix(tx["gas"].as_str().unwrap().trim_start_matches("0x"), 16);
    assert!(gas.unwrap() >= 9 * 45_000, "{tx}");
    // The block goes, and all rows are left to the batch.
    scene.anvil.reorg(1).await;
    scene.anvil.mine(2).await;
    for (channel, _) in &closes {
        assert_eq!(scene.stored(channel).await.version, 5);
    }
}
