//! The part of a run without faults: the sides come together, pay once more, close, and are paid out.

use lockstep_core::chain::ChannelStatus;
use lockstep_core::channel;
use lockstep_core::ids::{PaymentId, Sequence, Side};
use lockstep_core::input::Command;
use lockstep_core::lock::Lock;
use lockstep_core::money::Amount;
use lockstep_core::record::{Phase, RecordParts};
use lockstep_core::state::State;
use lockstep_core::update::{Action, Memo, Payment};

use crate::chain::Want;
use crate::keys::place;
use crate::node::End;
use crate::scenario::Ending;
use crate::violation::{Checked, ensure};
use crate::world::World;

/// P38: two honest nodes fall silent after at most this many messages.
const MAX_MESSAGES: usize = 300;
/// Blocks within which an open, a drain or a close must be over: the longest challenge period, the
/// longest expiry and every delay, twice.
const MAX_BLOCKS: u64 = 1_200;
/// A cooperative close with somebody hostile is given up after this many blocks.
const PATIENCE_BLOCKS: u64 = 60;

const SIDES: [Side; 2] = [Side::One, Side::Two];

impl World {
    /// Faults have stopped: everything that was promised must come.
    ///
    /// # Errors
    /// On the first property that does not hold.
    pub fn calm(&mut self) -> Checked<()> {
        self.is_calm = true;
        self.trace.note(|| "faults stop".to_owned());
        self.raise()?;
        self.talk()?;
        self.finish_open()?;
        if self.is_fair() && self.is_business_as_usual() {
            self.check_converged()?;
            for side in SIDES {
                if !self.may_starve(side.other()) {
                    self.check_pays(side)?;
                }
            }
            self.stats.count("ends: converged and paid both ways");
        }
        self.audit.compare()?;
        self.close()
    }

    /// Whether a side may take in nothing any more, since its towers do not answer.
    fn may_starve(&self, payee: Side) -> bool {
        self.guard.as_ref().is_some_and(|guard| guard.side == payee && guard.may_starve())
    }

    /// Nobody cheats and nobody lost data.
    #[must_use]
    pub fn is_fair(&self) -> bool {
        self.scenario.is_all_honest() && !SIDES.iter().any(|side| self.audit.of(*side).is_restored)
    }

    /// Delivers everything until both are silent.
    fn talk(&mut self) -> Checked<()> {
        for count in 0.. {
            if self.link.waiting() == 0 {
                if self.settle_waiting()? {
                    continue;
                }
                return Ok(());
            }
            let is_bounded = count < MAX_MESSAGES || !self.scenario.is_all_honest();
            ensure(is_bounded, "P38", || "two honest nodes never fall silent".to_owned())?;
            if count >= MAX_MESSAGES {
                self.link.connect();
                return Ok(());
            }
            let to = if self.link.waiting_for(Side::One) > 0 { Side::One } else { Side::Two };
            self.deliver(to)?;
        }
        Ok(())
    }

    fn pass_block(&mut self) -> Checked<()> {
        self.operate()?;
        self.resist()?;
        self.mine()?;
        self.end_locks()?;
        self.talk()
    }

    /// What operators do about locks: a payee takes what it knows the secret of, a payer takes back what is
    /// over.
    fn end_locks(&mut self) -> Checked<()> {
        let now = self.chain.finalized().point.timestamp;
        for side in SIDES {
            let Some(parts) = self.nodes[place(side)].parts() else { continue };
            let is_leaving = matches!(parts.phase, Phase::Disputed(_) | Phase::Settled(_));
            if is_leaving || !parts.own_pending.is_empty() {
                continue;
            }
            let locks: Vec<Lock> =
                parts.base.iter().flat_map(|base| &base.locks).copied().collect();
            let known: Vec<_> =
                locks.iter().map(|lock| parts.secrets.get(&lock.hash).map(|s| s.secret)).collect();
            for (lock, known) in locks.into_iter().zip(known) {
                match known {
                    Some(secret) if lock.payer() != side => {
                        self.order(side, Command::LearnSecret { secret })?;
                    }
                    _ if lock.payer() == side && now > lock.expiry => {
                        let expire = Action::ExpireLock { hash: lock.hash };
                        self.order(side, Command::Update(vec![expire]))?;
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// An open that began comes to its end: active, or cancelled if the other side never joins.
    ///
    /// # Errors
    /// If a property does not hold, or the open never ends.
    pub fn finish_open(&mut self) -> Checked<()> {
        for count in 0..MAX_BLOCKS {
            let is_known = SIDES.iter().all(|side| self.nodes[place(*side)].parts().is_some());
            let is_final = self.chain.finalized().books.status() == self.status();
            match self.status() {
                ChannelStatus::None if count > 40 && !self.scenario.is_all_honest() => {
                    return Ok(());
                }
                ChannelStatus::None => {}
                ChannelStatus::Pending if count > 40 && !self.scenario.is_all_honest() => {
                    self.submit(Side::One, Want::Cancel);
                }
                ChannelStatus::Pending => {}
                ChannelStatus::Active | ChannelStatus::Closing | ChannelStatus::Closed
                    if is_final && is_known =>
                {
                    return Ok(());
                }
                ChannelStatus::Active | ChannelStatus::Closing | ChannelStatus::Closed => {}
            }
            self.pass_block()?;
            if count % 20 == 19 {
                self.raise()?;
                self.talk()?;
            }
        }
        ensure(false, "P38", || format!("the open never ends: {:?}", self.status()))
    }

    /// Both nodes are open, and nobody has begun to close.
    fn is_business_as_usual(&self) -> bool {
        let is_open = |side: &Side| {
            self.nodes[place(*side)].parts().is_some_and(|parts| parts.phase == Phase::Open)
        };
        self.status() == ChannelStatus::Active
            && !self.chain.may_close_land()
            && SIDES.iter().all(is_open)
    }

    /// P38: one state, and nothing waits.
    fn check_converged(&mut self) -> Checked<()> {
        // A withdrawal on its way may hold things up until it lands or is past its deadline.
        let [Some(one), Some(two)] = [self.nodes[0].parts(), self.nodes[1].parts()] else {
            return ensure(false, "P38", || "a node has no channel".to_owned());
        };
        let newest =
            |parts: &RecordParts| -> Option<State> { parts.base.as_ref().map(|base| base.state) };
        ensure(newest(one) == newest(two), "P38", || {
            format!("the newest states differ: {:?} and {:?}", newest(one), newest(two))
        })?;
        let waits = [one.in_flight.len(), one.own_pending.len(), two.own_pending.len()];
        let is_quiet = waits == [0; 3] && one.peer_pending.is_empty();
        ensure(is_quiet, "P38", || {
            format!("in flight, pending of one and of two: {waits:?}, {:?}", one.peer_pending)
        })
    }

    /// P39: a payment in this direction succeeds.
    fn check_pays(&mut self, side: Side) -> Checked<()> {
        let Some(channel) = &self.nodes[place(side)].channel else { return Ok(()) };
        if channel.spendable().map_or(true, |amount| amount.is_zero()) {
            return Ok(());
        }
        let amount = Amount::from(1u64);
        let pay = Action::Pay(Payment { amount, memo: Memo::default(), invoice: None });
        let end = self.order(side, Command::Update(vec![pay]))?;
        ensure(end == End::Done, "P39", || format!("{side:?} cannot pay: {end:?}"))?;
        self.talk()?;
        let sequence = self.nodes[place(side)].parts().map_or(Sequence::ZERO, |p| p.own_sequence);
        for at in SIDES {
            let Some(channel) = &self.nodes[place(at)].channel else { continue };
            let id = PaymentId { channel_id: channel.channel_id(), payer: side, sequence };
            let is_there = self.audit.of(at).ledger.applied.contains_key(&id);
            ensure(is_there, "P39", || format!("{at:?} never saw the payment of {side:?}"))?;
        }
        Ok(())
    }

    /// Closes as the seed says, and runs until everybody is paid.
    fn close(&mut self) -> Checked<()> {
        if matches!(self.status(), ChannelStatus::None) {
            self.stats.count("ends: never opened");
            return Ok(());
        }
        self.order_close()?;
        for count in 0..MAX_BLOCKS {
            if self.is_over() {
                return self.check_paid();
            }
            if count == PATIENCE_BLOCKS && !self.can_close_together() {
                self.force_all()?;
            }
            self.pass_block()?;
            if count % 40 == 39 {
                self.raise()?;
                self.talk()?;
            }
        }
        let phases: Vec<_> =
            self.nodes.iter().map(|node| node.parts().map(|parts| &parts.phase)).collect();
        ensure(false, "P12", || format!("the channel never ends: {:?} {phases:?}", self.status()))
    }

    fn order_close(&mut self) -> Checked<()> {
        let (side, command) = match self.scenario.ending {
            Ending::Cooperative(side) => (side, Command::Close),
            Ending::Force(side) => (side, Command::ForceClose),
        };
        let side = if self.scenario.is_honest(side) { side } else { side.other() };
        self.stats.count(match command {
            Command::Close => "ends: cooperative close ordered",
            _ => "ends: force close ordered",
        });
        // A side that lost data signs a final state only on the word of its own operator (P46).
        let others = SIDES.into_iter().filter(|other| {
            *other != side
                && self.scenario.is_honest(*other)
                && self.audit.of(*other).is_restored
                && command == Command::Close
        });
        for other in others.collect::<Vec<_>>() {
            self.order(other, Command::Close)?;
        }
        self.order(side, command)?;
        self.talk()
    }

    /// Whoever is honest leaves with what it holds.
    fn force_all(&mut self) -> Checked<()> {
        for side in SIDES {
            if self.scenario.is_honest(side) {
                self.order(side, Command::ForceClose)?;
            }
        }
        self.talk()
    }

    /// A cooperative close must work by itself: nobody cheats, and whoever lost data needs no ordinary
    /// state any more, as one that takes out a lock would be.
    fn can_close_together(&self) -> bool {
        let has_lock = SIDES.iter().any(|side| {
            let parts = self.nodes[place(*side)].parts();
            parts.is_some_and(|p| p.base.as_ref().is_some_and(|base| !base.locks.is_empty()))
        });
        self.is_fair() || (self.scenario.is_all_honest() && !has_lock)
    }

    fn is_over(&self) -> bool {
        SIDES.iter().filter(|side| self.scenario.is_honest(**side)).all(|side| {
            let Some(parts) = self.nodes[place(*side)].parts() else { return false };
            // A node that lost its list of locks cannot know when the last one is decided.
            let lost = self.audit.of(*side).is_restored;
            let is_settled =
                matches!(&parts.phase, Phase::Settled(settlement) if settlement.is_final);
            channel::is_over(parts) || (lost && is_settled)
        })
    }
}
