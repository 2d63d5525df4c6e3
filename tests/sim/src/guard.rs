//! One side with towers: what it gives them, what it lets in, and what a long absence costs it.

use lockstep_core::chain::{ChainCall, ChannelStatus};
use lockstep_core::ids::{Side, Version};
use lockstep_core::input::Input;
use lockstep_core::message::PeerMessage;
use lockstep_core::money::Amount;
use lockstep_core::protection::{Held, Lapse, Protection, TowerPolicy};
use lockstep_core::record::Phase;
use lockstep_core::time::{BlockTimestamp, EngineTime};

use crate::chain::Want;
use crate::keys::place;
use crate::node::End;
use crate::scenario::GuardPlan;
use crate::tower::{Make, Receipt, Tower};
use crate::violation::{Checked, ensure};
use crate::world::World;

/// What waits at most for a tower. Units: milliseconds.
const LIMIT_MILLIS: u64 = 20_000;
/// Blocks within which a close without its victim must be over.
const MAX_ABSENCE_BLOCKS: u64 = 600;

/// One side's towers.
#[derive(Clone, Debug)]
pub struct Guard {
    /// Whose.
    pub side: Side,
    /// What the seed decided.
    pub plan: GuardPlan,
    /// The towers.
    pub towers: Vec<Tower>,
    /// How it stood when it went away.
    pub leave: Option<Leave>,
}

/// What a side may lose by its absence. Units: base units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leave {
    /// What was unprotected.
    pub forgone: i128,
}

impl Guard {
    /// As the seed decided.
    #[must_use]
    pub fn new(plan: &GuardPlan) -> Self {
        let towers = (0u8..).zip(&plan.makes).map(|(number, make)| Tower::new(number, *make));
        Self { side: plan.side, plan: plan.clone(), towers: towers.collect(), leave: None }
    }

    /// Whether income may stop for good: the policy asks for more than the towers will ever give.
    #[must_use]
    pub fn may_starve(&self) -> bool {
        self.plan.policy != TowerPolicy::Async
    }
}

impl World {
    /// A message for a side with towers goes past them first; none if it waits.
    pub(crate) fn admit(&mut self, to: Side, message: PeerMessage) -> Option<PeerMessage> {
        let now = EngineTime(self.clock(to));
        let node = &mut self.nodes[place(to)];
        let Some(protection) = &mut node.protection else { return Some(message) };
        let Some(parts) = node.channel.as_ref().map(|channel| channel.parts()) else {
            return Some(message);
        };
        let admitted = protection.arrive(message, parts, now);
        if admitted.is_none() {
            self.stats.count("tower: income waits");
        }
        admitted
    }

    /// Everything that need not wait any longer.
    pub(crate) fn release(&mut self) -> Checked<()> {
        let Some(side) = self.guard.as_ref().map(|guard| guard.side) else { return Ok(()) };
        loop {
            let node = &mut self.nodes[place(side)];
            let Some(protection) = &mut node.protection else { return Ok(()) };
            let Some(channel) = &node.channel else { return Ok(()) };
            let Some(message) = protection.release(channel.parts()) else { return Ok(()) };
            self.stats.count("tower: income released");
            self.take(side, message)?;
        }
    }

    /// P81: what a message brought leaves no more unprotected than the policy allows.
    pub(crate) fn check_bound(&self, to: Side, before: Option<Amount>) -> Checked<()> {
        let Some(guard) = self.guard.as_ref().filter(|guard| guard.side == to) else {
            return Ok(());
        };
        let TowerPolicy::Bounded { max_unprotected } = guard.plan.policy else { return Ok(()) };
        let Some(protection) = &self.nodes[place(to)].protection else { return Ok(()) };
        let Some(before) = before.filter(|_| to == Side::Two) else { return Ok(()) };
        // A channel that lost data takes what it is shown; it never takes an ordinary payment again.
        if self.audit.of(to).is_restored {
            return Ok(());
        }
        let after = protection.unprotected();
        let is_within = after <= max_unprotected || before.is_zero() || after <= before;
        ensure(is_within, "P81", || format!("{before} was unprotected, then {after}"))
    }

    /// What a side has unprotected, by its own books; none once its channel is closing.
    pub(crate) fn unprotected(&self, side: Side) -> Option<Amount> {
        self.nodes[place(side)].parts().filter(|parts| parts.phase == Phase::Open)?;
        self.nodes[place(side)].protection.as_ref().map(Protection::unprotected)
    }

    /// After every step of a side: what its towers lack goes on its way to them, the newest only.
    pub(crate) fn upload(&mut self, side: Side) -> Checked<()> {
        if self.guard.as_ref().is_none_or(|guard| guard.side != side) {
            return Ok(());
        }
        let Some(protection) = &self.nodes[place(side)].protection else { return Ok(()) };
        if !protection.needs_any() {
            return Ok(());
        }
        let Some(shown) = self.with_node(side, |node, env| node.show(env))? else {
            return Ok(());
        };
        let Some(guard) = &mut self.guard else { return Ok(()) };
        let Some(protection) = &self.nodes[place(side)].protection else { return Ok(()) };
        for tower in &mut guard.towers {
            let is_new = tower.inbox.as_ref().is_none_or(|sent| sent.state != shown.state);
            if is_new && !protection.unprotected_by(tower.address).is_zero() {
                self.stats.count("tower: appointment sent");
                tower.inbox = Some(shown.clone());
            }
        }
        Ok(())
    }

    /// Towers look at their mail and at the chain, and prove what they hold.
    ///
    /// # Errors
    /// If a property does not hold.
    pub fn tend_towers(&mut self) -> Checked<()> {
        let Some(mut guard) = self.guard.take() else { return Ok(()) };
        let mut receipts = vec![];
        for tower in &mut guard.towers {
            tower.forget(&mut self.tower_rng, &mut self.stats);
            let receipt = tower.answer(&self.keys, &mut self.tower_rng, &mut self.stats);
            receipts.extend(receipt.map(|receipt| (tower.clone(), receipt)));
            if let Some(want) = tower.act(&self.chain)
                && !self.chain.waits(guard.side, &want)
                && self.chain.would_act(guard.side, &want)
            {
                self.stats.count("tower: challenge");
                self.chain.submit(guard.side, want, &mut self.tower_rng);
            }
        }
        for (tower, receipt) in receipts {
            self.take_receipt(guard.side, &tower, receipt)?;
        }
        self.check_possession(&guard);
        self.guard = Some(guard);
        self.release()
    }

    /// A receipt counts only for a version that we know, with the content that we gave.
    fn take_receipt(&mut self, side: Side, tower: &Tower, receipt: Receipt) -> Checked<()> {
        let node = &mut self.nodes[place(side)];
        let Some(protection) = &mut node.protection else { return Ok(()) };
        let bound = |digest| node.disk.is_bound(receipt.version, digest);
        if !bound(receipt.digest) {
            self.stats.count("tower: receipt refused");
            return Ok(());
        }
        let is_true = !tower.acts() || tower.held().is_some_and(|held| held >= receipt.version);
        ensure(is_true, "P80", || format!("{tower:?} gave {receipt:?}"))?;
        let held = Held { version: receipt.version, valid_until: BlockTimestamp(u64::MAX) };
        protection.receipt(tower.address, held);
        node.disk.towers.insert(tower.address, held);
        node.disk.floor = Some(protection.floor());
        Ok(())
    }

    /// A tower that cannot prove what it gave its receipt for counts no more.
    fn check_possession(&mut self, guard: &Guard) {
        let node = &mut self.nodes[place(guard.side)];
        let Some(protection) = &mut node.protection else { return };
        for tower in &guard.towers {
            let Some(held) = protection.held(tower.address) else { continue };
            // A newer one may be on its way: the proof is about the version of the receipt.
            if tower.held().is_none_or(|newest| newest < held.version) {
                self.stats.count("tower: proof missing");
                protection.lost(tower.address);
                node.disk.towers.remove(&tower.address);
            }
        }
    }

    /// Time passes for what waits: no quorum, or nothing that a tower will ever hold.
    pub(crate) fn lapse(&mut self, side: Side, now: EngineTime) -> Checked<()> {
        while let Some(protection) = &mut self.nodes[place(side)].protection {
            match protection.tick(now, LIMIT_MILLIS) {
                None => return Ok(()),
                Some(Lapse::Degraded) => {
                    self.stats.count("tower: quorum degraded");
                    self.release()?;
                }
                Some(Lapse::Decline(message)) => {
                    self.stats.count("tower: income declined");
                    if self.feed(side, Input::Decline(*message))? == End::Died {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether anything waited and was let in or refused: towers answer, then patience ends.
    pub(crate) fn settle_waiting(&mut self) -> Checked<bool> {
        let Some(side) = self.guard.as_ref().map(|guard| guard.side) else { return Ok(false) };
        let is_waiting = |world: &Self| {
            world.nodes[place(side)].protection.as_ref().is_some_and(Protection::is_waiting)
        };
        if !is_waiting(self) {
            return Ok(false);
        }
        self.tend_towers()?;
        if is_waiting(self) {
            let now = EngineTime(self.clock(side) + 4 * LIMIT_MILLIS);
            self.lapse(side, now)?;
        }
        Ok(true)
    }

    /// The victim goes offline for longer than a challenge period, and its counterparty closes with
    /// something old. Only towers can answer.
    ///
    /// # Errors
    /// If a property does not hold, or the close never ends.
    pub fn absence(&mut self) -> Checked<()> {
        let Some(guard) = self.guard.as_ref().filter(|guard| guard.plan.is_absent) else {
            return Ok(());
        };
        let side = guard.side;
        let is_open = self.nodes[place(side)].parts().is_some_and(|p| p.phase == Phase::Open);
        if !is_open || self.status() != ChannelStatus::Active || self.chain.may_close_land() {
            return Ok(());
        }
        if self.tower_rng.below(4) > 0 {
            self.tend_towers()?;
        }
        let forgone = self.unprotected_in_truth(side);
        self.kill(side)?;
        self.trace.note(|| format!("{side:?} stays away, {forgone} of its money unprotected"));
        let Some(guard) = &mut self.guard else { return Ok(()) };
        guard.leave = Some(Leave { forgone });
        self.stats.count("absences");
        if forgone == 0 {
            self.stats.count("absences: fully protected");
        }
        let cheat = side.other();
        let old = self.mischief.as_ref().and_then(|mischief| mischief.oldest(&mut self.tower_rng));
        self.submit(cheat, Want::Call(ChainCall::InitiateClose(old)));
        for _ in 0..MAX_ABSENCE_BLOCKS {
            self.chain.mine(&mut self.rng)?;
            self.tend_towers()?;
            self.follow(cheat)?;
            match self.status() {
                ChannelStatus::Closing => self.submit(cheat, Want::Call(ChainCall::Close)),
                ChannelStatus::Closed => return Ok(()),
                ChannelStatus::None | ChannelStatus::Pending | ChannelStatus::Active => {}
            }
        }
        ensure(false, "P12", || "a close without its victim never ends".to_owned())
    }

    /// What is unprotected given what towers that act really hold, whatever their receipts say.
    fn unprotected_in_truth(&self, side: Side) -> i128 {
        let Some(guard) = &self.guard else { return 0 };
        // A forgetful one may lose it while nobody asks.
        let acts = |tower: &&Tower| tower.acts() && tower.make != Make::Forgetful;
        let held = guard.towers.iter().filter(acts).filter_map(Tower::held).max();
        let protection = self.nodes[place(side)].protection.as_ref();
        let exposed = protection.map(|known| known.unprotected_from(held.unwrap_or(Version::ZERO)));
        let exposed = exposed.and_then(Amount::to_u128).unwrap_or(u128::MAX);
        i128::try_from(exposed).unwrap_or(i128::MAX)
    }
}
