//! Web3 Secret Storage, version 3: one account key as geth, clef, cast and every wallet read and write it.
//!
//! Source: the "Web3 Secret Storage Definition" of the Ethereum wiki. Its mac covers the ciphertext only, which is
//! why our own phrase has another envelope (ADR 0006); here interoperability is the point.

use std::path::Path;

use aes::cipher::{KeyIvInit, StreamCipher};
use alloy_primitives::{Address, B256, Keccak256, hex};
use k256::ecdsa::SigningKey;
use k256::elliptic_curve::subtle::ConstantTimeEq;
use lockstep_core::signature::SignerKey;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroizing;

use super::file::{Existing, read_secret, write_secret};
use super::kdf::{STRETCHED_BYTES, ScryptCost, pbkdf2, scrypt};
use super::{KeystoreError, hex_array};
use crate::derive::KEY_BYTES;
use crate::secret::{Password, random_bytes};

type Aes128Ctr = ctr::Ctr128BE<aes::Aes128>;

const VERSION: u32 = 3;
const CIPHER: &str = "aes-128-ctr";
const IV_BYTES: usize = 16;
const SALT_BYTES: usize = 32;
/// Units: bytes of salt that a file from elsewhere may have.
const MAX_SALT_BYTES: usize = 128;

// Unknown fields are allowed here, unlike in our own file: wallets add their own.
#[derive(Serialize, Deserialize)]
struct KeyFile {
    version: u32,
    id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    crypto: Crypto,
}

#[derive(Serialize, Deserialize)]
struct Crypto {
    cipher: String,
    cipherparams: CipherParams,
    ciphertext: String,
    kdf: String,
    kdfparams: Value,
    mac: String,
}

#[derive(Serialize, Deserialize)]
struct CipherParams {
    iv: String,
}

#[derive(Serialize, Deserialize)]
struct ScryptParams {
    dklen: u32,
    n: u64,
    r: u32,
    p: u32,
    salt: String,
}

#[derive(Deserialize)]
struct Pbkdf2Params {
    dklen: u32,
    c: u32,
    prf: String,
    salt: String,
}

/// The key in a file and the address it has.
#[derive(Debug)]
pub struct OpenedKey {
    /// What the chain knows the key as.
    pub address: Address,
    secret: SecretKey,
}

/// Kept apart so that `Debug` of [`OpenedKey`] can be derived without showing it.
struct SecretKey(Zeroizing<[u8; KEY_BYTES]>);

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("redacted")
    }
}

impl OpenedKey {
    /// The secret, for the transaction signer.
    #[must_use]
    pub fn expose_secret(&self) -> &Zeroizing<[u8; KEY_BYTES]> {
        &self.secret.0
    }
}

/// Writes an account key to a new file.
///
/// # Errors
/// [`KeystoreError::Exists`] when the name is taken, or as [`seal`].
pub fn create(
    path: &Path,
    secret: &Zeroizing<[u8; KEY_BYTES]>,
    password: &Password,
    cost: ScryptCost,
) -> Result<(), KeystoreError> {
    write_secret(path, &seal(secret, password, cost)?, Existing::Keep)
}

/// Reads an account key.
///
/// # Errors
/// [`KeystoreError::WrongPassword`], or whatever else is wrong with the file.
pub fn open(path: &Path, password: &Password) -> Result<OpenedKey, KeystoreError> {
    unseal(&read_secret(path)?, password)
}

/// The bytes of a version 3 file.
///
/// # Errors
/// [`KeystoreError::InvalidKey`] when `secret` is no key of the curve.
pub fn seal(
    secret: &Zeroizing<[u8; KEY_BYTES]>,
    password: &Password,
    cost: ScryptCost,
) -> Result<Vec<u8>, KeystoreError> {
    let address = address_of_secret(secret)?;
    let salt = random_bytes::<SALT_BYTES>()?;
    let iv = random_bytes::<IV_BYTES>()?;
    let key = scrypt(password, salt.as_ref(), cost)?;
    let mut body = secret.clone();
    apply_cipher(&key, &iv, body.as_mut())?;
    let kdfparams =
        ScryptParams { dklen: 32, n: cost.n(), r: cost.r(), p: cost.p(), salt: hex::encode(*salt) };
    let file = KeyFile {
        version: VERSION,
        id: random_uuid()?,
        address: Some(hex::encode(address)),
        crypto: Crypto {
            cipher: CIPHER.into(),
            cipherparams: CipherParams { iv: hex::encode(*iv) },
            ciphertext: hex::encode(*body),
            kdf: "scrypt".into(),
            kdfparams: serde_json::to_value(kdfparams)?,
            mac: hex::encode(mac(&key, body.as_ref())?),
        },
    };
    Ok(serde_json::to_vec_pretty(&file)?)
}

/// The key in the bytes of a version 3 file.
///
/// # Errors
/// As [`open`]; no bytes make it panic.
pub fn unseal(content: &[u8], password: &Password) -> Result<OpenedKey, KeystoreError> {
    let file: KeyFile = serde_json::from_slice(content)?;
    if file.version != VERSION {
        return Err(KeystoreError::Unsupported { field: "version" });
    }
    let crypto = file.crypto;
    if crypto.cipher != CIPHER {
        return Err(KeystoreError::Unsupported { field: "cipher" });
    }
    let iv = hex_array::<IV_BYTES>("iv", &crypto.cipherparams.iv)?;
    let expected = hex_array::<32>("mac", &crypto.mac)?;
    let mut body = Zeroizing::new(hex_array::<KEY_BYTES>("ciphertext", &crypto.ciphertext)?);
    let key = stretch(&crypto.kdf, crypto.kdfparams, password)?;
    let found = mac(&key, body.as_ref())?;
    if !bool::from(found.as_slice().ct_eq(&expected)) {
        return Err(KeystoreError::WrongPassword);
    }
    apply_cipher(&key, &iv, body.as_mut())?;
    let address = address_of_secret(&body)?;
    if let Some(named) = file.address
        && hex_array::<20>("address", &named)? != address.into_array()
    {
        return Err(KeystoreError::AddressMismatch);
    }
    Ok(OpenedKey { address, secret: SecretKey(body) })
}

fn stretch(
    kdf: &str,
    params: Value,
    password: &Password,
) -> Result<Zeroizing<[u8; STRETCHED_BYTES]>, KeystoreError> {
    match kdf {
        "scrypt" => {
            let params: ScryptParams = serde_json::from_value(params)?;
            check_length(params.dklen)?;
            let cost = ScryptCost::from_file(params.n, params.r, params.p)?;
            scrypt(password, &salt_bytes(&params.salt)?, cost)
        }
        "pbkdf2" => {
            let params: Pbkdf2Params = serde_json::from_value(params)?;
            check_length(params.dklen)?;
            if params.prf != "hmac-sha256" {
                return Err(KeystoreError::Unsupported { field: "prf" });
            }
            pbkdf2(password, &salt_bytes(&params.salt)?, params.c)
        }
        _ => Err(KeystoreError::Unsupported { field: "kdf" }),
    }
}

fn check_length(dklen: u32) -> Result<(), KeystoreError> {
    if dklen == 32 { Ok(()) } else { Err(KeystoreError::Unsupported { field: "dklen" }) }
}

fn salt_bytes(text: &str) -> Result<Vec<u8>, KeystoreError> {
    let field = KeystoreError::Field { field: "salt" };
    match hex::decode(text) {
        Ok(salt) if salt.len() <= MAX_SALT_BYTES => Ok(salt),
        Ok(_) | Err(_) => Err(field),
    }
}

/// The first half of the stretched key encrypts.
fn apply_cipher(
    key: &[u8; STRETCHED_BYTES],
    iv: &[u8; IV_BYTES],
    body: &mut [u8],
) -> Result<(), KeystoreError> {
    let (first, _) = halves(key)?;
    Aes128Ctr::new(first.into(), iv.into()).apply_keystream(body);
    Ok(())
}

/// The second half of the stretched key authenticates.
fn mac(key: &[u8; STRETCHED_BYTES], ciphertext: &[u8]) -> Result<B256, KeystoreError> {
    let (_, second) = halves(key)?;
    let mut hasher = Keccak256::new();
    hasher.update(second);
    hasher.update(ciphertext);
    Ok(hasher.finalize())
}

fn halves(key: &[u8; STRETCHED_BYTES]) -> Result<(&[u8; 16], &[u8; 16]), KeystoreError> {
    match (key.first_chunk(), key.last_chunk()) {
        (Some(first), Some(second)) => Ok((first, second)),
        (Some(_) | None, Some(_) | None) => Err(KeystoreError::Field { field: "dklen" }),
    }
}

fn address_of_secret(secret: &[u8; KEY_BYTES]) -> Result<Address, KeystoreError> {
    let key = SigningKey::from_bytes(secret.into()).map_err(|_| KeystoreError::InvalidKey)?;
    Ok(SignerKey::from_verifying_key(*key.verifying_key()).address())
}

/// Source: RFC 9562 §5.4, a random UUID with its version and variant bits.
fn random_uuid() -> Result<String, KeystoreError> {
    let mut bytes = random_bytes::<16>()?;
    if let [_, _, _, _, _, _, version, _, variant, ..] = bytes.as_mut() {
        *version = (*version & 0x0f) | 0x40;
        *variant = (*variant & 0x3f) | 0x80;
    }
    let text = hex::encode(*bytes);
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    Ok([part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-"))
}
