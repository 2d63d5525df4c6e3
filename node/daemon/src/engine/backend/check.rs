//! Dry runs: the same checks as the order itself, and what it would do.

use super::{chain_order, channel, payment, peer};
use crate::engine::shared::Shared;
use crate::engine::wording;
use lockstep_core::record::Phase;
use lockstep_rpc::backend::Spender;
use lockstep_rpc::failure::{Failure, FailureKind};
use lockstep_rpc::types::{CheckCall, CheckReport, CheckStep, ForceClose};
use std::sync::Arc;
use std::time::Duration;

/// How long a look for the other node may take.
const REACH: Duration = Duration::from_secs(10);

/// What an order would do, or the error that it would get.
pub(super) async fn check(
    shared: &Arc<Shared>,
    call: CheckCall,
    spender: Spender,
) -> Result<CheckReport, Failure> {
    let mut warnings = Vec::new();
    let steps = match call {
        CheckCall::OpenChannel(call) => {
            let (contact, wanted) = channel::plan_open(shared, &call).await?;
            if let Err(failure) = peer::reach(shared, &contact, REACH).await {
                warnings.push(failure.message);
            }
            let deposit = shared.settings.words(wanted.token, wanted.deposit);
            vec![
                step("the other node is asked to agree to the terms"),
                step(format!("openChannel is sent with a deposit of {deposit} once it has agreed")),
                step("payments flow once that is final on the chain"),
            ]
        }
        CheckCall::JoinChannel(call) => {
            let asked = channel::plan_join(shared, &call).await?;
            let mut steps = vec![step("our consent is signed and sent")];
            if !asked.is_zero() {
                let offer = shared.offers.get(call.channel_id.0);
                let token = offer.map(|offer| offer.request.terms.token);
                let token = token.unwrap_or_else(|| shared.settings.coin());
                let asked = shared.settings.words(token, asked);
                steps.push(step(format!("{asked} is deposited once the channel is open")));
            }
            steps
        }
        CheckCall::CancelOpen(call) => {
            let words = match chain_order::plan_cancel(shared, &call)? {
                Some(_) => "cancelOpen is sent; the deposit comes back to our account",
                None => "the offer is taken back; nothing of ours is in the contract yet",
            };
            vec![step(words)]
        }
        CheckCall::Deposit(call) => {
            let (view, _) = chain_order::plan_deposit(shared, &call).await?;
            let amount = shared.settings.words(view.setup.terms.token, call.amount.0);
            vec![
                step(format!("deposit of {amount} is sent")),
                step("it may be spent once it is final on the chain"),
            ]
        }
        CheckCall::Withdraw(call) => {
            channel::withdrawal(shared, &call)?;
            check_open(shared, call.channel_id.0)?;
            vec![
                step("the counterparty is asked to sign the withdrawal"),
                step("partialWithdraw is sent; the money comes to our account"),
            ]
        }
        CheckCall::CashCredit(call) => {
            chain_order::plan_credit(shared, &call).await?;
            vec![step("withdraw is sent; the credit comes to our account")]
        }
        CheckCall::Pay(call) => {
            payment::plan(shared, &call, spender).await?;
            vec![step("the payment is made durable and sent to the counterparty")]
        }
        CheckCall::PayBatch(call) => {
            payment::plan_batch(shared, &call, spender).await?;
            vec![step(format!("{} payments are made with one commit", call.payments.len()))]
        }
        CheckCall::CloseChannel(call) => {
            shared.check_can_sign()?;
            let view = shared.registry.find(call.channel_id.0)?.view();
            check_open(shared, call.channel_id.0)?;
            if !view.is_connected {
                warnings
                    .push("the counterparty is not connected: the close waits for it".to_owned());
            }
            vec![
                step("both sides sign the final state; nothing is paid in the channel after it"),
                step("cooperativeClose is sent; the contract pays both sides at once"),
            ]
        }
        CheckCall::ForceClose(call) => {
            let call = ForceClose { dry_run: Some(true), ..call };
            let report = chain_order::force_close(shared, &call).await?;
            warnings.extend(report.warnings);
            let (version, wait) = (report.version, report.wait_secs);
            let first = format!("initiateClose is sent with version {version}");
            let last = format!("after {wait} s closeChannel is sent and the contract pays");
            vec![CheckStep { message: first, cost: report.cost }, step(last)]
        }
    };
    Ok(CheckReport { steps, warnings })
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
