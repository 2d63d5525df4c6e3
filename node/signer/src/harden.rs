//! What the process asks of the kernel before it holds a key (P54): no core dump, no attaching debugger, and,
//! where the limit allows it, no page on the swap device.

use lockstep_core::error::ErrorClass;
use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit,
};

/// The kernel refused to turn core dumps off.
#[derive(Debug, thiserror::Error)]
#[error("core dumps can't be turned off")]
pub struct HardenError(#[source] rustix::io::Errno);

impl HardenError {
    /// A process that can dump its keys must not read them.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        ErrorClass::Fatal
    }
}

/// How far memory is kept from the swap device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SwapGuard {
    /// Every page of the process, those of the future included.
    WholeProcess,
    /// Only the pages of [`crate::secret::Secret`]. Copies that arithmetic leaves on a stack can reach swap, so
    /// the operator must turn swap off, encrypt it, or raise `RLIMIT_MEMLOCK` to unlimited.
    KeyPagesOnly,
}

/// Turns core dumps off and pins memory as far as the limits of this process allow. Call it before a key is read.
///
/// # Errors
/// [`HardenError`] when core dumps stay possible; then no key should be read.
pub fn harden_process() -> Result<SwapGuard, HardenError> {
    // Soft and hard: nothing in this process can raise it again.
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })
        .map_err(HardenError)?;
    // Also closes /proc/<pid>/mem and ptrace to other processes of this user, and core handlers that ignore limits.
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(HardenError)?;
    Ok(pin_whole_process())
}

/// Under a finite limit a later allocation would fail instead of being pinned, so then it is not tried.
fn pin_whole_process() -> SwapGuard {
    if getrlimit(Resource::Memlock).current.is_some() {
        return SwapGuard::KeyPagesOnly;
    }
    let every_page_once_used =
        MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT;
    match mlockall(every_page_once_used) {
        Ok(()) => SwapGuard::WholeProcess,
        Err(_) => SwapGuard::KeyPagesOnly,
    }
}
