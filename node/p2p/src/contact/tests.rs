use super::*;

fn contact(node: u8, peer_id: PeerId) -> Contact {
    Contact { node_id: NodeId([node; 33]), peer_id, addresses: vec![address(1)], seen_head: None }
}

fn register(book: &mut ContactBook, contact: Contact) -> Result<&mut Known, ContactError> {
    book.register(contact, &Limits::default(), EngineTime(0))
}

fn address(port: u16) -> Multiaddr {
    format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap()
}

#[test]
fn p68_a_peer_id_and_a_node_key_are_known_as_one_pair() {
    let mut book = ContactBook::default();
    let (first, second) = (PeerId::random(), PeerId::random());
    assert!(register(&mut book, contact(1, first)).is_ok());
    assert!(register(&mut book, contact(1, first)).is_ok());
    for other in [contact(1, second), contact(2, first)] {
        let peer_id = other.peer_id;
        assert_eq!(
            register(&mut book, other).unwrap_err(),
            ContactError::OtherIdentity { peer_id }
        );
    }
    assert_eq!(book.len(), 1);
    assert!(book.forget(&NodeId([1; 33])).is_some());
    assert!(register(&mut book, contact(2, first)).is_ok());
}

#[test]
fn p66_contacts_addresses_and_waiters_are_bounded() {
    let mut book = ContactBook::default();
    let mut many = contact(1, PeerId::random());
    many.addresses = vec![address(1); MAX_ADDRESSES + 1];
    let error = register(&mut book, many).unwrap_err();
    assert_eq!(error, ContactError::TooManyAddresses { count: MAX_ADDRESSES + 1 });
    let known = register(&mut book, contact(1, PeerId::random())).unwrap();
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
    let known = register(&mut book, contact(1, PeerId::random())).unwrap();
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
    let known = register(&mut book, contact(1, PeerId::random())).unwrap();
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
    let known = register(&mut book, contact(1, PeerId::random())).unwrap();
    known.attempt = Attempt::Trying(EngineTime(0));
    assert!(book.overdue(EngineTime(30_000), Duration::from_secs(30)).is_empty());
    assert_eq!(book.overdue(EngineTime(30_001), Duration::from_secs(30)), [NodeId([1; 33])]);
}

#[test]
fn p62_a_contact_begins_only_so_many_sessions() {
    let mut book = ContactBook::default();
    let known = register(&mut book, contact(1, PeerId::random())).unwrap();
    let begun = |known: &mut Known, now| (0..1_000).take_while(|_| known.may_begin(now)).count();
    assert_eq!(begun(known, EngineTime(0)), 16);
    assert_eq!(begun(known, EngineTime(2_000)), 2);
    // Its new addresses make it no new contact.
    let again = known.contact.clone();
    let known = register(&mut book, again).unwrap();
    assert_eq!(begun(known, EngineTime(2_000)), 0);
}

#[test]
fn each_attempt_begins_with_another_address() {
    let mut book = ContactBook::default();
    let mut many = contact(1, PeerId::random());
    many.addresses = (1..=3).map(address).collect();
    let known = register(&mut book, many).unwrap();
    known.is_kept = true;
    for first in [1, 2, 3, 1] {
        let tried = known.addresses();
        assert_eq!((tried.len(), &tried[0]), (3, &address(first)));
        known.ended(EngineTime(0), 0);
    }
}
