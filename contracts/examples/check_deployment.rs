//! Checks deployment files against this build: `cargo run -p lockstep-contracts --example check_deployment FILE...`
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command for people")]

use lockstep_contracts::deployment::Deployment;
use std::error::Error;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for file in std::env::args().skip(1) {
        match check(&file) {
            Ok(deployment) => println!(
                "{file}: {} on chain {}, channel contract at {}",
                deployment.artifact, deployment.chain_id, deployment.channel.address
            ),
            Err(error) => {
                eprint!("{file}: {error}");
                let mut source = error.source();
                while let Some(cause) = source {
                    eprint!(": {cause}");
                    source = cause.source();
                }
                eprintln!();
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}

fn check(file: &str) -> Result<Deployment, Box<dyn Error>> {
    Ok(Deployment::from_json(&std::fs::read_to_string(file)?)?)
}
