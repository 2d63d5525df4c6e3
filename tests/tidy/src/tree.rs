//! Which files the repository has, and what kind each is.

use std::path::{Path, PathBuf};
use std::process::Command;

/// One file that git tracks or would track.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// Relative to the root, with `/`.
    pub path: String,
    /// The whole text; binary files are left out of the tree.
    pub text: String,
}

impl SourceFile {
    /// A file for a rule's own test.
    #[must_use]
    pub fn planted(path: &str, text: &str) -> Self {
        Self { path: path.into(), text: text.into() }
    }

    /// Whether the name ends in `.extension`.
    #[must_use]
    pub fn has_extension(&self, extension: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|found| found == extension)
    }

    /// Whether the whole file is test code: a test crate, an integration test, a bench, a `tests.rs`.
    #[must_use]
    pub fn is_test_code(&self) -> bool {
        let parts: Vec<_> = self.path.split('/').collect();
        let (name, folders) = parts.split_last().expect("a path has a name");
        folders.iter().any(|folder| matches!(*folder, "tests" | "test" | "benches"))
            || matches!(*name, "tests.rs")
    }

    /// Whether a program wrote the file and people don't.
    #[must_use]
    pub fn is_generated(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        matches!(name, "Cargo.lock" | "package-lock.json")
            || self.path.starts_with("contracts/artifacts/")
    }
}

/// The root of the repository.
#[must_use]
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().and_then(Path::parent).expect("tests/tidy is two folders deep").to_path_buf()
}

/// Every text file that git tracks or would track.
///
/// # Panics
/// When git is missing or fails: without the list no rule holds.
#[must_use]
pub fn files() -> Vec<SourceFile> {
    let root = root();
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(&root)
        .output()
        .expect("git runs");
    assert!(listed.status.success(), "git ls-files failed: {listed:?}");
    let names = String::from_utf8(listed.stdout).expect("file names are UTF-8");
    let mut files: Vec<_> = names
        .split('\0')
        .filter(|name| !name.is_empty())
        // A file that was deleted and not committed yet is listed; a binary file is no text.
        .filter_map(|name| {
            let text = std::fs::read_to_string(root.join(name)).ok()?;
            Some(SourceFile { path: name.into(), text })
        })
        .collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!files.is_empty(), "no file found");
    files
}

/// What `cargo metadata` says about this workspace and all its dependencies on this platform. No network is used:
/// what a build needed is here, and the packages of other platforms are not asked for.
///
/// # Panics
/// When cargo fails.
#[must_use]
pub fn metadata() -> serde_json::Value {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform"])
        .arg(host_platform())
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON")
}

/// As `rustc` names it, like `x86_64-unknown-linux-gnu`.
fn host_platform() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output().expect("rustc runs");
    let text = String::from_utf8(output.stdout).expect("rustc writes UTF-8");
    let line = text.lines().find_map(|line| line.strip_prefix("host: "));
    line.expect("rustc names its host").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_code_is_told_from_product_code_by_its_place() {
        for (path, is_test) in [
            ("node/core/src/money.rs", false),
            ("node/core/src/money/tests.rs", true),
            ("node/core/tests/it/main.rs", true),
            ("node/core/benches/core.rs", true),
            ("tests/sim/src/lib.rs", true),
            ("contracts/src/PaymentChannel.sol", false),
            ("contracts/test/unit/Open.t.sol", true),
        ] {
            assert_eq!(SourceFile::planted(path, "").is_test_code(), is_test, "{path}");
        }
    }
}
