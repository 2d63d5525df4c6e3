//! How states come on chain and how money goes out. The highest version wins; the deadline is set once.

use super::{
    Adjudicator, Call, Payout, Point, PresentedIntent, PresentedState, PresentedWithdraw, Refusal,
    Signatures, Slots, Step, acceptance,
};
use crate::chain::{ChainFact, ChannelStatus, CloseMode, StoredPoint};
use crate::ids::{AccountRef, Digest, Side, Version};
use crate::money::{Amount, Balances, Deposit, Deposits, Net, RawNet, balances_of};
use crate::signature::{SignatureError, StateSignature};
use crate::state::StateKind;
use crate::time::BlockTimestamp;
use alloy_primitives::Address;

impl Adjudicator {
    /// `cancelOpen`: side 1 takes its money back before side 2 joined.
    ///
    /// # Errors
    /// As the contract refuses it.
    pub fn cancel_open(&self, call: Call, intent: &PresentedIntent) -> Result<Step, Refusal> {
        self.require_status(ChannelStatus::Pending)?;
        if call.sender != self.terms.participant1 {
            if intent.side != Side::One.number() {
                return Err(Refusal::NotAuthorized { caller: call.sender });
            }
            self.require_intent(call, intent)?;
            if intent.min_version != Version::ZERO {
                let min_version = intent.min_version;
                return Err(Refusal::BelowMinVersion { version: Version::ZERO, min_version });
            }
        }
        let refund = Balances { one: self.slots.deposits.total(), two: Amount::ZERO };
        Ok(self.bury(Version::ZERO, refund, CloseMode::Cancelled))
    }

    /// `updateState`: stores a newer state while the channel stays active.
    ///
    /// # Errors
    /// As the contract refuses it.
    pub fn update_state(
        &self,
        state: &PresentedState,
        signatures: &Signatures,
    ) -> Result<Step, Refusal> {
        self.require_status(ChannelStatus::Active)?;
        self.require_newer(state.version)?;
        let next = self.adopt(state, signatures)?;
        let point = stored_point(&next);
        Ok(Step::quiet(next, vec![ChainFact::Checkpoint { point, evidence: None }]))
    }

    /// `partialWithdraw`: pays both sides out of an active channel.
    ///
    /// # Errors
    /// As the contract refuses it.
    pub fn partial_withdraw(
        &self,
        call: Call,
        order: &PresentedWithdraw,
        signatures: &Signatures,
    ) -> Result<Step, Refusal> {
        self.require_status(ChannelStatus::Active)?;
        if call.now > order.deadline {
            return Err(Refusal::Expired { deadline: order.deadline });
        }
        self.require_newer(order.version)?;
        self.require_signers(self.domain.presented_withdraw(self.channel_id, order), signatures)?;
        acceptance::check_locks(order.locked1, order.locked2, order.locks_root)?;
        let (deposits, net) = self.deposits_after(order)?;
        let next = Slots {
            deposits,
            point: Point {
                version: order.version,
                kind: StateKind::Ordinary,
                net,
                locks_root: order.locks_root,
            },
            held1: order.locked1,
            held2: order.locked2,
            withdraw_version: order.version,
            ..self.slots
        };
        let event = ChainFact::PartialWithdrawn { version: order.version, deposits };
        let mut step = Step::quiet(next, vec![event]);
        step.payouts = payouts(order.out1, order.out2);
        Ok(step)
    }

    /// `initiateClose`: starts the challenge period; while one runs, behaves as a challenge.
    ///
    /// # Errors
    /// As the contract refuses it; never because the chain is ahead of the caller.
    pub fn initiate_close(
        &self,
        call: Call,
        state: &PresentedState,
        signatures: &Signatures,
        intent: &PresentedIntent,
    ) -> Result<Step, Refusal> {
        let is_newer = state.version > self.slots.point.version;
        if self.slots.status == ChannelStatus::Closing {
            let step = if is_newer {
                self.challenge(call, state, signatures)?
            } else {
                Step::nothing(self.slots)
            };
            require_min_version(&step.next, intent.min_version)?;
            return Ok(step);
        }
        self.require_status(ChannelStatus::Active)?;
        let initiator = self.closing_side(call, intent)?;
        let adopted = if is_newer { self.adopt(state, signatures)? } else { self.slots };
        require_min_version(&adopted, intent.min_version)?;
        let closes_at = call
            .now
            .checked_add_secs(u64::from(self.terms.challenge_period))
            .ok_or(Refusal::OutOfModel)?;
        let next = Slots {
            status: ChannelStatus::Closing,
            closes_at: Some(closes_at),
            initiator: Some(initiator),
            ..adopted
        };
        Ok(Step::quiet(next, vec![closing_event(&next)?]))
    }

    /// `challengeClose`: a newer state replaces the one that would be settled.
    ///
    /// # Errors
    /// As the contract refuses it; the identical state is a silent success.
    pub fn challenge_close(
        &self,
        call: Call,
        state: &PresentedState,
        signatures: &Signatures,
    ) -> Result<Step, Refusal> {
        self.require_status(ChannelStatus::Closing)?;
        if self.require_not_stale(state)? {
            return Ok(Step::nothing(self.slots));
        }
        self.challenge(call, state, signatures)
    }

    /// `closeChannel`: settles after the challenge period.
    ///
    /// # Errors
    /// As the contract refuses it.
    pub fn close_channel(&self, call: Call) -> Result<Step, Refusal> {
        self.require_status(ChannelStatus::Closing)?;
        let closes_at = self.closes_at()?;
        if call.now < closes_at {
            return Err(Refusal::WindowOpen { closes_at });
        }
        let Slots { deposits, point, held1, held2, .. } = self.slots;
        let (_, paid) = acceptance::balances(deposits, point.net.into(), held1, held2)?;
        Ok(self.bury(point.version, paid, CloseMode::Unilateral))
    }

    /// `cooperativeClose`: settles at once at a final state. Calldata has only its version and net: it is
    /// kind 1 and without locks by construction.
    ///
    /// # Errors
    /// As the contract refuses it.
    pub fn cooperative_close(
        &self,
        version: Version,
        net: RawNet,
        signatures: &Signatures,
    ) -> Result<Step, Refusal> {
        match self.slots.status {
            ChannelStatus::Active | ChannelStatus::Closing => {}
            status @ (ChannelStatus::None | ChannelStatus::Pending | ChannelStatus::Closed) => {
                return Err(Refusal::WrongStatus { status });
            }
        }
        let kind = StateKind::Final.number();
        let state = PresentedState { version, kind, net, ..PresentedState::default() };
        self.require_not_stale(&state)?;
        let accepted = self.require_adoptable(&state, signatures)?;
        let without_locks = Self { slots: without_locks(self.slots), ..self.clone() };
        Ok(without_locks.bury(version, accepted.balances, CloseMode::Cooperative))
    }

    /// Adopts a newer state while the challenge period runs.
    fn challenge(
        &self,
        call: Call,
        state: &PresentedState,
        signatures: &Signatures,
    ) -> Result<Step, Refusal> {
        let closes_at = self.closes_at()?;
        if call.now >= closes_at {
            return Err(Refusal::WindowClosed { closes_at });
        }
        let next = self.adopt(state, signatures)?;
        Ok(Step::quiet(next, vec![closing_event(&next)?]))
    }

    /// What is stored after adopting a state whose version the caller has checked.
    fn adopt(&self, state: &PresentedState, signatures: &Signatures) -> Result<Slots, Refusal> {
        let accepted = self.require_adoptable(state, signatures)?;
        Ok(Slots {
            point: Point {
                version: state.version,
                kind: accepted.kind,
                net: accepted.net,
                locks_root: state.locks_root,
            },
            held1: state.locked1,
            held2: state.locked2,
            ..self.slots
        })
    }

    /// The rules that every state must meet, whichever way it comes.
    fn require_adoptable(
        &self,
        state: &PresentedState,
        signatures: &Signatures,
    ) -> Result<acceptance::Accepted, Refusal> {
        let accepted = acceptance::accept(self.slots.deposits, state)?;
        self.require_signers(self.domain.presented_state(self.channel_id, state), signatures)?;
        Ok(accepted)
    }

    fn require_newer(&self, version: Version) -> Result<(), Refusal> {
        let current = self.slots.point.version;
        if version > current { Ok(()) } else { Err(Refusal::StaleVersion { current }) }
    }

    /// Whether exactly this state is stored; refuses an older one, or another of its version.
    fn require_not_stale(&self, state: &PresentedState) -> Result<bool, Refusal> {
        let current = self.slots.point.version;
        if state.version > current {
            return Ok(false);
        }
        if state.version < current {
            return Err(Refusal::StaleVersion { current });
        }
        let Slots { point, held1, held2, .. } = self.slots;
        let is_same = state.net == RawNet::from(point.net)
            && state.kind == point.kind.number()
            && state.locks_root == point.locks_root
            && state.locked1 == held1
            && state.locked2 == held2;
        if is_same { Ok(true) } else { Err(Refusal::VersionConflict { version: current }) }
    }

    fn require_signers(&self, digest: Digest, signatures: &Signatures) -> Result<(), Refusal> {
        require_signer(digest, signatures.one, self.terms.signer1, Side::One)?;
        require_signer(digest, signatures.two, self.terms.signer2, Side::Two)
    }

    /// Deposits and net after a partial withdrawal.
    fn deposits_after(&self, order: &PresentedWithdraw) -> Result<(Deposits, Net), Refusal> {
        for amount in [order.out1, order.out2] {
            Deposit::from_amount(amount).map_err(|_| Refusal::AmountTooLarge { amount })?;
        }
        let net = order.net.checked().map_err(|_| Refusal::NetOutOfRange { net: order.net })?;
        let before = self.slots.deposits;
        let one = before.of(Side::One).less(order.out1);
        let two = before.of(Side::Two).less(order.out2);
        balances_of(one, two, net, order.locked1, order.locked2).map_err(acceptance::refuse)?;
        let deposits = before.withdrawn(order.out1, order.out2).map_err(|_| Refusal::OutOfModel)?;
        Ok((deposits, net))
    }

    fn closes_at(&self) -> Result<BlockTimestamp, Refusal> {
        self.slots.closes_at.ok_or(Refusal::OutOfModel)
    }

    /// The side that closes: the caller's own, or that of the signer whose order came along.
    fn closing_side(&self, call: Call, intent: &PresentedIntent) -> Result<Side, Refusal> {
        for side in [Side::One, Side::Two] {
            let own = [self.terms.participant(side), AccountRef::Evm(self.terms.signer(side))];
            if own.contains(&call.sender) {
                return Ok(side);
            }
        }
        if intent.side == 0 {
            return Err(Refusal::NotAuthorized { caller: call.sender });
        }
        self.require_intent(call, intent)
    }

    fn require_intent(&self, call: Call, intent: &PresentedIntent) -> Result<Side, Refusal> {
        let PresentedIntent { side, min_version, deadline, signature } = *intent;
        let by = Side::from_number(side).ok_or(Refusal::InvalidSide { side })?;
        if call.now > deadline {
            return Err(Refusal::Expired { deadline });
        }
        let digest = self.domain.presented_intent(self.channel_id, side, min_version, deadline);
        require_signer(digest, signature, self.terms.signer(by), by)?;
        Ok(by)
    }

    /// Ends the channel: pays, holds what is locked, and leaves the tombstone.
    fn bury(&self, version: Version, paid: Balances, mode: CloseMode) -> Step {
        let Slots { held1, held2, .. } = self.slots;
        let next = Slots {
            status: ChannelStatus::Closed,
            deposits: Deposits::ZERO,
            point: Point {
                version,
                kind: StateKind::Ordinary,
                net: Net::ZERO,
                locks_root: self.slots.point.locks_root,
            },
            mode: Some(mode),
            ..self.slots
        };
        let Balances { one: paid1, two: paid2 } = paid;
        let event = ChainFact::Closed { version, paid1, paid2, held1, held2, mode };
        let mut step = Step::quiet(next, vec![event]);
        step.payouts = payouts(paid1, paid2);
        step
    }
}

fn require_signer(
    digest: Digest,
    signature: StateSignature,
    signer: Address,
    side: Side,
) -> Result<(), Refusal> {
    match signature.recover_address(digest) {
        Ok(Some(by)) if by == signer => Ok(()),
        Err(SignatureError::HighS) => Err(Refusal::MalleableSignature { side }),
        Ok(Some(_) | None)
        | Err(
            SignatureError::OutOfRange
            | SignatureError::WrongSigner { .. }
            | SignatureError::NotAKey
            | SignatureError::WrongKey { .. },
        ) => Err(Refusal::BadSignature { side }),
    }
}

fn require_min_version(slots: &Slots, min_version: Version) -> Result<(), Refusal> {
    let version = slots.point.version;
    if version < min_version {
        return Err(Refusal::BelowMinVersion { version, min_version });
    }
    Ok(())
}

fn without_locks(slots: Slots) -> Slots {
    let point = Point { locks_root: alloy_primitives::B256::ZERO, ..slots.point };
    Slots { point, held1: Amount::ZERO, held2: Amount::ZERO, ..slots }
}

/// What each side is paid, leaving out nothing.
pub(super) fn payouts(one: Amount, two: Amount) -> Vec<Payout> {
    [(Side::One, one), (Side::Two, two)]
        .into_iter()
        .filter(|(_, amount)| !amount.is_zero())
        .map(|(side, amount)| Payout { side, amount })
        .collect()
}

fn stored_point(slots: &Slots) -> StoredPoint {
    StoredPoint {
        version: slots.point.version,
        net: slots.point.net,
        is_final: slots.point.kind == StateKind::Final,
        locked1: slots.held1,
        locked2: slots.held2,
        locks_root: slots.point.locks_root,
    }
}

fn closing_event(slots: &Slots) -> Result<ChainFact, Refusal> {
    Ok(ChainFact::Closing {
        point: stored_point(slots),
        closes_at: slots.closes_at.ok_or(Refusal::OutOfModel)?,
        initiator: slots.initiator.ok_or(Refusal::OutOfModel)?,
        evidence: None,
    })
}
