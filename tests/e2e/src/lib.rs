//! Real processes against each other.
//!
//! A library for the tests in `tests/it`: peers that break every rule ([`hostile`]), a local chain
//! ([`anvil`]) and RPC endpoints in front of it that are strict, slow or lie ([`proxy`]), network namespaces
//! ([`netns`]), a disk that fills up ([`small_disk`]), what a process takes of its machine ([`process`]), and
//! whole nodes and towers as anybody runs them ([`world`], [`node`], [`channel`], [`tower`]). It must never be part of a product.

pub mod anvil;
pub mod channel;
pub mod dice;
pub mod hostile;
pub mod json_rpc;
pub mod netns;
pub mod node;
pub mod p2p_node;
pub mod process;
pub mod proxy;
pub mod small_disk;
pub mod tower;
pub mod world;

use std::time::Duration;

/// Far longer than anything here takes; a test that waits so long has failed.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Fails the test instead of hanging it.
///
/// # Panics
/// When it does not happen.
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it happens soon")
}

/// How often what is waited for is looked at.
pub const LOOK: Duration = Duration::from_millis(25);

/// Asks over and over until there is an answer, or far too long has passed.
pub async fn try_patiently<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.ok()
}

/// Asks over and over until there is an answer.
///
/// # Panics
/// When there is none for far too long.
pub async fn patiently<T>(what: &str, ask: impl AsyncFnMut() -> Option<T>) -> T {
    let answer = try_patiently(ask).await;
    answer.unwrap_or_else(|| panic!("it never came to be: {what}"))
}
