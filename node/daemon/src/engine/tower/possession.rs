//! Whether a tower still has what it promised: with each of its heartbeats some channels are checked against the
//! root that it has signed over a block which has just become final.
//!
//! A tower that cannot show a leaf is treated as one that does not hold the channel: what it promised protects
//! nothing until it proves it. Its receipt stays, as evidence.

use super::Known;
use crate::engine::alarms::AlarmKind;
use crate::engine::event::Event;
use crate::engine::shared::Shared;
use crate::engine::wording;
use alloy_primitives::B256;
use lockstep_core::appointment::record_hash;
use lockstep_core::digest::SigningDomain;
use lockstep_core::error::ErrorClass;
use lockstep_core::ids::{ChannelId, NodeId, Version};
use lockstep_core::message::SignedState;
use lockstep_core::money::Amount;
use lockstep_core::possession::{PossessionError, PossessionProof, SignedRoot};
use lockstep_core::signature::SignerKey;
use lockstep_core::time::BlockTimestamp;
use lockstep_p2p::tower::message::RefusalCode;
use lockstep_p2p::tower::{CallError, TowerLink};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use thiserror::Error;
use tokio::sync::oneshot;

/// Channels that are checked with one heartbeat. A node with a thousand channels is through within the hour.
const CHECKED_AT_ONCE: usize = 16;
/// States of one channel that are remembered between two heartbeats; of a channel that moves faster the older ones
/// are given up, and a proof for one of them says nothing.
const REMEMBERED: usize = 64;
/// Heartbeats without a root that can be checked, until nothing of this tower counts any more. A tower of several
/// chains takes their blocks in turns.
const PATIENT_BEATS: u32 = 16;
/// Answers without a proof, one after the other, until a channel does not count: a new one is under the next root.
const PATIENT_ANSWERS: u32 = 3;
/// A root's block may be as much older than what is final for us: L1 may be slow to make blocks final.
const MAX_ROOT_AGE_SECS: u64 = 3_600;

/// Why a tower is not believed to hold a channel.
#[derive(Debug, Error)]
enum Unproven {
    #[error(transparent)]
    Proof(#[from] PossessionError),
    #[error("its root is from a block that is {age_secs} s older than what is final")]
    Old { age_secs: u64 },
    #[error("it says that it does not know the channel")]
    Unknown,
    #[error("it gives no proof")]
    Silent,
}

/// What a tower was left.
#[derive(Clone, Copy, Debug)]
struct Brought {
    record: B256,
    insured: Amount,
    /// Heartbeats that had come by then.
    beat: u64,
}

#[derive(Debug, Default)]
struct Left {
    /// Oldest first.
    states: VecDeque<Brought>,
    /// Whether something older was given up since the last heartbeat but one.
    is_cut: bool,
    /// Answers without a proof since the last one with.
    silent: u32,
    /// The heartbeat after which it was brought again.
    retried: Option<u64>,
}

/// What is known about the proofs of one tower, as long as this node runs: a tower that ends the link begins
/// nothing anew.
#[derive(Debug, Default)]
pub(super) struct Audit {
    beats: u64,
    /// Whether this link has shown a heartbeat; none while there is no link.
    has_beaten: Option<bool>,
    /// Heartbeats since one with a root that could be checked.
    rootless: u32,
    left: BTreeMap<ChannelId, Left>,
    /// The last channel that was checked.
    after: Option<ChannelId>,
}

impl Audit {
    /// The tower has promised to hold this.
    pub(super) fn brought(&mut self, channel_id: ChannelId, record: B256, insured: Amount) {
        let left = self.left.entry(channel_id).or_default();
        if left.states.back().is_some_and(|last| last.record == record) {
            return;
        }
        left.states.push_back(Brought { record, insured, beat: self.beats });
        if left.states.len() > REMEMBERED {
            left.states.pop_front();
            left.is_cut = true;
        }
    }

    /// Whether a channel that the tower fails to prove may be brought again: once between two heartbeats.
    pub(super) fn may_retry(&mut self, channel_id: ChannelId) -> bool {
        let beats = self.beats;
        let left = self.left.entry(channel_id).or_default();
        let may = left.retried != Some(beats);
        left.retried = Some(beats);
        may
    }

    /// There is a link.
    pub(super) fn linked(&mut self) {
        self.has_beaten = Some(false);
    }

    /// The link has ended: whether the tower has shown a root of our chain lately. A link without a heartbeat counts
    /// as one without a root.
    fn unlinked(&mut self) -> bool {
        if self.has_beaten.take() == Some(false) {
            self.rootless = self.rootless.saturating_add(1);
        }
        self.rootless < PATIENT_BEATS
    }

    /// A proof was asked for and did not come: whether the tower's time for it is up.
    fn unanswered(&mut self, channel_id: ChannelId) -> bool {
        let left = self.left.entry(channel_id).or_default();
        left.silent = left.silent.saturating_add(1);
        left.silent >= PATIENT_ANSWERS
    }

    /// Another heartbeat: whether the tower has shown a root of our chain lately.
    fn beat(&mut self, has_root: bool) -> bool {
        self.has_beaten = Some(true);
        self.beats = self.beats.saturating_add(1);
        self.rootless = if has_root { 0 } else { self.rootless.saturating_add(1) };
        // The root of this heartbeat was made after the one before: it is over something that was left since, or
        // over the last that was left before.
        let since = self.beats.saturating_sub(1);
        for left in self.left.values_mut() {
            while left.states.get(1).is_some_and(|next| next.beat < since) {
                left.states.pop_front();
            }
            left.is_cut &= left.states.front().is_none_or(|first| first.beat >= since);
        }
        self.rootless < PATIENT_BEATS
    }

    /// Channels whose record must be under the present root: left before the heartbeat before it.
    fn next(&mut self) -> Vec<ChannelId> {
        let since = self.beats.saturating_sub(1);
        let is_due = |left: &Left| {
            !left.is_cut && left.states.front().is_some_and(|first| first.beat < since)
        };
        let due = || self.left.iter().filter(|(_, left)| is_due(left)).map(|(id, _)| *id);
        let after = self.after;
        let rest = due().filter(|id| after.is_none_or(|after| *id > after));
        let mut next: Vec<_> = rest.take(CHECKED_AT_ONCE).collect();
        if next.len() < CHECKED_AT_ONCE {
            let again: Vec<_> =
                due().take(CHECKED_AT_ONCE).filter(|id| !next.contains(id)).collect();
            let room = CHECKED_AT_ONCE.saturating_sub(next.len());
            next.extend(again.into_iter().take(room));
        }
        self.after = next.last().copied();
        next
    }
}

/// The record of a state, as a leaf has it.
pub(super) fn record_of(signed: &SignedState, domain: lockstep_core::ids::Domain) -> B256 {
    let digest = SigningDomain::new(domain).state(&signed.state);
    let signatures =
        lockstep_core::adjudicator::Signatures { one: signed.signature1, two: signed.signature2 };
    record_hash(signed.state.channel_id, digest, &signatures)
}

/// After a heartbeat: checks some channels, and believes no more what was not proved.
///
/// # Errors
/// If the link is gone.
pub(super) async fn check(
    shared: &Arc<Shared>,
    link: &TowerLink,
    known: &Known,
    audit: &mut Audit,
    root: Option<SignedRoot>,
) -> Result<(), CallError> {
    let tower = known.address.key;
    let Ok(key) = known.address.signer_key() else { return Ok(()) };
    let own_chain = shared.settings.chain_id();
    let is_ours =
        |root: &SignedRoot| Some(root.root.chain_id) == own_chain && root.verify(&key).is_ok();
    let has_root = root.as_ref().is_some_and(is_ours);
    recall(shared, audit, tower).await;
    if !audit.beat(has_root) {
        doubt_all(shared, tower).await;
        return Ok(());
    }
    if !has_root {
        return Ok(());
    }
    for channel_id in audit.next() {
        let outcome = match link.prove(channel_id).await {
            Ok(proof) => prove(shared, &key, audit, channel_id, &proof).await,
            Err(CallError::Refused(refusal)) if refusal.code == RefusalCode::UnknownChannel => {
                Some(Err(Unproven::Unknown))
            }
            Err(CallError::Refused(refusal)) if refusal.class() != ErrorClass::Fatal => {
                audit.unanswered(channel_id).then_some(Err(Unproven::Silent))
            }
            Err(error) => {
                // The link is over; that the proof did not come is not.
                if audit.unanswered(channel_id) {
                    doubt(shared, tower, channel_id, &Unproven::Silent).await;
                }
                return Err(error);
            }
        };
        match outcome {
            Some(Ok(())) => {
                audit.left.entry(channel_id).or_default().silent = 0;
                believe(shared, tower, channel_id).await;
            }
            Some(Err(why)) => doubt(shared, tower, channel_id, &why).await,
            None => {}
        }
    }
    Ok(())
}

/// What an earlier run has left with the tower, as far as it is still the newest.
async fn recall(shared: &Arc<Shared>, audit: &mut Audit, tower: NodeId) {
    for (channel_id, version) in shared.towers.held_by(tower) {
        if audit.left.contains_key(&channel_id) {
            continue;
        }
        let Some(handle) = shared.registry.get(channel_id) else { continue };
        let view = handle.view();
        if view.is_settled() || view.version != version {
            continue;
        }
        let (answer, answered) = oneshot::channel();
        if handle.post(Event::Evidence(answer)).is_err() {
            continue;
        }
        let Ok(Ok(Some(evidence))) = answered.await else { continue };
        let Some(signed) = evidence.complete().filter(|signed| signed.state.version == version)
        else {
            continue;
        };
        audit.brought(channel_id, record_of(&signed, view.setup.domain), Amount::ZERO);
    }
    audit.left.retain(|id, _| shared.registry.get(*id).is_some_and(|it| !it.view().is_settled()));
}

/// Checks a proof against all that the tower may hold by now; none if our own endpoints do not know the block.
async fn prove(
    shared: &Shared,
    key: &SignerKey,
    audit: &Audit,
    channel_id: ChannelId,
    proof: &PossessionProof,
) -> Option<Result<(), Unproven>> {
    let root = &proof.signed.root;
    if Some(root.chain_id) != shared.settings.chain_id() {
        return None;
    }
    // Without a quorum nothing is known about the block, and so nothing against the tower.
    let (hash, time) = shared.chain.block(root.block_number).await.ok()?;
    let finalized: BlockTimestamp =
        shared.registry.get(channel_id)?.view().chain.finalized.timestamp;
    let age_secs = finalized.secs_since(time);
    if age_secs > MAX_ROOT_AGE_SECS {
        return Some(Err(Unproven::Old { age_secs }));
    }
    let mut last = None;
    for left in audit.left.get(&channel_id)?.states.iter().rev() {
        match proof.verify(key, left.record, hash, left.insured) {
            Ok(()) => return Some(Ok(())),
            Err(error) => last = Some(error),
        }
    }
    last.map(|error| Err(error.into()))
}

/// A link with the tower has ended.
pub(super) async fn link_ended(shared: &Shared, tower: NodeId, audit: &mut Audit) {
    if !audit.unlinked() {
        doubt_all(shared, tower).await;
    }
}

async fn doubt_all(shared: &Shared, tower: NodeId) {
    for (channel_id, _) in shared.towers.held_by(tower) {
        doubt(shared, tower, channel_id, &Unproven::Silent).await;
    }
}

async fn doubt(shared: &Shared, tower: NodeId, channel_id: ChannelId, why: &Unproven) {
    if !shared.towers.doubt(tower, channel_id) {
        return;
    }
    let words = wording::chain_of(why);
    let message = format!(
        "a tower does not prove that it holds the channel: {words}. What it promised counts for nothing until it does; \
         its receipt stays as evidence (`lockstep tower receipts`). Add another tower"
    );
    shared.alarm(AlarmKind::TowerUnproven, Some(channel_id), message);
    shared.towers.note(&tower, |known| known.problem = Some(words));
    tell(shared, channel_id).await;
}

async fn believe(shared: &Shared, tower: NodeId, channel_id: ChannelId) {
    if shared.towers.believe(tower, channel_id) {
        if !shared.towers.is_doubted(channel_id) {
            shared.alarms.clear(AlarmKind::TowerUnproven, Some(channel_id));
        }
        tell(shared, channel_id).await;
    }
}

/// The channel looks again what its towers hold.
async fn tell(shared: &Shared, channel_id: ChannelId) {
    if let Some(handle) = shared.registry.get(channel_id) {
        handle.urge(Event::Towers).await;
    }
}

/// What one tower is known to hold, by its receipts.
pub(super) type Holding = (ChannelId, Version);

#[cfg(test)]
mod tests {
    use super::*;

    fn id(byte: u8) -> ChannelId {
        ChannelId(B256::repeat_byte(byte))
    }

    fn record(number: u64) -> B256 {
        B256::from(alloy_primitives::U256::from(number))
    }

    #[test]
    fn p81_a_channel_is_checked_once_its_record_must_be_under_the_root() {
        let mut audit = Audit::default();
        audit.brought(id(1), record(1), Amount::ZERO);
        assert!(audit.beat(true));
        assert!(audit.next().is_empty(), "the root may be older than the record");
        assert!(audit.beat(true));
        assert_eq!(audit.next(), [id(1)]);
        // A newer one was left: either may be under the root, the older one until the heartbeat after next.
        audit.brought(id(1), record(2), Amount::ZERO);
        audit.beat(true);
        assert_eq!((audit.next(), audit.left[&id(1)].states.len()), (vec![id(1)], 2));
        audit.beat(true);
        assert_eq!(audit.left[&id(1)].states.len(), 1);
    }

    #[test]
    fn p81_a_channel_that_moves_faster_than_is_remembered_is_not_accused() {
        let mut audit = Audit::default();
        for number in 0..100 {
            audit.brought(id(1), record(number), Amount::ZERO);
        }
        audit.beat(true);
        audit.beat(true);
        assert_eq!(audit.left[&id(1)].states.len(), 1, "all but the last are too old");
        for number in 100..300 {
            audit.brought(id(1), record(number), Amount::ZERO);
        }
        audit.beat(true);
        assert!(audit.next().is_empty());
        audit.beat(true);
        assert_eq!(audit.next(), [id(1)]);
    }

    #[test]
    fn p81_every_channel_gets_its_turn_and_a_tower_without_roots_loses_patience() {
        let mut audit = Audit::default();
        for byte in 1..=40 {
            audit.brought(id(byte), record(1), Amount::ZERO);
        }
        audit.beat(true);
        audit.beat(true);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..3 {
            let next = audit.next();
            assert_eq!(next.len(), CHECKED_AT_ONCE);
            seen.extend(next);
        }
        assert_eq!(seen.len(), 40);
        let patient = (0..100).take_while(|_| audit.beat(false)).count();
        assert_eq!(patient, usize::try_from(PATIENT_BEATS).unwrap() - 1);
        assert!(audit.beat(true));
    }

    #[test]
    fn p81_a_tower_that_ends_the_link_before_a_root_or_a_proof_loses_patience_as_well() {
        let mut audit = Audit::default();
        let mut link = |beat: Option<bool>| {
            audit.linked();
            beat.map(|has_root| audit.beat(has_root));
            audit.unlinked()
        };
        assert!(link(Some(true)));
        let patient = (0..100).take_while(|_| link(None)).count();
        assert_eq!(patient, usize::try_from(PATIENT_BEATS).unwrap() - 1);
        assert!(link(Some(true)), "a root ends it");
        assert!((0..100).all(|_| link(Some(true))), "a link that ends is no fault");
        let silent = (0..100).take_while(|_| !audit.unanswered(id(1))).count();
        assert_eq!(silent, usize::try_from(PATIENT_ANSWERS).unwrap() - 1);
        assert!((0..100).all(|_| audit.unlinked()), "nor is one that never was");
    }
}
