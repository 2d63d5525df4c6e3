//! Evidence, backups, and coming back from a loss.

use super::args::{Backup, ExportProof, Recover};
use super::failure::CliError;
use super::output::Terminal;
use super::session::{Session, with_node};
use super::{Place, channel, check, password, progress};
use crate::engine::restore::{RestoreError, journal_dir, restore_backup};
use lockstep_rpc::api;
use lockstep_rpc::types::{self, BackupReport, RecoverReport};
use lockstep_store::backup::BackupError;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

const OWNER_ONLY: u32 = 0o600;

pub(super) async fn export_proof(
    args: &ExportProof,
    session: &Session,
    terminal: &mut Terminal,
) -> Result<(), CliError> {
    // Of a channel that was settled long ago only its proof is left, under its whole id.
    let channel_id = match args.channel.parse() {
        Ok(whole) => whole,
        Err(_) => session.channel(&args.channel).await?.channel_id,
    };
    let equivocation = args.equivocation.then_some(true);
    let call = types::ExportProof { channel_id, equivocation };
    let proof = session.call(&api::EXPORT_PROOF, &call).await?;
    let text = serde_json::to_string_pretty(&proof.proof)
        .map_err(|error| CliError::failed(error.to_string()))?;
    let Some(path) = &args.to else {
        return terminal.line(&text);
    };
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(OWNER_ONLY);
    options
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .map_err(|error| disk("write", path, &error))?;
    terminal.answer(&proof, |proof| {
        let (version, path) = (proof.version, path.display());
        if args.equivocation {
            return format!(
                "The proof that the counterparty signed two states of version {version} is in {path}. Anyone can check \
                 it with `lockstep verify-proof`."
            );
        }
        format!("Version {version} is in {path}. Anyone can bring it to the chain.")
    })
}

pub(super) async fn backup(
    args: &Backup,
    session: &Session,
    terminal: &mut Terminal,
) -> Result<(), CliError> {
    check_target(args.to.as_deref())?;
    let call = types::Backup::default();
    let work = session.call(&api::BACKUP, &call);
    let mut report = progress::watched("writing the backup", terminal, work).await?;
    if let Some(path) = &args.to {
        fs::copy(&report.path, path)
            .and_then(|_| File::open(path))
            .and_then(|file| file.sync_all())
            .map_err(|error| disk("copy the backup to", path, &error))?;
        report.path = path.display().to_string();
    }
    terminal.answer(&report, |report: &BackupReport| {
        let BackupReport { path, size_bytes, channels } = report;
        format!("{channels} channels, {size_bytes} bytes, in {path}.\nIt opens with this node's seed only.")
    })
}

pub(super) fn recover(
    args: &Recover,
    place: &Place,
    terminal: &mut Terminal,
) -> Result<(), CliError> {
    if let Some(file) = &args.from_backup {
        return from_backup(file, place, terminal);
    }
    let call = recover_call(args)?;
    with_node(place, None, async |session| {
        let work = session.call(&api::RECOVER, &call);
        let report = progress::watched("asking for what was lost", terminal, work).await?;
        terminal.answer(&report, describe)
    })
}

pub(super) fn recover_call(args: &Recover) -> Result<types::Recover, CliError> {
    let proof = match &args.from_proof {
        Some(path) => {
            let text = fs::read_to_string(path).map_err(|error| disk("read", path, &error))?;
            let proof = serde_json::from_str(&text).map_err(|_| {
                CliError::refused(format!("{} is no proof file", path.display()))
                    .safe("nothing was taken in")
            })?;
            Some(proof)
        }
        None => None,
    };
    let from_towers = args.from_towers.then_some(true);
    let invite = args.from_peer.clone();
    Ok(types::Recover { invite, proof, from_towers, wait_millis: None })
}

/// Refuses a file that is there already.
pub(super) fn check_target(path: Option<&Path>) -> Result<(), CliError> {
    match path {
        Some(path) if path.exists() => {
            Err(CliError::refused(format!("{} exists already", path.display()))
                .safe("nothing was written"))
        }
        Some(_) | None => Ok(()),
    }
}

/// What taking in a backup would do. Whether it opens is seen only with the password.
pub(super) fn check_backup(
    file: &Path,
    place: &Place,
    terminal: &mut Terminal,
) -> Result<(), CliError> {
    readable(file)?;
    if !place.is_initialised() {
        return Err(CliError::refused(format!("{} holds no node", place.data_dir.display()))
            .safe("nothing was taken in")
            .advice("make one from the seed words with `lockstep init --restore`"));
    }
    if journal_dir(&place.data_dir).exists() {
        return Err(unrestored(&RestoreError::Backup(BackupError::NotEmpty), place));
    }
    let message = format!(
        "{} is opened with this node's seed, and its channels are written into {}",
        file.display(),
        place.data_dir.display()
    );
    let warnings = vec!["channels that come back from a backup only close".to_owned()];
    terminal.answer(&check::report([message], warnings), check::plain)
}

/// Said before anybody types a password, and with the name that was typed.
fn readable(file: &Path) -> Result<(), CliError> {
    File::open(file).map(drop).map_err(|error| {
        disk("read", file, &error)
            .safe("nothing was taken in")
            .advice("name the file that `lockstep backup` has written")
    })
}

fn from_backup(file: &Path, place: &Place, terminal: &mut Terminal) -> Result<(), CliError> {
    readable(file)?;
    let config = place.load()?.config;
    let password = password::existing(place, terminal)?;
    let channels = restore_backup(&config, &place.data_dir, &password, file)
        .map_err(|error| unrestored(&error, place))?;
    let answer = serde_json::json!({ "channels": channels });
    terminal.answer(&answer, |_| {
        format!("{channels} channels are back. They only close, since newer states may exist: start the node, \
                 let it meet its counterparties, then close them.")
    })
}

/// Why a backup was not taken in, and what to do about it.
fn unrestored(error: &RestoreError, place: &Place) -> CliError {
    let said = match error {
        RestoreError::Backup(BackupError::NotEmpty) => {
            CliError::refused(format!("{} holds a journal already", place.data_dir.display()))
                .advice("make an empty node from the seed words with `lockstep init --restore`")
        }
        RestoreError::Backup(BackupError::Sealed { .. }) => CliError::of(error.class(), error)
            .advice("a backup opens with the seed of the node that has written it only"),
        RestoreError::Keys(_) => {
            CliError::of(error.class(), error).advice("check the password and the data folder")
        }
        RestoreError::Backup(_) => CliError::of(error.class(), error)
            .advice("try another backup, or ask the other nodes: `lockstep recover --from-peer`"),
    };
    said.safe("nothing was taken in")
}

fn describe(report: &RecoverReport) -> String {
    let mut text = channel::many(&report.channels);
    if !report.channels.is_empty() {
        text.push_str(
            "\nThese channels adopt the newest state that they are shown, and only close.",
        );
    }
    for warning in &report.warnings {
        text.push_str(&format!("\nwarning: {warning}"));
    }
    text
}

fn disk(action: &str, path: &Path, error: &io::Error) -> CliError {
    CliError::refused(format!("can't {action} {}: {}", path.display(), error.kind()))
}
