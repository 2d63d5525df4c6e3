use std::net::Ipv4Addr;

use super::*;
use crate::limits::Limits;

const NOW: EngineTime = EngineTime(1_000);

fn limits() -> ConnectionLimits {
    ConnectionLimits {
        total: 8,
        strangers: 4,
        strangers_per_ip: 2,
        per_peer: 2,
        pending_inbound: 3,
        pending_inbound_per_ip: 2,
        pending_outbound: 4,
        inbound_per_sec: 100,
        inbound_per_ip_per_sec: 3,
    }
}

fn table() -> Admission {
    Admission::new(limits(), Limits::default().times, [relay()].into(), NOW)
}

fn relay() -> PeerId {
    PeerId::from_bytes(&[&[0, 36, 8, 1, 18, 32], &[9; 32][..]].concat()).unwrap()
}

/// Over TCP.
fn from(source: Source) -> Arrival {
    Arrival { source, is_datagram: false }
}

fn id(number: usize) -> ConnectionId {
    ConnectionId::new_unchecked(number)
}

fn ip(last: u8) -> Source {
    Source::V4(Ipv4Addr::new(10, 0, 0, last))
}

/// A peer comes in, all the way.
fn enter(
    table: &mut Admission,
    number: usize,
    peer: PeerId,
    source: Source,
) -> Result<(), NotAdmitted> {
    table.knock(id(number), from(source), NOW)?;
    table.check(id(number), peer, source, true, NOW)?;
    table.opened(id(number), peer, source, true, NOW);
    Ok(())
}

#[test]
fn p61_pending_connections_are_capped_in_all_and_per_address() {
    let mut table = table();
    assert_eq!(table.knock(id(1), from(ip(1)), NOW), Ok(()));
    assert_eq!(table.knock(id(2), from(ip(1)), NOW), Ok(()));
    assert_eq!(
        table.knock(id(3), from(ip(1)), NOW),
        Err(NotAdmitted::PendingFromSource { count: 2 })
    );
    assert_eq!(table.knock(id(4), from(ip(2)), NOW), Ok(()));
    assert_eq!(table.knock(id(5), from(ip(3)), NOW), Err(NotAdmitted::PendingInbound { count: 3 }));
    table.gone(id(1));
    assert_eq!(table.knock(id(6), from(ip(1)), NOW), Ok(()));
}

#[test]
fn p61_dials_are_capped_and_others_can_make_us_make_only_half_of_them() {
    let mut table = table();
    assert_eq!(table.dial(id(1), None), Ok(()));
    assert_eq!(table.dial(id(2), Some(PeerId::random())), Ok(()));
    let full = |count| Err(NotAdmitted::PendingOutbound { count });
    assert_eq!(table.dial(id(3), None), full(2));
    assert_eq!(table.dial(id(3), Some(PeerId::random())), full(2));
    let contact = PeerId::random();
    table.set_contact(contact, true, NOW);
    assert_eq!(table.dial(id(3), Some(contact)), Ok(()));
    assert_eq!(table.dial(id(4), Some(relay())), Ok(()));
    assert_eq!(table.dial(id(5), Some(contact)), full(4));
    table.opened(id(1), PeerId::random(), ip(1), false, NOW);
    assert_eq!(table.dial(id(5), Some(contact)), Ok(()));
}

/// A contact has come from here once, and is gone again.
fn visited(table: &mut Admission, number: usize, source: Source) {
    let contact = PeerId::random();
    table.set_contact(contact, true, NOW);
    assert_eq!(enter(table, number, contact, source), Ok(()));
    table.gone(id(number));
}

#[test]
fn p61_strangers_that_never_finish_do_not_take_the_turns_of_places_where_contacts_are() {
    let mut table = table();
    visited(&mut table, 1, ip(1));
    for number in 2..5 {
        let source = ip(u8::try_from(number).unwrap());
        assert_eq!(table.knock(id(number), from(source), NOW), Ok(()));
    }
    let stranger = table.knock(id(5), from(ip(5)), NOW);
    assert_eq!(stranger, Err(NotAdmitted::PendingInbound { count: 3 }));
    assert_eq!(table.knock(id(6), from(ip(1)), NOW), Ok(()));
    // Datagrams that say they come from there have turns of their own.
    let false_datagram = Arrival { source: ip(1), is_datagram: true };
    assert_eq!(table.knock(id(7), false_datagram, NOW), Ok(()));
    assert_eq!(table.knock(id(8), false_datagram, NOW), Ok(()));
    assert!(table.knock(id(9), false_datagram, NOW).is_err());
    assert_eq!(table.knock(id(9), from(ip(1)), NOW), Ok(()));
}

#[test]
fn p61_a_stranger_that_becomes_a_contact_makes_its_place_known() {
    let (mut table, peer) = (table(), PeerId::random());
    assert_eq!(enter(&mut table, 1, peer, ip(1)), Ok(()));
    assert_eq!(enter(&mut table, 7, peer, Source::Relayed), Ok(()));
    table.set_contact(peer, true, NOW);
    for number in 2..5 {
        let source = ip(u8::try_from(number).unwrap());
        assert_eq!(table.knock(id(number), from(source), NOW), Ok(()));
    }
    assert_eq!(table.knock(id(6), from(ip(1)), NOW), Ok(()));
    // What comes through relays is everybody's place, whoever has come through one.
    let relayed = table.knock(id(8), from(Source::Relayed), NOW);
    assert_eq!(relayed, Err(NotAdmitted::PendingInbound { count: 3 }));
}

#[test]
fn p62_whoever_knocks_too_fast_waits_and_others_do_not() {
    let mut table = table();
    let knocks = |table: &mut Admission, source, now| {
        (0..1_000)
            .take_while(|n| {
                let result = table.knock(id(*n), from(source), now);
                table.gone(id(*n));
                result.is_ok()
            })
            .count()
    };
    assert_eq!(knocks(&mut table, ip(1), NOW), 12);
    assert_eq!(table.knock(id(1), from(ip(1)), NOW), Err(NotAdmitted::TooFast));
    assert_eq!(knocks(&mut table, ip(2), NOW), 12);
    assert_eq!(knocks(&mut table, ip(1), EngineTime(NOW.0 + 1_000)), 3);
    // Places that no contact has come from share what is left of four hundred, which were full again.
    visited(&mut table, 1, ip(255));
    let all: usize = (3..200).map(|last| knocks(&mut table, ip(last), NOW)).sum();
    assert_eq!(all, 400 - 3 - 1);
    assert!(knocks(&mut table, ip(255), NOW) > 0);
}

#[test]
fn p63_places_that_have_knocked_are_forgotten() {
    let swift = ConnectionLimits { inbound_per_sec: u64::MAX, ..limits() };
    let mut door = Door::new(swift, NOW);
    for number in 0..20_000_u32 {
        let connection = id(usize::try_from(number).unwrap());
        let source = Source::V4(Ipv4Addr::from(number));
        let now = EngineTime(NOW.0 + u64::from(number));
        assert_eq!(door.knock(connection, from(source), now), Ok(()));
        door.left(connection);
        door.visited(source, now);
    }
    assert!(door.kept() <= crate::limits::MAX_PACED_PLACES + crate::limits::MAX_KNOWN_PLACES);
}

#[test]
fn p61_strangers_are_capped_per_address_and_in_all() {
    let mut table = table();
    for number in 0..2 {
        assert_eq!(enter(&mut table, number, PeerId::random(), ip(1)), Ok(()));
    }
    let refused = enter(&mut table, 2, PeerId::random(), ip(1));
    assert_eq!(refused, Err(NotAdmitted::StrangersFromSource { count: 2 }));
    for number in 3..5 {
        assert_eq!(enter(&mut table, number, PeerId::random(), ip(2)), Ok(()));
    }
    let refused = enter(&mut table, 6, PeerId::random(), ip(3));
    assert_eq!(refused, Err(NotAdmitted::Strangers { count: 4 }));
    table.gone(id(0));
    assert_eq!(enter(&mut table, 7, PeerId::random(), ip(3)), Ok(()));
}

#[test]
fn p61_one_peer_has_only_so_many_connections_contact_or_not() {
    for is_contact in [false, true] {
        let (mut table, peer) = (table(), PeerId::random());
        table.set_contact(peer, is_contact, NOW);
        assert_eq!(enter(&mut table, 1, peer, ip(1)), Ok(()));
        assert_eq!(enter(&mut table, 2, peer, ip(2)), Ok(()));
        assert_eq!(enter(&mut table, 3, peer, ip(3)), Err(NotAdmitted::PerPeer { count: 2 }));
    }
}

#[test]
fn p61_strangers_never_shut_out_a_contact() {
    let (mut table, contact) = (table(), PeerId::random());
    table.set_contact(contact, true, NOW);
    for number in 0..4u8 {
        let source = ip(number / 2);
        assert_eq!(enter(&mut table, usize::from(number), PeerId::random(), source), Ok(()));
    }
    assert!(enter(&mut table, 10, PeerId::random(), ip(9)).is_err());
    assert_eq!(enter(&mut table, 11, contact, ip(0)), Ok(()));
    assert_eq!(table.counts().strangers, 4);
}

#[test]
fn p61_the_total_holds_for_everybody() {
    let mut table = table();
    for number in 0..8 {
        let peer = PeerId::random();
        table.set_contact(peer, true, NOW);
        assert_eq!(enter(&mut table, number, peer, ip(1)), Ok(()));
    }
    let contact = PeerId::random();
    table.set_contact(contact, true, NOW);
    assert_eq!(enter(&mut table, 9, contact, ip(1)), Err(NotAdmitted::Total { count: 8 }));
    assert_eq!(
        table.check(id(10), contact, ip(1), false, NOW),
        Err(NotAdmitted::Total { count: 8 })
    );
}

#[test]
fn p62_after_a_fault_strangers_from_there_wait_and_contacts_do_not() {
    let (mut table, contact) = (table(), PeerId::random());
    table.set_contact(contact, true, NOW);
    assert_eq!(enter(&mut table, 1, PeerId::random(), ip(1)), Ok(()));
    table.penalize(id(1), NOW);
    table.gone(id(1));
    assert_eq!(enter(&mut table, 2, PeerId::random(), ip(1)), Err(NotAdmitted::Penalty));
    assert_eq!(enter(&mut table, 3, PeerId::random(), ip(2)), Ok(()));
    assert_eq!(enter(&mut table, 4, contact, ip(1)), Ok(()));
    let later = EngineTime(NOW.0 + 30_000);
    assert_eq!(table.check(id(5), PeerId::random(), ip(1), true, later), Ok(()));
}

#[test]
fn a_contact_that_breaks_the_protocol_bars_nobody() {
    let (mut table, contact) = (table(), PeerId::random());
    table.set_contact(contact, true, NOW);
    assert_eq!(enter(&mut table, 1, contact, ip(1)), Ok(()));
    table.penalize(id(1), NOW);
    assert_eq!(enter(&mut table, 2, PeerId::random(), ip(1)), Ok(()));
}

#[test]
fn p63_what_is_kept_of_strangers_is_bounded_and_goes_with_them() {
    let roomy = ConnectionLimits {
        strangers: usize::MAX,
        total: usize::MAX,
        inbound_per_sec: u64::MAX,
        ..limits()
    };
    let mut table = Admission::new(roomy, Limits::default().times, BTreeSet::new(), NOW);
    for number in 0..3_000_u32 {
        let source = Source::V4(Ipv4Addr::from(number));
        let connection = id(usize::try_from(number).unwrap());
        assert_eq!(
            enter(&mut table, usize::try_from(number).unwrap(), PeerId::random(), source),
            Ok(())
        );
        table.penalize(connection, EngineTime(NOW.0 + u64::from(number)));
        table.gone(connection);
    }
    assert!(table.counts().penalties <= MAX_PENALTIES);
    assert_eq!(ConnectionCounts { penalties: 0, ..table.counts() }, ConnectionCounts::default());
    let much_later = EngineTime(u64::MAX);
    assert_eq!(table.check(id(1), PeerId::random(), ip(1), true, much_later), Ok(()));
    assert_eq!(table.counts(), ConnectionCounts::default());
}

#[test]
fn strangers_that_stay_too_long_are_overdue_and_contacts_never() {
    let (mut table, contact, stranger) = (table(), PeerId::random(), PeerId::random());
    table.set_contact(contact, true, NOW);
    assert_eq!(enter(&mut table, 1, contact, ip(1)), Ok(()));
    assert_eq!(enter(&mut table, 2, stranger, ip(1)), Ok(()));
    assert!(table.overdue(EngineTime(NOW.0 + 30_000)).is_empty());
    assert_eq!(table.overdue(EngineTime(NOW.0 + 30_001)), [(id(2), stranger)]);
}
