//! Bytes that must not leak: kept on a page of their own, pinned in memory, wiped on drop, never printed.

use std::fmt;

use lockstep_core::error::ErrorClass;
use zeroize::{Zeroize, Zeroizing};

/// Shape: the smallest page size of every platform we run on; a larger real page only wastes some memory.
const PAGE_BYTES: usize = 4096;

/// What to do when the kernel refuses to pin a secret's page (`RLIMIT_MEMLOCK`, a container's seccomp filter).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinPolicy {
    /// Refuse to hold the secret: it could reach the swap device.
    Required,
    /// Hold it all the same; [`Secret::is_pinned`] says what happened, so that the operator can be told.
    BestEffort,
}

/// The kernel refused to pin the page of a secret.
#[derive(Debug, thiserror::Error)]
#[error(
    "memory for a key can't be pinned; raise RLIMIT_MEMLOCK or turn swap off and allow unpinned keys"
)]
pub struct PinError(#[source] region::Error);

impl PinError {
    /// The operator raises the limit or allows unpinned keys.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        ErrorClass::Refused
    }
}

/// One page with the secret at its start, so that pinning it touches no other data.
#[repr(C, align(4096))]
struct Page {
    bytes: [u8; PAGE_BYTES],
}

/// `N` secret bytes on a pinned page.
///
/// # Invariants
/// The page is wiped before it is unpinned and freed. `Debug` shows no byte.
pub struct Secret<const N: usize> {
    // Fields drop in this order, after `Drop` below has wiped the page: unpinning a page that was freed already could
    // unpin the one that another secret got in the meantime.
    guard: Option<region::LockGuard>,
    page: Box<Page>,
}

impl<const N: usize> Secret<N> {
    /// Moves `bytes` to a pinned page.
    ///
    /// # Errors
    /// [`PinError`] when the kernel refuses and `policy` is [`PinPolicy::Required`].
    pub fn new(bytes: &Zeroizing<[u8; N]>, policy: PinPolicy) -> Result<Self, PinError> {
        const { assert!(N <= PAGE_BYTES, "a secret fits on one page") };
        let mut page = Box::new(Page { bytes: [0; PAGE_BYTES] });
        let guard = match (region::lock(page.bytes.as_ptr(), PAGE_BYTES), policy) {
            (Ok(guard), PinPolicy::Required | PinPolicy::BestEffort) => Some(guard),
            (Err(_), PinPolicy::BestEffort) => None,
            (Err(error), PinPolicy::Required) => return Err(PinError(error)),
        };
        // Only after pinning: an unpinned page never holds the bytes under `Required`.
        for (to, from) in page.bytes.iter_mut().zip(bytes.iter()) {
            *to = *from;
        }
        Ok(Self { guard, page })
    }

    /// The secret, for the shortest time possible.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.page.bytes.get(..N).unwrap_or(&[])
    }

    /// Whether the kernel keeps this secret out of swap.
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        self.guard.is_some()
    }
}

impl<const N: usize> Drop for Secret<N> {
    fn drop(&mut self) {
        self.page.bytes.zeroize();
    }
}

impl<const N: usize> fmt::Debug for Secret<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

/// A password as the user typed it: wiped on drop, never printed.
pub struct Password(Zeroizing<String>);

impl Password {
    /// Takes the text over; the caller keeps no copy.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(redacted)")
    }
}

/// The operating system gave no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gave no random bytes")]
pub struct EntropyError(#[source] getrandom::Error);

impl EntropyError {
    /// Without randomness no key or nonce is safe.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        ErrorClass::Fatal
    }
}

/// `N` bytes from the operating system's generator.
///
/// # Errors
/// [`EntropyError`] when there is none; a weaker source is never used instead.
pub(crate) fn random_bytes<const N: usize>() -> Result<Zeroizing<[u8; N]>, EntropyError> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(bytes.as_mut()).map_err(EntropyError)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p54_a_secret_is_on_a_pinned_page_and_prints_nothing() {
        let bytes = Zeroizing::new([0xAB; 32]);
        let secret = Secret::new(&bytes, PinPolicy::BestEffort).unwrap();
        assert_eq!(secret.expose(), &[0xAB; 32]);
        assert_eq!(std::ptr::from_ref(secret.page.as_ref()).addr() % PAGE_BYTES, 0);
        assert_eq!(format!("{secret:?}"), "Secret(redacted)");
        assert_eq!(format!("{:?}", Password::new("hunter2".into())), "Password(redacted)");
    }

    #[test]
    fn p54_pinned_bytes_are_counted_by_the_kernel_as_locked() {
        let locked_kib = || -> u64 {
            let status = std::fs::read_to_string("/proc/self/status").unwrap();
            let line = status.lines().find(|l| l.starts_with("VmLck:")).unwrap();
            line.split_whitespace().nth(1).unwrap().parse().unwrap()
        };
        let secrets: Vec<_> = (0..8)
            .map(|i| Secret::new(&Zeroizing::new([i; 64]), PinPolicy::Required).unwrap())
            .collect();
        assert!(secrets.iter().all(Secret::is_pinned));
        // Other tests of this process may pin pages too, never fewer than ours.
        assert!(locked_kib() >= 8 * 4, "VmLck is {} KiB", locked_kib());
    }

    #[test]
    fn random_bytes_differ_from_call_to_call() {
        assert_ne!(*random_bytes::<32>().unwrap(), *random_bytes::<32>().unwrap());
    }
}
