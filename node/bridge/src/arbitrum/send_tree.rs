//! The tree of all messages to L1, whose root an assertion carries there.
//!
//! A binary tree of the least depth that holds all leaves; a subtree without leaves is a zero word whatever its
//! depth, and two of them are never hashed. Source: nitro `merkleAccumulator`, `NodeInterface.constructOutboxProof`.

use alloy_primitives::{B256, keccak256};

fn parent(left: B256, right: B256) -> B256 {
    keccak256([left, right].concat())
}

/// All levels above the leaves, lowest first; the leaves are not among them.
fn levels_above(leaves: &[B256]) -> Vec<Vec<B256>> {
    let mut levels: Vec<Vec<B256>> = Vec::new();
    loop {
        let below = levels.last().map_or(leaves, Vec::as_slice);
        if below.len() <= 1 {
            return levels;
        }
        let hash_pair = |pair: &[B256]| match pair {
            [left, right] => parent(*left, *right),
            [left] => parent(*left, B256::ZERO),
            _ => B256::ZERO,
        };
        levels.push(below.chunks(2).map(hash_pair).collect());
    }
}

/// The root over these leaves; a zero word if there are none.
pub fn root(leaves: &[B256]) -> B256 {
    let levels = levels_above(leaves);
    let top = levels.last().map_or(leaves, Vec::as_slice);
    top.first().copied().unwrap_or_default()
}

/// The neighbours on the way from a leaf to the root, lowest first; none if there is no such leaf.
pub fn proof(leaves: &[B256], position: u64) -> Option<Vec<B256>> {
    let mut place = usize::try_from(position).ok()?;
    leaves.get(place)?;
    let levels = levels_above(leaves);
    let below_root = levels.len();
    let neighbours =
        core::iter::once(leaves).chain(levels.iter().map(Vec::as_slice)).take(below_root);
    Some(
        neighbours
            .map(|level| {
                let neighbour = level.get(place ^ 1).copied().unwrap_or_default();
                place >>= 1;
                neighbour
            })
            .collect(),
    )
}

/// The root that a leaf and its neighbours lead to; none if a tree of that depth has no such position.
///
/// Source: nitro-contracts `Outbox.calculateMerkleRoot`, `recordOutputAsSpent`.
pub fn root_from_proof(leaf: B256, position: u64, proof: &[B256]) -> Option<B256> {
    let depth = u32::try_from(proof.len()).ok()?;
    let is_outside = position.checked_shr(depth).is_some_and(|rest| rest != 0);
    if is_outside || depth >= 256 {
        return None;
    }
    let mut path = position;
    Some(proof.iter().fold(leaf, |node, neighbour| {
        let joined = match path & 1 {
            0 => parent(node, *neighbour),
            _ => parent(*neighbour, node),
        };
        path >>= 1;
        joined
    }))
}
