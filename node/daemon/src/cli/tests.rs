//! The command line as people meet it.

use super::args::{Command, command_line, parse};
use super::*;
use std::fs;
use std::path::Path;

#[test]
fn the_command_line_is_sound() {
    command_line().debug_assert();
}

#[test]
fn the_committed_reference_is_the_one_that_the_program_makes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cli.md");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, reference()).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == reference(), "docs/cli.md is old: run the tests with UPDATE=1");
}

#[test]
fn every_command_shows_an_example_of_itself_that_it_understands() {
    let mut seen = Vec::new();
    for command in command_line().get_subcommands() {
        assert_examples(command, "lockstep", &mut seen);
    }
    assert!(seen.len() > 60, "not all of them: {seen:?}");
}

/// Looks at a command and at all commands in it.
fn assert_examples(command: &clap::Command, above: &str, seen: &mut Vec<String>) {
    let name = format!("{above} {}", command.get_name());
    let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let words = after.lines().filter_map(|line| line.split_once("lockstep "));
    let examples: Vec<String> = words.map(|(_, words)| format!("lockstep {words}")).collect();
    assert!(!examples.is_empty(), "{name} has no example");
    for example in examples {
        let typed = example.split(" > ").next().unwrap_or(&example);
        assert!(format!("{typed} ").starts_with(&format!("{name} ")), "{name}: {example}");
        let arguments: Vec<&str> = typed.split(' ').collect();
        if let Err(error) = parse(&arguments) {
            panic!("{example}: {error}");
        }
    }
    for inner in command.get_subcommands() {
        assert_examples(inner, &name, seen);
    }
    seen.push(name);
}

#[test]
fn an_option_of_the_node_is_a_flag_before_and_after_the_command() {
    for arguments in [
        ["lockstep", "--rpc-listen", "127.0.0.1:7", "status"],
        ["lockstep", "status", "--rpc-listen", "127.0.0.1:7"],
    ] {
        let matches = command_line().try_get_matches_from(arguments).unwrap();
        let flags = flags_of(&matches);
        assert_eq!(flags.get("rpc.listen").map(String::as_str), Some("127.0.0.1:7"));
        assert_eq!(flags.len(), 1);
    }
}

#[test]
fn arguments_that_make_no_sense_are_refused() {
    for arguments in [
        vec!["lockstep"],
        vec!["lockstep", "fly"],
        vec!["lockstep", "pay"],
        vec!["lockstep", "deposit", "0x12ab"],
        vec!["lockstep", "stream", "0x12ab", "1wei", "--rate", "0"],
        vec!["lockstep", "recover"],
        vec!["lockstep", "recover", "--from-peer", "a", "--from-backup", "b"],
        vec!["lockstep", "check", "status"],
        vec!["lockstep", "events", "weather"],
    ] {
        let refused = parse(&arguments).err().unwrap_or_else(|| panic!("{arguments:?}"));
        assert_eq!(refused.exit_code(), 2, "{arguments:?}");
    }
}

#[test]
fn an_amount_comes_in_one_word_or_two() {
    for words in [vec!["1.5ETH"], vec!["1.5", "ETH"]] {
        let arguments: Vec<&str> = ["lockstep", "pay", "0x12ab"].into_iter().chain(words).collect();
        let Ok(Command::Pay(args)) = parse(&arguments) else { panic!("{arguments:?}") };
        assert_eq!(args.amount.concat(), "1.5ETH");
    }
}

mod folder;
mod table;
mod terminal;
