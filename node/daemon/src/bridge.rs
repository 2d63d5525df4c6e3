//! The bridge's place in the node: a task that owns the submitter on L1 and the courier, and a handle to both.
//!
//! Reading order: `network` how the rollup is bridged; `setup`; `desk` who sends; `task`; `handle` what the
//! engine asks.

mod desk;
mod handle;
mod network;
mod setup;
mod task;

pub(crate) use handle::BridgeHandle;
pub use setup::BridgeStartError;
pub(crate) use setup::{BridgeSetup, start};
