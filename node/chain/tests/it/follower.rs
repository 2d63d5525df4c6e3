//! Facts, reorganisations, restarts.

use crate::anvil::FINALITY;
use crate::scene::{DEPOSIT, Scene, facts, is_closing, is_opened};
use alloy_primitives::{Bytes, U256};
use lockstep_chain::call::encode;
use lockstep_chain::error::ChainError;
use lockstep_chain::follower::{Batch, Delivery, Follower, Start};
use lockstep_core::chain::{ChainCall, ChainFact, Cursor};
use lockstep_core::error::ErrorClass;
use lockstep_core::money::Amount;
use lockstep_core::time::{BlockNumber, Finality};

async fn poll(follower: &mut Follower) -> Batch {
    let batch = follower.poll().await.unwrap();
    if batch.cursor.is_some() {
        follower.acknowledge();
    }
    batch
}

#[tokio::test]
async fn p85_a_deposit_is_seen_at_once_and_final_only_with_its_block() {
    let scene = Scene::start().await;
    let channel = scene.channel(1);
    let mut follower = scene.follower(scene.endpoints(), &[&channel]).await;
    scene.open(1).await;
    let batch = poll(&mut follower).await;
    let seen = facts(&batch, Finality::Seen);
    assert_eq!(seen.len(), 1, "{batch:?}");
    assert!(is_opened(&seen[0].event.fact));
    assert_eq!(seen[0].channel_id, Some(channel.id));
    assert!(facts(&batch, Finality::Final).is_empty());
    scene.anvil.mine(1).await;
    let batch = poll(&mut follower).await;
    assert_eq!(facts(&batch, Finality::Safe).len(), 1, "{batch:?}");
    assert!(facts(&batch, Finality::Final).is_empty());
    scene.anvil.mine(FINALITY - 1).await;
    let batch = poll(&mut follower).await;
    let last = facts(&batch, Finality::Final);
    let deposit1 = Amount::from_u256(U256::from(DEPOSIT));
    assert_eq!(last[0].event.fact, ChainFact::Opened { deposit1, is_active: true });
    assert!(matches!(batch.deliveries.last(), Some(Delivery::Finalized(_))));
    scene.anvil.mine(3).await;
    let batch = poll(&mut follower).await;
    assert!(facts(&batch, Finality::Final).is_empty(), "reported twice: {batch:?}");
}

#[tokio::test]
async fn p74_a_restart_from_the_cursor_reports_what_was_not_acknowledged_and_nothing_else() {
    let scene = Scene::start().await;
    let channel = scene.channel(1);
    let mut follower = scene.follower(scene.endpoints(), &[&channel]).await;
    let before = follower.cursor();
    scene.open(1).await;
    scene.anvil.mine(FINALITY).await;
    let batch = follower.poll().await.unwrap();
    let cursor = batch.cursor.unwrap();
    assert_eq!(facts(&batch, Finality::Final).len(), 1);
    let refused = follower.poll().await.unwrap_err();
    assert!(matches!(refused, ChainError::NotAcknowledged { .. }));
    assert_eq!(follower.cursor(), before);
    for (start, expected) in [(before, 1), (cursor, 0)] {
        let start = Start::Cursor(start);
        let mut again = Follower::start(scene.endpoints(), scene.contracts, start).await.unwrap();
        again.watch(channel.id, None);
        let batch = poll(&mut again).await;
        assert_eq!(facts(&batch, Finality::Final).len(), expected, "{batch:?}");
    }
}

#[tokio::test]
async fn p74_a_cursor_of_another_chain_is_refused() {
    let scene = Scene::start().await;
    let mut cursor = scene.follower(scene.endpoints(), &[]).await.cursor();
    cursor = Cursor { hash: alloy_primitives::B256::repeat_byte(1), ..cursor };
    let start = Start::Cursor(cursor);
    let mut follower = Follower::start(scene.endpoints(), scene.contracts, start).await.unwrap();
    scene.anvil.mine(1).await;
    let refused = follower.poll().await.unwrap_err();
    assert!(matches!(refused, ChainError::CursorGone { .. }), "{refused:?}");
    assert_eq!(refused.class(), ErrorClass::Fatal);
}

#[tokio::test]
async fn p75_a_reorg_without_a_word_retracts_a_close_and_p42_it_is_gone_only_when_ruled_out() {
    let scene = Scene::start().await;
    let channel = scene.open(1).await;
    scene.anvil.mine(FINALITY).await;
    let mut follower = scene.follower(scene.endpoints(), &[&channel]).await;
    scene.close(&channel, 3).await;
    let batch = poll(&mut follower).await;
    let seen = facts(&batch, Finality::Seen);
    assert!(is_closing(&seen[0].event.fact));
    let origin = seen[0].origin.unwrap();
    assert_eq!(origin.sender, scene.owner1);
    let ChainFact::Closing { evidence: Some(evidence), .. } = &seen[0].event.fact else {
        panic!("calldata shows the evidence: {seen:?}");
    };
    assert_eq!(evidence.state, channel.evidence(3, 10).state);

    scene.anvil.reorg(1).await;
    let batch = poll(&mut follower).await;
    let retracted = |d: &Delivery| matches!(d, Delivery::CloseRetracted(_));
    assert!(batch.deliveries.iter().any(retracted), "{batch:?}");

    // Finalized blocks show ACTIVE, but the close can still land.
    scene.anvil.mine(FINALITY + 3).await;
    let batch = poll(&mut follower).await;
    assert!(facts(&batch, Finality::Final).is_empty(), "{batch:?}");

    // Its nonce is used for something else, finally.
    scene.anvil.send(scene.owner1, scene.owner2, 1, Bytes::new()).await;
    scene.anvil.mine(FINALITY).await;
    let batch = poll(&mut follower).await;
    assert!(facts(&batch, Finality::Final).is_empty(), "{batch:?}");
    scene.anvil.mine(1).await;
    let batch = poll(&mut follower).await;
    let last = facts(&batch, Finality::Final);
    assert_eq!(last.len(), 1, "{batch:?}");
    assert_eq!(last[0].event.fact, ChainFact::CloseVanished);
    assert_eq!(last[0].channel_id, Some(channel.id));
}

#[tokio::test]
async fn p75_a_close_that_comes_back_in_another_block_is_seen_again() {
    let scene = Scene::start().await;
    let channel = scene.open(1).await;
    scene.anvil.mine(FINALITY).await;
    let mut follower = scene.follower(scene.endpoints(), &[&channel]).await;
    scene.close(&channel, 3).await;
    scene.anvil.mine(1).await;
    let first = poll(&mut follower).await;
    let first = facts(&first, Finality::Seen)[0].clone();
    scene.anvil.reorg(2).await;
    scene.close(&channel, 2).await;
    let batch = poll(&mut follower).await;
    let second = facts(&batch, Finality::Seen);
    assert_eq!(second.len(), 1, "{batch:?}");
    assert_ne!(second[0].event.fact, first.event.fact);
    scene.anvil.mine(FINALITY).await;
    let batch = poll(&mut follower).await;
    let last = facts(&batch, Finality::Final);
    assert_eq!(last.len(), 1, "{batch:?}");
    assert!(is_closing(&last[0].event.fact));
}

#[tokio::test]
async fn p94_an_open_that_is_reorganised_away_gives_no_final_fact() {
    let scene = Scene::start().await;
    let channel = scene.channel(1);
    let mut follower = scene.follower(scene.endpoints(), &[&channel]).await;
    scene.open(1).await;
    assert_eq!(facts(&poll(&mut follower).await, Finality::Seen).len(), 1);
    scene.anvil.reorg(1).await;
    scene.anvil.mine(FINALITY + 2).await;
    let batch = poll(&mut follower).await;
    assert!(facts(&batch, Finality::Final).is_empty(), "{batch:?}");
    let retracted = |d: &Delivery| matches!(d, Delivery::Retracted { .. });
    assert!(batch.deliveries.iter().any(retracted), "{batch:?}");
}

#[tokio::test]
async fn a_channel_that_is_watched_later_is_read_from_the_cursor_on() {
    let scene = Scene::start().await;
    let mut follower = scene.follower(scene.endpoints(), &[]).await;
    let channel = scene.open(1).await;
    let batch = poll(&mut follower).await;
    assert!(facts(&batch, Finality::Seen).is_empty());
    follower.watch(channel.id, None);
    let batch = poll(&mut follower).await;
    assert_eq!(facts(&batch, Finality::Seen).len(), 1, "{batch:?}");
}

#[tokio::test]
async fn evidence_that_does_not_hold_is_not_handed_on_but_the_close_is() {
    let scene = Scene::start().await;
    let channel = scene.open(1).await;
    let (to, checkpoint) = channel.checkpoint(&scene, 3);
    scene.anvil.send(scene.owner2, to, 0, checkpoint).await;
    scene.anvil.mine(1 + FINALITY).await;
    let mut follower = scene.follower(scene.endpoints(), &[&channel]).await;
    // The stored state again, with one side's signature twice: the contract closes at what it has.
    let mut garbled = channel.evidence(3, 10);
    garbled.signature2 = garbled.signature1;
    let call = ChainCall::InitiateClose(Some(garbled));
    let (to, data) = encode(&scene.contracts, &channel.terms, &call, None).unwrap();
    let tx = scene.anvil.send(scene.owner1, to, 0, data).await;
    scene.anvil.mine(1).await;
    scene.anvil.must_succeed(tx).await;
    let batch = poll(&mut follower).await;
    let seen = facts(&batch, Finality::Seen);
    let [sighting] = seen.as_slice() else { panic!("{batch:?}") };
    let ChainFact::Closing { point, evidence, .. } = &sighting.event.fact else {
        panic!("{sighting:?}");
    };
    assert_eq!((point.version.0, evidence), (3, &None));
}

#[tokio::test]
async fn p42_a_close_that_was_retracted_before_a_restart_is_still_waited_for() {
    let scene = Scene::start().await;
    let channel = scene.open(1).await;
    scene.anvil.mine(FINALITY).await;
    let mut follower = scene.follower(scene.endpoints(), &[&channel]).await;
    scene.close(&channel, 3).await;
    poll(&mut follower).await;
    scene.anvil.reorg(1).await;
    let batch = poll(&mut follower).await;
    let close = batch.deliveries.iter().find_map(|delivery| match delivery {
        Delivery::CloseRetracted(close) => Some(*close),
        Delivery::Fact(_)
        | Delivery::Retracted { .. }
        | Delivery::Head(_)
        | Delivery::Finalized(_)
        | Delivery::Alarm(_) => None,
    });
    let start = Start::Cursor(follower.cursor());
    let mut again = Follower::start(scene.endpoints(), scene.contracts, start).await.unwrap();
    again.watch(channel.id, None);
    again.expect(close.unwrap());
    scene.anvil.send(scene.owner1, scene.owner2, 1, Bytes::new()).await;
    scene.anvil.mine(FINALITY + 2).await;
    let batch = poll(&mut again).await;
    let last = facts(&batch, Finality::Final);
    assert_eq!(last.len(), 1, "{batch:?}");
    assert_eq!(last[0].event.fact, ChainFact::CloseVanished);
}

#[tokio::test]
async fn the_terms_of_a_channel_are_found_by_its_id_alone_and_vouched_for_by_it() {
    let scene = Scene::start().await;
    let channel = scene.open(1).await;
    scene.anvil.mine(3).await;
    let through = scene.endpoints();
    let asked =
        async |id, from| through.terms_of(&scene.contracts, id, BlockNumber(from)).await.unwrap();
    assert_eq!(asked(channel.id, 0).await, Some(channel.terms));
    assert_eq!(asked(scene.channel(2).id, 0).await, None);
    assert_eq!(asked(channel.id, 5_000).await, None, "opened before");
}
