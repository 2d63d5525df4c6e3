//! What the network side needs from outside: time, randomness, and the node's key.

use lockstep_core::error::ErrorClass;
use lockstep_core::ids::NodeId;
use lockstep_core::signature::StateSignature;
use lockstep_core::time::EngineTime;
use thiserror::Error;

use crate::handshake::Handshake;

/// The engine's monotonic clock.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> EngineTime;
}

/// No randomness was to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the source of randomness gave nothing")]
pub struct NoEntropy;

/// Randomness: unpredictable in a node, seeded in a test.
pub trait Entropy: Send + Sync + 'static {
    /// Fills a buffer.
    ///
    /// # Errors
    /// [`NoEntropy`]; the buffer must not be used then.
    fn fill(&self, buffer: &mut [u8]) -> Result<(), NoEntropy>;

    /// A number.
    ///
    /// # Errors
    /// [`NoEntropy`].
    fn next_u64(&self) -> Result<u64, NoEntropy> {
        let mut bytes = [0; 8];
        self.fill(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }
}

/// The operating system's randomness.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), NoEntropy> {
        getrandom::fill(buffer).map_err(|_| NoEntropy)
    }
}

/// The node key did not sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the node key refused to sign a handshake")]
pub struct SigningRefused;

impl SigningRefused {
    /// Whoever asked can try again once the key is there.
    pub fn class(&self) -> ErrorClass {
        ErrorClass::Transient
    }
}

/// The node key, which signs handshakes and nothing else here. The key itself stays with the signer.
pub trait NodeKey: Send + Sync + 'static {
    /// Its public half, the name of this node.
    fn node_id(&self) -> NodeId;

    /// Signs the digest of a handshake in which this node is the signer.
    ///
    /// # Errors
    /// [`SigningRefused`].
    fn sign_handshake(&self, handshake: &Handshake) -> Result<StateSignature, SigningRefused>;
}
