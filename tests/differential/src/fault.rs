//! Bugs that can be planted in the reference. A run that does not find one of them proves nothing.

use crate::action::Action;
use crate::sign::sign;
use crate::world::{World, address_of};
use lockstep_core::adjudicator::{Adjudicator, Call, Slots, Step as Decision};
use lockstep_core::chain::ChannelStatus;
use lockstep_core::digest::SigningDomain;
use lockstep_core::ids::{Side, Version};
use lockstep_core::money::Amount;
use lockstep_core::time::BlockTimestamp;

/// A planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Side 2's signature on states is not looked at.
    SecondSignatureUnchecked,
    /// A challenge moves the deadline by a second.
    ChallengeMovesDeadline,
    /// A challenge is taken at the deadline itself.
    ChallengeAtDeadline,
    /// A close is settled a second early.
    CloseBeforeDeadline,
    /// A state of the stored version replaces it.
    EqualVersionAdopted,
    /// A cooperative close pays each side what is the other's.
    PayoutsSwapped,
    /// One unit of each payout is lost.
    UnitLost,
    /// Money that came too late is credited to nobody.
    LateMoneyForgotten,
    /// Money that came too late is credited to the other side.
    LateMoneyToOther,
    /// The tombstone does not know of withdrawals.
    WithdrawVersionForgotten,
    /// Locks stay when a state without any is adopted.
    LocksSurviveAdoption,
    /// A secret that was revealed after the expiry still pays.
    LateSecretPays,
    /// A lock is paid as often as it is asked for.
    LockResolvedTwice,
    /// An order is taken after its deadline.
    ExpiredOrderTaken,
    /// Anybody may start a close.
    StrangerCloses,
    /// Anybody may join for participant 2.
    StrangerJoins,
    /// A checkpoint tells the world and stores nothing.
    CheckpointNotStored,
    /// A top-up is not booked.
    DepositNotBooked,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::SecondSignatureUnchecked,
        Self::ChallengeMovesDeadline,
        Self::ChallengeAtDeadline,
        Self::CloseBeforeDeadline,
        Self::EqualVersionAdopted,
        Self::PayoutsSwapped,
        Self::UnitLost,
        Self::LateMoneyForgotten,
        Self::LateMoneyToOther,
        Self::WithdrawVersionForgotten,
        Self::LocksSurviveAdoption,
        Self::LateSecretPays,
        Self::LockResolvedTwice,
        Self::ExpiredOrderTaken,
        Self::StrangerCloses,
        Self::StrangerJoins,
        Self::CheckpointNotStored,
        Self::DepositNotBooked,
    ];

    /// Changes what the reference is asked.
    pub(crate) fn before(
        self,
        world: &World,
        domain: &SigningDomain,
        channel: &mut Adjudicator,
        call: &mut Call,
        action: &mut Action,
    ) {
        let id = channel.channel_id();
        let terms = *channel.terms();
        match (self, action) {
            (Self::SecondSignatureUnchecked, Action::Update(_, state, by)) => {
                if let Some(key) = world.key_of(terms.signer2) {
                    by.two = sign(key, domain.presented_state(id, state));
                }
            }
            (Self::ChallengeAtDeadline, Action::Challenge(..)) => {
                call.now = call.now.saturating_sub_secs(1);
            }
            (Self::CloseBeforeDeadline, Action::Close(_)) => {
                call.now = BlockTimestamp(call.now.0 + 1);
            }
            (Self::EqualVersionAdopted, Action::Update(_, state, _)) => {
                let mut slots = *channel.slots();
                if state.version == slots.point.version && slots.point.version != Version::ZERO {
                    slots.point.version = Version(slots.point.version.0 - 1);
                    assume(channel, slots);
                }
            }
            (Self::LockResolvedTwice, Action::Resolve(..)) => {
                let slots = Slots { resolved: 0, ..*channel.slots() };
                assume(channel, slots);
            }
            (Self::ExpiredOrderTaken, Action::CancelOpen(_, intent)) => {
                call.now = call.now.min(intent.deadline);
            }
            (Self::ExpiredOrderTaken, Action::Withdraw(_, order, _)) => {
                call.now = call.now.min(order.deadline);
            }
            (Self::StrangerCloses, Action::Initiate(_, _, _, intent)) => {
                let own = SIDES.map(|side| terms.participant(side));
                let signers = [terms.signer1, terms.signer2];
                let is_known =
                    own.contains(&call.sender) || signers.contains(&address_of(call.sender));
                if !is_known && intent.side == 0 {
                    call.sender = terms.participant1;
                }
            }
            (Self::StrangerJoins, Action::Join(..)) => call.sender = terms.participant2,
            _ => {}
        }
    }

    /// Changes what the reference answers.
    pub(crate) fn after(self, before: &Slots, action: &Action, decision: &mut Decision) {
        let next = &mut decision.next;
        match (self, action) {
            (Self::ChallengeMovesDeadline, Action::Challenge(..)) => {
                if let Some(closes_at) = next.closes_at.filter(|_| next.point != before.point) {
                    next.closes_at = Some(BlockTimestamp(closes_at.0 + 1));
                }
            }
            (Self::PayoutsSwapped, Action::Cooperate(..)) => {
                for payout in &mut decision.payouts {
                    payout.side = payout.side.other();
                }
            }
            (Self::UnitLost, _) => {
                for payout in &mut decision.payouts {
                    payout.amount = payout.amount.saturating_sub(Amount::from(1u64));
                }
            }
            (Self::LateMoneyForgotten, _) => decision.credits.clear(),
            (Self::LateMoneyToOther, _) => {
                for credit in &mut decision.credits {
                    credit.side = credit.side.other();
                }
            }
            (Self::WithdrawVersionForgotten, _) if next.status == ChannelStatus::Closed => {
                next.withdraw_version = Version::ZERO;
            }
            (Self::LocksSurviveAdoption, Action::Update(..)) if next.held1.is_zero() => {
                next.held1 = before.held1;
            }
            (Self::CheckpointNotStored, Action::Update(..)) => *next = *before,
            (Self::DepositNotBooked, Action::Deposit(..)) => *next = *before,
            _ => {}
        }
    }
}

/// Makes the reference believe in other storage.
fn assume(channel: &mut Adjudicator, slots: Slots) {
    let decision = Decision { next: slots, payouts: vec![], credits: vec![], events: vec![] };
    channel.apply(&decision);
}

const SIDES: [Side; 2] = [Side::One, Side::Two];
