use super::*;

fn check_amount(json: &str, expected: Option<u128>) {
    let read: Option<AmountText> = serde_json::from_str(json).ok();
    assert_eq!(read, expected.map(|value| Text(Amount::from(value))), "{json}");
}

#[test]
fn amounts_are_plain_decimal_strings() {
    check_amount("\"0\"", Some(0));
    check_amount("\"1500\"", Some(1_500));
    check_amount("\"340282366920938463463374607431768211455\"", Some(u128::MAX));
    for bad in ["\"\"", "\"01\"", "\"+1\"", "\"-1\"", "\"1.5\"", "\"1e3\"", "\"0x10\"", "\"1_000\""]
    {
        check_amount(bad, None);
    }
    let too_long = format!("\"{}\"", "9".repeat(79));
    check_amount(&too_long, None);
    let above_256_bits = format!("\"{}\"", "9".repeat(78));
    check_amount(&above_256_bits, None);
    check_amount(" \"１\"", None);
}

#[test]
fn integers_are_amounts_only_while_every_json_library_keeps_them_exact() {
    check_amount("9007199254740991", Some(9_007_199_254_740_991));
    check_amount("9007199254740992", None);
    check_amount("1.0", None);
    check_amount("-1", None);
}

#[test]
fn every_value_reads_back_what_it_writes() {
    let payment = PaymentId {
        channel_id: ChannelId(B256::repeat_byte(0xab)),
        payer: Side::Two,
        sequence: Sequence(7),
    };
    let text = Text(payment).to_string();
    assert_eq!(text, format!("0x{}/2/7", "ab".repeat(32)));
    assert_eq!(text.parse(), Ok(Text(payment)));

    for account in
        [AccountRef::Evm(Address::repeat_byte(0xcd)), AccountRef::Starknet(B256::repeat_byte(0xcd))]
    {
        assert_eq!(Text(account).to_string().parse(), Ok(Text(account)));
    }
    let node = NodeId([2; 33]);
    assert_eq!(Text(node).to_string().parse(), Ok(Text(node)));
    assert_eq!("7".repeat(3).parse::<HashText>(), Err(TextError { expected: B256::EXPECTED }));
}

#[test]
fn an_address_may_come_in_its_checksummed_form() {
    let mixed = "0x5FbDB2315678afecb367f032d93F642f64180aa3";
    let read: AccountText = mixed.parse().unwrap();
    assert_eq!(read.to_string(), mixed.to_lowercase());
}

#[test]
fn a_long_text_is_cut_in_the_error_about_it() {
    let long = format!("\"{}\"", "é".repeat(10_000));
    let error = serde_json::from_str::<AmountText>(&long).unwrap_err().to_string();
    assert!(error.len() < 400, "{error}");
}
