//! Errors carry values: no `String`, no boxed error, in any variant of an error enum.

use crate::code::{block_end, code_of, line_of, words};
use crate::tree::SourceFile;

/// Every error enum of product code with a sentence or an erased error inside.
#[must_use]
pub fn violations(files: &[SourceFile]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.has_extension("rs") && !file.is_test_code()) {
        let code = code_of(&file.text);
        for at in words(&code, "enum") {
            let name = code[at + 4..].trim_start();
            let name = &name[..name.find(|c: char| !c.is_alphanumeric()).unwrap_or(name.len())];
            let Some(open) = code[at..].find('{').map(|open| at + open) else { continue };
            let Some(end) = block_end(&code, open) else { continue };
            if !name.ends_with("Error") && !name.ends_with("Refusal") {
                continue;
            }
            for what in ["String", "Box<dyn"] {
                for (inside, _) in code[open..end].match_indices(what) {
                    let line = line_of(&code, open + inside);
                    found.push(format!("{}:{line}: {name} holds {what}", file.path));
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> usize {
        violations(&[SourceFile::planted("node/core/src/a.rs", text)]).len()
    }

    #[test]
    fn sentences_and_erased_errors_are_found() {
        assert_eq!(check("enum AError { A(String) }"), 1);
        assert_eq!(check("enum AError { A { source: Box<dyn Error> }, B(u8) }"), 1);
        assert_eq!(
            check("enum AError { A(&'static str), B(Box<State>) } enum Text { A(String) }"),
            0
        );
    }
}
