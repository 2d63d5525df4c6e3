//! Words that product code, or the pure core, does without.

use crate::code::{code_of, line_of, words};
use crate::tree::SourceFile;

/// Not in the core: it has no IO, clock, randomness, threads, async, logging, and no order that differs by run.
const CORE_BANS: [&str; 24] = [
    "std::fs",
    "std::net",
    "std::io",
    "std::env",
    "std::process",
    "std::thread",
    "std::sync",
    "Instant",
    "SystemTime",
    "async",
    "await",
    "tokio",
    "futures",
    "tracing",
    "log",
    "println",
    "eprintln",
    "print",
    "rand",
    "getrandom",
    "serde",
    "prost",
    "HashMap",
    "HashSet",
];

/// Files of the core where a raw 256-bit number is no amount, or where amounts are made of it, each with its reason.
const CORE_U256: [(&str, &str); 7] = [
    ("node/core/src/money.rs", "amounts are made of it here and nowhere else"),
    ("node/core/src/digest.rs", "what is hashed is made of it"),
    ("node/core/src/ids.rs", "chain ids as words and the StarkNet prime; no amount"),
    ("node/core/src/state.rs", "the id of a `Take`; no amount"),
    ("node/core/src/terms.rs", "the words that are hashed to the channel id"),
    ("node/core/src/lock.rs", "the words that are hashed to the locks root"),
    ("node/core/src/signature.rs", "the scalar of a curve; no amount"),
];

/// Product code names none of these, whatever the crate.
const PRODUCT_BANS: [(&str, &str); 4] = [
    ("macro_rules!", "a macro needs an ADR"),
    ("todo!", "unfinished"),
    ("unimplemented!", "unfinished"),
    ("dbg!", "left over"),
];

/// Words of unfinished work, in comments too.
const LEFTOVERS: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

/// Folders of one machine and hosts of one network.
const MACHINE: [&str; 8] = [
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/tmp", "/"),
    concat!("../sha", "red"),
    concat!("index.cra", "tes.io"),
    concat!("static.cra", "tes.io"),
    concat!("registry.np", "mjs.org"),
];

/// Every banned word in the core's product code.
#[must_use]
pub fn core_violations(files: &[SourceFile]) -> Vec<String> {
    let mut found = Vec::new();
    for file in product_files(files).filter(|file| file.path.starts_with("node/core/src/")) {
        let code = code_of(&file.text);
        for ban in CORE_BANS {
            found.extend(words(&code, ban).map(|at| place(file, &code, at, ban)));
        }
        let may_hold_words = CORE_U256.iter().any(|(path, _)| *path == file.path)
            || file.path.starts_with("node/core/src/adjudicator");
        if !may_hold_words {
            found.extend(words(&code, "U256").map(|at| place(file, &code, at, "U256: use Amount")));
        }
    }
    found
}

/// Every file that the list of exceptions for `U256` names and that does not use it.
#[must_use]
pub fn stale_exceptions(files: &[SourceFile]) -> Vec<String> {
    let uses = |path: &str| {
        files
            .iter()
            .any(|file| file.path == path && words(&code_of(&file.text), "U256").next().is_some())
    };
    CORE_U256
        .iter()
        .filter(|(path, _)| !uses(path))
        .map(|(path, _)| format!("{path} needs no U256"))
        .collect()
}

/// Every banned word in any product code.
#[must_use]
pub fn product_violations(files: &[SourceFile]) -> Vec<String> {
    let mut found = Vec::new();
    for file in product_files(files) {
        let code = code_of(&file.text);
        for (ban, why) in PRODUCT_BANS {
            let at = code.match_indices(ban).map(|(at, _)| at);
            found.extend(at.map(|at| place(file, &code, at, &format!("{ban}: {why}"))));
        }
    }
    found
}

/// Every mark of unfinished work, test code included.
#[must_use]
pub fn leftovers(files: &[SourceFile]) -> Vec<String> {
    let written = files.iter().filter(|file| !file.is_generated() && !is_prose(file));
    written
        .flat_map(|file| {
            LEFTOVERS.into_iter().flat_map(move |word| {
                words(&file.text, word).map(move |at| place(file, &file.text, at, word))
            })
        })
        .collect()
}

/// Every place that names a folder of one machine or a host of a registry.
#[must_use]
pub fn machine_names(files: &[SourceFile]) -> Vec<String> {
    let written = files.iter().filter(|file| !file.is_generated());
    written
        .flat_map(|file| {
            MACHINE.into_iter().flat_map(move |name| {
                file.text.match_indices(name).filter_map(move |(at, _)| {
                    // A folder of that name inside another path is ours.
                    let before = file.text.as_bytes()[..at].last().copied();
                    let is_absolute =
                        before.is_none_or(|b| !b.is_ascii_alphanumeric() && !b"._-}".contains(&b));
                    is_absolute.then(|| place(file, &file.text, at, name))
                })
            })
        })
        .collect()
}

fn product_files(files: &[SourceFile]) -> impl Iterator<Item = &SourceFile> {
    files.iter().filter(|file| file.has_extension("rs") && !file.is_test_code())
}

/// Documents may talk about the words themselves.
fn is_prose(file: &SourceFile) -> bool {
    file.has_extension("md")
}

fn place(file: &SourceFile, text: &str, at: usize, what: &str) -> String {
    format!("{}:{}: {what}", file.path, line_of(text, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planted(path: &str, text: &str) -> [SourceFile; 1] {
        [SourceFile::planted(path, text)]
    }

    #[test]
    fn every_ban_of_the_core_is_found_once_and_only_in_its_code() {
        for ban in CORE_BANS.into_iter().chain(["U256"]) {
            let code =
                format!("\nuse x::{ban};\n// {ban}\n#[cfg(test)]\nmod tests {{ use {ban}; }}\n");
            let code = if ban.starts_with("std") { code.replace("x::", "") } else { code };
            let found = core_violations(&planted("node/core/src/dispute.rs", &code));
            assert_eq!(found.len(), 1, "{ban}: {found:?}");
            assert!(found[0].starts_with("node/core/src/dispute.rs:2:"), "{found:?}");
            assert!(core_violations(&planted("node/store/src/lib.rs", &code)).is_empty());
            assert!(core_violations(&planted("node/core/src/dispute/tests.rs", &code)).is_empty());
        }
        assert!(core_violations(&planted("node/core/src/money.rs", "U256")).is_empty());
        assert!(
            core_violations(&planted("node/core/src/update.rs", "fn catalog() { strand(); }"))
                .is_empty()
        );
    }

    #[test]
    fn an_exception_that_nobody_needs_is_named() {
        let all: Vec<_> =
            CORE_U256.iter().map(|(path, _)| SourceFile::planted(path, "U256")).collect();
        assert!(stale_exceptions(&all).is_empty());
        assert_eq!(stale_exceptions(&all[1..]).len(), 1);
    }

    #[test]
    fn macros_and_unfinished_code_are_found() {
        for code in ["macro_rules! x {}", "todo!()", "unimplemented!()", "dbg!(x)"] {
            assert_eq!(
                product_violations(&planted("node/store/src/a.rs", code)).len(),
                1,
                "{code}"
            );
            assert!(product_violations(&planted("tests/sim/src/a.rs", code)).is_empty());
        }
    }

    #[test]
    fn leftovers_are_found_in_comments_too() {
        for word in LEFTOVERS {
            let text = format!("ok\n// {word}: later\n");
            assert_eq!(
                leftovers(&planted("tests/sim/src/a.rs", &text)),
                [format!("tests/sim/src/a.rs:2: {word}")]
            );
            assert!(leftovers(&planted("CONTRIBUTING.md", &text)).is_empty());
            assert!(leftovers(&planted("a.rs", &format!("{word}ABLE"))).is_empty());
        }
    }

    #[test]
    fn names_of_one_machine_are_found_and_our_own_folders_are_not() {
        for name in MACHINE {
            assert_eq!(machine_names(&planted("a.md", &format!("see {name}x"))).len(), 1, "{name}");
            assert!(machine_names(&planted("Cargo.lock", name)).is_empty());
        }
        let ours = format!("target{}x", MACHINE[0]);
        assert!(machine_names(&planted("a.md", &ours)).is_empty());
    }
}
