//! P30: the compiled contracts change only where a reviewer sees it. The artifacts hold 30,000 hexadecimal
//! digits; `tests/vectors/build.txt` says in a few lines which bytecode and which storage layout they are.

use alloy_primitives::keccak256;
use lockstep_contracts::artifact::{Artifact, ArtifactName};
use serde_json::Value;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

#[test]
fn p30_bytecode_and_storage_layout_are_those_of_the_reviewed_snapshot() {
    let file = root().join("tests/vectors/build.txt");
    let fresh = snapshot();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&file, &fresh).expect("the snapshot can be written");
    }
    let committed = std::fs::read_to_string(&file).expect("the snapshot is committed");
    assert_eq!(
        committed, fresh,
        "the contracts changed; if it is meant, run this test with UPDATE=1 and commit build.txt"
    );
}

fn snapshot() -> String {
    let mut text =
        String::from("The compiled contracts; made by `UPDATE=1 cargo test p30_bytecode`.\n");
    for name in ArtifactName::ALL {
        let artifact = Artifact::committed(name).expect("a committed artifact");
        let (creation, runtime) = (&artifact.creation_code, &artifact.runtime_template);
        let lines = [
            format!("\n{} ({})", name.as_str(), artifact.compiler),
            format!("  creation code {:>6} bytes {}", creation.len(), keccak256(creation)),
            format!("  runtime code  {:>6} bytes {}", runtime.len(), keccak256(runtime)),
            format!("  immutables    {:>6}", artifact.immutables.len()),
        ];
        for line in lines.iter().chain(&layout(name)) {
            writeln!(text, "{line}").expect("a string grows");
        }
    }
    text
}

/// One line for each variable.
fn layout(name: ArtifactName) -> Vec<String> {
    let file = root().join(format!("contracts/artifacts/{}.json", name.as_str()));
    let json = std::fs::read_to_string(file).expect("a committed artifact");
    let artifact: Value = serde_json::from_str(&json).expect("JSON");
    let variables = artifact["storageLayout"].as_array().expect("a layout");
    let line = |variable: &Value| {
        let text = |key: &str| variable[key].as_str().expect("a word").to_owned();
        let (slot, label, kind) = (text("slot"), text("label"), text("type"));
        format!("  slot {slot} + {:>2} {label}: {kind}", variable["offset"])
    };
    variables.iter().map(line).collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
