//! Orders that go straight to the chain: deposits, credit, the close without the counterparty.

use super::{channel, describe};
use crate::chain::{ChainTaskError, EntryOrder};
use crate::engine::event::Event;
use crate::engine::lock;
use crate::engine::shared::Shared;
use crate::engine::view::View;
use crate::engine::wording;
use alloy_primitives::{Address, B256, keccak256};
use lockstep_core::chain::{ChainCall, ChannelStatus, Evidence};
use lockstep_core::entry::{Entry, EntryCall, EntryId, EntryKind};
use lockstep_core::error::ErrorClass;
use lockstep_core::ids::{AccountRef, Side};
use lockstep_core::input::Command;
use lockstep_core::record::{OpeningStage, Phase};
use lockstep_core::time::Finality;
use lockstep_rpc::failure::{Failure, FailureKind};
use lockstep_rpc::types::{
    CancelOpen, CashCredit, Channel, Cost, Deposit, ForceClose, ForceCloseReport, Text,
};
use std::sync::Arc;
use tokio::sync::oneshot;

fn chain_failure(error: &ChainTaskError) -> Failure {
    let message = wording::chain_of(error);
    let failure = match error.class() {
        ErrorClass::Transient => Failure::new(FailureKind::ChainUnavailable, message)
            .advice("try again; `lockstep status` shows the chain's endpoints"),
        ErrorClass::Refused | ErrorClass::PeerFault => Failure::new(FailureKind::Refused, message),
        ErrorClass::Fatal => Failure::new(FailureKind::SigningStopped, message),
    };
    failure.safe("no money has moved")
}

/// Orders a payment into the contract, or out of our own credit.
async fn enter(shared: &Arc<Shared>, id: EntryId, call: EntryCall) -> Result<Entry, Failure> {
    let order = EntryOrder {
        id,
        from: shared.settings.account,
        call,
        max_cost: shared.settings.max_call_cost,
    };
    shared.chain.enter(order).await.map_err(|error| chain_failure(&error))
}

/// What a deposit is, checked.
pub(super) async fn plan_deposit(
    shared: &Arc<Shared>,
    call: &Deposit,
) -> Result<(Arc<View>, EntryCall), Failure> {
    shared.check_can_sign()?;
    let view = shared.registry.find(call.channel_id.0)?.view();
    let amount = call.amount.0;
    if amount.is_zero() {
        return Err(Failure::new(FailureKind::BadAmount, "nothing is deposited with zero")
            .safe("nothing was done"));
    }
    if view.phase != Phase::Open {
        let message = "money can be added only while the channel is open";
        return Err(Failure::new(FailureKind::WrongPhase, message)
            .safe("nothing was done")
            .advice("`lockstep channels` shows what it waits for"));
    }
    if view.marks.restored.is_some() || view.marks.frozen.is_some() {
        let message = "the channel signs no payments any more, so no money is added";
        return Err(Failure::new(FailureKind::WrongPhase, message).safe("nothing was done"));
    }
    let terms = view.setup.terms;
    channel::check_funds(shared, terms.token, amount).await?;
    let side = view.side();
    Ok((view, EntryCall::Deposit { terms, side, amount }))
}

/// Adds to our deposit.
pub(super) async fn deposit(shared: &Arc<Shared>, call: &Deposit) -> Result<Channel, Failure> {
    let name = match &call.idempotency_key {
        Some(key) if key.is_empty() || key.chars().count() > 64 => {
            let message = "an idempotency key has 1 to 64 characters";
            return Err(Failure::new(FailureKind::Refused, message).safe("nothing was done"));
        }
        Some(key) => key.as_bytes().to_vec(),
        None => random_name()?.to_vec(),
    };
    let channel_id = call.channel_id.0;
    let id = EntryId::named(EntryKind::Deposit, channel_id.0, &name);
    let handle = shared.registry.find(channel_id)?;
    // A repeated order is answered even if the account could not pay it a second time.
    let known = shared.chain.entry(id).await.map_err(|error| chain_failure(&error))?;
    let order = match known {
        Some(known) if !known.has_failed() => {
            let terms = handle.view().setup.terms;
            let side = handle.view().side();
            EntryCall::Deposit { terms, side, amount: call.amount.0 }
        }
        Some(_) | None => plan_deposit(shared, call).await?.1,
    };
    lock(&shared.entries).insert(id.0, channel_id);
    let entry = enter(shared, id, order).await?;
    handle.urge(Event::Entry(Box::new(entry))).await;
    Ok(describe::channel(shared, &handle.view()))
}

pub(super) fn random_name() -> Result<B256, Failure> {
    let mut name = [0; 32];
    getrandom::fill(&mut name).map_err(|error| {
        Failure::new(FailureKind::Internal, format!("no randomness: {error}"))
            .safe("nothing was done")
    })?;
    Ok(B256::from(name))
}

/// What takes back a deposit that the other side never joined; none for an offer that nobody has answered, which is
/// only taken back here.
pub(super) fn plan_cancel(
    shared: &Shared,
    call: &CancelOpen,
) -> Result<Option<EntryCall>, Failure> {
    let view = shared.registry.find(call.channel_id.0)?.view();
    if view.phase == Phase::Opening(OpeningStage::Requested) {
        return Ok(None);
    }
    if view.side() == Side::One && view.chain.status == ChannelStatus::Pending {
        owned_here(shared, view.setup.terms.participant1, "cancelOpen of the contract")?;
        return Ok(Some(EntryCall::CancelOpen { terms: view.setup.terms }));
    }
    let message = if matches!(view.phase, Phase::Opening(_)) {
        "the offer was taken back or declined already; nothing of ours is in the contract"
    } else if view.chain.status == ChannelStatus::Active {
        "the channel is active: it is closed, not cancelled"
    } else {
        "there is no deposit of ours that waits for the other side to join"
    };
    Err(Failure::new(FailureKind::WrongPhase, message).safe("nothing was done"))
}

/// What the contract takes from the owner of our side alone this node can't do for another account.
fn owned_here(shared: &Shared, owner: AccountRef, call: &str) -> Result<(), Failure> {
    let (owner, account) = (Text(owner), Text(AccountRef::Evm(shared.settings.account)));
    if owner == account {
        return Ok(());
    }
    let message = format!("the money is account {owner}'s, and this node sends from {account}");
    Err(Failure::new(FailureKind::Refused, message)
        .safe("nothing was done; the money stays in the contract for its owner")
        .advice(format!("send {call} from account {owner}")))
}

/// Takes back a deposit.
pub(super) async fn cancel_open(
    shared: &Arc<Shared>,
    call: &CancelOpen,
) -> Result<Channel, Failure> {
    let Some(order) = plan_cancel(shared, call)? else {
        let handle = channel::order(shared, call.channel_id.0, Command::CancelOpen).await?;
        return Ok(describe::channel(shared, &handle.view()));
    };
    shared.check_can_sign()?;
    let handle = shared.registry.find(call.channel_id.0)?;
    let entry = enter(shared, EntryId::cancel(call.channel_id.0), order).await?;
    handle.urge(Event::Entry(Box::new(entry))).await;
    Ok(describe::channel(shared, &handle.view()))
}

/// What fetches our credit.
pub(super) async fn plan_credit(
    shared: &Arc<Shared>,
    call: &CashCredit,
) -> Result<EntryCall, Failure> {
    let token = call.token.map_or_else(|| shared.settings.coin(), |token| token.0);
    let AccountRef::Evm(address) = token else {
        return Err(Failure::new(
            FailureKind::NotSupported,
            "this chain's tokens are not supported",
        ));
    };
    let account = shared.settings.account;
    let asked = (address != Address::ZERO).then_some(address);
    // Channels from before another owner was named still pay to this node's own account.
    let own = shared.chain.credit(account, asked).await;
    let amount = own.map_err(|error| chain_failure(&error))?;
    if !amount.is_zero() {
        return Ok(EntryCall::TakeCredit { token, to: AccountRef::Evm(account), amount });
    }
    let owner = shared.settings.owner;
    let owned = shared.chain.credit(owner, asked).await;
    if !owned.map_err(|error| chain_failure(&error))?.is_zero() {
        owned_here(shared, AccountRef::Evm(owner), "withdraw of the contract")?;
    }
    Err(Failure::new(FailureKind::Refused, "the contract owes this account no credit")
        .safe("nothing was done"))
}

/// Fetches our credit.
pub(super) async fn cash_credit(shared: &Arc<Shared>, call: &CashCredit) -> Result<B256, Failure> {
    shared.check_can_sign()?;
    let order = plan_credit(shared, call).await?;
    let account = shared.settings.account.into_word();
    let id = EntryId::named(EntryKind::TakeCredit, keccak256(account), random_name()?.as_slice());
    let entry = enter(shared, id, order).await?;
    entry.tx().ok_or_else(|| {
        Failure::new(FailureKind::TimedOut, "the withdrawal is ordered and not sent yet")
            .safe("it is durable and goes out as soon as the chain answers")
    })
}

/// Closes without the counterparty, or says what that would mean.
pub(super) async fn force_close(
    shared: &Arc<Shared>,
    call: &ForceClose,
) -> Result<ForceCloseReport, Failure> {
    let handle = shared.registry.find(call.channel_id.0)?;
    let view = handle.view();
    match &view.phase {
        // What was seen and is not final may be one endpoint's word alone (P12).
        Phase::Disputed(dispute) if dispute.sighting.finality != Finality::Final => {}
        Phase::Disputed(_) | Phase::Settled(_) => {
            let message = "the channel is being closed, or is closed, already";
            return Err(Failure::new(FailureKind::WrongPhase, message).safe("nothing was done"));
        }
        Phase::Opening(_) | Phase::Funding { .. } if view.chain.status != ChannelStatus::Active => {
            let message = "the channel is not open on the chain, so there is nothing to close";
            return Err(Failure::new(FailureKind::WrongPhase, message)
                .safe("nothing was done")
                .advice("`lockstep channels` shows what it waits for"));
        }
        Phase::Opening(_) | Phase::Funding { .. } | Phase::Open | Phase::Closing(_) => {}
    }
    let (answer, answered) = oneshot::channel();
    handle.post_urgent(Event::Evidence(answer))?;
    let evidence = answered.await.map_err(|_| wording::stopping())??;
    let cost = estimate(shared, &view, evidence).await;
    let is_dry_run = call.dry_run.unwrap_or(false);
    if !is_dry_run {
        channel::order(shared, call.channel_id.0, Command::ForceClose).await?;
    }
    let side = view.side();
    Ok(ForceCloseReport {
        channel: describe::channel(shared, &handle.view()),
        is_ordered: !is_dry_run,
        version: view.version.0,
        own_payout: Text(view.balances.of(side)),
        counterparty_payout: Text(view.balances.of(side.other())),
        wait_secs: u64::from(view.setup.terms.challenge_period),
        cost,
        warnings: warnings(&view),
    })
}

/// What it costs to start the close and to settle it; none if the chain can't say.
async fn estimate(shared: &Shared, view: &View, evidence: Option<Evidence>) -> Option<Cost> {
    let calls = [ChainCall::InitiateClose(evidence), ChainCall::Close];
    let terms = &view.setup.terms;
    // In the name of the owner, who needs no order of our signer for it.
    let AccountRef::Evm(owner) = terms.participant(view.side()) else { return None };
    match shared.chain.estimate(owner, terms, &calls).await {
        Ok(estimate) => Some(Cost { gas: estimate.gas, fee: Text(estimate.expected) }),
        Err(error) => {
            tracing::debug!(error = %wording::chain_of(&error), "a close could not be estimated");
            None
        }
    }
}

fn warnings(view: &View) -> Vec<String> {
    let mut warnings = Vec::new();
    if view.marks.restored.is_some() {
        warnings.push(
            "this channel has lost data: the state shown may be old. The counterparty can answer with a newer \
             one; ask it first to close together with `lockstep close`"
                .to_owned(),
        );
    }
    if view.pending > 0 {
        warnings.push(format!(
            "{} payments of ours are not final; those that the counterparty has not signed are not paid",
            view.pending
        ));
    }
    if view.has_locks {
        warnings.push(
            "conditional payments are open; each is decided on the chain after the close"
                .to_owned(),
        );
    }
    if view.is_connected && view.marks.restored.is_none() {
        warnings.push(
            "the counterparty is connected: `lockstep close` pays at once and costs less"
                .to_owned(),
        );
    }
    warnings
}
