use super::*;
use crate::bindings::{DepositBox, PaymentChannel as C};
use alloy_primitives::Address;

#[test]
fn a_custom_error_is_read_with_its_values() {
    let data = C::StaleVersion { current: 7 }.abi_encode();
    let revert = Revert::decode(&data);
    assert!(
        matches!(&revert, Revert::Channel(PaymentChannelErrors::StaleVersion(e)) if e.current == 7)
    );
    assert_eq!(revert.to_string(), "version 7 is stored already");
    let data = C::WrongStatus { status: 3 }.abi_encode();
    assert_eq!(Revert::decode(&data).to_string(), "channel is closing");
    let data = DepositBox::NotChannelContract { caller: Address::ZERO }.abi_encode();
    assert!(matches!(Revert::decode(&data), Revert::DepositBox(_)));
}

#[test]
fn every_error_of_the_abi_has_words_and_advice() {
    assert_eq!(PaymentChannelErrors::COUNT, PaymentChannelErrors::SELECTORS.len());
    for selector in PaymentChannelErrors::SELECTORS {
        // No error has more than four static words; zeros are valid for each of them.
        let found = (0..=4).find_map(|words| {
            let data = [selector.as_slice(), &vec![0; words * 32]].concat();
            let revert = Revert::decode(&data);
            matches!(revert, Revert::Channel(_)).then_some(revert)
        });
        let name = PaymentChannelErrors::name_by_selector(*selector);
        let revert = found.unwrap_or_else(|| panic!("{name:?} was not read"));
        assert!(!revert.to_string().is_empty() && !revert.advice().is_empty(), "{name:?}");
    }
}

#[test]
fn what_is_no_custom_error_is_named_for_what_it_is() {
    assert_eq!(Revert::decode(&[]), Revert::Empty);
    let panic = Panic::from(0x11u64).abi_encode();
    assert_eq!(Revert::decode(&panic), Revert::Panic(U256::from(0x11)));
    let said = RevertReason::from("frozen\naccount".to_owned()).abi_encode();
    assert_eq!(Revert::decode(&said).to_string(), r#"called contract says "frozen\naccount""#);
    let unknown = Revert::decode(&[1, 2, 3, 4, 5]);
    assert_eq!(unknown.to_string(), "unknown error 0x0102030405");
}

#[test]
fn cut_or_padded_data_is_not_taken_for_an_error() {
    let data = C::StaleVersion { current: 7 }.abi_encode();
    let cut = data.split_last().unwrap().1;
    assert!(matches!(Revert::decode(cut), Revert::Unknown(_)));
    let dirty = [&data[..4], &[0xff; 32]].concat();
    assert!(matches!(Revert::decode(&dirty), Revert::Unknown(_)));
}

#[test]
fn the_reasons_of_a_batch_are_read() {
    let read = |bytes: [u8; 4]| BatchOutcome::from_reason(FixedBytes(bytes));
    assert_eq!(read([0; 4]), BatchOutcome::Done);
    assert_eq!(read([0xff; 4]), BatchOutcome::SkippedSilently);
    assert_eq!(read(C::WindowClosed::SELECTOR), BatchOutcome::Skipped("WindowClosed"));
    assert_eq!(read([1, 2, 3, 4]), BatchOutcome::SkippedUnknown(FixedBytes([1, 2, 3, 4])));
}
