//! Where answers go: tables and sentences for people, one JSON value for programs.

use super::failure::CliError;
use comfy_table::{Table, presets};
use serde::Serialize;
use std::io::{self, BufRead, IsTerminal, Write};

/// The terminal, or what stands in for it.
pub(super) struct Terminal {
    out: Box<dyn Write>,
    err: Box<dyn Write>,
    input: Box<dyn BufRead>,
    is_json: bool,
    /// Whether a person reads and types.
    is_person: bool,
}

impl Terminal {
    pub(super) fn of_process(is_json: bool) -> Self {
        let is_person = io::stdin().is_terminal() && io::stderr().is_terminal();
        Self {
            out: Box::new(io::stdout()),
            err: Box::new(io::stderr()),
            input: Box::new(io::BufReader::new(io::stdin())),
            is_json,
            is_person,
        }
    }

    pub(super) fn is_json(&self) -> bool {
        self.is_json
    }

    /// Whether somebody is there to be asked.
    pub(super) fn is_person(&self) -> bool {
        self.is_person
    }

    /// Whether somebody reads the answer itself on a screen.
    pub(super) fn is_screen(&self) -> bool {
        !self.is_json && io::stdout().is_terminal()
    }

    /// The answer: JSON, or what `text` makes of it.
    pub(super) fn answer<T: Serialize>(
        &mut self,
        answer: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Result<(), CliError> {
        let text = if self.is_json {
            serde_json::to_string(answer).map_err(|error| CliError::failed(error.to_string()))?
        } else {
            text(answer)
        };
        self.line(&text)
    }

    /// One line of an answer, as it is.
    pub(super) fn line(&mut self, text: &str) -> Result<(), CliError> {
        let text = text.trim_end_matches('\n');
        writeln!(self.out, "{text}").and_then(|()| self.out.flush()).map_err(|error| closed(&error))
    }

    /// Something for people beside the answer; programs don't see it.
    pub(super) fn note(&mut self, text: &str) -> Result<(), CliError> {
        if self.is_json {
            return Ok(());
        }
        writeln!(self.err, "{text}").map_err(|error| closed(&error))
    }

    /// An error, at the end.
    pub(super) fn show_error(&mut self, error: &CliError) {
        if error.is_silent() {
            return;
        }
        let text = if self.is_json { format!("{}\n", error.to_json()) } else { error.to_text() };
        // Where nobody listens there is nobody to tell; the exit code still says it.
        drop(self.err.write_all(text.as_bytes()));
    }

    /// Asks a question that is answered with yes or no; anything but yes is no.
    pub(super) fn confirm(&mut self, question: &str) -> Result<bool, CliError> {
        let answer = self.ask(&format!("{question} [y/N] "))?;
        Ok(matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes"))
    }

    /// Asks for one line.
    pub(super) fn ask(&mut self, question: &str) -> Result<String, CliError> {
        if !self.is_person {
            return Err(CliError::refused("nobody is there to be asked")
                .safe("nothing was done")
                .advice("answer ahead with --yes"));
        }
        write!(self.err, "{question}")
            .and_then(|()| self.err.flush())
            .map_err(|error| closed(&error))?;
        let mut answer = String::new();
        self.input.read_line(&mut answer).map_err(|error| closed(&error))?;
        Ok(answer.trim().to_owned())
    }
}

fn closed(error: &io::Error) -> CliError {
    if error.kind() == io::ErrorKind::BrokenPipe {
        // Whoever read has read enough, such as `head`.
        return CliError::silent();
    }
    CliError::failed(format!("the terminal is gone: {}", error.kind()))
}

/// A table without lines, which can be cut and pasted.
pub(super) fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(head.to_vec());
    for row in rows {
        table.add_row(row);
    }
    trimmed(&table)
}

/// Names and values, one pair in a line.
pub(super) fn pairs(rows: impl IntoIterator<Item = (String, String)>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    for (name, value) in rows {
        table.add_row(vec![name, value]);
    }
    trimmed(&table)
}

fn trimmed(table: &Table) -> String {
    let text = table.to_string();
    // The first column's padding, and what is left at the ends of lines.
    let lines = text.lines().map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end());
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
pub(super) mod testing {
    //! A terminal that keeps what is written to it.

    use super::Terminal;
    use std::io::{self, Cursor, Write};
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    pub(in crate::cli) struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Paper {
        pub(in crate::cli) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A terminal at which somebody types these lines, and what comes out of it.
    pub(in crate::cli) fn terminal(is_json: bool, typed: Option<&str>) -> (Terminal, Paper, Paper) {
        let (out, err) = (Paper::default(), Paper::default());
        let terminal = Terminal {
            out: Box::new(out.clone()),
            err: Box::new(err.clone()),
            input: Box::new(Cursor::new(typed.unwrap_or_default().to_owned())),
            is_json,
            is_person: typed.is_some(),
        };
        (terminal, out, err)
    }
}
