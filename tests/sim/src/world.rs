//! Both nodes, the link, the chain and the clocks, moved by one stream of chance.

use std::collections::BTreeMap;

use alloy_primitives::B256;
use lockstep_core::chain::ChannelStatus;
use lockstep_core::digest::SigningDomain;
use lockstep_core::error::ErrorClass;
use lockstep_core::ids::{InvoiceId, NodeId, Side, Version};
use lockstep_core::input::{Command, Input};
use lockstep_core::message::PeerMessage;
use lockstep_core::money::Amount;
use lockstep_core::record::ChannelSetup;
use lockstep_core::terms::Features;
use lockstep_core::time::{BlockTimestamp, EngineTime};

use crate::audit::Audit;
use crate::chain::Chain;
use crate::disk::Disk;
use crate::guard::Guard;
use crate::keys::{DOMAIN, Keys, place};
use crate::link::Link;
use crate::mischief::Mischief;
use crate::node::{End, Env, Node, Outcome};
use crate::rng::Rng;
use crate::scenario::Scenario;
use crate::stats::Stats;
use crate::trace::Trace;
use crate::violation::{Checked, Violation, ensure, expect};

/// A secret behind a lock, and who gets the money for it.
#[derive(Clone, Copy, Debug)]
pub struct Secret {
    /// The secret.
    pub secret: B256,
    /// Who may take the lock.
    pub payee: Side,
    /// When the payee's node was told, and took it.
    pub learned_at: Option<BlockTimestamp>,
}

/// Everything.
pub struct World {
    /// What the seed decided.
    pub scenario: Scenario,
    /// Keys.
    pub keys: Keys,
    /// The chain.
    pub chain: Chain,
    /// The link.
    pub link: Link,
    /// Both nodes, side one first.
    pub nodes: [Node; 2],
    /// The rules.
    pub audit: Audit,
    /// Chance.
    pub rng: Rng,
    /// Counters.
    pub stats: Stats,
    /// The story.
    pub trace: Trace,
    /// The hostile side's mind.
    pub mischief: Option<Mischief>,
    /// Secrets that somebody made, by hash.
    pub secrets: BTreeMap<B256, Secret>,
    /// Invoices that somebody made, and how much they ask.
    pub invoices: Vec<(Side, InvoiceId, Amount)>,
    /// One side's towers.
    pub guard: Option<Guard>,
    /// Chance of the towers, so that seeds without them stay what they are.
    pub tower_rng: Rng,
    /// An old image of a disk.
    pub backup: Option<(Side, Disk)>,
    /// No more faults.
    pub is_calm: bool,
    /// Everything that was sent, if somebody collects it.
    pub tap: Option<Vec<PeerMessage>>,
    clocks: [u64; 2],
}

impl World {
    /// A world in which side one has just asked for a channel.
    ///
    /// # Errors
    /// If a property does not hold.
    pub fn new(scenario: Scenario, trace: Trace) -> Checked<Self> {
        let keys = Keys::default();
        let channel_id = keys.terms(scenario.challenge_period).channel_id(DOMAIN);
        let chain = Chain::new(&scenario, &keys);
        let mischief = scenario.hostile.map(|(side, vice)| Mischief::new(side, vice));
        let mut world = Self {
            audit: Audit::new(&scenario),
            rng: Rng::new(scenario.seed ^ 0x5eed_5eed_5eed_5eed),
            nodes: [Side::One, Side::Two]
                .map(|side| Node::new(side, channel_id, scenario.guard.clone())),
            guard: scenario.guard.as_ref().map(Guard::new),
            tower_rng: Rng::new(scenario.seed ^ 0x0007_03e5),
            scenario,
            keys,
            chain,
            link: Link::default(),
            stats: Stats::default(),
            trace,
            mischief,
            secrets: BTreeMap::new(),
            invoices: vec![],
            backup: None,
            is_calm: false,
            tap: None,
            clocks: [0; 2],
        };
        world.begin()?;
        Ok(world)
    }

    /// Side one asks for a channel, and both connect.
    fn begin(&mut self) -> Checked<()> {
        let setup = ChannelSetup {
            domain: DOMAIN,
            terms: self.keys.terms(self.scenario.challenge_period),
            side: Side::One,
            peer: node_id(Side::Two),
            own_key: self.keys.public(Side::One),
            counterparty_key: None,
            features: Features::ALL,
            policy: self.scenario.policy(),
            deposit1: Amount::from(self.scenario.deposits[0]),
            deposit2: Amount::from(self.scenario.deposits[1]),
        };
        let step = expect(lockstep_core::request_open(setup), "scenery")?;
        // The first write is not cut: without a record there is no channel to test.
        self.is_calm = true;
        let outcome = self.with_node(Side::One, |node, env| node.create(step, env))?;
        self.dispatch(Side::One, outcome)?;
        self.is_calm = false;
        self.connect()
    }

    /// A node, with everything that its steps may use.
    pub(crate) fn with_node<T>(
        &mut self,
        side: Side,
        act: impl FnOnce(&mut Node, &mut Env<'_>) -> Checked<T>,
    ) -> Checked<T> {
        let may_die = !self.is_calm && self.scenario.is_honest(side);
        let mut env = Env {
            keys: &self.keys,
            chain: &self.chain,
            audit: &mut self.audit,
            rng: &mut self.rng,
            stats: &mut self.stats,
            trace: &mut self.trace,
            crash: if may_die { self.scenario.crash } else { 0 },
        };
        act(&mut self.nodes[place(side)], &mut env)
    }

    /// Hands an input to a node and carries on what comes out.
    ///
    /// # Errors
    /// If a property does not hold.
    pub fn feed(&mut self, side: Side, input: Input) -> Checked<End> {
        let outcome = self.with_node(side, |node, env| node.input(input, env))?;
        let end = self.dispatch(side, outcome)?;
        self.upload(side)?;
        Ok(end)
    }

    /// A node's engine clock. Units: milliseconds.
    pub(crate) fn clock(&self, side: Side) -> u64 {
        self.clocks[place(side)]
    }

    /// Hands an order to a node.
    ///
    /// # Errors
    /// If a property does not hold.
    pub fn order(&mut self, side: Side, command: Command) -> Checked<End> {
        self.feed(side, Input::Command(command))
    }

    fn dispatch(&mut self, side: Side, outcome: Outcome) -> Checked<End> {
        for message in outcome.sent {
            let messages = match &mut self.mischief {
                Some(mischief) if mischief.side == side => {
                    mischief.bend(message, &self.keys, &mut self.rng, &mut self.stats)
                }
                _ => vec![message],
            };
            for message in messages {
                self.send(side, message);
            }
        }
        if !self.nodes[place(side)].is_up {
            self.cut()?;
        }
        Ok(outcome.end)
    }

    /// Puts a message on the link.
    pub fn send(&mut self, from: Side, message: PeerMessage) {
        let faults =
            if self.is_calm { crate::scenario::LinkFaults::default() } else { self.scenario.link };
        self.stats.count("messages");
        if let Some(tap) = &mut self.tap {
            tap.push(message.clone());
        }
        self.link.send(from.other(), message, &faults, &mut self.rng, &mut self.stats);
    }

    /// Delivers one message, if one waits.
    ///
    /// # Errors
    /// If a property does not hold.
    pub fn deliver(&mut self, to: Side) -> Checked<bool> {
        let Some(message) = self.link.receive(to) else { return Ok(false) };
        if !self.nodes[place(to)].is_up {
            return Ok(true);
        }
        if let Some(mischief) = &mut self.mischief
            && mischief.side == to
        {
            mischief.observe(&message, &self.keys);
        }
        if self.nodes[place(to)].channel.is_none() {
            self.answer_open(to, &message)?;
            return Ok(true);
        }
        match self.admit(to, message) {
            None => Ok(true),
            Some(message) => {
                self.take(to, message)?;
                self.release()?;
                Ok(true)
            }
        }
    }

    /// Hands a message to a node that has the channel.
    ///
    /// # Errors
    /// If a property does not hold.
    pub fn take(&mut self, to: Side, message: PeerMessage) -> Checked<()> {
        let unprotected = self.unprotected(to);
        let proof = self.equivocation_in(to, &message);
        let is_owed = self.is_countersignature(to, &message);
        let end = self.feed(to, Input::Peer(message.clone()))?;
        let is_taken = !is_owed || !matches!(end, End::Refused(_));
        ensure(is_taken, "P40", || format!("{message:?} of what is in flight ends as {end:?}"))?;
        if let End::Refused(error) = end {
            self.check_blame(to, &message, error.class())?;
        }
        if let Some(version) = proof.filter(|_| end == End::Done) {
            let record = self.nodes[place(to)].disk.record();
            let is_frozen = record.is_some_and(|record| {
                let parts = record.parts();
                parts.marks.frozen.is_some() && parts.equivocation.is_some()
            });
            ensure(is_frozen, "P46", || format!("two states of {version} froze nothing"))?;
        }
        self.check_bound(to, unprotected)
    }

    /// Whether this is a valid countersignature of something that an honest proposer has in flight.
    fn is_countersignature(&self, to: Side, message: &PeerMessage) -> bool {
        let PeerMessage::Accept { version, signature } = message else { return false };
        let parts = self.nodes[place(to)].parts().filter(|_| self.scenario.is_honest(to));
        let in_flight = parts.map_or(&[][..], |parts| &parts.in_flight);
        let Some(proposal) = in_flight.iter().find(|p| p.state.version == *version) else {
            return false;
        };
        let digest = SigningDomain::new(DOMAIN).state(&proposal.state);
        self.keys.public(to.other()).verify(digest, *signature).is_ok()
    }

    /// The version of which this message shows an honest acceptor a second, validly signed state.
    fn equivocation_in(&self, to: Side, message: &PeerMessage) -> Option<Version> {
        let PeerMessage::Propose { proposal, signature } = message else { return None };
        let parts = self.nodes[place(to)].parts()?;
        let base = parts.base.as_ref().filter(|_| self.scenario.is_honest(to))?;
        let state = &proposal.state;
        let is_other = base.state.version == state.version && base.state != *state;
        let digest = SigningDomain::new(DOMAIN).state(state);
        let is_signed = self.keys.public(to.other()).verify(digest, *signature).is_ok();
        let is_formed = lockstep_core::lock::locks_root(&proposal.locks) == state.locks_root;
        (is_other && is_signed && is_formed && parts.marks.restored.is_none())
            .then_some(state.version)
    }

    /// Between honest nodes, on a link that keeps order, nobody is ever at fault.
    fn check_blame(&self, at: Side, message: &PeerMessage, class: ErrorClass) -> Checked<()> {
        let faults = self.scenario.link;
        let is_ordered = self.is_calm || (faults.repeat == 0 && faults.reorder == 0);
        let is_fair = self.scenario.is_all_honest() && self.scenario.restored.is_none();
        if class == ErrorClass::PeerFault && is_ordered && is_fair {
            let detail = format!("{at:?} blames an honest peer for {message:?}");
            return Err(Violation { property: "blame", detail });
        }
        Ok(())
    }

    /// The operator of side two agrees to every request.
    fn answer_open(&mut self, at: Side, message: &PeerMessage) -> Checked<()> {
        let PeerMessage::OpenRequest(request) = message else { return Ok(()) };
        if at != Side::Two {
            return Ok(());
        }
        let policy = self.scenario.policy();
        let own = self.keys.public(Side::Two);
        let deadline = BlockTimestamp(u64::from(u32::MAX));
        let peer = node_id(Side::One);
        let step = lockstep_core::accept_open(request, peer, policy, own, deadline);
        let step = expect(step, "scenery")?;
        let outcome = self.with_node(at, |node, env| node.create(step, env))?;
        self.dispatch(at, outcome)?;
        let now = EngineTime(self.clocks[place(at)]);
        self.feed(at, Input::Connected { now })?;
        Ok(())
    }

    /// A new connection, if both nodes run.
    ///
    /// # Errors
    /// If a property does not hold.
    pub fn connect(&mut self) -> Checked<()> {
        if !self.nodes.iter().all(|node| node.is_up) {
            return Ok(());
        }
        self.link.connect();
        self.stats.count("connections");
        for side in [Side::One, Side::Two] {
            self.forget_waiting(side);
            self.feed(side, Input::Disconnected)?;
            let now = EngineTime(self.clocks[place(side)]);
            self.feed(side, Input::Connected { now })?;
        }
        Ok(())
    }

    /// The connection is gone; both notice, unless they are down.
    ///
    /// # Errors
    /// If a property does not hold.
    pub fn cut(&mut self) -> Checked<()> {
        if !self.link.is_up() {
            return Ok(());
        }
        self.link.cut();
        self.stats.count("link: cut");
        for side in [Side::One, Side::Two] {
            self.forget_waiting(side);
            self.feed(side, Input::Disconnected)?;
        }
        Ok(())
    }

    /// What waits for towers belongs to the connection.
    fn forget_waiting(&mut self, side: Side) {
        if let Some(protection) = &mut self.nodes[place(side)].protection {
            protection.disconnected();
        }
    }

    /// Kills a node between two inputs.
    ///
    /// # Errors
    /// If a property does not hold.
    pub fn kill(&mut self, side: Side) -> Checked<()> {
        self.with_node(side, |node, env| {
            node.die(env);
            Ok(())
        })?;
        self.cut()
    }

    /// Starts a node that is down.
    ///
    /// # Errors
    /// If a property does not hold.
    pub fn start(&mut self, side: Side) -> Checked<()> {
        let outcome = self.with_node(side, Node::start)?;
        self.dispatch(side, outcome)?;
        Ok(())
    }

    /// Time passes for a node's engine; it may jump, also backwards.
    ///
    /// # Errors
    /// If a property does not hold.
    pub fn tick(&mut self, side: Side) -> Checked<()> {
        let clock = &mut self.clocks[place(side)];
        if !self.is_calm && self.rng.per_mille(self.scenario.clock_jump) {
            self.stats.count("clock jumps");
            *clock = if self.rng.coin() { *clock + 3_600_000 } else { *clock / 2 };
        } else {
            *clock += self.rng.below(8_000);
        }
        let now = EngineTime(*clock);
        self.feed(side, Input::Tick { now })?;
        self.lapse(side, now)
    }

    /// Mines a block and shows it to both nodes; what they owe goes to the mempool.
    ///
    /// # Errors
    /// If a property does not hold.
    pub fn mine(&mut self) -> Checked<()> {
        self.chain.mine(&mut self.rng)?;
        self.stats.count("blocks");
        for side in [Side::One, Side::Two] {
            self.follow(side)?;
            self.pursue(side)?;
        }
        self.tend_towers()
    }

    /// Shows a node what is new on chain.
    ///
    /// # Errors
    /// If a property does not hold.
    pub fn follow(&mut self, side: Side) -> Checked<()> {
        let node = &mut self.nodes[place(side)];
        let Some(channel) = &node.channel else { return Ok(()) };
        let parts = channel.parts();
        let news = node.follower.poll(&self.chain, Some(parts));
        for news in news {
            if self.feed(side, news.input)? == End::Died {
                return Ok(());
            }
            if let Some(cursor) = news.cursor {
                self.nodes[place(side)].disk.cursor = cursor;
            }
        }
        Ok(())
    }

    /// Brings to the chain what a node owes.
    fn pursue(&mut self, side: Side) -> Checked<()> {
        let wants = self.nodes[place(side)].wants(&self.chain, &self.audit)?;
        for want in wants {
            self.trace.note(|| format!("{side:?} submits {}", crate::brief::want(&want)));
            self.stats.count(name_of(&want));
            self.chain.submit(side, want, &mut self.rng);
        }
        Ok(())
    }

    /// The channel's status at the head.
    #[must_use]
    pub fn status(&self) -> ChannelStatus {
        self.chain.head().books.status()
    }

    /// The newest block's time.
    #[must_use]
    pub fn now(&self) -> BlockTimestamp {
        self.chain.head().point.timestamp
    }
}

fn name_of(want: &crate::chain::Want) -> &'static str {
    use crate::chain::Want;
    use lockstep_core::chain::ChainCall;
    match want {
        Want::Open { .. } => "chain: open",
        Want::Join { .. } => "chain: join",
        Want::Deposit { .. } => "chain: deposit",
        Want::Cancel => "chain: cancel",
        Want::Checkpoint(_) => "chain: checkpoint",
        Want::Call(ChainCall::InitiateClose(_)) => "chain: initiate close",
        Want::Call(ChainCall::Challenge(_)) => "chain: challenge",
        Want::Call(ChainCall::Close) => "chain: close",
        Want::Call(ChainCall::CooperativeClose(_)) => "chain: cooperative close",
        Want::Call(ChainCall::PartialWithdraw(_)) => "chain: partial withdraw",
        Want::Call(ChainCall::RegisterSecret { .. }) => "chain: register secret",
        Want::Call(ChainCall::ResolveLocks { .. }) => "chain: resolve locks",
    }
}

fn node_id(side: Side) -> NodeId {
    NodeId([side.number(); 33])
}
