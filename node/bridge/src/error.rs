//! Why a transfer can't begin or go on, in words for whoever ordered it.

use alloy_primitives::{Address, B256, U256};
use lockstep_chain::error::ChainError;
use lockstep_chain::port::StoreFailed;
use lockstep_core::error::ErrorClass;
use lockstep_core::transfer::TransferError;
use thiserror::Error;

use crate::arbitrum::decimals::DecimalsError;
use crate::step::Layer;

/// Why the bridge side could not do what it was asked. Nothing was signed or sent for it.
#[derive(Debug, Error)]
pub enum BridgeError {
    /// A chain can't be read, or does not take a transaction.
    #[error("the {} side failed", name(*.layer))]
    Chain {
        /// Which.
        layer: Layer,
        /// Why.
        #[source]
        source: ChainError,
    },
    /// Endpoints serve another chain than was configured.
    #[error("the {} endpoints serve chain {found}, not {expected}: check the network's name and its endpoints", name(*.layer))]
    WrongChain {
        /// Which.
        layer: Layer,
        /// As configured.
        expected: u64,
        /// As served.
        found: u64,
    },
    /// The L1 contracts belong to another rollup.
    #[error(
        "the bridge at {entry} leads to chain {found}, not {expected}: L1 and rollup do not belong together"
    )]
    WrongPair {
        /// The entry contract.
        entry: Address,
        /// As configured.
        expected: u64,
        /// As the contract says.
        found: U256,
    },
    /// No contract is where the entry contract should be.
    #[error("no contract at {address} on {}: wrong network, or a wrong address in its file", name(*.layer))]
    NoCode {
        /// Which side.
        layer: Layer,
        /// Where.
        address: Address,
    },
    /// The code of the entry contract is not what was pinned.
    #[error("the code at {address} has hash {found}, the network's file pins {pinned}")]
    OtherCode {
        /// Where.
        address: Address,
        /// As pinned.
        pinned: B256,
        /// As served.
        found: B256,
    },
    /// The contracts do not point at each other.
    #[error("the contract at {address} does not belong to the bridge at {entry}")]
    Stranger {
        /// The entry contract.
        entry: Address,
        /// The one that points elsewhere.
        address: Address,
    },
    /// A contract answered with something that its interface does not have.
    #[error("the contract at {address} does not answer as a bridge of this kind")]
    Unreadable {
        /// Where.
        address: Address,
    },
    /// The bridge was changed since it was last looked at (P99).
    #[error(
        "the bridge's contracts were upgraded while this node ran: no new transfer begins, those under way go on; \
         start the node again once you trust the new code"
    )]
    Upgraded,
    /// The bridge does not pay out now.
    #[error("the bridge is paused: nothing is paid in while nothing could be paid out")]
    Paused,
    /// The chain has a gas token of its own.
    #[error("this chain pays gas with a token of its own, which is not supported")]
    CustomGasToken,
    /// A contract pays, and the bridge would change its address.
    #[error(
        "{payer} is a contract, which has another address on the rollup: name an account of yours there for refunds"
    )]
    ContractPayer {
        /// Who.
        payer: Address,
    },
    /// The refund account would be one that nobody has a key for.
    #[error(
        "refunds to {refund_to} would go to a contract on the rollup: name an account of yours"
    )]
    ContractRefund {
        /// Whom.
        refund_to: Address,
    },
    /// A payout in coin to a contract may fail for ever.
    #[error(
        "{recipient} is a contract on L1: should it refuse the coin, the bridge keeps it for ever; name an account"
    )]
    ContractRecipient {
        /// Whom.
        recipient: Address,
    },
    /// Only a channel that exists can get money.
    #[error("the channel is not open on chain: wait until it is, or cancel it")]
    ChannelNotOpen,
    /// The call can be made by one account alone.
    #[error(
        "only {owner} may make this call on the rollup, not {payer}: ask the other side for its consent first"
    )]
    NotOwner {
        /// Who pays.
        payer: Address,
        /// Who may.
        owner: Address,
    },
    /// No transfer has this name.
    #[error("there is no transfer {id}: `lockstep transfers` shows them")]
    UnknownTransfer {
        /// The name.
        id: B256,
    },
    /// It is no contract.
    #[error(
        "{account} is no contract on L1: on the rollup it has the same address, and its own key"
    )]
    NotContract {
        /// The account.
        account: Address,
    },
    /// Nothing is left at aliases here.
    #[error(
        "this rollup leaves no money at aliases: what is not delivered stays with its ticket, see `lockstep transfers`"
    )]
    NoAliasMoney,
    /// Nothing of the transfer waits for another attempt.
    #[error(
        "the rollup does not keep this delivery for another attempt: there is nothing to cancel"
    )]
    NotKept,
    /// Canceling would give back nothing.
    #[error(
        "a token's delivery can't be canceled: the token would stay with the bridge; it is run again instead"
    )]
    CancelLoses,
    /// This kind of rollup keeps no deliveries.
    #[error(
        "this rollup keeps no deliveries: what it does not take, the node fetches back by itself"
    )]
    NoCancel,
    /// What is ordered is no payment into a channel.
    #[error("only an open, a join or a deposit can be funded over a bridge")]
    NoPayment,
    /// The call would fail on the rollup.
    #[error("the rollup would refuse the call: nothing was sent")]
    WouldFail(#[source] ChainError),
    /// Nothing, or so little that it is not worth its fee.
    #[error("{amount} wei are worth less than the fee of {fee} wei")]
    BelowFee {
        /// What was to be moved. Units: wei.
        amount: U256,
        /// What it would cost. Units: wei.
        fee: U256,
    },
    /// The account does not hold it.
    #[error("account {account} holds {balance} of {token} on {}, {needed} are needed: fund it first", name(*.layer))]
    NoFunds {
        /// On which side.
        layer: Layer,
        /// Who.
        account: Address,
        /// Of what; zero is the native coin.
        token: Address,
        /// Units: base units.
        needed: U256,
        /// Units: base units.
        balance: U256,
    },
    /// The two tokens do not belong together.
    #[error(
        "token {l2_token} on the rollup is not the bridge's own form of {l1_token}: the bridge would keep the money"
    )]
    WrongToken {
        /// On L1.
        l1_token: Address,
        /// On the rollup.
        l2_token: Address,
    },
    /// The proof that an endpoint gave does not prove the withdrawal.
    #[error("an endpoint's proof of {withdrawal} does not hold: another endpoint is asked")]
    BadProof {
        /// The withdrawal.
        withdrawal: B256,
    },
    /// No endpoint gives a proof any more.
    #[error(
        "no endpoint of the rollup still has the state of block {block}: add an archive endpoint"
    )]
    NoProof {
        /// At which block.
        block: u64,
    },
    /// The notes of a transfer can't be read.
    #[error("the notes of transfer {id} can't be read by this version")]
    BadMemo {
        /// Which.
        id: B256,
    },
    /// No gateway of tokens is configured.
    #[error(
        "no token gateway is configured for this network: name its L1 router in the network's file"
    )]
    NoTokenRouter,
    /// The two sides count the token with different decimals.
    #[error("the two sides count the token with different decimals")]
    Decimals(#[from] DecimalsError),
    /// A fee that no chain has.
    #[error("the fees that were read are no real ones")]
    AbsurdFee,
    /// The rollup offers no way in from L1.
    #[error("L1 can't force a call into this rollup")]
    NoForce,
    /// The call is too large to be forced in.
    #[error("the call would take {gas} gas, L1 can force in at most {most}")]
    TooLargeToForce {
        /// As estimated.
        gas: u64,
        /// As the bridge allows.
        most: u64,
    },
    /// L1 has refused a call as often as it is tried.
    #[error(
        "L1 has refused a forced call {attempts} times: it is not tried again, somebody must look"
    )]
    ForceRefused {
        /// How often it was tried.
        attempts: u8,
    },
    /// The name stands for another transfer.
    #[error("this name stands for another transfer already: choose a new one")]
    OtherTransfer,
    /// A transfer could not be made durable.
    #[error("a transfer could not be made durable")]
    Store(#[from] StoreFailed),
    /// What was seen does not fit the transfer.
    #[error("what was seen does not fit the transfer")]
    Event(#[from] TransferError),
    /// The contracts have not been checked yet.
    #[error("the bridge's contracts have not been checked yet: try again in a moment")]
    NotReady,
    /// Nobody can send now.
    #[error("the node is stopping")]
    Stopping,
}

fn name(layer: Layer) -> &'static str {
    match layer {
        Layer::L1 => "L1",
        Layer::L2 => "the rollup",
    }
}

impl BridgeError {
    /// What a caller does about it.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Chain { source, .. } => source.class(),
            Self::BadProof { .. }
            | Self::NoProof { .. }
            | Self::AbsurdFee
            | Self::Event(_)
            | Self::NotReady
            | Self::Stopping => ErrorClass::Transient,
            Self::Store(_) => ErrorClass::Fatal,
            Self::WrongChain { .. }
            | Self::WrongPair { .. }
            | Self::NoCode { .. }
            | Self::OtherCode { .. }
            | Self::Stranger { .. }
            | Self::Unreadable { .. }
            | Self::Upgraded
            | Self::Paused
            | Self::CustomGasToken
            | Self::ContractPayer { .. }
            | Self::ContractRefund { .. }
            | Self::ContractRecipient { .. }
            | Self::ChannelNotOpen
            | Self::NotOwner { .. }
            | Self::UnknownTransfer { .. }
            | Self::NotContract { .. }
            | Self::NoAliasMoney
            | Self::NotKept
            | Self::CancelLoses
            | Self::NoCancel
            | Self::NoPayment
            | Self::WouldFail(_)
            | Self::BelowFee { .. }
            | Self::NoFunds { .. }
            | Self::WrongToken { .. }
            | Self::BadMemo { .. }
            | Self::NoTokenRouter
            | Self::Decimals(_)
            | Self::NoForce
            | Self::TooLargeToForce { .. }
            | Self::ForceRefused { .. }
            | Self::OtherTransfer => ErrorClass::Refused,
        }
    }

    /// Whether a contract has refused a call.
    pub fn is_revert(&self) -> bool {
        let Self::Chain { source: ChainError::Endpoint(error), .. } = self else { return false };
        error.revert().is_some()
    }

    /// For `map_err`: something of L1.
    pub fn on_l1(source: impl Into<ChainError>) -> Self {
        Self::Chain { layer: Layer::L1, source: source.into() }
    }

    /// For `map_err`: something of the rollup.
    pub fn on_l2(source: impl Into<ChainError>) -> Self {
        Self::Chain { layer: Layer::L2, source: source.into() }
    }
}
