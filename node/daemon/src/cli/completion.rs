//! `lockstep completions`.

use super::args::{Completions, command_line};
use super::failure::CliError;
use super::output::Terminal;

pub(super) fn print(args: &Completions, terminal: &mut Terminal) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command_line(), "lockstep", &mut script);
    let script = String::from_utf8(script).map_err(|_| CliError::failed("no completions"))?;
    terminal.line(&script)
}
