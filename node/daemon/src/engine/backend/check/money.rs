//! Dry runs of what moves money.

use super::{Checked, check_open, report, works};
use crate::engine::backend::{bridge, chain_order, channel, invoice, payment};
use crate::engine::shared::Shared;
use lockstep_core::ids::AccountRef;
use lockstep_rpc::backend::Spender;
use lockstep_rpc::types::{
    CashCredit, CreateInvoice, Deposit, Fund, Pay, PayBatch, TransferCall, Withdraw, WithdrawToL1,
};
use std::sync::Arc;

pub(super) async fn deposit(shared: &Arc<Shared>, call: &Deposit) -> Checked {
    let (view, _) = chain_order::plan_deposit(shared, call).await?;
    let amount = shared.settings.words(view.setup.terms.token, call.amount.0);
    works([
        format!("deposit of {amount} is sent"),
        "it may be spent once it is final on the chain".to_owned(),
    ])
}

pub(super) fn withdraw(shared: &Shared, call: &Withdraw) -> Checked {
    channel::withdrawal(shared, call)?;
    check_open(shared, call.channel_id.0)?;
    works([
        "the counterparty is asked to sign the withdrawal",
        "partialWithdraw is sent; the money comes to our account",
    ])
}

pub(super) async fn cash_credit(shared: &Arc<Shared>, call: &CashCredit) -> Checked {
    chain_order::plan_credit(shared, call).await?;
    works(["withdraw is sent; the credit comes to our account"])
}

pub(super) fn fund(shared: &Shared, call: &Fund) -> Checked {
    let Some(order) = bridge::plan_fund(shared, call)? else {
        return works(["nothing: the transfer of this name is under way already"]);
    };
    works([
        format!("one transaction is sent on L1 by account {}, which pays and is paid back there", order.payer),
        "the rollup's bridge brings the money into the channel; `lockstep transfers` shows how far it is".to_owned(),
        format!("if the rollup does not take it, it comes back to account {}", order.refund_to),
    ])
}

pub(super) async fn withdraw_to_l1(shared: &Arc<Shared>, call: &WithdrawToL1) -> Checked {
    let Some(order) = bridge::plan_withdraw(shared, call)? else {
        return works(["nothing: the transfer of this name is under way already"]);
    };
    let token = AccountRef::Evm(order.l2_token);
    channel::check_funds(shared, token, order.amount).await?;
    let amount = shared.settings.words(token, order.amount);
    works([
        format!("{amount} leave account {} on the rollup", order.owner),
        "the withdrawal is proved on L1 once the rollup has posted it there".to_owned(),
        format!("after the bridge's waiting time it is paid to {} on L1", order.recipient),
    ])
}

pub(super) async fn cancel_transfer(shared: &Arc<Shared>, call: &TransferCall) -> Checked {
    bridge::check_cancel(shared, call).await?;
    works([
        "the delivery that waits on the rollup is given up, and not run again",
        "its coin comes to this node's account on the rollup; what it has paid for gas does not",
    ])
}

pub(super) fn create_invoice(shared: &Shared, call: &CreateInvoice) -> Checked {
    let (expiry, _) = invoice::plan(shared, call)?;
    let view = shared.registry.find(call.channel_id.0)?.view();
    let amount = shared.settings.words(view.setup.terms.token, call.amount.0);
    let mut report = report([format!(
        "an invoice of {amount} is made, to be paid once until {expiry} (seconds since 1970)"
    )]);
    if call.amount.0 > view.balances.of(view.side().other()) {
        let message = "the counterparty can't pay as much in this channel now";
        report.warnings.push(message.to_owned());
    }
    Ok(report)
}

pub(super) async fn pay(shared: &Arc<Shared>, call: &Pay, spender: Spender) -> Checked {
    payment::plan(shared, call, spender).await?;
    works(["the payment is made durable and sent to the counterparty"])
}

pub(super) async fn pay_batch(shared: &Arc<Shared>, call: &PayBatch, spender: Spender) -> Checked {
    payment::plan_batch(shared, call, spender).await?;
    works([format!("{} payments are made with one commit", call.payments.len())])
}
