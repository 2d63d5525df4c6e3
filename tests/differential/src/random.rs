//! Numbers that a seed determines.

use alloy_primitives::B256;

/// A generator of numbers (SplitMix64): the same seed gives the same run on every machine.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The generator of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`, which is not zero.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.number() % limit
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: i128, high: i128) -> i128 {
        assert!(low <= high, "an empty range");
        let size = (high - low) as u128 + 1;
        let wide = u128::from(self.number()) << 64 | u128::from(self.number());
        low + (wide % size) as i128
    }

    /// True once in `n` times.
    pub fn once_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// One of some things.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    /// A word.
    pub fn word(&mut self) -> B256 {
        let mut word = B256::ZERO;
        for chunk in word.chunks_mut(8) {
            chunk.copy_from_slice(&self.number().to_be_bytes());
        }
        word
    }
}
