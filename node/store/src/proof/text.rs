//! The file as JSON. Numbers that may exceed 53 bits are decimal strings, bytes are hex.

use alloy_primitives::{Address, B256, U256, hex};
use lockstep_core::{
    ids::{AccountRef, ChannelId, Domain, Version},
    lock::{Lock, MAX_EXPIRY},
    message::SignedState,
    money::{Amount, Net},
    signature::StateSignature,
    state::{State, StateKind},
    terms::Terms,
    time::BlockTimestamp,
};
use serde::{Deserialize, Serialize};

use super::{Proof, ProofError, calls};

/// Name and version of the format.
const FORMAT: &str = "lockstep-proof/1";

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct File {
    format: String,
    chain: Chain,
    channel_id: B256,
    terms: TermsText,
    state: StateText,
    locks: Vec<LockText>,
    signature1: String,
    signature2: String,
    #[serde(default, skip_deserializing)]
    calls: Vec<CallText>,
}

/// Chain and contract.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "kind")]
pub(super) enum Chain {
    Evm { chain_id: u64, contract: Address },
    Starknet { chain_id: B256, hub: B256 },
}

/// A channel's terms.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TermsText {
    participant1: String,
    participant2: String,
    signer1: Address,
    signer2: Address,
    token: String,
    challenge_period: u32,
    salt: B256,
}

/// What is signed, but for the channel's id.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StateText {
    version: String,
    kind: u8,
    net: String,
    locked1: String,
    locked2: String,
    locks_root: B256,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LockText {
    hash: B256,
    resolver: String,
    amount: String,
    expiry: u64,
    from1: bool,
}

#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct CallText {
    purpose: String,
    function: String,
    to: String,
    calldata: String,
}

impl File {
    /// The file of evidence.
    pub(super) fn of(proof: &Proof) -> Self {
        let Proof { domain, terms, signed } = proof;
        let state = &signed.state;
        let to = match *domain {
            Domain::Evm { contract, .. } => contract.to_string(),
            Domain::Starknet { hub, .. } => hub.to_string(),
        };
        let call = |call: calls::Call| CallText {
            purpose: call.purpose.to_owned(),
            function: call.function.to_owned(),
            to: to.clone(),
            calldata: hex::encode_prefixed(call.calldata),
        };
        Self {
            format: FORMAT.to_owned(),
            chain: Chain::of(*domain),
            channel_id: state.channel_id.0,
            terms: TermsText::of(terms),
            state: StateText::of(state),
            locks: signed.locks.iter().map(LockText::of).collect(),
            signature1: hex::encode_prefixed(signed.signature1.0),
            signature2: hex::encode_prefixed(signed.signature2.0),
            calls: calls::calls(terms, signed).into_iter().map(call).collect(),
        }
    }

    /// The evidence of a file, checked as a whole.
    pub(super) fn proof(self) -> Result<Proof, ProofError> {
        if self.format != FORMAT {
            return Err(ProofError::UnknownFormat);
        }
        let domain = self.chain.domain();
        let terms = self.terms.terms()?;
        let state = self.state.state(ChannelId(self.channel_id))?;
        let locks: Result<Vec<_>, _> = self.locks.into_iter().map(LockText::lock).collect();
        let signed = SignedState {
            state,
            locks: locks?,
            signature1: signature(&self.signature1, "signature1")?,
            signature2: signature(&self.signature2, "signature2")?,
        };
        Proof::new(domain, terms, signed)
    }
}

impl Chain {
    pub(super) fn of(domain: Domain) -> Self {
        match domain {
            Domain::Evm { chain_id, contract } => Self::Evm { chain_id, contract },
            Domain::Starknet { chain_id, hub } => Self::Starknet { chain_id, hub },
        }
    }

    pub(super) fn domain(self) -> Domain {
        match self {
            Self::Evm { chain_id, contract } => Domain::Evm { chain_id, contract },
            Self::Starknet { chain_id, hub } => Domain::Starknet { chain_id, hub },
        }
    }
}

impl TermsText {
    pub(super) fn of(terms: &Terms) -> Self {
        Self {
            participant1: account_text(terms.participant1),
            participant2: account_text(terms.participant2),
            signer1: terms.signer1,
            signer2: terms.signer2,
            token: account_text(terms.token),
            challenge_period: terms.challenge_period,
            salt: terms.salt,
        }
    }

    pub(super) fn terms(&self) -> Result<Terms, ProofError> {
        Ok(Terms {
            participant1: account(&self.participant1, "terms.participant1")?,
            participant2: account(&self.participant2, "terms.participant2")?,
            signer1: self.signer1,
            signer2: self.signer2,
            token: account(&self.token, "terms.token")?,
            challenge_period: self.challenge_period,
            salt: self.salt,
        })
    }
}

impl StateText {
    pub(super) fn of(state: &State) -> Self {
        Self {
            version: state.version.to_string(),
            kind: state.kind.number(),
            net: state.net.get().to_string(),
            locked1: state.locked1.to_string(),
            locked2: state.locked2.to_string(),
            locks_root: state.locks_root,
        }
    }

    pub(super) fn state(&self, channel_id: ChannelId) -> Result<State, ProofError> {
        let kind = StateKind::from_number(self.kind);
        Ok(State {
            channel_id,
            version: Version(number(&self.version, "state.version")?),
            kind: kind.ok_or(ProofError::Field { field: "state.kind" })?,
            net: net(&self.net)?,
            locked1: amount(&self.locked1, "state.locked1")?,
            locked2: amount(&self.locked2, "state.locked2")?,
            locks_root: self.locks_root,
        })
    }
}

impl LockText {
    fn of(lock: &Lock) -> Self {
        Self {
            hash: lock.hash,
            resolver: account_text(lock.resolver),
            amount: lock.amount.to_string(),
            expiry: lock.expiry.0,
            from1: lock.from1,
        }
    }

    fn lock(self) -> Result<Lock, ProofError> {
        if self.expiry > MAX_EXPIRY {
            return Err(ProofError::Field { field: "lock.expiry" });
        }
        Ok(Lock {
            hash: self.hash,
            resolver: account(&self.resolver, "lock.resolver")?,
            amount: amount(&self.amount, "lock.amount")?,
            expiry: BlockTimestamp(self.expiry),
            from1: self.from1,
        })
    }
}

fn account_text(account: AccountRef) -> String {
    match account {
        AccountRef::Evm(address) => address.to_string(),
        AccountRef::Starknet(felt) => felt.to_string(),
    }
}

fn account(text: &str, field: &'static str) -> Result<AccountRef, ProofError> {
    let bytes = hex::decode(text).map_err(|_| ProofError::Field { field })?;
    match bytes.len() {
        20 => Ok(AccountRef::Evm(Address::from_slice(&bytes))),
        32 => Ok(AccountRef::Starknet(B256::from_slice(&bytes))),
        _ => Err(ProofError::Field { field }),
    }
}

pub(super) fn signature(text: &str, field: &'static str) -> Result<StateSignature, ProofError> {
    let bytes = hex::decode_to_array(text).map_err(|_| ProofError::Field { field })?;
    Ok(StateSignature(bytes))
}

fn number(text: &str, field: &'static str) -> Result<u64, ProofError> {
    text.parse().map_err(|_| ProofError::Field { field })
}

fn amount(text: &str, field: &'static str) -> Result<Amount, ProofError> {
    let value = U256::from_str_radix(text, 10).map_err(|_| ProofError::Field { field })?;
    Ok(Amount::from_u256(value))
}

fn net(text: &str) -> Result<Net, ProofError> {
    let net = text.parse().ok().and_then(|value| Net::new(value).ok());
    net.ok_or(ProofError::Field { field: "state.net" })
}
