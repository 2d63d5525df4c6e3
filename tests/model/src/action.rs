//! What can happen next, and what it does.

use stateright::{Model, Property};

use crate::ledger::{Side, State};
use crate::node::Message;
use crate::plan::{Fault, Plan};
use crate::world::{Chain, Close, World};
use crate::{chain, property};

/// One thing that can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// An operator orders the next update of the side's script.
    Order(Side),
    /// The proposer binds a new state.
    Propose,
    /// A bound signature leaves an honest node towards an adversary.
    Release(Side, State),
    /// A message arrives.
    Deliver(Side, Message),
    /// A message arrives, and will arrive again.
    Repeat(Side, Message),
    /// An honest acceptor rejects a proposal.
    Decline(State),
    /// A message is lost, and with it the connection.
    Lose(Side, Message),
    /// The connection is made anew.
    Reconnect,
    /// A node loses its memory and starts again from its disk.
    Crash(Side),
    /// What a faulty node wrote late reaches its disk.
    Sync(Side),
    /// A faulty proposer forgets what is in flight.
    Forget,
    /// The adversary sends something that it signed or claims.
    Lie(Message),
    /// Somebody starts a close.
    Close(Side, State),
    /// The adversary presents a newer state.
    Challenge(State),
    /// The honest side's node and towers stop watching.
    Outage,
    /// The honest side notices the close.
    See,
    /// The honest side, or its tower, answers with its newest state.
    Defend,
    /// Somebody puts the secret into the registry.
    Register(Side),
    /// Time passes.
    Tick,
    /// The deadline has passed: the contract settles.
    Settle,
    /// The held lock is released.
    Resolve,
}

impl Model for Plan {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World::default()]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        if world.chain.is_quiet() {
            self.own_actions(world, actions);
            match self.adversary {
                None => self.network_actions(world, actions),
                Some(adversary) => self.lies(world, adversary, actions),
            }
        }
        for side in [Side::One, Side::Two].into_iter().filter(|side| self.is_honest(*side)) {
            let node = &world.nodes[side.index()];
            let matters = node.disk.is_some()
                || self.adversary.is_none()
                || (self.fault == Some(Fault::LostLocks) && !node.ram.lost_locks);
            if matters && world.spent.crashes < self.crashes {
                actions.push(Action::Crash(side));
            }
            if node.disk.is_some() {
                actions.push(Action::Sync(side));
            }
        }
        if let Some(adversary) = self.adversary {
            chain::actions(self, world, adversary, actions);
        }
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        self.apply(&mut next, action)?;
        (next != *world).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        property::all()
    }
}

impl Plan {
    /// What honest nodes may do by themselves.
    fn own_actions(&self, world: &World, actions: &mut Vec<Action>) {
        for side in [Side::One, Side::Two].into_iter().filter(|side| self.is_honest(*side)) {
            if world.node(side).order(self, side).is_some() {
                actions.push(Action::Order(side));
            }
            if self.adversary.is_some() {
                let node = world.node(side);
                let bound = node.in_flight.iter().map(|(state, _)| *state);
                let own = bound.chain(std::iter::once(node.base));
                let unsent =
                    own.filter(|s| s.version > 0 && !world.signed[side.index()].contains(s));
                actions.extend(unsent.map(|state| Action::Release(side, state)));
            }
        }
        if self.is_honest(Side::One) {
            let node = world.node(Side::One);
            if node.propose(self).is_some() {
                actions.push(Action::Propose);
            }
            if self.fault == Some(Fault::ForgetsInFlight) && !node.in_flight.is_empty() {
                actions.push(Action::Forget);
            }
        }
    }

    fn network_actions(&self, world: &World, actions: &mut Vec<Action>) {
        for &(to, message) in &world.net {
            actions.push(Action::Deliver(to, message));
            if world.spent.repeats < self.repeats {
                actions.push(Action::Repeat(to, message));
            }
            if world.spent.losses < self.losses {
                actions.push(Action::Lose(to, message));
            }
            if let Message::Propose(state) = message
                && world.spent.rejections < self.rejections
                && state.version > world.node(Side::Two).highest()
            {
                actions.push(Action::Decline(state));
            }
        }
        if world.is_cut {
            actions.push(Action::Reconnect);
        }
    }

    /// Everything that an adversary may claim. It has the keys of its side and owns the network.
    fn lies(&self, world: &World, adversary: Side, actions: &mut Vec<Action>) {
        match adversary {
            Side::One => {
                for version in 1..=self.max_version {
                    for one in 0..=self.length(Side::One) {
                        for two in 0..=self.length(Side::Two) {
                            for skims in [false, true] {
                                let state = State { version, one, two, skims };
                                actions.push(Action::Lie(Message::Propose(state)));
                            }
                        }
                    }
                }
            }
            Side::Two => {
                let signed = &world.signed[Side::One.index()];
                actions.extend(signed.iter().map(|s| Action::Lie(Message::Accept(*s))));
                if world.spent.rejections < self.rejections {
                    actions.extend(signed.iter().map(|s| Action::Lie(Message::Reject(s.version))));
                }
                let intents = 1..=self.length(Side::Two);
                actions.extend(intents.map(|through| Action::Lie(Message::Intent(through))));
            }
        }
    }

    fn apply(&self, world: &mut World, action: Action) -> Option<()> {
        let is_durable = self.fault != Some(Fault::NoPersist);
        match action {
            Action::Order(side) => {
                let record = world.node(side).order(self, side)?;
                let through = record.own;
                world.store(side, record, is_durable);
                if side == Side::Two {
                    self.send(world, Side::One, Message::Intent(through));
                }
            }
            Action::Propose => {
                let (record, state) = world.node(Side::One).propose(self)?;
                world.store(Side::One, record, is_durable);
                self.send(world, Side::Two, Message::Propose(state));
            }
            Action::Release(side, state) => {
                world.signed[side.index()].insert(state);
            }
            Action::Deliver(to, message) => {
                world.net.remove(&(to, message));
                self.receive(world, to, message);
            }
            Action::Repeat(to, message) => {
                world.spent.repeats += 1;
                self.receive(world, to, message);
            }
            Action::Decline(state) => {
                world.spent.rejections += 1;
                world.net.remove(&(Side::Two, Message::Propose(state)));
                self.send(world, Side::One, Message::Reject(state.version));
            }
            Action::Lose(to, message) => {
                world.spent.losses += 1;
                world.net.remove(&(to, message));
                world.is_cut = true;
            }
            Action::Reconnect => {
                world.is_cut = false;
                for side in [Side::One, Side::Two] {
                    let base = world.node(side).base;
                    self.send(world, side.other(), Message::Reestablish(base));
                }
            }
            Action::Crash(side) => {
                world.spent.crashes += 1;
                world.is_cut = self.adversary.is_none();
                let node = &mut world.nodes[side.index()];
                if let Some(disk) = node.disk.take() {
                    node.ram = disk;
                }
                node.ram.lost_locks |= self.fault == Some(Fault::LostLocks);
            }
            Action::Sync(side) => world.nodes[side.index()].disk = None,
            Action::Forget => {
                let mut record = world.node(Side::One).clone();
                record.in_flight.clear();
                world.store(Side::One, record, true);
            }
            Action::Lie(message) => {
                let is_rejection = matches!(message, Message::Reject(_));
                world.spent.rejections += u8::from(is_rejection);
                self.receive(world, self.adversary?.other(), message);
            }
            Action::Close(..)
            | Action::Challenge(_)
            | Action::Outage
            | Action::See
            | Action::Defend
            | Action::Register(_)
            | Action::Tick
            | Action::Settle
            | Action::Resolve => chain::apply(self, world, action)?,
        }
        Some(())
    }

    /// Puts a message on its way, if there is a network, and notes what was signed.
    fn send(&self, world: &mut World, to: Side, message: Message) {
        if self.adversary.is_some() {
            // To an adversary signatures go one by one, by `Release`.
            return;
        }
        if let Message::Propose(state) | Message::Accept(state) = message {
            world.signed[to.other().index()].insert(state);
        }
        world.net.insert((to, message));
    }

    fn receive(&self, world: &mut World, at: Side, message: Message) {
        let is_durable = self.fault != Some(Fault::NoPersist);
        let node = world.node(at);
        let next = match message {
            Message::Propose(state) => {
                let next = node.countersign(self, &state);
                if next.is_some() {
                    self.send(world, Side::One, Message::Accept(state));
                }
                next
            }
            Message::Accept(state) => node.accepted(&state),
            Message::Reject(version) => node.rejected(version),
            Message::Intent(through) => node.intended(self, through),
            Message::Reestablish(newest) => {
                let next = if at == Side::One { node.accepted(&newest) } else { None };
                self.replay(world, at, newest);
                next
            }
        };
        if let Some(record) = next {
            world.store(at, record, is_durable);
        }
    }

    /// After a reconnect each side sends the same again that the other may not have.
    fn replay(&self, world: &mut World, at: Side, newest: State) {
        if self.fault == Some(Fault::NoReplay) {
            return;
        }
        let node = world.node(at).clone();
        match at {
            Side::One => {
                let still = node.in_flight.iter().map(|(state, _)| *state);
                for state in still.filter(|state| state.version > newest.version) {
                    self.send(world, Side::Two, Message::Propose(state));
                }
            }
            Side::Two => {
                if node.own > node.base.two {
                    self.send(world, Side::One, Message::Intent(node.own));
                }
            }
        }
    }
}

impl Close {
    /// A close that begins now.
    #[must_use]
    pub fn begin(point: State, is_seen: bool) -> Chain {
        Chain::Closing(Self { point, clock: 0, down: 0, is_seen, is_registered: false })
    }
}
