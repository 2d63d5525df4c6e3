//! The node's phrase at rest: scrypt, then XChaCha20-Poly1305 over the entropy, with the whole header bound in.

use std::path::Path;

use alloy_primitives::hex;
use chacha20poly1305::aead::{AeadInPlace, KeyInit};
use chacha20poly1305::{Tag, XChaCha20Poly1305, XNonce};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::file::{Existing, read_secret, write_secret};
use super::kdf::{ScryptCost, scrypt};
use super::{KeystoreError, hex_array};
use crate::phrase::{ENTROPY_BYTES, Phrase};
use crate::secret::{Password, random_bytes};

const FORMAT: &str = "lockstep-seed";
const VERSION: u32 = 1;
const KDF: &str = "scrypt";
const CIPHER: &str = "xchacha20-poly1305";
const SALT_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;

/// The file as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    format: String,
    version: u32,
    kdf: String,
    n: u64,
    r: u32,
    p: u32,
    salt: String,
    cipher: String,
    nonce: String,
    ciphertext: String,
    tag: String,
}

/// Writes the phrase to a new file.
///
/// # Errors
/// [`KeystoreError::Exists`] when the name is taken: a seed is never written over.
pub fn create(
    path: &Path,
    phrase: &Phrase,
    password: &Password,
    cost: ScryptCost,
) -> Result<(), KeystoreError> {
    write_secret(path, &seal(phrase, password, cost)?, Existing::Keep)
}

/// Reads the phrase back.
///
/// # Errors
/// [`KeystoreError::WrongPassword`], or whatever else is wrong with the file.
pub fn open(path: &Path, password: &Password) -> Result<Phrase, KeystoreError> {
    unseal(&read_secret(path)?, password)
}

/// Puts the same phrase under another password, in one step: a crash leaves the old file or the new one.
///
/// # Errors
/// As [`open`] with the old password; then the file is unchanged.
pub fn change_password(
    path: &Path,
    old: &Password,
    new: &Password,
    cost: ScryptCost,
) -> Result<(), KeystoreError> {
    let phrase = open(path, old)?;
    write_secret(path, &seal(&phrase, new, cost)?, Existing::Replace)
}

/// The bytes of a seed file.
///
/// # Errors
/// [`KeystoreError::Randomness`].
pub fn seal(
    phrase: &Phrase,
    password: &Password,
    cost: ScryptCost,
) -> Result<Vec<u8>, KeystoreError> {
    let salt = random_bytes::<SALT_BYTES>()?;
    let nonce = random_bytes::<NONCE_BYTES>()?;
    let key = scrypt(password, salt.as_ref(), cost)?;
    let mut body = phrase.entropy();
    let tag = XChaCha20Poly1305::new(key.as_ref().into())
        .encrypt_in_place_detached(<&XNonce>::from(&*nonce), &header(cost, &salt), body.as_mut())
        .map_err(|_| KeystoreError::Field { field: "ciphertext" })?;
    let envelope = Envelope {
        format: FORMAT.into(),
        version: VERSION,
        kdf: KDF.into(),
        n: cost.n(),
        r: cost.r(),
        p: cost.p(),
        salt: hex::encode(*salt),
        cipher: CIPHER.into(),
        nonce: hex::encode(*nonce),
        ciphertext: hex::encode(*body),
        tag: hex::encode(tag),
    };
    Ok(serde_json::to_vec_pretty(&envelope)?)
}

/// The phrase in the bytes of a seed file.
///
/// # Errors
/// As [`open`]; no bytes make it panic.
pub fn unseal(content: &[u8], password: &Password) -> Result<Phrase, KeystoreError> {
    let envelope: Envelope = serde_json::from_slice(content)?;
    for (field, is_known) in [
        ("format", envelope.format == FORMAT),
        ("version", envelope.version == VERSION),
        ("kdf", envelope.kdf == KDF),
        ("cipher", envelope.cipher == CIPHER),
    ] {
        if !is_known {
            return Err(KeystoreError::Unsupported { field });
        }
    }
    let cost = ScryptCost::from_file(envelope.n, envelope.r, envelope.p)?;
    let salt = hex_array::<SALT_BYTES>("salt", &envelope.salt)?;
    let nonce = hex_array::<NONCE_BYTES>("nonce", &envelope.nonce)?;
    let tag = hex_array::<TAG_BYTES>("tag", &envelope.tag)?;
    let mut body = Zeroizing::new(hex_array::<ENTROPY_BYTES>("ciphertext", &envelope.ciphertext)?);
    let key = scrypt(password, &salt, cost)?;
    XChaCha20Poly1305::new(key.as_ref().into())
        .decrypt_in_place_detached(
            <&XNonce>::from(&nonce),
            &header(cost, &salt),
            body.as_mut(),
            <&Tag>::from(&tag),
        )
        .map_err(|_| KeystoreError::WrongPassword)?;
    Ok(Phrase::from_entropy(&body)?)
}

/// What is authenticated beside the ciphertext, so that no field of the file can be exchanged unseen.
fn header(cost: ScryptCost, salt: &[u8; SALT_BYTES]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(96);
    bytes.extend_from_slice(FORMAT.as_bytes());
    bytes.extend_from_slice(&VERSION.to_be_bytes());
    bytes.extend_from_slice(&cost.n().to_be_bytes());
    bytes.extend_from_slice(&cost.r().to_be_bytes());
    bytes.extend_from_slice(&cost.p().to_be_bytes());
    bytes.extend_from_slice(salt);
    bytes
}
