//! Whatever a peer may say: an error of the right class, or an answer, and never a broken promise.

use crate::kit::*;
use alloy_primitives::{Address, B256};
use lockstep_core::digest::SigningDomain;
use lockstep_core::error::ErrorClass;
use lockstep_core::ids::{AccountRef, ChannelId, InvoiceId, Sequence, Side, Version};
use lockstep_core::input::{Command, Input};
use lockstep_core::lock::{Lock, locked_sums, locks_root};
use lockstep_core::message::{PeerMessage, Proposal, ReestablishBody, RejectReason, SignedState};
use lockstep_core::money::{Amount, Net};
use lockstep_core::record::FreezeReason;
use lockstep_core::signature::StateSignature;
use lockstep_core::state::{PartialWithdraw, State, StateKind};
use lockstep_core::time::BlockTimestamp;
use lockstep_core::update::{Action, Memo, Payment, Update};
use proptest::prelude::*;

/// Small numbers hit each other; a few large ones hit the bounds.
fn small() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 0u64..6, 2 => 0u64..2 * DEPOSIT, 1 => Just(u64::MAX), 1 => Just(1 << 32)]
}

fn amounts() -> impl Strategy<Value = Amount> {
    prop_oneof![9 => small().prop_map(Amount::from), 1 => Just(Amount::MAX)]
}

fn hashes() -> impl Strategy<Value = B256> {
    (0u8..4).prop_map(|byte| lockstep_core::hash_of(B256::repeat_byte(byte)))
}

fn locks() -> impl Strategy<Value = Lock> {
    (hashes(), amounts(), 0u64..4_000, any::<bool>(), any::<bool>()).prop_map(
        |(hash, amount, expiry, from1, is_zero)| Lock {
            hash,
            resolver: AccountRef::Evm(if is_zero {
                Address::ZERO
            } else {
                Address::repeat_byte(1)
            }),
            amount,
            expiry: BlockTimestamp(expiry),
            from1,
        },
    )
}

fn actions() -> impl Strategy<Value = Action> {
    prop_oneof![
        4 => (amounts(), any::<bool>()).prop_map(|(amount, is_invoiced)| {
            let invoice = is_invoiced.then_some(InvoiceId(B256::repeat_byte(1)));
            Action::Pay(Payment { amount, memo: Memo::default(), invoice })
        }),
        2 => locks().prop_map(Action::AddLock),
        1 => (hashes(), 0u8..4).prop_map(|(hash, byte)| {
            Action::SettleLock { hash, secret: B256::repeat_byte(byte) }
        }),
        1 => hashes().prop_map(|hash| Action::FailLock { hash }),
        1 => hashes().prop_map(|hash| Action::ExpireLock { hash }),
    ]
}

fn updates() -> impl Strategy<Value = Vec<Update>> {
    let update = (1u64..8, actions())
        .prop_map(|(sequence, action)| Update { sequence: Sequence(sequence), action });
    (prop::collection::vec(update, 0..4), any::<bool>()).prop_map(|(mut updates, is_sorted)| {
        if is_sorted {
            updates.sort_by_key(|update| update.sequence);
            updates.dedup_by_key(|update| update.sequence);
        }
        updates
    })
}

fn nets() -> impl Strategy<Value = Net> {
    let deposit = i128::from(DEPOSIT);
    prop_oneof![4 => -6i128..6, 1 => -2 * deposit..2 * deposit, 1 => Just((1i128 << 119) - 1)]
        .prop_map(|value| Net::new(value).unwrap())
}

/// A state by itself: of this channel mostly, with locks that fit it mostly.
fn states() -> impl Strategy<Value = (State, Vec<Lock>)> {
    let list = prop::collection::vec(locks(), 0..3);
    (small(), any::<bool>(), nets(), list, 0u8..8).prop_map(
        |(version, is_final, net, mut locks, twist)| {
            locks.sort_by_key(|lock| lock.hash);
            let sums = locked_sums(&locks).unwrap_or_default();
            let state = State {
                channel_id: if twist == 0 {
                    ChannelId(B256::repeat_byte(1))
                } else {
                    terms().channel_id(DOMAIN)
                },
                version: Version(version),
                kind: if is_final { StateKind::Final } else { StateKind::Ordinary },
                net,
                locked1: if twist == 1 { Amount::MAX } else { sums.0 },
                locked2: sums.1,
                locks_root: if twist == 2 { B256::ZERO } else { locks_root(&locks) },
            };
            (state, locks)
        },
    )
}

/// The peer signs whatever it likes with its own key; ours it can only make up.
fn peer_signature(from: Side, state: &State, kind: u8) -> StateSignature {
    match kind {
        0 => StateSignature([0; 64]),
        1 => StateSignature([0xff; 64]),
        _ => sign(from, SigningDomain::new(DOMAIN).state(state)),
    }
}

fn proposals(from: Side) -> impl Strategy<Value = PeerMessage> {
    let refused = prop::collection::vec((0u64..8).prop_map(Sequence), 0..3);
    (states(), updates(), 0u64..8, refused, 0u8..6, 0u64..3).prop_map(
        move |((state, locks), updates, through, refused, kind, base)| {
            let signature = peer_signature(from, &state, kind);
            let proposal = Proposal {
                base_version: Version(base),
                state,
                locks,
                updates,
                intents_through: Sequence(through),
                refused,
            };
            PeerMessage::Propose { proposal, signature }
        },
    )
}

fn reestablishes(from: Side) -> impl Strategy<Value = PeerMessage> {
    (prop::option::of(states()), small(), 0u64..8, 0u64..8, 0u8..6).prop_map(
        move |(newest, highest, one, two, kind)| {
            let newest = newest.map(|(state, locks)| {
                let theirs = peer_signature(from, &state, kind);
                // Ours is a replay of something else, or noise.
                let ours = StateSignature([kind; 64]);
                let (signature1, signature2) = match from {
                    Side::One => (theirs, ours),
                    Side::Two => (ours, theirs),
                };
                SignedState { state, locks, signature1, signature2 }
            });
            PeerMessage::Reestablish(ReestablishBody {
                newest,
                highest_bound: Version(highest),
                sequence1: Sequence(one),
                sequence2: Sequence(two),
            })
        },
    )
}

fn withdrawals(from: Side) -> impl Strategy<Value = PeerMessage> {
    (states(), amounts(), amounts(), small(), 0u8..6).prop_map(
        move |((state, _), out1, out2, deadline, kind)| {
            let withdraw = PartialWithdraw {
                channel_id: state.channel_id,
                version: state.version,
                net: state.net,
                locked1: state.locked1,
                locked2: state.locked2,
                locks_root: state.locks_root,
                out1,
                out2,
                deadline: BlockTimestamp(deadline),
            };
            let digest = SigningDomain::new(DOMAIN).partial_withdraw(&withdraw);
            let signature = if kind == 0 { StateSignature([1; 64]) } else { sign(from, digest) };
            PeerMessage::WithdrawPropose { withdraw, signature }
        },
    )
}

fn messages(from: Side) -> impl Strategy<Value = PeerMessage> {
    let version = || small().prop_map(Version);
    let reason = || Just(RejectReason::Policy);
    prop_oneof![
        4 => proposals(from),
        2 => (states(), 0u8..6).prop_map(move |((state, _), kind)| PeerMessage::Accept {
            version: state.version,
            signature: peer_signature(from, &state, kind),
        }),
        2 => (version(), reason(), prop::option::of(0u64..8)).prop_map(
            |(version, reason, update)| PeerMessage::Reject {
                version,
                reason,
                update: update.map(Sequence),
                base: Version(0),
            }
        ),
        4 => updates().prop_map(|updates| PeerMessage::Intent { updates }),
        1 => (0u64..8, reason()).prop_map(|(sequence, reason)| PeerMessage::Refuse {
            sequence: Sequence(sequence),
            reason,
        }),
        1 => (amounts(), amounts())
            .prop_map(|(out1, out2)| PeerMessage::WithdrawRequest { out1, out2 }),
        2 => withdrawals(from),
        1 => version().prop_map(|version| PeerMessage::WithdrawAccept {
            version,
            signature: StateSignature([1; 64]),
        }),
        1 => (version(), reason())
            .prop_map(|(version, reason)| PeerMessage::WithdrawReject { version, reason }),
        1 => version().prop_map(|min_version| PeerMessage::CloseRequest { min_version }),
        2 => reestablishes(from),
    ]
}

/// Own orders in between, so that there is something to attack.
fn orders() -> impl Strategy<Value = Command> {
    prop_oneof![
        6 => prop::collection::vec(actions(), 1..3).prop_map(Command::Update),
        1 => (0u8..4).prop_map(|byte| Command::LearnSecret { secret: B256::repeat_byte(byte) }),
        1 => Just(Command::Withdraw { out1: amount(3), out2: amount(0) }),
        1 => Just(Command::AddInvoice {
            id: InvoiceId(B256::repeat_byte(1)),
            amount: amount(3),
            expiry: BlockTimestamp(4_000),
            memo: Memo::default(),
        }),
    ]
}

#[derive(Clone, Debug)]
enum Event {
    Peer(Box<PeerMessage>),
    Order(Command),
    Block(u64),
    /// What an honest peer would say next, so that attacks meet a channel that is in use; `delta` makes
    /// it a little greedy.
    Fitting {
        pays: Vec<u64>,
        delta: i8,
        pick: usize,
    },
}

fn histories(from: Side) -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        5 => messages(from).prop_map(|message| Event::Peer(Box::new(message))),
        3 => orders().prop_map(Event::Order),
        1 => (4u64..4_000).prop_map(Event::Block),
        5 => (prop::collection::vec(1u64..5, 0..3), -1i8..2, 0usize..4)
            .prop_map(|(pays, delta, pick)| Event::Fitting { pays, delta, pick }),
    ];
    prop::collection::vec(event, 1..40)
}

/// Runs a history against one side, and checks what must hold after each step.
fn attack(side: Side, history: Vec<Event>) {
    let mut pair = Pair::open();
    let node = pair.node(side);
    let mut worst_given = Amount::ZERO;
    for event in history {
        let before = node.channel.parts().clone();
        let result = match event {
            Event::Peer(message) => node.input(Input::Peer(*message)),
            Event::Order(command) => {
                if let Command::Update(actions) = &command {
                    worst_given = worst_given.checked_add(given(actions)).unwrap_or(Amount::MAX);
                }
                node.input(Input::Command(command))
            }
            Event::Block(block) => node.input(Input::Finalized(point(block))),
            Event::Fitting { pays, delta, pick } => match fitting(node, &pays, delta, pick) {
                Some(message) => node.input(Input::Peer(message)),
                None => Ok(()),
            },
        };
        if let Err(error) = result {
            assert_ne!(error.class(), ErrorClass::Fatal, "{error:?}");
            assert_eq!(*node.channel.parts(), before, "an error changed something");
        }
        let parts = node.channel.parts();
        let frozen = parts.marks.frozen;
        assert!(matches!(frozen, None | Some(FreezeReason::Equivocation)), "{frozen:?}");
        assert_eq!(parts.marks.restored, None, "a claim without proof was believed");
        // P36: nothing but our own orders takes what is ours: what we locked counts as given.
        let least = node.channel.least_own_balance().unwrap();
        let withdrawn = parts.withdrawal.map_or(Amount::ZERO, |known| match side {
            Side::One => known.withdraw.out1,
            Side::Two => known.withdraw.out2,
        });
        let floor = amount(DEPOSIT).saturating_sub(worst_given).saturating_sub(withdrawn);
        assert!(least >= floor, "{least} is below {floor}");
    }
}

/// The next message of a peer that follows the protocol, but for `delta`.
fn fitting(node: &Node, pays: &[u64], delta: i8, pick: usize) -> Option<PeerMessage> {
    let parts = node.channel.parts();
    let domain = SigningDomain::new(DOMAIN);
    if node.channel.side() == Side::One {
        let chosen = parts.in_flight.get(pick % parts.in_flight.len().max(1))?;
        let signature = sign(Side::Two, domain.state(&chosen.state));
        return Some(PeerMessage::Accept { version: chosen.state.version, signature });
    }
    let (net, locks, version) = parts.base.as_ref().map_or((0, vec![], 0), |base| {
        (base.state.net.get(), base.locks.clone(), base.state.version.0)
    });
    let mut net = net + i128::from(delta);
    let mut updates = vec![];
    let first = parts.base_sequences.one.0;
    for (place, value) in (1u64..).zip(pays) {
        net += i128::from(*value);
        updates.push(Update { sequence: Sequence(first + place), action: pay(*value) });
    }
    let mut through = parts.base_sequences.two;
    for entry in &parts.own_pending {
        let Action::Pay(payment) = &entry.update.action else { break };
        net -= i128::try_from(payment.amount.to_u128()?).ok()?;
        through = entry.update.sequence;
    }
    let (locked1, locked2) = locked_sums(&locks).unwrap();
    let state = State {
        channel_id: terms().channel_id(DOMAIN),
        version: parts.guard.highest.next().filter(|next| next.0 > version)?,
        kind: StateKind::Ordinary,
        net: Net::new(net).ok()?,
        locked1,
        locked2,
        locks_root: locks_root(&locks),
    };
    let signature = sign(Side::One, domain.state(&state));
    let proposal = Proposal {
        base_version: Version(version),
        state,
        locks,
        updates,
        intents_through: through,
        refused: vec![],
    };
    Some(PeerMessage::Propose { proposal, signature })
}

fn given(actions: &[Action]) -> Amount {
    let amounts = actions.iter().map(|action| match action {
        Action::Pay(payment) => payment.amount,
        Action::AddLock(lock) => lock.amount,
        _ => Amount::ZERO,
    });
    amounts.fold(Amount::ZERO, |sum, amount| sum.checked_add(amount).unwrap_or(Amount::MAX))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn p33_p36_p67_no_history_of_a_hostile_acceptor_breaks_the_proposer(
        history in histories(Side::Two),
    ) {
        attack(Side::One, history);
    }

    #[test]
    fn p33_p36_p67_no_history_of_a_hostile_proposer_breaks_the_acceptor(
        history in histories(Side::One),
    ) {
        attack(Side::Two, history);
    }
}
