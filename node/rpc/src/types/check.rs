//! Dry runs: what an order would do.

use super::bridge::{Fund, WithdrawToL1};
use super::channel::{
    CancelOpen, CashCredit, ChannelCall, Deposit, ForceClose, JoinChannel, OpenChannel,
    RejectChannel, Withdraw,
};
use super::payment::{CreateInvoice, Pay, PayBatch};
use super::peer::{Connect, CreateInvite, PeerCall};
use super::recovery::{Backup, ExportProof, Recover};
use super::tower::{AddTower, TowerCall};
use super::value::AmountText;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An order to look at and not to carry out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "method", content = "params", rename_all = "camelCase")]
pub enum CheckCall {
    /// `lockstep_createInvite`.
    CreateInvite(CreateInvite),
    /// `lockstep_connect`.
    Connect(Connect),
    /// `lockstep_disconnectPeer`.
    DisconnectPeer(PeerCall),
    /// `lockstep_forgetPeer`.
    ForgetPeer(PeerCall),
    /// `lockstep_openChannel`.
    OpenChannel(OpenChannel),
    /// `lockstep_joinChannel`.
    JoinChannel(JoinChannel),
    /// `lockstep_rejectChannel`.
    RejectChannel(RejectChannel),
    /// `lockstep_cancelOpen`.
    CancelOpen(CancelOpen),
    /// `lockstep_deposit`.
    Deposit(Deposit),
    /// `lockstep_withdraw`.
    Withdraw(Withdraw),
    /// `lockstep_cashCredit`.
    CashCredit(CashCredit),
    /// `lockstep_fund`.
    Fund(Fund),
    /// `lockstep_withdrawToL1`.
    WithdrawToL1(WithdrawToL1),
    /// `lockstep_createInvoice`.
    CreateInvoice(CreateInvoice),
    /// `lockstep_pay`.
    Pay(Pay),
    /// `lockstep_payBatch`.
    PayBatch(PayBatch),
    /// `lockstep_closeChannel`.
    CloseChannel(ChannelCall),
    /// `lockstep_forceClose`.
    ForceClose(ForceClose),
    /// `lockstep_freezeChannel`.
    FreezeChannel(ChannelCall),
    /// `lockstep_exportProof`.
    ExportProof(ExportProof),
    /// `lockstep_backup`.
    Backup(Backup),
    /// `lockstep_recover`.
    Recover(Recover),
    /// `lockstep_addTower`.
    AddTower(AddTower),
    /// `lockstep_removeTower`.
    RemoveTower(TowerCall),
}

/// What transactions cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cost {
    /// Units: gas.
    pub gas: u64,
    /// In the chain's own coin at today's price, with what the rollup takes for data.
    pub fee: AmountText,
}

/// One thing that would happen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckStep {
    /// What, in one sentence.
    pub message: String,
    /// What it costs, for a transaction whose cost could be estimated.
    pub cost: Option<Cost>,
}

/// What an order would do. An order that would be refused is answered with the error of the order itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckReport {
    /// The steps, in order.
    pub steps: Vec<CheckStep>,
    /// What there is to know before it is ordered.
    pub warnings: Vec<String>,
}
