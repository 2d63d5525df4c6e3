//! A chain that holds the one channel: blocks, finality, reorganisations, a mempool.
//!
//! The contract is the core's own reference, which a differential test holds to the compiled one.

use std::collections::BTreeMap;

use alloy_primitives::B256;
use lockstep_core::adjudicator::{Adjudicator, PresentedConsent, Step};
use lockstep_core::chain::{ChainCall, ChainFact, ChannelStatus};
use lockstep_core::ids::Side;
use lockstep_core::message::SignedState;
use lockstep_core::money::Amount;
use lockstep_core::time::{BlockNumber, BlockPoint, BlockTimestamp};

use crate::call;
use crate::keys::{BOUNDS, DOMAIN, Keys, place};
use crate::rng::Rng;
use crate::scenario::{BLOCK_SECS, MAX_DOWN_BLOCKS, Scenario};
use crate::violation::{Checked, ensure, expect};

/// What somebody wants from the contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Want {
    /// `openChannel`.
    Open {
        /// What side 1 brings.
        amount: u64,
        /// Side 2's consent, if it is used.
        consent: PresentedConsent,
    },
    /// `joinChannel` by side 2 itself.
    Join {
        /// What side 2 brings.
        amount: u64,
    },
    /// `deposit`.
    Deposit {
        /// To whom.
        side: Side,
        /// How much.
        amount: u64,
    },
    /// `cancelOpen` by side 1.
    Cancel,
    /// Anything that a node may owe.
    Call(ChainCall),
    /// `updateState`.
    Checkpoint(SignedState),
}

/// A transaction.
#[derive(Clone, Debug)]
pub struct Tx {
    /// Who pays for it.
    pub from: Side,
    /// What it calls.
    pub want: Want,
    /// The first block that takes it.
    ready_at: u64,
}

/// Everything that the chain keeps about the channel.
#[derive(Clone, Debug)]
pub struct Books {
    /// The contract.
    pub contract: Adjudicator,
    /// When each secret was registered.
    pub registry: BTreeMap<B256, BlockTimestamp>,
    /// What each side's participant has received.
    pub paid: [Amount; 2],
    /// What the contract owes each participant besides.
    pub credits: [Amount; 2],
    /// What each side has brought.
    pub deposited: [Amount; 2],
}

impl Books {
    /// The channel's status.
    #[must_use]
    pub fn status(&self) -> ChannelStatus {
        self.contract.slots().status
    }

    /// What a side has received, or may take at any time.
    #[must_use]
    pub fn received(&self, side: Side) -> u128 {
        let sum = self.paid[place(side)].to_u128().zip(self.credits[place(side)].to_u128());
        sum.map_or(u128::MAX, |(paid, credit)| paid + credit)
    }

    /// P1, P2: what came in is in the channel, held, credited or paid, to the unit.
    ///
    /// # Errors
    /// If not.
    pub fn check_conservation(&self) -> Checked<()> {
        let slots = self.contract.slots();
        let sum = |amounts: &[Amount]| -> u128 {
            amounts.iter().map(|amount| amount.to_u128().unwrap_or(u128::MAX)).sum()
        };
        let inside = match slots.status {
            ChannelStatus::None => 0,
            ChannelStatus::Pending | ChannelStatus::Active | ChannelStatus::Closing => {
                sum(&[slots.deposits.total()])
            }
            ChannelStatus::Closed => sum(&[slots.held1, slots.held2]),
        };
        let (inn, out) = (sum(&self.deposited), sum(&self.paid) + sum(&self.credits));
        ensure(inn == inside + out, "P02", || format!("{inn} came in, {inside} + {out} is there"))
    }
}

/// A block: its place, what happened in it, and the books after it.
#[derive(Clone, Debug)]
pub struct Block {
    /// Unlike every other block's, also of a replaced one's.
    pub id: u64,
    /// Its place.
    pub point: BlockPoint,
    /// What it tells, in order.
    pub facts: Vec<ChainFact>,
    txs: Vec<Tx>,
    /// The books after it.
    pub books: Books,
}

/// The chain.
#[derive(Debug)]
pub struct Chain {
    blocks: Vec<Block>,
    mempool: Vec<Tx>,
    finality: u64,
    next_id: u64,
}

impl Chain {
    /// A chain on which nobody has opened the channel yet.
    #[must_use]
    pub fn new(scenario: &Scenario, keys: &Keys) -> Self {
        let contract = Adjudicator::new(DOMAIN, BOUNDS, keys.terms(scenario.challenge_period));
        let books = Books {
            contract,
            registry: BTreeMap::new(),
            paid: [Amount::ZERO; 2],
            credits: [Amount::ZERO; 2],
            deposited: [Amount::ZERO; 2],
        };
        let point = BlockPoint { number: BlockNumber(0), timestamp: BlockTimestamp(1_000_000) };
        let genesis = Block { id: 0, point, facts: vec![], txs: vec![], books };
        Self { blocks: vec![genesis], mempool: vec![], finality: scenario.finality, next_id: 1 }
    }

    /// The newest block.
    #[must_use]
    pub fn head(&self) -> &Block {
        &self.blocks[self.blocks.len() - 1]
    }

    /// The newest finalized block.
    #[must_use]
    pub fn finalized(&self) -> &Block {
        let number = self.head().point.number.0.saturating_sub(self.finality);
        self.block(number).unwrap_or(&self.blocks[0])
    }

    /// A block by its number.
    #[must_use]
    pub fn block(&self, number: u64) -> Option<&Block> {
        self.blocks.get(usize::try_from(number).ok()?)
    }

    /// Whether any transaction that may end the channel can still land.
    #[must_use]
    pub fn may_close_land(&self) -> bool {
        self.mempool.iter().any(|tx| {
            matches!(
                tx.want,
                Want::Call(ChainCall::InitiateClose(_) | ChainCall::CooperativeClose(_))
            )
        })
    }

    /// Whether this very transaction waits.
    #[must_use]
    pub fn waits(&self, from: Side, want: &Want) -> bool {
        self.mempool.iter().any(|tx| tx.from == from && tx.want == *want)
    }

    /// Puts a transaction into the mempool; it is mined within some blocks.
    pub fn submit(&mut self, from: Side, want: Want, rng: &mut Rng) {
        if self.waits(from, &want) {
            return;
        }
        let ready_at = self.head().point.number.0 + 1 + rng.below(MAX_DOWN_BLOCKS);
        self.mempool.push(Tx { from, want, ready_at });
    }

    /// Whether a call would do anything if it were mined right now.
    #[must_use]
    pub fn would_act(&self, from: Side, want: &Want) -> bool {
        let head = self.head();
        let now = BlockTimestamp(head.point.timestamp.0 + BLOCK_SECS);
        match want {
            Want::Call(ChainCall::RegisterSecret { secret }) => {
                !head.books.registry.contains_key(&lockstep_core::hash_of(*secret))
            }
            Want::Open { .. }
            | Want::Join { .. }
            | Want::Deposit { .. }
            | Want::Cancel
            | Want::Call(_)
            | Want::Checkpoint(_) => call::run(&head.books, from, want, now)
                .is_ok_and(|(step, _)| step.next != *head.books.contract.slots()),
        }
    }

    /// Mines a block of everything that is ready, in any order.
    ///
    /// # Errors
    /// If the books do not add up.
    pub fn mine(&mut self, rng: &mut Rng) -> Checked<()> {
        let head = self.head().point;
        let number = BlockNumber(head.number.0 + 1);
        let timestamp = BlockTimestamp(head.timestamp.0 + BLOCK_SECS + rng.below(3));
        let point = BlockPoint { number, timestamp };
        let (mut ready, waiting): (Vec<Tx>, Vec<Tx>) =
            self.mempool.drain(..).partition(|tx| tx.ready_at <= number.0);
        self.mempool = waiting;
        let mut block = Block {
            id: self.next_id,
            point,
            facts: vec![],
            txs: vec![],
            books: self.head().books.clone(),
        };
        self.next_id += 1;
        while !ready.is_empty() {
            let tx = ready.swap_remove(rng.index(ready.len()));
            block.include(tx)?;
        }
        block.books.check_conservation()?;
        self.blocks.push(block);
        Ok(())
    }

    /// Replaces unfinalized blocks. Each of their transactions is mined again later, or is lost.
    ///
    /// # Errors
    /// If the books do not add up.
    pub fn reorganise(&mut self, rng: &mut Rng) -> Checked<u64> {
        let above = self.head().point.number.0 - self.finalized().point.number.0;
        let depth = rng.below(above) + u64::from(above > 0);
        for _ in 0..depth {
            let block = self.blocks.pop();
            for mut tx in block.into_iter().flat_map(|block| block.txs) {
                if rng.below(4) > 0 {
                    tx.ready_at = self.head().point.number.0 + 1 + rng.below(MAX_DOWN_BLOCKS);
                    self.mempool.push(tx);
                }
            }
        }
        for _ in 0..depth {
            self.mine(rng)?;
        }
        Ok(depth)
    }
}

impl Block {
    /// Runs a transaction; one that the contract refuses changes nothing.
    fn include(&mut self, tx: Tx) -> Checked<()> {
        if let Want::Call(ChainCall::RegisterSecret { secret }) = tx.want {
            let hash = lockstep_core::hash_of(secret);
            let at = *self.books.registry.entry(hash).or_insert(self.point.timestamp);
            self.facts.push(ChainFact::SecretRevealed { hash, secret, at });
        } else if let Ok((step, brought)) =
            call::run(&self.books, tx.from, &tx.want, self.point.timestamp)
        {
            self.books.take(&step, brought)?;
            let evidence = call::evidence(&tx.want);
            self.facts.extend(step.events.into_iter().map(|fact| with_evidence(fact, &evidence)));
        }
        self.txs.push(tx);
        Ok(())
    }
}

impl Books {
    fn take(&mut self, step: &Step, brought: Option<(Side, Amount)>) -> Checked<()> {
        self.contract.apply(step);
        let add = |sums: &mut [Amount; 2], side: Side, amount: Amount| -> Checked<()> {
            let sum = &mut sums[place(side)];
            *sum = expect(sum.checked_add(amount), "scenery")?;
            Ok(())
        };
        for payout in &step.payouts {
            add(&mut self.paid, payout.side, payout.amount)?;
        }
        for credit in &step.credits {
            add(&mut self.credits, credit.side, credit.amount)?;
        }
        if let Some((side, amount)) = brought {
            add(&mut self.deposited, side, amount)?;
        }
        Ok(())
    }
}

/// Calldata shows the state that was adopted and both signatures, never the list of locks.
fn with_evidence(fact: ChainFact, evidence: &Option<SignedState>) -> ChainFact {
    let shown = |version| {
        let matching = evidence.as_ref().filter(|shown| shown.state.version == version);
        matching.map(|shown| Box::new(SignedState { locks: vec![], ..shown.clone() }))
    };
    match fact {
        ChainFact::Closing { point, closes_at, initiator, evidence: _ } => {
            ChainFact::Closing { point, closes_at, initiator, evidence: shown(point.version) }
        }
        ChainFact::Checkpoint { point, evidence: _ } => {
            ChainFact::Checkpoint { point, evidence: shown(point.version) }
        }
        other => other,
    }
}
