//! From logs to facts, and from calldata to the evidence that it shows.

use crate::call::Contracts;
use crate::convert;
use crate::rpc::Transaction;
use alloy::rpc::types::Log;
use alloy_primitives::{B256, U256, keccak256};
use alloy_sol_types::{SolCall, SolEventInterface, SolInterface, SolValue};
use lockstep_contracts::bindings::PaymentChannel::{
    self as abi, PaymentChannelCalls, PaymentChannelEvents,
};
use lockstep_contracts::bindings::SecretRegistry::SecretRegistryEvents;
use lockstep_core::chain::{ChainFact, StoredPoint};
use lockstep_core::digest::SigningDomain;
use lockstep_core::ids::{ChannelId, Domain, Side, Version};
use lockstep_core::message::SignedState;
use lockstep_core::money::{Amount, Deposit, Deposits};
use lockstep_core::state::{State, StateKind};
use lockstep_core::time::BlockTimestamp;

/// Calls inside of calls that are looked into; the contract's own `multicall` needs one.
const MAX_NESTING: u8 = 2;

/// What a log is about, and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// Which channel; none for a secret, which any channel may wait for.
    pub channel_id: Option<ChannelId>,
    /// What happened.
    pub fact: ChainFact,
}

/// Reads a log of the contracts; none for events that change no channel's record, and for logs of others.
pub fn decode(contracts: &Contracts, log: &Log, at: BlockTimestamp) -> Option<Decoded> {
    if log.address() == contracts.registry {
        let SecretRegistryEvents::SecretRevealed(event) =
            SecretRegistryEvents::decode_log(&log.inner).ok()?.data;
        let fact = ChainFact::SecretRevealed { hash: event.hash, secret: event.secret, at };
        return Some(Decoded { channel_id: None, fact });
    }
    if log.address() != contracts.channel {
        return None;
    }
    let event = PaymentChannelEvents::decode_log(&log.inner).ok()?.data;
    let (id, fact) = channel_fact(event)?;
    Some(Decoded { channel_id: Some(ChannelId(id)), fact })
}

fn channel_fact(event: PaymentChannelEvents) -> Option<(B256, ChainFact)> {
    use PaymentChannelEvents as E;
    let amount = Amount::from_u256;
    Some(match event {
        E::ChannelOpened(e) => {
            (e.channelId, ChainFact::Opened { deposit1: amount(e.deposit1), is_active: e.active })
        }
        E::ChannelJoined(e) => (e.channelId, ChainFact::Joined { deposit2: amount(e.deposit2) }),
        E::ChannelFunded(e) => {
            let side = Side::from_number(e.side)?;
            (e.channelId, ChainFact::Funded { side, amount: amount(e.amount) })
        }
        E::ChannelCheckpoint(e) => {
            let state = abi::State {
                version: e.version,
                kind: e.kind,
                net: e.net,
                locked1: e.locked1,
                locked2: e.locked2,
                locksRoot: e.locksRoot,
            };
            let point = convert::stored_point(&state)?;
            (e.channelId, ChainFact::Checkpoint { point, evidence: None })
        }
        E::ChannelClosing(e) => (e.channelId, closing(&e)?),
        E::PartialWithdrawn(e) => {
            let deposit = |raw: alloy_primitives::I256| {
                i128::try_from(raw).ok().and_then(|raw| Deposit::new(raw).ok())
            };
            let deposits = Deposits::new(deposit(e.deposit1)?, deposit(e.deposit2)?).ok()?;
            (e.channelId, ChainFact::PartialWithdrawn { version: Version(e.version), deposits })
        }
        E::ChannelClosed(e) => {
            let fact = ChainFact::Closed {
                version: Version(e.version),
                paid1: amount(e.paid1),
                paid2: amount(e.paid2),
                held1: amount(e.held1),
                held2: amount(e.held2),
                mode: convert::close_mode(e.mode)?,
            };
            (e.channelId, fact)
        }
        E::LockResolved(e) => {
            let index = u32::try_from(e.index).ok()?;
            (e.channelId, ChainFact::LockResolved { index, is_paid: e.paid })
        }
        // Nothing that a channel's record holds.
        E::RemainderReturned(_)
        | E::ChallengeSkipped(_)
        | E::Credited(_)
        | E::Withdrawn(_)
        | E::OrderExecuted(_) => return None,
    })
}

fn closing(event: &abi::ChannelClosing) -> Option<ChainFact> {
    let state = abi::State {
        version: event.version,
        kind: event.kind,
        net: event.net,
        locked1: event.locked1,
        locked2: event.locked2,
        locksRoot: event.locksRoot,
    };
    Some(ChainFact::Closing {
        point: convert::stored_point(&state)?,
        closes_at: BlockTimestamp(event.closesAt.to::<u64>()),
        initiator: Side::from_number(event.initiatingSide)?,
        evidence: None,
    })
}

/// The proof of a stored point, where the transaction called the contract itself.
///
/// Only what holds is shown: a stranger may call with an older or a garbled state beside a point that is
/// stored already. A state with locks is proved only together with their list, which no call but
/// `resolveLocks` carries.
pub fn evidence(
    contracts: &Contracts,
    transaction: &Transaction,
    channel_id: ChannelId,
    point: &StoredPoint,
) -> Option<SignedState> {
    let is_provable = point.locks_root.is_zero() && point.version > Version::ZERO;
    if transaction.to != Some(contracts.channel) || !is_provable {
        return None;
    }
    let sought = Sought { contracts, channel_id, point };
    sought.find_in(&transaction.input, MAX_NESTING)
}

struct Sought<'a> {
    contracts: &'a Contracts,
    channel_id: ChannelId,
    point: &'a StoredPoint,
}

impl Sought<'_> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "generated; other calls carry no state")]
    fn find_in(&self, data: &[u8], nesting: u8) -> Option<SignedState> {
        use PaymentChannelCalls as C;
        match PaymentChannelCalls::abi_decode_validate(data).ok()? {
            C::initiateClose(c) => self.shown(&c.terms, &c.state, [&c.signature1, &c.signature2]),
            C::challengeClose(c) => self.shown(&c.terms, &c.state, [&c.signature1, &c.signature2]),
            C::updateState(c) => self.shown(&c.terms, &c.state, [&c.signature1, &c.signature2]),
            C::challengeCloseBatch(c) => c.items.iter().find_map(|item| {
                self.shown(&item.terms, &item.state, [&item.signature1, &item.signature2])
            }),
            C::multicall(c) => {
                let nesting = nesting.checked_sub(1)?;
                c.calls.iter().find_map(|inner| self.find_in(inner, nesting))
            }
            _ => None,
        }
    }

    /// A state of a call, if it is the one that the event names and both have signed it.
    fn shown(
        &self,
        terms: &abi::Terms,
        state: &abi::State,
        signatures: [&abi::Signature; 2],
    ) -> Option<SignedState> {
        let Contracts { chain_id, channel: contract, .. } = *self.contracts;
        let id = (U256::from(chain_id), contract, terms.clone()).abi_encode();
        if ChannelId(keccak256(id)) != self.channel_id
            || convert::stored_point(state)? != *self.point
        {
            return None;
        }
        let point = self.point;
        let kind = if point.is_final { StateKind::Final } else { StateKind::Ordinary };
        let state = State {
            channel_id: self.channel_id,
            version: point.version,
            kind,
            net: point.net,
            locked1: point.locked1,
            locked2: point.locked2,
            locks_root: point.locks_root,
        };
        let digest = SigningDomain::new(Domain::Evm { chain_id, contract }).state(&state);
        let [signature1, signature2] = signatures.map(convert::state_signature);
        for (signature, signer) in [(signature1, terms.signer1), (signature2, terms.signer2)] {
            if signature.recover_address(digest).ok()?? != signer {
                return None;
            }
        }
        Some(SignedState { state, locks: Vec::new(), signature1, signature2 })
    }
}

/// Reads what `channelOf` returned.
pub fn channel(data: &[u8]) -> Option<abi::Channel> {
    abi::channelOfCall::abi_decode_returns_validate(data).ok()
}
