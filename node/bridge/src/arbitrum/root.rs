//! The confirmed root that holds a message to L1, and the proof against it.
//!
//! The proof is made here from the rollup's own logs where they are few enough, else asked of a node, and in any
//! case checked against the root that L1 holds. So no endpoint of the rollup is believed (P96).

use super::Arbitrum;
use super::abi::{ARB_SYS, IArbSys, INodeInterface, IOutbox, IRollup, NODE_INTERFACE};
use super::exit::{Exit, leaf_of};
use super::notes::WithdrawNotes;
use super::send_tree::{self, root_from_proof};
use crate::error::BridgeError;
use alloy::rpc::types::{Filter, Log};
use alloy_primitives::{Address, B256, U64};
use alloy_sol_types::{SolCall, SolEvent};
use lockstep_chain::rpc::{At, CallRequest};
use serde::Deserialize;

/// Ranges of logs that are read for a proof of our own. More would take a public endpoint minutes.
const MAX_LOG_QUERIES: u64 = 64;

/// What is searched for, and where.
pub(super) struct Search<'a> {
    pub(super) exit: &'a Exit,
    pub(super) outbox: Address,
    pub(super) rollup: Address,
}

/// What Arbitrum adds to a block.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SendBlock {
    number: U64,
    /// Messages to L1 up to the block.
    send_count: U64,
    send_root: B256,
}

/// A root that somebody has put on L1.
struct Root {
    root: B256,
    l2_block: B256,
    l1_number: u64,
    is_confirmed: bool,
}

fn root_in(log: &Log) -> Option<Root> {
    let l1_number = log.block_number?;
    if let Ok(event) = IOutbox::SendRootUpdated::decode_log(&log.inner) {
        let (root, l2_block) = (event.outputRoot, event.l2BlockHash);
        return Some(Root { root, l2_block, l1_number, is_confirmed: true });
    }
    let event = IRollup::AssertionCreated::decode_log(&log.inner).ok()?;
    let [l2_block, root] = event.assertion.afterState.globalState.bytes32Vals;
    Some(Root { root, l2_block, l1_number, is_confirmed: false })
}

impl Arbitrum {
    /// Searches what final L1 blocks have brought since the last time. A confirmed root that holds the message
    /// ends the search with a proof; an assertion that holds it is noted.
    pub(super) async fn find_root(
        &self,
        search: &Search<'_>,
        notes: &mut WithdrawNotes,
    ) -> Result<(), BridgeError> {
        let born = u64::try_from(search.exit.l1_block).unwrap_or(0);
        let end = self.l1.finalized().await?.point.number.0;
        let range = self.l1.endpoints().profile().max_log_range.max(1);
        let mut start = notes.scanned_to.saturating_add(1).max(born);
        while start <= end {
            let last = start.saturating_add(range).saturating_sub(1).min(end);
            for log in self.roots_between(search, start, last).await? {
                let Some(root) = root_in(&log) else { continue };
                let Some(block) = self.send_block(root.l2_block).await? else {
                    // An endpoint that is behind, or a false assertion: only the former must be waited for.
                    if root.is_confirmed {
                        notes.scanned_to = root.l1_number.saturating_sub(1);
                        return Ok(());
                    }
                    continue;
                };
                let size = block.send_count.to::<u64>();
                if size <= search.exit.position {
                    continue;
                }
                if !root.is_confirmed {
                    if notes.asserted_at == 0 {
                        notes.asserted_at = root.l1_number;
                    }
                    continue;
                }
                let proof = self.prove(search.exit, &root, &block).await?;
                notes.proven = Some((root.root, proof));
                return Ok(());
            }
            notes.scanned_to = last;
            start = last.saturating_add(1);
        }
        Ok(())
    }

    async fn roots_between(
        &self,
        search: &Search<'_>,
        from: u64,
        to: u64,
    ) -> Result<Vec<Log>, BridgeError> {
        let topics = vec![
            IOutbox::SendRootUpdated::SIGNATURE_HASH,
            IRollup::AssertionCreated::SIGNATURE_HASH,
        ];
        let filter = Filter::new().from_block(from).to_block(to);
        let filter = filter.address(vec![search.outbox, search.rollup]).event_signature(topics);
        let found = self.l1.endpoints().ask_quorum(|endpoint| endpoint.logs(&filter)).await;
        found.map_err(BridgeError::on_l1)
    }

    /// A block of the rollup by its hash; none if no endpoint has it. What it says is checked by the proof.
    async fn send_block(&self, hash: B256) -> Result<Option<SendBlock>, BridgeError> {
        let mut failure = None;
        for endpoint in self.l2.endpoints().iter() {
            match endpoint.request("eth_getBlockByHash", (hash, false)).await {
                Ok(Some(block)) => return Ok(Some(block)),
                Ok(None) => {}
                Err(error) => failure = Some(error),
            }
        }
        failure.map_or(Ok(None), |error| Err(BridgeError::on_l2(error)))
    }

    async fn prove(
        &self,
        exit: &Exit,
        root: &Root,
        block: &SendBlock,
    ) -> Result<Vec<B256>, BridgeError> {
        let holds = |proof: &Vec<B256>| {
            root_from_proof(exit.leaf(), exit.position, proof) == Some(root.root)
        };
        let size = block.send_count.to::<u64>();
        if let Some(proof) = self.proof_from_logs(exit, block).await?.filter(holds) {
            return Ok(proof);
        }
        let call = INodeInterface::constructOutboxProofCall { size, leaf: exit.position };
        let request = CallRequest::view(NODE_INTERFACE, call.abi_encode().into());
        for endpoint in self.l2.endpoints().iter() {
            let Ok(answer) = endpoint.call(&request, At::Latest).await else { continue };
            let decoded = INodeInterface::constructOutboxProofCall::abi_decode_returns(&answer);
            if let Some(proof) = decoded.ok().map(|answer| answer.proof).filter(holds) {
                return Ok(proof);
            }
        }
        tracing::warn!(position = exit.position, root = %root.root, said = %block.send_root,
            "no endpoint's logs or proofs lead to the root on L1");
        Err(BridgeError::NoProof { block: block.number.to::<u64>() })
    }

    /// The proof made of every message that the rollup has ever sent; none if that is too much to read.
    async fn proof_from_logs(
        &self,
        exit: &Exit,
        block: &SendBlock,
    ) -> Result<Option<Vec<B256>>, BridgeError> {
        let last = block.number.to::<u64>();
        let range = self.l2.endpoints().profile().max_log_range.max(1);
        if last.checked_div(range).is_none_or(|queries| queries >= MAX_LOG_QUERIES) {
            return Ok(None);
        }
        let mut leaves = Vec::new();
        let mut start = 0;
        while start <= last {
            let end = start.saturating_add(range).saturating_sub(1).min(last);
            let filter = Filter::new().from_block(start).to_block(end).address(ARB_SYS);
            let filter = filter.event_signature(IArbSys::L2ToL1Tx::SIGNATURE_HASH);
            let found = self.l2.endpoints().ask_quorum(|endpoint| endpoint.logs(&filter)).await;
            let logs = found.map_err(BridgeError::on_l2)?;
            let events =
                logs.iter().filter_map(|log| IArbSys::L2ToL1Tx::decode_log(&log.inner).ok());
            leaves.extend(events.map(|event| leaf_of(B256::from(event.hash))));
            start = end.saturating_add(1);
        }
        Ok(send_tree::proof(&leaves, exit.position))
    }
}
