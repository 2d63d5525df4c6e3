//! States, locks and withdrawals: around what the channel can bear, and far beyond.

use super::{Generator, MEMORY, Scene};
use crate::action::Action;
use crate::reference::hash_of;
use crate::sign::sign_both;
use alloy_primitives::{Address, B256, I256, U256, keccak256};
use alloy_sol_types::SolValue;
use lockstep_core::adjudicator::{PresentedState, PresentedWithdraw, Signatures};
use lockstep_core::digest::SigningDomain;
use lockstep_core::ids::{AccountRef, Side, Version};
use lockstep_core::lock::{Lock, locks_root};
use lockstep_core::money::{Amount, RawNet};
use lockstep_core::state::StateKind;
use lockstep_core::time::BlockTimestamp;

const NET_LIMIT: i128 = 1 << 119;

/// The locked part of a state.
#[derive(Clone, Copy)]
struct Locked {
    sum1: U256,
    sum2: U256,
    root: B256,
}

impl Generator {
    /// A state with signatures: a new one, or one that was shown before.
    pub(super) fn presented(
        &mut self,
        index: usize,
        scene: &Scene<'_>,
    ) -> (PresentedState, Signatures) {
        let known = &scene.life.known;
        if !known.is_empty() && self.random.once_in(4) {
            return known[self.random.below(known.len() as u64) as usize];
        }
        let locked = self.locked(index, scene);
        let state = PresentedState {
            version: self.version(scene),
            kind: self.state_kind(locked),
            net: self.net(scene, locked),
            locked1: Amount::from_u256(locked.sum1),
            locked2: Amount::from_u256(locked.sum2),
            locks_root: locked.root,
        };
        let manner = self.manner();
        let presented = (state, self.sign_state(scene, manner, &state));
        let known = &mut self.lives[index].known;
        if known.len() == MEMORY {
            known.remove(0);
        }
        known.push(presented);
        presented
    }

    /// A withdrawal around what the channel holds.
    pub(super) fn withdraw(&mut self, scene: &Scene<'_>) -> Action {
        let slots = scene.slots;
        let keeps_locks = !self.random.once_in(4);
        let locked = if keeps_locks {
            let (sum1, sum2) = (slots.held1.to_u256(), slots.held2.to_u256());
            Locked { sum1, sum2, root: slots.point.locks_root }
        } else {
            Locked { sum1: U256::ZERO, sum2: U256::ZERO, root: B256::ZERO }
        };
        let net =
            if self.random.once_in(3) { self.net(scene, locked) } else { slots.point.net.into() };
        let now = slots.point.net.get();
        let rest1 = slots.deposits.of(Side::One).get() - now - small(locked.sum1);
        let rest2 = slots.deposits.of(Side::Two).get() + now - small(locked.sum2);
        let (out1, out2) = (self.out(rest1), self.out(rest2));
        let order = PresentedWithdraw {
            version: self.version(scene),
            net,
            locked1: Amount::from_u256(locked.sum1),
            locked2: Amount::from_u256(locked.sum2),
            locks_root: locked.root,
            out1,
            out2,
            deadline: self.deadline(scene.now),
        };
        let manner = self.manner();
        let [one, two] = self.keys(scene.terms());
        let digest = |domain: &SigningDomain, id| domain.presented_withdraw(id, &order);
        let (domain, id) = (self.world.domain(), scene.life.id);
        let by = sign_both(&mut self.random, manner, [&one, &two], domain, id, digest);
        Action::Withdraw(*scene.terms(), order, by)
    }

    /// A final state, or what is passed off as one.
    pub(super) fn cooperate(&mut self, scene: &Scene<'_>) -> Action {
        let slots = scene.slots;
        let none = Locked { sum1: U256::ZERO, sum2: U256::ZERO, root: B256::ZERO };
        let is_stored = slots.point.kind == StateKind::Final && self.random.once_in(2);
        let (version, net) = if is_stored {
            (slots.point.version, slots.point.net.into())
        } else {
            (self.version(scene), self.net(scene, none))
        };
        let kind = if self.random.once_in(8) { 0 } else { 1 };
        let signed = PresentedState { version, kind, net, ..PresentedState::default() };
        let manner = self.manner();
        let by = self.sign_state(scene, manner, &signed);
        Action::Cooperate(*scene.terms(), version, net, by)
    }

    fn version(&mut self, scene: &Scene<'_>) -> Version {
        let current = scene.slots.point.version.0;
        Version(match self.random.below(24) {
            0 => current,
            1 => current.saturating_sub(1),
            2 => 0,
            3 => current.saturating_add(1 + self.random.below(1 << 32)),
            4 if self.random.once_in(12) => u64::MAX,
            _ => current.saturating_add(1 + self.random.below(2)),
        })
    }

    fn state_kind(&mut self, locked: Locked) -> u8 {
        match self.random.below(60) {
            0 => 2 + self.random.below(254) as u8,
            1..=8 if locked.root.is_zero() => 1,
            9 => 1,
            _ => 0,
        }
    }

    /// Within what both sides have, at its edges, or anywhere.
    fn net(&mut self, scene: &Scene<'_>, locked: Locked) -> RawNet {
        let high = scene.slots.deposits.of(Side::One).get().saturating_sub(small(locked.sum1));
        let low = small(locked.sum2) - scene.slots.deposits.of(Side::Two).get();
        let net = match self.random.below(32) {
            0 => return RawNet::from_i256(I256::MIN),
            1 => return RawNet::from_i256(I256::MAX),
            2 => NET_LIMIT,
            3 => -NET_LIMIT,
            4 => NET_LIMIT - 1,
            5 => 1 - NET_LIMIT,
            6 => high + 1,
            7 => low - 1,
            8 | 9 => high,
            10 | 11 => low,
            _ if low <= high => self.random.between(low, high),
            _ => 0,
        };
        RawNet::from_i256(I256::try_from(net).expect("128 bits fit 256"))
    }

    /// Around the rest of one side.
    fn out(&mut self, rest: i128) -> Amount {
        let rest = u128::try_from(rest).unwrap_or(0);
        match self.random.below(20) {
            0 => Amount::from(rest.saturating_add(1)),
            1 => Amount::from(1u128 << 119),
            2 => Amount::MAX,
            3..=8 => Amount::ZERO,
            9..=11 => Amount::from(rest),
            _ => {
                let limit = i128::try_from(rest).unwrap_or(i128::MAX);
                Amount::from(self.random.between(0, limit) as u128)
            }
        }
    }

    fn locked(&mut self, index: usize, scene: &Scene<'_>) -> Locked {
        let mut locked = if self.random.once_in(2) {
            self.locks(index, scene)
        } else {
            Locked { sum1: U256::ZERO, sum2: U256::ZERO, root: B256::ZERO }
        };
        // What both signed need not make sense.
        match self.random.below(70) {
            0 => locked.sum1 = U256::ONE << 112,
            1 => locked.sum2 = U256::ONE << 112,
            2 => locked.sum1 = U256::MAX,
            3 => locked.sum2 = U256::ONE << 255,
            4 => locked.sum1 = (U256::ONE << 112) - U256::from(1),
            5 => locked.root = B256::ZERO,
            6 => locked.root = self.random.word(),
            7..=9 => locked.sum1 = self.about(locked.sum1),
            10..=12 => locked.sum2 = self.about(locked.sum2),
            13 => (locked.sum1, locked.sum2) = (U256::ZERO, U256::ZERO),
            // The root of no locks at all, with money under it.
            14 => {
                locked.root = keccak256(Vec::<U256>::new().abi_encode());
                self.lives[index].lists.insert(locked.root, vec![]);
            }
            _ => {}
        }
        locked
    }

    /// A little more or less: what locks claim need not be what is locked.
    fn about(&mut self, sum: U256) -> U256 {
        let other = U256::from(self.random.below(9));
        match self.random.below(3) {
            0 => sum.saturating_add(other),
            1 => sum.saturating_sub(other),
            _ => sum / U256::from(2),
        }
    }

    /// A list of locks, remembered by its root.
    fn locks(&mut self, index: usize, scene: &Scene<'_>) -> Locked {
        let count = match self.random.below(30) {
            0 => 32,
            1 => 33,
            _ => 1 + self.random.below(4),
        };
        let is_small = !self.random.once_in(12);
        let locks: Vec<_> = (0..count).map(|_| self.lock(scene, is_small)).collect();
        let sum = |from1: bool| {
            let mine = locks.iter().filter(|lock| lock.from1 == from1);
            mine.fold(U256::ZERO, |sum, lock| sum + lock.amount.to_u256())
        };
        let locked = Locked { sum1: sum(true), sum2: sum(false), root: locks_root(&locks) };
        self.lives[index].lists.insert(locked.root, locks);
        locked
    }

    pub(super) fn lock(&mut self, scene: &Scene<'_>, is_small: bool) -> Lock {
        let resolver = match self.random.below(10) {
            0 => Address::repeat_byte(0x44),
            1..=3 => self.world.resolver,
            _ => Address::ZERO,
        };
        let hash = if resolver.is_zero() {
            hash_of(self.random.pick(&self.secrets))
        } else {
            self.random.pick(&self.questions)
        };
        let from1 = self.random.once_in(2);
        let side = if from1 { Side::One } else { Side::Two };
        let deposit = scene.slots.deposits.of(side).get().max(0);
        let amount = if is_small {
            self.random.between(0, (deposit / 6).clamp(0, (1 << 112) - 1)) as u128
        } else {
            (1 << 112) - 1 - u128::from(self.random.below(2))
        };
        let expiry = match self.random.below(12) {
            0 => (1 << 40) - 1,
            1 => scene.now.saturating_sub(self.random.below(100)),
            _ => scene.now + self.random.below(900),
        };
        Lock {
            hash,
            resolver: AccountRef::Evm(resolver),
            amount: Amount::from(amount),
            expiry: BlockTimestamp(expiry),
            from1,
        }
    }
}

/// A locked sum as a small number; zero where it is too wide to be one.
fn small(sum: U256) -> i128 {
    u128::try_from(sum).ok().filter(|sum| *sum < 1 << 113).map_or(0, |sum| sum as i128)
}
