//! Turns bytes into decisions: the fuzzer's bytes are the only chance there is.

/// Bytes that are used up one after the other; after the last everything is zero.
pub struct Supply<'a> {
    bytes: &'a [u8],
}

impl<'a> Supply<'a> {
    /// Decisions from bytes.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Whether anything is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// One byte.
    pub fn byte(&mut self) -> u8 {
        match self.bytes.split_first() {
            Some((first, rest)) => {
                self.bytes = rest;
                *first
            }
            None => 0,
        }
    }

    /// A number below a bound.
    pub fn below(&mut self, bound: u8) -> u8 {
        if bound == 0 { 0 } else { self.byte() % bound }
    }

    /// A number that is mostly small, sometimes at an edge, seldom anything.
    pub fn number(&mut self) -> u64 {
        match self.below(16) {
            0 => u64::MAX,
            1 => u64::MAX - u64::from(self.byte()),
            2 => 1 << (self.byte() % 64),
            3 => u64::from_be_bytes([(); 8].map(|()| self.byte())),
            4..=7 => 1_000 + u64::from(self.byte()),
            _ => u64::from(self.byte() % 12),
        }
    }
}
