//! Proof files, backups, and what others still know.

use super::{describe, peer};
use crate::engine::equivocation;
use crate::engine::event::Event;
use crate::engine::recovery;
use crate::engine::registry::Handle;
use crate::engine::retire::proof_path;
use crate::engine::shared::Shared;
use crate::engine::wording;
use lockstep_core::message::SignedState;
use lockstep_rpc::failure::{Failure, FailureKind};
use lockstep_rpc::types::{Backup, BackupReport, ExportProof, Proof, Recover, RecoverReport};
use lockstep_store::backup::{self, BackupKey};
use lockstep_store::proof::Proof as ProofFile;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// Characters of a backup's file name.
const MAX_NAME_CHARS: usize = 64;
/// How long to wait for the counterparty, unless the caller says.
const RECOVER_MILLIS: u64 = 30_000;
/// The longest that a caller may wait.
const MAX_RECOVER_MILLIS: u64 = 600_000;

/// Evidence of a channel, for anybody to bring to the chain.
pub(super) async fn export_proof(
    shared: &Arc<Shared>,
    call: &ExportProof,
) -> Result<Proof, Failure> {
    if call.equivocation.unwrap_or_default() {
        return export_equivocation(shared, call).await;
    }
    let handle = match shared.registry.find(call.channel_id.0) {
        Ok(handle) => handle,
        Err(unknown) => return kept_proof(shared, call).await.ok_or(unknown),
    };
    let (answer, answered) = oneshot::channel();
    handle.post_urgent(Event::Evidence(answer))?;
    let evidence = answered.await.map_err(|_| wording::stopping())??;
    let signed = evidence.as_ref().and_then(lockstep_core::chain::Evidence::complete);
    let signed: SignedState = signed.ok_or_else(|| {
        let message = "nothing was paid in this channel yet, so there is no state to prove";
        Failure::new(FailureKind::WrongPhase, message)
            .safe("without any state, a close gives both sides their deposits back")
    })?;
    let view = handle.view();
    let version = signed.state.version.0;
    let file = ProofFile::new(view.setup.domain, view.setup.terms, signed);
    let json = file
        .and_then(|file| file.to_json())
        .map_err(|error| Failure::new(FailureKind::Internal, wording::chain_of(&error)))?;
    let proof = serde_json::from_str(&json)
        .map_err(|error| Failure::new(FailureKind::Internal, error.to_string()))?;
    Ok(Proof { channel_id: call.channel_id, version, proof })
}

/// The proof of a channel that was settled long ago: all that is kept of it.
async fn kept_proof(shared: &Arc<Shared>, call: &ExportProof) -> Option<Proof> {
    let path = proof_path(&shared.settings.data_dir, call.channel_id.0);
    let read = tokio::task::spawn_blocking(move || ProofFile::import(&path)).await;
    let file = read.ok()?.ok()?;
    let proof = serde_json::from_str(&file.to_json().ok()?).ok()?;
    let version = file.signed().state.version.0;
    Some(Proof { channel_id: call.channel_id, version, proof })
}

/// The proof that the counterparty signed two states of one version: from the journal, or from the file that is left of
/// a channel that was settled long ago.
async fn export_equivocation(shared: &Arc<Shared>, call: &ExportProof) -> Result<Proof, Failure> {
    let channel_id = call.channel_id.0;
    let found = match shared.registry.find(channel_id) {
        Ok(handle) => equivocation::of_channel(shared, &handle).await?,
        Err(unknown) => Some(equivocation::of_file(shared, channel_id).await.ok_or(unknown)?),
    };
    let found = found.ok_or_else(|| {
        let message = "the counterparty has not signed two states of one version in this channel";
        Failure::new(FailureKind::WrongPhase, message).safe("there is nothing to prove")
    })?;
    let json = found
        .to_json()
        .map_err(|error| Failure::new(FailureKind::Internal, wording::chain_of(&error)))?;
    let proof = serde_json::from_str(&json)
        .map_err(|error| Failure::new(FailureKind::Internal, error.to_string()))?;
    let version = found.states().first.version.0;
    Ok(Proof { channel_id: call.channel_id, version, proof })
}

/// Where a backup would be written.
pub(super) fn plan_backup(shared: &Shared, call: &Backup) -> Result<PathBuf, Failure> {
    let name = match &call.file_name {
        Some(name) => checked_name(name)?.to_owned(),
        None => format!("lockstep-{}.backup", shared.clock.unix_secs()),
    };
    let path = shared.settings.data_dir.join("backups").join(name);
    if path.exists() {
        let message = format!("{} exists already", path.display());
        return Err(Failure::new(FailureKind::BadFile, message).safe("nothing was written"));
    }
    Ok(path)
}

/// Writes a backup of everything that is durable now.
pub(super) async fn backup(shared: &Arc<Shared>, call: &Backup) -> Result<BackupReport, Failure> {
    let path = plan_backup(shared, call)?;
    let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
    let secret = shared.keys.keys().backup_secret().map_err(|error| {
        Failure::new(FailureKind::Internal, wording::chain_of(&error)).safe("nothing was written")
    })?;
    let key = BackupKey::new(*secret);
    let target = path.clone();
    let written = shared.journal.read(move |journal| {
        std::fs::create_dir_all(&folder)?;
        backup::export(journal.engine(), &key, &target)
    });
    let bad = |error: &dyn std::error::Error| {
        Failure::new(FailureKind::BadFile, format!("backup: {}", wording::chain_of(error)))
            .safe("there is no new backup; the node goes on")
    };
    written.await.map_err(|error| wording::not_durable(&error))?.map_err(|error| bad(&error))?;
    let size_bytes = std::fs::metadata(&path).map_err(|error| bad(&error))?.len();
    let channels = u32::try_from(shared.registry.all().len()).unwrap_or(u32::MAX);
    Ok(BackupReport { path: path.display().to_string(), size_bytes, channels })
}

fn checked_name(name: &str) -> Result<&str, Failure> {
    let is_plain = !name.is_empty()
        && name.len() <= MAX_NAME_CHARS
        && !name.starts_with('.')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
    if is_plain {
        return Ok(name);
    }
    let message = "a backup's name has 1 to 64 letters, digits, '.', '-' and '_'";
    Err(Failure::new(FailureKind::BadFile, message).safe("nothing was written"))
}

/// Takes in what others still know.
pub(super) async fn recover(
    shared: &Arc<Shared>,
    call: &Recover,
) -> Result<RecoverReport, Failure> {
    plan_recover(shared, call)?;
    let wait = call.wait_millis.unwrap_or(RECOVER_MILLIS).min(MAX_RECOVER_MILLIS);
    let wait = Duration::from_millis(wait);
    let asks_towers = call.from_towers.unwrap_or_default();
    let mut counterparty = None;
    let mut report = RecoverReport { channels: vec![], warnings: vec![] };
    let add = |report: &mut RecoverReport, found: &[Handle]| {
        for view in found.iter().map(Handle::view) {
            let channel = describe::channel(shared, &view);
            report.channels.retain(|known| known.channel_id != channel.channel_id);
            report.channels.push(channel);
        }
    };
    if let Some(proof) = &call.proof {
        let channel_id = recovery::take_proof(shared, &proof.to_string()).await?;
        let handle = shared.registry.find(channel_id)?;
        report.channels.push(describe::channel(shared, &handle.view()));
    }
    if let Some(invite) = &call.invite {
        let contact = peer::read_invite(shared, invite)?.contact();
        match recovery::from_peer(shared, contact.clone(), wait).await {
            Ok((found, warnings)) => {
                add(&mut report, &found);
                report.warnings.extend(warnings);
            }
            // Towers may know what a counterparty that is away would have said.
            Err(failure) if asks_towers => report.warnings.push(failure.to_string()),
            Err(failure) => return Err(failure),
        }
        counterparty = Some(contact);
    }
    if asks_towers {
        let (found, warnings) = recovery::from_towers(shared, counterparty, wait).await?;
        add(&mut report, &found);
        report.warnings.extend(warnings);
    }
    Ok(report)
}

/// What can be said of a recovery before anybody is asked.
pub(super) fn plan_recover(shared: &Shared, call: &Recover) -> Result<(), Failure> {
    let asks_towers = call.from_towers.unwrap_or_default();
    if call.proof.is_none() && call.invite.is_none() && !asks_towers {
        let message = "say the counterparty's invite, give a proof file, or ask the towers";
        return Err(Failure::new(FailureKind::Refused, message).safe("nothing was done"));
    }
    if let Some(proof) = &call.proof {
        recovery::read_proof(shared, &proof.to_string())?;
    }
    if let Some(invite) = &call.invite {
        peer::read_invite(shared, invite)?;
    }
    if asks_towers { recovery::check_towers(shared) } else { Ok(()) }
}
