//! A pool of transactions as strict as those of real nodes.

use alloy::consensus::{Transaction as _, TxEnvelope};
use alloy::eips::eip2718::Decodable2718;
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A replacement pays at least this much of both fees. Units: per cent of what it replaces.
const REPLACEMENT_PERCENT: u128 = 110;
/// Transactions of one account that may wait. Source: geth's `AccountSlots` and `AccountQueue` together.
const MAX_PER_ACCOUNT: usize = 80;

/// One thing that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolEvent {
    /// A transaction was taken for a nonce that was free.
    Taken {
        /// Which.
        hash: B256,
        /// Units: wei per gas.
        max_fee: u128,
    },
    /// A transaction took the place of another one.
    Replaced {
        /// The one that is gone.
        old: B256,
        /// The new one.
        hash: B256,
        /// Units: wei per gas.
        max_fee: u128,
    },
    /// A transaction was refused.
    Refused {
        /// Which.
        hash: B256,
        /// Why.
        refusal: Refusal,
    },
    /// A transaction pays enough and went to the node.
    Released {
        /// Which.
        hash: B256,
    },
    /// A transaction was forgotten.
    Evicted {
        /// Which.
        hash: B256,
    },
}

/// Why a transaction is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is here already.
    Known,
    /// Its nonce is used up.
    NonceTooLow,
    /// It pays too little more than the one in its place.
    Underpriced,
    /// The account has too many.
    Full,
}

impl Refusal {
    /// In the words of real nodes, which callers compare.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Known => "already known",
            Self::NonceTooLow => "nonce too low",
            Self::Underpriced => "replacement transaction underpriced",
            Self::Full => "txpool is full",
        }
    }
}

/// A transaction, read.
#[derive(Clone, Debug)]
pub struct Pooled {
    /// Its hash.
    pub hash: B256,
    /// Who signed it.
    pub sender: Address,
    envelope: TxEnvelope,
    raw: Bytes,
    is_released: bool,
}

/// What waits.
#[derive(Debug, Default)]
pub struct Pool {
    waiting: BTreeMap<(Address, u64), Pooled>,
    log: Vec<PoolEvent>,
}

impl Pool {
    /// What has happened.
    #[must_use]
    pub fn log(&self) -> &[PoolEvent] {
        &self.log
    }

    /// Takes a transaction of an account whose next nonce on chain is known.
    ///
    /// # Errors
    /// As a real pool refuses.
    pub fn take(&mut self, new: Pooled, next: u64) -> Result<(), Refusal> {
        let (hash, max_fee) = (new.hash, new.envelope.max_fee_per_gas());
        let place = (new.sender, new.envelope.nonce());
        let refusal = match self.waiting.get(&place) {
            _ if place.1 < next => Some(Refusal::NonceTooLow),
            Some(old) if old.hash == hash => Some(Refusal::Known),
            Some(old) if !replaces(&new.envelope, &old.envelope) => Some(Refusal::Underpriced),
            None if self.of(new.sender).count() >= MAX_PER_ACCOUNT => Some(Refusal::Full),
            Some(_) | None => None,
        };
        if let Some(refusal) = refusal {
            self.log.push(PoolEvent::Refused { hash, refusal });
            return Err(refusal);
        }
        let event = match self.waiting.insert(place, new) {
            Some(old) => PoolEvent::Replaced { old: old.hash, hash, max_fee },
            None => PoolEvent::Taken { hash, max_fee },
        };
        self.log.push(event);
        Ok(())
    }

    /// What pays a base fee and is not with the node yet.
    #[must_use]
    pub fn ready(&self, base_fee: u128) -> Vec<Bytes> {
        let pays =
            |pooled: &&Pooled| !pooled.is_released && pooled.envelope.max_fee_per_gas() >= base_fee;
        self.waiting.values().filter(pays).map(|pooled| pooled.raw.clone()).collect()
    }

    /// Whether the node has taken what it was offered.
    pub fn note_offered(&mut self, raw: &Bytes, is_taken: bool) {
        let found = self.waiting.values_mut().find(|pooled| pooled.raw == *raw);
        if let (Some(pooled), true) = (found, is_taken) {
            pooled.is_released = true;
            self.log.push(PoolEvent::Released { hash: pooled.hash });
        }
    }

    /// Accounts that something waits for.
    #[must_use]
    pub fn senders(&self) -> Vec<Address> {
        let mut senders: Vec<Address> = self.waiting.keys().map(|(sender, _)| *sender).collect();
        senders.dedup();
        senders
    }

    /// Forgets what an account has used up.
    pub fn forget_used(&mut self, sender: Address, next: u64) {
        self.waiting.retain(|(of, nonce), _| *of != sender || *nonce >= next);
    }

    /// Forgets everything.
    pub fn evict_all(&mut self) -> Vec<B256> {
        let evicted: Vec<B256> =
            core::mem::take(&mut self.waiting).into_values().map(|pooled| pooled.hash).collect();
        self.log.extend(evicted.iter().map(|hash| PoolEvent::Evicted { hash: *hash }));
        evicted
    }

    /// What waits under a hash, as a node shows it.
    #[must_use]
    pub fn find(&self, hash: &Value) -> Value {
        let found = self.waiting.values().find(|pooled| json!(pooled.hash) == *hash);
        let Some(Pooled { hash, sender, envelope, .. }) = found else { return Value::Null };
        let hex = |number: u128| json!(format!("{number:#x}"));
        json!({"hash": hash, "from": sender, "to": envelope.to(), "input": envelope.input(),
            "value": envelope.value(), "nonce": hex(envelope.nonce().into()),
            "gas": hex(envelope.gas_limit().into()), "type": hex(2),
            "maxFeePerGas": hex(envelope.max_fee_per_gas()),
            "maxPriorityFeePerGas": hex(envelope.max_priority_fee_per_gas().unwrap_or_default()),
            "blockHash": null, "blockNumber": null})
    }

    fn of(&self, sender: Address) -> impl Iterator<Item = &Pooled> {
        self.waiting.values().filter(move |pooled| pooled.sender == sender)
    }
}

fn replaces(new: &TxEnvelope, old: &TxEnvelope) -> bool {
    let rises = |new: u128, old: u128| new * 100 >= old * REPLACEMENT_PERCENT && new > old;
    let tip = |of: &TxEnvelope| of.max_priority_fee_per_gas().unwrap_or_default();
    rises(new.max_fee_per_gas(), old.max_fee_per_gas()) && rises(tip(new), tip(old))
}

/// Reads a transaction from a request's parameter.
#[must_use]
pub fn read(raw: &Value) -> Option<Pooled> {
    let raw: Bytes = serde_json::from_value(raw.clone()).ok()?;
    let envelope = TxEnvelope::decode_2718(&mut raw.as_ref()).ok()?;
    let signed = envelope.signature_hash();
    let sender = envelope.signature().recover_address_from_prehash(&signed).ok()?;
    Some(Pooled { hash: *envelope.tx_hash(), sender, envelope, raw, is_released: false })
}

/// The hash of a transaction that was sent.
#[must_use]
pub fn hash_of(raw: &Value) -> Value {
    let bytes: Bytes = serde_json::from_value(raw.clone()).unwrap_or_default();
    json!(keccak256(&bytes))
}

/// A number as JSON-RPC writes it.
#[must_use]
pub fn number(value: &Value) -> Option<u64> {
    let number: U256 = serde_json::from_value(value.clone()).ok()?;
    u64::try_from(number).ok()
}
