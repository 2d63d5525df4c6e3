use super::*;

fn contact(node: u8, peer_id: PeerId) -> Contact {
    Contact { node_id: NodeId([node; 33]), peer_id, addresses: vec![address(1)], seen_head: None }
}

fn address(port: u16) -> Multiaddr {
    format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap()
}

#[test]
fn p68_a_peer_id_and_a_node_key_are_known_as_one_pair() {
    let mut book = ContactBook::default();
    let (first, second) = (PeerId::random(), PeerId::random());
    assert!(book.register(contact(1, first)).is_ok());
    assert!(book.register(contact(1, first)).is_ok());
    for other in [contact(1, second), contact(2, first)] {
        let peer_id = other.peer_id;
        assert_eq!(book.register(other).unwrap_err(), ContactError::OtherIdentity { peer_id });
    }
    assert_eq!(book.len(), 1);
    assert!(book.forget(&NodeId([1; 33])).is_some());
    assert!(book.register(contact(2, first)).is_ok());
}

#[test]
fn p66_contacts_addresses_and_waiters_are_bounded() {
    let mut book = ContactBook::default();
    let mut many = contact(1, PeerId::random());
    many.addresses = vec![address(1); MAX_ADDRESSES + 1];
    let error = book.register(many).unwrap_err();
    assert_eq!(error, ContactError::TooManyAddresses { count: MAX_ADDRESSES + 1 });
    let known = book.register(contact(1, PeerId::random())).unwrap();
    let receivers: Vec<_> = (0..=MAX_WAITERS)
        .map(|number| {
            let (waiter, receiver) = oneshot::channel();
            assert_eq!(known.wait(waiter).is_ok(), number < MAX_WAITERS);
            receiver
        })
        .collect();
    // Whoever gives up makes room.
    drop(receivers);
    assert!(known.wait(oneshot::channel().0).is_ok());
    for port in 0..100 {
        known.found(address(port));
    }
    assert_eq!(known.addresses().len(), 1 + MAX_ADDRESSES);
}

#[test]
fn a_contact_that_is_not_kept_is_not_looked_for() {
    let mut book = ContactBook::default();
    let known = book.register(contact(1, PeerId::random())).unwrap();
    known.ended(EngineTime(0), 0);
    assert_eq!(known.attempt, Attempt::Idle);
    known.is_kept = true;
    known.ended(EngineTime(0), 0);
    assert!(matches!(known.attempt, Attempt::Due(_)));
    assert!(book.due(EngineTime(0)).is_empty());
    assert_eq!(book.due(EngineTime(120_000)), [NodeId([1; 33])]);
}

#[test]
fn only_a_session_that_lasted_makes_the_next_wait_short() {
    let mut book = ContactBook::default();
    let known = book.register(contact(1, PeerId::random())).unwrap();
    known.is_kept = true;
    for _ in 0..10 {
        known.attempt = Attempt::Connected(EngineTime(0));
        known.ended(EngineTime(100), 0);
    }
    assert_eq!(known.backoff.failures(), 10);
    known.attempt = Attempt::Connected(EngineTime(0));
    known.ended(EngineTime(30_000), 0);
    assert_eq!(known.backoff.failures(), 1);
}

#[test]
fn p65_an_attempt_that_takes_too_long_is_overdue() {
    let mut book = ContactBook::default();
    let known = book.register(contact(1, PeerId::random())).unwrap();
    known.attempt = Attempt::Trying(EngineTime(0));
    assert!(book.overdue(EngineTime(30_000), Duration::from_secs(30)).is_empty());
    assert_eq!(book.overdue(EngineTime(30_001), Duration::from_secs(30)), [NodeId([1; 33])]);
}
