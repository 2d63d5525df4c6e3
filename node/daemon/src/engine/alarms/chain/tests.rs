use super::*;
use alloy_primitives::{Address, B256, U256};
use lockstep_chain::endpoint::{Endpoint, EndpointName, RequestLimits};
use lockstep_core::entry::EntryId;
use lockstep_core::ids::{ChannelId, Version};
use lockstep_core::time::{BlockNumber, BlockTimestamp};
use std::collections::BTreeSet;
use std::time::Duration;

const CHANNEL: ChannelId = ChannelId(B256::repeat_byte(7));

fn endpoint(host: &str) -> EndpointName {
    let limits =
        RequestLimits { timeout: Duration::from_secs(1), retries: 0, backoff: Duration::ZERO };
    Endpoint::new(&format!("http://{host}.example"), limits).unwrap().name().clone()
}

fn key() -> ObligationKey {
    let (kind, version) = (ObligationKind::Challenge, Version(3));
    ObligationKey { channel_id: CHANNEL, kind, version, detail: B256::ZERO }
}

/// One of each; a new variant has to come in here, since `cause_of` names them all.
fn every_alarm() -> Vec<Alarm> {
    let (one, two) = (|| endpoint("one"), || endpoint("two"));
    let (number, before) = (BlockNumber(70), BlockTimestamp(1_000));
    let channel_id = CHANNEL;
    let differ = |finality| Alarm::BlocksDiffer {
        number,
        one: (one(), B256::ZERO),
        other: (two(), B256::repeat_byte(1)),
        finality,
    };
    vec![
        differ(Finality::Seen),
        differ(Finality::Final),
        Alarm::LogsDiffer { number, one: one(), other: two() },
        Alarm::LogsOmitted { endpoint: one(), number },
        Alarm::CloseWithoutLog { channel_id },
        Alarm::EndpointDown { endpoint: one() },
        Alarm::EndpointOnOtherChain { endpoint: one(), number },
        Alarm::EndpointLeftOut { endpoint: one() },
        Alarm::EndpointBehind { endpoint: one() },
        Alarm::CloseNeverWas { channel_id, endpoint: one() },
        Alarm::CloseMayComeBack { channel_id },
        Alarm::ChainStandsStill { number },
        Alarm::BudgetReached { key: key(), needed: 9, cap: 8 },
        Alarm::PaymentOverBudget { id: EntryId(B256::repeat_byte(5)), needed: 9, cap: 8 },
        Alarm::AccountEmpty {
            account: Address::ZERO,
            needed: U256::from(9),
            balance: U256::from(8),
        },
        Alarm::ReserveLow { needed: U256::from(9), balance: U256::from(8) },
        Alarm::StoreFailed { key: key() },
        Alarm::ForceThroughL1 { key: key(), before },
        Alarm::HalfOfWindow { key: key(), before },
    ]
}

#[test]
fn every_alarm_of_the_chain_is_a_sentence_for_people_and_says_what_to_do() {
    let coin = |amount: Amount| format!("{amount} coins");
    let said: Vec<String> = every_alarm().iter().map(|alarm| words(alarm, &coin)).collect();
    for text in &said {
        // What a program would print of itself.
        for mark in ["{", "}", "Some(", "EndpointName", "ChannelId", "Obligation", "B256"] {
            assert!(!text.contains(mark), "{mark} in: {text}");
        }
        assert!(text.contains(". "), "only says what is the case: {text}");
    }
    let different: BTreeSet<&String> = said.iter().collect();
    assert_eq!(different.len(), said.len());
    assert!(said.iter().any(|text| text.contains("one.example")));
    assert!(said.iter().any(|text| text.contains("8 coins")));
}

#[test]
fn an_alarm_of_the_chain_is_over_when_the_chain_side_is_no_longer_alarmed() {
    let down = Alarm::EndpointDown { endpoint: endpoint("one") };
    let quiet = Now { standing: &[], owed: &[], is_blind: false, is_following: true };
    let standing = [down.clone()];
    let loud = Now { standing: &standing, owed: &[key()], is_blind: true, is_following: false };
    assert!(stands(&cause_of(&down), 9_999, &loud));
    assert!(!stands(&cause_of(&down), 0, &quiet));
    let other = Alarm::EndpointDown { endpoint: endpoint("two") };
    assert!(!stands(&cause_of(&other), 0, &loud));

    for call in [
        Alarm::BudgetReached { key: key(), needed: 9, cap: 8 },
        Alarm::StoreFailed { key: key() },
        Alarm::HalfOfWindow { key: key(), before: BlockTimestamp(1_000) },
    ] {
        assert!(stands(&cause_of(&call), 9_999, &loud), "{call:?}");
        assert!(!stands(&cause_of(&call), 0, &quiet), "{call:?}");
    }
    let still = Alarm::ChainStandsStill { number: BlockNumber(70) };
    assert!(stands(&cause_of(&still), 9_999, &loud) && !stands(&cause_of(&still), 0, &quiet));
    // L1 has accounts of its own: what is said of one there is another alarm, and is over once it is not said again.
    let empty = Alarm::AccountEmpty {
        account: Address::ZERO,
        needed: U256::from(9),
        balance: U256::from(8),
    };
    let on_l1 = cause_of(&empty).on_l1();
    assert!(on_l1 != cause_of(&empty) && on_l1.is_on_l1() && !cause_of(&empty).is_on_l1());
    assert!(stands(&on_l1, 0, &quiet) && !stands(&on_l1, 9_999, &loud));
    let dear = Alarm::PaymentOverBudget { id: EntryId(B256::repeat_byte(5)), needed: 9, cap: 8 };
    assert!(stands(&cause_of(&dear), 0, &quiet) && !stands(&cause_of(&dear), 9_999, &quiet));
    // What the chain side does not watch stays until somebody says that it is over.
    let frozen = Cause::new(AlarmKind::ChannelFrozen, Some(CHANNEL));
    assert!(stands(&frozen, u64::MAX, &quiet));
}

#[test]
fn endpoints_that_disagreed_are_named_for_ten_minutes_and_low_money_while_it_is_told() {
    let quiet = Now { standing: &[], owed: &[], is_blind: false, is_following: true };
    let omitted = Alarm::LogsOmitted { endpoint: endpoint("one"), number: BlockNumber(70) };
    let low = Alarm::ReserveLow { needed: U256::from(9), balance: U256::from(8) };
    let empty =
        Alarm::AccountEmpty { account: Address::ZERO, needed: U256::from(9), balance: U256::ZERO };
    for (alarm, secs) in [(omitted, 600), (empty, 600), (low, 3_600)] {
        let cause = cause_of(&alarm);
        assert!(stands(&cause, secs - 1, &quiet), "{alarm:?}");
        assert!(!stands(&cause, secs, &quiet), "{alarm:?}");
    }
}
