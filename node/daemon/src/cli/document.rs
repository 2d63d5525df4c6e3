//! `docs/cli.md`, made from the command line itself.

use super::args::{EVERYWHERE, command_line};
use crate::config::specs;
use clap::Command;

const HEAD: &str = "# Command line\n
Made from the program itself; `UPDATE=1 cargo test -p lockstep --lib cli` writes it anew.\n";

/// The document.
pub fn reference() -> String {
    let mut text = HEAD.to_owned();
    let mut command = command_line().term_width(100);
    command.build();
    section(&command, "", &mut text);
    text.push_str("\n## Options of the node\n\nEach can be given with every command.\n\n");
    text.push_str("| flag | environment | file | what it is |\n|---|---|---|---|\n");
    for spec in specs() {
        text.push_str(&format!(
            "| `--{}` | `{}` | `{}` | {} |\n",
            spec.flag(),
            spec.env(),
            spec.key(),
            spec.doc
        ));
    }
    text
}

fn section(command: &Command, above: &str, text: &mut String) {
    let name = format!("{above} {}", command.get_name()).trim().to_owned();
    let help = command.clone().term_width(100).render_help().to_string();
    let paragraphs = help.split("\n\n").map(str::trim_end);
    // What holds everywhere is said once.
    let shown = paragraphs.filter(|text| above.is_empty() || !text.starts_with(EVERYWHERE));
    let help = shown.collect::<Vec<_>>().join("\n\n");
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    text.push_str(&format!("\n## `{name}`\n\n```text\n{}\n```\n", lines.join("\n").trim()));
    for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
        section(inner, &name, text);
    }
}
