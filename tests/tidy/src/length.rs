//! A file holds one idea: its length is a budget.

use crate::code::code_of;
use crate::tree::SourceFile;

/// Units: lines of code. Past this a file is asked what second idea moved in.
pub const BUDGET: usize = 500;
/// Units: lines of code. No file goes past this.
pub const LIMIT: usize = 800;

/// Each product file over `most` lines of code, with its length; comments, blank lines and tests don't count.
#[must_use]
pub fn longer_than(files: &[SourceFile], most: usize) -> Vec<String> {
    files
        .iter()
        .filter(|file| file.has_extension("rs") && !file.is_test_code())
        .filter_map(|file| {
            let length = code_of(&file.text).lines().filter(|line| !line.trim().is_empty()).count();
            (length > most).then(|| format!("{}: {length} lines of code", file.path))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_counts() {
        let code = format!("{}// a\n\n#[cfg(test)]\nmod tests {{\n a();\n}}\n", "a();\n".repeat(3));
        let files = [SourceFile::planted("node/core/src/a.rs", &code)];
        assert_eq!(longer_than(&files, 2), ["node/core/src/a.rs: 3 lines of code"]);
        assert!(longer_than(&files, 3).is_empty());
    }
}
