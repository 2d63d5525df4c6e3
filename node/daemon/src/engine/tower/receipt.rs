//! Whether a receipt says what we need it to say.

use alloy_primitives::Address;
use lockstep_core::digest::SigningDomain;
use lockstep_core::ids::AccountRef;
use lockstep_core::receipt::{ReceiptError, SignedReceipt};
use lockstep_core::record::ChannelSetup;
use lockstep_core::state::State;
use lockstep_core::time::BlockTimestamp;
use thiserror::Error;

/// Why a receipt does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum ReceiptFault {
    /// Its signature, or its channel.
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
    /// It is another tower's.
    #[error("the receipt is of another tower")]
    OtherTower,
    /// It is about something else than what was given.
    #[error("the receipt is about another state")]
    OtherState,
    /// It holds only for longer challenge periods.
    #[error("the receipt asks for a challenge period of {wanted} s, the channel has {period} s")]
    Window {
        /// What it asks for. Units: seconds.
        wanted: u32,
        /// What there is. Units: seconds.
        period: u32,
    },
    /// It does not hold now.
    #[error("the receipt does not hold now")]
    Time,
    /// Somebody else would be paid.
    #[error("the receipt would pay somebody else")]
    Beneficiary,
}

/// Checks a receipt for this state of a channel, by this tower.
pub(super) fn check(
    signed: &SignedReceipt,
    setup: &ChannelSetup,
    state: &State,
    tower: Address,
    now: BlockTimestamp,
) -> Result<(), ReceiptFault> {
    let receipt = &signed.receipt;
    if receipt.tower != tower {
        return Err(ReceiptFault::OtherTower);
    }
    signed.verify(setup.domain, &setup.terms)?;
    let digest = SigningDomain::new(setup.domain).state(state);
    if receipt.version != state.version || receipt.state_hash != digest {
        return Err(ReceiptFault::OtherState);
    }
    let (wanted, period) = (receipt.min_window, setup.terms.challenge_period);
    if wanted > period {
        return Err(ReceiptFault::Window { wanted, period });
    }
    if now > receipt.valid_until {
        return Err(ReceiptFault::Time);
    }
    let own = setup.terms.participant(setup.side);
    if own != AccountRef::Evm(receipt.beneficiary) {
        return Err(ReceiptFault::Beneficiary);
    }
    Ok(())
}
