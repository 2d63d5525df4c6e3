//! A password becomes a key: slowly, so that guessing is slow too.

use sha2::Sha256;
use zeroize::Zeroizing;

use super::KeystoreError;
use crate::secret::Password;

/// Units: bytes of a stretched key; the Web3 format calls it `dklen` and fixes it at 32 for its mac.
pub const STRETCHED_BYTES: usize = 32;

/// Units: scrypt blocks of 128 bytes (`n * r`). 1 GiB: a file from elsewhere can't make us ask for more.
const MAX_BLOCKS: u64 = 1 << 23;
/// Units: scrypt blocks times passes (`n * r * p`): at most 16 times the work of [`ScryptCost::STANDARD`].
const MAX_WORK: u64 = 1 << 25;
/// The most PBKDF2 rounds we carry out for a file from elsewhere: some ten seconds.
const MAX_ROUNDS: u32 = 10_000_000;

/// What opening a file costs, and so what each guess costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScryptCost {
    log2_n: u8,
    r: u32,
    p: u32,
}

impl ScryptCost {
    /// 256 MiB and about a second: what Ethereum wallets use.
    pub const STANDARD: Self = Self { log2_n: 18, r: 8, p: 1 };

    /// Cheap, for tests only.
    #[cfg(feature = "testing")]
    pub const LIGHT: Self = Self { log2_n: 4, r: 8, p: 1 };

    /// Cost as a file gives it.
    ///
    /// # Errors
    /// [`KeystoreError::Field`] unless `n` is a power of two from 2 on and memory and work are within our bounds.
    pub fn from_file(n: u64, r: u32, p: u32) -> Result<Self, KeystoreError> {
        let bad = KeystoreError::Field { field: "kdfparams" };
        let in_bounds = n.is_power_of_two()
            && n >= 2
            && r >= 1
            && p >= 1
            && n.checked_mul(u64::from(r)).is_some_and(|blocks| {
                blocks <= MAX_BLOCKS
                    && blocks.checked_mul(u64::from(p)).is_some_and(|work| work <= MAX_WORK)
            });
        match (in_bounds, u8::try_from(n.trailing_zeros())) {
            (true, Ok(log2_n)) => Ok(Self { log2_n, r, p }),
            (true | false, Ok(_) | Err(_)) => Err(bad),
        }
    }

    /// The number of rounds, as files write it.
    #[must_use]
    pub fn n(self) -> u64 {
        1_u64.checked_shl(u32::from(self.log2_n)).unwrap_or(u64::MAX)
    }

    /// Shape: block size factor, at least 1.
    #[must_use]
    pub fn r(self) -> u32 {
        self.r
    }

    /// Shape: passes, at least 1.
    #[must_use]
    pub fn p(self) -> u32 {
        self.p
    }
}

/// scrypt (RFC 7914).
///
/// # Errors
/// [`KeystoreError::Field`] for a cost that the algorithm does not allow.
pub(crate) fn scrypt(
    password: &Password,
    salt: &[u8],
    cost: ScryptCost,
) -> Result<Zeroizing<[u8; STRETCHED_BYTES]>, KeystoreError> {
    let bad = || KeystoreError::Field { field: "kdfparams" };
    let params =
        scrypt::Params::new(cost.log2_n, cost.r, cost.p, STRETCHED_BYTES).map_err(|_| bad())?;
    let mut key = Zeroizing::new([0; STRETCHED_BYTES]);
    scrypt::scrypt(password.as_bytes(), salt, &params, key.as_mut()).map_err(|_| bad())?;
    Ok(key)
}

/// PBKDF2-HMAC-SHA256, which some wallets write; we read it and never write it.
///
/// # Errors
/// [`KeystoreError::Field`] for no round or too many.
pub(crate) fn pbkdf2(
    password: &Password,
    salt: &[u8],
    rounds: u32,
) -> Result<Zeroizing<[u8; STRETCHED_BYTES]>, KeystoreError> {
    if rounds == 0 || rounds > MAX_ROUNDS {
        return Err(KeystoreError::Field { field: "kdfparams" });
    }
    let mut key = Zeroizing::new([0; STRETCHED_BYTES]);
    pbkdf2::pbkdf2_hmac::<Sha256>(password.as_bytes(), salt, rounds, key.as_mut());
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_that_would_take_all_memory_or_no_effort_is_refused() {
        for (n, r, p) in [
            (0, 8, 1),
            (1, 8, 1),
            (3, 8, 1),
            (1 << 18, 0, 1),
            (1 << 18, 8, 0),
            (1 << 18, 8, 17),
            (1 << 21, 8, 1),
            (1 << 63, 8, 1),
            (1 << 10, u32::MAX, 1),
            (1 << 10, 8, u32::MAX),
        ] {
            assert!(ScryptCost::from_file(n, r, p).is_err(), "n {n} r {r} p {p}");
        }
        let standard = ScryptCost::from_file(1 << 18, 8, 1).unwrap();
        assert_eq!(standard, ScryptCost::STANDARD);
        assert_eq!((standard.n(), standard.r(), standard.p()), (262_144, 8, 1));
    }

    #[test]
    fn pbkdf2_rounds_are_bounded_both_ways() {
        let password = Password::new("x".into());
        assert!(pbkdf2(&password, b"salt", 0).is_err());
        assert!(pbkdf2(&password, b"salt", MAX_ROUNDS + 1).is_err());
        assert!(pbkdf2(&password, b"salt", 1).is_ok());
    }
}
