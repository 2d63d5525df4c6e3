//! The genesis of both chains with the real OP Stack contracts, lifted out of a binary that is never run.
//!
//! The npm package `supersim` is a program with both files inside. They are found by how they begin and
//! believed by their hash alone.

use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

/// One file inside the binary.
struct Embedded {
    name: &'static str,
    /// Units: bytes.
    length: usize,
    sha256: &'static str,
}

const L1: Embedded = Embedded {
    name: "genesis-900.json",
    length: 1_513_111,
    sha256: "16c9b6e66e17f91e93ab5cc65225c7ffbb1c5a00988fadf89b946f7ce3e03835",
};
const L2: Embedded = Embedded {
    name: "genesis-901.json",
    length: 9_594_081,
    sha256: "5234ab339593b3539fbc22f2a0b83023e623ea9cac383763f40a33a4caa3cb3f",
};

/// The files as anvil takes them.
#[derive(Clone, Debug)]
pub struct Genesis {
    /// Of L1, chain 900.
    pub l1: PathBuf,
    /// Of the rollup, chain 901.
    pub l2: PathBuf,
}

impl Genesis {
    /// Both files, lifted on first use and checked on every use.
    ///
    /// # Panics
    /// When the package is not installed, or is another one than was pinned.
    pub fn lift() -> Self {
        let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("genesis");
        let [l1, l2] = [L1, L2].map(|file| file.lift(&home));
        Self { l1, l2 }
    }
}

impl Embedded {
    fn lift(&self, home: &Path) -> PathBuf {
        let place = home.join("node_modules").join(self.name);
        if fs::read(&place).is_ok_and(|bytes| self.is(&bytes)) {
            return place;
        }
        let binary = home.join("node_modules/supersim/bin/supersim");
        let bytes = fs::read(&binary).expect("supersim is installed: run 'make setup' first");
        let begins = bytes.windows(BEGIN.len()).enumerate().filter(|(_, at)| *at == BEGIN);
        let found = begins
            .filter_map(|(start, _)| bytes.get(start..start + self.length))
            .find(|file| self.is(file))
            .unwrap_or_else(|| panic!("{} is not in the pinned binary", self.name));
        // Several tests may do this at once, so the file appears whole or not at all.
        let draft = place.with_extension(format!("{}.draft", std::process::id()));
        fs::write(&draft, found).expect("the folder can be written");
        fs::rename(&draft, &place).expect("the folder can be written");
        place
    }

    fn is(&self, bytes: &[u8]) -> bool {
        let hash: [u8; 32] = Sha256::digest(bytes).into();
        alloy_primitives::hex::encode(hash) == self.sha256
    }
}

/// How a genesis file begins.
const BEGIN: &[u8] = b"{\n  \"config\":";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_file_than_the_pinned_one_is_never_used() {
        let genesis = Genesis::lift();
        let mut bytes = fs::read(genesis.l1).unwrap();
        assert!(L1.is(&bytes));
        bytes[1_000] ^= 1;
        assert!(!L1.is(&bytes));
        assert!(!L2.is(&bytes));
    }
}
