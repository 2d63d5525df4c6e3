//! Withdrawals: how one is named, where the rollup keeps it, and what a proposed root commits to.
//!
//! Source: OP Stack specification, "Withdrawals".

use super::abi::{IMessagePasser, MESSAGE_PASSER, OutputRootProof, WithdrawalTransaction};
use alloy::rpc::types::Log;
use alloy_primitives::{B256, keccak256};
use alloy_sol_types::{SolEvent, SolValue};

/// The name of a withdrawal on both chains.
pub fn withdrawal_hash(withdrawal: &WithdrawalTransaction) -> B256 {
    let WithdrawalTransaction { nonce, sender, target, value, gasLimit, data } = withdrawal;
    keccak256((*nonce, *sender, *target, *value, *gasLimit, data.clone()).abi_encode_params())
}

/// Where the message passer keeps it.
pub fn storage_slot(withdrawal: B256) -> B256 {
    keccak256([withdrawal.0, B256::ZERO.0].concat())
}

/// What a proposed root is the hash of.
pub fn output_root(proof: &OutputRootProof) -> B256 {
    let OutputRootProof { version, stateRoot, messagePasserStorageRoot, latestBlockhash } = proof;
    keccak256([version.0, stateRoot.0, messagePasserStorageRoot.0, latestBlockhash.0].concat())
}

/// The withdrawal that a log of the message passer tells of, if its name is its own.
pub fn withdrawal_of(log: &Log) -> Option<WithdrawalTransaction> {
    if log.address() != MESSAGE_PASSER {
        return None;
    }
    let event = IMessagePasser::MessagePassed::decode_log(&log.inner).ok()?;
    let withdrawal = WithdrawalTransaction {
        nonce: event.nonce,
        sender: event.sender,
        target: event.target,
        value: event.value,
        gasLimit: event.gasLimit,
        data: event.data.data.clone(),
    };
    (withdrawal_hash(&withdrawal) == event.withdrawalHash).then_some(withdrawal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{Address, Bytes, U256};

    /// A withdrawal as the vector file has it.
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Vector {
        nonce: String,
        sender: Address,
        target: Address,
        value: String,
        gas_limit: String,
        data: Bytes,
        withdrawal_hash: B256,
        slot: B256,
    }

    #[test]
    fn every_withdrawal_has_the_name_and_place_that_an_independent_encoder_gives_it() {
        let file = include_str!("../../../../tests/vectors/optimism.json");
        let file: serde_json::Value = serde_json::from_str(file).unwrap();
        let vectors: Vec<Vector> = serde_json::from_value(file["withdrawals"].clone()).unwrap();
        assert!(vectors.len() >= 4);
        let number = |text: &str| text.parse::<U256>().unwrap();
        for vector in vectors {
            let withdrawal = WithdrawalTransaction {
                nonce: number(&vector.nonce),
                sender: vector.sender,
                target: vector.target,
                value: number(&vector.value),
                gasLimit: number(&vector.gas_limit),
                data: vector.data,
            };
            let hash = withdrawal_hash(&withdrawal);
            assert_eq!((hash, storage_slot(hash)), (vector.withdrawal_hash, vector.slot));
        }
    }
}
