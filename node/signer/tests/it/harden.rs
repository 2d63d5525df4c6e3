//! P54: a crash of a process that holds keys leaves no core file. Checked on a child that really crashes.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};

use lockstep_signer::harden::{SwapGuard, harden_process};

/// Tells the child which it is; the parent runs without it.
const ROLE: &str = "LOCKSTEP_HARDEN_CHILD";

/// Runs this very test again in a process of its own, in an empty folder.
fn crash_as(role: &str) -> (ExitStatus, usize) {
    let folder = tempfile::tempdir().unwrap();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "harden::p54_a_hardened_process_leaves_no_core_file", "--nocapture"])
        .env(ROLE, role)
        .current_dir(folder.path())
        .output()
        .unwrap()
        .status;
    (status, std::fs::read_dir(folder.path()).unwrap().count())
}

#[test]
fn p54_a_hardened_process_leaves_no_core_file() {
    match std::env::var(ROLE).as_deref() {
        Ok("hardened") => {
            harden_process().unwrap();
            std::process::abort();
        }
        Ok("plain") => std::process::abort(),
        Ok(other) => panic!("no role {other}"),
        Err(_) => {
            let (status, files) = crash_as("hardened");
            assert!(status.signal().is_some(), "the child was to crash: {status}");
            assert!(!status.core_dumped(), "the child dumped core");
            assert_eq!(files, 0, "the child left a file");
            // The control only tells something where core dumps are on; it is reported, not asserted.
            let (plain, _) = crash_as("plain");
            println!("without hardening core_dumped is {}", plain.core_dumped());
        }
    }
}

#[test]
fn p54_hardening_holds_for_the_rest_of_the_process_and_says_what_it_reached() {
    let guard = harden_process().unwrap();
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = |name: &str| limits.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    let core = line("Max core file size");
    let numbers: Vec<_> = core.split_whitespace().filter(|word| *word == "0").collect();
    assert_eq!(numbers.len(), 2, "soft and hard limit: {core}");
    assert_eq!(
        rustix::process::dumpable_behavior().unwrap(),
        rustix::process::DumpableBehavior::NotDumpable
    );
    if guard == SwapGuard::WholeProcess {
        assert!(line("Max locked memory").contains("unlimited"));
    }
}
