//! The journal of a Lockstep node: what is written here is durable before a signature leaves.
//!
//! It must never report as durable what a power cut could take back, never let two digests be bound
//! to one version, and never let a restored backup pass for the journal it was copied from.
//!
//! Reading order: [`table`] (what is kept), [`write_set`] (what a group wants), [`engine`] (how a
//! group becomes durable), `transaction` (guard, rows and head in one), [`disk`] (what the storage
//! engine leaves out), [`epoch`] (which life of the journal this is), [`mod@open`], [`journal`] (the
//! core's view), [`writer`] (group commit), [`backup`], [`proof`], [`prune`], [`port`] (what others
//! keep here), [`error`].
#![cfg_attr(
    test,
    allow(
        clippy::as_conversions,
        clippy::arithmetic_side_effects,
        reason = "a broken assumption of a test shows as its failure"
    )
)]

pub mod backup;
pub mod checksum;
mod chunk;
pub mod contact;
pub mod convert;
#[cfg(any(test, feature = "testing"))]
pub mod crash;
pub mod disk;
pub mod engine;
pub mod epoch;
pub mod error;
#[cfg(any(test, feature = "testing"))]
pub mod faulty;
pub mod feed;
#[cfg(any(test, feature = "testing"))]
pub mod fixture;
mod head;
mod history;
pub mod journal;
mod lock_file;
pub mod open;
mod plan;
pub mod port;
pub mod proof;
pub mod prune;
pub mod request;
pub mod row_source;
mod rows;
mod schema;
mod slot_file;
pub mod table;
pub mod tower;
mod transaction;
pub mod write_set;
pub mod writer;

pub use chunk::MAX_VALUE_BYTES;
pub use history::HistoryStep;
pub use schema::SCHEMA_VERSION;
