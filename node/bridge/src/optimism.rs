//! OP Stack rollups: OP Mainnet, Base, their test networks, and any chain with the same contracts.
//!
//! In reading order: [`abi`]; [`deposit`] and [`withdrawal`], what is hashed and how; `contracts`, found from the
//! one entry contract; `fund` and `deliver`, money on its way in; `withdraw`, `game`, [`proof`] and `payout`,
//! money on its way out; `force`, a way in past the sequencer; `eta`, when things happen; `report`; `memo`, what is kept with a transfer.

pub mod abi;
mod contracts;
mod deliver;
pub mod deposit;
mod eta;
mod force;
mod fund;
mod game;
pub mod memo;
mod payout;
pub mod proof;
mod report;
mod withdraw;
pub mod withdrawal;

use crate::error::BridgeError;
use crate::network::BridgeNetwork;
use crate::order::{ForceOrder, FundOrder, Start, WithdrawOrder};
use crate::reading::Reader;
use crate::rollup::{Progress, Report, Rollup, Sent};
use crate::step::{Call, Layer};
use alloy_primitives::B256;
use contracts::Contracts;
use futures::FutureExt;
use futures::future::BoxFuture;
use lockstep_chain::endpoints::Endpoints;
use lockstep_core::transfer::{TransferRecord, TransferStage};
use std::sync::{Mutex, OnceLock};

/// One OP Stack rollup and its L1.
#[derive(Debug)]
pub struct Optimism {
    l1: Reader,
    l2: Reader,
    network: BridgeNetwork,
    found: OnceLock<Contracts>,
    /// The contracts' code that new transfers are trusted with (P99).
    accepted: Mutex<Option<B256>>,
}

impl Optimism {
    /// Reads nothing yet.
    pub fn new(l1: Endpoints, l2: Endpoints, network: BridgeNetwork) -> Self {
        let (l1, l2) = (Reader::new(Layer::L1, l1), Reader::new(Layer::L2, l2));
        Self { l1, l2, network, found: OnceLock::new(), accepted: Mutex::new(None) }
    }
}

impl Rollup for Optimism {
    fn chains(&self) -> (u64, u64) {
        (self.network.l1_chain_id, self.network.l2_chain_id)
    }

    fn check(&self) -> BoxFuture<'_, Result<(), BridgeError>> {
        self.check_contracts().boxed()
    }

    fn fund<'a>(&'a self, order: &'a FundOrder) -> BoxFuture<'a, Result<Start, BridgeError>> {
        self.plan_fund(order).boxed()
    }

    fn withdraw<'a>(
        &'a self,
        order: &'a WithdrawOrder,
    ) -> BoxFuture<'a, Result<Start, BridgeError>> {
        self.plan_withdraw(order).boxed()
    }

    fn advance<'a>(
        &'a self,
        record: &'a TransferRecord,
        sent: &'a Sent,
    ) -> BoxFuture<'a, Result<Progress, BridgeError>> {
        async move {
            let progress = match record.transfer.stage {
                TransferStage::Deposit(stage) => self.deliver(record, stage, sent).await?,
                TransferStage::Withdraw(stage) => self.pay_out(record, stage, sent).await?,
            };
            Ok(self.timed(record, progress).await)
        }
        .boxed()
    }

    fn force<'a>(&'a self, order: &'a ForceOrder) -> BoxFuture<'a, Result<Call, BridgeError>> {
        self.plan_force(order).boxed()
    }

    /// Every block of the rollup begins with the deposits of its L1 block: there is nothing to be read later.
    fn hurry(&self, _: B256) -> BoxFuture<'_, Result<Option<Call>, BridgeError>> {
        async { Ok(None) }.boxed()
    }

    fn caused_by(&self, l1_tx: B256) -> BoxFuture<'_, Result<Vec<B256>, BridgeError>> {
        self.deposits_of_tx(l1_tx).boxed()
    }

    fn report(&self) -> BoxFuture<'_, Result<Report, BridgeError>> {
        self.read_report().boxed()
    }
}
