//! Two channels, a journal and a signer in memory, and a link that a test drives by hand.

use alloy_primitives::{Address, B256};
use k256::ecdsa::SigningKey;
use lockstep_core::adjudicator::{
    Adjudicator, Call, PresentedConsent, PresentedIntent, PresentedState, PresentedWithdraw,
    Signatures, Step,
};
use lockstep_core::chain::{ChainCall, ChainEvent, ChainFact, EventPosition, Evidence, Obligation};
use lockstep_core::channel::Channel;
use lockstep_core::commit::{Durable, Journal, Signer, Transition, commit, recover};
use lockstep_core::error::ProtocolError;
use lockstep_core::ids::{AccountRef, ChannelId, Digest, Domain, NodeId, Side, Version};
use lockstep_core::input::{Command, Input};
use lockstep_core::lock::Lock;
use lockstep_core::message::PeerMessage;
use lockstep_core::money::Amount;
use lockstep_core::output::{Effect, Notice, Output};
use lockstep_core::record::{ChannelRecord, ChannelSetup};
use lockstep_core::request::SigningRequest;
use lockstep_core::signature::{SignerKey, StateSignature};
use lockstep_core::terms::{Features, PeriodBounds, Policy, Terms};
use lockstep_core::time::{BlockNumber, BlockPoint, BlockTimestamp, EngineTime, Finality};
use lockstep_core::update::{Action, Memo, Payment};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

pub const DOMAIN: Domain = Domain::Evm { chain_id: 31_337, contract: Address::repeat_byte(0xcc) };
pub const BOUNDS: PeriodBounds = PeriodBounds { minimum: 60, maximum: 6_000 };
pub const PERIOD: u32 = 1_000;
pub const DEPOSIT: u64 = 1_000_000;

pub fn amount(value: u64) -> Amount {
    Amount::from(value)
}

pub fn signing_key(side: Side) -> SigningKey {
    SigningKey::from_slice(&[side.number(); 32]).unwrap()
}

pub fn signer_key(side: Side) -> SignerKey {
    SignerKey::from_verifying_key(*signing_key(side).verifying_key())
}

pub fn sign(side: Side, digest: Digest) -> StateSignature {
    let key = signing_key(side);
    let (signature, recovery) = key.sign_prehash_recoverable(digest.0.as_slice()).unwrap();
    StateSignature::from_parts(&signature, recovery).unwrap()
}

pub fn participant(side: Side) -> AccountRef {
    AccountRef::Evm(Address::repeat_byte(0xa0 + side.number()))
}

pub fn terms() -> Terms {
    Terms {
        participant1: participant(Side::One),
        participant2: participant(Side::Two),
        signer1: signer_key(Side::One).address(),
        signer2: signer_key(Side::Two).address(),
        token: AccountRef::Evm(Address::ZERO),
        challenge_period: PERIOD,
        salt: B256::repeat_byte(5),
    }
}

pub fn policy() -> Policy {
    Policy { period: BOUNDS, lock_margin_secs: 600, ..Policy::default() }
}

pub fn setup(side: Side, policy: Policy) -> ChannelSetup {
    ChannelSetup {
        domain: DOMAIN,
        terms: terms(),
        side,
        peer: NodeId([side.other().number(); 33]),
        own_key: signer_key(side),
        counterparty_key: None,
        features: Features::ALL,
        policy,
        deposit1: amount(DEPOSIT),
        deposit2: amount(DEPOSIT),
    }
}

/// A disk: what was written, and every digest that a version was ever bound to.
#[derive(Default)]
pub struct Disk {
    record: Option<ChannelRecord>,
    bound: BTreeMap<Version, Digest>,
    pub writes: usize,
    /// The history, written with the record.
    pub notices: Vec<Notice>,
}

impl Journal for Disk {
    type Error = &'static str;

    fn write_through(&mut self, batch: &[&Transition]) -> Result<(), Self::Error> {
        for transition in batch {
            for binding in transition.bindings() {
                let known = self.bound.insert(binding.version, binding.digest);
                if known.is_some_and(|known| known != binding.digest) {
                    return Err("one version has two digests");
                }
            }
            for output in transition.outputs() {
                if let Output::Notify(notice) = output {
                    self.notices.push(notice.clone());
                }
            }
            if transition.needs_write() {
                // Paired assertion: whatever is written can be read back.
                let parts = transition.next().parts().clone();
                let read = ChannelRecord::from_parts(parts).map_err(|_| "record does not hold")?;
                self.record = Some(read);
                self.writes += 1;
            }
        }
        Ok(())
    }

    fn read(&mut self, _: ChannelId) -> Result<Option<ChannelRecord>, Self::Error> {
        Ok(self.record.clone())
    }
}

/// A signer that remembers all it ever signed and refuses a second digest of a version (P31).
#[derive(Clone, Default)]
pub struct Keys {
    /// Whether it panics instead of signing.
    panics: Rc<Cell<bool>>,
    signed: Rc<RefCell<BTreeMap<(Side, Version), Digest>>>,
}

impl Signer for Keys {
    type Error = &'static str;

    fn sign_state(&self, request: Durable<SigningRequest>) -> Result<StateSignature, Self::Error> {
        assert!(!self.panics.get(), "the signer dies");
        let request = request.into_inner();
        if let Some(version) = request.version() {
            let known =
                self.signed.borrow_mut().insert((request.side(), version), request.digest());
            if known.is_some_and(|known| known != request.digest()) {
                return Err("two digests of one version under our key");
            }
        }
        Ok(sign(request.side(), request.digest()))
    }
}

/// One node: a channel, its disk, and what came out of it.
pub struct Node {
    pub channel: Channel,
    pub disk: Disk,
    keys: Keys,
    pub outbox: VecDeque<PeerMessage>,
    pub duties: Vec<Obligation>,
    /// What the registry was asked about.
    pub asked: Vec<B256>,
}

impl Node {
    /// Side one, right after it asked for a channel.
    pub fn requested() -> Self {
        let request = lockstep_core::request_open(setup(Side::One, policy())).unwrap();
        Self::create(request, Keys::default())
    }

    pub fn create(transition: Transition, keys: Keys) -> Self {
        let mut disk = Disk::default();
        let mut durable = commit(&mut disk, vec![transition]).unwrap();
        let (channel, effects) = Channel::create(durable.remove(0));
        let mut node =
            Self { channel, disk, keys, outbox: VecDeque::new(), duties: vec![], asked: vec![] };
        node.carry_out(effects);
        node
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            let done = match effect {
                Output::Sign { request, then } => {
                    then.complete(self.keys.sign_state(request).unwrap())
                }
                other => other,
            };
            match done {
                Output::Send(message) => self.outbox.push_back(message),
                Output::Submit(obligation) => self.duties.push(obligation),
                Output::Watch { hash } => self.asked.push(hash),
                Output::Notify(_) | Output::Protect { .. } => {}
                Output::Sign { .. } => unreachable!("a signature is complete"),
            }
        }
    }

    /// Handles, commits, adopts and carries out.
    pub fn input(&mut self, input: Input) -> Result<(), ProtocolError> {
        let transition = self.channel.handle(input)?;
        let mut durable = commit(&mut self.disk, vec![transition]).unwrap();
        let effects = self.channel.adopt(durable.remove(0))?;
        self.carry_out(effects);
        Ok(())
    }

    /// Handles and commits, then dies before anything is signed or sent.
    pub fn input_and_crash(&mut self, input: Input) -> Result<(), ProtocolError> {
        let transition = self.channel.handle(input)?;
        commit(&mut self.disk, vec![transition]).unwrap();
        self.restart();
        Ok(())
    }

    /// Handles, commits and adopts; then the signer panics, nothing is sent, and the process starts again.
    pub fn input_and_panic(&mut self, input: Input) {
        self.keys.panics.set(true);
        let died = catch_unwind(AssertUnwindSafe(|| self.input(input)));
        self.keys.panics.set(false);
        assert!(died.is_err(), "nothing was to be signed: {died:?}");
        assert!(self.outbox.is_empty(), "{:?}", self.outbox);
        self.restart();
    }

    pub fn restart(&mut self) {
        let id = self.channel.channel_id();
        self.outbox.clear();
        self.channel = Channel::resume(recover(&mut self.disk, id).unwrap().unwrap());
        self.input(Input::Started).unwrap();
    }

    /// Puts an old record on the disk, as a backup does; the signer forgets nothing.
    pub fn restore(&mut self, backup: ChannelRecord) {
        self.disk.record = Some(backup);
        self.restart();
    }

    pub fn backup(&self) -> ChannelRecord {
        self.disk.record.clone().unwrap()
    }

    pub fn command(&mut self, command: Command) -> Result<(), ProtocolError> {
        self.input(Input::Command(command))
    }

    pub fn pay(&mut self, value: u64) -> Result<(), ProtocolError> {
        self.command(Command::Update(vec![pay(value)]))
    }

    pub fn peer(&mut self, message: PeerMessage) -> Result<(), ProtocolError> {
        self.input(Input::Peer(message))
    }

    /// A fact of the chain, at a block of its own.
    pub fn fact(&mut self, block: u64, finality: Finality, fact: ChainFact) {
        let position = EventPosition { block: BlockNumber(block), log_index: 1 };
        let timestamp = BlockTimestamp(block);
        let event = ChainEvent { position, timestamp, finality, fact };
        self.input(Input::Chain(event)).unwrap();
    }

    pub fn finalized(&mut self, block: u64) {
        self.input(Input::Finalized(point(block))).unwrap();
    }

    /// Balance of our side at the newest co-signed state.
    pub fn own(&self) -> Amount {
        self.channel.balances().unwrap().of(self.channel.side())
    }

    pub fn count(&self, is_meant: impl Fn(&Notice) -> bool) -> usize {
        self.disk.notices.iter().filter(|notice| is_meant(notice)).count()
    }
}

pub fn point(block: u64) -> BlockPoint {
    BlockPoint { number: BlockNumber(block), timestamp: BlockTimestamp(block) }
}

pub fn pay(value: u64) -> Action {
    Action::Pay(Payment { amount: amount(value), memo: Memo::default(), invoice: None })
}

/// Both nodes of a channel.
pub struct Pair {
    pub one: Node,
    pub two: Node,
}

impl Pair {
    /// A channel that both have agreed on, and that is not on chain yet.
    pub fn funding() -> Self {
        Self::funding_with(policy(), policy())
    }

    pub fn funding_with(policy1: Policy, policy2: Policy) -> Self {
        let keys = Keys::default();
        let request = lockstep_core::request_open(setup(Side::One, policy1)).unwrap();
        let mut one = Node::create(request, keys.clone());
        let Some(PeerMessage::OpenRequest(request)) = one.outbox.pop_front() else {
            panic!("an open begins with a request")
        };
        let deadline = BlockTimestamp(10_000);
        let peer = NodeId([1; 33]);
        let own_key = signer_key(Side::Two);
        let accepted =
            lockstep_core::accept_open(&request, peer, policy2, own_key, deadline).unwrap();
        let mut pair = Self { one, two: Node::create(accepted, keys) };
        pair.exchange();
        pair
    }

    /// An open channel with a deposit on each side, and a connection.
    pub fn open() -> Self {
        Self::open_with(policy(), policy())
    }

    pub fn open_with(policy1: Policy, policy2: Policy) -> Self {
        let mut pair = Self::funding_with(policy1, policy2);
        for node in [&mut pair.one, &mut pair.two] {
            let opened = ChainFact::Opened { deposit1: amount(DEPOSIT), is_active: false };
            node.fact(1, Finality::Final, opened);
            let joined = ChainFact::Joined { deposit2: amount(DEPOSIT) };
            node.fact(2, Finality::Final, joined);
            node.finalized(3);
        }
        pair.connect();
        pair
    }

    pub fn node(&mut self, side: Side) -> &mut Node {
        match side {
            Side::One => &mut self.one,
            Side::Two => &mut self.two,
        }
    }

    /// A new connection: what was under way is lost, and both say what they hold.
    pub fn connect(&mut self) {
        self.connect_without_delivery();
        self.exchange();
    }

    /// A new connection of which nothing has been delivered yet.
    pub fn connect_without_delivery(&mut self) {
        for side in [Side::One, Side::Two] {
            let node = self.node(side);
            node.outbox.clear();
            node.input(Input::Disconnected).unwrap();
            node.input(Input::Connected { now: EngineTime(0) }).unwrap();
        }
    }

    /// Delivers one message from a side; whether there was one.
    pub fn deliver(&mut self, from: Side) -> bool {
        let Some(message) = self.node(from).outbox.pop_front() else { return false };
        let result = self.node(from.other()).peer(message.clone());
        assert!(is_harmless(&result), "{message:?}: {result:?}");
        true
    }

    /// Delivers everything, in turn, until both are silent.
    pub fn exchange(&mut self) {
        let mut steps = 0;
        while self.deliver(Side::One) | self.deliver(Side::Two) {
            steps += 1;
            assert!(steps < 10_000, "two honest nodes never fall silent");
        }
    }

    pub fn finalized(&mut self, block: u64) {
        self.one.finalized(block);
        self.two.finalized(block);
    }

    /// Both hold the same newest state and nothing waits.
    pub fn assert_in_step(&self) {
        let (one, two) = (self.one.channel.parts(), self.two.channel.parts());
        let state =
            |parts: &lockstep_core::record::RecordParts| parts.base.as_ref().map(|base| base.state);
        assert_eq!(state(one), state(two));
        assert!(one.in_flight.is_empty(), "{:?}", one.in_flight);
        assert!(one.own_pending.is_empty() && two.own_pending.is_empty());
        assert!(one.peer_pending.is_empty());
    }

    /// A chain that holds this channel with both deposits, active.
    pub fn chain() -> Adjudicator {
        let mut chain = Adjudicator::new(DOMAIN, BOUNDS, terms());
        let call = |side| Call { sender: participant(side), now: BlockTimestamp(1) };
        let none = PresentedConsent::default();
        let step = chain.open_channel(call(Side::One), amount(DEPOSIT), &none).unwrap();
        chain.apply(&step);
        let step = chain.join_channel(call(Side::Two), amount(DEPOSIT), &none).unwrap();
        chain.apply(&step);
        chain
    }
}

/// Between honest nodes an error may only mean that the message came too late.
fn is_harmless(result: &Result<(), ProtocolError>) -> bool {
    use lockstep_core::error::ErrorClass;
    result.as_ref().map_or_else(|error| error.class() == ErrorClass::Refused, |()| true)
}

/// A chain with one channel on it, which both nodes follow.
pub struct World {
    pub pair: Pair,
    pub chain: Adjudicator,
    pub now: u64,
    /// Paid to each side so far.
    pub paid: [Amount; 2],
    registry: BTreeMap<B256, BlockTimestamp>,
}

impl World {
    pub fn new(pair: Pair) -> Self {
        let chain = Pair::chain();
        Self { pair, chain, now: 10, paid: [Amount::ZERO; 2], registry: BTreeMap::new() }
    }

    /// A new block: both see its time, and it is final at once.
    pub fn tick(&mut self, secs: u64) {
        self.now += secs;
        let now = self.now;
        for side in [Side::One, Side::Two] {
            let node = self.pair.node(side);
            node.input(Input::Head(point(now))).unwrap();
            node.finalized(now);
        }
    }

    /// Lets a side's duties run on the chain; refused ones are dropped, as they cost their sender only.
    pub fn run_duties(&mut self, side: Side) {
        for duty in std::mem::take(&mut self.pair.node(side).duties) {
            self.run(side, &duty);
        }
    }

    fn run(&mut self, side: Side, duty: &Obligation) {
        let call = Call { sender: participant(side), now: BlockTimestamp(self.now) };
        let signatures = |evidence: &Evidence| {
            let whole = evidence.complete().unwrap();
            Signatures { one: whole.signature1, two: whole.signature2 }
        };
        let result = match duty.call() {
            ChainCall::InitiateClose(evidence) => {
                let none =
                    Signatures { one: StateSignature([0; 64]), two: StateSignature([0; 64]) };
                let (state, signed) = evidence.as_ref().map_or_else(
                    || (PresentedState::default(), none),
                    |evidence| (PresentedState::from(&evidence.state), signatures(evidence)),
                );
                self.chain.initiate_close(call, &state, &signed, &PresentedIntent::NONE)
            }
            ChainCall::Challenge(evidence) => {
                let state = PresentedState::from(&evidence.state);
                self.chain.challenge_close(call, &state, &signatures(evidence))
            }
            ChainCall::Close => self.chain.close_channel(call),
            ChainCall::CooperativeClose(evidence) => {
                let state = evidence.state;
                let signed = signatures(evidence);
                self.chain.cooperative_close(state.version, state.net.into(), &signed)
            }
            ChainCall::PartialWithdraw(evidence) => {
                let order = PresentedWithdraw::from(&evidence.withdraw);
                let one = evidence.signature1.unwrap();
                let signed = Signatures { one, two: evidence.signature2.unwrap() };
                self.chain.partial_withdraw(call, &order, &signed)
            }
            ChainCall::RegisterSecret { secret } => return self.register(*secret),
            ChainCall::ResolveLocks { locks, mask } => {
                let registry = &self.registry;
                let met_at = |lock: &Lock| registry.get(&lock.hash).copied();
                self.chain.resolve_locks(call.now, locks, *mask, met_at)
            }
        };
        if let Ok(step) = result {
            self.apply(&step);
        }
    }

    pub fn register(&mut self, secret: B256) {
        let hash = lockstep_core::hash_of(secret);
        let at = *self.registry.entry(hash).or_insert(BlockTimestamp(self.now));
        self.announce(&ChainFact::SecretRevealed { hash, secret, at });
    }

    /// Takes a step of the contract over, pays, and tells both nodes: seen, then final.
    pub fn apply(&mut self, step: &Step) {
        self.chain.apply(step);
        for payout in &step.payouts {
            let paid = &mut self.paid[usize::from(payout.side.number()) - 1];
            *paid = paid.checked_add(payout.amount).unwrap();
        }
        for event in &step.events {
            self.announce(event);
        }
    }

    fn announce(&mut self, fact: &ChainFact) {
        self.now += 1;
        for side in [Side::One, Side::Two] {
            let now = self.now;
            let node = self.pair.node(side);
            node.fact(now, Finality::Seen, fact.clone());
            node.fact(now, Finality::Final, fact.clone());
        }
    }

    /// Runs both sides' duties until the channel is closed, in blocks of some seconds.
    pub fn run_to_end(&mut self) {
        for _ in 0..1_000 {
            if lockstep_core::channel::is_over(self.pair.one.channel.parts())
                && lockstep_core::channel::is_over(self.pair.two.channel.parts())
            {
                return;
            }
            self.run_duties(Side::One);
            self.run_duties(Side::Two);
            self.tick(100);
        }
        panic!("the channel never ends: {:?}", self.pair.one.channel.parts().phase);
    }

    pub fn assert_paid(&self, one: u64, two: u64) {
        assert_eq!(self.paid, [amount(one), amount(two)]);
    }
}
