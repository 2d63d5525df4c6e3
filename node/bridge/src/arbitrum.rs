//! Arbitrum (One, Nova, Orbit chains with ether as their coin): retryable tickets in, outbox out, delayed inbox by
//! force.
//!
//! In reading order. Facts without IO: [`alias`] who an L1 sender is on the rollup; [`ticket`], [`redeem`],
//! [`ether_deposit`] what a message from L1 becomes there and which hash it has; [`submission`] what it costs;
//! [`delayed`] the bridge's chain of messages; [`message`] those of one L1 transaction; [`exit`] and [`send_tree`]
//! a message to L1 and its proof; [`decimals`] amounts that two sides count differently; [`keeper`] what a ticket
//! needs that has not run. Then with both chains: [`site`] where the contracts are; `funding`, `delivery`,
//! `ticket_state` money in; `withdrawing`, `root`, [`payout`] money out; [`forcing`]; `eta`, when things happen;
//! `reporting`.

pub mod abi;
pub mod alias;
pub mod decimals;
pub mod delayed;
mod delivery;
mod eta;
pub mod ether_deposit;
pub mod exit;
pub mod forcing;
mod funding;
pub mod keeper;
pub mod message;
mod notes;
pub mod payout;
pub mod redeem;
mod reporting;
mod root;
pub mod send_tree;
pub mod site;
pub mod submission;
pub mod ticket;
mod ticket_state;
mod typed;
mod withdrawing;

#[cfg(test)]
mod tests;

use crate::error::BridgeError;
use crate::network::BridgeNetwork;
use crate::order::{ForceOrder, FundOrder, Start, WithdrawOrder};
use crate::reading::Reader;
use crate::rollup::{Progress, Report, Rollup, Sent};
use crate::step::{Call, Layer};
use alloy_primitives::{Address, B256};
use forcing::Inclusion;
use futures::future::BoxFuture;
use lockstep_chain::endpoints::Endpoints;
use lockstep_core::transfer::{TransferRecord, TransferStage};
use site::Site;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use submission::HeadRoom;

/// One Arbitrum chain and the L1 that it settles on.
#[derive(Clone, Debug)]
pub struct Arbitrum {
    network: BridgeNetwork,
    l1: Reader,
    l2: Reader,
    room: HeadRoom,
    /// Where the contracts were when a call was forced last; see [`Self::known_site`].
    known: Arc<Mutex<Option<Site>>>,
}

impl Arbitrum {
    /// With the endpoints of both chains.
    pub fn new(network: BridgeNetwork, l1: Endpoints, l2: Endpoints) -> Self {
        let (l1, l2) = (Reader::new(Layer::L1, l1), Reader::new(Layer::L2, l2));
        Self { network, l1, l2, room: HeadRoom::default(), known: Arc::default() }
    }

    /// The same with other head room over today's fees.
    #[must_use]
    pub fn with_room(mut self, room: HeadRoom) -> Self {
        self.room = room;
        self
    }

    /// Where the contracts are, as L1 says now.
    ///
    /// # Errors
    /// If they do not belong together, or L1 can't be read.
    pub async fn site(&self) -> Result<Site, BridgeError> {
        Site::read(&self.l1, &self.network).await
    }

    /// The same as it was read before: a dozen reads for each of many calls that go through L1 would take longer than
    /// they have. Forgotten as soon as one of them fails.
    async fn known_site(&self) -> Result<Site, BridgeError> {
        if let Some(site) = *self.lock_known() {
            return Ok(site);
        }
        let site = self.site().await?;
        *self.lock_known() = Some(site);
        Ok(site)
    }

    fn lock_known(&self) -> MutexGuard<'_, Option<Site>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The outcome of what went by [`Self::known_site`].
    fn noted<T>(&self, outcome: Result<T, BridgeError>) -> Result<T, BridgeError> {
        if outcome.is_err() {
            *self.lock_known() = None;
        }
        outcome
    }

    async fn check_all(&self) -> Result<(), BridgeError> {
        self.l1.check_chain(self.network.l1_chain_id).await?;
        self.l2.check_chain(self.network.l2_chain_id).await?;
        if let Some(pinned) = self.network.entry_code_hash {
            let (_, found) = self.l1.proxy(self.network.entry).await?;
            if found != pinned {
                let address = self.network.entry;
                return Err(BridgeError::OtherCode { address, pinned, found });
            }
        }
        let site = self.site().await?;
        *self.lock_known() = Some(site);
        Ok(())
    }
}

impl Rollup for Arbitrum {
    fn chains(&self) -> (u64, u64) {
        (self.network.l1_chain_id, self.network.l2_chain_id)
    }

    fn check(&self) -> BoxFuture<'_, Result<(), BridgeError>> {
        Box::pin(self.check_all())
    }

    fn fund<'a>(&'a self, order: &'a FundOrder) -> BoxFuture<'a, Result<Start, BridgeError>> {
        Box::pin(self.order_fund(order))
    }

    fn withdraw<'a>(
        &'a self,
        order: &'a WithdrawOrder,
    ) -> BoxFuture<'a, Result<Start, BridgeError>> {
        Box::pin(self.order_withdraw(order))
    }

    fn advance<'a>(
        &'a self,
        record: &'a TransferRecord,
        sent: &'a Sent,
    ) -> BoxFuture<'a, Result<Progress, BridgeError>> {
        Box::pin(async move {
            let progress = match record.transfer.stage {
                TransferStage::Deposit(stage) => self.advance_deposit(record, stage, sent).await?,
                TransferStage::Withdraw(stage) => {
                    self.advance_withdraw(record, stage, sent).await?
                }
            };
            Ok(self.timed(record, progress).await)
        })
    }

    fn cancel<'a>(
        &'a self,
        record: &'a TransferRecord,
        owner: Address,
    ) -> BoxFuture<'a, Result<Call, BridgeError>> {
        Box::pin(self.order_cancel(record, owner))
    }

    fn force<'a>(&'a self, order: &'a ForceOrder) -> BoxFuture<'a, Result<Call, BridgeError>> {
        Box::pin(async move { self.noted(self.order_force(order).await) })
    }

    fn hurry(&self, l1_tx: B256) -> BoxFuture<'_, Result<Option<Call>, BridgeError>> {
        Box::pin(async move {
            Ok(match self.noted(self.inclusion(l1_tx).await)? {
                Inclusion::Due(call) => Some(call),
                Inclusion::Unsent | Inclusion::Read | Inclusion::TooSoon { .. } => None,
            })
        })
    }

    fn caused_by(&self, l1_tx: B256) -> BoxFuture<'_, Result<Vec<B256>, BridgeError>> {
        Box::pin(self.caused(l1_tx))
    }

    fn report(&self) -> BoxFuture<'_, Result<Report, BridgeError>> {
        Box::pin(self.look_around())
    }
}
