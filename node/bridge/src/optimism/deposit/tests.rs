use super::*;
use alloy_primitives::b256;

#[test]
fn a_contract_of_l1_gets_the_address_that_the_specification_says() {
    let contract = address!("ffffffffffffffffffffffffffffffffffffffff");
    // The sum wraps at 160 bits.
    assert_eq!(aliased(contract), address!("1111000000000000000000000000000000001110"));
}

#[test]
fn a_log_that_is_no_deposit_is_refused() {
    let mut log = Log::default();
    assert_eq!(DepositTx::from_log(&log), Err(DepositLogError::OtherEvent));
    let topics = vec![DEPOSITED, B256::ZERO, B256::ZERO, B256::with_last_byte(1)];
    let data = (Bytes::from(vec![0; 73]),);
    let data: Bytes = alloy_sol_types::SolValue::abi_encode_params(&data).into();
    log.inner.data = alloy_primitives::LogData::new_unchecked(topics.clone(), data.clone());
    log.block_hash =
        Some(b256!("0101010101010101010101010101010101010101010101010101010101010101"));
    log.log_index = Some(3);
    assert_eq!(DepositTx::from_log(&log), Err(DepositLogError::UnknownVersion));
    let known = vec![DEPOSITED, B256::ZERO, B256::ZERO, B256::ZERO];
    log.inner.data = alloy_primitives::LogData::new_unchecked(known.clone(), data);
    assert!(DepositTx::from_log(&log).is_ok());
    log.log_index = None;
    assert_eq!(DepositTx::from_log(&log), Err(DepositLogError::Pending));
    let short: Bytes =
        alloy_sol_types::SolValue::abi_encode_params(&(Bytes::from(vec![0; 72]),)).into();
    log.log_index = Some(3);
    log.inner.data = alloy_primitives::LogData::new_unchecked(known, short);
    assert_eq!(DepositTx::from_log(&log), Err(DepositLogError::Malformed));
}

/// A deposit as the vector file has it.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vector {
    name: String,
    block_hash: B256,
    log_index: u64,
    from: Address,
    to: Address,
    opaque_data: Bytes,
    hash: B256,
}

#[test]
fn every_deposit_gets_the_hash_that_an_independent_encoder_gives_it() {
    let file = include_str!("../../../../../tests/vectors/optimism.json");
    let file: serde_json::Value = serde_json::from_str(file).unwrap();
    let vectors: Vec<Vector> = serde_json::from_value(file["deposits"].clone()).unwrap();
    assert!(vectors.len() >= 6);
    for vector in vectors {
        let topics = vec![DEPOSITED, vector.from.into_word(), vector.to.into_word(), B256::ZERO];
        let data = alloy_sol_types::SolValue::abi_encode_params(&(vector.opaque_data,)).into();
        let mut log = Log::default();
        log.inner.data = alloy_primitives::LogData::new_unchecked(topics, data);
        log.block_hash = Some(vector.block_hash);
        log.log_index = Some(vector.log_index);
        let deposit = DepositTx::from_log(&log).unwrap();
        assert_eq!(deposit.hash(), vector.hash, "{}", vector.name);
        // In another block, or at another place of it, it is another transaction.
        log.log_index = Some(vector.log_index + 1);
        assert_ne!(DepositTx::from_log(&log).unwrap().hash(), vector.hash);
    }
}
