//! What an endpoint shows may be anything: logs, calldata and answers that mean nothing are told apart from those
//! that do, and none of them ends the node.

use alloy::rpc::types::Log;
use alloy_primitives::{Address, B256, Bytes, Log as Inner, LogData};
use alloy_sol_types::{SolEventInterface, SolInterface};
use lockstep_chain::call::Contracts;
use lockstep_chain::decode;
use lockstep_chain::rpc::Transaction;
use lockstep_contracts::bindings::PaymentChannel::{PaymentChannelCalls, PaymentChannelEvents};
use lockstep_core::chain::StoredPoint;
use lockstep_core::ids::{ChannelId, Version};
use lockstep_core::time::BlockTimestamp;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;

const CONTRACTS: Contracts =
    Contracts { chain_id: 1, channel: Address::repeat_byte(1), registry: Address::repeat_byte(2) };

/// Words as a contract writes them: mostly small, so that lengths and offsets lead somewhere.
fn words() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        4 => (0_u16..1_024).prop_map(|small| {
            let mut word = [0; 32];
            word[30..].copy_from_slice(&small.to_be_bytes());
            word
        }),
        1 => any::<[u8; 32]>(),
        1 => Just([0xff; 32]),
    ];
    vec(word, 0..40).prop_map(|words| words.concat())
}

fn log(contract: Address, topics: Vec<B256>, data: Vec<u8>) -> Log {
    let data = LogData::new_unchecked(topics, data.into());
    Log { inner: Inner { address: contract, data }, ..Log::default() }
}

proptest! {
    #[test]
    fn p67_no_log_makes_its_reader_panic(
        event in 0..PaymentChannelEvents::COUNT,
        topics in vec(any::<[u8; 32]>(), 0..4),
        is_registry in any::<bool>(),
        data in words(),
        cut in 0_usize..64,
    ) {
        let first = PaymentChannelEvents::SELECTORS[event];
        let topics: Vec<_> = [first].into_iter().chain(topics).map(B256::from).collect();
        let data = data[..data.len().saturating_sub(cut)].to_vec();
        let contract = if is_registry { CONTRACTS.registry } else { CONTRACTS.channel };
        let shown = log(contract, topics, data);
        let read = decode::decode(&CONTRACTS, &shown, BlockTimestamp(7));
        // The same log of a stranger says nothing, whatever it holds.
        let foreign = log(Address::repeat_byte(3), shown.topics().to_vec(), shown.data().data.to_vec());
        prop_assert_eq!(decode::decode(&CONTRACTS, &foreign, BlockTimestamp(7)), None);
        prop_assert!(read.is_none_or(|read| !is_registry || read.channel_id.is_none()));
    }

    #[test]
    fn p67_no_calldata_makes_its_reader_panic_or_proves_what_nobody_signed(
        call in 0..PaymentChannelCalls::COUNT, data in words(), cut in 0_usize..64,
    ) {
        let selector = PaymentChannelCalls::SELECTORS[call];
        let data = [&selector[..], &data[..data.len().saturating_sub(cut)]].concat();
        let transaction: Transaction = serde_json::from_value(json!({
            "hash": B256::ZERO, "from": Address::ZERO, "to": CONTRACTS.channel, "nonce": "0x0",
            "type": "0x2", "gas": "0x0", "input": Bytes::from(data.clone()),
        })).unwrap();
        let point = StoredPoint { version: Version(1), ..StoredPoint::default() };
        let id = ChannelId(B256::repeat_byte(9));
        prop_assert_eq!(decode::evidence(&CONTRACTS, &transaction, id, &point), None);
        let _ = decode::channel(&data[4..]);
    }
}
