//! Chance that can be repeated.

use std::hash::{BuildHasher, RandomState};

/// SplitMix64: small, and good enough to choose moments with.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// From the environment variable `SEED`, or new; says which.
    ///
    /// # Panics
    /// When `SEED` is no number.
    pub fn from_environment() -> Self {
        let seed = number_of("SEED").unwrap_or_else(|| RandomState::new().hash_one("seed"));
        println!("SEED={seed}");
        Self(seed)
    }

    /// Nobody needs to repeat it.
    #[expect(clippy::new_without_default, reason = "no two are alike")]
    pub fn new() -> Self {
        Self(RandomState::new().hash_one("seed"))
    }

    /// A number below a limit.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}

/// A number that the environment gives.
///
/// # Panics
/// When it is none.
pub fn number_of(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is no number")))
}
