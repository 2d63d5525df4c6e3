//! No `_ =>` where one of our enums is matched: a new variant must be looked at in every place.
//!
//! clippy's `wildcard_enum_match_arm` sees types and is the first line; this text search also sees what an
//! `allow` hides. It knows an enum of ours by its name in another arm of the same match.

use std::collections::BTreeSet;

use crate::code::{block_end, code_of, line_of, words};
use crate::tree::SourceFile;

/// Every `_ =>` beside an arm that names an enum of this workspace.
#[must_use]
pub fn violations(files: &[SourceFile]) -> Vec<String> {
    let product: Vec<(&SourceFile, String)> = files
        .iter()
        .filter(|file| file.has_extension("rs") && !file.is_test_code())
        .map(|file| (file, code_of(&file.text)))
        .collect();
    let enums: BTreeSet<&str> = product.iter().flat_map(|(_, code)| enum_names(code)).collect();
    let mut found = Vec::new();
    for (file, code) in &product {
        for start in words(code, "match") {
            let Some(open) = block_open(code, start) else { continue };
            let Some(end) = block_end(code, open) else { continue };
            let patterns = patterns(&code[open + 1..end]);
            let names_ours = patterns.iter().any(|(_, pattern)| names_one_of(pattern, &enums));
            for (at, pattern) in &patterns {
                let is_wild = *pattern == "_" || pattern.starts_with("_ if ");
                if names_ours && is_wild {
                    let line = line_of(code, open + 1 + at);
                    found.push(format!("{}:{line}: `_ =>` on an enum of ours", file.path));
                }
            }
        }
    }
    found
}

fn enum_names(code: &str) -> impl Iterator<Item = &str> {
    words(code, "enum").filter_map(move |at| {
        let name = code[at + 4..].trim_start();
        let length = name.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(name.len());
        (length > 0).then(|| &name[..length])
    })
}

/// The `{` of a match: the first one outside of any bracket after the word.
fn block_open(code: &str, start: usize) -> Option<usize> {
    let mut depth = 0_i32;
    for (at, byte) in code.bytes().enumerate().skip(start) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b'{' if depth == 0 => return Some(at),
            b';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

/// What stands before each `=>` at the top level of a match, with its place.
fn patterns(body: &str) -> Vec<(usize, &str)> {
    let bytes = body.as_bytes();
    let mut found = Vec::new();
    let (mut depth, mut from, mut at) = (0_i32, 0, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' => depth -= 1,
            b'}' => {
                depth -= 1;
                // An arm that is a block ends without a comma.
                if depth == 0 && !rest_is_pattern(body, at + 1) {
                    from = at + 1;
                }
            }
            b',' if depth == 0 => from = at + 1,
            b'=' if depth == 0 && bytes.get(at + 1) == Some(&b'>') => {
                let text = &body[from..at];
                let leading = text.len() - text.trim_start().len();
                found.push((from + leading, text.trim()));
                at += 1;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// Whether a `}` belongs to a pattern (`State { .. } =>`, `A { x } | B`) or a guard and not to an arm's block.
fn rest_is_pattern(body: &str, from: usize) -> bool {
    let rest = body[from..].trim_start();
    rest.starts_with("=>") || rest.starts_with('|') || rest.starts_with("if ")
}

fn names_one_of(pattern: &str, enums: &BTreeSet<&str>) -> bool {
    pattern.match_indices("::").any(|(at, _)| {
        let before = &pattern[..at];
        let start =
            before.rfind(|c: char| !c.is_alphanumeric() && c != '_').map_or(0, |found| found + 1);
        let name = &before[start..];
        // `Self::Variant` is the enum that the method is on.
        name == "Self" || enums.contains(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str) -> usize {
        let text = format!("enum Phase {{ Open, Closed {{ at: u8 }} }}\nfn f() {{\n{body}\n}}");
        violations(&[SourceFile::planted("node/core/src/a.rs", &text)]).len()
    }

    #[test]
    fn a_wildcard_beside_an_enum_of_ours_is_found() {
        for body in [
            "match p { Phase::Open => 1, _ => 2 }",
            "match (p, q) { (Phase::Open, 1) => { x() } _ => 2 }",
            "match p { Phase::Closed { at } if at > 1 => {} _ => {} }",
            "match self { Self::Open => 1, _ if x => 2, Self::Closed { .. } => 3 }",
            "match f(|x| { x }) { Phase::Open | Phase::Closed { .. } => 1, _ => 2 }",
            "match a { Some(x) => match p { Phase::Open => 1, _ => 2 }, None => 3 }",
        ] {
            assert_eq!(check(body), 1, "{body}");
        }
    }

    #[test]
    fn numbers_strings_and_the_enums_of_others_may_have_one() {
        for body in [
            "match n { 1 => 2, _ => 3 }",
            "match o { Ordering::Less => 1, _ => 2 }",
            "match p { Phase::Open => match n { 1 => 2, _ => 3 }, Phase::Closed { .. } => 4 }",
            "match p { Phase::Open => { match n { 0 => {} _ => {} } } Phase::Closed { at: _ } => {} }",
            "// match p { Phase::Open => 1, _ => 2 }",
        ] {
            assert_eq!(check(body), 0, "{body}");
        }
    }
}
