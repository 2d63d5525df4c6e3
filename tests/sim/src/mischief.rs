//! The hostile side: a real node whose words are bent on their way out, and who adds its own.

use alloy_primitives::B256;
use lockstep_core::chain::{ChainCall, Evidence};
use lockstep_core::digest::SigningDomain;
use lockstep_core::ids::{Sequence, Side, Version};
use lockstep_core::message::{PeerMessage, Proposal, ReestablishBody, RejectReason, SignedState};
use lockstep_core::money::{Amount, Net};
use lockstep_core::signature::StateSignature;
use lockstep_core::state::{PartialWithdraw, State, StateKind};
use lockstep_core::time::BlockTimestamp;
use lockstep_core::update::{Action, Memo, Payment, Update};
use lockstep_core::{MAX_FINAL_VERSION_GAP, MAX_VERSION_GAP, RESTORE_GAP};

use crate::chain::Want;
use crate::keys::{DOMAIN, Keys};
use crate::rng::Rng;
use crate::scenario::Vice;
use crate::stats::Stats;

/// How much a cheat remembers.
const MEMORY: usize = 64;

/// The hostile side's knowledge and mood.
#[derive(Debug)]
pub struct Mischief {
    /// Which side it is.
    pub side: Side,
    /// How it cheats.
    pub vice: Vice,
    /// The newest block's time.
    pub now: BlockTimestamp,
    /// It says nothing at the moment.
    is_mute: bool,
    sent: Vec<PeerMessage>,
    proposed: Vec<(State, Vec<lockstep_core::lock::Lock>)>,
    /// What it keeps for later.
    late: Vec<PeerMessage>,
    /// Every state that it can prove, by rising version.
    held: Vec<SignedState>,
}

impl Mischief {
    /// A cheat that has done nothing yet.
    #[must_use]
    pub fn new(side: Side, vice: Vice) -> Self {
        Self {
            side,
            vice,
            now: BlockTimestamp(0),
            is_mute: false,
            sent: vec![],
            proposed: vec![],
            late: vec![],
            held: vec![],
        }
    }

    /// Takes down every signature that the honest side lets go.
    pub fn observe(&mut self, message: &PeerMessage, keys: &Keys) {
        match message {
            PeerMessage::Propose { proposal, signature } if self.side == Side::Two => {
                let state = proposal.state;
                let own = self.sign(&state, keys);
                let locks = proposal.locks.clone();
                self.hold(SignedState { state, locks, signature1: *signature, signature2: own });
            }
            PeerMessage::Accept { version, signature } if self.side == Side::One => {
                let digest = |state: &State| SigningDomain::new(DOMAIN).state(state);
                let honest = keys.public(Side::Two);
                let found = self.proposed.iter().find(|(state, _)| {
                    state.version == *version && honest.verify(digest(state), *signature).is_ok()
                });
                let Some((state, locks)) = found.cloned() else { return };
                let own = self.sign(&state, keys);
                self.hold(SignedState { state, locks, signature1: own, signature2: *signature });
            }
            _ => {}
        }
    }

    fn hold(&mut self, state: SignedState) {
        if !self.held.contains(&state) {
            self.held.push(state);
            self.held.sort_by_key(|held| held.state.version);
        }
    }

    fn sign(&self, state: &State, keys: &Keys) -> StateSignature {
        keys.sign(self.side, SigningDomain::new(DOMAIN).state(state))
    }

    /// What really leaves, where the node itself would have sent this.
    pub fn bend(
        &mut self,
        message: PeerMessage,
        keys: &Keys,
        rng: &mut Rng,
        stats: &mut Stats,
    ) -> Vec<PeerMessage> {
        if let PeerMessage::Propose { proposal, .. } = &message {
            self.proposed.push((proposal.state, proposal.locks.clone()));
        }
        self.sent.push(message.clone());
        if self.sent.len() > MEMORY {
            self.sent.remove(0);
        }
        if self.is_mute {
            return vec![];
        }
        match (self.vice, message) {
            (Vice::Withholder, PeerMessage::Accept { .. } | PeerMessage::WithdrawAccept { .. }) => {
                stats.count("hostile: accept withheld");
                vec![]
            }
            (Vice::Haunter, message) => self.haunt(message, rng, stats),
            (Vice::Hider, PeerMessage::Propose { proposal, .. }) => {
                vec![self.reuse(proposal, keys, rng, stats)]
            }
            (Vice::Equivocator, PeerMessage::Propose { proposal, signature }) => {
                self.equivocate(proposal, signature, keys, rng, stats)
            }
            (Vice::Skimmer, PeerMessage::Propose { proposal, signature }) => {
                self.skim(proposal, signature, keys, rng, stats)
            }
            (Vice::Skimmer, PeerMessage::Intent { updates }) if rng.coin() => {
                stats.count("hostile: bent intent");
                vec![PeerMessage::Intent { updates: overspend(updates, rng) }]
            }
            (Vice::Liar | Vice::Hider | Vice::Claimer, PeerMessage::Reestablish(body)) => {
                stats.count("hostile: bent reestablish");
                vec![PeerMessage::Reestablish(self.lie(body, keys, rng))]
            }
            (_, message) => vec![message],
        }
    }

    /// Keeps what it signed for later, and may say no instead.
    fn haunt(
        &mut self,
        message: PeerMessage,
        rng: &mut Rng,
        stats: &mut Stats,
    ) -> Vec<PeerMessage> {
        let is_signed = matches!(message, PeerMessage::Accept { .. } | PeerMessage::Propose { .. });
        if !is_signed || rng.below(3) == 0 {
            return vec![message];
        }
        stats.count("hostile: kept for later");
        let refusal = match &message {
            PeerMessage::Accept { version, .. } => Some(PeerMessage::Reject {
                version: *version,
                reason: RejectReason::Policy,
                update: None,
                base: Version::ZERO,
            }),
            _ => None,
        };
        self.late.push(message);
        refusal.filter(|_| rng.below(3) > 0).into_iter().collect()
    }

    /// Against somebody who lost data: jumps ahead before, and proposes a used version again after.
    fn reuse(
        &mut self,
        mut proposal: Proposal,
        keys: &Keys,
        rng: &mut Rng,
        stats: &mut Stats,
    ) -> PeerMessage {
        let any = rng.pick(&self.held);
        let used = if rng.coin() { any } else { self.held.last() };
        let used = used.map(|held| held.state.version);
        let state = &mut proposal.state;
        state.version = match (state.kind, used) {
            (StateKind::Final, Some(used)) if rng.coin() => used,
            (_, _) if rng.below(12) == 0 => {
                let far =
                    [RESTORE_GAP, RESTORE_GAP, MAX_VERSION_GAP, 1 << 31, MAX_FINAL_VERSION_GAP];
                Version(state.version.0 + far[rng.index(far.len())] - rng.below(3))
            }
            _ => state.version,
        };
        stats.count("hostile: version of its own choice");
        let signature = self.sign(&proposal.state, keys);
        self.proposed.push((proposal.state, proposal.locks.clone()));
        PeerMessage::Propose { proposal, signature }
    }

    /// The same version once more, with other content and a valid signature.
    fn equivocate(
        &mut self,
        proposal: Proposal,
        signature: StateSignature,
        keys: &Keys,
        rng: &mut Rng,
        stats: &mut Stats,
    ) -> Vec<PeerMessage> {
        let mut other = proposal.clone();
        // A well-formed other content: one payment more.
        let sequence = Sequence(other.updates.last().map_or(1_000, |last| last.sequence.0 + 1));
        let amount = Amount::from(1 + rng.below(3));
        let action = Action::Pay(Payment { amount, memo: Memo::default(), invoice: None });
        other.updates.push(Update { sequence, action });
        let Ok(net) = other.state.net.paid_by(Side::One, amount) else {
            return vec![PeerMessage::Propose { proposal, signature }];
        };
        other.state.net = net;
        let forged = self.sign(&other.state, keys);
        self.proposed.push((other.state, other.locks.clone()));
        stats.count("hostile: equivocation");
        let first = PeerMessage::Propose { proposal, signature };
        let second = PeerMessage::Propose { proposal: other, signature: forged };
        if rng.coin() { vec![first, second] } else { vec![second, first] }
    }

    /// The same proposal with money, locks or updates that do not belong there, signed all the same.
    fn skim(
        &mut self,
        mut proposal: Proposal,
        signature: StateSignature,
        keys: &Keys,
        rng: &mut Rng,
        stats: &mut Stats,
    ) -> Vec<PeerMessage> {
        let honest = PeerMessage::Propose { proposal: proposal.clone(), signature };
        let state = &mut proposal.state;
        match rng.below(7) {
            0 => return vec![honest],
            1 => state.net = Net::new(state.net.get() - 1).unwrap_or_default(),
            2 => {
                // Takes a lock away as if it had expired.
                let Some(lock) = proposal.locks.pop() else { return vec![honest] };
                let sequence =
                    Sequence(proposal.updates.last().map_or(1_000, |last| last.sequence.0 + 1));
                let action = Action::ExpireLock { hash: lock.hash };
                proposal.updates.push(Update { sequence, action });
                state.locks_root = lockstep_core::lock::locks_root(&proposal.locks);
                let sums = lockstep_core::lock::locked_sums(&proposal.locks).unwrap_or_default();
                (state.locked1, state.locked2) = sums;
            }
            3 => state.locked2 = Amount::from(rng.below(100)),
            4 => state.version = Version(state.version.0.saturating_sub(1 + rng.below(3))),
            5 => state.version = Version(state.version.0 + (1 << 33)),
            _ => proposal.intents_through = Sequence(proposal.intents_through.0 + 1),
        }
        stats.count("hostile: bent proposal");
        let forged = self.sign(&proposal.state, keys);
        self.proposed.push((proposal.state, proposal.locks.clone()));
        let bent = PeerMessage::Propose { proposal, signature: forged };
        if rng.coin() { vec![bent] } else { vec![bent, honest] }
    }

    fn lie(&self, mut body: ReestablishBody, keys: &Keys, rng: &mut Rng) -> ReestablishBody {
        match self.vice {
            Vice::Hider => {
                let oldest = self.held.first().filter(|_| rng.coin());
                body.highest_bound = oldest.map_or(Version::ZERO, |held| held.state.version);
                body.newest = oldest.cloned();
            }
            Vice::Claimer => {
                body.highest_bound = Version(body.highest_bound.0 + 1 + rng.below(1 << 20));
                body.newest = Some(self.invent(keys, rng));
            }
            _ => {
                match rng.below(3) {
                    0 => body.newest = None,
                    1 => body.newest = rng.pick(&self.held).cloned(),
                    _ => body.highest_bound = Version(rng.below(1 << 40)),
                }
                body.sequence1 = Sequence(body.sequence1.0.saturating_sub(rng.below(3)));
                body.sequence2 = Sequence(body.sequence2.0 + rng.below(3));
            }
        }
        body
    }

    /// A newer state in our own favour, which only we have signed.
    fn invent(&self, keys: &Keys, rng: &mut Rng) -> SignedState {
        let channel_id = keys.terms(0).channel_id(DOMAIN);
        let newest = self.held.last().map(|held| held.state);
        let mut state = newest.unwrap_or(State {
            channel_id,
            version: Version::ZERO,
            kind: StateKind::Ordinary,
            net: Net::ZERO,
            locked1: Amount::ZERO,
            locked2: Amount::ZERO,
            locks_root: B256::ZERO,
        });
        state.version = Version(state.version.0 + 1 + rng.below(9));
        let own = self.sign(&state, keys);
        let mut garbage = [0; 64];
        garbage[..32].copy_from_slice(&rng.bytes());
        garbage[32..].copy_from_slice(&rng.bytes());
        let garbage = StateSignature(garbage);
        let (signature1, signature2) = match self.side {
            Side::One => (own, garbage),
            Side::Two => (garbage, own),
        };
        SignedState { state, locks: vec![], signature1, signature2 }
    }

    /// A first state, well-formed and signed, before there is a channel to make states of.
    fn propose_early(&self, keys: &Keys, period: u32) -> PeerMessage {
        let amount = Amount::from(1u64);
        let action = Action::Pay(Payment { amount, memo: Memo::default(), invoice: None });
        let state = State {
            channel_id: keys.terms(period).channel_id(DOMAIN),
            version: Version(1),
            kind: StateKind::Ordinary,
            net: Net::new(1).unwrap_or_default(),
            locked1: Amount::ZERO,
            locked2: Amount::ZERO,
            locks_root: B256::ZERO,
        };
        let proposal = Proposal {
            base_version: Version::ZERO,
            state,
            locks: vec![],
            updates: vec![Update { sequence: Sequence(1), action }],
            intents_through: Sequence::ZERO,
            refused: vec![],
        };
        PeerMessage::Propose { proposal, signature: self.sign(&state, keys) }
    }

    /// Something that no honest node would say now.
    pub fn say(
        &mut self,
        keys: &Keys,
        period: u32,
        rng: &mut Rng,
        stats: &mut Stats,
    ) -> Option<PeerMessage> {
        if self.side == Side::One && self.vice == Vice::Skimmer && rng.below(3) == 0 {
            stats.count("hostile: first state out of turn");
            return Some(self.propose_early(keys, period));
        }
        let is_intent = |message: &&PeerMessage| matches!(message, PeerMessage::Intent { .. });
        let old: Vec<&PeerMessage> = match self.vice {
            Vice::Replayer => self.sent.iter().collect(),
            Vice::IntentReplayer => self.sent.iter().filter(is_intent).collect(),
            Vice::Silent => {
                self.is_mute = rng.below(3) > 0;
                stats.count("hostile: mood of the silent");
                return None;
            }
            Vice::Haunter => return self.haunt_late(keys, rng, stats),
            Vice::Equivocator
            | Vice::StaleCloser
            | Vice::Liar
            | Vice::Withholder
            | Vice::Hider
            | Vice::Claimer
            | Vice::Skimmer => return None,
        };
        let message = rng.pick(&old).map(|message| (*message).clone())?;
        stats.count("hostile: replayed");
        Some(message)
    }

    /// A withdrawal of the other side's money, which holds that money up until its deadline.
    fn take_hostage(&self, keys: &Keys, rng: &mut Rng) -> Option<PeerMessage> {
        let newest = self.held.last()?.state;
        let known = self.proposed.iter().map(|(state, _)| state.version).max();
        let withdraw = PartialWithdraw {
            channel_id: newest.channel_id,
            version: Version(known.unwrap_or_default().max(newest.version).0 + 1),
            net: newest.net,
            locked1: newest.locked1,
            locked2: newest.locked2,
            locks_root: newest.locks_root,
            out1: Amount::from(rng.below(2)),
            out2: Amount::from(1 + rng.below(400)),
            deadline: BlockTimestamp(self.now.0 + 3_600 * (1 + rng.below(48))),
        };
        let digest = SigningDomain::new(DOMAIN).partial_withdraw(&withdraw);
        let signature = keys.sign(self.side, digest);
        Some(PeerMessage::WithdrawPropose { withdraw, signature })
    }

    /// What was kept comes at last, or a withdrawal that nobody needs.
    fn haunt_late(&mut self, keys: &Keys, rng: &mut Rng, stats: &mut Stats) -> Option<PeerMessage> {
        if self.side == Side::One
            && rng.below(6) == 0
            && let Some(message) = self.take_hostage(keys, rng)
        {
            stats.count("hostile: withdrawal nobody asked for");
            return Some(message);
        }
        if self.side == Side::Two && rng.below(6) == 0 {
            stats.count("hostile: withdrawal asked for");
            let out2 = Amount::from(1 + rng.below(2));
            return Some(PeerMessage::WithdrawRequest { out1: Amount::ZERO, out2 });
        }
        if self.late.is_empty() {
            return None;
        }
        stats.count("hostile: sent late");
        let at = rng.index(self.late.len());
        Some(self.late.remove(at))
    }

    /// Something that it sends to the chain: an old state, or the best it can prove.
    pub fn close(&self, rng: &mut Rng) -> Option<Want> {
        let best = self.held.last();
        let any = rng.pick(&self.held);
        let shown = match self.vice {
            Vice::Withholder => best,
            Vice::StaleCloser | Vice::Hider | Vice::Liar | Vice::Silent | Vice::Haunter => any,
            Vice::Equivocator
            | Vice::Replayer
            | Vice::Claimer
            | Vice::IntentReplayer
            | Vice::Skimmer => any.filter(|_| rng.coin()),
        };
        let evidence = shown.map(evidence_of);
        match rng.below(6) {
            0 => Some(Want::Checkpoint(shown?.clone())),
            1 => Some(Want::Call(ChainCall::Challenge(evidence?))),
            2 if self.vice != Vice::Withholder => Some(Want::Call(ChainCall::InitiateClose(None))),
            _ => Some(Want::Call(ChainCall::InitiateClose(evidence))),
        }
    }

    /// Something old to close with while the other side is away; none closes with the deposits.
    pub fn oldest(&self, rng: &mut Rng) -> Option<Evidence> {
        let early = self.held.iter().take(self.held.len() / 2 + 1).collect::<Vec<_>>();
        rng.pick(&early).filter(|_| self.held.len() > 1).map(|held| evidence_of(held))
    }

    /// Whether it closes on its own, before the end.
    #[must_use]
    pub fn likes_to_close(&self) -> bool {
        matches!(self.vice, Vice::StaleCloser | Vice::Withholder)
    }

    /// A newer state to show during somebody's close.
    pub fn challenge(&self, above: Version, rng: &mut Rng) -> Option<Want> {
        let newer: Vec<&SignedState> =
            self.held.iter().filter(|held| held.state.version > above).collect();
        let shown = rng.pick(&newer)?;
        Some(Want::Call(ChainCall::Challenge(evidence_of(shown))))
    }
}

fn evidence_of(shown: &SignedState) -> Evidence {
    Evidence {
        state: shown.state,
        locks: shown.locks.clone(),
        signature1: Some(shown.signature1),
        signature2: Some(shown.signature2),
    }
}

/// Intents that pay more than there is, take locks without a secret, or repeat a number.
fn overspend(mut updates: Vec<Update>, rng: &mut Rng) -> Vec<Update> {
    if let Some(update) = updates.last_mut() {
        update.action = match rng.below(3) {
            0 => Action::Pay(Payment {
                amount: Amount::from(1u64 << 60),
                memo: Memo::default(),
                invoice: None,
            }),
            1 => Action::SettleLock { hash: B256::from(rng.bytes()), secret: B256::ZERO },
            _ => Action::FailLock { hash: B256::from(rng.bytes()) },
        };
    }
    if let Some(first) = updates.first().filter(|_| rng.coin()).cloned() {
        updates.push(first);
    }
    updates
}
