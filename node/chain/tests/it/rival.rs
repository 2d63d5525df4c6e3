//! After the window a channel can end in two ways: at what the contract stores, and at a final state that was co-signed
//! late. Whoever owes both sends one.

use crate::anvil::FINALITY;
use crate::disk::{Disk, LANES, RICH, has_ended, nonce, order, sent, stale_close, submitter};
use crate::scene::{Channel, PERIOD, Scene};
use lockstep_chain::submitter::Submitter;
use lockstep_core::chain::{ChainCall, Obligation, ObligationKind, ObligationStage};
use lockstep_core::state::StateKind;

/// The version of the final state.
const LAST: u64 = 7;

/// A channel with a stale close whose window is over, and the two calls that may end it.
async fn over(scene: &Scene) -> (Channel, Obligation, Obligation) {
    let (channel, _) = stale_close(scene, 1).await;
    scene.anvil.ask("evm_increaseTime", (PERIOD,)).await;
    scene.anvil.mine(FINALITY).await;
    let close = Obligation::new(channel.key(ObligationKind::Close, 0), ChainCall::Close, None);
    let evidence = channel.evidence_of(StateKind::Final, LAST, 20);
    let key = channel.key(ObligationKind::CooperativeClose, LAST);
    let last = Obligation::new(key, ChainCall::CooperativeClose(evidence), None);
    (channel, close, last)
}

/// Mines until both calls have ended; nothing more is sent on the way.
async fn finish(scene: &Scene, submitter: &mut Submitter<Disk>) -> Vec<ObligationStage> {
    let mut stages = vec![];
    for _ in 0..6 {
        scene.anvil.mine(1).await;
        let events = submitter.step().await.unwrap();
        assert!(sent(&events).is_empty(), "{events:?}");
        for stage in [ObligationStage::Done, ObligationStage::Obsolete] {
            stages.extend(has_ended(&events, stage).then_some(stage));
        }
    }
    assert_eq!(submitter.owed().count(), 0);
    let spent = nonce(scene, LANES[0]).await + nonce(scene, LANES[1]).await;
    assert_eq!(spent, 1, "one transaction ends a channel");
    stages
}

#[tokio::test]
async fn p71_a_late_final_state_goes_alone_where_the_end_of_the_window_is_owed_as_well() {
    let scene = Scene::start().await;
    let (channel, close, last) = over(&scene).await;
    let disk = Disk::default();
    let mut submitter = submitter(&scene, scene.endpoints(), &disk, &LANES).await;
    let orders = [close, last].map(|owed| order(&channel, owed, RICH));
    submitter.submit_all(orders.into()).await.unwrap();
    let events = submitter.step().await.unwrap();
    let kinds: Vec<_> = sent(&events).iter().map(|(key, ..)| key.kind).collect();
    assert_eq!(kinds, [ObligationKind::CooperativeClose], "what both have signed is better");
    let stages = finish(&scene, &mut submitter).await;
    assert_eq!(scene.stored(&channel).await.version, LAST);
    // The channel is closed, which is what either was for.
    assert_eq!(stages, [ObligationStage::Done]);
}

#[tokio::test]
async fn p71_a_late_final_state_waits_for_the_end_of_the_window_that_is_out_and_costs_nothing() {
    let scene = Scene::start().await;
    let (channel, close, last) = over(&scene).await;
    let disk = Disk::default();
    let mut submitter = submitter(&scene, scene.endpoints(), &disk, &LANES).await;
    submitter.submit(order(&channel, close, RICH)).await.unwrap();
    assert_eq!(sent(&submitter.step().await.unwrap()).len(), 1);
    submitter.submit(order(&channel, last, RICH)).await.unwrap();
    assert!(sent(&submitter.step().await.unwrap()).is_empty(), "it would revert");
    let stages = finish(&scene, &mut submitter).await;
    assert_eq!(scene.stored(&channel).await.version, 3);
    assert_eq!(stages, [ObligationStage::Done, ObligationStage::Obsolete]);
}
