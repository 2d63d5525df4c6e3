//! Incoming updates that wait for towers, between two real channels.

use crate::kit::*;
use alloy_primitives::Address;
use alloy_primitives::B256;
use lockstep_core::chain::{ChainFact, Evidence};
use lockstep_core::error::ProtocolError;
use lockstep_core::exposure::Exposure;
use lockstep_core::ids::{Side, Version};
use lockstep_core::input::{Command, Input};
use lockstep_core::message::PeerMessage;
use lockstep_core::money::Amount;
use lockstep_core::output::Notice;
use lockstep_core::protection::{Held, Lapse, Protection, TowerPolicy};
use lockstep_core::record::Phase;
use lockstep_core::time::{BlockTimestamp, EngineTime, Finality};
use lockstep_core::update::Action;

const TOWER: Address = Address::repeat_byte(0x70);
const BOUND: u64 = 100;
const LIMIT_MILLIS: u64 = 5_000;

/// Two nodes, one of which takes nothing in that its towers do not allow.
struct Guarded {
    pair: Pair,
    side: Side,
    protection: Protection,
    now: EngineTime,
}

impl Guarded {
    fn new(side: Side) -> Self {
        let mut pair = Pair::open();
        let policy = TowerPolicy::Bounded { max_unprotected: amount(BOUND) };
        let mut protection =
            Protection::resume(policy, pair.node(side).channel.parts(), None).unwrap();
        protection.add_tower(TOWER, None);
        Self { pair, side, protection, now: EngineTime(0) }
    }

    /// As a driver does it: everything to the guarded side goes past its towers first.
    fn exchange(&mut self) {
        loop {
            let mut is_quiet = !self.pair.deliver(self.side);
            if let Some(message) = self.pair.node(self.side.other()).outbox.pop_front() {
                is_quiet = false;
                let parts = self.pair.node(self.side).channel.parts().clone();
                if let Some(message) = self.protection.arrive(message, &parts, self.now) {
                    self.take(Input::Peer(message));
                }
            }
            is_quiet &= !self.release();
            if is_quiet {
                return;
            }
        }
    }

    fn take(&mut self, input: Input) {
        self.pair.node(self.side).input(input).unwrap();
        let parts = self.pair.node(self.side).channel.parts().clone();
        self.protection.observe(&parts).unwrap();
    }

    fn release(&mut self) -> bool {
        let parts = self.pair.node(self.side).channel.parts().clone();
        let Some(message) = self.protection.release(&parts) else { return false };
        self.take(Input::Peer(message));
        true
    }

    /// The tower holds all that there is.
    fn receipt(&mut self) {
        let version = self.pair.node(self.side).channel.version();
        self.protection.receipt(TOWER, Held { version, valid_until: BlockTimestamp(100_000) });
    }

    fn receive(&mut self, value: u64) {
        self.pair.node(self.side.other()).pay(value).unwrap();
        self.exchange();
    }

    fn own(&mut self) -> Amount {
        self.pair.node(self.side).own()
    }

    /// Time passes until nothing waits any more.
    fn decline_all(&mut self) {
        self.now = EngineTime(self.now.0 + LIMIT_MILLIS);
        while let Some(lapse) = self.protection.tick(self.now, LIMIT_MILLIS) {
            let Lapse::Decline(message) = lapse else { panic!("no quorum here") };
            self.take(Input::Decline(*message));
            self.exchange();
            self.now = EngineTime(self.now.0 + LIMIT_MILLIS);
        }
    }
}

const SIDES: [Side; 2] = [Side::One, Side::Two];

#[test]
fn p81_income_beyond_the_bound_waits_for_the_receipt() {
    for side in SIDES {
        let mut node = Guarded::new(side);
        node.receive(BOUND);
        assert_eq!(node.own(), amount(DEPOSIT + BOUND));
        assert_eq!(node.protection.unprotected(), amount(BOUND));
        node.receive(1);
        assert_eq!(node.own(), amount(DEPOSIT + BOUND), "{side:?}");
        assert!(node.protection.is_waiting());
        node.receipt();
        assert_eq!(node.protection.unprotected(), Amount::ZERO);
        node.exchange();
        assert_eq!(node.own(), amount(DEPOSIT + BOUND + 1));
        node.pair.assert_in_step();
    }
}

#[test]
fn p81_income_larger_than_the_bound_passes_one_at_a_time() {
    for side in SIDES {
        let mut node = Guarded::new(side);
        node.pair.node(side.other()).pay(10 * BOUND).unwrap();
        node.pair.node(side.other()).pay(10 * BOUND).unwrap();
        node.exchange();
        assert_eq!(node.own(), amount(DEPOSIT + 10 * BOUND), "{side:?}");
        node.receipt();
        node.exchange();
        assert_eq!(node.own(), amount(DEPOSIT + 20 * BOUND));
    }
}

#[test]
fn p81_our_own_payments_never_wait() {
    for side in SIDES {
        let mut node = Guarded::new(side);
        node.receive(BOUND);
        for _ in 0..3 {
            node.pair.node(side).pay(7).unwrap();
            node.exchange();
        }
        assert_eq!(node.own(), amount(DEPOSIT + BOUND - 21), "{side:?}");
        node.pair.assert_in_step();
    }
}

#[test]
fn p81_income_that_waits_too_long_is_declined_and_payments_go_on() {
    for side in SIDES {
        let mut node = Guarded::new(side);
        node.receive(BOUND);
        node.receive(30);
        node.receive(40);
        node.decline_all();
        assert_eq!(node.own(), amount(DEPOSIT + BOUND), "{side:?}");
        let failed = |notice: &Notice| matches!(notice, Notice::Failed { .. });
        assert_eq!(node.pair.node(side.other()).count(failed), 2);
        node.pair.node(side).pay(50).unwrap();
        node.exchange();
        node.receipt();
        node.receive(5);
        assert_eq!(node.own(), amount(DEPOSIT + BOUND - 45));
        node.pair.assert_in_step();
    }
}

#[test]
fn p81_a_final_state_never_waits() {
    for side in SIDES {
        for orders in SIDES {
            let mut node = Guarded::new(side);
            node.receive(10 * BOUND);
            node.pair.node(orders).command(Command::Close).unwrap();
            node.exchange();
            for node in [&node.pair.one, &node.pair.two] {
                assert!(matches!(node.channel.parts().phase, Phase::Closing(_)));
                let newest = node.channel.parts().base.as_ref().unwrap();
                assert_eq!(newest.state.kind, lockstep_core::state::StateKind::Final, "{side:?}");
            }
        }
    }
}

#[test]
fn p81_a_lock_counts_from_the_moment_its_secret_is_known() {
    for side in SIDES {
        let mut node = Guarded::new(side);
        let secret = B256::repeat_byte(9);
        let from1 = side == Side::Two;
        let lock = crate::lock::lock(secret, 400, 2_000, from1);
        node.pair.node(side.other()).command(Command::Update(vec![lock])).unwrap();
        node.exchange();
        assert_eq!(node.protection.unprotected(), Amount::ZERO, "{side:?}");
        node.take(Input::Command(Command::LearnSecret { secret }));
        assert_eq!(node.protection.unprotected(), amount(400), "{side:?}");
        // The tower's copy has the lock, and the registry pays it.
        node.receipt();
        assert_eq!(node.protection.unprotected(), Amount::ZERO);
    }
}

#[test]
fn p81_a_lock_of_ours_counts_again_once_it_is_over() {
    for side in SIDES {
        let mut node = Guarded::new(side);
        let from1 = side == Side::One;
        let lock = crate::lock::lock(B256::repeat_byte(9), 400, 2_000, from1);
        node.pair.node(side).command(Command::Update(vec![lock])).unwrap();
        node.exchange();
        assert_eq!(node.protection.unprotected(), Amount::ZERO, "{side:?}");
        node.pair.finalized(2_001);
        let parts = node.pair.node(side).channel.parts().clone();
        node.protection.observe(&parts).unwrap();
        // Older versions, which have all the money, cost nothing; what is overstated needs one upload.
        node.receipt();
        assert_eq!(node.protection.unprotected(), Amount::ZERO);
        let Action::AddLock(lock) = crate::lock::lock(B256::repeat_byte(9), 400, 2_000, from1)
        else {
            unreachable!("it is a lock")
        };
        let expire = Action::ExpireLock { hash: lock.hash };
        node.pair.node(side).command(Command::Update(vec![expire])).unwrap();
        node.exchange();
        assert_eq!(node.own(), amount(DEPOSIT), "{side:?}");
        // With what the tower holds the contract gives the lock back as well.
        assert_eq!(node.protection.unprotected(), Amount::ZERO);
    }
}

#[test]
fn p81_what_was_forgotten_in_a_crash_overstates_the_exposure() {
    let mut node = Guarded::new(Side::Two);
    node.receive(BOUND);
    let kept = node.protection.floor();
    let parts = node.pair.two.channel.parts().clone();
    let exact = Exposure::resume(&parts, Some(kept)).unwrap();
    assert_eq!(exact.at(Version::ZERO), amount(BOUND));
    let unknown = Exposure::resume(&parts, None).unwrap();
    assert_eq!(unknown.at(Version::ZERO), amount(DEPOSIT + BOUND));
    assert_eq!(unknown.at(node.pair.two.channel.version()), Amount::ZERO);
    node.receipt();
    node.receive(1);
    let parts = node.pair.two.channel.parts().clone();
    let overtaken = Exposure::resume(&parts, Some(kept)).unwrap();
    assert_eq!(overtaken.at(Version::ZERO), amount(DEPOSIT + BOUND + 1));
}

#[test]
fn p36_a_declined_proposal_leaves_what_is_ours_untouched() {
    let mut pair = Pair::open();
    pair.one.pay(5).unwrap();
    let Some(PeerMessage::Propose { proposal, signature }) = pair.one.outbox.pop_front() else {
        panic!("a payment is proposed")
    };
    let before = pair.two.channel.parts().clone();
    pair.two
        .input(Input::Decline(PeerMessage::Propose { proposal: proposal.clone(), signature }))
        .unwrap();
    assert_eq!(*pair.two.channel.parts(), before);
    let wrong = pair.one.input(Input::Decline(PeerMessage::Propose { proposal, signature }));
    assert_eq!(wrong, Err(ProtocolError::WrongRole { side: Side::Two }));
    let evidence: Option<Evidence> = pair.two.channel.evidence().map(|order| order.evidence);
    assert_eq!(evidence, None);
    pair.exchange();
    pair.assert_in_step();
    assert_eq!(pair.two.own(), amount(DEPOSIT));
}

fn hash_lock(secret: B256, value: u64, from1: bool) -> (B256, Action) {
    (lockstep_core::hash_of(secret), crate::lock::lock(secret, value, 2_000, from1))
}

#[test]
fn p81_a_lock_of_ours_that_comes_back_is_income_of_its_amount_and_of_no_other() {
    for side in SIDES {
        for (before, waits) in [(BOUND - 10, false), (BOUND - 9, true)] {
            let mut node = Guarded::new(side);
            let is_one = side == Side::One;
            let (ours, add) = hash_lock(B256::repeat_byte(1), 10, is_one);
            let (_, other) = hash_lock(B256::repeat_byte(2), 50, is_one);
            let (_, theirs) = hash_lock(B256::repeat_byte(3), 70, !is_one);
            node.pair.node(side).command(Command::Update(vec![add, other])).unwrap();
            node.pair.node(side.other()).command(Command::Update(vec![theirs])).unwrap();
            node.exchange();
            node.receipt();
            node.receive(before);
            let fail = Command::Update(vec![Action::FailLock { hash: ours }]);
            node.pair.node(side.other()).command(fail).unwrap();
            node.exchange();
            assert_eq!(node.protection.is_waiting(), waits, "{side:?} {before}");
            node.receipt();
            node.exchange();
            assert_eq!(node.own(), amount(DEPOSIT + before - 50), "{side:?}");
            node.pair.assert_in_step();
        }
    }
}

#[test]
fn p81_a_lock_to_us_stays_ours_beyond_its_expiry_if_the_registry_took_its_secret_in_time() {
    for side in SIDES {
        for (at, ours) in [(2_000, 400), (2_001, 0)] {
            let mut node = Guarded::new(side);
            let secret = B256::repeat_byte(9);
            let (hash, add) = hash_lock(secret, 400, side == Side::Two);
            node.pair.node(side.other()).command(Command::Update(vec![add])).unwrap();
            node.exchange();
            let at = BlockTimestamp(at);
            let told = ChainFact::SecretRevealed { hash, secret, at };
            node.pair.node(side).fact(2_002, Finality::Final, told);
            node.pair.node(side).finalized(2_002);
            let parts = node.pair.node(side).channel.parts().clone();
            node.protection.observe(&parts).unwrap();
            assert_eq!(node.protection.unprotected(), amount(ours), "{side:?} {at:?}");
        }
    }
}

#[test]
fn p81_a_lock_of_ours_is_gone_if_the_registry_took_its_secret_in_time() {
    for side in SIDES {
        for (at, back) in [(2_000, 0), (2_001, 400)] {
            let mut node = Guarded::new(side);
            let secret = B256::repeat_byte(9);
            let (hash, add) = hash_lock(secret, 400, side == Side::One);
            node.pair.node(side).command(Command::Update(vec![add])).unwrap();
            node.exchange();
            let parts = node.pair.node(side).channel.parts().clone();
            let before = Exposure::resume(&parts, None).unwrap().relied();
            let at = BlockTimestamp(at);
            let told = ChainFact::SecretRevealed { hash, secret, at };
            node.pair.node(side).fact(2_002, Finality::Final, told);
            node.pair.node(side).finalized(2_002);
            let parts = node.pair.node(side).channel.parts().clone();
            let relied = Exposure::resume(&parts, None).unwrap().relied();
            assert!(relied >= before, "{side:?} {at:?}");
            assert_eq!(relied.above(before), amount(back), "{side:?} {at:?}");
        }
    }
}

#[test]
fn p82_a_second_tower_is_still_needed_while_the_first_alone_holds_the_newest() {
    let mut node = Guarded::new(Side::Two);
    let second = Address::repeat_byte(0x71);
    node.protection.add_tower(second, None);
    assert!(!node.protection.needs_any(), "nothing is at stake yet");
    node.receive(BOUND);
    assert!(node.protection.needs_any());
    node.receipt();
    assert_eq!(node.protection.unprotected(), Amount::ZERO);
    assert!(node.protection.needs_any(), "the second holds nothing");
    let version = node.pair.two.channel.version();
    node.protection.receipt(second, Held { version, valid_until: BlockTimestamp(100_000) });
    assert!(!node.protection.needs_any());
    assert_eq!(node.protection.unprotected_from(Version::ZERO), amount(BOUND));
    assert_eq!(node.protection.unprotected_from(version), Amount::ZERO);
}

#[test]
fn p81_a_new_policy_holds_from_the_next_message_on() {
    let mut node = Guarded::new(Side::Two);
    node.receive(BOUND);
    let wider = TowerPolicy::Bounded { max_unprotected: amount(BOUND + 5) };
    node.protection.set_policy(wider);
    assert_eq!(node.protection.policy(), wider);
    node.receive(5);
    assert_eq!(node.own(), amount(DEPOSIT + BOUND + 5));
    node.receive(1);
    assert!(node.protection.is_waiting());
    node.protection.set_policy(TowerPolicy::Async);
    node.exchange();
    assert_eq!(node.own(), amount(DEPOSIT + BOUND + 6));
}

#[test]
fn p81_what_waited_on_a_connection_that_is_gone_is_said_again_on_the_next() {
    for side in SIDES {
        let mut node = Guarded::new(side);
        node.receive(BOUND);
        node.receive(7);
        assert!(node.protection.is_waiting(), "{side:?}");
        node.protection.disconnected();
        assert!(!node.protection.is_waiting());
        node.receipt();
        // What waited is not taken in behind the peer's back.
        node.exchange();
        assert_eq!(node.own(), amount(DEPOSIT + BOUND));
        node.pair.connect_without_delivery();
        node.exchange();
        assert_eq!(node.own(), amount(DEPOSIT + BOUND + 7));
        node.pair.assert_in_step();
    }
}
