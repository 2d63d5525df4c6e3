//! Cargo manifests: versions in one place, lints everywhere.

use crate::tree::SourceFile;

/// Dependency tables whose entries must point to the workspace.
const TABLES: [&str; 3] = ["[dependencies]", "[dev-dependencies]", "[build-dependencies]"];

/// Every manifest that names a version of its own or does without the lints.
#[must_use]
pub fn violations(files: &[SourceFile]) -> Vec<String> {
    let manifests = files.iter().filter(|file| file.path.ends_with("/Cargo.toml"));
    manifests.flat_map(check).collect()
}

fn check(file: &SourceFile) -> Vec<String> {
    let mut found = Vec::new();
    let mut table = "";
    for line in file.text.lines().map(str::trim) {
        if line.starts_with('[') {
            table = line;
            if line.contains("dependencies.") {
                found.push(format!("{}: {line}: one line per dependency", file.path));
            }
        } else if TABLES.contains(&table) && !line.is_empty() && !line.starts_with('#') {
            let points_home = line.contains("workspace = true") || line.contains("path = ");
            if !points_home || line.contains("version") {
                found.push(format!("{}: {line}: versions live in the root manifest", file.path));
            }
        }
    }
    let takes_lints = file.text.contains("[lints]\nworkspace = true");
    let is_test_crate = file.path.starts_with("tests/");
    let forbids_unsafe = file.text.contains("unsafe_code = \"forbid\"");
    if !(takes_lints || is_test_crate && forbids_unsafe) {
        found.push(format!("{}: takes no lints of the workspace", file.path));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_text(path: &str, text: &str) -> usize {
        violations(&[SourceFile::planted(path, text)]).len()
    }

    #[test]
    fn a_version_outside_the_root_is_named() {
        let good = "[lints]\nworkspace = true\n[dependencies]\nsha2.workspace = true\n\
            core = { workspace = true, features = [\"x\"] }\nself = { path = \".\" }\n";
        assert_eq!(check_text("node/a/Cargo.toml", good), 0);
        assert_eq!(check_text("Cargo.toml", "[workspace.dependencies]\na = \"1\""), 0);
        for bad in [
            "rand = \"0.9\"",
            "rand = { version = \"0.9\" }",
            "rand = { path = \"x\", version = \"1\" }",
        ] {
            assert_eq!(check_text("node/a/Cargo.toml", &format!("{good}{bad}\n")), 1, "{bad}");
        }
        assert_eq!(check_text("node/a/Cargo.toml", &format!("{good}[dependencies.rand]\n")), 1);
    }

    #[test]
    fn a_crate_without_lints_is_named() {
        assert_eq!(check_text("node/a/Cargo.toml", "[package]\n"), 1);
        assert_eq!(check_text("tests/a/Cargo.toml", "[package]\n"), 1);
        assert_eq!(check_text("tests/a/Cargo.toml", "[lints.rust]\nunsafe_code = \"forbid\"\n"), 0);
        assert_eq!(check_text("node/a/Cargo.toml", "[lints.rust]\nunsafe_code = \"forbid\"\n"), 1);
    }
}
