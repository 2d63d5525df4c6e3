//! `lockstep init`, `node` and `config` as far as they need no node.

use crate::cli::args::{Command, parse};
use crate::cli::output::testing::terminal;
use crate::cli::{Place, configuration, init, node};
use crate::config::Layers;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tempfile::TempDir;

const WORDS: &str = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon \
    abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon art";

/// A place for a data folder, and a password file beside it.
fn place(folder: &TempDir, password: &str) -> Place {
    let path = folder.path().join("password");
    fs::write(&path, password).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let data_dir = folder.path().join("dev");
    let mut layers = Layers {
        network: "dev".to_owned(),
        file: data_dir.join("lockstep.toml"),
        ..Layers::default()
    };
    layers.environment.insert("LOCKSTEP_PASSWORD_FILE".to_owned(), path.display().to_string());
    Place { network: "dev".to_owned(), data_dir, layers }
}

/// Runs `lockstep init` with these arguments at a terminal where this is typed.
fn run_init(
    place: &Place,
    arguments: &[&str],
    typed: Option<&str>,
) -> (Result<(), String>, String) {
    let all: Vec<&str> =
        ["lockstep", "init"].into_iter().chain(arguments.iter().copied()).collect();
    let Ok(Command::Init(args)) = parse(&all) else { panic!("{all:?}") };
    let (mut terminal, out, err) = terminal(false, typed);
    let done = init::run(&args, place, &mut terminal).map_err(|error| error.to_text());
    (done, out.text() + &err.text())
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_node_made_from_words_has_the_account_of_these_words_and_is_not_made_twice() {
    let folder = tempfile::tempdir().unwrap();
    let place = place(&folder, "a long password\n");
    let words = folder.path().join("words");
    fs::write(&words, WORDS).unwrap();
    let (done, said) = run_init(&place, &["--restore", words.to_str().unwrap()], None);
    done.unwrap();
    assert!(said.contains("Its account is 0x"), "{said}");
    assert!(!said.contains("abandon"), "words that exist are not shown: {said}");
    assert_eq!(names(&place.data_dir), ["lockstep.toml", "marks", "seed.json", "tokens"]);
    assert_eq!(names(folder.path()), ["dev", "password", "words"]);
    for name in ["seed.json", "lockstep.toml", "marks", "tokens/admin.token"] {
        let mode = fs::metadata(place.data_dir.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name}");
    }

    let before = fs::read(place.data_dir.join("seed.json")).unwrap();
    let (again, _) = run_init(&place, &["--yes"], None);
    assert!(again.unwrap_err().contains("holds a node already"));
    assert_eq!(fs::read(place.data_dir.join("seed.json")).unwrap(), before);
}

#[test]
fn whoever_has_not_written_the_words_down_gets_no_node() {
    let folder = tempfile::tempdir().unwrap();
    let place = place(&folder, "a long password");
    let (done, said) = run_init(&place, &[], Some("wrong\n"));
    assert!(said.contains(" 24. "), "{said}");
    assert!(done.unwrap_err().contains("that is not word 3"));
    assert_eq!(names(folder.path()), ["password"]);

    let (alone, said) = run_init(&place, &[], None);
    assert!(alone.unwrap_err().contains("nobody is there to write the seed words down"));
    assert!(!said.contains(" 24. "), "{said}");
}

#[test]
fn bad_words_and_bad_passwords_make_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let words = folder.path().join("words");
    fs::write(&words, WORDS.replace("art", "zoo")).unwrap();
    let restore = ["--restore", words.to_str().unwrap()];
    let place_with = |password| place(&folder, password);
    let refused = |password, arguments: &[&str]| {
        run_init(&place_with(password), arguments, None).0.unwrap_err()
    };
    assert!(refused("a long password", &restore).contains("one is wrong or two are swapped"));
    assert!(refused("short", &["--yes"]).contains("fewer than 8 characters"));
    assert!(refused("\n", &["--yes"]).contains("is empty"));
    let place = place_with("a long password");
    let password = folder.path().join("password");
    fs::set_permissions(&password, fs::Permissions::from_mode(0o644)).unwrap();
    let (open, _) = run_init(&place, &["--yes"], None);
    assert!(open.unwrap_err().contains("can be read by others"));
    assert_eq!(names(folder.path()), ["password", "words"]);
}

#[test]
fn the_note_of_a_node_that_was_here_is_put_away_for_new_words_and_kept_for_the_old_ones() {
    let folder = tempfile::tempdir().unwrap();
    let place = place(&folder, "a long password");
    let note = folder.path().join("dev.anchor");
    fs::write(&note, "x").unwrap();
    let words = folder.path().join("words");
    fs::write(&words, WORDS).unwrap();
    run_init(&place, &["--restore", words.to_str().unwrap()], None).0.unwrap();
    assert!(note.exists());

    fs::remove_dir_all(&place.data_dir).unwrap();
    run_init(&place, &["--yes"], None).0.unwrap();
    assert!(!note.exists());
    let kept: Vec<String> =
        names(folder.path()).into_iter().filter(|name| name.starts_with("dev.anchor.")).collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
}

#[test]
fn a_node_is_not_started_where_there_is_none_or_on_a_real_network_with_play_money() {
    let folder = tempfile::tempdir().unwrap();
    let mut place = place(&folder, "a long password");
    let run = |place: &Place, arguments: &[&str]| {
        let Ok(Command::Node(args)) = parse(arguments) else { panic!("{arguments:?}") };
        let (mut terminal, ..) = terminal(false, None);
        node::run(&args, place, &mut terminal).unwrap_err().to_text()
    };
    assert!(run(&place, &["lockstep", "node"]).contains("make one with `lockstep init`"));
    place.network = "base".to_owned();
    assert!(run(&place, &["lockstep", "node", "--dev"]).contains("not base"));
}

#[test]
fn the_configuration_is_shown_with_where_each_value_comes_from() {
    let folder = tempfile::tempdir().unwrap();
    let mut place = place(&folder, "a long password");
    place.layers.flags.insert("rpc.max_batch".to_owned(), "7".to_owned());
    place.layers.environment.insert("LOCKSTEP_RPC_MAXBATCH".to_owned(), "8".to_owned());
    let Ok(Command::Config(args)) = parse(&["lockstep", "config"]) else { panic!("no config") };
    let (mut screen, out, _) = terminal(false, None);
    configuration::run(&args, &place, &mut screen).unwrap();
    let text = out.text();
    let line = |key: &str| {
        let found = text.lines().find(|line| line.starts_with(key)).unwrap_or_default();
        found.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(line("rpc.max_batch"), ["rpc.max_batch", "7", "flag", "--rpc-max-batch"]);
    assert_eq!(line("chain.id"), ["chain.id", "31337", "network", "--chain-id"]);
    assert_eq!(line("p2p.nat"), ["p2p.nat", "true", "default", "--p2p-nat"]);
    assert!(text.ends_with("warning: LOCKSTEP_RPC_MAXBATCH is no option\n"), "{text}");
}
