//! Every dependency has a licence that we may ship under.

use serde_json::Value;

/// Permissive, or weak enough to touch only the file that has it.
const ALLOWED: [&str; 15] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Every package whose licence is missing or not allowed.
#[must_use]
pub fn violations(metadata: &Value) -> Vec<String> {
    let packages = metadata["packages"].as_array().expect("metadata lists packages");
    packages
        .iter()
        .filter_map(|package| {
            let name = package["name"].as_str().unwrap_or_default();
            match package["license"].as_str() {
                None => Some(format!("{name} names no licence")),
                Some(expression) if is_allowed(expression) => None,
                Some(expression) => Some(format!("{name} is under {expression}")),
            }
        })
        .collect()
}

/// Whether an SPDX expression can be met with what we allow: one side of each `OR`, both of each `AND`.
#[must_use]
pub fn is_allowed(expression: &str) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = tokens.as_slice();
    let value = either(&mut rest);
    value && rest.is_empty()
}

fn either(rest: &mut &[&str]) -> bool {
    let mut value = both(rest);
    while let ["OR", tail @ ..] = *rest {
        *rest = tail;
        value |= both(rest);
    }
    value
}

fn both(rest: &mut &[&str]) -> bool {
    let mut value = one(rest);
    while let ["AND", tail @ ..] = *rest {
        *rest = tail;
        value &= one(rest);
    }
    value
}

fn one(rest: &mut &[&str]) -> bool {
    match *rest {
        ["(", tail @ ..] => {
            *rest = tail;
            let value = either(rest);
            match *rest {
                [")", tail @ ..] => *rest = tail,
                _ => return false,
            }
            value
        }
        [licence, "WITH", exception, tail @ ..] => {
            *rest = tail;
            ALLOWED.contains(&format!("{licence} WITH {exception}").as_str())
        }
        [licence, tail @ ..] => {
            *rest = tail;
            ALLOWED.contains(licence)
        }
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_met_as_spdx_means_them() {
        for (expression, want) in [
            ("MIT", true),
            ("MIT/Apache-2.0", true),
            ("GPL-3.0", false),
            ("GPL-3.0 OR MIT", true),
            ("GPL-3.0 AND MIT", false),
            ("(MIT OR GPL-2.0) AND Unicode-3.0", true),
            ("(MIT OR GPL-2.0) AND GPL-3.0", false),
            ("Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT", true),
            ("GPL-2.0 WITH Classpath-exception-2.0", false),
            ("BUSL-1.1", false),
            ("(MIT", false),
            ("MIT )", false),
            ("", false),
        ] {
            assert_eq!(is_allowed(expression), want, "{expression}");
        }
    }

    #[test]
    fn a_package_without_a_licence_is_named() {
        let metadata = serde_json::json!({"packages": [
            {"name": "good", "license": "MIT"}, {"name": "none", "license": null}, {"name": "bad", "license": "AGPL-3.0"},
        ]});
        assert_eq!(violations(&metadata), ["none names no licence", "bad is under AGPL-3.0"]);
    }
}
