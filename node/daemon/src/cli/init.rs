//! `lockstep init`: everything that a new node needs, made beside its place and moved there as one.

use super::args::Init;
use super::failure::CliError;
use super::output::Terminal;
use super::{Place, check, password};
use crate::config::{Loaded, file_with};
use crate::engine::restore::anchor_path;
use crate::keys;
use alloy_primitives::{Address, hex};
use lockstep_rpc::access::Tokens;
use lockstep_rpc::types::CheckReport;
use lockstep_signer::keystore::ScryptCost;
use lockstep_signer::keystore::seed_file;
use lockstep_signer::phrase::Phrase;
use lockstep_signer::secret::{Password, PinPolicy};
use lockstep_signer::{KeyRing, account::Account};
use serde::Serialize;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;
/// Words asked again, so that nobody clicks through.
const ASKED_WORDS: [usize; 3] = [3, 11, 20];
const COLUMNS: usize = 4;

/// What was made.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Made {
    data_dir: PathBuf,
    network: String,
    /// Owner of our side of channels, to be funded; none while the chain's id is not known.
    account: Option<String>,
    /// Shown only to programs that did not ask for a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    words: Option<String>,
}

pub(super) fn run(args: &Init, place: &Place, terminal: &mut Terminal) -> Result<(), CliError> {
    let loaded = admitted(args, place, terminal)?;
    let phrase = phrase_of(args)?;
    let password = password::chosen(place, terminal)?;
    let account = loaded.config.chain.id.map(|id| owner(&phrase, id)).transpose()?;
    let draft = Draft::create(place, &phrase, &password, ScryptCost::STANDARD)?;
    let words = hand_over_words(args, &phrase, terminal)?;
    if args.restore.is_none() {
        put_old_note_away(place)?;
    }
    if let Err(error) = draft.publish(&place.data_dir) {
        take_words_back(args, place);
        return Err(error);
    }
    let made = Made {
        data_dir: place.data_dir.clone(),
        network: place.network.clone(),
        account: account.as_ref().map(ToString::to_string),
        words: words.map(|words| words.to_string()),
    };
    terminal.answer(&made, describe)
}

/// A development node, without questions: its password lies beside its seed, since the money is play money.
pub(super) fn make_for_development(place: &Place) -> Result<(), CliError> {
    let mut secret = Zeroizing::new([0_u8; 24]);
    getrandom::fill(secret.as_mut())
        .map_err(|_| CliError::failed("the system gives no randomness"))?;
    let text = Zeroizing::new(hex::encode(*secret));
    let phrase = Phrase::generate().map_err(|error| CliError::of(error.class(), &error))?;
    let mut layers = place.layers.clone();
    let path = place.data_dir.join("password");
    layers.flags.insert("keys.password_file".to_owned(), path.display().to_string());
    let with_file = Place { layers, ..place.clone() };
    let password = Password::new(text.to_string());
    let draft = Draft::create(&with_file, &phrase, &password, ScryptCost::STANDARD)?;
    write_new(&draft.folder.join("password"), format!("{}\n", *text).as_bytes())?;
    put_old_note_away(place)?;
    draft.publish(&place.data_dir)
}

/// What can be looked at before anything is made.
fn admitted(args: &Init, place: &Place, terminal: &Terminal) -> Result<Loaded, CliError> {
    refuse_existing(place)?;
    let loaded = place.load()?;
    let can_ask = terminal.is_person() && !terminal.is_json();
    if !can_ask && !args.yes && args.restore.is_none() && args.words_to.is_none() {
        return Err(CliError::refused("nobody is there to write the seed words down")
            .safe("nothing was made")
            .advice("say where they go with --words-to FILE, or --yes to get them in the answer"));
    }
    Ok(loaded)
}

/// What would be made.
pub(super) fn plan(
    args: &Init,
    place: &Place,
    terminal: &Terminal,
) -> Result<CheckReport, CliError> {
    let loaded = admitted(args, place, terminal)?;
    let source = password::source(place, terminal, true)?;
    let mut steps = Vec::new();
    match (&args.restore, &args.words_to) {
        (Some(path), _) if path.as_os_str() == "-" => {
            steps.push("the seed words are read from standard input".to_owned());
        }
        (Some(path), _) => {
            let phrase = phrase_of(args)?;
            steps.push(format!("the seed words of {} are used again", path.display()));
            if let Some(id) = loaded.config.chain.id {
                steps.push(format!("the node's account is {}", owner(&phrase, id)?));
            }
        }
        (None, Some(path)) if path.exists() => {
            return Err(disk("write", path, &io::ErrorKind::AlreadyExists.into()));
        }
        (None, Some(path)) => {
            steps.push(format!("24 new seed words are written into {}", path.display()));
        }
        (None, None) => steps.push("24 new seed words are shown once".to_owned()),
    }
    steps.push(format!("they are kept under a password that comes from {source}"));
    let (folder, network) = (place.data_dir.display(), &place.network);
    steps.push(format!("a node for {network} is made in {folder}"));
    let warnings = match loaded.config.chain.id {
        Some(_) => vec![],
        None => vec!["chain.id is not set: the node does not start before it is".to_owned()],
    };
    Ok(check::report(steps, warnings))
}

fn refuse_existing(place: &Place) -> Result<(), CliError> {
    let folder = &place.data_dir;
    let is_taken = match fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(disk("read", folder, &error)),
    };
    if !is_taken {
        return Ok(());
    }
    let what = if place.is_initialised() { "holds a node already" } else { "is not empty" };
    Err(CliError::refused(format!("{} {what}", folder.display()))
        .safe("nothing in it was touched")
        .advice("choose another folder with --data-dir, or another network"))
}

/// A node that was here has left its note beside the folder, which a node with other words would contradict.
/// It is kept under another name: should the old folder come back, so can the note.
fn put_old_note_away(place: &Place) -> Result<(), CliError> {
    let note = anchor_path(&place.load()?.config, &place.data_dir);
    let mut kept = note.clone().into_os_string();
    kept.push(format!(".{}", tail()?));
    match fs::rename(&note, &kept) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(disk("rename", &note, &error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn phrase_of(args: &Init) -> Result<Phrase, CliError> {
    let Some(path) = &args.restore else {
        return Phrase::generate().map_err(|error| CliError::of(error.class(), &error));
    };
    let mut text = Zeroizing::new(String::new());
    let read = if path.as_os_str() == "-" {
        io::stdin().read_to_string(&mut text)
    } else {
        File::open(path).and_then(|mut file| file.read_to_string(&mut text))
    };
    read.map_err(|error| disk("read", path, &error))?;
    Phrase::parse(&text).map_err(|error| {
        CliError::of(error.class(), &error)
            .safe("nothing was made")
            .advice("look at the words again")
    })
}

/// The address that will own our side of channels on a chain.
fn owner(phrase: &Phrase, chain_id: u64) -> Result<Address, CliError> {
    let ring = KeyRing::new(phrase, PinPolicy::BestEffort)
        .map_err(|error| CliError::of(error.class(), &error))?;
    let account: Account = ring
        .account(keys::account_index(chain_id, 0))
        .map_err(|error| CliError::of(error.class(), &error))?;
    Ok(account.address())
}

/// Shows the words and has some of them typed again, or writes them where they shall be.
fn hand_over_words(
    args: &Init,
    phrase: &Phrase,
    terminal: &mut Terminal,
) -> Result<Option<Zeroizing<String>>, CliError> {
    if args.restore.is_some() {
        return Ok(None);
    }
    let words = phrase.expose_words();
    if let Some(path) = &args.words_to {
        write_new(path, format!("{}\n", *words).as_bytes())?;
        return Ok(None);
    }
    if terminal.is_json() {
        return Ok(Some(words));
    }
    terminal.note(
        "These 24 words are the node's money. Write them on paper; they are not shown again.\n",
    )?;
    terminal.note(&grid(&words))?;
    if args.yes {
        return Ok(None);
    }
    for number in ASKED_WORDS {
        let typed = Zeroizing::new(terminal.ask(&format!("Word {number}: "))?);
        let is_right = words.split(' ').nth(number.saturating_sub(1)) == Some(typed.as_str());
        if !is_right {
            return Err(CliError::refused(format!("that is not word {number}"))
                .safe("nothing was made; these words are worth nothing")
                .advice("run it again and write the new words down"));
        }
    }
    Ok(None)
}

/// Words of a node that was not made are worth nothing, and a file of them would only mislead.
fn take_words_back(args: &Init, place: &Place) {
    if let (Some(path), None, false) = (&args.words_to, &args.restore, place.is_initialised()) {
        // What can't be removed is a file of words without money.
        drop(fs::remove_file(path));
    }
}

/// The words with their numbers, read down each column.
fn grid(words: &str) -> Zeroizing<String> {
    let words: Vec<&str> = words.split(' ').collect();
    let rows = words.len().div_ceil(COLUMNS);
    let mut text = Zeroizing::new(String::with_capacity(1_024));
    for row in 0..rows {
        for (index, word) in words.iter().enumerate().skip(row).step_by(rows) {
            text.push_str(&format!("{:>4}. {word:<10}", index.saturating_add(1)));
        }
        text.push('\n');
    }
    text
}

fn describe(made: &Made) -> String {
    let mut text = format!("A node for {} is in {}.\n", made.network, made.data_dir.display());
    if let Some(account) = &made.account {
        text.push_str(&format!("Its account is {account}: send it coins for gas and deposits.\n"));
    }
    text.push_str(&format!("Start it with `{}`.", start_command(made)));
    text
}

/// What starts it, from any terminal.
fn start_command(made: &Made) -> String {
    let mut words = format!("lockstep node --network {}", made.network);
    let usual = super::home().map(|home| home.join(&made.network));
    if !usual.is_ok_and(|usual| usual == made.data_dir) {
        words.push_str(&format!(" --data-dir {}", made.data_dir.display()));
    }
    words
}

/// A data folder in the making, removed again unless it is published.
struct Draft {
    folder: PathBuf,
    is_published: bool,
}

impl Draft {
    fn create(
        place: &Place,
        phrase: &Phrase,
        password: &Password,
        cost: ScryptCost,
    ) -> Result<Self, CliError> {
        let folder = beside(&place.data_dir)?;
        let text = file_with(&place.network, &place.layers.flags)?;
        DirBuilder::new()
            .recursive(true)
            .mode(FOLDER_MODE)
            .create(&folder)
            .map_err(|error| disk("make", &folder, &error))?;
        let draft = Self { folder, is_published: false };
        let folder = &draft.folder;
        seed_file::create(&keys::seed_path(folder), phrase, password, cost)
            .map_err(|error| CliError::of(error.class(), &error))?;
        keys::create_marks(folder).map_err(|error| CliError::of(error.class(), &error))?;
        Tokens::init(&folder.join("tokens"))
            .map_err(|error| CliError::of(error.class(), &error))?;
        write_new(&folder.join("lockstep.toml"), text.as_bytes())?;
        Ok(draft)
    }

    /// Moves it to its place, in one step: there is a whole node, or none.
    fn publish(mut self, place: &Path) -> Result<(), CliError> {
        sync(&self.folder)?;
        fs::rename(&self.folder, place).map_err(|error| disk("make", place, &error))?;
        self.is_published = true;
        let parent = place.parent().filter(|parent| !parent.as_os_str().is_empty());
        // A name alone lies in the current folder.
        sync(parent.unwrap_or(Path::new("."))).map_err(|error| {
            error.safe("the node is made; a power cut now could lose it").advice("look at the disk")
        })
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.is_published {
            // What can't be removed is a folder that no node looks at.
            drop(fs::remove_dir_all(&self.folder));
        }
    }
}

/// A folder next to the place, with a name that nobody else has.
fn beside(place: &Path) -> Result<PathBuf, CliError> {
    let name = place.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(place.with_file_name(format!(".{name}.{}", tail()?)))
}

/// The end of a name that nobody else has.
fn tail() -> Result<String, CliError> {
    let mut tail = [0_u8; 6];
    getrandom::fill(&mut tail).map_err(|_| CliError::failed("the system gives no randomness"))?;
    Ok(hex::encode(tail))
}

fn write_new(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(FILE_MODE);
    options
        .open(path)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .map_err(|error| disk("write", path, &error))
}

fn sync(folder: &Path) -> Result<(), CliError> {
    File::open(folder)
        .and_then(|file| file.sync_all())
        .map_err(|error| disk("sync", folder, &error))
}

fn disk(action: &str, path: &Path, error: &io::Error) -> CliError {
    CliError::refused(format!("can't {action} {}: {}", path.display(), error.kind()))
        .safe("nothing was made")
}
