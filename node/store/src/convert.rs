//! Core types to stored messages and back. Going back, every width, range and count is checked
//! again; what a record as a whole must satisfy is checked by `ChannelRecord::from_parts`.
//!
//! Reading order: `channel` (what peers and towers share), `record`, `phase`, `history`, `chain`, `entry`,
//! `transfer`.

mod chain;
mod channel;
mod entry;
mod history;
mod phase;
mod record;
mod transfer;

use alloy_primitives::{Address, B256, I256};
use lockstep_core::{
    ids::{AccountRef, Version},
    money::{Amount, Gain, Net},
    signature::StateSignature,
    time::BlockTimestamp,
};
use prost::Message;
use thiserror::Error;

pub(crate) use chain::obligation_suffix;
pub(crate) use history::{left_out_of, line_from, line_to};
pub(crate) use phase::{phase_from, phase_to};
pub(crate) use record::{freeze_from, freeze_to, restore_from, restore_to};

/// A stored message that does not mean anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Malformed {
    /// The bytes are not a message.
    #[error("bytes are not a message")]
    NotAMessage,
    /// A field is absent.
    #[error("{field} is absent")]
    Absent {
        /// Which.
        field: &'static str,
    },
    /// A field has the wrong width or a value outside its range.
    #[error("{field} is out of range")]
    OutOfRange {
        /// Which.
        field: &'static str,
    },
    /// A list is longer than it may be.
    #[error("{field} has {len} entries")]
    TooMany {
        /// Which.
        field: &'static str,
        /// How many there are.
        len: usize,
    },
}

/// A core type with a stored form.
pub trait Stored: Sized {
    /// The stored form.
    type Proto: Message + Default;

    /// The stored form of a value.
    fn to_proto(&self) -> Self::Proto;

    /// The value of a stored form.
    ///
    /// # Errors
    /// [`Malformed`] at the first field that does not hold.
    fn from_proto(proto: Self::Proto) -> Result<Self, Malformed>;

    /// The bytes of a value.
    fn encode(&self) -> Vec<u8> {
        self.to_proto().encode_to_vec()
    }

    /// The value of bytes.
    ///
    /// # Errors
    /// [`Malformed`] at the first field that does not hold.
    fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        Self::from_proto(Self::Proto::decode(bytes).map_err(|_| Malformed::NotAMessage)?)
    }
}

/// A field that must be there.
fn required<T: Stored>(proto: Option<T::Proto>, field: &'static str) -> Result<T, Malformed> {
    T::from_proto(proto.ok_or(Malformed::Absent { field })?)
}

/// A list with a limit.
fn list<T: Stored>(
    protos: Vec<T::Proto>,
    limit: usize,
    field: &'static str,
) -> Result<Vec<T>, Malformed> {
    if protos.len() > limit {
        return Err(Malformed::TooMany { field, len: protos.len() });
    }
    protos.into_iter().map(T::from_proto).collect()
}

/// The stored forms of a list.
fn protos<T: Stored>(values: &[T]) -> Vec<T::Proto> {
    values.iter().map(T::to_proto).collect()
}

/// Bytes of exactly `N`.
fn fixed<const N: usize>(bytes: &[u8], field: &'static str) -> Result<[u8; N], Malformed> {
    bytes.try_into().map_err(|_| Malformed::OutOfRange { field })
}

fn hash(bytes: &[u8], field: &'static str) -> Result<B256, Malformed> {
    fixed(bytes, field).map(B256::new)
}

fn address(bytes: &[u8], field: &'static str) -> Result<Address, Malformed> {
    fixed(bytes, field).map(Address::new)
}

/// An account tells its kind of chain by its width.
pub(crate) fn account(bytes: &[u8], field: &'static str) -> Result<AccountRef, Malformed> {
    match bytes.len() {
        20 => address(bytes, field).map(AccountRef::Evm),
        32 => hash(bytes, field).map(AccountRef::Starknet),
        _ => Err(Malformed::OutOfRange { field }),
    }
}

pub(crate) fn account_bytes(account: AccountRef) -> Vec<u8> {
    match account {
        AccountRef::Evm(address) => address.to_vec(),
        AccountRef::Starknet(felt) => felt.to_vec(),
    }
}

fn signature(bytes: &[u8], field: &'static str) -> Result<StateSignature, Malformed> {
    fixed(bytes, field).map(StateSignature)
}

/// A signature that may be missing, which empty bytes stand for.
fn signature_if_any(
    bytes: &[u8],
    field: &'static str,
) -> Result<Option<StateSignature>, Malformed> {
    if bytes.is_empty() { Ok(None) } else { signature(bytes, field).map(Some) }
}

fn signature_bytes(signature: Option<StateSignature>) -> Vec<u8> {
    signature.map(|signature| signature.0.to_vec()).unwrap_or_default()
}

/// An amount without leading zero bytes, so that each amount has one form.
pub(crate) fn amount(bytes: &[u8], field: &'static str) -> Result<Amount, Malformed> {
    if bytes.first() == Some(&0) {
        return Err(Malformed::OutOfRange { field });
    }
    Amount::from_be_slice(bytes).ok_or(Malformed::OutOfRange { field })
}

pub(crate) fn amount_bytes(amount: Amount) -> Vec<u8> {
    let bytes = amount.to_be_bytes();
    bytes.into_iter().skip_while(|byte| *byte == 0).collect()
}

fn signed(bytes: &[u8], field: &'static str) -> Result<i128, Malformed> {
    let value = I256::from_be_bytes(fixed::<32>(bytes, field)?);
    i128::try_from(value).map_err(|_| Malformed::OutOfRange { field })
}

fn net(bytes: &[u8], field: &'static str) -> Result<Net, Malformed> {
    Net::new(signed(bytes, field)?).map_err(|_| Malformed::OutOfRange { field })
}

pub(crate) fn gain(bytes: &[u8], field: &'static str) -> Result<Gain, Malformed> {
    Gain::new(signed(bytes, field)?).map_err(|_| Malformed::OutOfRange { field })
}

pub(crate) fn gain_bytes(gain: Gain) -> Vec<u8> {
    signed_bytes(gain.get())
}

/// A number in 32 bytes of two's complement.
fn signed_bytes(value: i128) -> Vec<u8> {
    // Every i128 fits 256 bits.
    I256::try_from(value).unwrap_or_default().to_be_bytes::<32>().to_vec()
}

fn time(secs: u64) -> BlockTimestamp {
    BlockTimestamp(secs)
}

fn version(version: u64) -> Version {
    Version(version)
}
