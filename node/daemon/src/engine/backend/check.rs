//! Dry runs: the same checks as the order itself, and what it would do.

mod care;
mod money;

use super::{chain_order, channel, describe, peer};
use crate::engine::shared::Shared;
use crate::engine::wording;
use lockstep_core::record::Phase;
use lockstep_rpc::backend::Spender;
use lockstep_rpc::failure::{Failure, FailureKind};
use lockstep_rpc::types::{
    CancelOpen, ChannelCall, CheckCall, CheckReport, CheckStep, Connect, CreateInvite, ForceClose,
    JoinChannel, OpenChannel, PeerCall, RejectChannel,
};
use std::sync::Arc;
use std::time::Duration;

/// How long a look for the other node may take.
const REACH: Duration = Duration::from_secs(10);

type Checked = Result<CheckReport, Failure>;

/// What an order would do, or the error that it would get.
pub(super) async fn check(shared: &Arc<Shared>, call: CheckCall, spender: Spender) -> Checked {
    match call {
        CheckCall::CreateInvite(call) => create_invite(shared, &call),
        CheckCall::Connect(call) => connect(shared, &call).await,
        CheckCall::DisconnectPeer(call) => disconnect(shared, &call),
        CheckCall::ForgetPeer(call) => forget(shared, &call),
        CheckCall::OpenChannel(call) => open(shared, &call).await,
        CheckCall::JoinChannel(call) => join(shared, &call).await,
        CheckCall::RejectChannel(call) => reject(shared, &call),
        CheckCall::CancelOpen(call) => cancel(shared, &call),
        CheckCall::Deposit(call) => money::deposit(shared, &call).await,
        CheckCall::Withdraw(call) => money::withdraw(shared, &call),
        CheckCall::CashCredit(call) => money::cash_credit(shared, &call).await,
        CheckCall::Fund(call) => money::fund(shared, &call),
        CheckCall::WithdrawToL1(call) => money::withdraw_to_l1(shared, &call).await,
        CheckCall::CancelTransfer(call) => money::cancel_transfer(shared, &call).await,
        CheckCall::CreateInvoice(call) => money::create_invoice(shared, &call),
        CheckCall::Pay(call) => money::pay(shared, &call, spender).await,
        CheckCall::PayBatch(call) => money::pay_batch(shared, &call, spender).await,
        CheckCall::CloseChannel(call) => close(shared, &call),
        CheckCall::ForceClose(call) => force_close(shared, call).await,
        CheckCall::FreezeChannel(call) => freeze(shared, &call),
        CheckCall::ExportProof(call) => care::export_proof(shared, &call).await,
        CheckCall::Backup(call) => care::backup(shared, &call),
        CheckCall::Recover(call) => care::recover(shared, &call),
        CheckCall::AddTower(call) => care::add_tower(shared, &call),
        CheckCall::RemoveTower(call) => care::remove_tower(shared, &call),
    }
}

fn create_invite(shared: &Shared, call: &CreateInvite) -> Checked {
    peer::create_invite(shared, call)?;
    works([
        "a link with this node's addresses is made; nothing of it is kept here",
        "whoever has the link can find this node and offer it a channel",
    ])
}

async fn connect(shared: &Arc<Shared>, call: &Connect) -> Checked {
    let contact = peer::read_invite(shared, &call.invite)?.contact();
    let mut report = report([
        "the node of the invite is written into the list of peers",
        "it is looked for from now on, and a link is kept to it",
    ]);
    if let Err(failure) = peer::probe(shared, &contact, REACH).await {
        report.warnings.push(failure.message);
    }
    Ok(report)
}

fn disconnect(shared: &Shared, call: &PeerCall) -> Checked {
    let peer = peer::plan_disconnect(shared, call)?;
    let mut report = report(["its link is ended, and it is no longer looked for"]);
    if peer.channels > 0 {
        let count = peer.channels;
        let message = format!("{count} channels with it wait until it is connected again");
        report.warnings.push(message);
    }
    Ok(report)
}

fn forget(shared: &Shared, call: &PeerCall) -> Checked {
    peer::plan_forget(shared, call)?;
    works(["its link is ended, and it is taken off the list of peers"])
}

async fn open(shared: &Arc<Shared>, call: &OpenChannel) -> Checked {
    let (contact, wanted) = channel::plan_open(shared, call).await?;
    let deposit = shared.settings.words(wanted.token, wanted.deposit);
    let mut report = report([
        "the other node is asked to agree to the terms".to_owned(),
        format!("openChannel is sent with a deposit of {deposit} once it has agreed"),
        "payments flow once that is final on the chain".to_owned(),
    ]);
    if let Err(failure) = peer::probe(shared, &contact, REACH).await {
        report.warnings.push(failure.message);
    }
    Ok(report)
}

async fn join(shared: &Arc<Shared>, call: &JoinChannel) -> Checked {
    let asked = channel::plan_join(shared, call).await?;
    let mut report = report(["our consent is signed and sent"]);
    if !asked.is_zero() {
        let offer = shared.offers.get(call.channel_id.0);
        let token = offer.map(|offer| offer.request.terms.token);
        let token = token.unwrap_or_else(|| shared.settings.coin());
        let asked = shared.settings.words(token, asked);
        report.steps.push(step(format!("{asked} is deposited once the channel is open")));
    }
    Ok(report)
}

fn reject(shared: &Shared, call: &RejectChannel) -> Checked {
    channel::plan_reject(shared, call)?;
    works(["the other node is told that its offer is declined; nothing is kept of it"])
}

fn cancel(shared: &Shared, call: &CancelOpen) -> Checked {
    works([match chain_order::plan_cancel(shared, call)? {
        Some(_) => "cancelOpen is sent; the deposit comes back to our account",
        None => "the offer is taken back; nothing of ours is in the contract yet",
    }])
}

fn close(shared: &Shared, call: &ChannelCall) -> Checked {
    shared.check_can_sign()?;
    let view = shared.registry.find(call.channel_id.0)?.view();
    check_open(shared, call.channel_id.0)?;
    let mut report = report([
        "both sides sign the final state; nothing is paid in the channel after it",
        "cooperativeClose is sent; the contract pays both sides at once",
    ]);
    if !view.is_connected {
        let message = "the counterparty is not connected: the close waits for it";
        report.warnings.push(message.to_owned());
    }
    Ok(report)
}

async fn force_close(shared: &Arc<Shared>, call: ForceClose) -> Checked {
    let call = ForceClose { dry_run: Some(true), ..call };
    let planned = chain_order::force_close(shared, &call).await?;
    let (version, wait) = (planned.version, planned.wait_secs);
    let first = format!("initiateClose is sent with version {version}");
    let last = format!("after {wait} s closeChannel is sent and the contract pays");
    let steps = vec![CheckStep { message: first, cost: planned.cost }, step(last)];
    Ok(CheckReport { steps, warnings: planned.warnings })
}

fn freeze(shared: &Shared, call: &ChannelCall) -> Checked {
    let view = shared.registry.find(call.channel_id.0)?.view();
    if view.marks.frozen.is_some() || view.is_over || view.is_settled() {
        let message = "the channel signs nothing more already";
        return Err(Failure::new(FailureKind::WrongPhase, message).safe("nothing was done"));
    }
    let mut report = report([
        "nothing more is signed in the channel, for ever; it is still watched, and stale closes are answered",
        "its money comes out with `lockstep force-close` only",
    ]);
    report.warnings.extend(describe::waiting(shared, &view).into_iter().map(|it| it.message));
    Ok(report)
}

fn report<S: Into<String>>(steps: impl IntoIterator<Item = S>) -> CheckReport {
    let steps = steps.into_iter().map(step).collect();
    CheckReport { steps, warnings: vec![] }
}

fn works<S: Into<String>>(steps: impl IntoIterator<Item = S>) -> Checked {
    Ok(report(steps))
}

fn step(message: impl Into<String>) -> CheckStep {
    CheckStep { message: message.into(), cost: None }
}

fn check_open(shared: &Shared, channel_id: lockstep_core::ids::ChannelId) -> Result<(), Failure> {
    let view = shared.registry.find(channel_id)?.view();
    if let Some(reason) = view.marks.frozen {
        return Err(Failure::new(FailureKind::Frozen, wording::freeze_reason(reason))
            .safe("nothing was done"));
    }
    match view.phase {
        Phase::Open => Ok(()),
        Phase::Opening(_)
        | Phase::Funding { .. }
        | Phase::Closing(_)
        | Phase::Disputed(_)
        | Phase::Settled(_) => {
            Err(Failure::new(FailureKind::WrongPhase, "the channel is not open")
                .safe("nothing was done")
                .advice("`lockstep channels` shows where it is and what it waits for"))
        }
    }
}
