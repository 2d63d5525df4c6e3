//! A withdrawal on its way to L1: root, proof, waiting, payout, over days and restarts (P91).
//!
//! The proof is fetched as soon as a root covers the withdrawal, checked here, and kept: endpoints forget old
//! state. Every waiting time is judged by the portal itself. A root that dies takes its proof with it, and the
//! withdrawal goes back to looking for another.

use super::Optimism;
use super::abi::{IDisputeGame, IPortal};
use super::game::{Candidate, Standing};
use super::memo::WithdrawMemo;
use super::proof::{WithdrawalProof, fetch, verify};
use super::withdrawal::{output_root, withdrawal_hash, withdrawal_of};
use crate::courier::{MAX_ATTEMPTS, attempts, stage_of};
use crate::error::BridgeError;
use crate::reading::Landed;
use crate::rollup::{Progress, Sent};
use crate::step::{Call, Layer, Next, Step, StepKind, Waiting};
use alloy_primitives::{B256, U256};
use alloy_sol_types::{SolCall, SolEvent, SolValue};
use lockstep_chain::rpc::{At, Receipt};
use lockstep_core::entry::EntryStage;
use lockstep_core::ids::ChainRef;
use lockstep_core::time::BlockTimestamp;
use lockstep_core::transfer::{TransferEvent, TransferKey, TransferRecord, WithdrawStage};

impl Optimism {
    pub(super) async fn pay_out(
        &self,
        record: &TransferRecord,
        stage: WithdrawStage,
        sent: &Sent,
    ) -> Result<Progress, BridgeError> {
        let memo = WithdrawMemo::of(record)?;
        match stage {
            WithdrawStage::Planned | WithdrawStage::Initiated if memo.block == 0 => {
                self.initiated(memo, stage, sent).await
            }
            WithdrawStage::Planned
            | WithdrawStage::Initiated
            | WithdrawStage::Proposed
            | WithdrawStage::Provable => self.prove(memo, stage, sent).await,
            WithdrawStage::Proven { .. } | WithdrawStage::Finalizable => {
                self.settle(memo, stage, sent).await
            }
            WithdrawStage::Done | WithdrawStage::Abandoned => {
                Ok(Progress::waits(Next::unknown(Waiting::Nothing)))
            }
        }
    }

    /// Until the first transaction is in a final block of the rollup.
    async fn initiated(
        &self,
        memo: WithdrawMemo,
        stage: WithdrawStage,
        sent: &Sent,
    ) -> Result<Progress, BridgeError> {
        let tx = match stage_of(sent, StepKind::Start, 0) {
            None => return Ok(Progress::waits(Next::unknown(Waiting::ForOrder))),
            Some(EntryStage::Wanted | EntryStage::Signed(_)) => {
                let waits = Progress::waits(Next::unknown(Waiting::ForInclusion));
                let vanished = stage == WithdrawStage::Initiated;
                return Ok(if vanished { waits.after(TransferEvent::Reorganised) } else { waits });
            }
            Some(EntryStage::Reverted { .. } | EntryStage::Displaced { .. }) => {
                let nothing = Progress::waits(Next::unknown(Waiting::Nothing));
                let never = nothing.after(TransferEvent::NeverSent);
                let vanished = stage == WithdrawStage::Initiated;
                return Ok(if vanished { never.after(TransferEvent::Reorganised) } else { never });
            }
            Some(EntryStage::Included { tx, .. } | EntryStage::Done { tx, .. }) => *tx,
        };
        let (receipt, is_final) = match self.l2.landed(tx).await? {
            Landed::Nowhere => {
                return Ok(Progress::waits(Next::unknown(Waiting::ForInclusion)));
            }
            Landed::Seen(receipt) => (receipt, false),
            Landed::Final(receipt) => (receipt, true),
        };
        let Some((withdrawal, log_index)) = message_of(&receipt) else {
            return Ok(Progress::waits(Next::unknown(Waiting::ForOperator)));
        };
        let chain = ChainRef::Evm(self.network.l2_chain_id);
        let included = TransferEvent::Included(TransferKey { chain, tx, log_index });
        if !is_final {
            let waits = Progress::waits(Next::unknown(Waiting::ForL2Finality));
            return Ok(waits.after(included));
        }
        let memo = WithdrawMemo { withdrawal, block: receipt.block_number().0, ..memo };
        let waits = Progress::waits(Next::unknown(Waiting::ForRoot));
        Ok(Progress { memo: Some(memo.abi_encode()), ..waits }.after(included))
    }

    /// From a withdrawal that is final on the rollup to a proof that is final on L1.
    async fn prove(
        &self,
        memo: WithdrawMemo,
        stage: WithdrawStage,
        sent: &Sent,
    ) -> Result<Progress, BridgeError> {
        let hash = withdrawal_hash(&memo.withdrawal);
        if let Some(events) = self.proven_already(&memo, hash, stage).await? {
            let next = Next::unknown(Waiting::ForMaturity);
            return Ok(Progress { events, ..Progress::waits(next) });
        }
        let now = self.l1.head().await?.timestamp;
        if !memo.game.is_zero() {
            return match self.standing(memo.game, now).await? {
                Standing::Dead => Ok(self.look_again(memo, stage)),
                Standing::Running(_) | Standing::Settleable | Standing::Upheld(_) => {
                    self.send_proof(&memo, stage, now, sent).await
                }
            };
        }
        let games = self.games_from(memo.block).await?;
        if games.is_empty() {
            return Ok(Progress::waits(Next::unknown(Waiting::ForRoot)));
        }
        for game in games {
            if self.standing(game.address, now).await? == Standing::Dead {
                continue;
            }
            let Some(proof) = self.proof_for(hash, &game).await? else {
                tracing::warn!(game = %game.address, "a root on L1 is not that of the rollup's block");
                continue;
            };
            let memo = WithdrawMemo {
                game: game.address,
                gameIndex: game.index,
                root: proof.root,
                proof: proof.path,
                ..memo
            };
            let waits = Progress::waits(Next::unknown(Waiting::ForProof));
            let progress = Progress { memo: Some(memo.abi_encode()), ..waits };
            // The proof is kept before anything is made of it.
            return Ok(progress
                .after(TransferEvent::RootProvable)
                .after(TransferEvent::RootProposed)
                .unless_past(stage));
        }
        Ok(Progress::waits(Next::unknown(Waiting::ForRoot)))
    }

    /// The root's game is dead: nothing of its proof is of use.
    fn look_again(&self, memo: WithdrawMemo, stage: WithdrawStage) -> Progress {
        let waits = Progress::waits(Next::unknown(Waiting::ForRoot));
        let progress = Progress { memo: Some(memo.unproven().abi_encode()), ..waits };
        match stage {
            WithdrawStage::Planned | WithdrawStage::Initiated => progress,
            WithdrawStage::Proposed
            | WithdrawStage::Provable
            | WithdrawStage::Proven { .. }
            | WithdrawStage::Finalizable
            | WithdrawStage::Done
            | WithdrawStage::Abandoned => progress.after(TransferEvent::ProofInvalidated),
        }
    }

    /// A proof that L1 holds, finally, against a game that lives.
    async fn proven_already(
        &self,
        memo: &WithdrawMemo,
        hash: B256,
        stage: WithdrawStage,
    ) -> Result<Option<Vec<TransferEvent>>, BridgeError> {
        let portal = self.contracts().await?.portal;
        let at = At::Block(self.l1.finalized().await?.hash);
        let call = IPortal::provenWithdrawalsCall { withdrawalHash: hash, submitter: memo.prover };
        let proven = self.l1.read_at(portal, &call, at).await?;
        if proven.timestamp == 0 || proven.disputeGameProxy != memo.game {
            return Ok(None);
        }
        let now = self.l1.head().await?.timestamp;
        let standing = self.standing(memo.game, now).await?;
        if standing == Standing::Dead {
            return Ok(None);
        }
        let proven_at = BlockTimestamp(proven.timestamp);
        let finalizable_at = self.payable_at(proven_at, standing).await?;
        let mut events = Vec::new();
        if matches!(stage, WithdrawStage::Initiated | WithdrawStage::Proposed) {
            events.push(TransferEvent::RootProvable);
        }
        events.push(TransferEvent::ProofFinal { finalizable_at });
        Ok(Some(events))
    }

    async fn send_proof(
        &self,
        memo: &WithdrawMemo,
        stage: WithdrawStage,
        now: BlockTimestamp,
        sent: &Sent,
    ) -> Result<Progress, BridgeError> {
        let mut waits = Progress::waits(Next::unknown(Waiting::ForProof));
        if matches!(stage, WithdrawStage::Initiated | WithdrawStage::Proposed) {
            waits = waits.after(TransferEvent::RootProvable);
        }
        // The portal takes no proof in the block that has made the game.
        let created = self.l1.read(memo.game, &IDisputeGame::createdAtCall {}).await?;
        let tries = attempts(sent, StepKind::Prove);
        let is_free = match stage_of(sent, StepKind::Prove, tries.saturating_sub(1)) {
            None | Some(EntryStage::Reverted { .. } | EntryStage::Displaced { .. }) => true,
            // A proof against an earlier game, which has died since.
            Some(EntryStage::Done { .. }) => self.proof_is_of_another_game(memo).await?,
            Some(EntryStage::Wanted | EntryStage::Signed(_) | EntryStage::Included { .. }) => false,
        };
        if now.0 <= created || !is_free {
            return Ok(waits);
        }
        if tries >= MAX_ATTEMPTS {
            return Ok(Progress { next: Next::unknown(Waiting::ForOperator), ..waits });
        }
        let call = IPortal::proveWithdrawalTransactionCall {
            tx_: memo.withdrawal.clone(),
            disputeGameIndex: memo.gameIndex,
            outputRootProof: memo.root.clone(),
            withdrawalProof: memo.proof.clone(),
        };
        let step = Step { kind: StepKind::Prove, attempt: tries };
        Ok(Progress { call: Some((step, self.on_portal(call.abi_encode()).await?)), ..waits })
    }

    async fn proof_is_of_another_game(&self, memo: &WithdrawMemo) -> Result<bool, BridgeError> {
        let portal = self.contracts().await?.portal;
        let hash = withdrawal_hash(&memo.withdrawal);
        let call = IPortal::provenWithdrawalsCall { withdrawalHash: hash, submitter: memo.prover };
        Ok(self.l1.read(portal, &call).await?.disputeGameProxy != memo.game)
    }

    /// From a proof on L1 to the payout.
    async fn settle(
        &self,
        memo: WithdrawMemo,
        stage: WithdrawStage,
        sent: &Sent,
    ) -> Result<Progress, BridgeError> {
        let contracts = self.contracts().await?;
        let hash = withdrawal_hash(&memo.withdrawal);
        let at = At::Block(self.l1.finalized().await?.hash);
        let paid = IPortal::finalizedWithdrawalsCall { withdrawalHash: hash };
        if self.l1.read_at(contracts.portal, &paid, at).await? {
            return self.paid(sent).await;
        }
        let now = self.l1.head().await?.timestamp;
        let standing = self.standing(memo.game, now).await?;
        if standing == Standing::Dead {
            return Ok(self.look_again(memo, stage));
        }
        if self.is_paused(&contracts).await? {
            return Ok(Progress::waits(Next::unknown(Waiting::ForUnpause)));
        }
        let check =
            IPortal::checkWithdrawalCall { withdrawalHash: hash, proofSubmitter: memo.prover };
        match self.l1.read(contracts.portal, &check).await {
            Ok(_) => self.finalize(memo, sent).await,
            Err(error) if error.is_revert() => self.await_wait(&memo, hash, standing, sent).await,
            Err(error) => Err(error),
        }
    }

    /// The portal says that it is too early, or that its payout is in a block that is not final.
    async fn await_wait(
        &self,
        memo: &WithdrawMemo,
        hash: B256,
        standing: Standing,
        sent: &Sent,
    ) -> Result<Progress, BridgeError> {
        let portal = self.contracts().await?.portal;
        let paid = IPortal::finalizedWithdrawalsCall { withdrawalHash: hash };
        if self.l1.read(portal, &paid).await? {
            return Ok(Progress::waits(Next::unknown(Waiting::ForPayout)));
        }
        let call = IPortal::provenWithdrawalsCall { withdrawalHash: hash, submitter: memo.prover };
        let proven = BlockTimestamp(self.l1.read(portal, &call).await?.timestamp);
        let time = self.payable_at(proven, standing).await?;
        match standing {
            Standing::Settleable => Ok(self.end_game(memo, sent)),
            Standing::Running(_) => Ok(Progress::waits(Next::at(Waiting::ForJudgement, time))),
            Standing::Upheld(_) | Standing::Dead => {
                Ok(Progress::waits(Next::at(Waiting::ForMaturity, time)))
            }
        }
    }

    /// Anybody may say that a game's clock is over: first its one claim, then the game. A withdrawal that was
    /// proven anew has another game to end, so the two steps may come again.
    fn end_game(&self, memo: &WithdrawMemo, sent: &Sent) -> Progress {
        let waits = Progress::waits(Next::unknown(Waiting::ForJudgement));
        let (claims, games) =
            (attempts(sent, StepKind::Resolve), attempts(sent, StepKind::ResolveAll));
        let (kind, attempt, last) = match claims > games {
            true => (StepKind::ResolveAll, games, (StepKind::Resolve, claims)),
            false => (StepKind::Resolve, claims, (StepKind::ResolveAll, games)),
        };
        let (last_kind, count) = last;
        let is_due = match stage_of(sent, last_kind, count.saturating_sub(1)) {
            Some(EntryStage::Wanted | EntryStage::Signed(_)) => false,
            // After the game's own step it is over as soon as a block holds it; still open means another game.
            Some(EntryStage::Included { .. }) => kind == StepKind::ResolveAll,
            // Somebody else may have been faster.
            Some(
                EntryStage::Done { .. }
                | EntryStage::Reverted { .. }
                | EntryStage::Displaced { .. },
            )
            | None => true,
        };
        if !is_due || attempt >= MAX_ATTEMPTS {
            return waits;
        }
        let claim =
            IDisputeGame::resolveClaimCall { claimIndex: U256::ZERO, numToResolve: U256::ZERO };
        let data = match kind == StepKind::Resolve {
            true => claim.abi_encode(),
            false => IDisputeGame::resolveCall {}.abi_encode(),
        };
        let (to, value) = (memo.game, U256::ZERO);
        let call = Call { layer: Layer::L1, to, value, data: data.into(), least_gas: 0 };
        Progress { call: Some((Step { kind, attempt }, call)), ..waits }
    }

    async fn finalize(&self, memo: WithdrawMemo, sent: &Sent) -> Result<Progress, BridgeError> {
        let waits = Progress::waits(Next::unknown(Waiting::ForPayout));
        let progress = waits.after(TransferEvent::WaitOver);
        let tries = attempts(sent, StepKind::Finalize);
        let is_free = match stage_of(sent, StepKind::Finalize, tries.saturating_sub(1)) {
            None | Some(EntryStage::Reverted { .. } | EntryStage::Displaced { .. }) => true,
            Some(
                EntryStage::Wanted
                | EntryStage::Signed(_)
                | EntryStage::Included { .. }
                | EntryStage::Done { .. },
            ) => false,
        };
        if !is_free {
            return Ok(progress);
        }
        if tries >= MAX_ATTEMPTS {
            return Ok(Progress { next: Next::unknown(Waiting::ForOperator), ..progress });
        }
        let call = IPortal::finalizeWithdrawalTransactionExternalProofCall {
            tx_: memo.withdrawal,
            proofSubmitter: memo.prover,
        };
        let step = Step { kind: StepKind::Finalize, attempt: tries };
        Ok(Progress { call: Some((step, self.on_portal(call.abi_encode()).await?)), ..progress })
    }

    /// The portal has paid out, by whomever; unless our own payout says that its call has failed.
    async fn paid(&self, sent: &Sent) -> Result<Progress, BridgeError> {
        for (step, stage) in sent {
            if let (StepKind::Finalize, EntryStage::Done { tx, .. }) = (step.kind, stage)
                && let Some(receipt) = self.l1.landed(*tx).await?.receipt()
                && has_failed(receipt)
            {
                return Ok(Progress::waits(Next::unknown(Waiting::ForOperator)));
            }
        }
        let over = Progress::waits(Next::unknown(Waiting::Nothing));
        Ok(over.after(TransferEvent::PaidOut))
    }

    async fn on_portal(&self, data: Vec<u8>) -> Result<Call, BridgeError> {
        let to = self.contracts().await?.portal;
        Ok(Call { layer: Layer::L1, to, value: U256::ZERO, data: data.into(), least_gas: 0 })
    }

    /// A checked proof against a game's block; none if the game's root is not that block's.
    async fn proof_for(
        &self,
        hash: B256,
        game: &Candidate,
    ) -> Result<Option<WithdrawalProof>, BridgeError> {
        let mut failure = BridgeError::NoProof { block: game.block };
        for endpoint in self.l2.endpoints().iter() {
            let (block, account) = match fetch(endpoint, hash, game.block).await {
                Ok(found) => found,
                Err(error) => {
                    tracing::info!(error = %error, "an endpoint gives no proof");
                    continue;
                }
            };
            match verify(hash, block, &account) {
                Ok(proof) if output_root(&proof.root) == game.root => return Ok(Some(proof)),
                // Right in itself: then either the endpoint's block or the proposer's root is not the chain's.
                Ok(_) if self.is_agreed(game.block, block.hash).await => return Ok(None),
                Ok(_) => {}
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    async fn is_agreed(&self, block: u64, hash: B256) -> bool {
        self.l2.block_hash(block).await.is_ok_and(|agreed| agreed == hash)
    }
}

impl Progress {
    /// Leaves out what a transfer that is further has been told before.
    fn unless_past(mut self, stage: WithdrawStage) -> Self {
        if stage == WithdrawStage::Provable {
            self.events.retain(|event| *event != TransferEvent::RootProposed);
        }
        self
    }
}

/// The one message of a receipt, and its place.
fn message_of(receipt: &Receipt) -> Option<(super::abi::WithdrawalTransaction, u32)> {
    let found = receipt.logs.iter().find_map(|log| Some((withdrawal_of(log)?, log.log_index)));
    let (withdrawal, index) = found?;
    Some((withdrawal, u32::try_from(index.unwrap_or_default()).ok()?))
}

fn has_failed(receipt: &Receipt) -> bool {
    let events = receipt.logs.iter();
    events
        .filter_map(|log| IPortal::WithdrawalFinalized::decode_log(&log.inner).ok())
        .any(|event| !event.success)
}
