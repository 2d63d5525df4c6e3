//! Calls that must land: fees, reorganisations, restarts, lanes.

use crate::anvil::FINALITY;
use crate::disk::{Disk, LANES, RICH, has_ended, nonce, order, sent, stale_close, submitter};
use crate::proxy::{Lie, Proxy};
use crate::scene::{PERIOD, Scene, endpoints, key};
use alloy::consensus::{SignableTransaction, TxEip1559};
use alloy::eips::eip2718::Encodable2718;
use alloy_primitives::{Address, Bytes, TxKind, U256};
use lockstep_chain::alarm::Alarm;
use lockstep_chain::error::ChainError;
use lockstep_chain::port::{AccountSigner, LocalAccount};
use lockstep_chain::submitter::SubmitterEvent as Event;
use lockstep_contracts::bindings::PaymentChannel::PaymentChannelErrors;
use lockstep_contracts::revert::Revert;
use lockstep_core::chain::{
    ChainCall, Obligation, ObligationEvent, ObligationKind, ObligationStage,
};
use lockstep_core::error::ErrorClass;

#[tokio::test]
async fn p71_p72_a_challenge_lands_once_and_ends_only_when_it_is_final() {
    let scene = Scene::start().await;
    let (channel, closes_at) = stale_close(&scene, 1).await;
    let disk = Disk::default();
    let mut submitter = submitter(&scene, scene.endpoints(), &disk, &LANES).await;
    for _ in 0..3 {
        let challenge = channel.challenge(5, closes_at);
        submitter.submit(order(&channel, challenge, RICH)).await.unwrap();
    }
    assert_eq!(sent(&submitter.step().await.unwrap()).len(), 1);
    assert!(sent(&submitter.step().await.unwrap()).is_empty());
    scene.anvil.mine(1).await;
    let events = submitter.step().await.unwrap();
    assert!(events.iter().any(|event| matches!(event, Event::Included { .. })), "{events:?}");
    assert!(!has_ended(&events, ObligationStage::Done), "{events:?}");
    assert_eq!(scene.stored(&channel).await.version, 5);
    scene.anvil.mine(FINALITY).await;
    assert!(has_ended(&submitter.step().await.unwrap(), ObligationStage::Done));
    assert_eq!(submitter.owed().count(), 0);
    submitter.submit(order(&channel, channel.challenge(5, closes_at), RICH)).await.unwrap();
    assert!(submitter.step().await.unwrap().is_empty(), "an ended order came back to life");
    assert_eq!(nonce(&scene, LANES[0]).await + nonce(&scene, LANES[1]).await, 1);
}

#[tokio::test]
async fn p71_a_challenge_that_another_tower_has_made_ends_without_a_transaction() {
    let scene = Scene::start().await;
    let (channel, closes_at) = stale_close(&scene, 1).await;
    let (to, data) = {
        let call = ChainCall::Challenge(channel.evidence(6, 20));
        lockstep_chain::call::encode(&scene.contracts, &channel.terms, &call, None).unwrap()
    };
    scene.anvil.send(scene.owner2, to, 0, data).await;
    scene.anvil.mine(1).await;
    let disk = Disk::default();
    let mut submitter = submitter(&scene, scene.endpoints(), &disk, &LANES).await;
    submitter.submit(order(&channel, channel.challenge(5, closes_at), RICH)).await.unwrap();
    assert!(submitter.step().await.unwrap().is_empty());
    scene.anvil.mine(FINALITY).await;
    assert!(has_ended(&submitter.step().await.unwrap(), ObligationStage::Done));
    assert_eq!(nonce(&scene, LANES[0]).await + nonce(&scene, LANES[1]).await, 0);
}

#[tokio::test]
async fn p72_a_challenge_that_a_reorg_removes_is_sent_again() {
    let scene = Scene::start().await;
    let (channel, closes_at) = stale_close(&scene, 1).await;
    let disk = Disk::default();
    let mut submitter = submitter(&scene, scene.endpoints(), &disk, &LANES).await;
    submitter.submit(order(&channel, channel.challenge(5, closes_at), RICH)).await.unwrap();
    submitter.step().await.unwrap();
    scene.anvil.mine(1).await;
    submitter.step().await.unwrap();
    scene.anvil.reorg(1).await;
    assert_eq!(scene.stored(&channel).await.version, 3);
    let events = submitter.step().await.unwrap();
    assert!(events.iter().any(|event| matches!(event, Event::Dropped { .. })), "{events:?}");
    scene.anvil.mine(1).await;
    assert_eq!(scene.stored(&channel).await.version, 5);
}

#[tokio::test]
async fn p76_a_base_fee_spike_is_answered_with_steps_of_an_eighth_that_only_rise() {
    let scene = Scene::start().await;
    let (channel, closes_at) = stale_close(&scene, 1).await;
    let disk = Disk::default();
    let mut submitter = submitter(&scene, scene.endpoints(), &disk, &[LANES[0]]).await;
    submitter.submit(order(&channel, channel.challenge(5, closes_at), RICH)).await.unwrap();
    let mut fees = vec![sent(&submitter.step().await.unwrap())[0].2];
    for spike in [40_000_000_000, 90_000_000_000] {
        // The block is mined too dear for what is offered, which falls out of the pool.
        scene.anvil.spike(spike).await;
        scene.anvil.mine(1).await;
        let again = sent(&submitter.step().await.unwrap());
        assert_eq!(again.len(), 1, "at {spike}");
        fees.push(again[0].2);
    }
    for pair in fees.windows(2) {
        assert!(pair[1].max_fee * 8 >= pair[0].max_fee * 9, "{fees:?}");
        assert!(pair[1].priority * 8 >= pair[0].priority * 9, "{fees:?}");
    }
    scene.anvil.mine(1).await;
    assert_eq!(scene.stored(&channel).await.version, 5);
    assert_eq!(nonce(&scene, LANES[0]).await, 1);
    let rows = disk.rows.lock().unwrap();
    let row = rows.values().next().unwrap();
    assert_eq!(row.highest_fee_per_gas(), fees[2].max_fee);
}

#[tokio::test]
async fn p76_a_call_never_offers_more_than_its_channel_is_worth_and_says_so() {
    let scene = Scene::start().await;
    let (channel, _) = stale_close(&scene, 1).await;
    let disk = Disk::default();
    let mut submitter = submitter(&scene, scene.endpoints(), &disk, &[LANES[0]]).await;
    // Enough for about 2 gwei per gas.
    let far = scene.stored(&channel).await.closesAt.to::<u64>();
    let poor = order(&channel, channel.challenge(5, far), 300_000_000_000_000);
    submitter.submit(poor).await.unwrap();
    let mut events = submitter.step().await.unwrap();
    for _ in 0..4 {
        scene.anvil.spike(50_000_000_000).await;
        scene.anvil.mine(1).await;
        events.extend(submitter.step().await.unwrap());
    }
    let is_alarm = |e: &Event| matches!(e, Event::Alarm(Alarm::BudgetReached { .. }));
    assert!(events.iter().any(is_alarm), "{events:?}");
    for (_, tx, fees) in sent(&events) {
        // The call takes more than 50,000 gas.
        assert!(fees.max_fee * 50_000 <= 300_000_000_000_000, "{tx}: {fees:?}");
    }
    assert_eq!(scene.stored(&channel).await.version, 3);
}

#[tokio::test]
async fn p76_a_stuck_transaction_of_one_channel_does_not_delay_another() {
    let scene = Scene::start().await;
    let (poor, poor_deadline) = stale_close(&scene, 1).await;
    let (rich, rich_deadline) = stale_close(&scene, 2).await;
    let disk = Disk::default();
    let mut submitter = submitter(&scene, scene.endpoints(), &disk, &LANES).await;
    let small = order(&poor, poor.challenge(5, poor_deadline), 300_000_000_000_000);
    submitter.submit(small).await.unwrap();
    submitter.step().await.unwrap();
    scene.anvil.spike(50_000_000_000).await;
    scene.anvil.mine(1).await;
    submitter.submit(order(&rich, rich.challenge(5, rich_deadline), RICH)).await.unwrap();
    submitter.step().await.unwrap();
    scene.anvil.mine(1).await;
    assert_eq!(scene.stored(&rich).await.version, 5);
    assert_eq!(scene.stored(&poor).await.version, 3);
}

#[tokio::test]
async fn p76_with_one_account_what_is_in_front_is_raised_to_let_the_next_one_land() {
    let scene = Scene::start().await;
    let (poor, poor_deadline) = stale_close(&scene, 1).await;
    let (rich, rich_deadline) = stale_close(&scene, 2).await;
    let disk = Disk::default();
    let mut submitter = submitter(&scene, scene.endpoints(), &disk, &[LANES[0]]).await;
    let small = order(&poor, poor.challenge(5, poor_deadline), 300_000_000_000_000);
    submitter.submit(small).await.unwrap();
    submitter.step().await.unwrap();
    scene.anvil.spike(50_000_000_000).await;
    scene.anvil.mine(1).await;
    submitter.submit(order(&rich, rich.challenge(5, rich_deadline), RICH)).await.unwrap();
    for _ in 0..6 {
        submitter.step().await.unwrap();
        scene.anvil.mine(1).await;
    }
    assert_eq!(scene.stored(&rich).await.version, 5);
}

#[tokio::test]
async fn p76_a_transaction_that_a_pool_has_forgotten_is_sent_again() {
    let scene = Scene::start().await;
    let (channel, closes_at) = stale_close(&scene, 1).await;
    let disk = Disk::default();
    let mut submitter = submitter(&scene, scene.endpoints(), &disk, &[LANES[0]]).await;
    submitter.submit(order(&channel, channel.challenge(5, closes_at), RICH)).await.unwrap();
    let (_, tx, _) = sent(&submitter.step().await.unwrap())[0];
    scene.anvil.ask("anvil_dropTransaction", (tx,)).await;
    scene.anvil.mine(1).await;
    assert_eq!(scene.stored(&channel).await.version, 3);
    submitter.step().await.unwrap();
    scene.anvil.mine(1).await;
    assert_eq!(scene.stored(&channel).await.version, 5);
    assert_eq!(nonce(&scene, LANES[0]).await, 1);
}

#[tokio::test]
async fn p86_nothing_is_sent_that_is_not_durable_but_p49_a_challenge_never_waits_for_a_disk() {
    let scene = Scene::start().await;
    let (channel, closes_at) = stale_close(&scene, 1).await;
    let disk = Disk::default();
    let mut submitter = submitter(&scene, scene.endpoints(), &disk, &[LANES[0], 0x11]).await;
    let (other, key) = (scene.open(2).await, ObligationKind::InitiateClose);
    let close = Obligation::new(other.key(key, 0), ChainCall::InitiateClose(None), None);
    // Taken while the disk still worked; its transaction comes too late for that.
    let taken = scene.open(3).await;
    let early = Obligation::new(taken.key(key, 0), ChainCall::InitiateClose(None), None);
    submitter.submit(order(&taken, early, RICH)).await.unwrap();
    *disk.is_full.lock().unwrap() = true;
    let refused = submitter.submit(order(&other, close, RICH)).await.unwrap_err();
    assert!(matches!(refused, ChainError::Store(_)));
    assert_eq!(refused.class(), ErrorClass::Fatal);
    submitter.submit(order(&channel, channel.challenge(5, closes_at), RICH)).await.unwrap();
    let events = submitter.step().await.unwrap();
    let is_alarm = |e: &Event| matches!(e, Event::Alarm(Alarm::StoreFailed { .. }));
    assert!(events.iter().any(is_alarm), "{events:?}");
    scene.anvil.mine(1).await;
    assert_eq!(scene.stored(&channel).await.version, 5);
    assert_eq!(scene.stored(&other).await.status, 2);
    assert_eq!(scene.stored(&taken).await.status, 2, "sent without being durable");
    *disk.is_full.lock().unwrap() = false;
    submitter.step().await.unwrap();
    scene.anvil.mine(1).await;
    assert_eq!(scene.stored(&taken).await.status, 3);
}

#[tokio::test]
async fn p86_a_restart_between_durable_and_sent_sends_it_once() {
    let scene = Scene::start().await;
    let (channel, closes_at) = stale_close(&scene, 1).await;
    let disk = Disk::default();
    let hole = Proxy::start(&scene.anvil.url, Lie::Swallow).await;
    let through = endpoints(&[&hole.url], 1);
    let mut first = submitter(&scene, through, &disk, &[LANES[0]]).await;
    first.submit(order(&channel, channel.challenge(5, closes_at), RICH)).await.unwrap();
    let (_, tx, before) = sent(&first.step().await.unwrap())[0];
    let stage = disk.rows.lock().unwrap().values().next().unwrap().stage();
    assert_eq!(stage, ObligationStage::Submitted { tx });
    drop(first);
    scene.anvil.mine(1).await;
    let mut second = submitter(&scene, scene.endpoints(), &disk, &[LANES[0]]).await;
    second.resume(disk.orders(&channel)).await.unwrap();
    let (_, _, after) = sent(&second.step().await.unwrap())[0];
    assert!(after.max_fee >= before.max_fee, "{after:?} after {before:?}");
    scene.anvil.mine(1).await;
    assert_eq!(scene.stored(&channel).await.version, 5);
    assert_eq!(nonce(&scene, LANES[0]).await, 1);
}

#[tokio::test]
async fn p86_a_restart_between_sent_and_included_finds_its_transaction_again() {
    let scene = Scene::start().await;
    let (channel, closes_at) = stale_close(&scene, 1).await;
    let disk = Disk::default();
    let mut first = submitter(&scene, scene.endpoints(), &disk, &LANES).await;
    first.submit(order(&channel, channel.challenge(5, closes_at), RICH)).await.unwrap();
    first.step().await.unwrap();
    drop(first);
    let mut second = submitter(&scene, scene.endpoints(), &disk, &LANES).await;
    second.resume(disk.orders(&channel)).await.unwrap();
    second.step().await.unwrap();
    scene.anvil.mine(1 + FINALITY).await;
    assert!(has_ended(&second.step().await.unwrap(), ObligationStage::Done));
    assert_eq!(nonce(&scene, LANES[0]).await + nonce(&scene, LANES[1]).await, 1);
    let mut third = submitter(&scene, scene.endpoints(), &disk, &LANES).await;
    third.resume(disk.orders(&channel)).await.unwrap();
    assert!(third.step().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_gap_in_an_accounts_nonces_is_filled_so_that_what_waits_behind_it_lands() {
    let scene = Scene::start().await;
    let (channel, closes_at) = stale_close(&scene, 1).await;
    let disk = Disk::default();
    let mut submitter = submitter(&scene, scene.endpoints(), &disk, &[LANES[0]]).await;
    // An earlier run has sent it with nonce 1, and what it had sent with nonce 0 is lost.
    let challenge = channel.challenge(5, closes_at);
    let (to, data) =
        lockstep_chain::call::encode(&scene.contracts, &channel.terms, challenge.call(), None)
            .unwrap();
    let transaction = TxEip1559 {
        chain_id: scene.contracts.chain_id,
        nonce: 1,
        gas_limit: 300_000,
        max_fee_per_gas: 5_000_000_000,
        max_priority_fee_per_gas: 1_000_000_000,
        to: TxKind::Call(to),
        input: data,
        ..TxEip1559::default()
    };
    let account = LocalAccount::from_secret(&[LANES[0]; 32]).unwrap();
    let signature = account.sign_transaction(&transaction).unwrap();
    let raw: Bytes = transaction.into_signed(signature).encoded_2718().into();
    let tx = scene.anvil.rpc.send_raw(&raw).await.unwrap();
    scene.anvil.mine(1).await;
    assert_eq!(nonce(&scene, LANES[0]).await, 0, "there is no gap");
    let was_sent = ObligationEvent::Sent { tx, fee_per_gas: 5_000_000_000 };
    let challenge = challenge.apply(was_sent).unwrap();
    submitter.resume(vec![order(&channel, challenge, RICH)]).await.unwrap();
    submitter.step().await.unwrap();
    scene.anvil.mine(1).await;
    assert_eq!(scene.stored(&channel).await.version, 5);
    assert_eq!(nonce(&scene, LANES[0]).await, 2);
}

#[tokio::test]
async fn p96_one_endpoint_that_calls_everything_settled_holds_back_no_challenge_and_ends_nothing() {
    let scene = Scene::start().await;
    let (channel, closes_at) = stale_close(&scene, 1).await;
    let liar = Proxy::start(&scene.anvil.url, Lie::ZeroCalls).await;
    let both = endpoints(&[&liar.url, &scene.anvil.url], 2);
    let disk = Disk::default();
    let mut submitter = submitter(&scene, both, &disk, &LANES).await;
    submitter.submit(order(&channel, channel.challenge(5, closes_at), RICH)).await.unwrap();
    submitter.step().await.unwrap();
    scene.anvil.mine(1 + FINALITY).await;
    assert_eq!(scene.stored(&channel).await.version, 5);
    submitter.step().await.unwrap();
    assert_eq!(submitter.owed().count(), 1, "ended on one endpoint's word");
    liar.set(Lie::None);
    assert!(has_ended(&submitter.step().await.unwrap(), ObligationStage::Done));
}

#[tokio::test]
async fn a_close_is_settled_after_its_deadline_by_anyone_and_started_only_by_its_own_accounts() {
    let scene = Scene::start().await;
    let channel = scene.open(1).await;
    let disk = Disk::default();
    let mut submitter = submitter(&scene, scene.endpoints(), &disk, &[LANES[0], 0x11]).await;
    let initiate = channel.key(ObligationKind::InitiateClose, 4);
    let call = ChainCall::InitiateClose(Some(channel.evidence(4, 7)));
    let initiate = Obligation::new(initiate, call, None);
    let close = channel.key(ObligationKind::Close, 0);
    let close = Obligation::new(close, ChainCall::Close, None);
    for obligation in [initiate, close] {
        submitter.submit(order(&channel, obligation, RICH)).await.unwrap();
    }
    assert_eq!(sent(&submitter.step().await.unwrap()).len(), 1);
    scene.anvil.mine(1).await;
    // Signer 1 has sent it: the other account may not.
    assert_eq!((nonce(&scene, LANES[0]).await, nonce(&scene, 0x11).await), (0, 1));
    assert_eq!(scene.stored(&channel).await.status, 3);
    assert!(sent(&submitter.step().await.unwrap()).is_empty(), "settled before the deadline");
    scene.anvil.ask("evm_increaseTime", (PERIOD,)).await;
    scene.anvil.mine(1).await;
    assert_eq!(sent(&submitter.step().await.unwrap()).len(), 1);
    scene.anvil.mine(1).await;
    assert_eq!(scene.stored(&channel).await.status, 4);
}

#[tokio::test]
async fn what_the_contract_refuses_is_told_in_its_own_words() {
    let scene = Scene::start().await;
    let (channel, closes_at) = stale_close(&scene, 1).await;
    let disk = Disk::default();
    let mut submitter = submitter(&scene, scene.endpoints(), &disk, &[LANES[0]]).await;
    let mut evidence = channel.evidence(5, 20);
    evidence.signature2 = evidence.signature1;
    let key = channel.key(ObligationKind::Challenge, 5);
    let deadline = channel.challenge(5, closes_at).deadline();
    let forged = Obligation::new(key, ChainCall::Challenge(evidence), deadline);
    submitter.submit(order(&channel, forged, RICH)).await.unwrap();
    let events = submitter.step().await.unwrap();
    let [Event::Refused { revert, .. }] = events.as_slice() else { panic!("{events:?}") };
    let Revert::Channel(PaymentChannelErrors::BadSignature(error)) = revert else {
        panic!("{revert:?}");
    };
    assert_eq!(error.side, 2);
}

#[tokio::test]
async fn p78_an_account_that_cannot_pay_is_named_and_another_one_sends() {
    let scene = Scene::start().await;
    let disk = Disk::default();
    let mut submitter = submitter(&scene, scene.endpoints(), &disk, &LANES).await;
    let empty: Address = key(LANES[1]).address();
    scene.anvil.ask("anvil_setBalance", (empty, U256::ZERO)).await;
    let mut alarms = 0;
    for salt in 1..=4 {
        let (channel, closes_at) = stale_close(&scene, salt).await;
        submitter.submit(order(&channel, channel.challenge(5, closes_at), RICH)).await.unwrap();
        let events = submitter.step().await.unwrap();
        let is_alarm = |e: &&Event| matches!(e, Event::Alarm(Alarm::AccountEmpty { account, .. }) if *account == empty);
        alarms += events.iter().filter(is_alarm).count();
        scene.anvil.mine(1).await;
        assert_eq!(scene.stored(&channel).await.version, 5, "channel {salt}");
    }
    assert!(alarms > 0, "the empty account was never tried");
}

#[tokio::test]
async fn a_nonce_that_somebody_else_used_costs_a_new_one_and_nothing_more() {
    let scene = Scene::start().await;
    let (channel, closes_at) = stale_close(&scene, 1).await;
    let disk = Disk::default();
    let mut submitter = submitter(&scene, scene.endpoints(), &disk, &[LANES[0]]).await;
    submitter.submit(order(&channel, channel.challenge(5, closes_at), RICH)).await.unwrap();
    let (_, tx, _) = sent(&submitter.step().await.unwrap())[0];
    let account = key(LANES[0]).address();
    scene.anvil.ask("anvil_dropTransaction", (tx,)).await;
    scene.anvil.ask("anvil_impersonateAccount", (account,)).await;
    scene.anvil.send(account, scene.owner2, 1, Bytes::new()).await;
    scene.anvil.mine(1).await;
    submitter.step().await.unwrap();
    scene.anvil.mine(1).await;
    assert_eq!(scene.stored(&channel).await.version, 5);
    assert_eq!(nonce(&scene, LANES[0]).await, 2);
}

#[tokio::test]
async fn p76_an_order_with_an_earlier_deadline_brings_it_forward_durably_and_none_puts_it_off() {
    let scene = Scene::start().await;
    let (channel, closes_at) = stale_close(&scene, 1).await;
    let disk = Disk::default();
    let mut submitter = submitter(&scene, scene.endpoints(), &disk, &[LANES[0]]).await;
    // Somebody lied about the deadline first.
    for deadline in [1 << 40, closes_at, 1 << 40] {
        submitter.submit(order(&channel, channel.challenge(5, deadline), RICH)).await.unwrap();
        submitter.step().await.unwrap();
    }
    let deadlines = |all: &mut dyn Iterator<Item = &Obligation>| -> Vec<u64> {
        all.filter_map(Obligation::deadline).map(|at| at.0).collect()
    };
    assert_eq!(deadlines(&mut submitter.owed()), [closes_at]);
    assert_eq!(deadlines(&mut disk.rows.lock().unwrap().values()), [closes_at]);
    // Half of the window by the true one: the whole budget is offered.
    scene.anvil.ask("anvil_dropAllTransactions", serde_json::json!([])).await;
    let half = closes_at - u64::from(PERIOD) / 2;
    scene.anvil.ask("evm_setNextBlockTimestamp", (half,)).await;
    scene.anvil.mine(5).await;
    let again = sent(&submitter.step().await.unwrap());
    assert!(again[0].2.max_fee > 100_000_000_000, "{again:?}");
}
