//! A node and its towers: they are told, they are not believed, and no payment waits but by the policy.
//!
//! The towers here are the real end of the protocol with moods of their own behind it; the real tower is
//! in the end-to-end tests.

use crate::closing::send_call;
use crate::kit::{Node, PERIOD, Pair, Parts, World, amount, config};
use crate::mishap::Copy;
use alloy_primitives::Address;
use lockstep::clock::EngineClock;
use lockstep::config::{Config, TowerRule};
use lockstep_core::appointment::Appointment;
use lockstep_core::digest::SigningDomain;
use lockstep_core::ids::{AccountRef, ChannelId, Digest, NodeId, Side, Version};
use lockstep_core::message::SignedState;
use lockstep_core::money::Amount;
use lockstep_core::possession::PossessionProof;
use lockstep_core::receipt::Receipt;
use lockstep_core::signature::StateSignature;
use lockstep_core::terms::{Features, PeriodBounds};
use lockstep_core::time::BlockTimestamp;
use lockstep_p2p::handshake::{FeatureOffer, Handshake, JournalHead};
use lockstep_p2p::port::{NodeKey, OsEntropy, SigningRefused};
use lockstep_p2p::tower::message::{
    Held, RefusalCode, Reply, Request, Subscription, TowerRefusal, TowerTerms,
};
use lockstep_p2p::tower::{ServerConfig, TowerAddress, TowerLimits, TowerRequests, TowerServer};
use lockstep_p2p::{Ports, TransportIdentity};
use lockstep_rpc::backend::{Backend, Spender};
use lockstep_rpc::failure::FailureKind;
use lockstep_rpc::types::{AddTower, ListReceipts, PaymentState, Recover, TowerCall};
use lockstep_signer::KeyRing;
use lockstep_signer::phrase::Phrase;
use lockstep_signer::secret::PinPolicy;
use lockstep_store::open::Provenance;
use lockstep_store::proof::Proof;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::task::JoinHandle;

const BOUNDS: PeriodBounds = PeriodBounds { minimum: 1, maximum: u32::MAX };

/// How a tower behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Honest,
    /// Takes everything and never answers.
    Mute,
    /// Gives receipts for a version that it was not given.
    Lies,
    /// Gives good receipts and serves what it was given first.
    ServesOld,
    /// Claims to have seen the next life of the journal, and shows a newer state that nobody signed.
    Boasts,
}

pub struct TowerKey(pub KeyRing);

impl NodeKey for TowerKey {
    fn node_id(&self) -> NodeId {
        self.0.node_id().unwrap()
    }

    fn sign_handshake(&self, handshake: &Handshake) -> Result<StateSignature, SigningRefused> {
        self.0.sign_handshake(handshake.digest()).map_err(|_| SigningRefused)
    }
}

type Proofs = Arc<Mutex<BTreeMap<ChannelId, PossessionProof>>>;
type Kept = Arc<Mutex<BTreeMap<ChannelId, Vec<Appointment>>>>;

/// A tower: its address, and all that it was given, oldest first.
pub struct Tower {
    pub address: String,
    pub kept: Kept,
    /// What it shows when it is asked for a proof.
    pub proofs: Proofs,
    /// What it was told to drop.
    pub dropped: Arc<Mutex<Vec<ChannelId>>>,
    pub server: TowerServer,
    pub key: Arc<TowerKey>,
    task: JoinHandle<()>,
}

impl Drop for Tower {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Tower {
    pub async fn start(mood: Mood) -> Self {
        let ring = KeyRing::new(&Phrase::generate().unwrap(), PinPolicy::BestEffort).unwrap();
        let mut secret = ring.transport_secret().unwrap();
        let identity = TransportIdentity::from_secret(&mut secret).unwrap();
        let key = Arc::new(TowerKey(ring));
        let config = ServerConfig {
            identity,
            features: FeatureOffer { required: Features::NONE, optional: Features::NONE },
            listen: vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()],
            external: vec![],
            limits: TowerLimits::default(),
        };
        let node_key: Arc<dyn NodeKey> = Arc::clone(&key) as _;
        let clock = Arc::new(EngineClock::start());
        let ports = Ports { clock, entropy: Arc::new(OsEntropy), node_key };
        let (server, requests) = TowerServer::start(config, ports).unwrap();
        let mut addresses = server.watch_addresses();
        let found = addresses.wait_for(|found| !found.is_empty()).await.unwrap().clone();
        let address =
            TowerAddress { key: key.node_id(), peer_id: server.local_peer(), addresses: found };
        let (kept, proofs, dropped) = (Kept::default(), Proofs::default(), Arc::default());
        let shown = (Arc::clone(&kept), Arc::clone(&proofs), Arc::clone(&dropped));
        let task = tokio::spawn(serve(server.clone(), requests, Arc::clone(&key), mood, shown));
        Self { address: address.to_string(), kept, proofs, dropped, server, key, task }
    }

    pub fn newest(&self, id: ChannelId) -> Option<Appointment> {
        self.kept.lock().unwrap().get(&id).and_then(|given| given.last().cloned())
    }

    pub fn times(&self, id: ChannelId) -> usize {
        self.kept.lock().unwrap().get(&id).map_or(0, Vec::len)
    }
}

async fn serve(
    server: TowerServer,
    mut requests: TowerRequests,
    key: Arc<TowerKey>,
    mood: Mood,
    (kept, proofs, dropped): (Kept, Proofs, Arc<Mutex<Vec<ChannelId>>>),
) {
    let signer = key.0.node_id().map(|id| TowerAddress {
        key: id,
        peer_id: server.local_peer(),
        addresses: server.local_addresses(),
    });
    let signer = signer.unwrap().signer_key().unwrap().address();
    let mut mute = vec![];
    let mut heads: BTreeMap<NodeId, JournalHead> = BTreeMap::new();
    while let Some(asked) = requests.next().await {
        let reply = match &asked.request {
            Request::Prove { channel_id } => {
                let proof = proofs.lock().unwrap().get(channel_id).cloned();
                let none = Reply::Refused(TowerRefusal::later(RefusalCode::NoProof, 60));
                Some(proof.map_or(none, |proof| Reply::Proof(Box::new(proof))))
            }
            Request::Drop(access) => {
                dropped.lock().unwrap().push(access.channel_id);
                Some(Reply::Dropped { channel_id: access.channel_id })
            }
            Request::Subscribe { slots } => {
                let head = asked.head.expect("the node says which life of its journal it leads");
                let before = heads.insert(asked.account, head);
                let later = JournalHead { epoch: head.epoch + 1, ..head };
                Some(Reply::Subscribed(Subscription {
                    slots: *slots,
                    used: 0,
                    paid_until_secs: u64::MAX,
                    seen_head: if mood == Mood::Boasts { Some(later) } else { before },
                    terms: TowerTerms::default(),
                }))
            }
            request @ (Request::Put { .. } | Request::Get(_) | Request::List { .. }) => {
                answer(request, &key.0, signer, mood, &kept)
            }
        };
        match reply {
            Some(reply) => asked.answer(reply),
            None => mute.push(asked),
        }
    }
}

fn answer(
    request: &Request,
    ring: &KeyRing,
    tower: Address,
    mood: Mood,
    kept: &Kept,
) -> Option<Reply> {
    match request {
        Request::Put { appointment, access } => {
            let checked = appointment.as_ref().clone().check(BOUNDS, None).unwrap();
            let id = checked.channel_id();
            kept.lock().unwrap().entry(id).or_default().push(appointment.as_ref().clone());
            if mood == Mood::Mute {
                return None;
            }
            let given = appointment.state.version.0;
            let own = appointment.terms.participant(access.side);
            let AccountRef::Evm(beneficiary) = own else { panic!("an EVM account") };
            let receipt = Receipt {
                tower,
                channel_id: id,
                version: Version(if mood == Mood::Lies { given + 7 } else { given }),
                state_hash: checked.state_digest(),
                valid_from: BlockTimestamp(0),
                valid_until: BlockTimestamp(u64::MAX),
                min_window: 1,
                insured: Amount::ZERO,
                beneficiary,
                withdraw_version: Version::ZERO,
            };
            Some(Reply::Promised(ring.sign_receipt(appointment.domain, &receipt).unwrap()))
        }
        Request::Get(access) => {
            let kept = kept.lock().unwrap();
            let given = kept.get(&access.channel_id)?;
            let shown = if mood == Mood::ServesOld { given.first() } else { given.last() };
            let mut appointment = shown?.clone();
            if mood == Mood::Boasts {
                appointment.state.version = Version(appointment.state.version.0 + 1);
            }
            Some(Reply::Held(Box::new(Held { appointment, receipt: None })))
        }
        Request::List { after } => {
            let kept = kept.lock().unwrap();
            let all = kept.keys().filter(|id| after.is_none_or(|after| **id > after));
            Some(Reply::Listed { channel_ids: all.copied().collect() })
        }
        Request::Subscribe { .. } | Request::Drop(_) | Request::Prove { .. } => None,
    }
}

pub fn with_policy(rule: TowerRule, max_unprotected: u64) -> Config {
    let mut config = config();
    config.towers.policy = rule;
    config.towers.max_unprotected = Some(max_unprotected.to_string());
    config.towers.hold_millis = 1_500;
    config.towers.patience_millis = 1_000;
    config
}

/// Side two has towers, and a policy.
pub async fn pair(config: Config, towers: &[&Tower]) -> (Pair, ChannelId) {
    let world = World::start().await;
    let (one, two) = tokio::join!(Node::start(&world), Node::start_with(&world, config));
    for tower in towers {
        let address = tower.address.clone();
        two.engine.add_tower(AddTower { address }).await.unwrap();
    }
    let pair = Pair { world, one, two };
    let id = pair.open_channel(10_000, 10_000).await;
    (pair, id)
}

pub async fn until_protected(node: &Node, id: ChannelId) {
    let is_safe = |channel: &lockstep_rpc::types::Channel| channel.unprotected == amount(0);
    node.until_channel(id, "nothing unprotected", is_safe).await;
}

pub fn has_alarm(node: &Node, kind: &str) -> bool {
    node.engine.status().alarms.iter().any(|alarm| alarm.kind == kind)
}

#[tokio::test(flavor = "multi_thread")]
async fn p81_income_reaches_the_tower_and_its_receipt_survives_a_restart() {
    let tower = Tower::start(Mood::Honest).await;
    let (pair, id) = pair(with_policy(TowerRule::Bounded, 100), &[&tower]).await;
    for _ in 0..3 {
        pair.one.pay(id, 90).await;
    }
    until_protected(&pair.two, id).await;
    let held = tower.newest(id).unwrap();
    assert_eq!(held.state.version.0, pair.two.channel(id).await.version);
    let receipts = pair.two.engine.receipts(ListReceipts::default());
    assert_eq!(receipts.iter().map(|r| r.version).collect::<Vec<_>>(), [held.state.version.0]);
    let Pair { world, one, two } = pair;
    let times = tower.times(id);
    let two = two.stop().await.run(&world, Provenance::Untouched).await;
    assert_eq!(two.engine.receipts(ListReceipts::default()), receipts);
    assert_eq!(two.channel(id).await.unprotected, amount(0));
    one.connect(&two).await;
    one.pay(id, 40).await;
    until_protected(&two, id).await;
    assert_eq!(tower.times(id), times + 1, "nothing is brought twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn p81_a_pure_payer_sends_nothing() {
    let tower = Tower::start(Mood::Honest).await;
    let (pair, id) = pair(with_policy(TowerRule::Bounded, 0), &[&tower]).await;
    for _ in 0..5 {
        pair.two.pay(id, 20).await;
    }
    assert_eq!(pair.two.channel(id).await.unprotected, amount(0));
    assert_eq!(tower.times(id), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn p81_async_keeps_paying_with_towers_that_are_mute_lie_or_are_gone_and_shows_the_exposure() {
    let (mute, liar) = (Tower::start(Mood::Mute).await, Tower::start(Mood::Lies).await);
    let gone = Tower::start(Mood::Honest).await;
    gone.task.abort();
    let (pair, id) = pair(with_policy(TowerRule::Async, 0), &[&mute, &liar, &gone]).await;
    for _ in 0..20 {
        pair.one.pay(id, 50).await;
        pair.two.pay(id, 10).await;
    }
    let channel = pair.two.channel(id).await;
    assert!(channel.unprotected >= amount(790), "{channel:?}");
    let liar_is_known = |node: &Node| has_alarm(node, "towerMisbehaves");
    pair.two.until("the liar is known", liar_is_known).await;
    assert!(pair.two.engine.receipts(ListReceipts::default()).is_empty());
    let balances = pair.two.engine.status().balances;
    assert!(balances.iter().any(|balance| balance.unprotected >= amount(790)));
    let problems = pair.two.engine.towers();
    assert!(
        problems.iter().any(|tower| tower.problem.as_ref().is_some_and(|p| p.contains("receipt")))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn p81_bounded_stops_at_the_bound_without_towers_says_so_and_goes_on_with_one() {
    let mute = Tower::start(Mood::Mute).await;
    let (pair, id) = pair(with_policy(TowerRule::Bounded, 100), &[&mute]).await;
    pair.one.pay(id, 60).await;
    pair.one.pay(id, 40).await;
    assert_eq!(pair.two.channel(id).await.unprotected, amount(100));
    // The payer is told no; nothing hangs.
    let call = Node::pay_call(id, 1);
    let declined = pair.one.engine.pay(call, Spender::Operator).await.unwrap();
    assert_eq!(declined.state, PaymentState::Failed, "{declined:?}");
    pair.two.until("it says so", |node| has_alarm(node, "incomeWaits")).await;
    // Its own payments never wait.
    pair.two.pay(id, 5).await;
    let honest = Tower::start(Mood::Honest).await;
    let address = honest.address.clone();
    pair.two.engine.add_tower(AddTower { address }).await.unwrap();
    until_protected(&pair.two, id).await;
    pair.one.pay(id, 80).await;
    pair.one.pay(id, 70).await;
    pair.two.until("it is over", |node| !has_alarm(node, "incomeWaits")).await;
    // And a close together is never stuck.
    pair.one.close(id).await;
    pair.two.assert_settled(id, 10_245, 9_755).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p81_bounded_holds_for_the_proposer_too() {
    let mute = Tower::start(Mood::Mute).await;
    let world = World::start().await;
    let config = with_policy(TowerRule::Bounded, 100);
    let (one, two) = tokio::join!(Node::start_with(&world, config), Node::start(&world));
    one.engine.add_tower(AddTower { address: mute.address.clone() }).await.unwrap();
    let pair = Pair { world, one, two };
    let id = pair.open_channel(10_000, 10_000).await;
    pair.two.pay(id, 100).await;
    let declined = pair.two.engine.pay(Node::pay_call(id, 1), Spender::Operator).await.unwrap();
    assert_eq!(declined.state, PaymentState::Failed, "{declined:?}");
    pair.one.pay(id, 30).await;
    let own = Node::own(&pair.one.channel(id).await);
    assert_eq!(own, 10_070);
}

#[tokio::test(flavor = "multi_thread")]
async fn p81_quorum_waits_for_two_receipts_and_degrades_to_the_bound() {
    let (honest, mute) = (Tower::start(Mood::Honest).await, Tower::start(Mood::Mute).await);
    let (pair, id) = pair(with_policy(TowerRule::Quorum, 100), &[&honest, &mute]).await;
    pair.one.pay(id, 500).await;
    // One receipt of two: the second payment waits for the patience, then the bound lets it pass.
    pair.one.pay(id, 50).await;
    pair.two.until("it says so", |node| has_alarm(node, "towerQuorumMissed")).await;
    let mute = pair.two.engine.towers().into_iter().find(|tower| tower.address == mute.address);
    let tower = mute.unwrap().tower;
    pair.two.engine.remove_tower(TowerCall { tower }).await.unwrap();
    let second = Tower::start(Mood::Honest).await;
    let address = second.address.clone();
    pair.two.engine.add_tower(AddTower { address }).await.unwrap();
    pair.one.pay(id, 50).await;
    pair.two.until("the quorum is there", |node| !has_alarm(node, "towerQuorumMissed")).await;
    pair.one.pay(id, 900).await;
    pair.one.pay(id, 900).await;
    assert_eq!(second.newest(id).map(|held| held.state.version > Version(3)), Some(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn p46_recover_takes_the_newest_state_from_any_tower_and_one_that_serves_old_data_harms_nothing()
 {
    let (old, honest) = (Tower::start(Mood::ServesOld).await, Tower::start(Mood::Honest).await);
    let (pair, id) = pair(with_policy(TowerRule::Async, 0), &[&old, &honest]).await;
    for _ in 0..4 {
        pair.one.pay(id, 100).await;
        until_protected(&pair.two, id).await;
    }
    let version = pair.two.channel(id).await.version;
    pair.two
        .until("both hold it", |_| {
            [&old, &honest]
                .iter()
                .all(|tower| tower.newest(id).is_some_and(|held| held.state.version.0 == version))
        })
        .await;
    let Pair { world, one, two } = pair;
    let invite = one.invite().await;
    // All that is left of side two are its words; its counterparty is gone as well.
    let lost = two.stop().await;
    let one = one.stop().await;
    let fresh = Parts { words: lost.words.clone(), ..Parts::new(lost.config) };
    let two = fresh.run(&world, Provenance::Untouched).await;
    for tower in [&old, &honest] {
        let address = tower.address.clone();
        two.engine.add_tower(AddTower { address }).await.unwrap();
    }
    let call = Recover {
        invite: Some(invite),
        proof: None,
        from_towers: Some(true),
        wait_millis: Some(3_000),
    };
    let report = two.engine.recover(call).await.unwrap();
    assert_eq!(report.channels.len(), 1, "{report:?}");
    // The counterparty did not answer, and that is all that was amiss.
    assert_eq!(report.warnings.len(), 1, "{:?}", report.warnings);
    two.until_channel(id, "the newest", |channel| channel.version == version).await;
    let channel = two.channel(id).await;
    assert!(channel.restored.is_some());
    two.force_close(id).await;
    world.pass(1).await;
    two.until_channel(id, "its close", |channel| {
        channel.close.as_ref().is_some_and(|close| close.version == version)
    })
    .await;
    world.pass(u64::from(PERIOD)).await;
    two.assert_settled(id, 10_400, 9_600).await;
    drop(one);
}

#[tokio::test(flavor = "multi_thread")]
async fn p47_a_node_that_was_put_back_learns_it_from_its_tower_while_its_counterparty_is_away() {
    let tower = Tower::start(Mood::Honest).await;
    let (pair, id) = pair(with_policy(TowerRule::Async, 0), &[&tower]).await;
    pair.one.pay(id, 100).await;
    until_protected(&pair.two, id).await;
    let Pair { world, one, two } = pair;
    let parts = two.stop().await;
    let old = Copy::of(parts.dir.path());
    let two = parts.run(&world, Provenance::Untouched).await;
    one.connect(&two).await;
    one.pay(id, 800).await;
    until_protected(&two, id).await;
    let newest = tower.newest(id).unwrap().state.version.0;
    assert_eq!(two.channel(id).await.version, newest);
    // The one who gains by the old state is not there to be asked.
    one.stop().await;
    let parts = two.stop().await;
    // In place, as a snapshot of a machine is put back: no file of it looks like a copy.
    old.put_back();
    let two = parts.run(&world, Provenance::Untouched).await;
    two.until("it says so", |node| has_alarm(node, "journalIsOld")).await;
    two.until_channel(id, "the mark", |it| it.restored.is_some() && it.version == newest).await;
    two.until("the channel says so", |node| has_alarm(node, "channelRestored")).await;
    let refused = two.engine.pay(Node::pay_call(id, 1), Spender::Operator).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Restored);
    two.force_close(id).await;
    world.pass(1).await;
    two.until_channel(id, "its close", |it| {
        it.close.as_ref().is_some_and(|close| close.version == newest)
    })
    .await;
    world.pass(u64::from(PERIOD)).await;
    two.assert_settled(id, 10_900, 9_100).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p46_p47_a_tower_that_claims_a_later_life_without_proof_is_told_of_and_stops_nothing() {
    let tower = Tower::start(Mood::Boasts).await;
    let (pair, id) = pair(with_policy(TowerRule::Async, 0), &[&tower]).await;
    pair.one.pay(id, 100).await;
    until_protected(&pair.two, id).await;
    let Pair { world, one, two } = pair;
    let two = two.stop().await.run(&world, Provenance::Untouched).await;
    two.until("it says so", |node| has_alarm(node, "journalIsOld")).await;
    let is_unproved = |node: &Node| {
        let towers = node.engine.towers();
        towers.iter().any(|tower| tower.problem.as_ref().is_some_and(|it| it.contains("both")))
    };
    two.until("it was asked for proof", is_unproved).await;
    one.connect(&two).await;
    one.pay(id, 10).await;
    two.pay(id, 20).await;
    let channel = two.channel(id).await;
    assert!(channel.restored.is_none() && channel.frozen.is_none(), "{channel:?}");
    assert!(!has_alarm(&two, "channelRestored"));
}

/// What a tower holds is all that anybody needs to answer for its client.
#[tokio::test(flavor = "multi_thread")]
async fn p70_what_a_tower_holds_answers_a_stale_close_while_its_client_is_away() {
    let tower = Tower::start(Mood::Honest).await;
    let (pair, id) = pair(with_policy(TowerRule::Bounded, 100), &[&tower]).await;
    pair.one.pay(id, 50).await;
    let old = pair.one.export(id).await;
    pair.one.pay(id, 800).await;
    until_protected(&pair.two, id).await;
    let Pair { world, one, two } = pair;
    let parts: Parts = two.stop().await;
    one.stop().await;
    send_call(&world, &old, "initiateClose", &old["terms"]["participant1"]).await;
    world.pass(1).await;
    let held = tower.newest(id).unwrap();
    let signed = SignedState {
        state: held.state,
        locks: vec![],
        signature1: held.signatures.one,
        signature2: held.signatures.two,
    };
    let digest: Digest = SigningDomain::new(held.domain).state(&held.state);
    assert!(held.clone().check(BOUNDS, None).is_ok_and(|checked| checked.state_digest() == digest));
    // From the cheat's own account: whoever sends it, it counts.
    let proof = Proof::new(held.domain, held.terms, signed).unwrap().to_json().unwrap();
    let proof: serde_json::Value = serde_json::from_str(&proof).unwrap();
    send_call(&world, &proof, "challengeClose", &proof["terms"]["participant1"]).await;
    world.pass(1).await;
    world.pass(u64::from(PERIOD) + 1).await;
    let two = parts.run(&world, Provenance::Untouched).await;
    two.assert_settled(id, 10_850, 9_150).await;
    assert_eq!(two.channel(id).await.side, Side::Two.number());
}
