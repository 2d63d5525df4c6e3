//! Sequences of inputs to one honest node whose counterparty, operators and chain say anything.
//!
//! The simulator's judges look on: what the node binds, signs and sends must hold whatever it is told.

use alloy_primitives::{Address, B256};
use lockstep_core::chain::{ChainEvent, ChainFact, ChannelStatus, EventPosition, StoredPoint};
use lockstep_core::digest::SigningDomain;
use lockstep_core::ids::{AccountRef, InvoiceId, Sequence, Side, Version};
use lockstep_core::input::{Command, Input};
use lockstep_core::lock::{Lock, locked_sums, locks_root};
use lockstep_core::message::{PeerMessage, Proposal, ReestablishBody, RejectReason, SignedState};
use lockstep_core::money::{Amount, Net};
use lockstep_core::record::{ChannelRecord, OpeningStage, Phase, RecordParts};
use lockstep_core::signature::StateSignature;
use lockstep_core::state::{PartialWithdraw, State, StateKind};
use lockstep_core::time::{BlockNumber, BlockPoint, BlockTimestamp, EngineTime, Finality};
use lockstep_core::update::{Action, Memo, Payment, Update};
use lockstep_sim::keys::{DOMAIN, place};
use lockstep_sim::scenario::{Ending, LinkFaults, Scenario, Vice};
use lockstep_sim::stats::Stats;
use lockstep_sim::trace::Trace;
use lockstep_sim::violation::{Checked, ensure};
use lockstep_sim::world::World;

use crate::supply::Supply;

/// Inputs after which a run ends, however many bytes are left.
const MAX_INPUTS: usize = 48;
/// Proposals in flight; small, so that the window is often full.
const WIDTH: u32 = 3;

/// Opens a channel, then lets the bytes decide what the honest side hears; or lets them decide from the first offer
/// on. In the end that side leaves with what it holds, and must be paid.
///
/// # Panics
/// If a property does not hold.
pub fn sequence(bytes: &[u8]) {
    if let Err(violation) = play(bytes) {
        panic!("{violation}");
    }
}

/// The same, with what happened.
///
/// # Errors
/// If a property does not hold.
pub fn play(bytes: &[u8]) -> Checked<Stats> {
    let mut supply = Supply::new(bytes);
    let side = if supply.below(2) == 0 { Side::One } else { Side::Two };
    let mut world = World::new(scenario(side), Trace::default())?;
    world.is_calm = true;
    let kind = supply.below(16);
    let may_lie = kind.is_multiple_of(4);
    if kind < 14 {
        world.finish_open()?;
    }
    let mut has_false_news = false;
    for _ in 0..MAX_INPUTS {
        if supply.is_empty() {
            break;
        }
        has_false_news |= step(&mut world, side, may_lie, &mut supply)?;
    }
    // After news that no chain ever confirms a node waits for as long as its provider lies.
    let was_taken_back = has_taken_back(&world);
    if !has_false_news {
        world.calm()?;
    }
    let is_open = world.status() != ChannelStatus::None || !has_taken_back(&world);
    ensure(!was_taken_back || !is_open, "P34", || {
        format!("an offer that was taken back led to a channel that is {:?}", world.status())
    })?;
    Ok(world.stats)
}

/// Whether side one, as an honest side, has taken its offer back or was refused.
fn has_taken_back(world: &World) -> bool {
    let parts = world.nodes[place(Side::One)].disk.record().map(ChannelRecord::parts);
    let is_over = |parts: &RecordParts| parts.phase == Phase::Opening(OpeningStage::Rejected);
    world.scenario.is_honest(Side::One) && parts.is_some_and(is_over)
}

fn scenario(honest: Side) -> Scenario {
    Scenario {
        seed: 1,
        hostile: Some((honest.other(), Vice::Silent)),
        restored: None,
        link: LinkFaults::default(),
        cut: 0,
        crash: 0,
        reorg: 0,
        clock_jump: 0,
        finality: 1,
        challenge_period: 1_200,
        deposits: [5_000, 5_000],
        opens_with_consent: false,
        guard: None,
        max_in_flight: WIDTH,
        has_locks: true,
        has_withdrawals: true,
        early_close: 0,
        steps: 0,
        ending: Ending::Force(honest),
    }
}

/// One input; true if it was news that the chain does not confirm.
fn step(world: &mut World, side: Side, may_lie: bool, supply: &mut Supply<'_>) -> Checked<bool> {
    match supply.below(24) {
        // What the counterparty's real node has to say, so that a run gets somewhere.
        0..=6 => {
            for _ in 0..3 {
                world.deliver(side)?;
                world.deliver(side.other())?;
            }
        }
        7 => {
            world.kill(side)?;
            world.start(side)?;
        }
        8 => world.connect()?,
        9 => world.mine()?,
        10..=12 => {
            let command = command(world, side, supply);
            world.order(side, command)?;
        }
        13 => {
            // The counterparty's own operator orders something as well.
            let command = command(world, side.other(), supply);
            world.order(side.other(), command)?;
        }
        14 if may_lie => {
            let input = chain_input(world, supply);
            world.feed(side, input)?;
            return Ok(true);
        }
        _ => {
            let message = message(world, side, supply);
            let is_declined = supply.below(8) == 0;
            let input = if is_declined { Input::Decline(message) } else { Input::Peer(message) };
            world.feed(side, input)?;
        }
    }
    Ok(false)
}

fn command(world: &World, side: Side, supply: &mut Supply<'_>) -> Command {
    let is_offer = matches!(
        world.nodes[place(side)].parts().map(|parts| &parts.phase),
        Some(Phase::Opening(OpeningStage::Requested))
    );
    match supply.below(32) {
        24.. if is_offer => Command::CancelOpen,
        31 => Command::CancelOpen,
        0 => Command::Close,
        1 => Command::ForceClose,
        2..=3 => Command::Withdraw {
            out1: Amount::from(supply.number()),
            out2: Amount::from(supply.number()),
        },
        4..=6 => Command::AddInvoice {
            id: InvoiceId(word(supply)),
            amount: Amount::from(supply.number()),
            expiry: BlockTimestamp(world.now().0.saturating_add(supply.number())),
            memo: Memo::default(),
        },
        7..=10 => Command::LearnSecret { secret: word(supply) },
        _ => {
            let count = 1 + supply.below(3);
            let from1 = side == Side::One;
            Command::Update((0..count).map(|_| action(world, from1, supply)).collect())
        }
    }
}

/// One of a few words, so that hashes and secrets meet again.
fn word(supply: &mut Supply<'_>) -> B256 {
    B256::repeat_byte(supply.below(6))
}

fn lock(world: &World, from1: bool, supply: &mut Supply<'_>) -> Lock {
    let resolver = if supply.below(12) == 0 { Address::repeat_byte(1) } else { Address::ZERO };
    Lock {
        hash: lockstep_core::hash_of(word(supply)),
        resolver: AccountRef::Evm(resolver),
        amount: Amount::from(supply.number()),
        expiry: BlockTimestamp(world.now().0.saturating_add(600).saturating_add(supply.number())),
        from1: from1 != (supply.below(12) == 0),
    }
}

fn action(world: &World, from1: bool, supply: &mut Supply<'_>) -> Action {
    match supply.below(10) {
        0 => Action::AddLock(lock(world, from1, supply)),
        1 => {
            let secret = word(supply);
            Action::SettleLock { hash: lockstep_core::hash_of(secret), secret }
        }
        2 => Action::FailLock { hash: lockstep_core::hash_of(word(supply)) },
        3 => Action::ExpireLock { hash: lockstep_core::hash_of(word(supply)) },
        _ => Action::Pay(Payment {
            amount: Amount::from(supply.number()),
            memo: Memo::default(),
            invoice: (supply.below(8) == 0).then(|| InvoiceId(word(supply))),
        }),
    }
}

fn updates(world: &World, from1: bool, supply: &mut Supply<'_>, first: u64) -> Vec<Update> {
    let mut sequence = if supply.below(6) == 0 { supply.number() } else { first };
    let count = supply.below(4);
    let all = (0..count).map(|_| {
        let update = Update { sequence: Sequence(sequence), action: action(world, from1, supply) };
        sequence = sequence.saturating_add(u64::from(supply.below(12) != 0));
        update
    });
    all.collect()
}

/// A state near the node's newest, or far from it.
fn state(world: &World, side: Side, locks: &[Lock], supply: &mut Supply<'_>) -> State {
    let parts = world.nodes[place(side)].parts();
    let highest = parts.map_or(0, |parts| parts.guard.highest.0);
    let base = parts.and_then(|parts| parts.base.as_ref()).map(|base| base.state);
    let step = if supply.below(6) == 0 { supply.number() } else { 1 };
    let late = if supply.below(6) == 0 { u64::from(supply.below(3)) } else { 0 };
    let net = base.map_or(0, |base| base.net.get()) + i128::from(supply.below(6)) - 2;
    let (locked1, locked2) = locked_sums(locks).unwrap_or_default();
    let is_odd = supply.below(12) == 0;
    State {
        channel_id: world.keys.terms(world.scenario.challenge_period).channel_id(DOMAIN),
        version: Version(highest.saturating_add(step).saturating_sub(late)),
        kind: if supply.below(16) == 0 { StateKind::Final } else { StateKind::Ordinary },
        net: Net::new(net).unwrap_or_default(),
        locked1: if is_odd { Amount::from(supply.number()) } else { locked1 },
        locked2,
        locks_root: locks_root(locks),
    }
}

fn locks(world: &World, side: Side, supply: &mut Supply<'_>) -> Vec<Lock> {
    let parts = world.nodes[place(side)].parts();
    let mut locks: Vec<Lock> =
        parts.iter().flat_map(|p| &p.base).flat_map(|base| &base.locks).copied().collect();
    if supply.below(6) == 0 {
        locks.push(lock(world, supply.below(2) == 0, supply));
    }
    if supply.below(8) == 0 {
        locks.pop();
    }
    if supply.below(8) != 0 {
        locks.sort_by_key(|lock| lock.hash);
    }
    locks
}

/// By the counterparty, or by nobody.
fn sign(
    world: &World,
    by: Side,
    digest: lockstep_core::ids::Digest,
    supply: &mut Supply<'_>,
) -> StateSignature {
    match supply.below(8) {
        0 => StateSignature([supply.byte(); 64]),
        1 => world.keys.sign(by, lockstep_core::ids::Digest(word(supply))),
        _ => world.keys.sign(by, digest),
    }
}

fn message(world: &World, side: Side, supply: &mut Supply<'_>) -> PeerMessage {
    let peer = side.other();
    let parts = world.nodes[place(side)].parts();
    let domain = SigningDomain::new(DOMAIN);
    let highest = parts.map_or(0, |parts| parts.guard.highest.0);
    let version = Version(highest.saturating_sub(u64::from(supply.below(4))));
    match supply.below(14) {
        0..=3 => {
            let proposal = if supply.below(3) == 0 {
                odd_proposal(world, side, version, supply)
            } else {
                fair_proposal(world, side, supply)
            };
            let signature = sign(world, peer, domain.state(&proposal.state), supply);
            PeerMessage::Propose { proposal, signature }
        }
        4..=5 => {
            let entries = parts.map_or(&[][..], |parts| &parts.in_flight);
            let count = u8::try_from(entries.len()).unwrap_or(u8::MAX);
            let chosen = entries.get(usize::from(supply.below(count)));
            let digest = chosen.map(|entry| domain.state(&entry.state));
            let version = chosen.map_or(version, |entry| entry.state.version);
            let digest = digest.unwrap_or(lockstep_core::ids::Digest(B256::ZERO));
            PeerMessage::Accept { version, signature: sign(world, peer, digest, supply) }
        }
        6 => PeerMessage::Reject {
            version,
            reason: RejectReason::Policy,
            update: (supply.below(2) == 0).then(|| Sequence(supply.number())),
            base: Version(supply.number()),
        },
        7 => {
            let first = parts.map_or(0, |parts| parts.peer_sequence.0) + 1;
            PeerMessage::Intent { updates: updates(world, false, supply, first) }
        }
        8 => PeerMessage::WithdrawRequest {
            out1: Amount::from(supply.number()),
            out2: Amount::from(supply.number()),
        },
        9 => withdraw(world, side, supply),
        10 => {
            let withdraw = parts.and_then(|parts| parts.withdrawal).map(|known| known.withdraw);
            let digest = withdraw.map(|withdraw| domain.partial_withdraw(&withdraw));
            let version = withdraw.map_or(version, |withdraw| withdraw.version);
            let digest = digest.unwrap_or(lockstep_core::ids::Digest(B256::ZERO));
            PeerMessage::WithdrawAccept { version, signature: sign(world, peer, digest, supply) }
        }
        11 => PeerMessage::CloseRequest { min_version: Version(supply.number()) },
        12 => PeerMessage::Refuse {
            sequence: Sequence(supply.number()),
            reason: RejectReason::Policy,
        },
        _ => reestablish(world, side, supply),
    }
}

/// A proposal whose parts have little to do with each other.
fn odd_proposal(
    world: &World,
    side: Side,
    base_version: Version,
    supply: &mut Supply<'_>,
) -> Proposal {
    let parts = world.nodes[place(side)].parts();
    let locks = locks(world, side, supply);
    let own = parts.map_or(0, |parts| parts.own_sequence.0);
    let first = parts.map_or(0, |parts| parts.base_sequences.one.0) + 1;
    Proposal {
        base_version,
        state: state(world, side, &locks, supply),
        locks,
        updates: updates(world, true, supply, first),
        intents_through: Sequence(own.saturating_sub(u64::from(supply.below(3)))),
        refused: (0..supply.below(3)).map(|_| Sequence(supply.number())).collect(),
    }
}

/// A proposal whose state is what its updates and the acceptor's own make of the base.
fn fair_proposal(world: &World, side: Side, supply: &mut Supply<'_>) -> Proposal {
    let parts = world.nodes[place(side)].parts();
    let base = parts.and_then(|parts| parts.base.as_ref());
    let first = parts.map_or(0, |parts| parts.base_sequences.one.0) + 1;
    let mut content = Content {
        net: base.map_or(0, |base| base.state.net.get()),
        locks: base.map_or(vec![], |base| base.locks.clone()),
    };
    let count = 1 + u64::from(supply.below(3));
    let updates: Vec<Update> = (first..first.saturating_add(count))
        .map(|sequence| Update {
            sequence: Sequence(sequence),
            action: action(world, true, supply),
        })
        .collect();
    updates.iter().for_each(|update| content.apply(Side::One, &update.action));
    let pending = parts.map_or(&[][..], |parts| &parts.own_pending);
    let included = usize::from(supply.below(4)).min(pending.len());
    pending[..included].iter().for_each(|entry| content.apply(Side::Two, &entry.update.action));
    let through = pending[..included].last().map(|entry| entry.update.sequence);
    let before = parts.map_or(Sequence::ZERO, |parts| parts.base_sequences.two);
    content.locks.sort_by_key(|lock| lock.hash);
    let near = state(world, side, &content.locks, supply);
    Proposal {
        base_version: base.map_or(Version::ZERO, |base| base.state.version),
        state: State { net: Net::new(content.net).unwrap_or_default(), ..near },
        locks: content.locks,
        updates,
        intents_through: through.unwrap_or(before),
        refused: vec![],
    }
}

/// What a state says, without any check.
struct Content {
    net: i128,
    locks: Vec<Lock>,
}

impl Content {
    fn apply(&mut self, by: Side, action: &Action) {
        match action {
            Action::Pay(payment) => self.pay(by, payment.amount),
            Action::AddLock(lock) => self.locks.push(*lock),
            Action::SettleLock { hash, .. } => {
                if let Some(lock) = self.locks.iter().find(|lock| lock.hash == *hash).copied() {
                    self.pay(lock.payer(), lock.amount);
                }
                self.locks.retain(|lock| lock.hash != *hash);
            }
            Action::FailLock { hash } | Action::ExpireLock { hash } => {
                self.locks.retain(|lock| lock.hash != *hash);
            }
        }
    }

    fn pay(&mut self, payer: Side, amount: Amount) {
        let amount = amount.to_u128().and_then(|amount| i128::try_from(amount).ok()).unwrap_or(0);
        self.net = match payer {
            Side::One => self.net.saturating_add(amount),
            Side::Two => self.net.saturating_sub(amount),
        };
    }
}

fn withdraw(world: &World, side: Side, supply: &mut Supply<'_>) -> PeerMessage {
    let parts = world.nodes[place(side)].parts();
    let base = parts.and_then(|parts| parts.base.as_ref()).map(|base| base.state);
    let highest = parts.map_or(0, |parts| parts.guard.highest.0);
    let withdraw = PartialWithdraw {
        channel_id: world.keys.terms(world.scenario.challenge_period).channel_id(DOMAIN),
        version: Version(highest.saturating_add(u64::from(supply.below(3)))),
        net: base.map_or(Net::ZERO, |base| base.net),
        locked1: base.map_or(Amount::ZERO, |base| base.locked1),
        locked2: base.map_or(Amount::ZERO, |base| base.locked2),
        locks_root: base.map_or(B256::ZERO, |base| base.locks_root),
        out1: Amount::from(supply.number()),
        out2: Amount::from(supply.number()),
        deadline: BlockTimestamp(world.now().0.saturating_add(supply.number())),
    };
    let digest = SigningDomain::new(DOMAIN).partial_withdraw(&withdraw);
    let signature = sign(world, side.other(), digest, supply);
    PeerMessage::WithdrawPropose { withdraw, signature }
}

fn reestablish(world: &World, side: Side, supply: &mut Supply<'_>) -> PeerMessage {
    let locks = locks(world, side, supply);
    let state = state(world, side, &locks, supply);
    let digest = SigningDomain::new(DOMAIN).state(&state);
    // An adversary has only its own key: the honest half is never valid for something new.
    let theirs = sign(world, side.other(), digest, supply);
    let ours = StateSignature([supply.byte(); 64]);
    let (signature1, signature2) = match side {
        Side::One => (ours, theirs),
        Side::Two => (theirs, ours),
    };
    let newest = SignedState { state, locks, signature1, signature2 };
    PeerMessage::Reestablish(ReestablishBody {
        newest: (supply.below(3) != 0).then_some(newest),
        highest_bound: Version(supply.number()),
        sequence1: Sequence(supply.number()),
        sequence2: Sequence(supply.number()),
    })
}

/// What one provider may say and nobody has confirmed; final facts come from the simulated chain alone.
fn chain_input(world: &World, supply: &mut Supply<'_>) -> Input {
    let head = world.chain.head().point;
    let number = BlockNumber(head.number.0.saturating_add(supply.number()));
    match supply.below(4) {
        0 => Input::Tick { now: EngineTime(supply.number()) },
        1 => Input::Head(BlockPoint { number, timestamp: head.timestamp }),
        2 => {
            let secret = word(supply);
            let fact = ChainFact::SecretRevealed {
                hash: lockstep_core::hash_of(word(supply)),
                secret,
                at: BlockTimestamp(supply.number()),
            };
            seen(number, head.timestamp, fact)
        }
        _ => {
            let point = StoredPoint { version: Version(supply.number()), ..StoredPoint::default() };
            let fact = ChainFact::Closing {
                point,
                closes_at: BlockTimestamp(head.timestamp.0.saturating_add(supply.number())),
                initiator: Side::Two,
                evidence: None,
            };
            seen(number, head.timestamp, fact)
        }
    }
}

fn seen(block: BlockNumber, timestamp: BlockTimestamp, fact: ChainFact) -> Input {
    let position = EventPosition { block, log_index: 1 };
    Input::Chain(ChainEvent { position, timestamp, finality: Finality::Seen, fact })
}
