use super::*;
use alloy_trie::{HashBuilder, proof::ProofRetainer};

/// A trie with these slots, and the proof of one of them.
fn trie(slots: &[(B256, U256)], wanted: B256) -> (B256, Vec<Bytes>) {
    let mut leaves: Vec<_> =
        slots.iter().map(|(slot, value)| (Nibbles::unpack(keccak256(slot)), *value)).collect();
    leaves.sort();
    let retained = ProofRetainer::new(vec![Nibbles::unpack(keccak256(wanted))]);
    let mut builder = HashBuilder::default().with_proof_retainer(retained);
    for (key, value) in leaves {
        builder.add_leaf(key, &alloy_rlp::encode(value));
    }
    let root = builder.root();
    let nodes = builder.take_proof_nodes().into_nodes_sorted();
    (root, nodes.into_iter().map(|(_, node)| node).collect())
}

fn account_of(storage_hash: B256, path: Vec<Bytes>) -> (BlockCommitment, AccountProof) {
    let account = TrieAccount {
        nonce: 1,
        balance: U256::from(5),
        storage_root: storage_hash,
        code_hash: B256::repeat_byte(9),
    };
    let place = Nibbles::unpack(keccak256(MESSAGE_PASSER));
    let mut builder = HashBuilder::default().with_proof_retainer(ProofRetainer::new(vec![place]));
    builder.add_leaf(place, &alloy_rlp::encode(account));
    let state_root = builder.root();
    let nodes = builder.take_proof_nodes().into_nodes_sorted();
    let proof = AccountProof {
        balance: U256::from(5),
        code_hash: B256::repeat_byte(9),
        nonce: U64::from(1),
        storage_hash,
        account_proof: nodes.into_iter().map(|(_, node)| node).collect(),
        storage_proof: vec![SlotProof { value: U256::from(1), proof: path }],
    };
    (BlockCommitment { hash: B256::repeat_byte(7), state_root }, proof)
}

fn withdrawals(count: u64) -> Vec<B256> {
    (0..count).map(|number| keccak256(number.to_be_bytes())).collect()
}

#[test]
fn a_withdrawal_among_many_is_proven_and_no_byte_of_the_proof_may_differ() {
    let all = withdrawals(300);
    let slots: Vec<_> = all.iter().map(|hash| (storage_slot(*hash), U256::from(1))).collect();
    let wanted = all[17];
    let (root, path) = trie(&slots, storage_slot(wanted));
    let (block, proof) = account_of(root, path);
    let proven = verify(wanted, block, &proof).unwrap();
    assert_eq!(proven.root.messagePasserStorageRoot, root);
    assert_eq!(proven.path, proof.storage_proof[0].proof);

    for (node, bytes) in proof.storage_proof[0].proof.iter().enumerate() {
        for byte in 0..bytes.len() {
            let mut forged = proof.clone();
            let mut changed = bytes.to_vec();
            changed[byte] ^= 1;
            forged.storage_proof[0].proof[node] = changed.into();
            let refused = verify(wanted, block, &forged);
            assert!(
                matches!(refused, Err(BridgeError::BadProof { .. })),
                "node {node} byte {byte}"
            );
        }
    }
    let other = BlockCommitment { state_root: B256::repeat_byte(1), ..block };
    assert!(verify(wanted, other, &proof).is_err());
    let poorer = AccountProof { balance: U256::from(4), ..proof.clone() };
    assert!(verify(wanted, block, &poorer).is_err());
    // Another withdrawal's proof is not this one's.
    assert!(verify(all[18], block, &proof).is_err());
    let empty = AccountProof { storage_proof: Vec::new(), ..proof };
    assert!(verify(wanted, block, &empty).is_err());
}

#[test]
fn a_slot_that_holds_anything_but_one_proves_nothing() {
    let all = withdrawals(20);
    let slots: Vec<_> = all.iter().map(|hash| (storage_slot(*hash), U256::from(2))).collect();
    let (root, path) = trie(&slots, storage_slot(all[3]));
    let (block, proof) = account_of(root, path);
    assert!(verify(all[3], block, &proof).is_err());
}

#[test]
fn a_leaf_inside_of_its_branch_is_handed_over_as_a_node_of_its_own() {
    // A branch whose sixth place holds a leaf of three nibbles with the value 1.
    let key = B256::with_last_byte(0x42);
    let nibbles = Nibbles::unpack(key);
    let depth = nibbles.len() - 3;
    let chosen = usize::from(nibbles.get(depth - 1).unwrap());
    let leaf: Vec<u8> = vec![0xc4, 0x82, 0x30, 0x42, 0x01];
    let mut body = Vec::new();
    for place in 0..17 {
        if place == chosen { body.extend_from_slice(&leaf) } else { body.push(0x80) }
    }
    let mut branch = Vec::new();
    Header { list: true, payload_length: body.len() }.encode(&mut branch);
    branch.extend_from_slice(&body);
    // As many nodes as nibbles were used.
    let path = vec![Bytes::from(branch.clone()); depth];
    let longer = with_embedded_leaf(key, path.clone());
    assert_eq!(longer.len(), depth + 1);
    assert_eq!(longer.last().unwrap().as_ref(), leaf);
    // Of another key it is none.
    assert_eq!(with_embedded_leaf(B256::with_last_byte(0x43), path.clone()).len(), depth);
}

/// What an independent implementation makes of a recorded state, as the vector file has it.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vector {
    name: String,
    block: RecordedBlock,
    proof: AccountProof,
    withdrawal: RecordedWithdrawal,
    expected: Expected,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct RecordedBlock {
    hash: B256,
    state_root: B256,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct RecordedWithdrawal {
    nonce: String,
    sender: alloy_primitives::Address,
    target: alloy_primitives::Address,
    value: String,
    gas_limit: String,
    data: Bytes,
    withdrawal_hash: B256,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Expected {
    output_root_proof: ExpectedRoot,
    output_root: B256,
    withdrawal_proof: Vec<Bytes>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExpectedRoot {
    version: B256,
    state_root: B256,
    message_passer_storage_root: B256,
    latest_blockhash: B256,
}

#[test]
fn p96_every_recorded_withdrawal_is_proven_with_the_bytes_that_an_independent_prover_hands_over() {
    use crate::optimism::abi::WithdrawalTransaction;
    use crate::optimism::withdrawal::{output_root, withdrawal_hash};
    let file = include_str!("../../../../../tests/vectors/optimism-proofs.json");
    let file: serde_json::Value = serde_json::from_str(file).unwrap();
    let vectors: Vec<Vector> = serde_json::from_value(file["proofs"].clone()).unwrap();
    let mut depths = Vec::new();
    for Vector { name, block, proof, withdrawal, expected } in vectors {
        let number = |text: &str| text.parse::<U256>().unwrap();
        let hash = withdrawal_hash(&WithdrawalTransaction {
            nonce: number(&withdrawal.nonce),
            sender: withdrawal.sender,
            target: withdrawal.target,
            value: number(&withdrawal.value),
            gasLimit: number(&withdrawal.gas_limit),
            data: withdrawal.data,
        });
        assert_eq!(hash, withdrawal.withdrawal_hash, "{name}");
        let block = BlockCommitment { hash: block.hash, state_root: block.state_root };
        let proven = verify(hash, block, &proof).unwrap();
        let ExpectedRoot { version, state_root, message_passer_storage_root, latest_blockhash } =
            expected.output_root_proof;
        let root = OutputRootProof {
            version,
            stateRoot: state_root,
            messagePasserStorageRoot: message_passer_storage_root,
            latestBlockhash: latest_blockhash,
        };
        assert_eq!(proven.root, root, "{name}");
        assert_eq!(output_root(&proven.root), expected.output_root, "{name}");
        assert_eq!(proven.path, expected.withdrawal_proof, "{name}");
        depths.push(proven.path.len());
        // The same proof for another withdrawal, or in another state, is refused.
        assert!(verify(B256::repeat_byte(3), block, &proof).is_err(), "{name}");
        let other = BlockCommitment { state_root: B256::repeat_byte(3), ..block };
        assert!(verify(hash, other, &proof).is_err(), "{name}");
    }
    // A trie of one leaf, of more levels, and one whose leaf is inside of its branch.
    assert_eq!((depths.len(), depths.first(), depths.last()), (4, Some(&1), Some(&3)));
    assert!(depths.contains(&2), "{depths:?}");
}
