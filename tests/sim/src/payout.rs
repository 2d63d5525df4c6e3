//! What everybody must have received in the end.

use alloy_primitives::B256;
use lockstep_core::chain::CloseMode;
use lockstep_core::ids::Side;
use lockstep_core::record::{Phase, RecordParts};
use lockstep_core::time::BlockTimestamp;

use crate::guard::Leave;
use crate::keys::place;
use crate::scenario::{BLOCK_SECS, MAX_DOWN_BLOCKS};
use crate::violation::{Checked, ensure};
use crate::world::World;

/// A secret that was learned this long before the expiry must reach the registry: a node may be down once
/// and its transaction may wait, with finality on top. Units: seconds.
const REVEAL_SECS: u64 = 4 * MAX_DOWN_BLOCKS * (BLOCK_SECS + 3);

impl World {
    /// Compares what was received with what each honest side's own history says it is due.
    ///
    /// # Errors
    /// If somebody honest got less, or, where all are honest, anybody got anything else.
    pub fn check_paid(&mut self) -> Checked<()> {
        for side in [Side::One, Side::Two] {
            if self.scenario.is_honest(side) && !self.audit.of(side).is_restored {
                self.check_side(side)?;
            }
        }
        if self.is_fair() {
            self.stats.count("ends: fair, paid in full");
        } else {
            self.stats.count("ends: honest side paid what it is due");
        }
        Ok(())
    }

    fn check_side(&mut self, side: Side) -> Checked<()> {
        let books = &self.chain.head().books;
        let Some(record) = self.nodes[place(side)].disk.record() else { return Ok(()) };
        let parts = record.parts();
        let received = i128::try_from(books.received(side)).unwrap_or(i128::MAX);
        let brought = books.deposited[place(side)].to_u128().unwrap_or(0);
        let brought = i128::try_from(brought).unwrap_or(i128::MAX);
        let spent = self.most_spent(side);
        let due = brought - spent;
        let guard = self.guard.as_ref().filter(|guard| guard.side == side);
        if let Some(Leave { forgone }) = guard.and_then(|guard| guard.leave) {
            // P82: one tower that acts keeps the loss to what it had not been given.
            return ensure(received >= due.saturating_sub(forgone), "P82", || {
                format!("{side:?} is due {due}, {forgone} was unprotected, and it got {received}")
            });
        }
        ensure(received >= due, "P12", || {
            format!("{side:?} brought {brought}, may have spent {spent}, and got {received}")
        })?;
        let mode = books.contract.slots().mode;
        let version = books.contract.slots().point.version;
        let newest = parts.base.as_ref().map(|base| base.state.version).unwrap_or_default();
        let is_settled = mode.is_some_and(|mode| mode != CloseMode::Cancelled);
        ensure(!is_settled || version >= newest, "P12", || {
            format!("{version} was settled while {side:?} holds {newest}")
        })?;
        self.check_secrets(side, parts)
    }

    /// The most that a side may have spent, by its own history.
    pub(crate) fn most_spent(&self, side: Side) -> i128 {
        let record = self.nodes[place(side)].disk.record();
        let knows = |hash: &B256| record.is_some_and(|r| r.parts().secrets.contains_key(hash));
        self.audit
            .of(side)
            .ledger
            .most_spent(side, |hash, expiry| self.is_registered(hash, expiry) || knows(&hash))
    }

    fn is_registered(&self, hash: B256, expiry: BlockTimestamp) -> bool {
        self.chain.head().books.registry.get(&hash).is_some_and(|at| *at <= expiry)
    }

    /// P45: a lock whose secret was known in time is paid by the chain if it was left to the chain.
    fn check_secrets(&self, side: Side, parts: &RecordParts) -> Checked<()> {
        let Phase::Settled(settlement) = &parts.phase else { return Ok(()) };
        for lock in settlement.locks.iter().filter(|lock| lock.payer() != side) {
            let known = self.secrets.get(&lock.hash).and_then(|known| known.learned_at);
            let Some(learned_at) = known else { continue };
            let is_in_time = learned_at.0 + REVEAL_SECS <= lock.expiry.0;
            let is_there = self.is_registered(lock.hash, lock.expiry);
            ensure(!is_in_time || is_there, "P45", || {
                format!("the secret of {lock:?} was known at {learned_at} and never registered")
            })?;
        }
        Ok(())
    }
}
