//! One endpoint that lies delays no challenge, and its word ends nothing.

use crate::anvil::FINALITY;
use crate::disk::{Disk, LANES, RICH, has_ended, nonce, order, sent, stale_close, submitter};
use crate::proxy::{Lie, Proxy};
use crate::scene::{Channel, PERIOD, Scene, endpoints, key, profile};
use alloy_primitives::U256;
use lockstep_chain::endpoint::{Endpoint, RequestLimits};
use lockstep_chain::endpoints::Endpoints;
use lockstep_chain::submitter::{Submitter, SubmitterEvent as Event};
use lockstep_core::chain::{ChainCall, Obligation, ObligationKind, ObligationStage};
use std::time::Duration;

/// Every lie that might keep a transaction from the chain.
const LIES: [Lie; 13] = [
    Lie::FakeReceipts,
    Lie::Nonce(0),
    Lie::Nonce(7),
    Lie::Nonce(1_000_000),
    Lie::KnowsAll,
    Lie::NoMoney,
    Lie::CheapGas,
    Lie::DearTip,
    Lie::Swallow,
    Lie::DearGas,
    Lie::FarHead,
    Lie::DearHead,
    Lie::SilentLogs,
];

#[tokio::test]
async fn p73_p96_whatever_one_of_two_endpoints_pretends_the_challenge_lands() {
    for lie in LIES {
        for is_liar_first in [true, false] {
            let mut court = Court::with(lie, is_liar_first).await;
            court.challenge().await;
            court.step().await;
            court.mine(1).await;
            assert_eq!(court.version().await, 5, "{lie:?} held it back");
            court.mine(FINALITY).await;
            let events = court.step().await;
            assert!(has_ended(&events, ObligationStage::Done), "{lie:?}: {events:?}");
            assert_eq!(nonce(&court.scene, LANES[0]).await, 1, "{lie:?}");
        }
    }
}

#[tokio::test]
async fn p96_a_faked_receipt_does_not_keep_a_priced_out_challenge_from_being_raised() {
    let mut court = Court::with(Lie::FakeReceipts, true).await;
    court.challenge().await;
    court.step().await;
    court.scene.anvil.spike(50_000_000_000).await;
    court.mine(1).await;
    let raised = sent(&court.step().await);
    assert_eq!(raised.len(), 1, "taken as included on one endpoint's word");
    court.mine(1).await;
    assert_eq!(court.version().await, 5);
}

#[tokio::test]
async fn p96_a_tip_that_one_endpoint_invents_is_not_paid() {
    let mut court = Court::with(Lie::DearTip, true).await;
    court.challenge().await;
    let (_, _, fees) = sent(&court.step().await)[0];
    assert!(fees.priority <= 10_000_000_000, "{fees:?}");
}

#[tokio::test]
async fn p70_p76_a_head_that_one_endpoint_invents_does_not_freeze_what_a_challenge_offers() {
    for is_always in [true, false] {
        let mut court = Court::with(Lie::FarHead, true).await;
        court.challenge().await;
        let first = sent(&court.step().await);
        let offered = first.last().unwrap().2;
        assert!(offered.max_fee > 1_000_000_000, "below the honest base fee: {offered:?}");
        if !is_always {
            court.liar.set(Lie::None);
        }
        // The transaction is kept out of blocks by its price until the ladder has climbed.
        for _ in 0..3 {
            court.scene.anvil.ask("evm_increaseTime", (PERIOD / 8,)).await;
            court.scene.anvil.spike(100_000_000_000).await;
            court.mine(1).await;
            court.step().await;
        }
        court.mine(1).await;
        assert_eq!(court.version().await, 5, "always: {is_always}");
    }
}

#[tokio::test]
async fn p70_p73_a_price_that_one_endpoint_invents_is_not_all_that_is_offered() {
    for lie in [Lie::DearHead, Lie::DearGas] {
        let mut court = Court::with(lie, true).await;
        // Enough for the honest price, and for a small part of the budget.
        let modest = U256::from(RICH) / U256::from(50);
        let payer = key(LANES[0]).address();
        court.scene.anvil.ask("anvil_setBalance", (payer, modest)).await;
        court.challenge().await;
        court.step().await;
        court.mine(1).await;
        assert_eq!(court.version().await, 5, "{lie:?}");
    }
}

#[tokio::test]
async fn p12_an_endpoint_that_stands_still_holds_up_no_settlement() {
    let mut court = Court::with(Lie::FarHead, true).await;
    court.settle().await;
    assert!(sent(&court.step().await).is_empty(), "settled before its time");
    court.scene.anvil.ask("evm_increaseTime", (PERIOD,)).await;
    court.mine(1).await;
    court.step().await;
    court.mine(1).await;
    assert_eq!(court.status().await, 4);
}

#[tokio::test]
async fn p71_an_endpoint_whose_clock_runs_ahead_costs_one_failed_settlement_and_no_more() {
    let mut court = Court::with(Lie::Early, true).await;
    court.settle().await;
    for _ in 0..6 {
        court.step().await;
        court.mine(1).await;
    }
    assert_eq!(nonce(&court.scene, LANES[0]).await, 1, "each failure was paid for");
    court.scene.anvil.ask("evm_increaseTime", (PERIOD,)).await;
    court.mine(1).await;
    court.step().await;
    court.mine(1).await;
    assert_eq!(court.status().await, 4);
}

#[tokio::test]
async fn p70_an_endpoint_that_never_answers_does_not_set_the_pace_of_the_others() {
    let scene = Scene::start().await;
    let silent = Proxy::start(&scene.anvil.url, Lie::Silent).await;
    let slow = RequestLimits { timeout: Duration::from_secs(600), ..crate::anvil::limits() };
    let urls = [&silent.url, &scene.anvil.url, &scene.anvil.url];
    let all = urls.map(|url| Endpoint::new(url, slow).unwrap());
    let all = Endpoints::new(all.into(), profile(2)).unwrap();
    // It would wait for ten minutes each time.
    for _ in 0..4 {
        let answers = all.ask_all(Endpoint::chain_id).await;
        let is_answered: Vec<bool> = answers.iter().map(Result::is_ok).collect();
        assert_eq!(is_answered, [false, true, true]);
    }
    assert_eq!(all.unhealthy().len(), 1);
    assert!(silent.asked() < 4, "asked again and again");
}

#[tokio::test]
async fn p70_a_new_threat_is_answered_before_what_is_only_looked_after() {
    let scene = Scene::start().await;
    let (old, old_deadline) = stale_close(&scene, 1).await;
    let (new, new_deadline) = stale_close(&scene, 2).await;
    let disk = Disk::default();
    let mut submitter = submitter(&scene, scene.endpoints(), &disk, &LANES).await;
    submitter.submit(order(&old, old.challenge(5, old_deadline), RICH)).await.unwrap();
    submitter.step().await.unwrap();
    scene.anvil.mine(1).await;
    submitter.submit(order(&new, new.challenge(5, new_deadline), RICH)).await.unwrap();
    let events = submitter.step().await.unwrap();
    let place = |is_it: fn(&Event) -> bool| events.iter().position(is_it).unwrap();
    let threat = place(|event| matches!(event, Event::Sent { .. }));
    let tracked = place(|event| matches!(event, Event::Included { .. }));
    assert!(threat < tracked, "{events:?}");
}

/// A stale close, and whoever answers it through two endpoints, one of which lies.
struct Court {
    scene: Scene,
    channel: Channel,
    closes_at: u64,
    liar: Proxy,
    submitter: Submitter<Disk>,
}

impl Court {
    async fn with(lie: Lie, is_liar_first: bool) -> Self {
        let scene = Scene::start().await;
        let (channel, closes_at) = stale_close(&scene, 1).await;
        let liar = Proxy::start(&scene.anvil.url, lie).await;
        let mut urls = [liar.url.as_str(), scene.anvil.url.as_str()];
        if !is_liar_first {
            urls.reverse();
        }
        let both = endpoints(&urls, 2);
        let submitter = submitter(&scene, both, &Disk::default(), &[LANES[0]]).await;
        Self { scene, channel, closes_at, liar, submitter }
    }

    /// Orders the answer.
    async fn challenge(&mut self) {
        let challenge = self.channel.challenge(5, self.closes_at);
        self.submitter.submit(order(&self.channel, challenge, RICH)).await.unwrap();
    }

    /// Orders the end.
    async fn settle(&mut self) {
        let key = self.channel.key(ObligationKind::Close, 0);
        let close = Obligation::new(key, ChainCall::Close, None);
        self.submitter.submit(order(&self.channel, close, RICH)).await.unwrap();
    }

    async fn step(&mut self) -> Vec<Event> {
        self.submitter.step().await.unwrap()
    }

    async fn mine(&self, blocks: u64) {
        self.scene.anvil.mine(blocks).await;
    }

    async fn version(&self) -> u64 {
        self.scene.stored(&self.channel).await.version
    }

    async fn status(&self) -> u8 {
        self.scene.stored(&self.channel).await.status
    }
}
