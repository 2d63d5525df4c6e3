//! The stand-alone watchtower.

use std::process::ExitCode;

fn main() -> ExitCode {
    lockstep_watchtower::cli::main()
}
