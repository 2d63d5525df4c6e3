//! Records as a disk, a backup or a file hands them over: one that contradicts itself is never signed from.

use crate::kit::*;
use alloy_primitives::B256;
use lockstep_core::chain::{CloseMode, EventPosition};
use lockstep_core::ids::{ChannelId, Digest, InvoiceId, Sequence, Side, Version};
use lockstep_core::input::Command;
use lockstep_core::lock::MAX_LOCKS;
use lockstep_core::money::{Amount, Net};
use lockstep_core::record::{
    ChannelRecord, ClosingStage, Invoice, InvoiceStatus, KnownSecret, MAX_BINDINGS, MAX_INVOICES,
    MAX_SECRETS, Phase, RecordError, RecordPart, RecordParts, RestoreReason, Sequences, Settlement,
};
use lockstep_core::signature::StateSignature;
use lockstep_core::state::StateKind;
use lockstep_core::terms::MAX_IN_FLIGHT;
use lockstep_core::time::BlockTimestamp;
use lockstep_core::update::{MAX_PENDING_UPDATES, Memo};

type Harm = fn(&mut RecordParts);

/// A proposer's record with a lock in the newest state, two states in flight, and updates of both sides.
fn proposer() -> RecordParts {
    let mut pair = Pair::open();
    let lock = crate::lock::lock(B256::repeat_byte(9), 40, 2_000, true);
    pair.one.command(Command::Update(vec![lock])).unwrap();
    pair.exchange();
    pair.two.pay(5).unwrap();
    pair.deliver(Side::Two);
    pair.one.pay(7).unwrap();
    let parts = pair.one.channel.parts().clone();
    assert_eq!((parts.in_flight.len(), parts.own_pending.len()), (2, 1));
    assert_eq!((parts.peer_pending.len(), parts.in_flight[1].state.version), (1, Version(3)));
    parts
}

/// An acceptor's record with a state, and an update that waits.
fn acceptor() -> RecordParts {
    let mut pair = Pair::open();
    pair.one.pay(7).unwrap();
    pair.exchange();
    pair.two.pay(5).unwrap();
    pair.two.channel.parts().clone()
}

/// A record with a withdrawal that both have signed, and no state.
fn withdrawing() -> RecordParts {
    let mut pair = Pair::open();
    pair.one.command(Command::Withdraw { out1: amount(5), out2: Amount::ZERO }).unwrap();
    pair.exchange();
    pair.one.channel.parts().clone()
}

#[track_caller]
fn assert_contradiction(good: &RecordParts, what: RecordPart, harms: &[Harm]) {
    assert!(ChannelRecord::from_parts(good.clone()).is_ok());
    for (index, harm) in harms.iter().enumerate() {
        let mut parts = good.clone();
        harm(&mut parts);
        let refused = ChannelRecord::from_parts(parts).unwrap_err();
        assert_eq!(refused, RecordError::Contradiction { what }, "harm {index}");
    }
}

#[test]
fn p52_a_key_or_a_window_that_cannot_be_ours_is_refused() {
    let harms: [Harm; 4] = [
        |parts| parts.setup.policy.max_in_flight = 0,
        |parts| parts.setup.policy.max_in_flight = MAX_IN_FLIGHT + 1,
        |parts| parts.setup.own_key = signer_key(Side::Two),
        |parts| parts.setup.counterparty_key = Some(signer_key(Side::One)),
    ];
    assert_contradiction(&proposer(), RecordPart::Setup, &harms);
    let mut parts = proposer();
    parts.setup.terms.challenge_period = 0;
    assert!(matches!(ChannelRecord::from_parts(parts), Err(RecordError::Terms(_))));
}

#[test]
fn p31_a_guard_below_what_it_has_bound_is_refused() {
    let harms: [Harm; 2] = [
        |parts| parts.guard.highest = Version(2),
        |parts| {
            parts.guard.bound.insert(Version::ZERO, Digest(B256::ZERO));
        },
    ];
    assert_contradiction(&proposer(), RecordPart::Guard, &harms);
}

#[test]
fn p31_a_newest_state_that_is_not_what_was_bound_is_refused() {
    fn base(parts: &mut RecordParts) -> &mut lockstep_core::record::CoSigned {
        parts.base.as_mut().unwrap()
    }
    let harms: [Harm; 9] = [
        |parts| base(parts).state.channel_id = ChannelId(B256::ZERO),
        |parts| base(parts).state.net = Net::new(1).unwrap(),
        |parts| base(parts).state.locked1 = amount(41),
        |parts| base(parts).state.locked2 = amount(1),
        |parts| base(parts).state.kind = StateKind::Final,
        |parts| base(parts).state.version = Version::ZERO,
        |parts| base(parts).locks.clear(),
        |parts| {
            parts.guard.bound.remove(&Version(1));
        },
        |parts| parts.setup.counterparty_key = None,
    ];
    assert_contradiction(&proposer(), RecordPart::Base, &harms);
    let no_base: [Harm; 1] = [|parts| parts.base = None];
    assert_contradiction(&proposer(), RecordPart::Base, &no_base);
}

#[test]
fn p46_only_a_restored_record_holds_states_that_its_guard_never_saw() {
    for mut parts in [acceptor(), withdrawing()] {
        parts.guard.bound.clear();
        assert!(ChannelRecord::from_parts(parts.clone()).is_err());
        parts.marks.restored = Some(RestoreReason::OwnSignature);
        assert!(ChannelRecord::from_parts(parts).is_ok());
    }
}

#[test]
fn p06_a_record_with_a_forged_signature_is_refused() {
    let forged = sign(Side::Two, Digest(B256::repeat_byte(3)));
    let harms: [fn(&mut RecordParts, StateSignature); 2] = [
        |parts, forged| parts.base.as_mut().unwrap().counterparty_signature = forged,
        |parts, forged| parts.base.as_mut().unwrap().own_signature = Some(forged),
    ];
    for harm in harms {
        let mut parts = proposer();
        harm(&mut parts, forged);
        let refused = ChannelRecord::from_parts(parts);
        assert!(matches!(refused, Err(RecordError::Signature(_))), "{refused:?}");
    }
    let mut parts = withdrawing();
    parts.withdrawal.as_mut().unwrap().counterparty_signature = Some(forged);
    assert!(matches!(ChannelRecord::from_parts(parts), Err(RecordError::Signature(_))));
}

#[test]
fn p31_states_in_flight_rise_are_bound_and_hold_no_update_that_nobody_made() {
    let harms: [Harm; 7] = [
        |parts| parts.in_flight.swap(0, 1),
        |parts| parts.in_flight[1] = parts.in_flight[0].clone(),
        |parts| {
            let base = parts.base.clone().unwrap();
            parts.in_flight[0].state = base.state;
            parts.in_flight[0].locks = base.locks;
        },
        |parts| parts.in_flight[1].sequences.one = Sequence(3),
        |parts| parts.in_flight[1].sequences.two = Sequence(2),
        |parts| {
            parts.guard.bound.remove(&Version(2));
        },
        |parts| parts.in_flight[0].locks.clear(),
    ];
    assert_contradiction(&proposer(), RecordPart::InFlight, &harms);
    // Only a proposer has any.
    let harms: [Harm; 1] = [|parts| parts.in_flight = proposer().in_flight];
    assert_contradiction(&acceptor(), RecordPart::InFlight, &harms);
}

#[test]
fn p37_updates_that_wait_rise_from_what_is_included_to_the_last_that_was_made() {
    let own: [Harm; 3] = [
        |parts| parts.own_pending.push(parts.own_pending[0].clone()),
        |parts| parts.own_pending[0].update.sequence = Sequence(1),
        |parts| parts.own_pending[0].update.sequence = Sequence(3),
    ];
    assert_contradiction(&proposer(), RecordPart::OwnPending, &own);
    let theirs: [Harm; 3] = [
        |parts| parts.peer_pending.push(parts.peer_pending[0].clone()),
        |parts| parts.peer_pending[0].update.sequence = Sequence(0),
        |parts| parts.peer_pending[0].update.sequence = Sequence(2),
    ];
    assert_contradiction(&proposer(), RecordPart::PeerPending, &theirs);
    // An acceptor takes nobody's intents.
    let harms: [Harm; 1] = [|parts| {
        parts.peer_sequence = Sequence(9);
        parts.peer_pending = parts.own_pending.clone();
        parts.peer_pending[0].update.sequence = Sequence(9);
    }];
    assert_contradiction(&acceptor(), RecordPart::PeerPending, &harms);
}

#[test]
fn p31_a_withdrawal_that_is_not_what_was_bound_is_refused() {
    let harms: [Harm; 4] = [
        |parts| parts.withdrawal.as_mut().unwrap().withdraw.channel_id = ChannelId(B256::ZERO),
        |parts| parts.withdrawal.as_mut().unwrap().withdraw.out1 = amount(6),
        |parts| parts.guard.bound.clear(),
        |parts| parts.setup.counterparty_key = None,
    ];
    assert_contradiction(&withdrawing(), RecordPart::Withdrawal, &harms);
}

fn settled(locks: usize) -> Phase {
    let lock = proposer().base.unwrap().locks[0];
    Phase::Settled(Settlement {
        version: Version(3),
        mode: CloseMode::Unilateral,
        paid1: Amount::ZERO,
        paid2: Amount::ZERO,
        held1: amount(40),
        held2: Amount::ZERO,
        locks: vec![lock; locks],
        resolved: 0,
        returned: 0,
        position: EventPosition::default(),
        is_final: true,
        interrupted: None,
    })
}

#[test]
fn p34_nothing_is_bound_in_a_channel_that_is_not_open() {
    let funding: [Harm; 1] = [|parts| parts.phase = Phase::Funding { consent: None }];
    assert_contradiction(&proposer(), RecordPart::Phase, &funding);
    // A withdrawal binds a version as well, though there is no state.
    let funding: [Harm; 2] = [
        |parts| {
            parts.withdrawal = None;
            parts.phase = Phase::Funding { consent: None };
        },
        // Whoever leaves with something to show knows whose signature is on it.
        |parts| {
            parts.withdrawal = None;
            parts.setup.counterparty_key = None;
            parts.phase = Phase::Closing(ClosingStage::Unilateral);
        },
    ];
    assert_contradiction(&withdrawing(), RecordPart::Phase, &funding);
    let fresh = Pair::open().one.channel.parts().clone();
    let keyless: [Harm; 1] = [|parts| parts.setup.counterparty_key = None];
    assert_contradiction(&fresh, RecordPart::Phase, &keyless);
    let mut leaving = fresh.clone();
    leaving.phase = Phase::Closing(ClosingStage::Unilateral);
    leaving.setup.counterparty_key = None;
    assert!(ChannelRecord::from_parts(leaving).is_ok(), "with nothing to show no key is needed");
    let mut parts = fresh;
    parts.phase = settled(MAX_LOCKS);
    assert!(ChannelRecord::from_parts(parts.clone()).is_ok());
    let too_many: [Harm; 1] = [|parts| parts.phase = settled(MAX_LOCKS + 1)];
    assert_contradiction(&parts, RecordPart::Phase, &too_many);
}

#[test]
fn p60_no_part_of_a_record_holds_more_than_it_may() {
    let word =
        |number: usize| B256::left_padding_from(&u64::try_from(number).unwrap().to_be_bytes());
    let mut cases = vec![];
    let mut case = |what, limit, harm: &dyn Fn(&mut RecordParts)| {
        let mut parts = proposer();
        harm(&mut parts);
        cases.push((what, limit, parts));
    };
    case(RecordPart::Guard, MAX_BINDINGS, &|parts| {
        let more = (10..).map(|number| (Version(number), Digest(B256::ZERO)));
        parts.guard.bound = more.take(MAX_BINDINGS + 1).collect();
    });
    let window = usize::try_from(MAX_IN_FLIGHT).unwrap();
    case(RecordPart::InFlight, window, &|parts| {
        parts.in_flight = vec![parts.in_flight[0].clone(); window + 1];
    });
    case(RecordPart::OwnPending, MAX_PENDING_UPDATES, &|parts| {
        parts.own_pending = vec![parts.own_pending[0].clone(); MAX_PENDING_UPDATES + 1];
    });
    case(RecordPart::PeerPending, MAX_PENDING_UPDATES, &|parts| {
        parts.peer_pending = vec![parts.peer_pending[0].clone(); MAX_PENDING_UPDATES + 1];
    });
    case(RecordPart::Invoices, MAX_INVOICES, &|parts| {
        let status = InvoiceStatus::Open;
        let (expiry, memo) = (BlockTimestamp(9), Memo::default());
        let invoice = Invoice { amount: amount(1), expiry, memo, status };
        let id = |number: usize| InvoiceId(word(number));
        parts.invoices = (0..=MAX_INVOICES).map(|number| (id(number), invoice.clone())).collect();
    });
    case(RecordPart::Secrets, MAX_SECRETS, &|parts| {
        let known = KnownSecret { secret: B256::ZERO, revealed_at: None };
        parts.secrets = (0..=MAX_SECRETS).map(|number| (word(number), known)).collect();
    });
    case(RecordPart::Base, MAX_LOCKS, &|parts| {
        let base = parts.base.as_mut().unwrap();
        base.locks = vec![base.locks[0]; MAX_LOCKS + 1];
    });
    for (what, limit, parts) in cases {
        let refused = ChannelRecord::from_parts(parts).unwrap_err();
        assert_eq!(refused, RecordError::TooMany { what, found: limit + 1, limit });
    }
}

#[test]
fn p60_a_record_as_full_as_it_may_be_is_taken() {
    let word =
        |number: usize| B256::left_padding_from(&u64::try_from(number).unwrap().to_be_bytes());
    let mut parts = acceptor();
    let known = KnownSecret { secret: B256::ZERO, revealed_at: None };
    parts.secrets = (0..MAX_SECRETS).map(|number| (word(number), known)).collect();
    let first = parts.own_pending[0].clone();
    let count = u64::try_from(MAX_PENDING_UPDATES).unwrap();
    parts.own_pending = (1..=count)
        .map(|sequence| {
            let mut entry = first.clone();
            entry.update.sequence = Sequence(sequence);
            entry
        })
        .collect();
    parts.own_sequence = Sequence(count);
    while parts.guard.bound.len() < MAX_BINDINGS {
        let version = parts.guard.highest.next().unwrap();
        parts.guard.highest = version;
        parts.guard.bound.insert(version, Digest(B256::ZERO));
    }
    assert_eq!(parts.base_sequences, Sequences { one: Sequence(1), two: Sequence::ZERO });
    ChannelRecord::from_parts(parts).unwrap();
}
