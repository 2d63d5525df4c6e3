//! From what is owed to the bytes that the contract takes.

use crate::convert;
use crate::error::ChainError;
use crate::token::IERC20;
use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::SolCall;
use lockstep_contracts::bindings::{PaymentChannel as abi, SecretRegistry};
use lockstep_core::chain::{ChainCall, Evidence};
use lockstep_core::entry::EntryCall;
use lockstep_core::ids::{AccountRef, ChainRef};
use lockstep_core::money::Amount;
use lockstep_core::signature::StateSignature;
use lockstep_core::state::{CloseIntent, Open};
use lockstep_core::terms::Terms;

/// Where the contracts of a deployment are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contracts {
    /// Chain id, part of every transaction.
    pub chain_id: u64,
    /// The channel contract.
    pub channel: Address,
    /// The registry of secrets.
    pub registry: Address,
}

impl From<&lockstep_contracts::deployment::Deployment> for Contracts {
    fn from(deployment: &lockstep_contracts::deployment::Deployment) -> Self {
        Self {
            chain_id: deployment.chain_id,
            channel: deployment.channel.address,
            registry: deployment.registry.address,
        }
    }
}

/// An order to close for whoever sends it.
pub type SignedIntent = (CloseIntent, StateSignature);

/// Whom to call, with what, and what comes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// Whom.
    pub to: Address,
    /// Native coin that goes along. Units: wei.
    pub value: U256,
    /// Calldata.
    pub data: Bytes,
}

/// A payment into the contract as a call.
///
/// # Errors
/// If an account belongs to another kind of chain.
pub fn encode_entry(contracts: &Contracts, call: &EntryCall) -> Result<Payload, ChainError> {
    let coin = |token: AccountRef, amount: &Amount| match token.is_zero() {
        true => amount.to_u256(),
        false => U256::ZERO,
    };
    let channel =
        |data: Vec<u8>, value| Payload { to: contracts.channel, value, data: data.into() };
    Ok(match call {
        EntryCall::Open { terms, amount, consent } => {
            let value = coin(terms.token, amount);
            let (terms, amount) = (convert::terms(terms)?, amount.to_u256());
            let accept = consent.as_ref().map(acceptance).unwrap_or_default();
            channel(abi::openChannelCall { terms, amount, accept }.abi_encode(), value)
        }
        EntryCall::Join { terms, amount } => {
            let value = coin(terms.token, amount);
            let (terms, amount) = (convert::terms(terms)?, amount.to_u256());
            let accept = Bytes::new();
            channel(abi::joinChannelCall { terms, amount, accept }.abi_encode(), value)
        }
        EntryCall::Deposit { terms, side, amount } => {
            let value = coin(terms.token, amount);
            let (terms, amount) = (convert::terms(terms)?, amount.to_u256());
            let side = side.number();
            channel(abi::depositCall { terms, side, amount }.abi_encode(), value)
        }
        EntryCall::CancelOpen { terms } => {
            let (terms, intent) = (convert::terms(terms)?, convert::close_intent(None));
            channel(abi::cancelOpenCall { terms, intent }.abi_encode(), U256::ZERO)
        }
        EntryCall::TakeCredit { token, to, amount } => {
            let (token, to) = (convert::address(*token)?, convert::address(*to)?);
            let amount = amount.to_u256();
            channel(abi::withdrawCall { token, to, amount }.abi_encode(), U256::ZERO)
        }
        EntryCall::Approve { token, spender, amount } => {
            let (to, spender) = (convert::address(*token)?, convert::address(*spender)?);
            let amount = amount.to_u256();
            let data = IERC20::approveCall { spender, amount }.abi_encode().into();
            Payload { to, value: U256::ZERO, data }
        }
        EntryCall::Bridge(call) => {
            if call.chain != ChainRef::Evm(contracts.chain_id) {
                return Err(ChainError::Unfit);
            }
            let to = convert::address(call.to)?;
            Payload { to, value: call.value.to_u256(), data: call.data.clone().into() }
        }
    })
}

/// Side 2's consent in the contract's packed form.
///
/// Source: `IPaymentChannel.openChannel`, parameter `accept`.
pub fn acceptance((open, by): &(Open, StateSignature)) -> Bytes {
    let minimum = open.min_deposit1.to_u256().to_be_bytes::<32>();
    [minimum.as_slice(), &open.deadline.0.to_be_bytes(), &by.0].concat().into()
}

/// Whom to call with what.
///
/// # Errors
/// If the evidence is not complete, or does not fit the contract.
pub fn encode(
    contracts: &Contracts,
    terms: &Terms,
    call: &ChainCall,
    intent: Option<&SignedIntent>,
) -> Result<(Address, Bytes), ChainError> {
    let terms = convert::terms(terms)?;
    let to = contracts.channel;
    let data = match call {
        ChainCall::InitiateClose(evidence) => initiate(terms, evidence.as_ref(), intent)?,
        ChainCall::Challenge(evidence) => {
            let (signature1, signature2) = convert::evidence_signatures(evidence)?;
            let state = convert::state(&evidence.state);
            abi::challengeCloseCall { terms, state, signature1, signature2 }.abi_encode()
        }
        ChainCall::Close => abi::closeChannelCall { terms }.abi_encode(),
        ChainCall::CooperativeClose(evidence) => {
            let (signature1, signature2) = convert::evidence_signatures(evidence)?;
            let State { version, net, .. } = convert::state(&evidence.state);
            let state = abi::FinalState { version, net };
            abi::cooperativeCloseCall { terms, state, signature1, signature2 }.abi_encode()
        }
        ChainCall::PartialWithdraw(evidence) => {
            let (signature1, signature2) = convert::withdraw_signatures(evidence)?;
            let order = convert::partial_withdraw(&evidence.withdraw);
            abi::partialWithdrawCall { terms, order, signature1, signature2 }.abi_encode()
        }
        ChainCall::RegisterSecret { secret } => {
            let data = SecretRegistry::registerSecretCall { secrets: vec![*secret] }.abi_encode();
            return Ok((contracts.registry, data.into()));
        }
        ChainCall::ResolveLocks { locks, mask } => {
            let locks = locks.iter().map(convert::lock).collect::<Result<_, _>>()?;
            abi::resolveLocksCall { terms, locks, mask: *mask }.abi_encode()
        }
    };
    Ok((to, data.into()))
}

/// Many challenges in one call, of which the contract skips those that it does not take.
///
/// # Errors
/// If the evidence of one is not complete, or does not fit the contract.
pub fn encode_batch<'a>(
    contracts: &Contracts,
    rows: impl Iterator<Item = (&'a Terms, &'a Evidence)>,
) -> Result<(Address, Bytes), ChainError> {
    let item = |(terms, evidence): (&Terms, &Evidence)| {
        let (signature1, signature2) = convert::evidence_signatures(evidence)?;
        let (terms, state) = (convert::terms(terms)?, convert::state(&evidence.state));
        Ok(abi::ChallengeItem { terms, state, signature1, signature2 })
    };
    let items = rows.map(item).collect::<Result<Vec<_>, ChainError>>()?;
    Ok((contracts.channel, abi::challengeCloseBatchCall { items }.abi_encode().into()))
}

use abi::State;

fn initiate(
    terms: abi::Terms,
    evidence: Option<&Evidence>,
    intent: Option<&SignedIntent>,
) -> Result<Vec<u8>, ChainError> {
    let intent = convert::close_intent(intent);
    let (state, signature1, signature2) = match evidence {
        Some(evidence) => {
            let (signature1, signature2) = convert::evidence_signatures(evidence)?;
            (convert::state(&evidence.state), signature1, signature2)
        }
        None => (convert::no_state(), convert::no_signature(), convert::no_signature()),
    };
    Ok(abi::initiateCloseCall { terms, state, signature1, signature2, intent }.abi_encode())
}
