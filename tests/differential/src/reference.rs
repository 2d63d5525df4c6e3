//! What must come of a call, by the reference in `lockstep-core`, and what surrounds it: tokens,
//! resolvers, secrets and credits.

use crate::action::{Action, Answer, Incoming, Step};
use crate::fault::Fault;
use crate::refusal::{account, as_error};
use crate::world::{BOUNDS, FEE_PERCENT, WEALTH_BITS, World, address_of};
use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::SolInterface;
use lockstep_contracts::bindings::PaymentChannel::{self as C, PaymentChannelErrors as Error};
use lockstep_core::adjudicator::{Adjudicator, Call, Credits, Payout, Refusal, Step as Decision};
use lockstep_core::chain::ChainFact;
use lockstep_core::digest::SigningDomain;
use lockstep_core::ids::ChannelId;
use lockstep_core::lock::Lock;
use lockstep_core::money::Amount;
use lockstep_core::signature::StateSignature;
use lockstep_core::state::Take;
use lockstep_core::terms::Terms;
use lockstep_core::time::BlockTimestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Something that a log must tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// About a channel.
    Fact(ChannelId, ChainFact),
    /// `Credited`: token, account, channel, amount.
    Credited(Address, Address, ChannelId, U256),
    /// `Withdrawn`: token, account, receiver, amount.
    Withdrawn(Address, Address, Address, U256),
    /// `OrderExecuted`: account, order.
    OrderExecuted(Address, U256),
    /// `ChallengeSkipped`.
    Skipped(ChannelId, [u8; 4]),
}

/// Money that changes hands. The token's fee is the receiver's loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// Zero is ether.
    pub token: Address,
    /// Who pays.
    pub from: Address,
    /// Who receives.
    pub to: Address,
    /// What is sent. Base units.
    pub amount: U256,
}

/// What a call must do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// In the order of the logs.
    pub told: Vec<Told>,
    /// All transfers.
    pub moves: Vec<Move>,
    /// What a batch returns.
    pub reasons: Vec<[u8; 4]>,
    /// Channels whose storage may have changed.
    pub touched: Vec<ChannelId>,
}

/// The reference and the world around it.
pub struct Reference {
    world: World,
    domain: SigningDomain,
    channels: BTreeMap<ChannelId, Adjudicator>,
    credits: BTreeMap<Address, Credits>,
    used_orders: BTreeSet<(Address, U256)>,
    revealed: BTreeMap<B256, u64>,
    answers: BTreeMap<B256, Answer>,
    refusing: BTreeSet<(Address, Address)>,
    fault: Option<Fault>,
}

impl Reference {
    /// A reference that knows no channel; with a fault it is wrong on purpose.
    #[must_use]
    pub fn new(world: World, fault: Option<Fault>) -> Self {
        Self {
            domain: SigningDomain::new(world.domain()),
            world,
            channels: BTreeMap::new(),
            credits: BTreeMap::new(),
            used_orders: BTreeSet::new(),
            revealed: BTreeMap::new(),
            answers: BTreeMap::new(),
            refusing: BTreeSet::new(),
            fault,
        }
    }

    /// The channel of these terms, opened or not.
    #[must_use]
    pub fn channel(&self, terms: &Terms) -> Adjudicator {
        let id = terms.channel_id(self.world.domain());
        let fresh = || Adjudicator::new(self.world.domain(), BOUNDS, *terms);
        self.channels.get(&id).cloned().unwrap_or_else(fresh)
    }

    /// All channels that were ever opened.
    pub fn channels(&self) -> impl Iterator<Item = (&ChannelId, &Adjudicator)> {
        self.channels.iter()
    }

    /// Forgets a channel that holds nothing, so that a long run stays fast.
    pub fn forget(&mut self, id: ChannelId) {
        self.channels.remove(&id);
    }

    /// What an account may withdraw.
    #[must_use]
    pub fn credit(&self, token: Address, of: Address) -> U256 {
        self.credits.get(&token).map(|all| all.of(account(of)).to_u256()).unwrap_or_default()
    }

    /// All that the contract owes in a token: deposits, held locks and credits.
    ///
    /// # Panics
    /// If the reference's own sums do not fit.
    #[must_use]
    pub fn owed(&self, token: Address) -> U256 {
        let credits = self.credits.get(&token).map(|all| all.total().expect("a sum"));
        let mut owed = credits.unwrap_or_default().to_u256();
        for channel in self.channels.values() {
            if address_of(channel.terms().token) != token {
                continue;
            }
            let slots = channel.slots();
            owed += slots.deposits.total().to_u256();
            if slots.mode.is_some() {
                owed += slots.held1.to_u256() + slots.held2.to_u256();
            }
        }
        owed
    }

    /// Performs a call, or says with which error it must fail.
    ///
    /// # Errors
    /// As the contract must refuse it.
    pub fn perform(&mut self, now: u64, step: &Step) -> Result<Done, Error> {
        let Step { sender, action } = step;
        match action {
            Action::Open(terms, money, _) | Action::Join(terms, money, _) => {
                self.enter(now, step, terms, *money)
            }
            Action::Deposit(terms, _, money) => self.enter(now, step, terms, *money),
            Action::CancelOpen(terms, _)
            | Action::Update(terms, ..)
            | Action::Withdraw(terms, ..)
            | Action::Initiate(terms, ..)
            | Action::Challenge(terms, ..)
            | Action::Close(terms)
            | Action::Cooperate(terms, ..)
            | Action::Resolve(terms, ..) => {
                let decision = self.decide(now, *sender, action, terms, Amount::ZERO);
                Ok(self.settle(terms, decision.map_err(as_error)?))
            }
            Action::Batch(_) => Ok(self.batch(now, step)),
            Action::TakeCredit(token, to, amount) => self.pay_credit(*token, *sender, *to, *amount),
            Action::TakeFor(order, signature) => self.take_for(now, order, *signature),
            Action::Register(secrets) => {
                for secret in secrets {
                    self.revealed.entry(hash_of(*secret)).or_insert(now);
                }
                Ok(Done::default())
            }
            Action::Answer(id, answer) => {
                self.answers.insert(*id, *answer);
                Ok(Done::default())
            }
            Action::Refuse(token, account, refuses) => {
                let entry = (*token, *account);
                if *refuses {
                    self.refusing.insert(entry);
                } else {
                    self.refusing.remove(&entry);
                }
                Ok(Done::default())
            }
        }
    }

    fn enter(
        &mut self,
        now: u64,
        step: &Step,
        terms: &Terms,
        money: Incoming,
    ) -> Result<Done, Error> {
        let token = address_of(terms.token);
        let received = self.arriving(step.sender, token, money)?;
        let decision = self
            .decide(now, step.sender, &step.action, terms, Amount::from_u256(received))
            .map_err(as_error)?;
        let mut done = self.settle(terms, decision);
        let (from, to) = (step.sender, self.world.channels);
        done.moves.insert(0, Move { token, from, to, amount: money.amount });
        Ok(done)
    }

    /// What comes in, before anything is booked.
    fn arriving(&self, sender: Address, token: Address, money: Incoming) -> Result<U256, Error> {
        let Incoming { amount, value } = money;
        let needed = if token.is_zero() { amount } else { U256::ZERO };
        if value != needed {
            return Err(Error::WrongValue(C::WrongValue { needed, sent: value }));
        }
        if token.is_zero() || amount.is_zero() && self.world.tokens.contains(&token) {
            return Ok(amount);
        }
        if !self.world.tokens.contains(&token) {
            return Err(Error::NoCode(C::NoCode { account: token }));
        }
        // Nobody ever spends more than a small part of what they have.
        let is_rich = sender != self.world.pauper.address && sender != self.world.recipient;
        if !is_rich || amount > U256::ONE << (WEALTH_BITS - 1) {
            return Err(Error::TransferFailed(C::TransferFailed { token, account: sender }));
        }
        let received = self.after_fee(token, amount);
        if received >> 119 != U256::ZERO {
            return Err(Error::AmountTooLarge(C::AmountTooLarge { amount: received }));
        }
        Ok(received)
    }

    /// What arrives of what is sent.
    #[must_use]
    pub fn after_fee(&self, token: Address, amount: U256) -> U256 {
        if token == self.world.tokens[2] {
            amount - amount / U256::from(100) * U256::from(FEE_PERCENT)
        } else {
            amount
        }
    }

    /// What the reference in `lockstep-core` says.
    fn decide(
        &self,
        now: u64,
        sender: Address,
        action: &Action,
        terms: &Terms,
        received: Amount,
    ) -> Result<Decision, Refusal> {
        let mut channel = self.channel(terms);
        let mut call = Call { sender: account(sender), now: BlockTimestamp(now) };
        let mut action = action.clone();
        let before = *channel.slots();
        if let Some(fault) = self.fault {
            fault.before(&self.world, &self.domain, &mut channel, &mut call, &mut action);
        }
        let mut decision = match &action {
            Action::Open(_, _, consent) => channel.open_channel(call, received, consent),
            Action::Join(_, _, consent) => channel.join_channel(call, received, consent),
            Action::Deposit(_, side, _) => channel.deposit(*side, received),
            Action::CancelOpen(_, intent) => channel.cancel_open(call, intent),
            Action::Update(_, state, by) => channel.update_state(state, by),
            Action::Withdraw(_, order, by) => channel.partial_withdraw(call, order, by),
            Action::Initiate(_, state, by, intent) => {
                channel.initiate_close(call, state, by, intent)
            }
            Action::Challenge(_, state, by) => channel.challenge_close(call, state, by),
            Action::Close(_) => channel.close_channel(call),
            Action::Cooperate(_, version, net, by) => channel.cooperative_close(*version, *net, by),
            Action::Resolve(_, locks, mask) => {
                channel.resolve_locks(call.now, locks, *mask, |lock| self.met_at(lock))
            }
            Action::Batch(_)
            | Action::TakeCredit(..)
            | Action::TakeFor(..)
            | Action::Register(_)
            | Action::Answer(..)
            | Action::Refuse(..) => unreachable!("not about one channel"),
        };
        if let (Some(fault), Ok(decision)) = (self.fault, &mut decision) {
            fault.after(&before, &action, decision);
        }
        decision
    }

    /// When the condition of a lock was met, if it was.
    fn met_at(&self, lock: &Lock) -> Option<BlockTimestamp> {
        let met_at = if lock.is_hash_lock() {
            self.revealed.get(&lock.hash).copied()
        } else if address_of(lock.resolver) == self.world.resolver {
            let met = |answer: &&Answer| answer.manner == 0 && answer.done && answer.ok;
            self.answers.get(&lock.hash).filter(met).map(|answer| answer.decided_at)
        } else {
            None
        }?;
        Some(match self.fault {
            Some(Fault::LateSecretPays) => BlockTimestamp(met_at.min(lock.expiry.0)),
            Some(_) | None => BlockTimestamp(met_at),
        })
    }

    /// Takes over a decision: stores, pays, and credits what cannot be paid.
    fn settle(&mut self, terms: &Terms, decision: Decision) -> Done {
        let mut channel = self.channel(terms);
        let id = channel.channel_id();
        let mut done = Done { touched: vec![id], ..Done::default() };
        channel.apply(&decision);
        self.channels.insert(id, channel);
        done.told = decision.events.into_iter().map(|fact| Told::Fact(id, fact)).collect();
        for credit in decision.credits {
            done.told.push(self.credited(terms, id, credit));
        }
        let token = address_of(terms.token);
        for payout in decision.payouts {
            let to = address_of(terms.participant(payout.side));
            if self.refusing.contains(&(token, to)) {
                done.told.push(self.credited(terms, id, payout));
            } else {
                let (from, amount) = (self.world.channels, payout.amount.to_u256());
                done.moves.push(Move { token, from, to, amount });
            }
        }
        done
    }

    fn credited(&mut self, terms: &Terms, id: ChannelId, payout: Payout) -> Told {
        let Payout { side, amount } = payout;
        let (token, owner) = (address_of(terms.token), terms.participant(side));
        self.credits.entry(token).or_default().book(owner, amount).expect("a sum that fits");
        Told::Credited(token, address_of(owner), id, amount.to_u256())
    }

    fn batch(&mut self, now: u64, step: &Step) -> Done {
        let Action::Batch(items) = &step.action else { return Done::default() };
        let mut done = Done::default();
        for item in items {
            let challenge = Action::Challenge(item.terms, item.state, item.signatures);
            let sender = self.world.channels;
            match self.decide(now, sender, &challenge, &item.terms, Amount::ZERO) {
                Ok(decision) => {
                    let settled = self.settle(&item.terms, decision);
                    done.told.extend(settled.told);
                    done.touched.extend(settled.touched);
                    done.reasons.push([0; 4]);
                }
                Err(refusal) => {
                    let id = item.terms.channel_id(self.world.domain());
                    let reason = as_error(refusal).selector();
                    done.told.push(Told::Skipped(id, reason));
                    done.reasons.push(reason);
                }
            }
        }
        done
    }

    fn take_for(
        &mut self,
        now: u64,
        order: &Take,
        signature: StateSignature,
    ) -> Result<Done, Error> {
        if now > order.deadline.0 {
            return Err(Error::Expired(C::Expired { deadline: order.deadline.0 }));
        }
        let owner = address_of(order.account);
        if self.used_orders.contains(&(owner, order.id)) {
            return Err(Error::OrderUsed(C::OrderUsed { account: owner, id: order.id }));
        }
        let digest = self.domain.take(order).expect("an EVM order");
        let signer = signature.recover_address(digest).ok().flatten();
        if signer != Some(owner) {
            return Err(Error::BadSignature(C::BadSignature { side: 0 }));
        }
        let (token, to) = (address_of(order.token), address_of(order.to));
        let mut done = self.pay_credit(token, owner, to, order.amount.to_u256())?;
        self.used_orders.insert((owner, order.id));
        done.told.insert(0, Told::OrderExecuted(owner, order.id));
        Ok(done)
    }

    fn pay_credit(
        &mut self,
        token: Address,
        owner: Address,
        to: Address,
        amount: U256,
    ) -> Result<Done, Error> {
        let contract = account(self.world.channels);
        let mut credits = self.credits.get(&token).cloned().unwrap_or_default();
        credits
            .withdraw(account(owner), account(to), contract, Amount::from_u256(amount))
            .map_err(as_error)?;
        if self.refusing.contains(&(token, to)) {
            return Err(Error::TransferFailed(C::TransferFailed { token, account: to }));
        }
        self.credits.insert(token, credits);
        Ok(Done {
            told: vec![Told::Withdrawn(token, owner, to, amount)],
            moves: vec![Move { token, from: self.world.channels, to, amount }],
            ..Done::default()
        })
    }
}

/// The hash that a hash lock asks the secret of.
#[must_use]
pub fn hash_of(secret: B256) -> B256 {
    use k256::sha2::{Digest, Sha256};
    B256::from_slice(&Sha256::digest(secret))
}
