//! Random histories of two honest nodes: payments, locks, lost messages, crashes between any two steps.
//!
//! Each seed is one history; a failure prints its seed and replays exactly. The full simulator is a crate
//! of its own; this one is small enough to run with every build.

use crate::kit::*;
use crate::lock::lock;
use alloy_primitives::B256;
use lockstep_core::adjudicator::PresentedState;
use lockstep_core::ids::Side;
use lockstep_core::input::{Command, Input};
use lockstep_core::update::Action;

/// SplitMix64: the same numbers on every machine.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn side(&mut self) -> Side {
        if self.below(2) == 0 { Side::One } else { Side::Two }
    }
}

/// Tells how a history ended, for the few numbers that a failing run prints.
struct History {
    pair: Pair,
    dice: Dice,
    now: u64,
    next_secret: u8,
}

impl History {
    fn new(seed: u64) -> Self {
        Self { pair: Pair::open(), dice: Dice(seed), now: 10, next_secret: 1 }
    }

    fn step(&mut self) {
        let side = self.dice.side();
        match self.dice.below(12) {
            0..=3 => self.order_payments(side),
            4..=7 => {
                self.deliver(side);
            }
            8 => self.order_lock(side),
            9 => self.decide_lock(side),
            10 => {
                self.now += self.dice.below(400);
                self.pair.finalized(self.now);
            }
            _ => self.disturb(side),
        }
        self.check();
    }

    fn order_payments(&mut self, side: Side) {
        let count = 1 + self.dice.below(3);
        let actions = (0..count).map(|_| pay(1 + self.dice.below(DEPOSIT / 4))).collect();
        self.order(side, Command::Update(actions));
    }

    fn order_lock(&mut self, side: Side) {
        let secret = B256::repeat_byte(self.next_secret);
        self.next_secret = self.next_secret.wrapping_add(1);
        let expiry = self.now + 1 + self.dice.below(2_000);
        let value = 1 + self.dice.below(DEPOSIT / 8);
        let action = lock(secret, value, expiry, side == Side::One);
        self.order(side, Command::Update(vec![action]));
    }

    fn decide_lock(&mut self, side: Side) {
        let base = self.pair.node(side).channel.parts().base.clone();
        let Some(lock) = base.and_then(|base| base.locks.first().copied()) else { return };
        let hash = lock.hash;
        let secrets = (0..=u8::MAX).map(B256::repeat_byte);
        let secret = secrets.into_iter().find(|s| lockstep_core::hash_of(*s) == hash).unwrap();
        let command = match self.dice.below(3) {
            0 => Command::LearnSecret { secret },
            1 => Command::Update(vec![Action::FailLock { hash }]),
            _ => Command::Update(vec![Action::ExpireLock { hash }]),
        };
        self.order(side, command);
    }

    /// An order may be refused, and may be followed by a crash before anything leaves.
    fn order(&mut self, side: Side, command: Command) {
        let crashes = self.dice.below(10) == 0;
        let node = self.pair.node(side);
        let input = Input::Command(command);
        let result = if crashes { node.input_and_crash(input) } else { node.input(input) };
        if crashes && result.is_ok() {
            self.pair.connect_without_delivery();
        }
    }

    fn deliver(&mut self, from: Side) {
        if self.dice.below(12) != 0 {
            self.pair.deliver(from);
            return;
        }
        // The receiver dies after its commit; the connection is gone with it.
        if let Some(message) = self.pair.node(from).outbox.pop_front() {
            let result = self.pair.node(from.other()).input_and_crash(Input::Peer(message));
            if result.is_ok() {
                self.pair.connect_without_delivery();
            }
        }
    }

    fn disturb(&mut self, side: Side) {
        match self.dice.below(3) {
            0 => self.pair.connect_without_delivery(),
            1 => {
                self.pair.node(side).restart();
                self.pair.connect_without_delivery();
            }
            _ => {
                // The link repeats a message.
                if let Some(message) = self.pair.node(side).outbox.front().cloned() {
                    self.pair.node(side).outbox.push_front(message);
                }
            }
        }
    }

    /// What must hold after each step, whatever happened.
    fn check(&self) {
        for node in [&self.pair.one, &self.pair.two] {
            let parts = node.channel.parts();
            // Money is conserved in every state that may be settled.
            let states = parts.base.iter().map(|base| base.state);
            for state in states.chain(parts.in_flight.iter().map(|entry| entry.state)) {
                let presented = PresentedState::from(&state);
                let accepted = lockstep_core::adjudicator::acceptance::accept(
                    parts.chain.deposits,
                    &presented,
                )
                .unwrap();
                let free = accepted.balances.total().unwrap();
                let all = free
                    .checked_add(state.locked1)
                    .and_then(|sum| sum.checked_add(state.locked2))
                    .unwrap();
                assert_eq!(all, parts.chain.deposits.total());
            }
            assert!(parts.marks.frozen.is_none() && parts.marks.restored.is_none());
            assert!(parts.in_flight.len() <= 64);
        }
    }

    /// When faults stop, both agree, and a payment in each direction succeeds.
    fn settle(&mut self) {
        self.pair.connect();
        self.pair.assert_in_step();
        for side in [Side::One, Side::Two] {
            if self.pair.node(side).channel.spendable().unwrap() > amount(0) {
                let before = self.pair.node(side.other()).own();
                self.pair.node(side).pay(1).unwrap();
                self.pair.exchange();
                let after = self.pair.node(side.other()).own();
                assert_eq!(before.checked_add(amount(1)), Ok(after));
            }
        }
        self.pair.assert_in_step();
    }
}

/// Every update that both sides report is the same on both: nothing is paid twice or lost.
fn assert_same_history(pair: &Pair) {
    use lockstep_core::output::Notice;
    let applied = |node: &Node| {
        let mut all: Vec<_> = node
            .disk
            .notices
            .iter()
            .filter_map(|notice| match notice {
                Notice::Applied { id, action, .. } => Some((*id, action.clone())),
                _ => None,
            })
            .collect();
        all.sort_by_key(|(id, _)| *id);
        let count = all.len();
        all.dedup_by_key(|(id, _)| *id);
        assert_eq!(count, all.len(), "an update was applied twice");
        all
    };
    assert_eq!(applied(&pair.one), applied(&pair.two));
}

#[test]
fn p31_p32_p38_p52_random_histories_with_crashes_and_cuts_end_in_step() {
    for seed in 0..300 {
        let outcome = std::panic::catch_unwind(|| {
            let mut history = History::new(seed);
            for _ in 0..120 {
                history.step();
            }
            history.settle();
            assert_same_history(&history.pair);
        });
        assert!(outcome.is_ok(), "seed {seed}");
    }
}
