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
        pending_outbound: 2,
    }
}

fn table() -> Admission {
    Admission::new(limits(), Limits::default().times)
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
    table.knock(id(number), source)?;
    table.check(id(number), peer, source, true, NOW)?;
    table.opened(id(number), peer, source, true, NOW);
    Ok(())
}

#[test]
fn p61_pending_connections_are_capped_in_all_and_per_address() {
    let mut table = table();
    assert_eq!(table.knock(id(1), ip(1)), Ok(()));
    assert_eq!(table.knock(id(2), ip(1)), Ok(()));
    assert_eq!(table.knock(id(3), ip(1)), Err(NotAdmitted::PendingFromSource { count: 2 }));
    assert_eq!(table.knock(id(4), ip(2)), Ok(()));
    assert_eq!(table.knock(id(5), ip(3)), Err(NotAdmitted::PendingInbound { count: 3 }));
    table.gone(id(1));
    assert_eq!(table.knock(id(6), ip(1)), Ok(()));
}

#[test]
fn p61_dials_are_capped() {
    let mut table = table();
    assert_eq!(table.dial(id(1)), Ok(()));
    assert_eq!(table.dial(id(2)), Ok(()));
    assert_eq!(table.dial(id(3)), Err(NotAdmitted::PendingOutbound { count: 2 }));
    table.opened(id(1), PeerId::random(), ip(1), false, NOW);
    assert_eq!(table.dial(id(3)), Ok(()));
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
        table.set_contact(peer, is_contact);
        assert_eq!(enter(&mut table, 1, peer, ip(1)), Ok(()));
        assert_eq!(enter(&mut table, 2, peer, ip(2)), Ok(()));
        assert_eq!(enter(&mut table, 3, peer, ip(3)), Err(NotAdmitted::PerPeer { count: 2 }));
    }
}

#[test]
fn p61_strangers_never_shut_out_a_contact() {
    let (mut table, contact) = (table(), PeerId::random());
    table.set_contact(contact, true);
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
        table.set_contact(peer, true);
        assert_eq!(enter(&mut table, number, peer, ip(1)), Ok(()));
    }
    let contact = PeerId::random();
    table.set_contact(contact, true);
    assert_eq!(enter(&mut table, 9, contact, ip(1)), Err(NotAdmitted::Total { count: 8 }));
    assert_eq!(
        table.check(id(10), contact, ip(1), false, NOW),
        Err(NotAdmitted::Total { count: 8 })
    );
}

#[test]
fn p62_after_a_fault_strangers_from_there_wait_and_contacts_do_not() {
    let (mut table, contact) = (table(), PeerId::random());
    table.set_contact(contact, true);
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
    table.set_contact(contact, true);
    assert_eq!(enter(&mut table, 1, contact, ip(1)), Ok(()));
    table.penalize(id(1), NOW);
    assert_eq!(enter(&mut table, 2, PeerId::random(), ip(1)), Ok(()));
}

#[test]
fn p63_what_is_kept_of_strangers_is_bounded_and_goes_with_them() {
    let roomy = ConnectionLimits { strangers: usize::MAX, total: usize::MAX, ..limits() };
    let mut table = Admission::new(roomy, Limits::default().times);
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
    table.set_contact(contact, true);
    assert_eq!(enter(&mut table, 1, contact, ip(1)), Ok(()));
    assert_eq!(enter(&mut table, 2, stranger, ip(1)), Ok(()));
    assert!(table.overdue(EngineTime(NOW.0 + 30_000)).is_empty());
    assert_eq!(table.overdue(EngineTime(NOW.0 + 30_001)), [(id(2), stranger)]);
}
