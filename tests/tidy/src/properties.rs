//! Every numbered property has a test named after it, or stands in the list of what is not built yet.

use std::collections::BTreeSet;

use crate::code::{code_of, starts_word};
use crate::tree::SourceFile;

/// Where the properties are written down.
pub const LIST: &str = "docs/spec/properties.md";
/// Where the ones without a test are; it only ever gets shorter.
pub const NOT_BUILT: &str = "docs/spec/properties-not-built.md";

/// The highest number there is.
const LAST: u8 = 99;

/// How a test's name may begin, by the extension of its file. Two digits follow.
const PREFIXES: [(&str, &[&str]); 2] = [
    ("rs", &["fn p"]),
    (
        "sol",
        &["function test_p", "function testFuzz_p", "function invariant_p", "function check_p"],
    ),
];

/// Every property that is in neither or both of tests and list, and every fault of the two documents.
#[must_use]
pub fn violations(files: &[SourceFile]) -> Vec<String> {
    let document =
        |path: &str| files.iter().find(|file| file.path == path).map(|file| file.text.as_str());
    let (Some(list), Some(not_built)) = (document(LIST), document(NOT_BUILT)) else {
        return vec![format!("{LIST} or {NOT_BUILT} is missing")];
    };
    let listed: BTreeSet<u8> = bold_numbers(list).collect();
    let waiting: BTreeSet<u8> = bold_numbers(not_built).collect();
    let tested: BTreeSet<u8> = files.iter().flat_map(tested_in).collect();
    let mut found = Vec::new();
    for number in 1..=LAST {
        if !listed.contains(&number) {
            found.push(format!("P{number} is not in {LIST}"));
        }
        match (tested.contains(&number), waiting.contains(&number)) {
            (true, true) => found.push(format!("P{number} has a test: take it out of {NOT_BUILT}")),
            (false, false) => {
                found.push(format!("P{number} has no test named after it (p{number:02}_...)"))
            }
            (true, false) | (false, true) => {}
        }
    }
    let known = 1..=LAST;
    for number in listed.union(&waiting).chain(&tested).filter(|number| !known.contains(number)) {
        found.push(format!("P{number} does not exist"));
    }
    found
}

/// The list of what is not built without the lines of properties that have a test by now. It can't grow.
///
/// # Panics
/// When the list is missing.
#[must_use]
pub fn shrunk_list(files: &[SourceFile]) -> String {
    let not_built = files.iter().find(|file| file.path == NOT_BUILT).expect("the list is there");
    let tested: BTreeSet<u8> = files.iter().flat_map(tested_in).collect();
    let mut kept = String::new();
    for line in not_built.text.lines() {
        if !bold_numbers(line).any(|number| tested.contains(&number)) {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// Which properties a document has in bold.
fn bold_numbers(text: &str) -> impl Iterator<Item = u8> {
    text.split("**P").skip(1).filter_map(|rest| rest.split_once("**")?.0.parse().ok())
}

/// Which properties the tests of one file are named after.
fn tested_in(file: &SourceFile) -> BTreeSet<u8> {
    let mut found = BTreeSet::new();
    for (extension, prefixes) in PREFIXES {
        if !file.has_extension(extension) {
            continue;
        }
        // Blanks comments and strings, but must not blank test modules.
        let code = code_of(&file.text.replace("#[cfg(test)]", ""));
        for prefix in prefixes {
            for (at, _) in code.match_indices(prefix).filter(|(at, _)| starts_word(&code, *at)) {
                if extension != "rs" || is_rust_test(&code[..at]) {
                    found.extend(number_of(&code[at + prefix.len()..]));
                }
            }
        }
    }
    found
}

/// Whether what stands before `fn` ends in the attribute of a test.
fn is_rust_test(before: &str) -> bool {
    let start = before.rfind(['{', '}', ';']).unwrap_or(0);
    before[start..].contains("test]")
}

/// The number in `31_never_two_states`.
fn number_of(name: &str) -> Option<u8> {
    let (digits, rest) = name.split_at_checked(2)?;
    rest.starts_with('_').then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world(tests: &[u8], waiting: &[u8]) -> Vec<SourceFile> {
        let bold = |numbers: &mut dyn Iterator<Item = u8>| {
            numbers.map(|number| format!("- **P{number}** text\n")).collect::<String>()
        };
        let code: String =
            tests.iter().map(|number| format!("#[test]\nfn p{number:02}_x() {{}}\n")).collect();
        vec![
            SourceFile::planted(LIST, &bold(&mut (1..=LAST))),
            SourceFile::planted(NOT_BUILT, &bold(&mut waiting.iter().copied())),
            SourceFile::planted(
                "node/core/src/a.rs",
                &format!("#[cfg(test)]\nmod tests {{\n{code}}}\n"),
            ),
            SourceFile::planted("contracts/test/A.t.sol", "function test_p03_x() external {}"),
        ]
    }

    #[test]
    fn a_property_is_tested_or_waits_and_never_both() {
        let waiting: Vec<u8> = (4..=LAST).collect();
        assert_eq!(violations(&world(&[1, 2], &waiting)), Vec::<String>::new());
        assert_eq!(violations(&world(&[1], &waiting)), ["P2 has no test named after it (p02_...)"]);
        assert_eq!(
            violations(&world(&[1, 2, 5], &waiting)),
            [format!("P5 has a test: take it out of {NOT_BUILT}")]
        );
    }

    #[test]
    fn the_list_loses_what_is_tested_and_nothing_else() {
        let files = world(&[1, 5], &[4, 5, 6]);
        assert_eq!(shrunk_list(&files), "- **P4** text\n- **P6** text\n");
    }

    #[test]
    fn a_property_that_left_the_document_is_missed() {
        let mut files = world(&[1, 2], &(4..=LAST).collect::<Vec<_>>());
        files[0].text = files[0].text.replace("**P7**", "P7");
        assert_eq!(violations(&files), [format!("P7 is not in {LIST}")]);
        files.remove(1);
        assert_eq!(violations(&files).len(), 1);
    }

    #[test]
    fn only_whole_names_with_two_digits_count() {
        for (path, text, want) in [
            ("a.rs", "#[test] fn p31_x() {}", Some(31)),
            ("a.rs", "#[test] fn p3_x() {}", None),
            ("a.rs", "#[test] fn p311_x() {}", None),
            ("a.rs", "#[test] fn up31_x() {}", None),
            ("a.rs", "#[test]\n#[should_panic]\nfn p31_x() {}", Some(31)),
            ("a.rs", "#[test] fn a() {} fn p31_x() {}", None),
            ("a.rs", "// #[test] fn p31_x() {}", None),
            ("a.sol", "function invariant_p01_x()", Some(1)),
            ("a.sol", "function testFuzz_p01_x()", Some(1)),
            ("a.sol", "function check_p08_x()", Some(8)),
            ("a.sol", "function p01_x()", None),
            ("a.md", "fn p31_x() {}", None),
        ] {
            let found = tested_in(&SourceFile::planted(path, text));
            assert_eq!(found.into_iter().next(), want, "{text}");
        }
    }
}
