//! Storage proofs of withdrawals: fetched from any endpoint, believed for their own sake alone.

use super::abi::{MESSAGE_PASSER, OutputRootProof};
use super::withdrawal::storage_slot;
use crate::error::BridgeError;
use alloy_primitives::{B256, Bytes, U64, U256, keccak256};
use alloy_rlp::{Decodable, Header};
use alloy_trie::proof::verify_proof;
use alloy_trie::{Nibbles, TrieAccount};
use lockstep_chain::endpoint::{Endpoint, EndpointError};
use serde::Deserialize;
use serde_json::Value;

/// What `eth_getProof` answers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountProof {
    /// Units: wei.
    pub balance: U256,
    /// Hash of the code.
    pub code_hash: B256,
    /// Nonce.
    pub nonce: U64,
    /// Root of the account's storage.
    pub storage_hash: B256,
    /// From the state's root to the account.
    pub account_proof: Vec<Bytes>,
    /// From the storage's root to each slot.
    pub storage_proof: Vec<SlotProof>,
}

/// One slot of it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SlotProof {
    /// What the slot holds.
    pub value: U256,
    /// From the storage's root to the slot.
    pub proof: Vec<Bytes>,
}

/// A block as far as a root commits to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockCommitment {
    /// Its hash.
    pub hash: B256,
    /// Root of the state after it.
    pub state_root: B256,
}

/// A withdrawal's place in a block's state, as the portal takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WithdrawalProof {
    /// What the proposed root is the hash of.
    pub root: OutputRootProof,
    /// From the message passer's storage root to the withdrawal.
    pub path: Vec<Bytes>,
}

/// Checks that a block's state holds a withdrawal, from the block's own roots down to the slot.
///
/// # Errors
/// [`BridgeError::BadProof`] if any part is not what it says.
pub fn verify(
    withdrawal: B256,
    block: BlockCommitment,
    proof: &AccountProof,
) -> Result<WithdrawalProof, BridgeError> {
    let bad = || BridgeError::BadProof { withdrawal };
    let account = TrieAccount {
        nonce: proof.nonce.to::<u64>(),
        balance: proof.balance,
        storage_root: proof.storage_hash,
        code_hash: proof.code_hash,
    };
    let place = Nibbles::unpack(keccak256(MESSAGE_PASSER));
    let account = Some(alloy_rlp::encode(account));
    verify_proof(block.state_root, place, account, &proof.account_proof).map_err(|_| bad())?;
    let slot = proof.storage_proof.first().ok_or_else(bad)?;
    let key = keccak256(storage_slot(withdrawal));
    let held = Some(alloy_rlp::encode(U256::from(1)));
    verify_proof(proof.storage_hash, Nibbles::unpack(key), held, &slot.proof).map_err(|_| bad())?;
    let root = OutputRootProof {
        version: B256::ZERO,
        stateRoot: block.state_root,
        messagePasserStorageRoot: proof.storage_hash,
        latestBlockhash: block.hash,
    };
    Ok(WithdrawalProof { root, path: with_embedded_leaf(key, slot.proof.clone()) })
}

/// The portal wants the leaf as a node of its own, also where the trie keeps it inside of its branch.
///
/// Source: OP Stack `MerkleTrie`; a leaf shorter than 32 bytes is embedded (yellow paper, appendix D).
fn with_embedded_leaf(key: B256, mut path: Vec<Bytes>) -> Vec<Bytes> {
    let leaf = path.last().and_then(|last| embedded_leaf(key, last, path.len()));
    path.extend(leaf);
    path
}

fn embedded_leaf(key: B256, branch: &[u8], depth: usize) -> Option<Bytes> {
    let mut rest = branch;
    let mut body = Header::decode_bytes(&mut rest, true).ok()?;
    let mut items = Vec::new();
    while !body.is_empty() {
        let before = body;
        let header = Header::decode(&mut body).ok()?;
        let (_, after) = body.split_at_checked(header.payload_length)?;
        let length = before.len().checked_sub(after.len())?;
        items.push((header.list, before.get(..length)?));
        body = after;
    }
    if items.len() != 17 {
        return None;
    }
    // At least one nibble of the key was used per node, this branch included.
    let nibbles = Nibbles::unpack(key);
    for used in depth..=nibbles.len() {
        let chosen = usize::from(nibbles.get(used.checked_sub(1)?)?);
        let (is_node, bytes) = items.get(chosen)?;
        if !is_node {
            continue;
        }
        let mut node = *bytes;
        let mut inside = Header::decode_bytes(&mut node, true).ok()?;
        let suffix = Bytes::decode(&mut inside).ok()?;
        let wanted = nibbles.slice(used..);
        let (is_leaf, found) = decode_path(&suffix)?;
        if is_leaf && found == wanted {
            return Some(Bytes::copy_from_slice(bytes));
        }
    }
    None
}

/// A path in the trie's compact form.
fn decode_path(compact: &[u8]) -> Option<(bool, Nibbles)> {
    let all = Nibbles::unpack(compact);
    let flag = all.get(0)?;
    let skip = if flag & 1 == 1 { 1 } else { 2 };
    (all.len() >= skip).then(|| (flag & 2 == 2, all.slice(skip..)))
}

/// Asks one endpoint for a block and the proof in its state.
///
/// # Errors
/// If it does not have them (any more), or the block's hash is not its own.
pub async fn fetch(
    endpoint: &Endpoint,
    withdrawal: B256,
    block: u64,
) -> Result<(BlockCommitment, AccountProof), EndpointError> {
    let number = U64::from(block);
    let found: Value = endpoint.request("eth_getBlockByNumber", (number, false)).await?;
    let header = endpoint.full_header("eth_getBlockByNumber", &found)?;
    let slots = [storage_slot(withdrawal)];
    let proof = endpoint.request("eth_getProof", (MESSAGE_PASSER, slots, number)).await?;
    Ok((BlockCommitment { hash: header.hash_slow(), state_root: header.state_root }, proof))
}

#[cfg(test)]
mod tests;
