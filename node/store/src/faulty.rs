//! A disk that fails when it is told to, for tests.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use crate::disk::Disk;

/// What the disk does from now on, and what it has done.
#[derive(Clone, Debug, Default)]
pub struct FaultPlan {
    state: Arc<Mutex<FaultState>>,
}

#[derive(Debug, Default)]
struct FaultState {
    fail_reserve: Option<i32>,
    fail_sync: Option<i32>,
    panic_on_sync: bool,
    skip_syncs: bool,
    syncs: u64,
}

impl FaultPlan {
    /// Lets each reservation fail with this error number, or succeed again.
    pub fn fail_reserve(&self, errno: Option<i32>) {
        self.with(|state| state.fail_reserve = errno);
    }

    /// Lets each `fdatasync` fail with this error number, or succeed again.
    pub fn fail_sync(&self, errno: Option<i32>) {
        self.with(|state| state.fail_sync = errno);
    }

    /// Lets the next `fdatasync` panic.
    pub fn panic_on_sync(&self) {
        self.with(|state| state.panic_on_sync = true);
    }

    /// Lets each `fdatasync` report success without doing anything, as a journal without one would.
    pub fn skip_syncs(&self) {
        self.with(|state| state.skip_syncs = true);
    }

    /// How many `fdatasync` calls succeeded.
    pub fn sync_count(&self) -> u64 {
        self.with(|state| state.syncs)
    }

    fn with<T>(&self, change: impl FnOnce(&mut FaultState) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A real disk behind a plan of faults.
pub struct FaultyDisk {
    inner: Box<dyn Disk>,
    plan: FaultPlan,
}

impl FaultyDisk {
    /// Puts a plan before a disk.
    pub fn new(inner: Box<dyn Disk>, plan: FaultPlan) -> Self {
        Self { inner, plan }
    }
}

impl Disk for FaultyDisk {
    fn reserve(&mut self) -> io::Result<()> {
        match self.plan.with(|state| state.fail_reserve) {
            Some(errno) => Err(io::Error::from_raw_os_error(errno)),
            None => self.inner.reserve(),
        }
    }

    #[allow(clippy::panic, reason = "the panic is the fault that a test asked for")]
    fn sync_data(&mut self) -> io::Result<()> {
        let (fail, panics) =
            self.plan.with(|state| (state.fail_sync, std::mem::take(&mut state.panic_on_sync)));
        if panics {
            panic!("planned");
        }
        if let Some(errno) = fail {
            return Err(io::Error::from_raw_os_error(errno));
        }
        if self.plan.with(|state| state.skip_syncs) {
            return Ok(());
        }
        self.inner.sync_data()?;
        self.plan.with(|state| state.syncs = state.syncs.saturating_add(1));
        Ok(())
    }
}

/// Stands in for a disk while it is being wrapped.
pub(crate) struct NoDisk;

impl Disk for NoDisk {
    fn reserve(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn sync_data(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
