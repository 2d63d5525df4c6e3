//! The calls that bring evidence to an EVM contract.

use alloy_primitives::{Address, B256};
use alloy_sol_types::SolCall;
use lockstep_core::{
    ids::AccountRef, message::SignedState, signature::StateSignature, state::StateKind,
    terms::Terms,
};

mod abi {
    //! The contract's functions, as its interface names them; a test compares their selectors.
    #![allow(missing_docs, clippy::too_many_arguments, unreachable_pub)]

    alloy_sol_types::sol! {
        struct Terms { address participant1; address participant2; address signer1; address signer2; address token; uint32 challengePeriod; bytes32 salt; }
        struct State { uint64 version; uint8 kind; int256 net; uint256 locked1; uint256 locked2; bytes32 locksRoot; }
        struct FinalState { uint64 version; int256 net; }
        struct Signature { bytes32 r; bytes32 vs; }
        struct CloseIntent { uint8 side; uint64 minVersion; uint64 deadline; Signature signature; }

        function initiateClose(Terms terms, State state, Signature signature1, Signature signature2, CloseIntent intent) external;
        function challengeClose(Terms terms, State state, Signature signature1, Signature signature2) external;
        function cooperativeClose(Terms terms, FinalState state, Signature signature1, Signature signature2) external;
    }
}

/// One call of the contract.
pub(super) struct Call {
    /// What it does and who may send it.
    pub(super) purpose: &'static str,
    /// The function and its types.
    pub(super) function: &'static str,
    /// The bytes to send.
    pub(super) calldata: Vec<u8>,
}

/// The calls that this state can be used in.
pub(super) fn calls(terms: &Terms, signed: &SignedState) -> Vec<Call> {
    let Some(sol_terms) = sol_terms(terms) else { return Vec::new() };
    let state = &signed.state;
    let (signature1, signature2) = (halves(signed.signature1), halves(signed.signature2));
    let sol_state = abi::State {
        version: state.version.0,
        kind: state.kind.number(),
        net: state.net.to_i256(),
        locked1: state.locked1.to_u256(),
        locked2: state.locked2.to_u256(),
        locksRoot: state.locks_root,
    };
    let challenge = abi::challengeCloseCall {
        terms: sol_terms.clone(),
        state: sol_state.clone(),
        signature1: signature1.clone(),
        signature2: signature2.clone(),
    };
    let initiate = abi::initiateCloseCall {
        terms: sol_terms.clone(),
        state: sol_state,
        signature1: signature1.clone(),
        signature2: signature2.clone(),
        intent: abi::CloseIntent { side: 0, minVersion: 0, deadline: 0, signature: no_signature() },
    };
    let mut calls = vec![
        Call {
            purpose: "answers a close with an older state; anyone may send it before the deadline",
            function: abi::challengeCloseCall::SIGNATURE,
            calldata: challenge.abi_encode(),
        },
        Call {
            purpose: "starts a close; a participant or a signer of the channel must send it",
            function: abi::initiateCloseCall::SIGNATURE,
            calldata: initiate.abi_encode(),
        },
    ];
    match state.kind {
        StateKind::Ordinary => {}
        StateKind::Final => {
            let close = abi::cooperativeCloseCall {
                terms: sol_terms,
                state: abi::FinalState { version: state.version.0, net: state.net.to_i256() },
                signature1,
                signature2,
            };
            calls.push(Call {
                purpose: "closes at once; anyone may send it",
                function: abi::cooperativeCloseCall::SIGNATURE,
                calldata: close.abi_encode(),
            });
        }
    }
    calls
}

/// Terms for the EVM contract; none on other chains.
fn sol_terms(terms: &Terms) -> Option<abi::Terms> {
    let evm = |account| match account {
        AccountRef::Evm(address) => Some(address),
        AccountRef::Starknet(_) => None,
    };
    let (participant1, participant2): (Address, Address) =
        (evm(terms.participant1)?, evm(terms.participant2)?);
    Some(abi::Terms {
        participant1,
        participant2,
        signer1: terms.signer1,
        signer2: terms.signer2,
        token: evm(terms.token)?,
        challengePeriod: terms.challenge_period,
        salt: terms.salt,
    })
}

fn halves(signature: StateSignature) -> abi::Signature {
    let (r, vs) = signature.0.split_at(32);
    abi::Signature { r: B256::right_padding_from(r), vs: B256::right_padding_from(vs) }
}

fn no_signature() -> abi::Signature {
    abi::Signature { r: B256::ZERO, vs: B256::ZERO }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The types of an ABI entry's inputs, as they are hashed.
    fn types(inputs: &serde_json::Value) -> String {
        let types: Vec<String> = inputs
            .as_array()
            .unwrap()
            .iter()
            .map(|input| match input["type"].as_str().unwrap() {
                "tuple" => format!("({})", types(&input["components"])),
                plain => plain.to_owned(),
            })
            .collect();
        types.join(",")
    }

    #[test]
    fn the_calls_are_functions_of_the_compiled_contract() {
        let artifact = include_str!("../../../../contracts/artifacts/PaymentChannel.json");
        let artifact: serde_json::Value = serde_json::from_str(artifact).unwrap();
        let of_contract: Vec<String> = artifact["abi"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|entry| entry["type"] == "function")
            .map(|entry| {
                format!("{}({})", entry["name"].as_str().unwrap(), types(&entry["inputs"]))
            })
            .collect();
        let ours = [
            abi::challengeCloseCall::SIGNATURE,
            abi::initiateCloseCall::SIGNATURE,
            abi::cooperativeCloseCall::SIGNATURE,
        ];
        for function in ours {
            assert!(of_contract.iter().any(|known| known == function), "{function}");
        }
    }
}
