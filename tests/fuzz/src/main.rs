//! `lockstep-fuzz corpus FOLDER` makes the committed corpora; `lockstep-fuzz hunt MINUTES` looks for inputs
//! that make a target panic, on all targets in turn.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

const HELP: &str = "\
lockstep-fuzz corpus FOLDER              writes the corpora anew
lockstep-fuzz hunt MINUTES [TARGET]      looks for inputs that make a target panic";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["corpus", folder] => {
            let written = lockstep_fuzz::corpus::write_all(Path::new(folder));
            written.iter().for_each(|(kind, count)| println!("{kind:<28} {count}"));
            ExitCode::SUCCESS
        }
        ["hunt", minutes, rest @ ..] => match minutes.parse::<u64>() {
            Ok(minutes) => {
                let time = Duration::from_secs(60 * minutes);
                let is_clean = lockstep_fuzz::hunt::hunt(time, rest.first().copied());
                if is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE }
            }
            Err(_) => help(),
        },
        _ => help(),
    }
}

fn help() -> ExitCode {
    println!("{HELP}");
    ExitCode::FAILURE
}
