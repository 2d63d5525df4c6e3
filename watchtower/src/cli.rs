//! The commands of the stand-alone tower.

use std::fs;
use std::io::{self, IsTerminal, Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use lockstep_core::error::ErrorClass;
use lockstep_signer::keystore::kdf::ScryptCost;
use lockstep_signer::keystore::seed_file;
use lockstep_signer::phrase::Phrase;
use lockstep_signer::secret::Password;
use serde_json::{Value, json};
use tracing_subscriber::EnvFilter;
use zeroize::Zeroizing;

use crate::admin;
use crate::config::{Config, FILE, SAMPLE};
use crate::run::{address_path, draw_token, run, seed_path, token_path};

/// Nobody types more, and a file that holds more is another file.
const MAX_PASSWORD_BYTES: u64 = 1_024;
/// A password that guards keys is not shorter. Units: characters.
const LEAST_PASSWORD: usize = 8;
/// What strangers do on the wire must not fill the disk.
const QUIET: &str = "libp2p=error,libp2p_swarm=error,yamux=off,quinn=off";

/// Answers stale closes for nodes that are away.
#[derive(Debug, Parser)]
#[command(name = "lockstep-watchtower", version)]
struct Args {
    /// The tower's folder.
    #[arg(
        long,
        global = true,
        env = "LOCKSTEP_TOWER_DATA_DIR",
        default_value = "lockstep-watchtower"
    )]
    data_dir: PathBuf,
    /// Settings; `tower.toml` in the folder where nothing is said.
    #[arg(long, global = true, env = "LOCKSTEP_TOWER_CONFIG")]
    config: Option<PathBuf>,
    /// File with the password of the keys, readable by its owner alone.
    #[arg(long, global = true, env = "LOCKSTEP_TOWER_PASSWORD_FILE")]
    password_file: Option<PathBuf>,
    /// Where clients are served. Shape: a multiaddr.
    #[arg(long, global = true, env = "LOCKSTEP_TOWER_LISTEN")]
    listen: Option<String>,
    /// Where the operator's questions are answered.
    #[arg(long, global = true, env = "LOCKSTEP_TOWER_ADMIN")]
    admin: Option<SocketAddr>,
    /// Answers as JSON.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Makes a new tower: its words, its keys, and a settings file.
    Init {
        /// Where the 24 words are written; they are shown where nothing is said.
        #[arg(long)]
        words_to: Option<PathBuf>,
        /// Takes the words from a file instead of drawing new ones.
        #[arg(long)]
        restore: Option<PathBuf>,
    },
    /// Serves clients and answers closes, until a signal ends it.
    Run,
    /// Shows the address that clients paste, and the accounts that need money for fees.
    Info,
    /// Shows every client with its slots.
    Clients,
    /// Shows every channel that is watched.
    Appointments,
    /// Shows how much is kept and how each chain stands.
    Stats,
}

/// A command that was not done.
struct Failure {
    class: ErrorClass,
    message: String,
}

impl Failure {
    fn refused(message: impl Into<String>) -> Self {
        Self { class: ErrorClass::Refused, message: message.into() }
    }

    fn of(class: ErrorClass, error: &dyn std::error::Error) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            message.push_str(": ");
            message.push_str(&cause.to_string());
            source = cause.source();
        }
        Self { class, message }
    }

    fn disk(what: &str, path: &Path, error: &io::Error) -> Self {
        Self::refused(format!("can't {what} {}: {}", path.display(), error.kind()))
    }
}

/// The program: reads the arguments, carries out one command, says how it went.
#[must_use]
pub fn main() -> ExitCode {
    let args = Args::parse();
    let is_json = args.json;
    match carry_out(&args) {
        Ok(answer) => {
            let shown = if is_json { format!("{answer}") } else { for_people(&answer) };
            if shown.is_empty() || say(&shown).is_ok() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(Failure { class, message }) => {
            let (word, code) = match class {
                ErrorClass::Refused | ErrorClass::PeerFault => ("refused", 3),
                ErrorClass::Transient => ("transient", 4),
                ErrorClass::Fatal => ("fatal", 5),
            };
            let line = if is_json {
                json!({ "error": word, "message": message }).to_string()
            } else {
                format!("{word}: {message}")
            };
            // Nobody can be told that nobody can be told.
            drop(writeln!(io::stderr(), "{line}"));
            ExitCode::from(code)
        }
    }
}

fn say(text: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{text}")
}

/// One line for each field, or for each row of a list.
fn for_people(answer: &Value) -> String {
    let fields = |fields: &serde_json::Map<String, Value>, colon: &str, between: &str| {
        let parts = fields.iter().map(|(name, value)| format!("{name}{colon} {}", plain(value)));
        parts.collect::<Vec<_>>().join(between)
    };
    if answer.is_null() {
        return String::new();
    }
    if let Some(answer) = answer.as_object() {
        return fields(answer, ":", "\n");
    }
    let Some(rows) = answer.as_array() else { return plain(answer) };
    if rows.is_empty() {
        return "none".to_owned();
    }
    let line = |row: &Value| match row.as_object() {
        Some(row) => fields(row, "", "  "),
        None => plain(row),
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

fn carry_out(args: &Args) -> Result<Value, Failure> {
    let config = settings(args)?;
    match &args.command {
        Command::Init { words_to, restore } => {
            init(args, &config, words_to.as_deref(), restore.as_deref())
        }
        Command::Run => serve(args, &config),
        Command::Info => ask(args, &config, "/info"),
        Command::Clients => ask(args, &config, "/clients"),
        Command::Appointments => ask(args, &config, "/appointments"),
        Command::Stats => ask(args, &config, "/stats"),
    }
}

fn settings(args: &Args) -> Result<Config, Failure> {
    let path = args.config.clone().unwrap_or_else(|| args.data_dir.join(FILE));
    let mut config = Config::read(&path).map_err(|error| Failure::of(error.class(), &error))?;
    if let Some(listen) = &args.listen {
        config.listen = vec![listen.clone()];
    }
    if let Some(admin) = args.admin {
        config.admin = admin;
    }
    if let Some(file) = &args.password_file {
        config.password_file = Some(file.clone());
    }
    Ok(config)
}

fn init(
    args: &Args,
    config: &Config,
    words_to: Option<&Path>,
    restore: Option<&Path>,
) -> Result<Value, Failure> {
    let dir = &args.data_dir;
    if seed_path(dir).exists() {
        return Err(Failure::refused(format!("{} holds a tower already", dir.display())));
    }
    let password = password(config)?;
    let phrase = match restore {
        Some(path) => {
            let text = fs::read_to_string(path).map_err(|e| Failure::disk("read", path, &e))?;
            Phrase::parse(&Zeroizing::new(text)).map_err(|e| Failure::of(e.class(), &e))?
        }
        None => Phrase::generate().map_err(|error| Failure::of(error.class(), &error))?,
    };
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|error| Failure::disk("make", dir, &error))?;
    if let Some(path) = words_to {
        write_new(path, format!("{}\n", *phrase.expose_words()).as_bytes())?;
    }
    let token = draw_token().map_err(|error| Failure::of(error.class(), &error))?;
    if !token_path(dir).exists() {
        write_new(&token_path(dir), format!("{token}\n").as_bytes())?;
    }
    if !dir.join(FILE).exists() {
        write_new(&dir.join(FILE), SAMPLE.as_bytes())?;
    }
    // The seed is what makes the folder a tower, so it comes last.
    seed_file::create(&seed_path(dir), &phrase, &password, ScryptCost::STANDARD)
        .map_err(|error| Failure::of(error.class(), &error))?;
    let shown = words_to.is_none() && restore.is_none();
    let words = shown.then(|| phrase.expose_words().to_string());
    Ok(json!({ "dataDir": dir.display().to_string(), "words": words }))
}

fn serve(args: &Args, config: &Config) -> Result<Value, Failure> {
    let filter = EnvFilter::try_new(format!("{QUIET},{}", config.log))
        .map_err(|error| Failure::of(ErrorClass::Refused, &error))?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr);
    let begun = if args.json { log.json().try_init() } else { log.try_init() };
    if begun.is_err() {
        tracing::debug!("logs are being written already");
    }
    let password = password(config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::of(ErrorClass::Fatal, &error))?;
    let ended = runtime.block_on(run(&args.data_dir, config, &password));
    ended.map(|()| Value::Null).map_err(|error| Failure::of(error.class(), &error))
}

/// Asks the running tower.
fn ask(args: &Args, config: &Config, path: &str) -> Result<Value, Failure> {
    let token = match fs::read_to_string(token_path(&args.data_dir)) {
        Ok(token) => token,
        // The address is no secret, and stays while the tower is down.
        Err(_) if path == "/info" && address_path(&args.data_dir).exists() => {
            return info_of_file(args);
        }
        Err(error) => return Err(no_token(&args.data_dir, &error)),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::of(ErrorClass::Fatal, &error))?;
    let answer = runtime.block_on(admin::ask(config.admin, path, token.trim()));
    let answer = match answer {
        Ok(answer) => answer,
        // The address does not change while the tower is down.
        Err(_) if path == "/info" => return info_of_file(args),
        Err(error) => {
            let message = format!(
                "no tower answers at {}: {}. Start it with `lockstep-watchtower run`, or name where it answers with \
                 --admin",
                config.admin,
                error.kind()
            );
            return Err(Failure { class: ErrorClass::Transient, message });
        }
    };
    serde_json::from_str(&answer).map_err(|error| Failure::of(ErrorClass::Fatal, &error))
}

/// Why a tower can't be asked, and what to do about it.
fn no_token(dir: &Path, error: &io::Error) -> Failure {
    let place = dir.display();
    if error.kind() == io::ErrorKind::PermissionDenied {
        return Failure::refused(format!(
            "the tower in {place} is another user's: ask as the user that runs it, such as with `sudo -u`"
        ));
    }
    if !seed_path(dir).exists() {
        return Failure::refused(format!(
            "there is no tower in {place}: name its folder with --data-dir, or make one with `lockstep-watchtower init`"
        ));
    }
    Failure::refused(format!(
        "{} can't be read: {}. Restore it from the folder's copy, or stop the tower, write a new token of your own to it, \
         and start the tower again",
        token_path(dir).display(),
        error.kind()
    ))
}

fn info_of_file(args: &Args) -> Result<Value, Failure> {
    let file = address_path(&args.data_dir);
    let address = fs::read_to_string(&file).map_err(|_| {
        Failure::refused(
            "the tower has not run yet: its address comes with `lockstep-watchtower run`",
        )
    })?;
    Ok(json!({ "address": address.trim() }))
}

fn password(config: &Config) -> Result<Password, Failure> {
    let Some(path) = &config.password_file else {
        return Err(Failure::refused(
            "the password is not given: name a file with it in --password-file or tower.toml",
        ));
    };
    let file = fs::File::open(path).map_err(|error| Failure::disk("read", path, &error))?;
    let mode = file.metadata().map_err(|error| Failure::disk("read", path, &error))?.permissions();
    if mode.mode() & 0o077 != 0 {
        return Err(Failure::refused(format!(
            "{} can be read by others: chmod 600",
            path.display()
        )));
    }
    let mut text = Zeroizing::new(String::new());
    file.take(MAX_PASSWORD_BYTES)
        .read_to_string(&mut text)
        .map_err(|error| Failure::disk("read", path, &error))?;
    let password = text.trim_end_matches(['\r', '\n']);
    if password.chars().count() < LEAST_PASSWORD {
        return Err(Failure::refused(format!(
            "the password has fewer than {LEAST_PASSWORD} characters"
        )));
    }
    Ok(Password::new(password.to_owned()))
}

/// Writes a file that only its owner reads, and that was not there.
fn write_new(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let written =
        fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).and_then(
            |mut file| {
                file.write_all(content)?;
                file.sync_all()
            },
        );
    written.map_err(|error| Failure::disk("write", path, &error))
}
