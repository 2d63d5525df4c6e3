//! What the engine asks of the bridge.

use super::task::Command;
use alloy_primitives::{Address, B256, U256};
use lockstep_bridge::courier::{Payers, TransferView};
use lockstep_bridge::error::BridgeError;
use lockstep_bridge::order::{FundOrder, Start, WithdrawOrder};
use lockstep_bridge::rollup::{AliasPurse, Report, Rollup};
use lockstep_bridge::step::Waiting;
use lockstep_chain::endpoints::Endpoints;
use lockstep_core::ids::ChannelId;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{mpsc, oneshot};

/// What the task has seen last.
#[derive(Clone, Default)]
pub(crate) struct Board(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    views: Vec<TransferView>,
    /// Why nothing is carried; none once the contracts have been checked.
    trouble: Option<Arc<BridgeError>>,
    is_checked: bool,
}

impl Board {
    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn show(&self, views: Vec<TransferView>) {
        self.lock().views = views;
    }

    pub(super) fn checked(&self, outcome: Result<(), BridgeError>) {
        let mut seen = self.lock();
        match outcome {
            Ok(()) => (seen.is_checked, seen.trouble) = (true, None),
            Err(error) => seen.trouble = Some(Arc::new(error)),
        }
    }

    pub(super) fn is_checked(&self) -> bool {
        self.lock().is_checked
    }
}

/// The bridge, from outside; cheap to clone.
#[derive(Clone)]
pub(crate) struct BridgeHandle {
    commands: mpsc::Sender<Command>,
    rollup: Arc<dyn Rollup>,
    board: Board,
    l1: Endpoints,
    payers: Payers,
}

impl BridgeHandle {
    pub(super) fn new(
        commands: mpsc::Sender<Command>,
        rollup: Arc<dyn Rollup>,
        board: Board,
        l1: Endpoints,
        payers: Payers,
    ) -> Self {
        Self { commands, rollup, board, l1, payers }
    }

    /// Our accounts on both chains.
    pub(crate) fn payers(&self) -> Payers {
        self.payers
    }

    /// What our account on L1 holds. Units: wei.
    ///
    /// # Errors
    /// If L1 can't be read.
    pub(crate) async fn l1_balance(&self) -> Result<U256, BridgeError> {
        self.l1.balance(self.payers.l1).await.map_err(BridgeError::on_l1)
    }

    /// Why nothing can be carried now, if so.
    pub(crate) fn trouble(&self) -> Option<Arc<BridgeError>> {
        let seen = self.board.lock();
        match seen.is_checked {
            true => None,
            false => Some(seen.trouble.clone().unwrap_or_else(|| Arc::new(BridgeError::NotReady))),
        }
    }

    /// Every transfer, from memory.
    pub(crate) fn transfers(&self) -> Vec<TransferView> {
        self.board.lock().views.clone()
    }

    /// Whether money is on its way into a channel. A transfer that was kept and never sent is none.
    pub(crate) fn carries(&self, channel: ChannelId) -> bool {
        let seen = self.board.lock();
        let is_live = |view: &TransferView| {
            !view.transfer.is_over() && view.next.waiting != Waiting::ForOrder
        };
        seen.views.iter().any(|view| view.channel == Some(channel) && is_live(view))
    }

    /// Funds a channel: checked, kept, sent.
    ///
    /// # Errors
    /// Why not; nothing was sent.
    pub(crate) async fn fund(&self, order: &FundOrder) -> Result<TransferView, BridgeError> {
        let start = self.rollup.fund(order).await?;
        self.begin(start).await
    }

    /// Withdraws to L1: checked, kept, sent.
    ///
    /// # Errors
    /// Why not; nothing was sent.
    pub(crate) async fn withdraw(
        &self,
        order: &WithdrawOrder,
    ) -> Result<TransferView, BridgeError> {
        let start = self.rollup.withdraw(order).await?;
        self.begin(start).await
    }

    /// The network as it is now.
    ///
    /// # Errors
    /// If the chains can't be read.
    pub(crate) async fn report(&self) -> Result<Report, BridgeError> {
        self.rollup.report().await
    }

    /// The account on L1.
    pub(crate) fn l1_account(&self) -> Address {
        self.payers.l1
    }

    /// What a contract's deposits have left on the rollup.
    ///
    /// # Errors
    /// If the chains can't be read, or it is no contract.
    pub(crate) async fn alias_purse(
        &self,
        contract: Address,
        to: Address,
    ) -> Result<AliasPurse, BridgeError> {
        self.rollup.alias_purse(contract, to).await
    }

    /// Cancels a delivery that waits for another attempt.
    ///
    /// # Errors
    /// Why not; nothing was sent.
    pub(crate) async fn cancel(&self, id: B256) -> Result<TransferView, BridgeError> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Cancel(id, reply);
        self.commands.send(command).await.map_err(|_| BridgeError::Stopping)?;
        answer.await.map_err(|_| BridgeError::Stopping)?
    }

    /// Whether a delivery could be canceled now.
    ///
    /// # Errors
    /// Why not.
    pub(crate) async fn may_cancel(&self, id: B256) -> Result<(), BridgeError> {
        let (reply, answer) = oneshot::channel();
        let command = Command::LookCancel(id, reply);
        self.commands.send(command).await.map_err(|_| BridgeError::Stopping)?;
        answer.await.map_err(|_| BridgeError::Stopping)?
    }

    async fn begin(&self, start: Start) -> Result<TransferView, BridgeError> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Begin(Box::new(start), reply);
        self.commands.send(command).await.map_err(|_| BridgeError::Stopping)?;
        answer.await.map_err(|_| BridgeError::Stopping)?
    }
}
