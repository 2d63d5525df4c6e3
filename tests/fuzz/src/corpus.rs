//! Makes the committed corpora from what a few simulated runs said and kept, and from what no run says.
//!
//! The same code makes the same bytes. Corpora need not follow the code: an old input is as good as a new one.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::fs;
use std::path::{Path, PathBuf};

use alloy_primitives::{Address, B256};
use lockstep_core::chain::{
    ChainCall, CloseSighting, Cursor, EventPosition, Evidence, StoredPoint,
};
use lockstep_core::digest::SigningDomain;
use lockstep_core::ids::{AccountRef, ChainRef, ChannelId, Side, Version};
use lockstep_core::message::{PeerMessage, SignedState};
use lockstep_core::money::{Amount, Net};
use lockstep_core::record::{ClosingStage, Dispute, Equivocation, Phase, RecordParts};
use lockstep_core::state::{State, StateKind};
use lockstep_core::time::{BlockNumber, BlockPoint, BlockTimestamp, Finality};
use lockstep_core::transfer::{
    DepositStage, RecoverAction, Transfer, TransferKey, TransferRecord, TransferStage,
    WithdrawStage,
};
use lockstep_proto::v1;
use lockstep_sim::keys::{DOMAIN, Keys};
use lockstep_sim::rng::Rng;
use lockstep_sim::scenario::Scenario;
use lockstep_sim::trace::Trace;
use lockstep_sim::world::World;
use lockstep_store::convert::Stored;
use lockstep_store::fixture::ChannelFixture;
use lockstep_store::proof::Proof;
use lockstep_store::proof::equivocation::EquivocationProof;
use prost::Message;

use crate::decode::{frame_of, stored_form};
use crate::invite;

mod tower;

/// Inputs of each kind.
const OF_EACH: usize = 2;
/// Simulated runs that are looked at.
const RUNS: u64 = 40;
/// Units: bytes.
const MAX_BYTES: usize = 16_384;

/// Writes all corpora below a folder; how many inputs of each kind.
///
/// # Panics
/// If they cannot be written.
#[must_use]
pub fn write_all(folder: &Path) -> BTreeMap<String, usize> {
    let mut corpora = Corpora { folder: folder.to_owned(), counts: BTreeMap::new() };
    for seed in 0..RUNS {
        let mut scenario = Scenario::of_seed(seed);
        scenario.has_locks = true;
        scenario.has_withdrawals = true;
        let mut world = World::new(scenario, Trace::default()).expect("a world");
        world.tap = Some(vec![]);
        // What a run says is worth having, however it ends.
        let _ = world.storm().and_then(|()| world.calm());
        corpora.collect(&mut world);
    }
    for side in [Side::One, Side::Two] {
        corpora.parts(ChannelFixture::new(1, side).busy_record(9, 4, 3).parts());
    }
    corpora.invent_stored();
    corpora.invent_frames();
    corpora.invent_text();
    corpora.invent_equivocation();
    corpora.invent_plans();
    corpora.invent_tower();
    corpora.invent_marks();
    corpora.counts
}

/// Where the corpora are, and how many inputs of a kind they have.
struct Corpora {
    folder: PathBuf,
    counts: BTreeMap<String, usize>,
}

impl Corpora {
    fn add(&mut self, target: &str, kind: &str, bytes: &[u8]) {
        let count = self.counts.entry(format!("{target}/{kind}")).or_default();
        if *count >= OF_EACH || bytes.len() > MAX_BYTES {
            return;
        }
        *count += 1;
        let folder = self.folder.join(target).join("corpus");
        write(&folder, &format!("{kind}-{count}"), bytes);
    }

    fn stored<T: Stored + PartialEq + Debug>(&mut self, value: &T) {
        let name = std::any::type_name::<T>().rsplit("::").next().unwrap_or_default();
        self.add("stored", &name.to_lowercase(), &stored_form(value));
    }

    fn collect(&mut self, world: &mut World) {
        let terms = world.keys.terms(world.scenario.challenge_period);
        let channel_id = terms.channel_id(DOMAIN);
        self.stored(&terms);
        for message in world.tap.take().unwrap_or_default() {
            let debug = format!("{message:?}");
            let kind: String = debug.chars().take_while(|c| c.is_alphanumeric()).collect();
            self.add("frame", &kind.to_lowercase(), &frame_of(channel_id, &message));
            match &message {
                PeerMessage::Propose { proposal, .. } => {
                    self.stored(&proposal.state);
                    proposal.locks.iter().for_each(|lock| self.stored(lock));
                    proposal.updates.iter().for_each(|update| self.stored(update));
                }
                PeerMessage::WithdrawPropose { withdraw, .. } => self.stored(withdraw),
                PeerMessage::OpenAccept { consent, .. } => self.stored(&consent.open),
                PeerMessage::Reestablish(body) => {
                    body.newest.iter().for_each(|newest| self.shown(world, newest));
                }
                _ => {}
            }
        }
        for node in &world.nodes {
            for owed in &node.duties {
                let name = match owed.call() {
                    ChainCall::InitiateClose(_) => "initiate",
                    ChainCall::Challenge(_) => "challenge",
                    ChainCall::CooperativeClose(_) => "cooperative",
                    ChainCall::PartialWithdraw(_) => "withdraw",
                    ChainCall::RegisterSecret { .. } => "secret",
                    ChainCall::ResolveLocks { .. } => "resolve",
                    ChainCall::Close => "close",
                };
                self.add("stored", &format!("obligation-{name}"), &stored_form(owed));
                if let ChainCall::PartialWithdraw(evidence) = owed.call() {
                    self.stored(evidence);
                }
            }
            if let Some(record) = node.disk.record() {
                self.parts(record.parts());
            }
        }
    }

    /// Everything in a record.
    fn parts(&mut self, parts: &RecordParts) {
        self.stored(&parts.setup);
        self.stored(&parts.setup.policy);
        self.stored(&parts.setup.domain);
        self.stored(&parts.base_sequences);
        self.stored(&parts.chain);
        self.stored(&parts.chain.finalized);
        self.stored(&parts.chain.applied);
        parts.base.iter().for_each(|base| self.stored(base));
        parts.in_flight.iter().for_each(|proposal| self.stored(proposal));
        parts.own_pending.iter().for_each(|update| self.stored(update));
        parts.withdrawal.iter().for_each(|withdrawal| self.stored(withdrawal));
        parts.invoices.values().for_each(|invoice| self.stored(invoice));
        parts.secrets.values().for_each(|secret| self.stored(secret));
        parts.equivocation.iter().for_each(|proof| self.stored(proof));
        match &parts.phase {
            Phase::Settled(settlement) => self.stored(settlement),
            Phase::Disputed(dispute) => self.stored(dispute),
            Phase::Funding { consent } => consent.iter().for_each(|consent| self.stored(consent)),
            Phase::Closing(stage) => self.stored(stage),
            Phase::Opening(_) | Phase::Open => {}
        }
    }

    fn shown(&mut self, world: &World, newest: &SignedState) {
        let evidence = Evidence {
            state: newest.state,
            locks: newest.locks.clone(),
            signature1: Some(newest.signature1),
            signature2: Some(newest.signature2),
        };
        self.stored(&evidence);
        let terms = world.keys.terms(world.scenario.challenge_period);
        if let Ok(proof) = Proof::new(DOMAIN, terms, newest.clone())
            && let Ok(json) = proof.to_json()
        {
            let kind = if newest.locks.is_empty() { "proof" } else { "proof-with-locks" };
            self.add("text", kind, json.as_bytes());
        }
        let digest = SigningDomain::new(DOMAIN).state(&newest.state);
        let key = world.keys.public(Side::One).to_compressed();
        let raw = [newest.signature1.0.as_slice(), digest.0.as_slice(), key.as_slice()].concat();
        self.add("raw", "signed", &raw);
    }

    /// What a counterparty that signed twice is shown with.
    fn invent_equivocation(&mut self) {
        let keys = Keys::default();
        let terms = keys.terms(3_600);
        let domain = SigningDomain::new(DOMAIN);
        for by in [Side::One, Side::Two] {
            let first = State {
                channel_id: terms.channel_id(DOMAIN),
                version: Version(7),
                kind: StateKind::Ordinary,
                net: Net::ZERO,
                locked1: Amount::ZERO,
                locked2: Amount::ZERO,
                locks_root: B256::ZERO,
            };
            let second = State { kind: StateKind::Final, ..first };
            let states = Equivocation {
                first,
                first_signature: keys.sign(by, domain.state(&first)),
                second,
                second_signature: keys.sign(by, domain.state(&second)),
            };
            let proof = EquivocationProof::new(DOMAIN, terms, by, states).expect("a proof");
            self.add("text", "equivocation", proof.to_json().expect("a file").as_bytes());
        }
    }

    /// Values that only bridges, disputes and closes in progress have.
    fn invent_stored(&mut self) {
        let chain = ChainRef::Evm(31_337);
        let key = TransferKey { chain, tx: B256::repeat_byte(3), log_index: 1 };
        let stages = [
            TransferStage::Deposit(DepositStage::FailedRecoverable(RecoverAction::Redeem)),
            TransferStage::Withdraw(WithdrawStage::Proven { finalizable_at: BlockTimestamp(9) }),
        ];
        for stage in stages {
            match stage {
                TransferStage::Deposit(stage) => self.stored(&stage),
                TransferStage::Withdraw(stage) => self.stored(&stage),
            }
            let transfer = Transfer {
                id: B256::repeat_byte(4),
                key: Some(key),
                from: ChainRef::Evm(1),
                to: chain,
                token: AccountRef::Evm(Address::ZERO),
                amount: Amount::from(1_000_u64),
                stage,
            };
            let channel = Some(ChannelId(B256::repeat_byte(5)));
            self.stored(&TransferRecord { transfer, channel, memo: vec![1, 2] });
        }
        self.stored(&chain);
        self.stored(&key);
        self.stored(&ClosingStage::Draining { min_version: Version(3) });
        self.stored(&ClosingStage::Unilateral);
        let point = StoredPoint { version: Version(3), ..StoredPoint::default() };
        let first_seen = BlockPoint { number: BlockNumber(7), timestamp: BlockTimestamp(90) };
        let sighting = CloseSighting {
            point,
            closes_at: BlockTimestamp(4_000),
            initiator: Side::Two,
            position: EventPosition { block: BlockNumber(7), log_index: 3 },
            first_seen,
            finality: Finality::Seen,
        };
        self.stored(&point);
        self.stored(&sighting);
        self.stored(&Dispute { sighting, interrupted: None });
        self.stored(&Cursor { block: first_seen, hash: B256::repeat_byte(8) });
    }

    /// Frames that are about no channel.
    fn invent_frames(&mut self) {
        let hello = v1::Hello {
            protocol_version: 1,
            node_key: Keys::default().public(Side::One).to_compressed().to_vec(),
            nonce: vec![7; 32],
            ..Default::default()
        };
        let bodies = [
            v1::peer_frame::Body::Hello(hello),
            v1::peer_frame::Body::HelloProof(v1::HelloProof { signature: vec![1; 64] }),
            v1::peer_frame::Body::Ping(v1::Ping::default()),
        ];
        for (index, body) in bodies.into_iter().enumerate() {
            let frame = v1::PeerFrame { request_id: 1, body: Some(body) };
            self.add("frame", &format!("other-{index}"), &frame.encode_to_vec());
        }
    }

    /// Texts, invites, key files and raw bytes: valid ones, and some that are nearly right.
    fn invent_text(&mut self) {
        let key = Keys::default().public(Side::Two).to_compressed();
        for has_terms in [false, true] {
            let bytes = invite::sample(key, has_terms);
            self.add("invite", "whole", &bytes);
            self.add("text", "invite", invite::wrap(&bytes).as_bytes());
        }
        let mut starknet = invite::sample(key, false);
        starknet[2] = 2;
        self.add("invite", "other-chain", &starknet);
        self.add("text", "phrase", format!("{}art", "abandon ".repeat(23)).as_bytes());
        for (name, text) in KEY_FILES {
            self.add("key_file", name, text.as_bytes());
        }
        let odd = ["lockstep:", "{}", "[]", "{\"state\":{}}", "lockstep:0", "null", "\u{0}", "-1"];
        for (index, text) in odd.iter().enumerate() {
            self.add("text", &format!("odd-{index}"), text.as_bytes());
            self.add("key_file", &format!("odd-{index}"), text.as_bytes());
            self.add("invite", &format!("odd-{index}"), text.as_bytes());
        }
        for (index, len) in [0_usize, 1, 31, 32, 33, 64, 96, 129].iter().enumerate() {
            self.add("raw", &format!("length-{index}"), &vec![0xff; *len]);
        }
    }

    /// Bytes that other targets turn into decisions.
    fn invent_plans(&mut self) {
        for seed in 0..24 {
            let mut rng = Rng::new(seed);
            let bytes: Vec<u8> = (0..12).flat_map(|_| rng.bytes()).collect();
            self.add("inputs", &format!("plan-{seed:02}"), &bytes);
            self.add("rows", &format!("plan-{seed:02}"), &bytes[..96]);
            self.add("inputs", &format!("offer-{}", seed % 4), &offer_plan(seed, &bytes));
        }
    }
}

/// A plan that begins at the offer: one side, from the first offer on, hears this.
fn offer_plan(seed: u64, rest: &[u8]) -> Vec<u8> {
    const FROM_THE_OFFER: u8 = 15;
    const DELIVER: u8 = 0;
    const CRASH: u8 = 7;
    const CONNECT: u8 = 8;
    const ORDER: u8 = 10;
    const ORDER_OF_THE_OTHER: u8 = 13;
    const TAKE_BACK: u8 = 31;
    let beginning: &[u8] = match seed % 4 {
        0 => &[0, FROM_THE_OFFER, ORDER, TAKE_BACK, DELIVER, CONNECT, DELIVER],
        1 => &[0, FROM_THE_OFFER, CRASH, ORDER, TAKE_BACK, CRASH, CONNECT, DELIVER],
        2 => &[0, FROM_THE_OFFER, DELIVER, ORDER, TAKE_BACK, CONNECT, DELIVER],
        _ => &[1, FROM_THE_OFFER, ORDER_OF_THE_OTHER, TAKE_BACK, CONNECT, DELIVER],
    };
    [beginning, rest].concat()
}

/// Key files with cheap stretching and contents that are nothing.
const KEY_FILES: [(&str, &str); 3] = [
    ("web3-scrypt", include_str!("key_file/web3-scrypt.json")),
    ("web3-pbkdf2", include_str!("key_file/web3-pbkdf2.json")),
    ("seed", include_str!("key_file/seed.json")),
];

fn write(folder: &Path, name: &str, bytes: &[u8]) {
    fs::create_dir_all(folder).expect("a folder for the corpus");
    fs::write(folder.join(name), bytes).expect("an input");
}
