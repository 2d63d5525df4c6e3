//! The classes of errors: what a caller does about one.

/// What a caller does about an error; decided once, where the error is defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorClass {
    /// The peer broke the protocol: score it.
    PeerFault,
    /// The request cannot be met: tell whoever asked.
    Refused,
    /// It may work later: retry with backoff.
    Transient,
    /// Our own promises may be broken: sign nothing more.
    Fatal,
}
