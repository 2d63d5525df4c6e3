//! A withdrawal on its way: from the rollup's message over a confirmed assertion to the payout on L1.

use super::Arbitrum;
use super::abi::{ARB_SYS, IArbSys, IOutbox};
use super::exit::Exit;
use super::message::index_of;
use super::notes::WithdrawNotes;
use super::root::Search;
use super::site::{Site, is_refusal};
use super::withdrawing::L1_BLOCK_SECS;
use crate::courier::{attempts, stage_of};
use crate::error::BridgeError;
use crate::rollup::{Progress, Sent};
use crate::step::{Call, Layer, Next, Step, StepKind, Waiting};
use alloy_primitives::{B256, U256};
use alloy_sol_types::{SolCall, SolEvent};
use lockstep_chain::rpc::{At, CallRequest, Receipt};
use lockstep_core::entry::EntryStage;
use lockstep_core::ids::ChainRef;
use lockstep_core::time::BlockTimestamp;
use lockstep_core::transfer::{TransferEvent, TransferKey, TransferRecord, WithdrawStage};

/// The message to L1 that a receipt announces, with the place of its log. One whose hash is not its own is made
/// up by an endpoint and left out.
pub fn exit_in(receipt: &Receipt) -> Option<(Exit, u32)> {
    receipt.logs.iter().filter(|log| log.address() == ARB_SYS).find_map(|log| {
        let event = IArbSys::L2ToL1Tx::decode_log(&log.inner).ok()?.data;
        let exit = exit_of(&event)?;
        (exit.item_hash() == B256::from(event.hash)).then_some((exit, index_of(log)))
    })
}

fn exit_of(event: &IArbSys::L2ToL1Tx) -> Option<Exit> {
    Some(Exit {
        position: u64::try_from(event.position).ok()?,
        l2_sender: event.caller,
        to: event.destination,
        l2_block: event.arbBlockNum,
        l1_block: event.ethBlockNum,
        l2_timestamp: event.timestamp,
        value: event.callvalue,
        data: event.data.clone(),
    })
}

/// The outbox's call that carries a message out.
pub fn execute_call(site: &Site, exit: &Exit, proof: &[B256]) -> Call {
    let data = IOutbox::executeTransactionCall {
        proof: proof.to_vec(),
        index: U256::from(exit.position),
        l2Sender: exit.l2_sender,
        to: exit.to,
        l2Block: exit.l2_block,
        l1Block: exit.l1_block,
        l2Timestamp: exit.l2_timestamp,
        value: exit.value,
        data: exit.data.clone(),
    };
    let data = data.abi_encode().into();
    Call { layer: Layer::L1, to: site.outbox, value: U256::ZERO, data, least_gas: 0 }
}

impl Arbitrum {
    pub(super) async fn advance_withdraw(
        &self,
        record: &TransferRecord,
        stage: WithdrawStage,
        sent: &Sent,
    ) -> Result<Progress, BridgeError> {
        let notes = WithdrawNotes::decode(record.transfer.id, &record.memo)?;
        let is_initiated = stage == WithdrawStage::Initiated;
        let back = is_initiated.then_some(TransferEvent::Reorganised);
        let with = |events, waiting| Progress { events, ..Progress::waits(Next::unknown(waiting)) };
        match stage_of(sent, StepKind::Start, 0) {
            None => Ok(with(Vec::new(), Waiting::ForOrder)),
            Some(EntryStage::Wanted | EntryStage::Signed(_)) => {
                Ok(with(back.into_iter().collect(), Waiting::ForInclusion))
            }
            Some(EntryStage::Reverted { .. } | EntryStage::Displaced { .. }) => {
                let events = back.into_iter().chain([TransferEvent::NeverSent]).collect();
                Ok(with(events, Waiting::Nothing))
            }
            Some(EntryStage::Included { tx, .. }) => {
                let events = self.initiated(*tx).await?.map(|(event, _)| event);
                Ok(with(events.into_iter().collect(), Waiting::ForL2Finality))
            }
            Some(EntryStage::Done { tx, .. }) => self.on_the_way(stage, notes, sent, *tx).await,
        }
    }

    async fn initiated(&self, tx: B256) -> Result<Option<(TransferEvent, Exit)>, BridgeError> {
        let landed = self.l2.landed(tx).await?;
        let Some((exit, log_index)) = landed.receipt().and_then(exit_in) else { return Ok(None) };
        let chain = ChainRef::Evm(self.network.l2_chain_id);
        let key = TransferKey { chain, tx, log_index };
        Ok(Some((TransferEvent::Included(key), exit)))
    }

    async fn on_the_way(
        &self,
        stage: WithdrawStage,
        mut notes: WithdrawNotes,
        sent: &Sent,
        tx: B256,
    ) -> Result<Progress, BridgeError> {
        let mut events = Vec::new();
        if matches!(stage, WithdrawStage::Planned | WithdrawStage::Initiated)
            || notes.exit.is_none()
        {
            let Some((included, exit)) = self.initiated(tx).await? else {
                return Ok(Progress::waits(Next::unknown(Waiting::ForL2Finality)));
            };
            if matches!(stage, WithdrawStage::Planned | WithdrawStage::Initiated) {
                events.push(included);
            }
            notes.exit = Some(exit);
        }
        let Some(exit) = notes.exit.clone() else {
            return Ok(Progress::waits(Next::unknown(Waiting::ForL2Finality)));
        };
        let site = self.site().await?;
        if notes.proven.is_none() {
            let search = Search { exit: &exit, outbox: site.outbox, rollup: site.rollup };
            self.find_root(&search, &mut notes).await?;
        }
        let memo = Some(notes.encode());
        let Some((_, proof)) = notes.proven else {
            let next = self.until_confirmed(&site, notes.asserted_at).await?;
            if notes.asserted_at != 0 {
                events.push(TransferEvent::RootProposed);
            }
            return Ok(Progress { events, memo, ..Progress::waits(next) });
        };
        events.extend(self.provable(stage).await?);
        let mut progress = self.pay_out(&site, &exit, &proof, sent).await?;
        events.append(&mut progress.events);
        Ok(Progress { events, memo, ..progress })
    }

    async fn until_confirmed(&self, site: &Site, asserted_at: u64) -> Result<Next, BridgeError> {
        if asserted_at == 0 {
            return Ok(Next::unknown(Waiting::ForRoot));
        }
        let now = self.l1.head().await?;
        let end = asserted_at.saturating_add(site.confirm_blocks);
        let left = end.saturating_sub(now.number.0).saturating_mul(L1_BLOCK_SECS);
        let time = BlockTimestamp(now.timestamp.0.saturating_add(left));
        Ok(Next::at(Waiting::ForJudgement, time))
    }

    /// A confirmed root can be proven against at once: there is no transaction for the proof and no second wait.
    async fn provable(&self, stage: WithdrawStage) -> Result<Vec<TransferEvent>, BridgeError> {
        let finalizable_at = self.l1.head().await?.timestamp;
        let all = [
            TransferEvent::RootProposed,
            TransferEvent::RootProvable,
            TransferEvent::ProofFinal { finalizable_at },
            TransferEvent::WaitOver,
        ];
        let done = match stage {
            WithdrawStage::Planned | WithdrawStage::Initiated | WithdrawStage::Proposed => 0,
            WithdrawStage::Provable => 2,
            WithdrawStage::Proven { .. } => 3,
            WithdrawStage::Finalizable | WithdrawStage::Done | WithdrawStage::Abandoned => 4,
        };
        Ok(all.into_iter().skip(done).collect())
    }

    /// The outbox pays nobody by itself. Anybody may carry a message out, once.
    async fn pay_out(
        &self,
        site: &Site,
        exit: &Exit,
        proof: &[B256],
        sent: &Sent,
    ) -> Result<Progress, BridgeError> {
        let at = At::Block(self.l1.finalized().await?.hash);
        let is_spent = IOutbox::isSpentCall { index: U256::from(exit.position) };
        if self.l1.read_at(site.outbox, &is_spent, at).await? {
            let over = Progress::waits(Next::unknown(Waiting::Nothing));
            return Ok(over.after(TransferEvent::PaidOut));
        }
        let tried = attempts(sent, StepKind::Finalize);
        let last = tried.checked_sub(1).and_then(|last| stage_of(sent, StepKind::Finalize, last));
        let payout = Progress::waits(Next::unknown(Waiting::ForPayout));
        match last {
            Some(EntryStage::Wanted | EntryStage::Signed(_) | EntryStage::Included { .. }) => {
                return Ok(payout);
            }
            // It did what it was for; the next finalized block shows it.
            Some(EntryStage::Done { .. }) => return Ok(payout),
            Some(EntryStage::Reverted { .. } | EntryStage::Displaced { .. }) | None => {}
        }
        if self.l1.read(site.outbox, &is_spent).await? {
            return Ok(payout);
        }
        let call = execute_call(site, exit, proof);
        // The root is valid for ever, so a payout that can't be made now is made later and not paid for in vain.
        match self.l1.estimate(&CallRequest::view(call.to, call.data.clone())).await {
            Ok(_) => {}
            Err(error) if is_refusal(&error) => {
                return Ok(Progress::waits(Next::unknown(Waiting::ForOperator)));
            }
            Err(error) => return Err(error),
        }
        let step = Step { kind: StepKind::Finalize, attempt: tried };
        Ok(Progress { call: Some((step, call)), ..payout })
    }
}
