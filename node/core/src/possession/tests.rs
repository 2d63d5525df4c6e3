use super::*;
use crate::fixture;
use crate::ids::Side;

const BLOCK: B256 = B256::repeat_byte(0xb1);

fn record(index: u8) -> B256 {
    B256::repeat_byte(index)
}

fn insured(index: u8) -> Amount {
    Amount::from(u128::from(index))
}

fn tree(count: u8) -> Vec<Vec<SumNode>> {
    let leaves = (0..count).map(|index| SumNode::leaf(record(index), BLOCK, insured(index)));
    levels(leaves.collect()).unwrap()
}

fn signed(levels: &[Vec<SumNode>]) -> SignedRoot {
    let root = PossessionRoot {
        tower: fixture::signer_key(Side::Two).address(),
        epoch: 3,
        chain_id: 1,
        block_number: BlockNumber(9),
        block_hash: BLOCK,
        root: levels.last().unwrap()[0],
        channels: u64::try_from(levels[0].len()).unwrap(),
    };
    let signature = fixture::sign(Side::Two, crate::digest::possession_root(&root));
    SignedRoot { root, signature }
}

fn proof(count: u8, index: u8) -> PossessionProof {
    let levels = tree(count);
    let path = path(&levels, usize::from(index)).unwrap();
    PossessionProof { signed: signed(&levels), insured: insured(index), path }
}

fn verify(proof: &PossessionProof, index: u8) -> Result<(), PossessionError> {
    let tower = fixture::signer_key(Side::Two);
    proof.verify(&tower, record(index), BLOCK, insured(index))
}

#[test]
fn every_leaf_of_every_small_tree_leads_to_the_root_and_the_root_sums_them() {
    for count in 1..=17 {
        let levels = tree(count);
        let root = signed(&levels).root.root;
        let sum: u64 = (0..u64::from(count)).sum();
        assert_eq!(root.insured, Amount::from(sum));
        for index in 0..count {
            assert_eq!(verify(&proof(count, index), index), Ok(()), "{index} of {count}");
        }
        assert_eq!(path(&levels, usize::from(count)), None);
    }
    assert_eq!(levels(Vec::new()), Ok(Vec::new()));
}

#[test]
fn a_record_that_the_tower_lost_or_holds_in_an_older_version_has_no_proof() {
    let tower = fixture::signer_key(Side::Two);
    let under = proof(5, 2).verify(&tower, record(3), BLOCK, insured(2));
    assert!(matches!(under, Err(PossessionError::NotUnderRoot { .. })), "{under:?}");
}

#[test]
fn a_leaf_made_for_another_block_and_a_root_of_another_block_are_refused() {
    let tower = fixture::signer_key(Side::Two);
    let fresh = B256::repeat_byte(0xb2);
    let stale = proof(5, 2).verify(&tower, record(2), fresh, insured(2));
    assert_eq!(stale, Err(PossessionError::OtherBlock { found: BLOCK }));
    let mut renamed = proof(5, 2);
    renamed.signed.root.block_hash = fresh;
    let renamed = renamed.verify(&tower, record(2), fresh, insured(2));
    assert!(matches!(renamed, Err(PossessionError::Signature(_))), "{renamed:?}");
}

#[test]
fn a_sum_can_neither_be_lowered_in_the_leaf_nor_hidden_beside_the_path() {
    let mut lowered = proof(5, 2);
    lowered.insured = Amount::ZERO;
    assert!(matches!(verify(&lowered, 2), Err(PossessionError::Underinsured { .. })));
    let mut hidden = proof(5, 2);
    hidden.path[0].sibling.insured = Amount::ZERO;
    assert!(matches!(verify(&hidden, 2), Err(PossessionError::NotUnderRoot { .. })));
}

#[test]
fn another_towers_root_and_a_path_without_end_are_refused() {
    let other = fixture::signer_key(Side::One);
    let foreign = proof(5, 2).verify(&other, record(2), BLOCK, insured(2));
    assert!(matches!(foreign, Err(PossessionError::OtherTower { .. })), "{foreign:?}");
    let mut endless = proof(5, 2);
    let step = endless.path[0];
    endless.path = vec![step; MAX_PATH_STEPS + 1];
    let steps = MAX_PATH_STEPS + 1;
    assert_eq!(verify(&endless, 2), Err(PossessionError::TooLong { steps }));
    endless.path.pop();
    assert!(matches!(verify(&endless, 2), Err(PossessionError::NotUnderRoot { .. })));
}

#[test]
fn an_inner_node_is_no_leaf() {
    let (left, right) = (tree(2)[0][0], tree(2)[0][1]);
    let above = SumNode::above(left, right).unwrap();
    assert_ne!(above.hash, SumNode::leaf(left.hash, right.hash, above.insured).hash);
}
