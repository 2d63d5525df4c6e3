//! The rollup's node in small: what each L1 block makes the rollup do.
//!
//! Per L1 block two blocks of the rollup: the first with the attributes of L1 and every deposit in the order of
//! logs, the second with what the sequencer chooses. A deposit is derived once, by its hash.

use super::pool::Pool;
use super::{Knobs, PORTAL};
use crate::chain::LocalChain;
use alloy::rpc::types::Filter;
use alloy_primitives::{Address, B256, U256, address};
use lockstep_bridge::optimism::abi::DEPOSITED;
use lockstep_bridge::optimism::deposit::{DepositTx, deposits_of, source_hash};
use lockstep_chain::rpc::{BlockTag, Header};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

const L1_BLOCK: Address = address!("4200000000000000000000000000000000000015");
const DEPOSITOR: Address = address!("DeaDDEaDDeAdDeAdDEAdDEaddeAddEAdDEAd0001");
const ATTRIBUTES_DOMAIN: B256 = B256::with_last_byte(1);
const ATTRIBUTES_GAS: u64 = 1_000_000;
/// `setL1BlockValuesIsthmus`, whose arguments are packed.
const ATTRIBUTES_SELECTOR: [u8; 4] = [0x09, 0x89, 0x99, 0xbe];
/// Scalars of OP Mainnet.
const BASE_FEE_SCALAR: u32 = 5_227;
const BLOB_FEE_SCALAR: u32 = 1_014_213;
/// Units: seconds between the rollup's blocks.
const L2_BLOCK_SECS: u64 = 2;

#[derive(Debug)]
pub(super) struct Deriver {
    next_l1: u64,
    seen: BTreeSet<B256>,
    derived: Vec<B256>,
    /// The rollup's head after each L1 block.
    heads: BTreeMap<u64, u64>,
}

impl Deriver {
    pub(super) fn new(l1_head: u64, l2_head: u64) -> Self {
        let heads = BTreeMap::from([(l1_head, l2_head)]);
        Self { next_l1: l1_head + 1, seen: BTreeSet::new(), derived: Vec::new(), heads }
    }

    pub(super) fn derived(&self) -> &[B256] {
        &self.derived
    }

    /// Forgets what came after an L1 block; which block of the rollup is to be kept.
    pub(super) fn rewind(&mut self, l1_block: u64) -> u64 {
        self.heads.retain(|number, _| *number <= l1_block);
        let (number, head) = self.heads.last_key_value().expect("the start is never undone");
        self.next_l1 = number + 1;
        *head
    }

    pub(super) async fn catch_up(
        &mut self,
        l1: &LocalChain,
        l2: &LocalChain,
        pool: &mut Pool,
        knobs: &Knobs,
    ) {
        let head = l1.head().await;
        while self.next_l1 <= head {
            let origin = l1.header(BlockTag::Number(self.next_l1)).await;
            self.deposits((l1, l2), pool, &origin).await;
            self.attributes(l2, &origin, 1).await;
            pool.take_out(l2).await;
            pool.put_back(l2, knobs).await;
            mine(l2, &origin).await;
            self.heads.insert(self.next_l1, l2.head().await);
            self.next_l1 += 1;
        }
    }

    /// The first block of an epoch. What users send meanwhile is taken out right before it is made: it holds
    /// deposits alone.
    async fn deposits(
        &mut self,
        (l1, l2): (&LocalChain, &LocalChain),
        pool: &mut Pool,
        origin: &Header,
    ) {
        self.attributes(l2, origin, 0).await;
        let filter = Filter::new().at_block_hash(origin.hash).address(PORTAL);
        let filter = filter.event_signature(DEPOSITED);
        let logs = l1.endpoint().logs(&filter).await.expect("L1 answers");
        let mut senders = BTreeSet::new();
        for deposit in deposits_of(&logs, PORTAL).expect("the real portal's logs can be read") {
            // The local chain's pool knows a deposit by its sender alone, so a second one of the same sender
            // gets a block of its own; the order stays.
            if !senders.insert(deposit.from) {
                pool.take_out(l2).await;
                mine(l2, origin).await;
                senders = BTreeSet::from([deposit.from]);
            }
            self.send(l2, &deposit).await;
            self.derived.push(deposit.hash());
        }
        pool.take_out(l2).await;
        mine(l2, origin).await;
    }

    async fn attributes(&mut self, l2: &LocalChain, origin: &Header, sequence: u64) {
        let point = origin.point();
        let input = [
            ATTRIBUTES_SELECTOR.as_slice(),
            &BASE_FEE_SCALAR.to_be_bytes(),
            &BLOB_FEE_SCALAR.to_be_bytes(),
            &sequence.to_be_bytes(),
            &point.timestamp.0.to_be_bytes(),
            &point.number.0.to_be_bytes(),
            &U256::from(origin.base_fee()).to_be_bytes::<32>(),
            &U256::from(1).to_be_bytes::<32>(),
            origin.hash.as_slice(),
            B256::ZERO.as_slice(),
            &[0; 12],
        ]
        .concat();
        let deposit = DepositTx {
            source_hash: source_hash(ATTRIBUTES_DOMAIN, origin.hash, U256::from(sequence)),
            from: DEPOSITOR,
            to: Some(L1_BLOCK),
            mint: 0,
            value: U256::ZERO,
            gas_limit: ATTRIBUTES_GAS,
            is_system: false,
            input: input.into(),
        };
        self.send(l2, &deposit).await;
    }

    /// Hands over a deposit once. After a reorganisation of L1 its hash is another one.
    async fn send(&mut self, l2: &LocalChain, deposit: &DepositTx) {
        let hash = deposit.hash();
        if !self.seen.insert(hash) {
            return;
        }
        // A real rollup includes a deposit that moves more than its sender has as a failed one; the local
        // chain's pool refuses it, so it is made to fail.
        let funds = l2.balance(deposit.from).await + U256::from(deposit.mint);
        assert!(funds >= deposit.value, "the local chain can't include a deposit without funds");
        let sent = l2.ask("eth_sendRawTransaction", json!([deposit.encode()])).await;
        let sent: B256 = serde_json::from_value(sent).expect("a hash");
        assert_eq!(sent, hash, "the rollup gives a deposit the hash that was predicted");
    }
}

async fn mine(l2: &LocalChain, origin: &Header) {
    let parent = l2.header(BlockTag::Latest).await.point().timestamp.0;
    l2.mine_at((parent + L2_BLOCK_SECS).max(origin.point().timestamp.0)).await;
}
