//! What is kept of a channel, and its form on disk: fixed widths, in one order, below 600 bytes with its
//! seal. One record per channel, whoever refers to it.

use alloy_primitives::{Address, B256};
use lockstep_core::adjudicator::Signatures;
use lockstep_core::appointment::{Appointment, CheckedAppointment, SealedLocks, record_hash};
use lockstep_core::digest::SigningDomain;
use lockstep_core::ids::{AccountRef, ChannelId, Digest, Domain, Side, Version};
use lockstep_core::money::{Amount, Net};
use lockstep_core::signature::{SignerKey, StateSignature};
use lockstep_core::state::{State, StateKind};
use lockstep_core::terms::Terms;
use lockstep_core::time::BlockTimestamp;
use thiserror::Error;

use crate::holding::Holding;

mod close;

pub use close::{KeptClose, SeenClose};

/// The form of records, references and accounts that this version writes.
const FORM: u8 = 1;

/// A row that does not mean anything: damaged, or of a newer version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a row of the tower's store cannot be read")]
pub struct Unreadable;

/// The newest state of a channel, and what the chain said about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The state with all that the contract needs; its sealed locks are kept apart.
    pub appointment: Appointment,
    /// The signers' keys.
    pub keys: [SignerKey; 2],
    /// The last partial withdrawal that the chain showed.
    pub withdraw_version: Version,
    /// Whether the chain has to be asked again before the next promise: something happened there.
    pub is_chain_news: bool,
    /// When a final block showed it closed. Units: seconds; zero while it is not.
    pub buried_at: u64,
    /// What is insured over all references.
    pub insured: Amount,
}

impl Unreadable {
    /// What was kept is not there any more.
    pub fn class(&self) -> lockstep_core::error::ErrorClass {
        lockstep_core::error::ErrorClass::Fatal
    }
}

impl Record {
    /// The record of an appointment whose channel the chain has just shown.
    pub fn new(checked: CheckedAppointment, withdraw_version: Version) -> Self {
        let keys = checked.keys();
        let mut appointment = checked.into_inner();
        appointment.sealed_locks = SealedLocks::EMPTY;
        Self {
            appointment,
            keys,
            withdraw_version,
            is_chain_news: false,
            buried_at: 0,
            insured: Amount::ZERO,
        }
    }

    /// The key of one side's signer.
    pub fn key(&self, side: Side) -> &SignerKey {
        let [one, two] = &self.keys;
        match side {
            Side::One => one,
            Side::Two => two,
        }
    }

    /// The bytes of a record.
    pub fn encode(&self) -> Vec<u8> {
        let Appointment { domain, terms, state, signatures, .. } = &self.appointment;
        let mut out = Writer::new();
        out.domain(*domain);
        for account in [terms.participant1, terms.participant2, terms.token] {
            out.bytes(&account.to_word().0);
        }
        out.bytes(&terms.signer1.0.0);
        out.bytes(&terms.signer2.0.0);
        out.bytes(&terms.challenge_period.to_be_bytes());
        out.bytes(&terms.salt.0);
        out.number(state.version.0);
        out.bytes(&[state.kind.number()]);
        out.bytes(&state.net.get().to_be_bytes());
        out.amount(state.locked1);
        out.amount(state.locked2);
        out.bytes(&state.locks_root.0);
        out.bytes(&signatures.one.0);
        out.bytes(&signatures.two.0);
        for key in &self.keys {
            out.bytes(&key.to_compressed());
        }
        out.number(self.withdraw_version.0);
        out.bytes(&[u8::from(self.is_chain_news)]);
        out.number(self.buried_at);
        out.amount(self.insured);
        out.0
    }

    /// The record of bytes.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let row = Row::decode(bytes)?;
        let terms = &row.appointment.terms;
        let key = |bytes, signer| SignerKey::new(bytes, signer).map_err(|_| Unreadable);
        let [one, two] = &row.keys;
        let keys = [key(one, terms.signer1)?, key(two, terms.signer2)?];
        let Row { appointment, withdraw_version, is_chain_news, buried_at, insured, .. } = row;
        Ok(Self { appointment, keys, withdraw_version, is_chain_news, buried_at, insured })
    }

    /// The record by its hash.
    pub fn holding(&self) -> Holding {
        holding(&self.appointment, self.insured, self.buried_at)
    }

    /// The same of bytes, without finding the points of the keys.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn decode_holding(bytes: &[u8]) -> Result<Holding, Unreadable> {
        let row = Row::decode(bytes)?;
        Ok(holding(&row.appointment, row.insured, row.buried_at))
    }
}

fn holding(appointment: &Appointment, insured: Amount, buried_at: u64) -> Holding {
    let channel_id = appointment.state.channel_id;
    let digest = SigningDomain::new(appointment.domain).state(&appointment.state);
    let record = record_hash(channel_id, digest, &appointment.signatures);
    Holding { channel_id, record, insured, buried_at }
}

impl Row {
    fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let mut row = Reader::new(bytes)?;
        let domain = row.domain()?;
        let (participant1, participant2, token) = (row.account()?, row.account()?, row.account()?);
        let terms = Terms {
            participant1,
            participant2,
            token,
            signer1: Address::new(row.take()?),
            signer2: Address::new(row.take()?),
            challenge_period: u32::from_be_bytes(row.take()?),
            salt: B256::new(row.take()?),
        };
        let channel_id = terms.channel_id(domain);
        let version = Version(row.number()?);
        let [kind] = row.take()?;
        let state = State {
            channel_id,
            version,
            kind: StateKind::from_number(kind).ok_or(Unreadable)?,
            net: Net::new(i128::from_be_bytes(row.take()?)).map_err(|_| Unreadable)?,
            locked1: row.amount()?,
            locked2: row.amount()?,
            locks_root: B256::new(row.take()?),
        };
        let signatures =
            Signatures { one: StateSignature(row.take()?), two: StateSignature(row.take()?) };
        let keys = [row.take()?, row.take()?];
        let withdraw_version = Version(row.number()?);
        let [news] = row.take()?;
        let buried_at = row.number()?;
        let insured = row.amount()?;
        row.end()?;
        let sealed_locks = SealedLocks::EMPTY;
        let appointment = Appointment { domain, terms, state, signatures, sealed_locks };
        let is_chain_news = news == 1;
        Ok(Row { appointment, keys, withdraw_version, is_chain_news, buried_at, insured })
    }
}

/// A record as it is read. The keys stay bytes: to find their points takes longer than all the rest, and
/// whoever reads a million records does without.
struct Row {
    appointment: Appointment,
    keys: [[u8; 33]; 2],
    withdraw_version: Version,
    is_chain_news: bool,
    buried_at: u64,
    insured: Amount,
}

/// One account's interest in a channel: whose side it is, and what it was promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The side that the account acts for.
    pub side: Side,
    /// The version of the newest promise; zero if there was none.
    pub version: Version,
    /// The state of the newest promise.
    pub state_hash: Digest,
    /// From when it holds.
    pub valid_from: BlockTimestamp,
    /// Until when.
    pub valid_until: BlockTimestamp,
    /// For which challenge period at least. Units: seconds.
    pub min_window: u32,
    /// For how much.
    pub insured: Amount,
    /// The last partial withdrawal that it knew of.
    pub withdraw_version: Version,
}

impl Reference {
    /// The bytes of a reference.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.bytes(&[self.side.number()]);
        out.number(self.version.0);
        out.bytes(&self.state_hash.0.0);
        out.number(self.valid_from.0);
        out.number(self.valid_until.0);
        out.bytes(&self.min_window.to_be_bytes());
        out.amount(self.insured);
        out.number(self.withdraw_version.0);
        out.0
    }

    /// The reference of bytes.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let mut row = Reader::new(bytes)?;
        let [side] = row.take()?;
        let reference = Self {
            side: Side::from_number(side).ok_or(Unreadable)?,
            version: Version(row.number()?),
            state_hash: Digest(B256::new(row.take()?)),
            valid_from: BlockTimestamp(row.number()?),
            valid_until: BlockTimestamp(row.number()?),
            min_window: u32::from_be_bytes(row.take()?),
            insured: row.amount()?,
            withdraw_version: Version(row.number()?),
        };
        row.end()?;
        Ok(reference)
    }
}

/// Which life of a client's journal was seen last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeenHead {
    /// The journal.
    pub journal_id: [u8; 16],
    /// How often it was opened.
    pub epoch: u64,
    /// Drawn at that opening.
    pub incarnation: [u8; 16],
}

/// One client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Channels that it may refer to.
    pub slots: u32,
    /// Channels that it refers to.
    pub used: u32,
    /// Which life of its journal was seen last.
    pub head: Option<SeenHead>,
}

impl Account {
    /// The bytes of an account.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.bytes(&self.slots.to_be_bytes());
        out.bytes(&self.used.to_be_bytes());
        out.bytes(&[u8::from(self.head.is_some())]);
        if let Some(SeenHead { journal_id, epoch, incarnation }) = self.head {
            out.bytes(&journal_id);
            out.number(epoch);
            out.bytes(&incarnation);
        }
        out.0
    }

    /// The account of bytes.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let mut row = Reader::new(bytes)?;
        let slots = u32::from_be_bytes(row.take()?);
        let used = u32::from_be_bytes(row.take()?);
        let head = match row.take()? {
            [0] => None,
            [1] => Some(SeenHead {
                journal_id: row.take()?,
                epoch: row.number()?,
                incarnation: row.take()?,
            }),
            [_] => return Err(Unreadable),
        };
        row.end()?;
        Ok(Self { slots, used, head })
    }
}

/// The channel that a record is about.
pub(crate) fn channel_of(record: &Record) -> ChannelId {
    record.appointment.state.channel_id
}

struct Writer(Vec<u8>);

impl Writer {
    fn new() -> Self {
        Self::of_form(FORM)
    }

    fn of_form(form: u8) -> Self {
        Self(vec![form])
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn number(&mut self, number: u64) {
        self.bytes(&number.to_be_bytes());
    }

    /// An amount that fits 128 bits, which every amount of a channel does.
    fn amount(&mut self, amount: Amount) {
        self.bytes(&amount.to_u128().unwrap_or(u128::MAX).to_be_bytes());
    }

    fn domain(&mut self, domain: Domain) {
        let kind: u8 = match domain {
            Domain::Evm { .. } => 1,
            Domain::Starknet { .. } => 2,
        };
        self.bytes(&[kind]);
        self.bytes(&domain.chain_word().0);
        self.bytes(&domain.contract().to_word().0);
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8]) -> Result<Self, Unreadable> {
        let (form, row) = Self::of_any_form(bytes)?;
        if form == FORM { Ok(row) } else { Err(Unreadable) }
    }

    fn of_any_form(bytes: &'a [u8]) -> Result<(u8, Self), Unreadable> {
        let mut row = Self(bytes);
        let [form] = row.take()?;
        Ok((form, row))
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Unreadable> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(Unreadable)?;
        self.0 = rest;
        Ok(*head)
    }

    fn number(&mut self) -> Result<u64, Unreadable> {
        self.take().map(u64::from_be_bytes)
    }

    fn amount(&mut self) -> Result<Amount, Unreadable> {
        self.take().map(|bytes| Amount::from(u128::from_be_bytes(bytes)))
    }

    fn account(&mut self) -> Result<AccountRef, Unreadable> {
        // Only EVM channels are taken, and their accounts are 20 bytes wide.
        self.take::<32>().map(|word| AccountRef::Evm(Address::from_word(B256::new(word))))
    }

    fn domain(&mut self) -> Result<Domain, Unreadable> {
        let [kind] = self.take()?;
        let (chain, contract) = (B256::new(self.take()?), B256::new(self.take()?));
        if kind != 1 {
            return Err(Unreadable);
        }
        let low = *chain.last_chunk::<8>().ok_or(Unreadable)?;
        Ok(Domain::Evm {
            chain_id: u64::from_be_bytes(low),
            contract: Address::from_word(contract),
        })
    }

    fn end(&self) -> Result<(), Unreadable> {
        if self.0.is_empty() { Ok(()) } else { Err(Unreadable) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
