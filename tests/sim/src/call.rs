//! Turns what somebody wants into a call of the contract.

use lockstep_core::adjudicator::{
    Call, PresentedConsent, PresentedIntent, PresentedState, PresentedWithdraw, Refusal,
    Signatures, Step,
};
use lockstep_core::chain::{ChainCall, Evidence};
use lockstep_core::ids::{Side, Version};
use lockstep_core::lock::Lock;
use lockstep_core::message::SignedState;
use lockstep_core::money::Amount;
use lockstep_core::signature::StateSignature;
use lockstep_core::time::BlockTimestamp;

use crate::chain::{Books, Want};
use crate::keys::participant;

/// What the call brings into the contract, and for whom.
type Brought = Option<(Side, Amount)>;

/// What a call does to the contract, and what it brings.
///
/// # Errors
/// As the contract refuses it.
pub fn run(
    books: &Books,
    from: Side,
    want: &Want,
    now: BlockTimestamp,
) -> Result<(Step, Brought), Refusal> {
    let call = Call { sender: participant(from), now };
    let contract = &books.contract;
    match want {
        Want::Open { amount, consent } => {
            let amount = Amount::from(*amount);
            Ok((contract.open_channel(call, amount, consent)?, Some((Side::One, amount))))
        }
        Want::Join { amount } => {
            let amount = Amount::from(*amount);
            let none = PresentedConsent::default();
            Ok((contract.join_channel(call, amount, &none)?, Some((Side::Two, amount))))
        }
        Want::Deposit { side, amount } => {
            let amount = Amount::from(*amount);
            Ok((contract.deposit(side.number(), amount)?, Some((*side, amount))))
        }
        Want::Cancel => Ok((contract.cancel_open(call, &PresentedIntent::NONE)?, None)),
        Want::Checkpoint(shown) => {
            let signatures = Signatures { one: shown.signature1, two: shown.signature2 };
            Ok((contract.update_state(&PresentedState::from(&shown.state), &signatures)?, None))
        }
        Want::Call(owed) => Ok((run_owed(books, call, owed)?, None)),
    }
}

fn run_owed(books: &Books, call: Call, owed: &ChainCall) -> Result<Step, Refusal> {
    let contract = &books.contract;
    let none = PresentedIntent::NONE;
    match owed {
        ChainCall::InitiateClose(None) => {
            contract.initiate_close(call, &PresentedState::default(), &unsigned(), &none)
        }
        ChainCall::InitiateClose(Some(evidence)) => {
            let state = PresentedState::from(&evidence.state);
            contract.initiate_close(call, &state, &signatures(evidence), &none)
        }
        ChainCall::Challenge(evidence) => {
            let state = PresentedState::from(&evidence.state);
            contract.challenge_close(call, &state, &signatures(evidence))
        }
        ChainCall::Close => contract.close_channel(call),
        ChainCall::CooperativeClose(evidence) => {
            let state = &evidence.state;
            contract.cooperative_close(state.version, state.net.into(), &signatures(evidence))
        }
        ChainCall::PartialWithdraw(evidence) => {
            let order = PresentedWithdraw::from(&evidence.withdraw);
            let empty = StateSignature([0; 64]);
            let both = Signatures {
                one: evidence.signature1.unwrap_or(empty),
                two: evidence.signature2.unwrap_or(empty),
            };
            contract.partial_withdraw(call, &order, &both)
        }
        ChainCall::ResolveLocks { locks, mask } => {
            let met_at = |lock: &Lock| books.registry.get(&lock.hash).copied();
            contract.resolve_locks(call.now, locks, *mask, met_at)
        }
        ChainCall::RegisterSecret { .. } => Err(Refusal::OutOfModel),
    }
}

fn unsigned() -> Signatures {
    Signatures { one: StateSignature([0; 64]), two: StateSignature([0; 64]) }
}

fn signatures(evidence: &Evidence) -> Signatures {
    let empty = StateSignature([0; 64]);
    Signatures {
        one: evidence.signature1.unwrap_or(empty),
        two: evidence.signature2.unwrap_or(empty),
    }
}

/// The co-signed state that a call's data shows, if it shows one.
#[must_use]
pub fn evidence(want: &Want) -> Option<SignedState> {
    match want {
        Want::Call(
            ChainCall::InitiateClose(Some(evidence))
            | ChainCall::Challenge(evidence)
            | ChainCall::CooperativeClose(evidence),
        ) => evidence.complete(),
        Want::Checkpoint(shown) => Some(shown.clone()),
        Want::Open { .. }
        | Want::Join { .. }
        | Want::Deposit { .. }
        | Want::Cancel
        | Want::Call(_) => None,
    }
}

/// The version that a call presents.
#[must_use]
pub fn version(want: &Want) -> Version {
    evidence(want).map_or(Version::ZERO, |shown| shown.state.version)
}
