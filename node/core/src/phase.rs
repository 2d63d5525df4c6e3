//! The life of a channel, one file per phase.

pub(crate) mod closing;
pub(crate) mod disputed;
pub(crate) mod open;
pub(crate) mod opening;
pub(crate) mod settled;
