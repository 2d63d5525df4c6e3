//! Deposits: what the rollup will carry out for a log of the portal, and the hash that it will have there.
//!
//! Source: OP Stack specification, "Deposits".

use super::abi::{DEPOSITED, IPortal};
use alloy::rpc::types::Log;
use alloy_primitives::{Address, B256, Bytes, U256, address, keccak256};
use alloy_rlp::{BufMut, Encodable, Header};
use alloy_sol_types::SolEvent;
use lockstep_core::error::ErrorClass;
use thiserror::Error;

/// EIP-2718 type of a deposit.
const DEPOSIT_TYPE: u8 = 0x7e;
/// Domain of a user's deposit in its source hash.
const USER_DOMAIN: B256 = B256::ZERO;
/// Packed before the calldata: mint, value, gas limit, whether it creates.
const OPAQUE_HEAD: usize = 73;
/// What a contract's address is moved by on its way to the rollup.
const ALIAS_OFFSET: Address = address!("1111000000000000000000000000000000001111");

/// Why a log is no deposit that this version understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DepositLogError {
    /// It is another event.
    #[error("log is no deposit")]
    OtherEvent,
    /// It is not in a block yet.
    #[error("log is in no block")]
    Pending,
    /// A version of the encoding that is not known.
    #[error("deposit has an unknown version")]
    UnknownVersion,
    /// It is cut short, or a number in it is too large.
    #[error("deposit can't be read")]
    Malformed,
}

impl DepositLogError {
    /// An endpoint has sent something strange.
    pub fn class(&self) -> ErrorClass {
        ErrorClass::Transient
    }
}

/// A transaction that L1 puts into the rollup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DepositTx {
    /// Which log, uniquely.
    pub source_hash: B256,
    /// Who calls.
    pub from: Address,
    /// Whom; none creates a contract.
    pub to: Option<Address>,
    /// Coin that appears at `from`, whether or not the call works. Units: wei.
    pub mint: u128,
    /// Coin that the call moves. Units: wei.
    pub value: U256,
    /// Gas that was bought on L1.
    pub gas_limit: u64,
    /// Whether it is one of the system's own; no user's is.
    pub is_system: bool,
    /// Calldata.
    pub input: Bytes,
}

impl DepositTx {
    /// What the rollup derives from a log of the portal.
    ///
    /// # Errors
    /// [`DepositLogError`].
    pub fn from_log(log: &Log) -> Result<Self, DepositLogError> {
        if log.topics().first() != Some(&DEPOSITED) {
            return Err(DepositLogError::OtherEvent);
        }
        let event = IPortal::TransactionDeposited::decode_log(&log.inner)
            .map_err(|_| DepositLogError::Malformed)?;
        if !event.version.is_zero() {
            return Err(DepositLogError::UnknownVersion);
        }
        let opaque = &event.opaqueData;
        let (head, input) =
            opaque.split_first_chunk::<OPAQUE_HEAD>().ok_or(DepositLogError::Malformed)?;
        let (mint, rest) = head.split_first_chunk::<32>().ok_or(DepositLogError::Malformed)?;
        let (value, rest) = rest.split_first_chunk::<32>().ok_or(DepositLogError::Malformed)?;
        let (gas, flag) = rest.split_first_chunk::<8>().ok_or(DepositLogError::Malformed)?;
        let mint = U256::from_be_bytes(*mint);
        let block = log.block_hash.ok_or(DepositLogError::Pending)?;
        let index = log.log_index.ok_or(DepositLogError::Pending)?;
        let is_creation = flag.first().is_some_and(|flag| *flag != 0);
        Ok(Self {
            source_hash: source_hash(USER_DOMAIN, block, U256::from(index)),
            from: event.from,
            to: (!is_creation).then_some(event.to),
            mint: u128::try_from(mint).map_err(|_| DepositLogError::Malformed)?,
            value: U256::from_be_bytes(*value),
            gas_limit: u64::from_be_bytes(*gas),
            is_system: false,
            input: Bytes::copy_from_slice(input),
        })
    }

    /// The transaction as the rollup encodes it.
    pub fn encode(&self) -> Bytes {
        let to = self.to.as_ref().map_or(&[][..], |to| to.as_slice());
        let payload_length = self
            .source_hash
            .length()
            .saturating_add(self.from.length())
            .saturating_add(to.length())
            .saturating_add(self.mint.length())
            .saturating_add(self.value.length())
            .saturating_add(self.gas_limit.length())
            .saturating_add(self.is_system.length())
            .saturating_add(self.input.length());
        let mut out = vec![DEPOSIT_TYPE];
        Header { list: true, payload_length }.encode(&mut out);
        self.encode_fields(to, &mut out);
        out.into()
    }

    fn encode_fields(&self, to: &[u8], out: &mut dyn BufMut) {
        self.source_hash.encode(out);
        self.from.encode(out);
        to.encode(out);
        self.mint.encode(out);
        self.value.encode(out);
        self.gas_limit.encode(out);
        self.is_system.encode(out);
        self.input.encode(out);
    }

    /// Its hash on the rollup.
    pub fn hash(&self) -> B256 {
        keccak256(self.encode())
    }
}

/// Names a deposit by where L1 has it.
pub fn source_hash(domain: B256, l1_block: B256, number: U256) -> B256 {
    let inner = keccak256([l1_block.0, number.to_be_bytes::<32>()].concat());
    keccak256([domain.0, inner.0].concat())
}

/// The deposits of a list of logs, in their order; other logs are passed over.
///
/// # Errors
/// If one of the portal's deposits can't be read.
pub fn deposits_of<'a>(
    logs: impl IntoIterator<Item = &'a Log>,
    portal: Address,
) -> Result<Vec<DepositTx>, DepositLogError> {
    logs.into_iter()
        .filter(|log| log.address() == portal && log.topics().first() == Some(&DEPOSITED))
        .map(DepositTx::from_log)
        .collect()
}

/// What a contract of L1 is called on the rollup.
pub fn aliased(contract: Address) -> Address {
    let offset = U256::from_be_slice(ALIAS_OFFSET.as_slice());
    let moved = U256::from_be_slice(contract.as_slice()).wrapping_add(offset);
    Address::from_word(B256::from(moved))
}

#[cfg(test)]
mod tests;
