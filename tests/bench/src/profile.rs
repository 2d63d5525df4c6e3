//! Where the time of one payment goes: the same crates as in the nodes, one step after the other, in one thread.
//!
//! Two channels with journals of their own hand each other their messages. Each step is timed by itself; what a
//! payment between real nodes takes beyond the sum is its way: bytes and back, queues, wake-ups, the socket, the
//! caller.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use k256::ecdsa::SigningKey;
use k256::ecdsa::signature::hazmat::PrehashSigner as _;
use lockstep_core::channel::Channel;
use lockstep_core::commit::{self, Transition};
use lockstep_core::digest::SigningDomain;
use lockstep_core::ids::{Domain, Side};
use lockstep_core::input::{Command, Input};
use lockstep_core::message::PeerMessage;
use lockstep_core::money::Amount;
use lockstep_core::output::{AfterSigning, Output};
use lockstep_core::update::{Action, Memo, Payment};
use lockstep_signer::ChannelSigner;
use lockstep_signer::mark::file::{MarkFile, SyncPolicy};
use lockstep_store::journal::DiskJournal;
use lockstep_store::open::Options;
use serde_json::{Value, json};

use crate::floor::Floor;
use crate::forge::{self, Party};
use crate::stats::Sample;
use crate::watch::time;

/// Payments that share a state, in the two profiles.
pub const SIZES: [usize; 2] = [1, 500];

/// What is timed, in the order in which it happens.
pub const STEPS: [(&str, &str); 11] = [
    ("payer decides", "checks of the order, the next state, its digest"),
    ("payer journal", "rows, guard and head in one transaction, up to the sync"),
    ("payer fdatasync", "the floor's sync"),
    ("payer signs", "k256, RFC 6979, checked after"),
    ("payee decides", "checks of all payments, digest, verify"),
    ("payee journal", "as above, with the history of all payments"),
    ("payee fdatasync", "the floor's sync"),
    ("payee signs", "as above"),
    ("payer verifies", "the countersignature, and what it ends"),
    ("payer journal again", "history of all payments"),
    ("payer fdatasync again", "the floor's sync; other payments go on meanwhile"),
];

struct Steps(BTreeMap<&'static str, Vec<f64>>);

impl Steps {
    fn time<T>(&mut self, name: &'static str, act: impl FnOnce() -> T) -> T {
        let (done, secs) = time(act);
        self.0.entry(name).or_default().push(secs);
        done
    }

    /// A commit: what is above the floor's sync is the journal's own.
    fn commit<T>(&mut self, names: [&'static str; 2], floor: &Floor, act: impl FnOnce() -> T) -> T {
        let (done, secs) = time(act);
        let sync = floor.fdatasync.median().min(secs);
        self.0.entry(names[0]).or_default().push(secs - sync);
        self.0.entry(names[1]).or_default().push(sync);
        done
    }
}

struct End {
    channel: Channel,
    journal: DiskJournal,
    signer: ChannelSigner<MarkFile>,
}

impl End {
    fn new(folder: &Path, name: &str, one: &Party, two: &Party, side: Side) -> Result<Self> {
        let folder = folder.join(name);
        std::fs::create_dir_all(&folder)?;
        let (mut journal, _) = DiskJournal::open(&folder.join("journal"), &Options::default())?;
        let record = forge::record(domain(), one, two, side, 1)?;
        let created = vec![Transition::for_test(record, vec![], vec![])];
        let created = commit::commit(&mut journal, created)?.pop().context("one record")?;
        let (channel, _) = Channel::create(created);
        let marks = folder.join("marks");
        drop(MarkFile::create(&marks, SyncPolicy::EveryAppend)?);
        let (file, book) = MarkFile::open(&marks, SyncPolicy::OnDemand)?;
        let party = if side == Side::One { Party::absent(1)? } else { Party::absent(2)? };
        Ok(Self { channel, journal, signer: ChannelSigner::new(party.into_keys(), book, file) })
    }

    fn commit(&mut self, transition: Transition) -> Result<Vec<lockstep_core::output::Effect>> {
        let durable = commit::commit(&mut self.journal, vec![transition])?;
        Ok(self.channel.adopt(durable.into_iter().next().context("one step")?)?)
    }
}

fn domain() -> Domain {
    Domain::Evm { chain_id: 31_337, contract: alloy_primitives::Address::repeat_byte(0xcc) }
}

/// Times every step of states with so many payments, and answers with medians. Units: microseconds per state.
///
/// # Errors
/// If a step fails.
pub fn run(folder: &Path, floor: &Floor, size: usize, rounds: usize) -> Result<Value> {
    let folder = tempfile::Builder::new().prefix("profile-").tempdir_in(folder)?;
    let (one, two) = (Party::absent(1)?, Party::absent(2)?);
    let mut payer = End::new(folder.path(), "one", &one, &two, Side::One)?;
    let mut payee = End::new(folder.path(), "two", &one, &two, Side::Two)?;
    let mut steps = Steps(BTreeMap::new());
    for _ in 0..rounds {
        state(&mut payer, &mut payee, &mut steps, floor, size)?;
    }
    let sent = Amount::from(u128::try_from(size * rounds)?);
    let left = Amount::from(forge::DEPOSIT).checked_sub(sent)?;
    ensure!(payer.channel.balances()?.one == left, "the payer's balance is wrong");
    ensure!(payee.channel.balances()?.one == left, "the payee's view is wrong");
    let micros = |name: &str| steps.0.get(name).map(|all| Sample::new(all.clone()).median() * 1e6);
    let table: Vec<Value> = STEPS
        .iter()
        .map(|(name, what)| json!({"step": name, "what": what, "micros": micros(name)}))
        .collect();
    let sum: f64 = STEPS.iter().filter_map(|(name, _)| micros(name)).sum();
    Ok(json!({"payments": size, "steps": table, "sum_micros": sum, "parts": parts(size)?}))
}

fn state(
    payer: &mut End,
    payee: &mut End,
    steps: &mut Steps,
    floor: &Floor,
    size: usize,
) -> Result<()> {
    let pay = Payment { amount: Amount::from(1_u128), memo: Memo::default(), invoice: None };
    let order = Input::Command(Command::Update(vec![Action::Pay(pay); size]));
    let proposed = steps.time("payer decides", || payer.channel.handle(order))?;
    let names = ["payer journal", "payer fdatasync"];
    let effects = steps.commit(names, floor, || payer.commit(proposed))?;
    let message = steps.time("payer signs", || sign(payer, effects))?;
    let accepted = steps.time("payee decides", || payee.channel.handle(Input::Peer(message)))?;
    let names = ["payee journal", "payee fdatasync"];
    let effects = steps.commit(names, floor, || payee.commit(accepted))?;
    let answer = steps.time("payee signs", || sign(payee, effects))?;
    let ended = steps.time("payer verifies", || payer.channel.handle(Input::Peer(answer)))?;
    let names = ["payer journal again", "payer fdatasync again"];
    steps.commit(names, floor, || payer.commit(ended))?;
    Ok(())
}

/// The one message that a step sends, signed.
fn sign(end: &End, effects: Vec<lockstep_core::output::Effect>) -> Result<PeerMessage> {
    let signed = effects.into_iter().find_map(|effect| {
        if let Output::Sign { request, then: AfterSigning::Send(message) } = effect {
            Some((request, message))
        } else {
            None
        }
    });
    let (request, message) = signed.context("something to sign")?;
    let signature = end.signer.sign_batch(&[request]).pop().context("a signature")??;
    Ok(message.with_signature(signature))
}

/// What the curve and the hash take of the steps above. Units: microseconds.
fn parts(size: usize) -> Result<Value> {
    let one = Party::absent(1)?;
    let two = Party::absent(2)?;
    let record = forge::record(domain(), &one, &two, Side::One, size as u64 + 2)?;
    let signing = SigningDomain::new(domain());
    let key = SigningKey::from_slice(&[7; 32])?;
    let state = lockstep_core::state::State {
        channel_id: record.channel_id(),
        version: lockstep_core::ids::Version(1),
        kind: lockstep_core::state::StateKind::Ordinary,
        net: lockstep_core::money::Net::new(1)?,
        locked1: Amount::ZERO,
        locked2: Amount::ZERO,
        locks_root: lockstep_core::lock::locks_root(&[]),
    };
    let digests: Vec<f64> = (0..200).map(|_| time(|| signing.state(&state)).1).collect();
    let digest = signing.state(&state);
    let signs: Vec<f64> = (0..200)
        .map(|_| {
            let sign =
                || -> Result<k256::ecdsa::Signature, _> { key.sign_prehash(digest.0.as_slice()) };
            time(sign).1
        })
        .collect();
    let micros = |values| Sample::new(values).median() * 1e6;
    Ok(json!({"digest": micros(digests), "k256_sign": micros(signs)}))
}
