//! Whether a payment into the contract can be made now: asked before anything is signed for it.

use super::estimate;
use super::gas::{self, Bounds, Need};
use super::lane::Content;
use super::now::Now;
use super::offer::Job;
use super::{EntryRefusal, Fees, ObligationStore, Submitter};
use crate::call;
use crate::convert;
use crate::error::ChainError;
use crate::follower::vanish::channel_agreed;
use crate::rpc::{At, CallRequest};
use alloy_primitives::{Address, U256};
use alloy_sol_types::SolCall;
use lockstep_contracts::bindings::PaymentChannel as abi;
use lockstep_core::chain::ChannelStatus;
use lockstep_core::entry::{Entry, EntryCall, SignedEntry};
use lockstep_core::ids::{ChannelId, Domain, Side};
use lockstep_core::money::Amount;
use lockstep_core::terms::Terms;

/// A consent that ends sooner is not used: the channel would wait for the other side instead of being open.
/// Units: seconds.
const CONSENT_MARGIN_SECS: u64 = 30;

/// A fee may double once more before a close is over.
const RESERVE_PRICE: u128 = 2;

/// How an entry stands before its first signature.
pub(super) enum Readiness {
    /// It can be signed.
    Ready(Box<Sendable>),
    /// The contract must be allowed to take the token first.
    NeedsApproval {
        /// Which token.
        token: Address,
    },
}

/// All that an entry's first transaction takes but a nonce.
pub(super) struct Sendable {
    /// What is sent.
    pub(super) job: Job,
    /// With how much gas.
    pub(super) need: Need,
    /// With which fees.
    pub(super) fees: Fees,
}

impl<S: ObligationStore> Submitter<S> {
    /// Whether an entry can be signed now.
    ///
    /// # Errors
    /// [`ChainError::Entry`] if it can't be made; anything else may pass.
    pub(super) async fn readiness(
        &self,
        entry: &Entry,
        now: &Now,
    ) -> Result<Readiness, ChainError> {
        let from = convert::address(entry.from())?;
        if !self.lanes.iter().any(|lane| lane.address() == from) {
            return Err(EntryRefusal::NoAccount { account: from }.into());
        }
        check_owner(entry.call(), from)?;
        check_consent(entry.call(), now)?;
        self.check_status(entry.call()).await?;
        self.check_credit(entry.call(), from).await?;
        if let Some((token, amount)) = entry.call().payment() {
            let token = convert::address(token)?;
            if !token.is_zero() && !self.is_approved(from, token, amount).await? {
                return Ok(Readiness::NeedsApproval { token });
            }
        }
        let job = self.entry_job(entry)?;
        let request = CallRequest {
            from: Some(from),
            to: job.payload.to,
            data: job.payload.data.clone(),
            value: Some(job.payload.value),
        };
        // Before the estimate, which fails without saying why when the coin is short.
        self.check_coin(from, job.payload.value).await?;
        let need = match gas::need(&self.endpoints, &request, job.bounds).await {
            Err(ChainError::Endpoint(error)) => {
                return Err(match error.revert() {
                    Some(revert) => EntryRefusal::Reverts { revert }.into(),
                    None => error.into(),
                });
            }
            answer => answer?,
        };
        let need = Need { gas: need.gas.max(least_gas(entry.call())), ..need };
        let fees = self.entry_fees(&job, &need, now)?;
        let needed = need.cost(fees.max_fee).saturating_add(job.payload.value);
        self.check_coin(from, needed).await?;
        if entry.call().payment().is_some() {
            self.check_reserve(from, needed, now).await?;
        }
        Ok(Readiness::Ready(Box::new(Sendable { job, need, fees })))
    }

    /// What is sent for an entry.
    pub(super) fn entry_job(&self, entry: &Entry) -> Result<Job, ChainError> {
        let offers = entry.signed().map(SignedEntry::offers).unwrap_or_default();
        Ok(Job {
            content: Content::Entry(entry.id()),
            payload: call::encode_entry(&self.contracts, entry.call())?,
            max_cost: entry.max_cost(),
            window: None,
            floor: offers.iter().map(|offer| offer.max_fee_per_gas).max().unwrap_or(0),
            bounds: Bounds::of_payment(&self.endpoints),
        })
    }

    fn entry_fees(&self, job: &Job, need: &Need, now: &Now) -> Result<Fees, ChainError> {
        let fees = job.offer(need, now);
        if fees.max_fee < now.most.base_fee.max(1) {
            let needed = need.cost(now.most.fees.max_fee);
            let max_cost = job.max_cost.to_u256();
            return Err(EntryRefusal::TooExpensive { needed, max_cost }.into());
        }
        Ok(fees)
    }

    async fn check_coin(&self, account: Address, needed: U256) -> Result<(), ChainError> {
        let balance = self.endpoints.balance(account).await?;
        if balance >= needed {
            return Ok(());
        }
        Err(EntryRefusal::NoFunds { account, token: Address::ZERO, needed, balance }.into())
    }

    /// Whether the accounts could still bring one close to its end after a payment (P78): a deposit must not
    /// take what a challenge will need, nor what raises the deposit itself out of the challenge's way.
    async fn check_reserve(
        &self,
        account: Address,
        needed: U256,
        now: &Now,
    ) -> Result<(), ChainError> {
        let price = now.most.fees.max_fee.saturating_mul(RESERVE_PRICE);
        let reserve = U256::from(estimate::gas_of_a_close()).saturating_mul(U256::from(price));
        let (mut own, mut others) = (U256::ZERO, U256::ZERO);
        for lane in &self.lanes {
            let balance = self.endpoints.balance(lane.address()).await?;
            let known = if lane.address() == account { &mut own } else { &mut others };
            *known = known.saturating_add(balance);
        }
        if others >= reserve || own >= needed.saturating_add(reserve) {
            return Ok(());
        }
        Err(EntryRefusal::NoReserve { account, needed, reserve }.into())
    }

    /// Whether the channel can take the call as what it is meant to be: an open on an open channel would be a
    /// deposit, and anything on a closed one only a credit.
    async fn check_status(&self, call: &EntryCall) -> Result<(), ChainError> {
        let Some(terms) = call.terms() else { return Ok(()) };
        let id = self.channel_id(terms);
        let stored = channel_agreed(&self.endpoints, &self.contracts, id, At::Latest).await?;
        let status = convert::status(stored.status).ok_or(ChainError::Unfit)?;
        let fits = match call {
            EntryCall::Open { .. } => status == ChannelStatus::None,
            EntryCall::Join { .. } | EntryCall::CancelOpen { .. } => {
                status == ChannelStatus::Pending
            }
            EntryCall::Deposit { side: Side::One, .. } => {
                matches!(status, ChannelStatus::Pending | ChannelStatus::Active)
            }
            EntryCall::Deposit { side: Side::Two, .. } => status == ChannelStatus::Active,
            EntryCall::TakeCredit { .. } | EntryCall::Approve { .. } | EntryCall::Bridge(_) => true,
        };
        if fits { Ok(()) } else { Err(EntryRefusal::WrongStatus { status }.into()) }
    }

    fn channel_id(&self, terms: &Terms) -> ChannelId {
        let (chain_id, contract) = (self.contracts.chain_id, self.contracts.channel);
        terms.channel_id(Domain::Evm { chain_id, contract })
    }

    async fn check_credit(&self, call: &EntryCall, from: Address) -> Result<(), ChainError> {
        let EntryCall::TakeCredit { token, amount, .. } = call else { return Ok(()) };
        let available =
            self.endpoints.credit(&self.contracts, from, convert::address(*token)?).await?;
        let wanted = amount.to_u256();
        if available >= wanted {
            return Ok(());
        }
        Err(EntryRefusal::NoCredit { available, wanted }.into())
    }

    /// Whether the contract may take an amount of an account's token.
    async fn is_approved(
        &self,
        from: Address,
        token: Address,
        amount: Amount,
    ) -> Result<bool, ChainError> {
        let needed = amount.to_u256();
        let balance = self.endpoints.token_balance(token, from).await?;
        if balance < needed {
            return Err(EntryRefusal::NoFunds { account: from, token, needed, balance }.into());
        }
        let allowed = self.endpoints.allowance(token, from, self.contracts.channel).await?;
        Ok(allowed >= needed)
    }
}

/// A bridge's call may take more when it lands than when it is estimated, and says itself how much.
fn least_gas(call: &EntryCall) -> u64 {
    match call {
        EntryCall::Bridge(call) => call.least_gas,
        EntryCall::Open { .. }
        | EntryCall::Join { .. }
        | EntryCall::Deposit { .. }
        | EntryCall::CancelOpen { .. }
        | EntryCall::TakeCredit { .. }
        | EntryCall::Approve { .. } => 0,
    }
}

/// What only a participant may call. From anyone else the contract would keep an open or a join as a credit of
/// the participant, and the payer would have nothing.
fn check_owner(call: &EntryCall, account: Address) -> Result<(), ChainError> {
    let owner = match call {
        EntryCall::Open { terms, consent: None, .. } | EntryCall::CancelOpen { terms } => {
            terms.participant1
        }
        EntryCall::Join { terms, .. } => terms.participant2,
        EntryCall::Open { consent: Some(_), .. }
        | EntryCall::Deposit { .. }
        | EntryCall::TakeCredit { .. }
        | EntryCall::Approve { .. }
        | EntryCall::Bridge(_) => return Ok(()),
    };
    let owner = convert::address(owner)?;
    if owner == account { Ok(()) } else { Err(EntryRefusal::NotOwner { account, owner }.into()) }
}

fn check_consent(call: &EntryCall, now: &Now) -> Result<(), ChainError> {
    let EntryCall::Open { consent: Some((open, _)), .. } = call else { return Ok(()) };
    let (deadline, time) = (open.deadline, now.most.time);
    if time < deadline.saturating_sub_secs(CONSENT_MARGIN_SECS) {
        return Ok(());
    }
    Err(EntryRefusal::ConsentExpired { deadline, now: time }.into())
}

impl crate::endpoints::Endpoints {
    /// What a quorum says that the contract owes an account outside of any channel. Units: base units.
    ///
    /// # Errors
    /// If there is no quorum.
    pub async fn credit(
        &self,
        contracts: &call::Contracts,
        account: Address,
        token: Address,
    ) -> Result<U256, ChainError> {
        let data = abi::creditOfCall { token, account }.abi_encode();
        let request = CallRequest::view(contracts.channel, data.into());
        let answer = self.call_agreed(&request, At::Latest).await?;
        abi::creditOfCall::abi_decode_returns_validate(&answer).map_err(|_| ChainError::Unfit)
    }
}
