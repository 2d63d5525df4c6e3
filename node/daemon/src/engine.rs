//! The engine: it wires core, journal, signer, peers and chain together, and keeps every channel going.
//!
//! Each channel has a driver of its own, which alone changes it. The engine brings to the drivers what happens
//! (`link`: peers, `news`: the chain, `backend`: operator and API) and carries out what they decide, always in
//! the same order: durable, signed, sent. It never decides by itself what a message or a fact means.
//!
//! In reading order: `event` (everything that can wake a driver), `driver`, `order`, `journal`; `link`,
//! `opening`, `offers`, `queries`, `peers`, `cuts`; `news`; `ledger`, [`invoice`], `feeds`; `registry`, `view`, `shared`,
//! `settings`, `alarms`, `figures`, `seldom`, `wording`; `tower`; `start`, `housekeeping`, `retire`, `equivocation`, [`recovery`], [`restore`],
//! `backend`.

mod alarms;
mod backend;
mod births;
mod cuts;
mod driver;
mod equivocation;
mod event;
#[cfg(feature = "testing")]
mod failpoint;
mod feeds;
mod figures;
mod housekeeping;
pub mod invoice;
mod journal;
mod ledger;
mod link;
mod news;
mod offers;
mod opening;
mod order;
mod peers;
mod queries;
pub mod recovery;
mod registry;
mod resets;
pub mod restore;
mod retire;
mod revive;
mod seldom;
mod settings;
mod shared;
mod start;
mod tower;
mod view;
mod watch_over;
mod wording;

pub(crate) use alarms::AlarmKind;
pub use settings::SettingsError;
pub use start::{Engine, EngineError, EngineSetup};

use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// What a panic elsewhere cannot have left half changed is used all the same.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read_lock<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write_lock<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
