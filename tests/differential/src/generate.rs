//! Random lives of channels: mostly sensible calls, in the right order, with every kind of mistake mixed in.

use crate::action::{Action, Answer, ChallengeItem, Incoming, Step};
use crate::random::Random;
use crate::reference::{Reference, hash_of};
use crate::sign::{Manner, sign, sign_both};
use crate::world::{World, address_of};
use alloy_primitives::{Address, B256, U256};
use k256::ecdsa::SigningKey;
use lockstep_core::adjudicator::{PresentedIntent, PresentedState, Signatures, Slots};
use lockstep_core::chain::ChannelStatus;
use lockstep_core::digest::SigningDomain;
use lockstep_core::ids::{AccountRef, ChannelId, Version};
use lockstep_core::lock::Lock;
use lockstep_core::money::Amount;
use lockstep_core::signature::StateSignature;
use lockstep_core::state::Take;
use lockstep_core::terms::Terms;
use lockstep_core::time::BlockTimestamp;
use std::collections::BTreeMap;

mod entry;
mod state;

/// Channels that live at one time, so that calls about one can disturb another.
const LIVES: usize = 8;
/// Secrets and questions to resolvers that locks are made of.
const POOL: usize = 24;
/// States of one channel that are kept to be shown again.
const MEMORY: usize = 12;

/// One channel as its two parties know it.
#[derive(Clone)]
struct Life {
    terms: Terms,
    id: ChannelId,
    /// States that were signed, to be shown again.
    known: Vec<(PresentedState, Signatures)>,
    /// Lists of locks by their root.
    lists: BTreeMap<B256, Vec<Lock>>,
    /// Steps since it can't go on.
    idle: u32,
}

/// Makes one call after another.
pub struct Generator {
    random: Random,
    world: World,
    domain: SigningDomain,
    lives: Vec<Life>,
    secrets: Vec<B256>,
    questions: Vec<B256>,
    /// A lock whose condition is met by the next call.
    next: Option<Lock>,
}

/// A kind of call, with how often it is made.
#[derive(Clone, Copy)]
enum Kind {
    Open,
    Join,
    Deposit,
    Cancel,
    Update,
    Withdraw,
    Initiate,
    Challenge,
    Batch,
    Close,
    Cooperate,
    Resolve,
    TakeCredit,
    TakeFor,
    Register,
    Answer,
    Refuse,
}

/// What is called how often, by status.
fn weights(status: ChannelStatus) -> &'static [(Kind, u64)] {
    use Kind as K;
    match status {
        ChannelStatus::None => &[
            (K::Open, 60),
            (K::Join, 3),
            (K::Deposit, 3),
            (K::Update, 2),
            (K::Initiate, 2),
            (K::Cooperate, 2),
            (K::Close, 1),
            (K::Resolve, 1),
            (K::Cancel, 1),
        ],
        ChannelStatus::Pending => &[
            (K::Join, 40),
            (K::Open, 14),
            (K::Deposit, 10),
            (K::Cancel, 12),
            (K::Update, 3),
            (K::Withdraw, 2),
            (K::Initiate, 3),
            (K::Cooperate, 3),
        ],
        ChannelStatus::Active => &[
            (K::Update, 34),
            (K::Withdraw, 16),
            (K::Initiate, 16),
            (K::Deposit, 9),
            (K::Cooperate, 7),
            (K::Challenge, 3),
            (K::Open, 2),
            (K::Join, 2),
            (K::Cancel, 2),
            (K::Close, 2),
            (K::Resolve, 2),
        ],
        ChannelStatus::Closing => &[
            (K::Challenge, 32),
            (K::Close, 18),
            (K::Batch, 12),
            (K::Initiate, 10),
            (K::Deposit, 6),
            (K::Cooperate, 7),
            (K::Update, 4),
            (K::Withdraw, 3),
            (K::Open, 2),
            (K::Resolve, 2),
        ],
        ChannelStatus::Closed => &[
            (K::Deposit, 8),
            (K::TakeCredit, 10),
            (K::TakeFor, 8),
            (K::Register, 6),
            (K::Open, 4),
            (K::Join, 3),
            (K::Close, 2),
            (K::Cooperate, 2),
            (K::Initiate, 2),
            (K::Resolve, 2),
        ],
    }
}

impl Generator {
    /// A generator for a world and a seed.
    #[must_use]
    pub fn new(world: World, mut random: Random) -> Self {
        let mut words = || (0..POOL).map(|_| random.word()).collect::<Vec<_>>();
        let (secrets, questions) = (words(), words());
        let domain = SigningDomain::new(world.domain());
        let lives = vec![];
        let mut generator = Self { random, world, domain, lives, secrets, questions, next: None };
        for _ in 0..LIVES {
            let life = generator.new_life();
            generator.lives.push(life);
        }
        generator
    }

    /// How much time passes before the next call; often to the very edge of a deadline.
    pub fn pause(&mut self, now: u64, reference: &Reference) -> u64 {
        match self.random.below(10) {
            0 => self.random.below(20),
            1 | 2 => {
                let life = self.any_life().clone();
                let slots = *reference.channel(&life.terms).slots();
                self.until_an_edge(now, &life, &slots)
            }
            3 if self.random.once_in(6) => self.random.below(400),
            _ => 0,
        }
    }

    /// The next call.
    pub fn step(&mut self, now: u64, reference: &mut Reference) -> Step {
        if let Some(lock) = self.next.take() {
            let action = self.meet(&lock, now);
            return Step { sender: self.world.stranger.address, action };
        }
        let index = self.random.below(LIVES as u64) as usize;
        self.renew(index, reference);
        let life = self.lives[index].clone();
        let slots = *reference.channel(&life.terms).slots();
        let kind = self.kind(now, &slots);
        let life = Scene { life: &life, slots: &slots, now };
        let (action, right) = match kind {
            Kind::Open | Kind::Join | Kind::Deposit => self.entry(kind, &life),
            Kind::Cancel => (self.cancel(&life), life.terms().participant1),
            Kind::Update | Kind::Challenge => {
                let (state, by) = self.presented(index, &life);
                let terms = *life.terms();
                let action = match kind {
                    Kind::Update => Action::Update(terms, state, by),
                    _ => Action::Challenge(terms, state, by),
                };
                (action, AccountRef::Evm(self.world.stranger.address))
            }
            Kind::Withdraw => (self.withdraw(&life), life.terms().participant2),
            Kind::Initiate => self.initiate(index, &life),
            Kind::Batch => (self.batch(now, reference), life.terms().participant2),
            Kind::Close => (Action::Close(*life.terms()), life.terms().participant2),
            Kind::Cooperate => (self.cooperate(&life), life.terms().participant1),
            Kind::Resolve => (self.resolve(&life), life.terms().participant2),
            Kind::TakeCredit => self.take_credit(reference),
            Kind::TakeFor => self.take_for(now, reference),
            Kind::Register => (self.register(), life.terms().participant2),
            Kind::Answer => (self.answer(now), life.terms().participant2),
            Kind::Refuse => (self.refuse(), life.terms().participant2),
        };
        Step { sender: self.sender(&life, &action, address_of(right)), action }
    }

    fn kind(&mut self, now: u64, slots: &Slots) -> Kind {
        let holds = !slots.held1.is_zero() || !slots.held2.is_zero();
        if slots.status == ChannelStatus::Closed && holds && !self.random.once_in(3) {
            return self.random.pick(&[Kind::Resolve, Kind::Resolve, Kind::Register, Kind::Answer]);
        }
        // What waits for its settlement is settled soon: the rest of its life is short of calls.
        if slots.closes_at.is_some_and(|at| at.0 < now) && self.random.once_in(2) {
            return if slots.mode.is_some() { Kind::TakeCredit } else { Kind::Close };
        }
        // Now and then something that is about no channel in particular.
        if self.random.once_in(12) {
            return self.random.pick(&[
                Kind::Register,
                Kind::Answer,
                Kind::Refuse,
                Kind::TakeCredit,
                Kind::TakeFor,
            ]);
        }
        let weights = weights(slots.status);
        let total: u64 = weights.iter().map(|(_, weight)| weight).sum();
        let mut left = self.random.below(total);
        for (kind, weight) in weights {
            if left < *weight {
                return *kind;
            }
            left -= weight;
        }
        Kind::Open
    }

    /// Puts a new channel in the place of one that has nothing left to happen.
    fn renew(&mut self, index: usize, reference: &mut Reference) {
        let life = &mut self.lives[index];
        let channel = reference.channel(&life.terms);
        let slots = channel.slots();
        let holds = !slots.held1.is_zero() || !slots.held2.is_zero();
        let (is_over, patience) = match slots.status {
            ChannelStatus::Closed => (true, if holds { 40 } else { 4 }),
            // On bad terms no channel ever opens.
            ChannelStatus::None => (true, 6),
            ChannelStatus::Pending | ChannelStatus::Active | ChannelStatus::Closing => (false, 0),
        };
        life.idle += u32::from(is_over);
        if !is_over || life.idle <= patience {
            if !is_over {
                life.idle = 0;
            }
            return;
        }
        let (id, may_forget) = (life.id, !holds);
        let is_forgotten = may_forget && !self.random.once_in(50);
        self.lives[index] = self.new_life();
        if is_forgotten {
            reference.forget(id);
        }
    }

    fn any_life(&mut self) -> &Life {
        let index = self.random.below(LIVES as u64) as usize;
        &self.lives[index]
    }

    /// Time to the edge of a deadline that is ahead; at that of a lock, its condition is met then.
    fn until_an_edge(&mut self, now: u64, life: &Life, slots: &Slots) -> u64 {
        let is_ahead = |edge: u64| edge > now && edge < now + 2_000;
        let locks = life.lists.get(&slots.point.locks_root).into_iter().flatten();
        let locks: Vec<Lock> = locks.filter(|lock| is_ahead(lock.expiry.0)).copied().collect();
        let closes_at = slots.closes_at.map(|at| at.0).filter(|at| is_ahead(*at));
        let edge = match closes_at {
            Some(closes_at) if locks.is_empty() || self.random.once_in(2) => closes_at,
            Some(_) | None if locks.is_empty() => return 0,
            Some(_) | None => {
                let lock = self.random.pick(&locks);
                self.next = Some(lock);
                lock.expiry.0
            }
        };
        (edge + self.random.below(3) - 1).saturating_sub(now)
    }

    /// Meets a lock's condition now.
    fn meet(&mut self, lock: &Lock, now: u64) -> Action {
        match self.secrets.iter().find(|secret| hash_of(**secret) == lock.hash) {
            Some(secret) => Action::Register(vec![*secret]),
            None => {
                let answer = Answer { manner: 0, done: true, ok: true, decided_at: now };
                Action::Answer(lock.hash, answer)
            }
        }
    }

    /// Who calls: mostly who should.
    fn sender(&mut self, scene: &Scene<'_>, action: &Action, right: Address) -> Address {
        let terms = scene.terms();
        let anybody = [
            address_of(terms.participant1),
            address_of(terms.participant2),
            terms.signer1,
            terms.signer2,
            self.world.stranger.address,
            self.world.pauper.address,
        ];
        let chosen = if self.random.once_in(5) { self.random.pick(&anybody) } else { right };
        let can_call = self.world.key_of(chosen).is_some() || chosen == self.world.wallet;
        let is_owner_only = matches!(action, Action::TakeCredit(..));
        match (can_call, is_owner_only) {
            (true, false) => chosen,
            (true, true) if self.random.once_in(8) => chosen,
            (_, true) => right,
            (false, false) => self.world.stranger.address,
        }
    }

    fn keys(&self, terms: &Terms) -> [SigningKey; 2] {
        // A signer that nobody has the key of is one that is refused anyway.
        let key = |signer| self.world.key_of(signer).unwrap_or(&self.world.stranger.key).clone();
        [key(terms.signer1), key(terms.signer2)]
    }

    fn manner(&mut self) -> Manner {
        if self.random.once_in(6) { self.random.pick(&Manner::BAD) } else { Manner::Good }
    }

    fn deadline(&mut self, now: u64) -> BlockTimestamp {
        BlockTimestamp(match self.random.below(8) {
            0 => now - 1,
            1 => now,
            2 => now + 1,
            3 => u64::MAX,
            4 => 0,
            _ => now + 1_000,
        })
    }

    fn sign_state(
        &mut self,
        scene: &Scene<'_>,
        manner: Manner,
        state: &PresentedState,
    ) -> Signatures {
        let [one, two] = self.keys(scene.terms());
        let domain = self.world.domain();
        let digest = |domain: &SigningDomain, id| domain.presented_state(id, state);
        sign_both(&mut self.random, manner, [&one, &two], domain, scene.life.id, digest)
    }

    fn batch(&mut self, now: u64, reference: &Reference) -> Action {
        let count = self.random.below(4);
        let items = (0..count).map(|_| {
            let index = self.random.below(LIVES as u64) as usize;
            let life = self.lives[index].clone();
            let slots = *reference.channel(&life.terms).slots();
            let scene = Scene { life: &life, slots: &slots, now };
            let (state, signatures) = self.presented(index, &scene);
            ChallengeItem { terms: life.terms, state, signatures }
        });
        Action::Batch(items.collect())
    }

    fn resolve(&mut self, scene: &Scene<'_>) -> Action {
        let mut locks = scene.life.lists.get(&scene.slots.point.locks_root).cloned();
        if self.random.once_in(15) {
            locks = scene.life.lists.values().next().cloned();
        }
        let mut locks = locks.unwrap_or_default();
        match self.random.below(25) {
            0 => locks.reverse(),
            1 => {
                locks.pop();
            }
            2 => {
                let lock = self.lock(scene, true);
                locks = vec![lock; 33];
            }
            _ => {}
        }
        let mask = if self.random.once_in(2) { u32::MAX } else { self.random.number() as u32 };
        Action::Resolve(*scene.terms(), locks, mask)
    }

    fn register(&mut self) -> Action {
        let count = self.random.below(4);
        Action::Register((0..count).map(|_| self.random.pick(&self.secrets)).collect())
    }

    fn answer(&mut self, now: u64) -> Action {
        let decided_at = match self.random.below(4) {
            0 => now + self.random.below(300),
            1 => now.saturating_sub(self.random.below(300)),
            _ => now,
        };
        let answer = Answer {
            manner: if self.random.once_in(3) { self.random.below(5) as u8 } else { 0 },
            done: !self.random.once_in(4),
            ok: !self.random.once_in(3),
            decided_at,
        };
        Action::Answer(self.random.pick(&self.questions), answer)
    }

    fn refuse(&mut self) -> Action {
        let token = self.random.pick(&self.world.tokens);
        let refuses = self.random.once_in(3);
        if token.is_zero() {
            return Action::Refuse(token, self.world.wallet, refuses);
        }
        let owners = [&self.world.owners1, &self.world.owners2];
        let mut accounts: Vec<_> = owners.into_iter().flatten().map(|a| a.address).collect();
        accounts.extend([self.world.wallet, self.world.recipient]);
        Action::Refuse(token, self.random.pick(&accounts), refuses)
    }

    /// An account with credit, if there is one.
    fn creditor(&mut self, reference: &Reference) -> (Address, Address, U256) {
        let mut found = vec![];
        for token in self.world.tokens {
            for account in self.world.everybody() {
                let credit = reference.credit(token, account);
                if !credit.is_zero() {
                    found.push((token, account, credit));
                }
            }
        }
        if found.is_empty() {
            return (self.world.tokens[0], self.world.stranger.address, U256::ZERO);
        }
        self.random.pick(&found)
    }

    /// Part of a credit, all of it, or more.
    fn part_of(&mut self, credit: U256) -> U256 {
        match self.random.below(4) {
            0 => credit + U256::from(1),
            1 => credit / U256::from(2),
            _ => credit,
        }
    }

    fn receiver(&mut self, owner: Address) -> Address {
        match self.random.below(10) {
            0 => Address::ZERO,
            1 => self.world.channels,
            2 | 3 => owner,
            _ => self.world.recipient,
        }
    }

    fn take_credit(&mut self, reference: &Reference) -> (Action, AccountRef) {
        let (token, owner, credit) = self.creditor(reference);
        let (amount, to) = (self.part_of(credit), self.receiver(owner));
        (Action::TakeCredit(token, to, amount), AccountRef::Evm(owner))
    }

    fn take_for(&mut self, now: u64, reference: &Reference) -> (Action, AccountRef) {
        let (token, owner, credit) = self.creditor(reference);
        let (amount, to) = (self.part_of(credit), self.receiver(owner));
        let account = |address| AccountRef::Evm(address);
        let order = Take {
            token: account(token),
            account: account(owner),
            to: account(to),
            amount: Amount::from_u256(amount),
            id: U256::from(self.random.below(40)),
            deadline: self.deadline(now),
        };
        let key = self.world.key_of(owner).filter(|_| !self.random.once_in(6));
        let key = key.unwrap_or(&self.world.pauper.key);
        let digest = self.domain.take(&order).expect("an EVM order");
        let action = Action::TakeFor(order, sign(key, digest));
        (action, account(self.world.stranger.address))
    }

    /// An order to close or to cancel.
    fn intent(&mut self, scene: &Scene<'_>, side: u8) -> PresentedIntent {
        let current = scene.slots.point.version.0;
        let min_version = Version(match self.random.below(8) {
            0 => current,
            1 => current.saturating_add(1),
            2 => current.saturating_add(5),
            _ => 0,
        });
        let deadline = self.deadline(scene.now);
        let manner = self.manner();
        let [one, two] = self.keys(scene.terms());
        let (domain, id) = (self.world.domain(), scene.life.id);
        let digest =
            |domain: &SigningDomain, id| domain.presented_intent(id, side, min_version, deadline);
        let by = sign_both(&mut self.random, manner, [&one, &two], domain, id, digest);
        let signature = if side == 2 { by.two } else { by.one };
        PresentedIntent { side, min_version, deadline, signature }
    }

    fn cancel(&mut self, scene: &Scene<'_>) -> Action {
        let side = if self.random.once_in(6) { self.random.below(4) as u8 } else { 1 };
        Action::CancelOpen(*scene.terms(), self.intent(scene, side))
    }

    fn initiate(&mut self, index: usize, scene: &Scene<'_>) -> (Action, AccountRef) {
        let (state, by) = if self.random.once_in(3) {
            let none = StateSignature([0; 64]);
            (PresentedState::default(), Signatures { one: none, two: none })
        } else {
            self.presented(index, scene)
        };
        let intent = match self.random.below(6) {
            0 | 1 => self.intent(scene, 1),
            2 | 3 => self.intent(scene, 2),
            4 => {
                let side = self.random.below(5) as u8;
                self.intent(scene, side)
            }
            _ => PresentedIntent::NONE,
        };
        let terms = scene.terms();
        let caller = match self.random.below(5) {
            0 => AccountRef::Evm(self.world.stranger.address),
            1 => AccountRef::Evm(terms.signer1),
            2 => AccountRef::Evm(terms.signer2),
            3 => terms.participant1,
            _ => terms.participant2,
        };
        (Action::Initiate(*terms, state, by, intent), caller)
    }

    /// Money that comes with a call.
    fn incoming(&mut self, token: Address) -> Incoming {
        let small = U256::from(1 + self.random.below(1_000));
        let limit = U256::ONE << 119;
        let amount = match self.random.below(24) {
            0 | 1 => U256::ZERO,
            2 => limit - U256::from(1),
            3 => limit,
            4 => limit >> 1,
            5 => U256::ONE << 112,
            6 => U256::ONE << (100 + self.random.below(30)),
            7 => U256::ONE << 255,
            8..=12 => small * U256::from(1_000_000_007u64),
            _ => small,
        };
        // Nobody can send more ether than there is.
        let amount = if token.is_zero() { amount.min(U256::ONE << 130) } else { amount };
        let needed = if token.is_zero() { amount } else { U256::ZERO };
        let value = match self.random.below(40) {
            0 => needed + U256::from(1),
            1 => U256::ZERO,
            _ => needed,
        };
        Incoming { amount, value }
    }
}

/// A channel at the time of a call.
struct Scene<'a> {
    life: &'a Life,
    slots: &'a Slots,
    now: u64,
}

impl Scene<'_> {
    fn terms(&self) -> &Terms {
        &self.life.terms
    }
}
