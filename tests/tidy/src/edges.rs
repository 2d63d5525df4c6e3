//! Who may depend on whom: `ARCHITECTURE.md`, "Direction of dependencies".

use std::collections::BTreeMap;

use serde_json::Value;

/// Product crates, by folder name, and which others they may use. What is not here may use nothing of ours.
const ALLOWED: [(&str, &[&str]); 11] = [
    ("proto", &[]),
    ("core", &[]),
    ("contracts", &[]),
    ("signer", &["core"]),
    ("store", &["core", "proto"]),
    ("p2p", &["core", "proto"]),
    ("chain", &["core", "contracts"]),
    ("bridge", &["core", "chain", "contracts"]),
    ("rpc", &["core"]),
    ("watchtower", &["core", "proto", "signer", "store", "p2p", "chain", "bridge", "contracts"]),
    (
        "daemon",
        &[
            "core",
            "proto",
            "contracts",
            "signer",
            "store",
            "p2p",
            "chain",
            "bridge",
            "rpc",
            "watchtower",
        ],
    ),
];

/// The only crates from outside that the pure core may name.
const CORE_OUTSIDE: [&str; 4] = ["alloy-primitives", "alloy-sol-types", "k256", "thiserror"];

/// A crate of this workspace, as the rule sees it.
struct Member {
    /// The part of its name after `lockstep-`; `daemon` for the binary.
    short: String,
    /// Its folder, relative to the root.
    folder: String,
    /// Name and kind of each dependency, ours and others.
    dependencies: Vec<(String, String)>,
}

/// Every edge that the architecture does not have.
#[must_use]
pub fn violations(metadata: &Value) -> Vec<String> {
    let members = members(metadata);
    let allowed: BTreeMap<_, _> = ALLOWED.into_iter().collect();
    let ours: BTreeMap<_, _> =
        members.iter().map(|member| (package_name(&member.short), &member.folder)).collect();
    let mut found = Vec::new();
    for member in &members {
        let is_test_crate = member.folder.starts_with("tests/");
        if !is_test_crate && !allowed.contains_key(member.short.as_str()) {
            found.push(format!(
                "{} ({}) is in no place of the architecture",
                member.short, member.folder
            ));
        }
        if !is_test_crate && member.folder.rsplit('/').next() != Some(&member.short) {
            found.push(format!(
                "{} has another name than its folder {}",
                member.short, member.folder
            ));
        }
        for (dependency, kind) in &member.dependencies {
            let Some(folder) = ours.get(dependency) else {
                if member.short == "core"
                    && kind == "normal"
                    && !CORE_OUTSIDE.contains(&dependency.as_str())
                {
                    found.push(format!("core depends on {dependency}"));
                }
                continue;
            };
            let short = short_name(dependency);
            let is_self = short == member.short;
            let may = allowed
                .get(member.short.as_str())
                .is_some_and(|list| list.contains(&short.as_str()));
            if folder.starts_with("tests/") && !is_test_crate {
                found.push(format!("{} depends on the test crate {short}", member.short));
            } else if !is_test_crate && !is_self && !may {
                found.push(format!("{} may not depend on {short} ({kind})", member.short));
            }
        }
    }
    found
}

fn members(metadata: &Value) -> Vec<Member> {
    let root = text(&metadata["workspace_root"]);
    let ids = metadata["workspace_members"].as_array().expect("metadata lists members");
    let packages = metadata["packages"].as_array().expect("metadata lists packages");
    packages
        .iter()
        .filter(|package| ids.contains(&package["id"]))
        .map(|package| {
            let manifest = text(&package["manifest_path"]);
            let folder = manifest.trim_start_matches(root).trim_start_matches('/');
            let dependencies = package["dependencies"].as_array().expect("a package lists them");
            Member {
                short: short_name(text(&package["name"])),
                folder: folder.trim_end_matches("/Cargo.toml").into(),
                dependencies: dependencies
                    .iter()
                    .map(|d| {
                        (text(&d["name"]).into(), d["kind"].as_str().unwrap_or("normal").into())
                    })
                    .collect(),
            }
        })
        .collect()
}

fn text(value: &Value) -> &str {
    value.as_str().expect("metadata has this text")
}

fn short_name(package: &str) -> String {
    if package == "lockstep" {
        "daemon".into()
    } else {
        package.trim_start_matches("lockstep-").into()
    }
}

fn package_name(short: &str) -> String {
    if short == "daemon" { "lockstep".into() } else { format!("lockstep-{short}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn package(folder: &str, dependencies: &[(&str, Option<&str>)]) -> Value {
        let short = folder.rsplit('/').next().unwrap();
        json!({
            "id": folder, "name": package_name(short), "manifest_path": format!("/r/{folder}/Cargo.toml"),
            "dependencies": dependencies.iter().map(|(name, kind)| json!({"name": name, "kind": kind})).collect::<Vec<_>>(),
        })
    }

    fn check(packages: &[Value]) -> Vec<String> {
        let ids: Vec<_> = packages.iter().map(|p| p["id"].clone()).collect();
        violations(&json!({"workspace_root": "/r", "workspace_members": ids, "packages": packages}))
    }

    #[test]
    fn the_edges_of_the_architecture_pass() {
        let found = check(&[
            package("node/core", &[("k256", None), ("proptest", Some("dev"))]),
            package("node/signer", &[("lockstep-core", None), ("lockstep-signer", Some("dev"))]),
            package("tests/sim", &[("lockstep-core", None), ("lockstep-signer", None)]),
            package("node/daemon", &[("lockstep-signer", None)]),
        ]);
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn each_edge_that_should_not_be_is_named() {
        for (packages, want) in [
            (vec![package("node/core", &[("tokio", None)])], "core depends on tokio"),
            (
                vec![
                    package("node/store", &[("lockstep-signer", None)]),
                    package("node/signer", &[]),
                ],
                "store may not depend on signer (normal)",
            ),
            (
                vec![
                    package("node/core", &[("lockstep-proto", Some("dev"))]),
                    package("proto", &[]),
                ],
                "core may not depend on proto (dev)",
            ),
            (
                vec![
                    package("node/signer", &[("lockstep-sim", Some("dev"))]),
                    package("tests/sim", &[]),
                ],
                "signer depends on the test crate sim",
            ),
            (
                vec![package("node/gossip", &[])],
                "gossip (node/gossip) is in no place of the architecture",
            ),
        ] {
            assert_eq!(check(&packages), [want]);
        }
    }
}
