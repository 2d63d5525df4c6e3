use super::*;
use crate::port::LocalAccount;
use lockstep_core::chain::ObligationKind;
use lockstep_core::ids::{ChannelId, Version};

fn call(byte: u8) -> Content {
    Content::Call(ObligationKey {
        channel_id: ChannelId(B256::repeat_byte(byte)),
        kind: ObligationKind::Challenge,
        version: Version(1),
        detail: B256::ZERO,
    })
}

fn lane(claims: &[u64], quorum: usize) -> Lane {
    let account = LocalAccount::from_secret(&[7; 32]).unwrap();
    let mut lane = Lane::new(Arc::new(account));
    lane.note_claims(claims.iter().copied().map(Some).collect(), quorum);
    lane
}

fn put(lane: &mut Lane, nonce: u64, content: Content, shown: &[bool]) {
    let mut slot = Slot::new(content, Fees::default(), 1, Heads::default());
    slot.shown = shown.to_vec();
    lane.slots.insert(nonce, slot);
}

#[test]
fn p96_a_count_that_one_endpoint_alone_has_reached_confirms_nothing() {
    for (claims, quorum, confirmed) in
        [(vec![5], 1, 5), (vec![5, 900], 2, 5), (vec![5, 0], 2, 0), (vec![6, 5, 900], 2, 6)]
    {
        assert_eq!(lane(&claims, quorum).confirmed, confirmed, "{claims:?}");
    }
    let mut silent = lane(&[5], 1);
    silent.note_claims(vec![None, None], 2);
    assert_eq!(silent.confirmed, 5, "silence takes nothing back");
}

#[test]
fn p73_while_endpoints_differ_a_call_is_sent_with_each_count_and_no_gap_is_filled() {
    let mut lane = lane(&[5, 9], 2);
    assert_eq!(lane.missing_for(call(1)), BTreeSet::from([5, 9]));
    put(&mut lane, 5, call(1), &[]);
    assert_eq!(lane.missing_for(call(1)), BTreeSet::from([9]));
    put(&mut lane, 9, call(1), &[]);
    assert_eq!(lane.missing_for(call(1)), BTreeSet::new());
    assert_eq!(lane.missing_for(call(2)), BTreeSet::from([6, 10]));
    assert!(lane.gaps().is_empty());
    lane.note_claims(vec![Some(5), Some(5)], 2);
    assert_eq!(lane.gaps(), [6, 7, 8]);
}

#[test]
fn an_endpoint_that_lags_behind_a_landing_asks_for_no_second_transaction() {
    let mut lane = lane(&[5, 6], 2);
    put(&mut lane, 5, call(1), &[false, true]);
    assert_eq!(lane.missing_for(call(1)), BTreeSet::new());
    assert_eq!(lane.missing_for(call(2)), BTreeSet::from([6]));
}

#[test]
fn p96_what_a_lie_about_nonces_has_placed_far_ahead_is_forgotten_but_never_an_entry() {
    let mut lane = lane(&[5, 1_000_000], 2);
    let entry = Content::Entry(EntryId(B256::ZERO));
    put(&mut lane, 5, call(1), &[]);
    put(&mut lane, 1_000_000, call(1), &[]);
    put(&mut lane, 1_000_001, entry, &[]);
    lane.forget_strays();
    assert_eq!(lane.slots.len(), 3, "nothing is decided while they differ");
    lane.note_claims(vec![Some(5), Some(5)], 2);
    assert!(lane.gaps().is_empty(), "a million fillers");
    lane.forget_strays();
    assert_eq!(lane.slots.keys().copied().collect::<Vec<_>>(), [5, 1_000_001]);
}
