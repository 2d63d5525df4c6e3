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
