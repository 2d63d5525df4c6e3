//! A state channel node for Ethereum rollups: the program. Everything it does is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    lockstep::cli::main()
}
