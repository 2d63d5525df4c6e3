//! Channels with real keys and signatures, for tests of this crate and for the power-cut harness.
//!
//! Everything follows from a channel's number and a version, so that a test can say what must be on
//! disk without having kept it.
#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "code for tests: a wrong fixture must stop the test"
)]

use alloy_primitives::{Address, B256, U256};
use k256::ecdsa::SigningKey;
use lockstep_core::{
    chain::ChannelStatus,
    commit::{Binding, Transition},
    digest::SigningDomain,
    ids::{
        AccountRef, ChannelId, Digest, Domain, InvoiceId, NodeId, PaymentId, Sequence, Side,
        Version,
    },
    lock::{Lock, locked_sums, locks_root},
    money::{Amount, Deposit, Deposits, Net},
    output::{Notice, Output},
    record::{
        ChainFacts, ChannelRecord, ChannelSetup, CoSigned, Guard, InFlight, Invoice, InvoiceStatus,
        KnownSecret, Marks, PendingUpdate, Phase, RecordParts, Sequences,
    },
    signature::{SignerKey, StateSignature},
    state::{State, StateKind},
    terms::{Features, Policy, Terms},
    time::{BlockNumber, BlockPoint, BlockTimestamp},
    update::{Action, Memo, Payment, Update},
};

const DOMAIN: Domain = Domain::Evm { chain_id: 31_337, contract: Address::repeat_byte(0xcc) };

/// What each side put in.
const DEPOSIT: u64 = 1_000_000;

/// One channel, seen from one side.
#[derive(Clone, Debug)]
pub struct ChannelFixture {
    number: u64,
    side: Side,
    terms: Terms,
    id: ChannelId,
    domain: SigningDomain,
    keys: [SigningKey; 2],
}

impl ChannelFixture {
    /// The channel with this number, as `side` keeps it.
    ///
    /// # Panics
    /// Never: the keys are valid.
    pub fn new(number: u64, side: Side) -> Self {
        let keys = [key(1), key(2)];
        let [one, two] = &keys;
        let terms = Terms {
            participant1: AccountRef::Evm(Address::repeat_byte(0xa1)),
            participant2: AccountRef::Evm(Address::repeat_byte(0xa2)),
            signer1: SignerKey::from_verifying_key(*one.verifying_key()).address(),
            signer2: SignerKey::from_verifying_key(*two.verifying_key()).address(),
            token: AccountRef::Evm(Address::ZERO),
            challenge_period: 2 * 24 * 3_600,
            salt: B256::from(U256::from(number)),
        };
        let id = terms.channel_id(DOMAIN);
        Self { number, side, terms, id, domain: SigningDomain::new(DOMAIN), keys }
    }

    /// Its id.
    pub fn id(&self) -> ChannelId {
        self.id
    }

    /// Its number.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The ordinary state of a version, with as many locks as asked for.
    ///
    /// # Panics
    /// When more locks are asked for than fit.
    pub fn state(&self, version: u64, locks: u8) -> (State, Vec<Lock>) {
        let locks: Vec<Lock> = (0..locks).map(|index| lock(version, index)).collect();
        let (locked1, locked2) = locked_sums(&locks).unwrap();
        let state = State {
            channel_id: self.id,
            version: Version(version),
            kind: StateKind::Ordinary,
            net: Net::new(i128::from(version % DEPOSIT)).unwrap(),
            locked1,
            locked2,
            locks_root: locks_root(&locks),
        };
        (state, locks)
    }

    /// The digest of the state of a version.
    pub fn digest(&self, version: u64, locks: u8) -> Digest {
        self.domain.state(&self.state(version, locks).0)
    }

    /// A signature by either side.
    ///
    /// # Panics
    /// Never: a digest can always be signed.
    pub fn sign(&self, side: Side, digest: Digest) -> StateSignature {
        let [one, two] = &self.keys;
        let key = match side {
            Side::One => one,
            Side::Two => two,
        };
        let (signature, recovery) = key.sign_prehash_recoverable(digest.0.as_slice()).unwrap();
        StateSignature::from_parts(&signature, recovery).unwrap()
    }

    /// The parts of a record whose newest co-signed state is `version`.
    pub fn parts(&self, version: u64, locks: u8) -> RecordParts {
        let counterparty = self.side.other();
        let (state, lock_list) = self.state(version, locks);
        let digest = self.domain.state(&state);
        let base = CoSigned {
            state,
            locks: lock_list,
            counterparty_signature: self.sign(counterparty, digest),
            own_signature: None,
        };
        RecordParts {
            setup: self.setup(),
            phase: Phase::Open,
            marks: Marks::default(),
            guard: Guard {
                highest: Version(version),
                bound: [(Version(version), digest)].into_iter().collect(),
            },
            base: Some(base),
            base_sequences: Sequences { one: Sequence(version), two: Sequence(0) },
            in_flight: Vec::new(),
            own_pending: Vec::new(),
            peer_pending: Vec::new(),
            own_sequence: Sequence(version),
            peer_sequence: Sequence(version),
            withdrawal: None,
            invoices: std::collections::BTreeMap::new(),
            secrets: std::collections::BTreeMap::new(),
            chain: chain_facts(),
            equivocation: None,
        }
    }

    /// The record whose newest co-signed state is `version`.
    ///
    /// # Panics
    /// When the parts do not fit each other, which is a bug in this file.
    pub fn record(&self, version: u64, locks: u8) -> ChannelRecord {
        ChannelRecord::from_parts(self.parts(version, locks)).unwrap()
    }

    /// Before anything was signed.
    ///
    /// # Panics
    /// When the parts do not fit each other, which is a bug in this file.
    pub fn fresh_record(&self) -> ChannelRecord {
        ChannelRecord::from_parts(RecordParts {
            guard: Guard::default(),
            base: None,
            base_sequences: Sequences::default(),
            own_sequence: Sequence::ZERO,
            peer_sequence: Sequence::ZERO,
            ..self.parts(1, 0)
        })
        .unwrap()
    }

    /// A record with something in every part: for side one also proposals in flight.
    ///
    /// # Panics
    /// When the parts do not fit each other, which is a bug in this file.
    pub fn busy_record(&self, version: u64, in_flight: u64, pending: u64) -> ChannelRecord {
        let mut parts = self.parts(version, 3);
        if self.side == Side::One {
            for ahead in 1..=in_flight {
                let (state, locks) = self.state(version + ahead, (ahead % 33) as u8);
                parts.guard.bound.insert(state.version, self.domain.state(&state));
                parts.guard.highest = state.version;
                let sequences = Sequences { one: Sequence(version), two: Sequence(0) };
                let is_rejected = ahead % 5 == 0;
                parts.in_flight.push(InFlight { state, locks, sequences, is_rejected });
            }
        }
        let own_base = parts.base_sequences.of(self.side).0;
        parts.own_pending = (1..=pending).map(|step| pending_update(own_base + step)).collect();
        parts.own_sequence = Sequence(own_base + pending);
        for number in 0..8_u64 {
            let name = B256::from(U256::from(number));
            let status = if number % 2 == 0 {
                InvoiceStatus::Open
            } else {
                InvoiceStatus::Paid { version: Version(number) }
            };
            let amount = Amount::from(number);
            let expiry = BlockTimestamp(number);
            parts
                .invoices
                .insert(InvoiceId(name), Invoice { amount, expiry, memo: Memo::default(), status });
            let revealed_at = (number % 2 == 0).then_some(BlockTimestamp(number));
            parts.secrets.insert(name, KnownSecret { secret: name, revealed_at });
        }
        ChannelRecord::from_parts(parts).unwrap()
    }

    /// The step to a record, binding what its guard holds and telling the user of one payment.
    pub fn transition(&self, record: ChannelRecord) -> Transition {
        let bound = &record.parts().guard.bound;
        let bindings =
            bound.iter().map(|(version, digest)| Binding { version: *version, digest: *digest });
        let bindings: Vec<_> = bindings.collect();
        let highest = record.parts().guard.highest;
        let notice = Notice::Applied {
            id: PaymentId { channel_id: self.id, payer: Side::One, sequence: Sequence(highest.0) },
            action: payment(highest.0),
            version: highest,
        };
        Transition::for_test(record, bindings, vec![Output::Notify(notice)])
    }

    /// The step to the record of a version.
    pub fn step(&self, version: u64) -> Transition {
        self.transition(self.record(version, 0))
    }

    /// The step to a version with another state than [`Self::step`] has: an equivocation of ours.
    ///
    /// # Panics
    /// When the parts do not fit each other, which is a bug in this file.
    pub fn conflicting_step(&self, version: u64) -> Transition {
        self.transition(self.record(version, 1))
    }

    fn setup(&self) -> ChannelSetup {
        let [one, two] = &self.keys;
        let (own, counterparty) = match self.side {
            Side::One => (one, two),
            Side::Two => (two, one),
        };
        ChannelSetup {
            domain: DOMAIN,
            terms: self.terms,
            side: self.side,
            peer: NodeId([2; 33]),
            own_key: SignerKey::from_verifying_key(*own.verifying_key()),
            counterparty_key: Some(SignerKey::from_verifying_key(*counterparty.verifying_key())),
            features: Features::ALL,
            policy: Policy::default(),
            deposit1: Amount::from(DEPOSIT),
            deposit2: Amount::from(DEPOSIT),
        }
    }
}

fn key(byte: u8) -> SigningKey {
    SigningKey::from_slice(&[byte; 32]).unwrap()
}

fn lock(version: u64, index: u8) -> Lock {
    Lock {
        hash: B256::from(U256::from(version) << 8 | U256::from(index)),
        resolver: AccountRef::Evm(Address::ZERO),
        amount: Amount::from(10 + u64::from(index)),
        expiry: BlockTimestamp(5_000),
        from1: index.is_multiple_of(2),
    }
}

fn payment(sequence: u64) -> Action {
    let memo = Memo::new(sequence.to_be_bytes().to_vec()).unwrap();
    Action::Pay(Payment { amount: Amount::from(sequence + 1), memo, invoice: None })
}

fn pending_update(sequence: u64) -> PendingUpdate {
    let update = Update { sequence: Sequence(sequence), action: payment(sequence) };
    PendingUpdate { update, left_out: None }
}

fn chain_facts() -> ChainFacts {
    let deposit = Deposit::new(i128::from(DEPOSIT)).unwrap();
    ChainFacts {
        status: ChannelStatus::Active,
        deposits: Deposits::new(deposit, deposit).unwrap(),
        finalized: BlockPoint { number: BlockNumber(9), timestamp: BlockTimestamp(900) },
        applied: lockstep_core::chain::EventPosition { block: BlockNumber(7), log_index: 1 },
    }
}
