//! Messages of the wire to core messages and back. Coming in, every width, range and count is checked,
//! and what a message says twice must agree; whether a message is allowed now is for the core to say.
//!
//! Reading order: `channel` (what a channel is made of), `message` (what peers say), `hello`.

mod channel;
mod hello;
mod message;

use alloy_primitives::{Address, B256, I256};
use lockstep_core::error::ErrorClass;
use lockstep_core::ids::AccountRef;
use lockstep_core::money::{Amount, Net};
use lockstep_core::signature::StateSignature;
use thiserror::Error;

pub(crate) use hello::{head_from, head_to};
pub use hello::{hello_from, hello_to, proof_from, proof_to};
pub use message::{message_from, message_to};

/// A message that does not mean anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Malformed {
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
    /// What is inside belongs to another channel than the message.
    #[error("{field} belongs to another channel")]
    OtherChannel {
        /// Which.
        field: &'static str,
    },
}

impl Malformed {
    /// An honest peer sends no such thing.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Absent { .. }
            | Self::OutOfRange { .. }
            | Self::TooMany { .. }
            | Self::OtherChannel { .. } => ErrorClass::PeerFault,
        }
    }
}

/// A core type with a form on the wire.
pub(crate) trait Wire: Sized {
    /// The form on the wire.
    type Proto;

    /// The form of a value.
    fn to_proto(&self) -> Self::Proto;

    /// The value of a form.
    ///
    /// # Errors
    /// [`Malformed`] at the first field that does not hold.
    fn from_proto(proto: Self::Proto) -> Result<Self, Malformed>;
}

/// A field that must be there.
pub(crate) fn required<T: Wire>(
    proto: Option<T::Proto>,
    field: &'static str,
) -> Result<T, Malformed> {
    T::from_proto(proto.ok_or(Malformed::Absent { field })?)
}

/// A list with a limit.
pub(crate) fn list<T: Wire>(
    protos: Vec<T::Proto>,
    limit: usize,
    field: &'static str,
) -> Result<Vec<T>, Malformed> {
    if protos.len() > limit {
        return Err(Malformed::TooMany { field, len: protos.len() });
    }
    protos.into_iter().map(T::from_proto).collect()
}

/// The forms of a list.
pub(crate) fn protos<T: Wire>(values: &[T]) -> Vec<T::Proto> {
    values.iter().map(T::to_proto).collect()
}

/// Bytes of exactly `N`.
pub(crate) fn fixed<const N: usize>(
    bytes: &[u8],
    field: &'static str,
) -> Result<[u8; N], Malformed> {
    bytes.try_into().map_err(|_| Malformed::OutOfRange { field })
}

pub(crate) fn hash(bytes: &[u8], field: &'static str) -> Result<B256, Malformed> {
    fixed(bytes, field).map(B256::new)
}

pub(crate) fn address(bytes: &[u8], field: &'static str) -> Result<Address, Malformed> {
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

pub(crate) fn signature(bytes: &[u8], field: &'static str) -> Result<StateSignature, Malformed> {
    fixed(bytes, field).map(StateSignature)
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
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(zeros..).unwrap_or_default().to_vec()
}

/// A sum of locks, which fits the contract's packed width.
fn locked(bytes: &[u8], field: &'static str) -> Result<Amount, Malformed> {
    amount(bytes, field)?.checked_locked().map_err(|_| Malformed::OutOfRange { field })
}

fn net(bytes: &[u8], field: &'static str) -> Result<Net, Malformed> {
    let value = I256::from_be_bytes(fixed::<32>(bytes, field)?);
    Net::from_i256(value).map_err(|_| Malformed::OutOfRange { field })
}

fn net_bytes(net: Net) -> Vec<u8> {
    net.to_i256().to_be_bytes::<32>().to_vec()
}
