//! The only crate that holds a channel key (spec §7). It signs only `Durable<SigningRequest>`: what the journal has
//! already put on disk, typed, never bare bytes.
//!
//! It must never: sign a digest that it did not compute from typed content; sign two digests for one version of a
//! channel, whatever the rest of the node believes; print, log or return a key except through a method called
//! `expose_*` or `*_secret`; talk to a network, a chain or a database.
//!
//! Reading order:
//! - [`signer`]: request in, signature out. [`mark`]: what was signed before, and in which file that is kept.
//! - [`key_ring`], [`derive`], [`account`], [`phrase`]: from 24 words to every key.
//! - [`ecdsa`]: one signature, checked before it is returned.
//! - [`keystore`]: secrets at rest. [`secret`], [`harden`]: secrets in memory.
#![forbid(unsafe_code)]

pub mod account;
pub mod derive;
pub mod ecdsa;
pub mod harden;
pub mod key_ring;
pub mod keystore;
pub mod mark;
pub mod phrase;
pub mod secret;
pub mod signer;

pub use key_ring::KeyRing;
pub use signer::{ChannelSigner, SignerError};
