//! The task that carries transfers.

use super::desk::Desk;
use super::handle::Board;
use crate::chain::ChainStore;
use crate::pace::Pace;
use alloy_primitives::B256;
use core::time::Duration;
use lockstep_bridge::courier::{Courier, TransferView};
use lockstep_bridge::error::BridgeError;
use lockstep_bridge::order::Start;
use tokio::sync::{mpsc, oneshot};

/// What the task can be told.
pub(super) enum Command {
    /// Begin a transfer.
    Begin(Box<Start>, oneshot::Sender<Result<TransferView, BridgeError>>),
    /// Cancel a delivery.
    Cancel(B256, oneshot::Sender<Result<TransferView, BridgeError>>),
    /// Say whether that could be done.
    LookCancel(B256, oneshot::Sender<Result<(), BridgeError>>),
}

/// The courier and what goes with it.
pub(super) struct Task {
    courier: Courier<ChainStore, Desk>,
    desk: Desk,
    board: Board,
    pause: Duration,
}

impl Task {
    pub(super) fn new(
        courier: Courier<ChainStore, Desk>,
        desk: Desk,
        board: Board,
        pause: Duration,
    ) -> Self {
        Self { courier, desk, board, pause }
    }

    /// Runs until nobody can tell it anything any more.
    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        self.publish();
        let mut pace = Pace::at_once();
        loop {
            tokio::select! {
                biased;
                command = commands.recv() => {
                    let Some(command) = command else { return };
                    self.obey(command).await;
                }
                () = pace.due() => {
                    self.step().await;
                    pace = Pace::after(self.pause);
                }
            }
        }
    }

    async fn obey(&mut self, command: Command) {
        let is_gone = match command {
            Command::Begin(start, reply) => {
                let outcome = self.courier.begin(*start).await;
                self.publish();
                reply.send(outcome).is_err()
            }
            Command::Cancel(id, reply) => {
                let outcome = self.courier.cancel(id).await;
                self.publish();
                reply.send(outcome).is_err()
            }
            Command::LookCancel(id, reply) => {
                reply.send(self.courier.plan_cancel(id).await.map(|_| ())).is_err()
            }
        };
        if is_gone {
            tracing::debug!("whoever gave an order to the bridge is gone");
        }
    }

    async fn step(&mut self) {
        if !self.board.is_checked() {
            let outcome = self.courier.rollup().check().await;
            if let Err(error) = &outcome {
                tracing::warn!(error = %error, "the bridge is not used");
            }
            self.board.checked(outcome);
        }
        // What was signed before goes out, and proofs that wait are sent, whatever a check says.
        self.desk.step().await;
        self.courier.step().await;
        self.publish();
    }

    fn publish(&self) {
        self.board.show(self.courier.views().collect());
    }
}
