//! The proof that a counterparty signed two states of one version (P46): written to a file as soon as it is found, kept
//! beside the evidence of a channel that is forgotten, and handed out to whoever may ask. `lockstep verify-proof`
//! reads it, on any machine.

use crate::engine::registry::Handle;
use crate::engine::shared::Shared;
use crate::engine::wording;
use lockstep_core::ids::ChannelId;
use lockstep_core::record::{ChannelSetup, Equivocation};
use lockstep_rpc::failure::{Failure, FailureKind};
use lockstep_store::proof::ProofError;
use lockstep_store::proof::equivocation::EquivocationProof;
use lockstep_store::prune;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where the proof of a channel is.
pub(crate) fn file(data_dir: &Path, channel_id: ChannelId) -> PathBuf {
    data_dir.join("proofs").join(format!("{channel_id}.equivocation.json"))
}

/// Writes what was just found, beside the channel's own work. The journal has it already: a file that can't be
/// written now is written when the channel is forgotten.
pub(crate) fn found(shared: &Arc<Shared>, setup: &ChannelSetup, states: Equivocation) {
    let channel_id = states.first.channel_id;
    let proof = proof_of(setup, states);
    let path = file(&shared.settings.data_dir, channel_id);
    tokio::task::spawn_blocking(move || match proof.and_then(|proof| proof.export(&path)) {
        Ok(()) => tracing::warn!(%channel_id, path = %path.display(), "the proof is in a file"),
        Err(error) => {
            let error = wording::chain_of(&error);
            tracing::error!(%channel_id, error, "the file of the proof could not be written");
        }
    });
}

/// The proof of a channel that is here, if there is one.
///
/// # Errors
/// If the journal can't be read, or what is in it proves nothing.
pub(crate) async fn of_channel(
    shared: &Arc<Shared>,
    handle: &Handle,
) -> Result<Option<EquivocationProof>, Failure> {
    let channel_id = handle.channel_id;
    let read = shared.journal.look(move |journal| {
        let states = prune::equivocation(journal.engine(), channel_id);
        states.map_err(|error| wording::chain_of(&error))
    });
    let states = read.await.map_err(|error| wording::not_durable(&error))?;
    let states = states.map_err(|error| Failure::new(FailureKind::Internal, error))?;
    let proof = states.map(|states| proof_of(&handle.view().setup, states)).transpose();
    proof.map_err(|error| bad(&error))
}

/// Writes the file of a channel that is about to be forgotten, if there is something to prove.
///
/// # Errors
/// If it can't be read or written.
pub(crate) async fn keep(shared: &Arc<Shared>, handle: &Handle) -> Result<(), Failure> {
    let Some(proof) = of_channel(shared, handle).await? else { return Ok(()) };
    let path = file(&shared.settings.data_dir, handle.channel_id);
    let written = tokio::task::spawn_blocking(move || proof.export(&path)).await;
    written.map_err(|_| wording::stopping())?.map_err(|error| bad(&error))
}

/// The proof of a channel that was forgotten, if its file is there and holds.
pub(crate) async fn of_file(shared: &Shared, channel_id: ChannelId) -> Option<EquivocationProof> {
    let path = file(&shared.settings.data_dir, channel_id);
    let read = tokio::task::spawn_blocking(move || EquivocationProof::import(&path)).await;
    read.ok()?.ok()
}

fn proof_of(setup: &ChannelSetup, states: Equivocation) -> Result<EquivocationProof, ProofError> {
    EquivocationProof::new(setup.domain, setup.terms, setup.side.other(), states)
}

fn bad(error: &ProofError) -> Failure {
    Failure::new(FailureKind::BadFile, wording::chain_of(error))
}
