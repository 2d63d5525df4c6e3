//! The chain side against RPC endpoints that behave as badly as real ones: strict pools, silence, frozen heads,
//! wrong chains.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a broken assumption of a test shows as its failure"
)]

#[allow(dead_code, reason = "the chain's own tests use all of it")]
#[path = "../../../../node/chain/tests/it/anvil.rs"]
mod anvil;
#[allow(dead_code, reason = "the chain's own tests use all of it")]
#[path = "../../../../node/chain/tests/it/disk.rs"]
mod disk;
#[allow(dead_code, reason = "the chain's own tests use all of it")]
#[path = "../../../../node/chain/tests/it/scene.rs"]
mod scene;

use alloy_primitives::U256;
use anvil::FINALITY;
use disk::{Disk, LANES, RICH, has_ended, nonce, order, sent, stale_close, submitter};
use lockstep_chain::endpoint::{Endpoint, RequestLimits};
use lockstep_chain::endpoints::Endpoints;
use lockstep_chain::error::ChainError;
use lockstep_chain::startup;
use lockstep_core::chain::ObligationStage;
use lockstep_core::entry::{EntryCall, EntryId, EntryKind, EntryStage};
use lockstep_core::ids::Side;
use lockstep_core::money::Amount;
use lockstep_core::time::Finality;
use lockstep_e2e::proxy::pool::Refusal;
use lockstep_e2e::proxy::{PoolEvent, Proxy};
use scene::{DEPOSIT, Scene, endpoints, facts, is_closing, key, profile};
use std::time::Duration;

/// Units: wei per gas.
const SPIKES: [u64; 4] = [8_000_000_000, 20_000_000_000, 60_000_000_000, 150_000_000_000];

fn is_underpriced(event: &PoolEvent) -> bool {
    matches!(event, PoolEvent::Refused { refusal: Refusal::Underpriced, .. })
}

#[tokio::test(flavor = "multi_thread")]
async fn p76_every_step_of_the_ladder_is_one_that_a_strict_pool_takes_until_the_challenge_lands() {
    let scene = Scene::start().await;
    let (channel, closes_at) = stale_close(&scene, 1).await;
    let proxy = Proxy::start(&scene.anvil.url).await;
    let disk = Disk::default();
    let through = endpoints(&[&proxy.url], 1);
    let mut submitter = submitter(&scene, through, &disk, &[LANES[0]]).await;
    // Nothing gets out of the pool while the price runs away.
    proxy.rule(|rules| rules.holds = true);
    submitter.submit(order(&channel, channel.challenge(5, closes_at), RICH)).await.unwrap();
    submitter.step().await.unwrap();
    for spike in SPIKES {
        scene.anvil.spike(spike).await;
        scene.anvil.mine(1).await;
        submitter.step().await.unwrap();
    }
    let log = proxy.pool_log().await;
    let raises = log.iter().filter(|event| matches!(event, PoolEvent::Replaced { .. })).count();
    assert!(raises >= SPIKES.len(), "{log:?}");
    assert!(!log.iter().any(is_underpriced), "{log:?}");
    proxy.rule(|rules| rules.holds = false);
    submitter.step().await.unwrap();
    while !proxy.pool_log().await.iter().any(|event| matches!(event, PoolEvent::Released { .. })) {
        tokio::task::yield_now().await;
        submitter.step().await.unwrap();
    }
    scene.anvil.mine(1 + FINALITY).await;
    assert!(has_ended(&submitter.step().await.unwrap(), ObligationStage::Done));
    assert_eq!(scene.stored(&channel).await.version, 5);
    assert_eq!(nonce(&scene, LANES[0]).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn p86_a_deposit_that_a_strict_pool_makes_wait_and_then_forgets_is_paid_once() {
    let scene = Scene::start().await;
    let channel = scene.open(1).await;
    let proxy = Proxy::start(&scene.anvil.url).await;
    let disk = Disk::default();
    let mut submitter = submitter(&scene, endpoints(&[&proxy.url], 1), &disk, &[LANES[0]]).await;
    proxy.rule(|rules| rules.holds = true);
    let id = EntryId::named(EntryKind::Deposit, channel.id.0, b"strict");
    let call = EntryCall::Deposit {
        terms: channel.terms,
        side: Side::One,
        amount: Amount::from_u256(U256::from(7)),
    };
    let rich = Amount::from_u256(U256::from(RICH));
    let from = key(LANES[0]).address();
    submitter.enter(id, from, call, rich).await.unwrap();
    for spike in SPIKES {
        scene.anvil.spike(spike).await;
        scene.anvil.mine(1).await;
        submitter.step().await.unwrap();
    }
    assert_eq!(proxy.evict_all().await, 1);
    assert!(!proxy.pool_log().await.iter().any(is_underpriced));
    proxy.rule(|rules| rules.holds = false);
    submitter.step().await.unwrap();
    scene.anvil.mine(1 + FINALITY).await;
    submitter.step().await.unwrap();
    let stage = submitter.entry(id).unwrap().stage().clone();
    assert!(matches!(stage, EntryStage::Done { .. }), "{stage:?}");
    let deposit = u64::try_from(scene.stored(&channel).await.deposit1).unwrap();
    assert_eq!(deposit, DEPOSIT + 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn p73_an_endpoint_that_takes_requests_and_never_answers_delays_no_challenge_of_the_other() {
    let scene = Scene::start().await;
    let (channel, closes_at) = stale_close(&scene, 1).await;
    let proxy = Proxy::start(&scene.anvil.url).await;
    proxy.rule(|rules| rules.stalls = true);
    let limits = RequestLimits {
        timeout: Duration::from_millis(40),
        retries: 1,
        backoff: Duration::from_millis(1),
    };
    let slow = Endpoint::new(&proxy.url, limits).unwrap();
    let honest = Endpoint::new(&scene.anvil.url, anvil::limits()).unwrap();
    let both = Endpoints::new(vec![slow, honest], profile(2)).unwrap();
    let disk = Disk::default();
    let mut submitter = submitter(&scene, both, &disk, &[LANES[0]]).await;
    submitter.submit(order(&channel, channel.challenge(5, closes_at), RICH)).await.unwrap();
    assert_eq!(sent(&submitter.step().await.unwrap()).len(), 1);
    scene.anvil.mine(1 + FINALITY).await;
    assert_eq!(scene.stored(&channel).await.version, 5);
    submitter.step().await.unwrap();
    assert_eq!(submitter.owed().count(), 1, "ended on one endpoint's word");
    proxy.be_honest();
    // It is asked now and then, and counts again once it answers.
    let mut events = Vec::new();
    while !has_ended(&events, ObligationStage::Done) {
        events = submitter.step().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p73_a_head_that_stands_still_hides_no_close_and_p85_makes_nothing_final() {
    let scene = Scene::start().await;
    let channel = scene.open(1).await;
    scene.anvil.mine(FINALITY).await;
    let proxy = Proxy::start(&scene.anvil.url).await;
    let both = endpoints(&[&proxy.url, &scene.anvil.url], 2);
    let mut follower = scene.follower(both, &[&channel]).await;
    follower.poll().await.unwrap();
    follower.acknowledge();
    let head = scene.anvil.rpc.header(lockstep_chain::rpc::BlockTag::Latest, true).await.unwrap();
    proxy.rule(|rules| rules.head = Some(head.number()));
    scene.close(&channel, 3).await;
    scene.anvil.mine(FINALITY + 2).await;
    let frozen = follower.poll().await.unwrap();
    follower.acknowledge();
    let is_close =
        |of: &Finality, batch| facts(batch, *of).iter().any(|s| is_closing(&s.event.fact));
    assert!(is_close(&Finality::Seen, &frozen), "one endpoint that sees it is enough");
    assert!(!is_close(&Finality::Final, &frozen));
    proxy.be_honest();
    assert!(is_close(&Finality::Final, &follower.poll().await.unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn p93_an_endpoint_of_another_chain_is_refused_at_the_start() {
    let scene = Scene::start().await;
    let proxy = Proxy::start(&scene.anvil.url).await;
    let both = endpoints(&[&scene.anvil.url, &proxy.url], 1);
    startup::check(&both, &scene.deployment).await.unwrap();
    proxy.rule(|rules| rules.chain_id = Some(1));
    let refused = startup::check(&both, &scene.deployment).await.unwrap_err();
    assert!(matches!(refused, ChainError::Deployment { .. }), "{refused}");
    assert!(proxy.asked("eth_chainId") >= 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pool_itself_is_as_strict_as_a_real_one() {
    let scene = Scene::start().await;
    let proxy = Proxy::start(&scene.anvil.url).await;
    proxy.rule(|rules| rules.holds = true);
    let endpoint = Endpoint::new(&proxy.url, anvil::limits()).unwrap();
    let offer = |nonce, fee| raw(&scene, nonce, fee);
    for (nonce, fee, is_taken) in
        [(0, 1_000, true), (0, 1_099, false), (0, 1_100, true), (0, 1_100, true), (1, 5, true)]
    {
        let answer = endpoint.send_raw(&offer(nonce, fee)).await;
        let is_known = answer.as_ref().is_err_and(|error| error.is_known_transaction());
        assert_eq!(answer.is_ok() || is_known, is_taken, "{nonce} {fee}: {answer:?}");
    }
    assert_eq!(proxy.evict_all().await, 2);
}

/// A transfer of nothing with these fees.
fn raw(scene: &Scene, nonce: u64, fee: u128) -> alloy_primitives::Bytes {
    use alloy::consensus::{SignableTransaction, TxEip1559};
    use alloy::eips::eip2718::Encodable2718;
    use lockstep_chain::port::{AccountSigner, LocalAccount};
    let account = LocalAccount::from_secret(&[0x77; 32]).unwrap();
    let transaction = TxEip1559 {
        chain_id: scene.contracts.chain_id,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: fee * 1_000_000,
        max_priority_fee_per_gas: fee * 1_000_000,
        to: alloy_primitives::TxKind::Call(scene.owner1),
        ..TxEip1559::default()
    };
    let signature = account.sign_transaction(&transaction).unwrap();
    transaction.into_signed(signature).encoded_2718().into()
}
