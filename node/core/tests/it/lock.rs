//! Conditional payments, from the offer to the registry.

use crate::kit::*;
use alloy_primitives::{Address, B256};
use lockstep_core::chain::ChainCall;
use lockstep_core::error::ProtocolError;
use lockstep_core::ids::{AccountRef, Side};
use lockstep_core::input::Command;
use lockstep_core::lock::Lock;
use lockstep_core::money::Amount;
use lockstep_core::output::Notice;
use lockstep_core::terms::{Features, Policy};
use lockstep_core::time::BlockTimestamp;
use lockstep_core::update::Action;

pub fn lock(secret: B256, value: u64, expiry: u64, from1: bool) -> Action {
    Action::AddLock(Lock {
        hash: lockstep_core::hash_of(secret),
        resolver: AccountRef::Evm(Address::ZERO),
        amount: amount(value),
        expiry: BlockTimestamp(expiry),
        from1,
    })
}

fn secret(byte: u8) -> B256 {
    B256::repeat_byte(byte)
}

fn update(action: Action) -> Command {
    Command::Update(vec![action])
}

/// An open channel with a lock of 40 by each side, and an expiry at 2,000.
fn locked() -> Pair {
    let mut pair = Pair::open();
    pair.one.command(update(lock(secret(1), 40, 2_000, true))).unwrap();
    pair.two.command(update(lock(secret(2), 40, 2_000, false))).unwrap();
    pair.exchange();
    pair.assert_in_step();
    pair
}

#[test]
fn a_lock_is_settled_with_its_secret() {
    for side in [Side::One, Side::Two] {
        let mut pair = locked();
        let opens = secret(side.other().number());
        pair.node(side).command(Command::LearnSecret { secret: opens }).unwrap();
        pair.exchange();
        pair.assert_in_step();
        assert_eq!(pair.node(side).own(), amount(DEPOSIT));
        assert_eq!(pair.node(side.other()).own(), amount(DEPOSIT - 40));
        // The payer learned the secret, and another channel may wait for it.
        let learned = |notice: &Notice| matches!(notice, Notice::SecretLearned { secret, .. } if *secret == opens);
        assert_eq!(pair.node(side.other()).count(learned), 1);
    }
}

#[test]
fn a_lock_is_given_back_by_its_payee_at_any_time() {
    for side in [Side::One, Side::Two] {
        let mut pair = locked();
        let hash = lockstep_core::hash_of(secret(side.number()));
        let payer = pair.node(side).command(update(Action::FailLock { hash }));
        assert_eq!(payer, Err(ProtocolError::UnknownLock));
        pair.node(side.other()).command(update(Action::FailLock { hash })).unwrap();
        pair.exchange();
        pair.assert_in_step();
        assert_eq!(pair.node(side).own(), amount(DEPOSIT));
    }
}

#[test]
fn p57_a_lock_expires_only_when_a_finalized_block_is_past_it() {
    for side in [Side::One, Side::Two] {
        let mut pair = locked();
        let hash = lockstep_core::hash_of(secret(side.number()));
        let expire = update(Action::ExpireLock { hash });
        pair.finalized(2_000);
        let head = lockstep_core::input::Input::Head(point(9_000));
        pair.node(side).input(head).unwrap();
        let tick = lockstep_core::time::EngineTime(u64::MAX);
        pair.node(side).input(lockstep_core::input::Input::Tick { now: tick }).unwrap();
        let early = pair.node(side).command(expire.clone());
        assert_eq!(early, Err(ProtocolError::LockRefused));
        pair.finalized(2_001);
        let payee = pair.node(side.other()).command(expire.clone());
        assert_eq!(payee, Err(ProtocolError::UnknownLock));
        pair.node(side).command(expire).unwrap();
        pair.exchange();
        pair.assert_in_step();
        assert_eq!(pair.node(side).own(), amount(DEPOSIT));
    }
}

#[test]
fn an_expiry_is_not_ignored_by_the_payee_either() {
    let mut pair = locked();
    let hash = lockstep_core::hash_of(secret(1));
    // The payer's chain is ahead; the payee must not give its money away for that.
    pair.one.finalized(2_001);
    pair.one.command(update(Action::ExpireLock { hash })).unwrap();
    pair.exchange();
    assert_eq!(pair.two.channel.parts().base.as_ref().unwrap().locks.len(), 2);
    let failed = |notice: &Notice| matches!(notice, Notice::Failed { .. });
    assert_eq!(pair.one.count(failed), 1);
    pair.assert_in_step();
}

#[test]
fn p45_a_secret_that_the_registry_took_while_its_lock_still_waited_counts() {
    let mut pair = Pair::open();
    pair.two.command(update(lock(secret(2), 40, 2_000, false))).unwrap();
    let hash = lockstep_core::hash_of(secret(2));
    let fact = lockstep_core::chain::ChainFact::SecretRevealed {
        hash,
        secret: secret(2),
        at: BlockTimestamp(10),
    };
    assert!(pair.two.channel.parts().base.is_none(), "no state holds the lock yet");
    pair.two.fact(10, lockstep_core::time::Finality::Final, fact);
    let known = pair.two.channel.parts().secrets[&hash];
    assert_eq!(known.revealed_at, Some(BlockTimestamp(10)));
    let learned = |notice: &Notice| matches!(notice, Notice::SecretLearned { .. });
    assert_eq!(pair.two.count(learned), 1, "the channel upstream hears of it");
}

#[test]
fn a_secret_that_comes_after_the_expiry_counts_only_if_the_registry_had_it() {
    let mut pair = locked();
    pair.finalized(2_001);
    pair.two.command(Command::LearnSecret { secret: secret(1) }).unwrap();
    pair.exchange();
    assert_eq!(pair.two.own(), amount(DEPOSIT - 40));
    let mut pair = locked();
    let hash = lockstep_core::hash_of(secret(1));
    for node in [&mut pair.one, &mut pair.two] {
        let fact = lockstep_core::chain::ChainFact::SecretRevealed {
            hash,
            secret: secret(1),
            at: BlockTimestamp(2_000),
        };
        node.fact(2_000, lockstep_core::time::Finality::Final, fact);
        node.finalized(2_001);
    }
    let expire = pair.one.command(update(Action::ExpireLock { hash }));
    assert_eq!(expire, Err(ProtocolError::LockRefused));
    let settle = update(Action::SettleLock { hash, secret: secret(1) });
    pair.two.command(settle).unwrap();
    pair.exchange();
    pair.assert_in_step();
    assert_eq!(pair.two.own(), amount(DEPOSIT));
}

#[test]
fn p45_a_secret_goes_to_the_registry_before_the_expiry_if_the_payer_does_not_settle() {
    let mut pair = locked();
    pair.two.command(Command::LearnSecret { secret: secret(1) }).unwrap();
    // The payer never answers.
    pair.two.outbox.clear();
    let margin = policy().lock_margin_secs;
    let due = 2_000 - margin;
    let head = |block| lockstep_core::input::Input::Head(point(block));
    pair.two.input(head(due - 1)).unwrap();
    assert!(pair.two.duties.is_empty());
    pair.two.input(head(due)).unwrap();
    let call = pair.two.duties.pop().map(|duty| duty.call().clone());
    assert_eq!(call, Some(ChainCall::RegisterSecret { secret: secret(1) }));
}

#[test]
fn p45_a_learned_secret_is_on_disk_before_anything_leaves() {
    let mut pair = locked();
    let input = lockstep_core::input::Input::Command(Command::LearnSecret { secret: secret(1) });
    pair.two.input_and_crash(input).unwrap();
    let hash = lockstep_core::hash_of(secret(1));
    assert!(pair.two.channel.parts().secrets.contains_key(&hash));
    pair.connect();
    pair.assert_in_step();
    assert_eq!(pair.two.own(), amount(DEPOSIT));
}

#[test]
fn locks_are_resolved_on_chain_after_a_unilateral_close() {
    let mut world = World::new(locked());
    world.pair.two.command(Command::LearnSecret { secret: secret(1) }).unwrap();
    world.pair.two.command(Command::ForceClose).unwrap();
    world.pair.two.outbox.clear();
    world.run_to_end();
    // Lock 1 was revealed in time and pays side two; lock 2 expired and went back.
    world.assert_paid(DEPOSIT - 40, DEPOSIT + 40);
}

#[test]
fn locks_that_break_a_limit_are_refused_on_both_sides() {
    let dust = Policy { lock_dust: amount(10), ..policy() };
    let mut pair = Pair::open_with(dust, dust);
    let bad = [
        lock(secret(1), 9, 2_000, true),
        lock(secret(1), 0, 2_000, true),
        lock(secret(1), 10, 3, true),
        lock(secret(1), 10, 3 + 2 * 24 * 3_600 + 1, true),
        lock(secret(1), 10, 1 << 40, true),
        lock(secret(1), 10, 2_000, false),
    ];
    for action in bad {
        let refused = pair.one.command(update(action.clone()));
        assert_eq!(refused, Err(ProtocolError::LockRefused), "{action:?}");
    }
    let too_much = pair.one.command(update(lock(secret(1), DEPOSIT + 1, 2_000, true)));
    assert!(matches!(too_much, Err(ProtocolError::InsufficientFunds { .. })));
    let twice = vec![lock(secret(1), 10, 2_000, true), lock(secret(1), 10, 2_000, true)];
    assert_eq!(pair.one.command(Command::Update(twice)), Err(ProtocolError::LockRefused));
    let many = (0..33).map(|byte| lock(secret(byte), 10, 2_000, true)).collect();
    assert_eq!(pair.one.command(Command::Update(many)), Err(ProtocolError::LockRefused));
    assert_eq!(pair.one.channel.parts().own_sequence.0, 0);
}

#[test]
fn a_peer_with_wider_limits_is_refused_by_ours() {
    let dust = Policy { lock_dust: amount(10), ..policy() };
    for side in [Side::One, Side::Two] {
        let (policy1, policy2) = match side {
            Side::One => (policy(), dust),
            Side::Two => (dust, policy()),
        };
        let mut pair = Pair::open_with(policy1, policy2);
        let small = lock(secret(1), 9, 2_000, side == Side::One);
        pair.node(side).command(update(small)).unwrap();
        pair.exchange();
        pair.assert_in_step();
        let failed = |notice: &Notice| matches!(notice, Notice::Failed { .. });
        assert_eq!(pair.node(side).count(failed), 1);
        assert!(pair.one.channel.parts().base.as_ref().is_none_or(|base| base.locks.is_empty()));
    }
}

#[test]
fn locks_need_a_feature_that_both_have() {
    let plain = Policy { features: Features::NONE, ..policy() };
    let mut pair = Pair::open_with(policy(), plain);
    let refused = pair.one.command(update(lock(secret(1), 10, 2_000, true)));
    assert_eq!(refused, Err(ProtocolError::LockRefused));
    assert_eq!(pair.one.channel.spendable(), Ok(Amount::from(DEPOSIT)));
}
