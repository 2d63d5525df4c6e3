//! The chain's place in the node: two tasks that own the follower and the submitter, and a handle to both.
//!
//! What is seen comes out as [`ChainNews`], in order, through a bounded queue; the follower goes on only after
//! the receiver has acknowledged a batch, so that its cursor never passes what is not committed. Looking and
//! sending are apart: a follower that catches up, or an endpoint that stalls it, delays no challenge.
//!
//! In reading order: `setup`, `news`, `handle`, `watcher` (looks), `sender` (acts), `store` (what both keep),
//! `status`, `budget`, [`deployment`] and [`deploy`], `error`.

mod budget;
pub mod deploy;
pub mod deployment;
mod error;
mod escape;
mod handle;
mod news;
mod sender;
mod setup;
mod status;
mod store;
mod watcher;

pub use budget::call_budget;
pub use error::ChainTaskError;
pub use handle::{ChainHandle, EntryOrder, Revealed};
pub use news::ChainNews;
pub use setup::{ChainSetup, ChainTask, WatchedChannel, accounts, connect};
pub use status::{ChainStatus, EndpointStatus};
pub(crate) use store::ChainStore;
