//! The port through which marks outlive the process.

use super::Mark;
use super::book::MarkBook;

/// A place where marks are appended and never changed.
///
/// [`super::file::MarkFile`] keeps them in a file of their own. Another implementation must be as separate from
/// backups as that one: marks that were put back from yesterday guard nothing.
pub trait MarkLog {
    /// What can go wrong.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Adds marks. When it returns, they outlive this process; see the implementation for power loss.
    ///
    /// # Errors
    /// After an error no new mark may be entrusted to this log: whether these are kept is not known.
    fn append(&mut self, marks: &[Mark]) -> Result<(), Self::Error>;

    /// Tells what is still of use, after each append, so that the log can shed the rest when it has grown. A log that
    /// has no room to do so stays as it is.
    ///
    /// # Errors
    /// As [`MarkLog::append`]: marks kept before may be lost.
    fn shed(&mut self, live: &MarkBook) -> Result<(), Self::Error>;
}
