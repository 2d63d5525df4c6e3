//! Settled channels that were kept long enough: a proof file stays of them, everything else goes.
//!
//! Nothing is removed before the proof file is durable, and the record goes last, in one group: a node that dies in
//! between finds the channel again and begins anew. Deadlines come from the chain's final blocks (P57).

use crate::engine::backend;
use crate::engine::equivocation;
use crate::engine::event::{Barrier, Event};
use crate::engine::lock;
use crate::engine::registry::Handle;
use crate::engine::shared::Shared;
use crate::engine::wording;
use lockstep_core::chain::Evidence;
use lockstep_core::ids::ChannelId;
use lockstep_core::record::Phase;
use lockstep_core::time::BlockTimestamp;
use lockstep_rpc::failure::{Failure, FailureKind};
use lockstep_store::error::StoreError;
use lockstep_store::proof::{self, Proof, ProofError};
use lockstep_store::prune::{self, Pruning};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::oneshot;

/// How long a settled channel is kept once that is final. Source: protocol §8. Units: seconds of the chain.
const KEEP_SECS: u64 = 30 * 24 * 3_600;
/// Channels of which the chain is asked in one round when they were settled.
const MAX_ASKED: usize = 16;

/// Where proof files of channels are that this node has forgotten.
pub(crate) fn proof_path(data_dir: &Path, channel_id: ChannelId) -> PathBuf {
    data_dir.join("proofs").join(format!("{channel_id}.json"))
}

/// Looks for channels that were kept long enough.
pub(crate) async fn look(shared: &Arc<Shared>) {
    let now = shared.chain_time().finalized();
    let mut asked = 0_usize;
    for handle in shared.registry.all() {
        let view = handle.view();
        let Phase::Settled(settlement) = &view.phase else { continue };
        if !view.is_over || shared.is_stopping() {
            continue;
        }
        if handle.settled_at.get().is_none() && asked < MAX_ASKED {
            asked = asked.saturating_add(1);
            match shared.chain.time_of(settlement.position.block).await {
                Ok(at) => drop(handle.settled_at.set(at)),
                Err(error) => {
                    let error = wording::chain_of(&error);
                    tracing::debug!(channel_id = %handle.channel_id, error, "the end's time is not known yet");
                }
            }
        }
        if handle.settled_at.get().is_some_and(|at| is_due(*at, now)) {
            let channel_id = handle.channel_id;
            match retire(shared, &handle).await {
                Ok(()) => {
                    tracing::info!(%channel_id, "a settled channel is forgotten but for its proof");
                }
                Err(failure) => {
                    tracing::warn!(%channel_id, error = %failure, "a settled channel is kept a while longer");
                }
            }
        }
    }
    forget_counterparties(shared).await;
}

fn is_due(settled_at: BlockTimestamp, now: BlockTimestamp) -> bool {
    settled_at.checked_add_secs(KEEP_SECS).is_some_and(|until| now >= until)
}

async fn retire(shared: &Arc<Shared>, handle: &Handle) -> Result<(), Failure> {
    let channel_id = handle.channel_id;
    keep_proof(shared, handle).await?;
    equivocation::keep(shared, handle).await?;
    keep_receipts(shared, channel_id).await?;
    shorten(shared, channel_id).await?;
    forget_entries(shared, channel_id).await?;
    // From here on nobody may write its record.
    let (barrier, wait) = Barrier::new();
    handle.urge(Event::Stop(barrier)).await;
    if !wait.wait().await {
        return Err(Failure::new(FailureKind::NotReady, "its task has ended in disorder"));
    }
    shared.registry.remove(channel_id);
    // What its task has written meanwhile; a line of the feed must not outlive what it names.
    shorten(shared, channel_id).await?;
    remove(shared, channel_id).await?;
    lock(&shared.parted).insert(handle.peer);
    Ok(())
}

/// Writes the newest co-signed state where it stays. A channel without a payment has none, and needs none.
async fn keep_proof(shared: &Arc<Shared>, handle: &Handle) -> Result<(), Failure> {
    let (answer, answered) = oneshot::channel();
    handle.post_urgent(Event::Evidence(answer))?;
    let evidence = answered.await.map_err(|_| wording::stopping())??;
    let Some(evidence) = evidence else { return Ok(()) };
    let signed = Evidence::complete(&evidence).ok_or_else(|| {
        Failure::new(FailureKind::SigningStopped, "its newest state lacks a signature")
    })?;
    let setup = handle.view().setup;
    let bad = |error: &ProofError| Failure::new(FailureKind::BadFile, wording::chain_of(error));
    let proof = Proof::new(setup.domain, setup.terms, signed).map_err(|error| bad(&error))?;
    let path = proof_path(&shared.settings.data_dir, handle.channel_id);
    let written = tokio::task::spawn_blocking(move || proof.export(&path)).await;
    written.map_err(|_| wording::stopping())?.map_err(|error| bad(&error))
}

/// Where what towers promised of a forgotten channel is, each in a file of its own.
fn receipt_path(data_dir: &Path, channel_id: ChannelId, number: usize) -> PathBuf {
    data_dir.join("proofs").join(format!("{channel_id}.receipt.{number}.json"))
}

/// Writes the towers' newest receipts where they stay: with what the contract keeps of the channel they prove whether
/// a tower has failed, which nobody else can show. `lockstep verify-receipt` reads them.
async fn keep_receipts(shared: &Arc<Shared>, channel_id: ChannelId) -> Result<(), Failure> {
    let receipts = backend::receipts_of(shared, channel_id);
    let bad = |error: &dyn std::error::Error| {
        Failure::new(FailureKind::BadFile, wording::chain_of(error))
    };
    for (number, receipt) in (1..).zip(receipts) {
        let text = serde_json::to_string_pretty(&receipt).map_err(|error| bad(&error))?;
        let path = receipt_path(&shared.settings.data_dir, channel_id, number);
        let written = tokio::task::spawn_blocking(move || proof::keep(&path, &text)).await;
        written.map_err(|_| wording::stopping())?.map_err(|error| bad(&error))?;
    }
    Ok(())
}

/// Removes the history, a group at a time; payments of others go in between.
async fn shorten(shared: &Arc<Shared>, channel_id: ChannelId) -> Result<(), Failure> {
    let mut pruning = Pruning::new(channel_id);
    loop {
        let read = shared.journal.look(move |journal| {
            let group = pruning.next_group(journal.engine());
            (pruning, group)
        });
        let (next, group) = read.await.map_err(|error| wording::not_durable(&error))?;
        pruning = next;
        let Some(set) = group.map_err(|error| damaged(&error))? else { return Ok(()) };
        if !set.is_empty() {
            shared.journal.write(set).await.map_err(|error| wording::not_durable(&error))?;
        }
        if shared.is_stopping() {
            return Err(wording::stopping());
        }
    }
}

fn damaged(error: &StoreError) -> Failure {
    Failure::new(FailureKind::Internal, wording::chain_of(error))
}

/// Payments into the contract that were made for the channel, all of them over.
async fn forget_entries(shared: &Arc<Shared>, channel_id: ChannelId) -> Result<(), Failure> {
    let failed = |error: &crate::chain::ChainTaskError| {
        Failure::new(FailureKind::ChainUnavailable, wording::chain_of(error))
    };
    let domain = shared.settings.domain;
    for entry in shared.chain.entries().await.map_err(|error| failed(&error))? {
        let terms = entry.call().terms();
        if terms.is_some_and(|terms| terms.channel_id(domain) == channel_id) {
            let forgotten = shared.chain.forget_entry(entry.id()).await;
            forgotten.map_err(|error| failed(&error))?;
        }
    }
    lock(&shared.entries).retain(|_, known| *known != channel_id);
    Ok(())
}

/// Removes the rest of a channel that no driver has any more.
pub(crate) async fn remove(shared: &Arc<Shared>, channel_id: ChannelId) -> Result<(), Failure> {
    if let Err(error) = shared.chain.unwatch(channel_id).await {
        tracing::debug!(%channel_id, error = %error, "the chain side has ended");
    }
    let removed = shared.journal.read(move |journal| {
        let set = prune::rest(journal.engine(), channel_id)?;
        journal.engine_mut().write(&set)
    });
    let removed = removed.await.map_err(|error| wording::not_durable(&error))?;
    removed.map_err(|error| damaged(&error))?;
    shared.towers.forget(channel_id);
    shared.alarms.retain(0, |cause, _| cause.channel_id != Some(channel_id));
    Ok(())
}

/// Counterparties of forgotten channels that are not here and have no other are strangers again.
async fn forget_counterparties(shared: &Arc<Shared>) {
    // A damaged record does not say whose it is, and only a contact can bring the channel back.
    if !lock(&shared.damaged).is_empty() {
        return;
    }
    let parted = lock(&shared.parted).clone();
    for peer in parted {
        let is_here = shared.network.session(&peer).is_some();
        if is_here && !shared.registry.has_any_with(&peer) {
            continue;
        }
        lock(&shared.parted).remove(&peer);
        if !shared.registry.has_any_with(&peer)
            && let Err(failure) = backend::forget_contact(shared, peer).await
        {
            tracing::debug!(error = %failure, "a counterparty is not forgotten yet");
            lock(&shared.parted).insert(peer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p57_a_channel_is_kept_for_thirty_days_of_final_blocks() {
        let settled_at = BlockTimestamp(1_000);
        let last = 1_000 + 30 * 24 * 3_600;
        assert!(!is_due(settled_at, BlockTimestamp(last - 1)));
        assert!(is_due(settled_at, BlockTimestamp(last)));
        // A chain that has not been read yet, and a time that nobody lives to see.
        assert!(!is_due(settled_at, BlockTimestamp::default()));
        assert!(!is_due(BlockTimestamp(u64::MAX), BlockTimestamp(u64::MAX)));
    }
}
