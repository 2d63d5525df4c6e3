//! Channels written straight into journals, through the store's own interface: for cases with more channels than
//! anybody wants to open on a chain. Their keys and terms are the ones that the nodes themselves would use.

use std::fs;
use std::path::Path;

use alloy_primitives::{Address, B256, U256};
use anyhow::{Context as _, Result, anyhow};
use lockstep_core::chain::{ChannelStatus, EventPosition};
use lockstep_core::commit::{self, Transition};
use lockstep_core::ids::{AccountRef, Domain, NodeId, Sequence, Side};
use lockstep_core::money::{Amount, Deposit, Deposits};
use lockstep_core::record::{
    ChainFacts, ChannelRecord, ChannelSetup, Guard, Marks, Phase, RecordParts, Sequences,
};
use lockstep_core::request::KeyContext;
use lockstep_core::signature::SignerKey;
use lockstep_core::terms::{Features, PeriodBounds, Policy, Terms};
use lockstep_core::time::{BlockNumber, BlockPoint, BlockTimestamp};
use lockstep_signer::KeyRing;
use lockstep_signer::phrase::Phrase;
use lockstep_signer::secret::PinPolicy;
use lockstep_store::journal::DiskJournal;
use lockstep_store::open::Options;

use crate::node::{Node, PERIOD};

/// Transitions of one group of the journal.
const GROUP: usize = 64;
/// What each side has in each channel. Units: wei.
pub const DEPOSIT: u128 = 1_000_000_000_000_000_000;

/// One side of channels to be.
pub struct Party {
    keys: KeyRing,
    account: Address,
    /// Its name among nodes.
    pub node_id: NodeId,
}

impl Party {
    /// The party that a node is.
    ///
    /// # Errors
    /// If its words can't be read.
    pub fn of(node: &Node) -> Result<Self> {
        let words = fs::read_to_string(node.words())?;
        let phrase = Phrase::parse(words.trim()).map_err(|error| anyhow!("{error}"))?;
        Self::new(&phrase, node.account.parse().context("an address")?)
    }

    /// A counterparty that nobody runs.
    ///
    /// # Errors
    /// If no keys come out of its number.
    pub fn absent(number: u64) -> Result<Self> {
        let mut entropy = [0x5a; 32];
        entropy[..8].copy_from_slice(&number.to_be_bytes());
        let phrase = Phrase::from_entropy(&entropy.into()).map_err(|error| anyhow!("{error}"))?;
        Self::new(&phrase, Address::from_word(B256::from(U256::from(number + 1_000))))
    }

    fn new(phrase: &Phrase, account: Address) -> Result<Self> {
        let keys = KeyRing::new(phrase, PinPolicy::BestEffort)?;
        let node_id = keys.node_id()?;
        Ok(Self { keys, account, node_id })
    }

    /// Its keys, for a signer.
    #[must_use]
    pub fn into_keys(self) -> KeyRing {
        self.keys
    }

    fn key(&self, domain: Domain, peer: NodeId, salt: B256) -> Result<SignerKey> {
        Ok(self.keys.channel_key(&KeyContext { domain, peer, salt })?)
    }
}

/// The record of open channel number `number`, as `side` keeps it, before any payment.
///
/// # Errors
/// If the parts do not fit each other.
pub fn record(
    domain: Domain,
    one: &Party,
    two: &Party,
    side: Side,
    number: u64,
) -> Result<ChannelRecord> {
    let salt = B256::from(U256::from(number));
    let keys = [one.key(domain, two.node_id, salt)?, two.key(domain, one.node_id, salt)?];
    let terms = Terms {
        participant1: AccountRef::Evm(one.account),
        participant2: AccountRef::Evm(two.account),
        signer1: keys[0].address(),
        signer2: keys[1].address(),
        token: AccountRef::Evm(Address::ZERO),
        challenge_period: PERIOD,
        salt,
    };
    let (own_key, their_key, peer) = match side {
        Side::One => (keys[0], keys[1], two.node_id),
        Side::Two => (keys[1], keys[0], one.node_id),
    };
    let period = PeriodBounds { minimum: PERIOD, maximum: PERIOD };
    let deposit = Deposit::from_amount(Amount::from(DEPOSIT))?;
    let parts = RecordParts {
        setup: ChannelSetup {
            domain,
            terms,
            side,
            peer,
            own_key,
            counterparty_key: Some(their_key),
            features: Features::PARTIAL_WITHDRAW,
            policy: Policy { period, ..Policy::default() },
            deposit1: Amount::from(DEPOSIT),
            deposit2: Amount::from(DEPOSIT),
        },
        phase: Phase::Open,
        marks: Marks::default(),
        guard: Guard::default(),
        base: None,
        base_sequences: Sequences::default(),
        in_flight: vec![],
        own_pending: vec![],
        peer_pending: vec![],
        own_sequence: Sequence::ZERO,
        peer_sequence: Sequence::ZERO,
        withdrawal: None,
        invoices: Default::default(),
        secrets: Default::default(),
        chain: ChainFacts {
            status: ChannelStatus::Active,
            deposits: Deposits::new(deposit, deposit)?,
            finalized: BlockPoint { number: BlockNumber(1), timestamp: BlockTimestamp(1) },
            applied: EventPosition { block: BlockNumber(1), log_index: 0 },
        },
        equivocation: None,
    };
    Ok(ChannelRecord::from_parts(parts)?)
}

/// Writes records into the journal of a node that does not run.
///
/// # Errors
/// If the journal does not take them.
pub fn write(data_dir: &Path, records: Vec<ChannelRecord>) -> Result<()> {
    let mut name = data_dir.file_name().context("a folder's name")?.to_owned();
    name.push(".anchor");
    let anchor = Some(data_dir.with_file_name(name));
    let options = Options { anchor, ..Options::default() };
    let (mut journal, _) = DiskJournal::open(&data_dir.join("journal"), &options)?;
    let mut records = records.into_iter().peekable();
    while records.peek().is_some() {
        let group: Vec<_> = records.by_ref().take(GROUP).collect();
        let batch = group.into_iter().map(|record| Transition::for_test(record, vec![], vec![]));
        commit::commit(&mut journal, batch.collect())?;
    }
    Ok(())
}
