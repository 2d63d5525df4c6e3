//! The part of a run with faults: whatever chance brings, one step at a time.

use alloy_primitives::B256;
use lockstep_core::adjudicator::PresentedConsent;
use lockstep_core::chain::{ChainCall, ChannelStatus};
use lockstep_core::ids::{InvoiceId, Side};
use lockstep_core::input::Command;
use lockstep_core::lock::Lock;
use lockstep_core::money::Amount;
use lockstep_core::record::Phase;
use lockstep_core::time::BlockTimestamp;
use lockstep_core::update::{Action, Memo, Payment};

use crate::chain::Want;
use crate::keys::place;
use crate::node::End;
use crate::scenario::BLOCK_SECS;
use crate::violation::Checked;
use crate::world::{Secret, World};

/// Steps within which a channel is usually open.
const MAX_OPENING_STEPS: u64 = 120;

impl World {
    /// All steps with faults.
    ///
    /// # Errors
    /// On the first property that does not hold.
    pub fn storm(&mut self) -> Checked<()> {
        // The open has faults as well, but most steps are for what comes after it.
        for _ in 0..MAX_OPENING_STEPS {
            if self
                .nodes
                .iter()
                .any(|node| node.parts().is_some_and(|parts| parts.phase == Phase::Open))
            {
                break;
            }
            self.step(false)?;
        }
        for _ in 0..self.scenario.steps {
            self.step(true)?;
        }
        Ok(())
    }

    fn step(&mut self, has_orders: bool) -> Checked<()> {
        self.fault()?;
        let side = self.any_side();
        // Before the channel is open, orders only show that they are refused.
        let kind = match self.rng.below(100) {
            42..=66 if !has_orders && self.rng.below(8) > 0 => 67,
            kind => kind,
        };
        match kind {
            0..=41 => {
                for _ in 0..=self.rng.below(3) {
                    let to = if self.link.waiting_for(side) > 0 { side } else { side.other() };
                    self.deliver(to)?;
                }
            }
            42..=66 => self.command(side)?,
            67..=84 => {
                self.operate()?;
                self.mine()?;
            }
            85..=88 => self.tick(side)?,
            89..=95 => self.misbehave()?,
            _ => self.recover()?,
        }
        if !self.link.is_up() && self.rng.below(4) == 0 {
            self.recover()?;
        }
        Ok(())
    }

    fn any_side(&mut self) -> Side {
        if self.rng.coin() { Side::One } else { Side::Two }
    }

    /// Cuts, crashes, reorganisations, and an old backup.
    fn fault(&mut self) -> Checked<()> {
        if self.rng.per_mille(self.scenario.cut) {
            self.cut()?;
        }
        if self.rng.per_mille(self.scenario.crash) {
            let side = self.any_side();
            if self.scenario.is_honest(side) && self.nodes[place(side)].is_up {
                self.stats.count("crash: between inputs");
                self.kill(side)?;
            }
        }
        if self.rng.per_mille(self.scenario.reorg) {
            let depth = self.chain.reorganise(&mut self.rng)?;
            self.trace.note(|| format!("the chain replaces {depth} blocks"));
            self.stats.count("reorgs");
            self.stats.add("reorgs: blocks replaced", depth);
        }
        self.lose_data()
    }

    /// An image of the disk is made early, and takes the disk's place late.
    fn lose_data(&mut self) -> Checked<()> {
        let Some(side) = self.scenario.restored else { return Ok(()) };
        if self.audit.of(side).is_restored {
            return Ok(());
        }
        let Some((_, backup)) = self.backup.take() else {
            let disk = &self.nodes[place(side)].disk;
            let is_open = disk.record().is_some_and(|record| {
                !matches!(record.parts().phase, Phase::Opening(_) | Phase::Funding { .. })
            });
            if is_open && self.rng.per_mille(30) {
                self.backup = Some((side, disk.clone()));
            }
            return Ok(());
        };
        if !self.rng.per_mille(15) {
            self.backup = Some((side, backup));
            return Ok(());
        }
        self.stats.count("restores");
        self.kill(side)?;
        self.nodes[place(side)].disk.restore(&backup);
        let memory = self.audit.of_mut(side);
        memory.is_restored = true;
        memory.sees_close = false;
        // Every import sets the mark, before the node does anything else.
        let was_calm = std::mem::replace(&mut self.is_calm, true);
        self.start(side)?;
        self.order(side, Command::MarkImported)?;
        self.is_calm = was_calm;
        Ok(())
    }

    /// Nodes that are down start after a while; then both connect.
    fn recover(&mut self) -> Checked<()> {
        let head = self.chain.head().point.number.0;
        for side in [Side::One, Side::Two] {
            let node = &self.nodes[place(side)];
            if !node.is_up && head >= node.down_until {
                self.start(side)?;
                self.follow(side)?;
            }
        }
        if !self.link.is_up() || self.link.is_broken() || self.rng.below(8) == 0 {
            self.cut()?;
            self.connect()?;
        }
        Ok(())
    }

    /// What operators do on chain: open, join, top up, cancel.
    ///
    /// # Errors
    /// If a property does not hold.
    pub fn operate(&mut self) -> Checked<()> {
        let [deposit1, deposit2] = self.scenario.deposits;
        match self.status() {
            ChannelStatus::None => {
                let consent = self.consent();
                let Some(consent) = consent else { return Ok(()) };
                let consent = if self.scenario.opens_with_consent {
                    consent
                } else {
                    PresentedConsent::default()
                };
                self.submit(Side::One, Want::Open { amount: deposit1, consent });
            }
            ChannelStatus::Pending => {
                let is_agreed = self.nodes[1].disk.record().is_some();
                let is_hostile = !self.scenario.is_honest(Side::Two);
                if is_agreed && !(is_hostile && self.rng.below(20) == 0) {
                    self.submit(Side::Two, Want::Join { amount: deposit2 });
                }
            }
            ChannelStatus::Active => self.top_up(deposit2),
            ChannelStatus::Closing | ChannelStatus::Closed => {}
        }
        Ok(())
    }

    fn top_up(&mut self, deposit2: u64) {
        let books = &self.chain.head().books;
        let [one, two] = [books.deposited[0], books.deposited[1]];
        let wants = if two.is_zero() && deposit2 > 0 {
            Some(Want::Deposit { side: Side::Two, amount: deposit2 })
        } else if self.rng.below(60) == 0 && one < Amount::from(200_000u64) {
            let side = self.any_side();
            Some(Want::Deposit { side, amount: 500 + self.rng.below(500) })
        } else {
            None
        };
        if let Some(want @ Want::Deposit { side, .. }) = wants
            && self.nodes[place(side)].is_up
        {
            self.submit(side, want);
        }
    }

    /// Side two's consent, once side one has it on disk.
    fn consent(&self) -> Option<PresentedConsent> {
        let parts = self.nodes[0].disk.record()?.parts();
        let Phase::Funding { consent: Some(consent) } = &parts.phase else { return None };
        Some(PresentedConsent {
            min_deposit1: consent.open.min_deposit1,
            deadline: consent.open.deadline,
            signature: consent.signature?.0.to_vec(),
        })
    }

    /// Sends a transaction, unless the same one waits.
    pub fn submit(&mut self, from: Side, want: Want) {
        self.trace.note(|| format!("{from:?} submits {}", crate::brief::want(&want)));
        self.chain.submit(from, want, &mut self.rng);
    }

    /// The hostile side does what it does.
    fn misbehave(&mut self) -> Checked<()> {
        let Some(mut mischief) = self.mischief.take() else { return Ok(()) };
        let side = mischief.side;
        mischief.now = self.now();
        if let Some(message) =
            mischief.say(&self.keys, self.scenario.challenge_period, &mut self.rng, &mut self.stats)
        {
            self.send(side, message);
        }
        let is_late = self.rng.below(8) == 0;
        // A cheat whose victim is going to be away waits for that.
        let waits = self.guard.as_ref().is_some_and(|guard| guard.plan.is_absent);
        let is_tempted = mischief.likes_to_close() && !waits && is_late;
        let may_close = is_tempted && self.status() == ChannelStatus::Active;
        if let Some(want) = mischief.close(&mut self.rng).filter(|_| may_close) {
            self.stats.count("hostile: close or checkpoint");
            self.submit(side, want);
        }
        self.mischief = Some(mischief);
        Ok(())
    }

    /// An operator or a user orders something.
    fn command(&mut self, side: Side) -> Checked<()> {
        let Some(channel) = &self.nodes[place(side)].channel else { return Ok(()) };
        if self.rng.per_mille(self.scenario.early_close) {
            self.stats.count("orders: early close");
            let command = if self.rng.coin() { Command::Close } else { Command::ForceClose };
            self.order(side, command)?;
            return Ok(());
        }
        let spendable = channel.spendable().ok().and_then(Amount::to_u128).unwrap_or(0);
        let spendable = u64::try_from(spendable).unwrap_or(u64::MAX);
        match self.rng.below(20) {
            0 | 1 if self.scenario.has_locks => self.add_lock(side, spendable),
            2 | 3 if self.scenario.has_locks => self.use_lock(side),
            4 => self.add_invoice(side),
            5 => self.pay_invoice(side),
            6 if self.scenario.has_withdrawals => {
                let most = if self.rng.coin() { 40 } else { spendable / 2 };
                let (out1, out2) = (self.rng.below(most), self.rng.below(most));
                // Each takes out its own: the other side would refuse the rest.
                let (out1, out2) = if side == Side::Two { (0, out2) } else { (out1, 0) };
                self.stats.count("orders: withdraw");
                let (out1, out2) = (Amount::from(out1), Amount::from(out2));
                self.order(side, Command::Withdraw { out1, out2 }).map(drop)
            }
            _ => self.pay(side, spendable),
        }
    }

    fn pay(&mut self, side: Side, spendable: u64) -> Checked<()> {
        let count = 1 + self.rng.below(4);
        let most = if self.rng.below(20) == 0 { spendable * 2 + 1 } else { spendable / 8 + 1 };
        let payments = (0..count).map(|_| {
            let amount = Amount::from(1 + self.rng.below(most));
            Action::Pay(Payment { amount, memo: Memo::default(), invoice: None })
        });
        let payments = payments.collect();
        self.stats.add("orders: payments", count);
        self.order(side, Command::Update(payments)).map(drop)
    }

    fn add_lock(&mut self, side: Side, spendable: u64) -> Checked<()> {
        let secret = B256::from(self.rng.bytes());
        let hash = lockstep_core::hash_of(secret);
        let most = spendable / 6 + 1;
        let blocks = 20 + self.rng.below(150);
        let lock = Lock {
            hash,
            resolver: lockstep_core::ids::AccountRef::Evm(alloy_primitives::Address::ZERO),
            amount: Amount::from(1 + self.rng.below(most)),
            expiry: BlockTimestamp(self.now().0 + blocks * BLOCK_SECS),
            from1: side == Side::One,
        };
        self.secrets.insert(hash, Secret { secret, payee: side.other(), learned_at: None });
        self.stats.count("orders: add lock");
        self.order(side, Command::Update(vec![Action::AddLock(lock)])).map(drop)
    }

    /// Settles, fails or expires some lock of the newest state, whichever the side may.
    fn use_lock(&mut self, side: Side) -> Checked<()> {
        let Some(parts) = self.nodes[place(side)].parts() else { return Ok(()) };
        let locks = parts.base.as_ref().map(|base| base.locks.clone()).unwrap_or_default();
        let Some(lock) = self.rng.pick(&locks).copied() else { return Ok(()) };
        if lock.payer() == side {
            self.stats.count("orders: expire lock");
            let expire = Action::ExpireLock { hash: lock.hash };
            return self.order(side, Command::Update(vec![expire])).map(drop);
        }
        if self.rng.below(5) == 0 {
            self.stats.count("orders: fail lock");
            let fail = Action::FailLock { hash: lock.hash };
            return self.order(side, Command::Update(vec![fail])).map(drop);
        }
        let Some(known) = self.secrets.get(&lock.hash).copied() else { return Ok(()) };
        self.stats.count("orders: learn secret");
        let end = self.order(side, Command::LearnSecret { secret: known.secret })?;
        if end == End::Done
            && let Some(known) = self.secrets.get_mut(&lock.hash)
        {
            let now = self.chain.head().point.timestamp;
            known.learned_at = known.learned_at.or(Some(now));
        }
        Ok(())
    }

    fn add_invoice(&mut self, side: Side) -> Checked<()> {
        let id = InvoiceId(B256::from(self.rng.bytes()));
        let amount = Amount::from(1 + self.rng.below(50));
        let expiry = BlockTimestamp(self.now().0 + 60 * BLOCK_SECS);
        if self.order(side, Command::AddInvoice { id, amount, expiry, memo: Memo::default() })?
            == End::Done
        {
            self.invoices.push((side, id, amount));
        }
        Ok(())
    }

    /// Pays an invoice of the other side, perhaps a second time.
    fn pay_invoice(&mut self, side: Side) -> Checked<()> {
        let theirs: Vec<_> =
            self.invoices.iter().filter(|(payee, ..)| *payee != side).copied().collect();
        let Some((_, id, amount)) = self.rng.pick(&theirs).copied() else { return Ok(()) };
        self.stats.count("orders: pay invoice");
        let pay = Action::Pay(Payment { amount, memo: Memo::default(), invoice: Some(id) });
        self.order(side, Command::Update(vec![pay])).map(drop)
    }

    /// The hostile side answers a close with whatever newer state it has, or registers late.
    ///
    /// # Errors
    /// If a property does not hold.
    pub fn resist(&mut self) -> Checked<()> {
        let Some(mischief) = &self.mischief else { return Ok(()) };
        let side = mischief.side;
        let above = self.chain.head().books.contract.slots().point.version;
        let want = match self.status() {
            ChannelStatus::Closing => mischief.challenge(above, &mut self.rng),
            ChannelStatus::None
            | ChannelStatus::Pending
            | ChannelStatus::Active
            | ChannelStatus::Closed => None,
        };
        if let Some(want) = want.filter(|_| self.rng.below(8) == 0) {
            self.stats.count("hostile: challenge");
            self.submit(side, want);
        }
        let known = self.secrets.values().filter(|known| known.payee == side);
        let known: Vec<B256> = known.map(|known| known.secret).collect();
        if let Some(secret) = self.rng.pick(&known).copied().filter(|_| self.rng.below(12) == 0) {
            self.stats.count("hostile: secret registered");
            self.submit(side, Want::Call(ChainCall::RegisterSecret { secret }));
        }
        Ok(())
    }

    /// Both nodes run, and a new connection is up.
    ///
    /// # Errors
    /// If a property does not hold.
    pub fn raise(&mut self) -> Checked<()> {
        for side in [Side::One, Side::Two] {
            if !self.nodes[place(side)].is_up {
                self.start(side)?;
            }
            self.follow(side)?;
        }
        self.cut()?;
        self.connect()
    }
}
