//! Between core's types and those of the contract's ABI.

use crate::error::ChainError;
use alloy_primitives::aliases::{U40, U112};
use alloy_primitives::{Address, B256, U256};
use lockstep_contracts::bindings::PaymentChannel as abi;
use lockstep_core::chain::{ChannelStatus, CloseMode, Evidence, StoredPoint, WithdrawEvidence};
use lockstep_core::ids::{AccountRef, ChannelId, Side, Version};
use lockstep_core::lock::Lock;
use lockstep_core::money::{Amount, Net};
use lockstep_core::signature::StateSignature;
use lockstep_core::state::{CloseIntent, PartialWithdraw, State, StateKind};
use lockstep_core::terms::Terms;
use lockstep_core::time::BlockTimestamp;

/// An account as an EVM address.
///
/// # Errors
/// If it belongs to another kind of chain.
pub fn address(account: AccountRef) -> Result<Address, ChainError> {
    match account {
        AccountRef::Evm(address) => Ok(address),
        AccountRef::Starknet(_) => Err(ChainError::Unfit),
    }
}

/// Terms as the contract takes them.
///
/// # Errors
/// If an account belongs to another kind of chain.
pub fn terms(terms: &Terms) -> Result<abi::Terms, ChainError> {
    Ok(abi::Terms {
        participant1: address(terms.participant1)?,
        participant2: address(terms.participant2)?,
        signer1: terms.signer1,
        signer2: terms.signer2,
        token: address(terms.token)?,
        challengePeriod: terms.challenge_period,
        salt: terms.salt,
    })
}

/// Terms as the contract has them.
pub fn core_terms(terms: &abi::Terms) -> Terms {
    Terms {
        participant1: AccountRef::Evm(terms.participant1),
        participant2: AccountRef::Evm(terms.participant2),
        signer1: terms.signer1,
        signer2: terms.signer2,
        token: AccountRef::Evm(terms.token),
        challenge_period: terms.challengePeriod,
        salt: terms.salt,
    }
}

/// A state as the contract takes it: without the channel id, which follows from the terms.
pub fn state(state: &State) -> abi::State {
    abi::State {
        version: state.version.0,
        kind: state.kind.number(),
        net: state.net.to_i256(),
        locked1: state.locked1.to_u256(),
        locked2: state.locked2.to_u256(),
        locksRoot: state.locks_root,
    }
}

/// The absence of a state: version 0.
pub fn no_state() -> abi::State {
    abi::State {
        version: 0,
        kind: 0,
        net: alloy_primitives::I256::ZERO,
        locked1: U256::ZERO,
        locked2: U256::ZERO,
        locksRoot: B256::ZERO,
    }
}

/// A signature in its two words.
pub fn signature(signature: StateSignature) -> abi::Signature {
    let (r, vs) = signature.0.split_at(32);
    abi::Signature { r: B256::from_slice(r), vs: B256::from_slice(vs) }
}

/// The absence of a signature.
pub fn no_signature() -> abi::Signature {
    abi::Signature { r: B256::ZERO, vs: B256::ZERO }
}

/// Two words as a signature.
pub fn state_signature(signature: &abi::Signature) -> StateSignature {
    let mut bytes = [0; 64];
    for (target, source) in bytes.iter_mut().zip(signature.r.iter().chain(signature.vs.iter())) {
        *target = *source;
    }
    StateSignature(bytes)
}

/// An order to close, signed or absent.
pub fn close_intent(intent: Option<&(CloseIntent, StateSignature)>) -> abi::CloseIntent {
    match intent {
        Some((intent, by)) => abi::CloseIntent {
            side: intent.side.number(),
            minVersion: intent.min_version.0,
            deadline: intent.deadline.0,
            signature: signature(*by),
        },
        None => abi::CloseIntent { side: 0, minVersion: 0, deadline: 0, signature: no_signature() },
    }
}

/// A partial withdrawal as the contract takes it.
pub fn partial_withdraw(withdraw: &PartialWithdraw) -> abi::PartialWithdraw {
    abi::PartialWithdraw {
        version: withdraw.version.0,
        net: withdraw.net.to_i256(),
        locked1: withdraw.locked1.to_u256(),
        locked2: withdraw.locked2.to_u256(),
        locksRoot: withdraw.locks_root,
        out1: withdraw.out1.to_u256(),
        out2: withdraw.out2.to_u256(),
        deadline: withdraw.deadline.0,
    }
}

/// A lock as the contract takes it.
///
/// # Errors
/// If a field is wider than the contract's.
pub fn lock(lock: &Lock) -> Result<abi::Lock, ChainError> {
    let amount = U112::checked_from_limbs_slice(lock.amount.to_u256().as_limbs());
    let expiry = U40::checked_from_limbs_slice(&[lock.expiry.0]);
    Ok(abi::Lock {
        hash: lock.hash,
        resolver: address(lock.resolver)?,
        amount: amount.ok_or(ChainError::Unfit)?,
        expiry: expiry.ok_or(ChainError::Unfit)?,
        from1: lock.from1,
    })
}

/// Both signatures of evidence.
///
/// # Errors
/// If one is missing.
pub fn signatures(
    channel_id: ChannelId,
    one: Option<StateSignature>,
    two: Option<StateSignature>,
) -> Result<(abi::Signature, abi::Signature), ChainError> {
    match (one, two) {
        (Some(one), Some(two)) => Ok((signature(one), signature(two))),
        (Some(_) | None, _) => Err(ChainError::Unsigned { channel_id }),
    }
}

/// Both signatures of a state.
///
/// # Errors
/// If one is missing.
pub fn evidence_signatures(
    evidence: &Evidence,
) -> Result<(abi::Signature, abi::Signature), ChainError> {
    signatures(evidence.state.channel_id, evidence.signature1, evidence.signature2)
}

/// Both signatures of a withdrawal.
///
/// # Errors
/// If one is missing.
pub fn withdraw_signatures(
    evidence: &WithdrawEvidence,
) -> Result<(abi::Signature, abi::Signature), ChainError> {
    signatures(evidence.withdraw.channel_id, evidence.signature1, evidence.signature2)
}

/// The status that the contract's enum means; none for a number that it does not have.
pub fn status(number: u8) -> Option<ChannelStatus> {
    match number {
        0 => Some(ChannelStatus::None),
        1 => Some(ChannelStatus::Pending),
        2 => Some(ChannelStatus::Active),
        3 => Some(ChannelStatus::Closing),
        4 => Some(ChannelStatus::Closed),
        _ => None,
    }
}

/// The mode that the contract's enum means; none for one that no closed channel has.
pub fn close_mode(number: u8) -> Option<CloseMode> {
    match number {
        1 => Some(CloseMode::Cooperative),
        2 => Some(CloseMode::Unilateral),
        3 => Some(CloseMode::Cancelled),
        _ => None,
    }
}

/// A state as an event or a call shows it; none if it is outside what the contract can hold.
pub fn stored_point(state: &abi::State) -> Option<StoredPoint> {
    Some(StoredPoint {
        version: Version(state.version),
        net: Net::from_i256(state.net).ok()?,
        is_final: StateKind::from_number(state.kind)? == StateKind::Final,
        locked1: Amount::from_u256(state.locked1),
        locked2: Amount::from_u256(state.locked2),
        locks_root: state.locksRoot,
    })
}

/// What `channelOf` shows of a running close; none if there is none.
pub fn running_close(channel: &abi::Channel) -> Option<(StoredPoint, BlockTimestamp, Side)> {
    let shown = abi::State {
        version: channel.version,
        kind: channel.kind,
        net: channel.net,
        locked1: channel.held1,
        locked2: channel.held2,
        locksRoot: channel.locksRoot,
    };
    let is_closing = status(channel.status) == Some(ChannelStatus::Closing);
    let point = is_closing.then(|| stored_point(&shown)).flatten()?;
    let side = Side::from_number(channel.initiatingSide)?;
    Some((point, BlockTimestamp(channel.closesAt.to::<u64>()), side))
}
