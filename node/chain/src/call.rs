//! From what is owed to the bytes that the contract takes.

use crate::convert;
use crate::error::ChainError;
use alloy_primitives::{Address, Bytes};
use alloy_sol_types::SolCall;
use lockstep_contracts::bindings::{PaymentChannel as abi, SecretRegistry};
use lockstep_core::chain::{ChainCall, Evidence};
use lockstep_core::signature::StateSignature;
use lockstep_core::state::CloseIntent;
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
