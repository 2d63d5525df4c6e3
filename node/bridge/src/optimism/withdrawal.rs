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
