//! Whether the contract did what the reference said, to the last field.

use crate::action::{Action, Step};
use crate::chain::{Chain, Outcome};
use crate::reference::{Done, Move, Reference, Told};
use crate::refusal::status_number;
use crate::world::World;
use alloy_primitives::{Address, I256, Log, U256};
use alloy_sol_types::{SolCall, SolEventInterface, SolInterface};
use lockstep_contracts::bindings::PaymentChannel::{
    self as C, PaymentChannelErrors as Error, PaymentChannelEvents as Event,
};
use lockstep_contracts::revert::Revert;
use lockstep_core::adjudicator::Slots;
use lockstep_core::chain::{ChainFact, CloseMode, StoredPoint};
use lockstep_core::ids::{ChannelId, Side, Version};
use lockstep_core::money::{Amount, Deposit, Deposits, Net};
use lockstep_core::time::BlockTimestamp;
use std::collections::BTreeMap;

/// Where contract and reference part.
#[derive(Clone, Debug)]
pub struct Difference {
    /// What was compared.
    pub what: String,
    /// What the reference says.
    pub reference: String,
    /// What the contract says.
    pub contract: String,
}

impl Difference {
    fn new(what: &str, reference: &dyn core::fmt::Debug, contract: &dyn core::fmt::Debug) -> Self {
        let what = what.to_owned();
        Self { what, reference: format!("{reference:#?}"), contract: format!("{contract:#?}") }
    }
}

/// Compares two values.
fn same<T: PartialEq + core::fmt::Debug>(
    what: &str,
    reference: &T,
    contract: &T,
) -> Result<(), Difference> {
    if reference == contract { Ok(()) } else { Err(Difference::new(what, reference, contract)) }
}

/// Success or refusal, and which one.
///
/// # Errors
/// If they differ.
pub fn verdict(
    expected: &Result<Done, Error>,
    outcome: &Outcome,
    step: &Step,
) -> Result<(), Difference> {
    match (expected, outcome) {
        (Ok(done), Outcome::Success { output, .. }) => returned(done, output, &step.action),
        (Err(error), Outcome::Revert(data)) => {
            same("error", &Revert::Channel(error.clone()), &Revert::decode(data))
        }
        (Ok(_), Outcome::Revert(data)) => {
            Err(Difference::new("verdict", &"success", &Revert::decode(data)))
        }
        (Err(error), Outcome::Success { .. }) => Err(Difference::new("verdict", error, &"success")),
        (expected, Outcome::Halt(reason)) => Err(Difference::new("verdict", expected, reason)),
    }
}

fn returned(done: &Done, output: &[u8], action: &Action) -> Result<(), Difference> {
    if !matches!(action, Action::Batch(_)) {
        return Ok(());
    }
    // The wallet wraps what it gets back.
    let reasons = C::challengeCloseBatchCall::abi_decode_returns(output).or_else(|_| {
        let inner = crate::fixture::FixtureWallet::actCall::abi_decode_returns(output)?;
        C::challengeCloseBatchCall::abi_decode_returns(&inner)
    });
    let reasons: Vec<[u8; 4]> =
        reasons.unwrap_or_default().into_iter().map(|reason| reason.0).collect();
    same("reasons of the batch", &done.reasons, &reasons)
}

/// What is stored about a channel.
///
/// # Errors
/// If it differs.
pub fn storage(
    world: &World,
    chain: &mut Chain,
    id: ChannelId,
    slots: &Slots,
) -> Result<(), Difference> {
    let data = C::channelOfCall { channelId: id.0 }.abi_encode();
    let output = chain.view(world.channels, data);
    let contract = C::channelOfCall::abi_decode_returns(&output)
        .map_err(|error| Difference::new("channelOf", &"a channel", &error))?;
    same("channelOf", &stored(slots), &contract)
}

/// The reference's storage in the contract's words.
fn stored(slots: &Slots) -> C::Channel {
    let deposit = |side| I256::try_from(slots.deposits.of(side).get()).unwrap_or(I256::MIN);
    C::Channel {
        status: status_number(slots.status),
        deposit1: deposit(Side::One),
        deposit2: deposit(Side::Two),
        version: slots.point.version.0,
        kind: slots.point.kind.number(),
        net: slots.point.net.to_i256(),
        locksRoot: slots.point.locks_root,
        held1: slots.held1.to_u256(),
        held2: slots.held2.to_u256(),
        resolved: slots.resolved,
        closesAt: alloy_primitives::Uint::from(slots.closes_at.map_or(0, |at| at.0)),
        initiatingSide: slots.initiator.map_or(0, Side::number),
        withdrawVersion: slots.withdraw_version.0,
        mode: slots.mode.map_or(0, mode_number),
    }
}

fn mode_number(mode: CloseMode) -> u8 {
    match mode {
        CloseMode::Cooperative => 1,
        CloseMode::Unilateral => 2,
        CloseMode::Cancelled => 3,
    }
}

/// Everybody's money, before a call.
pub type Balances = BTreeMap<(Address, Address), U256>;

/// What everybody has of every token.
#[must_use]
pub fn balances(world: &World, chain: &Chain) -> Balances {
    let everybody = world.everybody();
    let entry = |token: Address, account: &Address| {
        ((token, *account), world.balance(chain, token, *account))
    };
    world.tokens.iter().flat_map(|token| everybody.iter().map(|a| entry(*token, a))).collect()
}

/// Who has paid and received what, and that the contract holds exactly what it owes (P1).
///
/// # Errors
/// If one unit is elsewhere.
pub fn money(
    world: &World,
    chain: &Chain,
    reference: &Reference,
    before: &Balances,
    moves: &[Move],
) -> Result<(), Difference> {
    let mut expected = before.clone();
    for Move { token, from, to, amount } in moves {
        if let Some(balance) = expected.get_mut(&(*token, *from)) {
            *balance -= amount;
        }
        if let Some(balance) = expected.get_mut(&(*token, *to)) {
            *balance += reference.after_fee(*token, *amount);
        }
    }
    let after = balances(world, chain);
    for (key, balance) in &expected {
        same(&format!("balance of {key:?} (token, account)"), balance, &after[key])?;
    }
    for token in world.tokens {
        let held = after[&(token, world.channels)];
        same(&format!("money owed and held in {token}"), &reference.owed(token), &held)?;
    }
    Ok(())
}

/// What accounts may withdraw.
///
/// # Errors
/// If it differs.
pub fn credits(
    world: &World,
    chain: &mut Chain,
    reference: &Reference,
    told: &[Told],
) -> Result<(), Difference> {
    for entry in told {
        let (token, account) = match entry {
            Told::Credited(token, account, ..) | Told::Withdrawn(token, account, ..) => {
                (*token, *account)
            }
            Told::Fact(..) | Told::OrderExecuted(..) | Told::Skipped(..) => continue,
        };
        let data = C::creditOfCall { token, account }.abi_encode();
        let output = chain.view(world.channels, data);
        let contract = C::creditOfCall::abi_decode_returns(&output).unwrap_or_default();
        same("credit", &reference.credit(token, account), &contract)?;
    }
    Ok(())
}

/// What the logs tell.
///
/// # Errors
/// If they tell something else, or in another order.
pub fn logs(
    world: &World,
    logs: &[Log],
    done: &Done,
    reference: &Reference,
) -> Result<(), Difference> {
    let mut told = vec![];
    for log in logs.iter().filter(|log| log.address == world.channels) {
        let event = Event::decode_raw_log(log.topics(), &log.data.data)
            .map_err(|error| Difference::new("event", &"a known event", &error))?;
        told.extend(read(event, reference)?);
    }
    same("logs", &done.told, &told)
}

/// An event in the reference's words; what the reference does not tell is checked here.
fn read(event: Event, reference: &Reference) -> Result<Option<Told>, Difference> {
    let fact = |id: alloy_primitives::B256, fact| Some(Told::Fact(ChannelId(id), fact));
    let stored_at = |id: alloy_primitives::B256| {
        let mut channels = reference.channels();
        channels.find(|(known, _)| known.0 == id).map(|(_, channel)| channel.clone())
    };
    let amount = Amount::from_u256;
    Ok(match event {
        Event::ChannelOpened(e) => {
            if let Some(channel) = stored_at(e.channelId) {
                let terms = crate::action::terms(channel.terms());
                same("terms of ChannelOpened", &terms, &e.terms)?;
                let owners = (e.participant1, e.participant2);
                same(
                    "owners of ChannelOpened",
                    &(terms.participant1, terms.participant2),
                    &owners,
                )?;
            }
            let (deposit1, is_active) = (amount(e.deposit1), e.active);
            fact(e.channelId, ChainFact::Opened { deposit1, is_active })
        }
        Event::ChannelJoined(e) => {
            fact(e.channelId, ChainFact::Joined { deposit2: amount(e.deposit2) })
        }
        Event::ChannelFunded(e) => {
            let side = side_of(e.side)?;
            fact(e.channelId, ChainFact::Funded { side, amount: amount(e.amount) })
        }
        Event::ChannelCheckpoint(e) => {
            let point = point(e.version, e.net, e.kind, [e.locked1, e.locked2], e.locksRoot)?;
            fact(e.channelId, ChainFact::Checkpoint { point, evidence: None })
        }
        Event::ChannelClosing(e) => {
            let point = point(e.version, e.net, e.kind, [e.locked1, e.locked2], e.locksRoot)?;
            let closes_at = BlockTimestamp(e.closesAt.to());
            let initiator = side_of(e.initiatingSide)?;
            fact(e.channelId, ChainFact::Closing { point, closes_at, initiator, evidence: None })
        }
        Event::PartialWithdrawn(e) => {
            if let Some(channel) = stored_at(e.channelId) {
                let slots = channel.slots();
                let locks = (slots.held1, slots.held2, slots.point.locks_root);
                let told = (amount(e.locked1), amount(e.locked2), e.locksRoot);
                same("locks of PartialWithdrawn", &locks, &told)?;
                same("net of PartialWithdrawn", &slots.point.net.to_i256(), &e.net)?;
            }
            let deposits = Deposits::new(deposit(e.deposit1)?, deposit(e.deposit2)?);
            let deposits =
                deposits.map_err(|error| Difference::new("deposits", &"a sum", &error))?;
            let version = Version(e.version);
            fact(e.channelId, ChainFact::PartialWithdrawn { version, deposits })
        }
        Event::ChannelClosed(e) => {
            let mode = match e.mode {
                1 => CloseMode::Cooperative,
                2 => CloseMode::Unilateral,
                3 => CloseMode::Cancelled,
                other => return Err(Difference::new("mode", &"1 to 3", &other)),
            };
            let closed = ChainFact::Closed {
                version: Version(e.version),
                paid1: amount(e.paid1),
                paid2: amount(e.paid2),
                held1: amount(e.held1),
                held2: amount(e.held2),
                mode,
            };
            fact(e.channelId, closed)
        }
        Event::LockResolved(e) => {
            let index = e.index.to();
            fact(e.channelId, ChainFact::LockResolved { index, is_paid: e.paid })
        }
        // The payouts, which are compared, hold the remainder.
        Event::RemainderReturned(_) => None,
        Event::ChallengeSkipped(e) => Some(Told::Skipped(ChannelId(e.channelId), e.reason.0)),
        Event::Credited(e) => {
            Some(Told::Credited(e.token, e.account, ChannelId(e.channelId), e.amount))
        }
        Event::Withdrawn(e) => Some(Told::Withdrawn(e.token, e.account, e.to, e.amount)),
        Event::OrderExecuted(e) => Some(Told::OrderExecuted(e.account, e.id)),
    })
}

fn side_of(number: u8) -> Result<Side, Difference> {
    Side::from_number(number).ok_or_else(|| Difference::new("side", &"1 or 2", &number))
}

fn deposit(value: I256) -> Result<Deposit, Difference> {
    i128::try_from(value)
        .ok()
        .and_then(|value| Deposit::new(value).ok())
        .ok_or_else(|| Difference::new("deposit", &"within 120 bits", &value))
}

fn point(
    version: u64,
    net: I256,
    kind: u8,
    locked: [U256; 2],
    locks_root: alloy_primitives::B256,
) -> Result<StoredPoint, Difference> {
    let net = Net::from_i256(net).map_err(|error| Difference::new("net", &"in range", &error))?;
    Ok(StoredPoint {
        version: Version(version),
        net,
        is_final: kind == 1,
        locked1: Amount::from_u256(locked[0]),
        locked2: Amount::from_u256(locked[1]),
        locks_root,
    })
}

/// The error's name, for statistics.
#[must_use]
pub fn name_of(error: &Error) -> &'static str {
    Error::name_by_selector(error.selector()).unwrap_or("unknown")
}
