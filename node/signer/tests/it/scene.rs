//! One seed, durable requests made the only way there is, and logs that do what a test needs.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, OnceLock};

use alloy_primitives::{Address, B256};
use lockstep_core::commit::{Durable, Journal, Transition, commit};
use lockstep_core::digest::SigningDomain;
use lockstep_core::ids::{AccountRef, ChannelId, Domain, NodeId, Side, Version};
use lockstep_core::money::{Amount, Net};
use lockstep_core::output::{AfterSigning, Output};
use lockstep_core::record::{
    ChainFacts, ChannelRecord, ChannelSetup, Guard, Marks, OpeningStage, Phase, RecordParts,
    Sequences,
};
use lockstep_core::request::{KeyContext, SigningContent, SigningRequest};
use lockstep_core::state::{State, StateKind};
use lockstep_core::terms::{Features, Policy, Terms};
use lockstep_signer::mark::Mark;
use lockstep_signer::mark::book::MarkBook;
use lockstep_signer::mark::log::MarkLog;
use lockstep_signer::phrase::Phrase;
use lockstep_signer::secret::PinPolicy;
use lockstep_signer::{ChannelSigner, KeyRing};

pub(crate) fn phrase() -> Phrase {
    Phrase::parse(&format!("{}art", "abandon ".repeat(23))).unwrap()
}

pub(crate) fn keys() -> KeyRing {
    KeyRing::new(&phrase(), PinPolicy::BestEffort).unwrap()
}

pub(crate) fn domain() -> Domain {
    Domain::Evm { chain_id: 31_337, contract: Address::repeat_byte(0xC0) }
}

/// The same keys, stretched from the phrase once: requests are made by the thousand.
fn known_keys() -> &'static KeyRing {
    static KEYS: OnceLock<KeyRing> = OnceLock::new();
    KEYS.get_or_init(keys)
}

/// The key of one of our channels; each `channel` is another salt.
pub(crate) fn context(channel: u8) -> KeyContext {
    let peer = known_keys().node_id().unwrap();
    KeyContext { domain: domain(), peer: NodeId(peer.0), salt: B256::repeat_byte(channel) }
}

/// A state whose content differs with `net`.
pub(crate) fn state(channel: u8, version: u64, net: i128) -> State {
    State {
        channel_id: ChannelId(B256::repeat_byte(channel)),
        version: Version(version),
        kind: StateKind::Ordinary,
        net: Net::new(net).unwrap(),
        locked1: Amount::ZERO,
        locked2: Amount::ZERO,
        locks_root: B256::ZERO,
    }
}

/// A request for our own key of that channel.
pub(crate) fn request(channel: u8, content: SigningContent) -> SigningRequest {
    let key = context(channel);
    let signer = known_keys().channel_key(&key).unwrap().address();
    SigningRequest::new(&SigningDomain::new(domain()), key, signer, Side::One, content)
}

/// The request after a commit.
pub(crate) fn durable(request: SigningRequest) -> Durable<SigningRequest> {
    let then =
        AfterSigning::Send(lockstep_core::message::UnsignedMessage::Accept { version: Version(1) });
    let outputs = vec![Output::Sign { request, then }];
    let transition = Transition::for_test(record(), vec![], outputs);
    let mut committed = commit(&mut Memory, vec![transition]).unwrap();
    let (_, effects) = committed.pop().unwrap().into_parts();
    match effects.into_iter().next() {
        Some(Output::Sign { request, .. }) => request,
        other => panic!("no request but {other:?}"),
    }
}

pub(crate) fn durable_state(channel: u8, version: u64, net: i128) -> Durable<SigningRequest> {
    durable(request(channel, SigningContent::State(state(channel, version, net))))
}

/// A journal that keeps nothing: these tests are about what comes after it.
struct Memory;

impl Journal for Memory {
    type Error = Infallible;

    fn write_through(&mut self, _: &[&Transition]) -> Result<(), Infallible> {
        Ok(())
    }

    fn read(&mut self, _: ChannelId) -> Result<Option<ChannelRecord>, Infallible> {
        Ok(None)
    }
}

fn record() -> ChannelRecord {
    let account = |byte| AccountRef::Evm(Address::repeat_byte(byte));
    let own_key = known_keys().channel_key(&context(0)).unwrap();
    let terms = Terms {
        participant1: account(1),
        participant2: account(2),
        signer1: own_key.address(),
        signer2: Address::repeat_byte(4),
        token: AccountRef::Evm(Address::ZERO),
        challenge_period: 86_400,
        salt: B256::ZERO,
    };
    let setup = ChannelSetup {
        domain: domain(),
        terms,
        side: Side::One,
        peer: NodeId([2; 33]),
        own_key,
        counterparty_key: None,
        features: Features::NONE,
        policy: Policy::default(),
        deposit1: Amount::ZERO,
        deposit2: Amount::ZERO,
    };
    ChannelRecord::from_parts(RecordParts {
        setup,
        phase: Phase::Opening(OpeningStage::Requested),
        marks: Marks::default(),
        guard: Guard::default(),
        base: None,
        base_sequences: Sequences::default(),
        in_flight: vec![],
        own_pending: vec![],
        peer_pending: vec![],
        own_sequence: Default::default(),
        peer_sequence: Default::default(),
        withdrawal: None,
        invoices: Default::default(),
        secrets: Default::default(),
        chain: ChainFacts::default(),
        equivocation: None,
    })
    .unwrap()
}

/// A log that a test can look into and break.
#[derive(Clone, Default)]
pub(crate) struct TestLog(Arc<Mutex<TestLogState>>);

#[derive(Default)]
struct TestLogState {
    marks: Vec<Mark>,
    appends: usize,
    fails: bool,
}

#[derive(Debug, thiserror::Error)]
#[error("planted fault")]
pub(crate) struct Planted;

impl TestLog {
    pub(crate) fn signer(&self) -> ChannelSigner<Self> {
        let mut book = MarkBook::default();
        for mark in self.marks() {
            book.raise(mark).unwrap();
        }
        ChannelSigner::new(keys(), book, self.clone())
    }

    pub(crate) fn marks(&self) -> Vec<Mark> {
        self.0.lock().unwrap().marks.clone()
    }

    pub(crate) fn appends(&self) -> usize {
        self.0.lock().unwrap().appends
    }

    pub(crate) fn set_failing(&self, fails: bool) {
        self.0.lock().unwrap().fails = fails;
    }
}

impl MarkLog for TestLog {
    type Error = Planted;

    fn append(&mut self, marks: &[Mark]) -> Result<(), Planted> {
        let mut state = self.0.lock().unwrap();
        if state.fails {
            return Err(Planted);
        }
        state.appends += 1;
        state.marks.extend_from_slice(marks);
        Ok(())
    }

    fn shed(&mut self, _: &MarkBook) -> Result<(), Planted> {
        Ok(())
    }
}
