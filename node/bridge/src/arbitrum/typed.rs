//! Hashes of ArbOS's own transactions: a type byte and a list in RLP.

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_rlp::{Encodable, Header};

/// Plain ether from L1. Source: nitro go-ethereum `ArbitrumDepositTxType`.
pub(super) const DEPOSIT: u8 = 0x64;
/// An attempt to run a ticket.
pub(super) const RETRY: u8 = 0x68;
/// The creation of a ticket.
pub(super) const SUBMIT_RETRYABLE: u8 = 0x69;

/// The list that is hashed, field by field.
#[derive(Debug, Default)]
pub(super) struct Fields(Vec<u8>);

impl Fields {
    pub(super) fn number(mut self, value: U256) -> Self {
        value.encode(&mut self.0);
        self
    }

    pub(super) fn word(mut self, value: B256) -> Self {
        value.encode(&mut self.0);
        self
    }

    pub(super) fn address(mut self, value: Address) -> Self {
        value.encode(&mut self.0);
        self
    }

    /// A receiver; nobody (a creation) is the empty string.
    pub(super) fn receiver(mut self, value: Address) -> Self {
        match value.is_zero() {
            true => Bytes::new().encode(&mut self.0),
            false => value.encode(&mut self.0),
        }
        self
    }

    pub(super) fn bytes(mut self, value: &Bytes) -> Self {
        value.encode(&mut self.0);
        self
    }

    /// The transaction's hash.
    pub(super) fn hash(self, kind: u8) -> B256 {
        let mut encoded = vec![kind];
        Header { list: true, payload_length: self.0.len() }.encode(&mut encoded);
        encoded.extend_from_slice(&self.0);
        keccak256(encoded)
    }
}
