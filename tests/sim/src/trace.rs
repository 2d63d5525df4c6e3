//! The story of a run, kept only where somebody will read it.

/// A list of lines, or nothing.
#[derive(Clone, Debug, Default)]
pub struct Trace(Option<Vec<String>>);

impl Trace {
    /// One that keeps what it is told.
    #[must_use]
    pub fn kept() -> Self {
        Self(Some(vec![]))
    }

    /// Adds a line, which is made only if it is kept.
    pub fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.0 {
            lines.push(line());
        }
    }

    /// All lines.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        self.0.as_deref().unwrap_or_default()
    }
}
