//! Rust source with what is no code blanked out, so that a text search finds code only.

/// `source` with comments, the contents of strings and chars, and `#[cfg(test)]` modules replaced by spaces.
/// Lines keep their numbers.
#[must_use]
pub fn code_of(source: &str) -> String {
    without_test_modules(&without_text(source))
}

/// The number of the line on which the byte `offset` stands, counted from 1.
#[must_use]
pub fn line_of(source: &str, offset: usize) -> usize {
    source.as_bytes()[..offset].iter().filter(|byte| **byte == b'\n').count() + 1
}

/// Where the block ends whose `{` stands at `open`: the offset of its `}`.
#[must_use]
pub fn block_end(code: &str, open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (offset, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(offset);
                }
            }
            _ => {}
        }
    }
    None
}

/// Whether `offset` starts a word: what stands before is no part of a name.
#[must_use]
pub fn starts_word(code: &str, offset: usize) -> bool {
    offset == 0 || !is_name_byte(code.as_bytes()[offset - 1])
}

/// Every place where `word` stands as a whole word.
pub fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    code.match_indices(word).map(|(offset, _)| offset).filter(move |offset| {
        let after = code.as_bytes().get(offset + word.len());
        starts_word(code, *offset) && !after.is_some_and(|byte| is_name_byte(*byte))
    })
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn without_text(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match &bytes[at..] {
            [b'/', b'/', ..] => line_end(bytes, at),
            [b'/', b'*', ..] => comment_end(bytes, at),
            [b'r' | b'b' | b'c', ..] if starts_word(source, at) => {
                match raw_string_end(bytes, at) {
                    Some(end) => end,
                    None => {
                        at += 1;
                        continue;
                    }
                }
            }
            [b'"', ..] => quoted_end(bytes, at, b'"'),
            [b'\'', b'\\', ..] => quoted_end(bytes, at, b'\''),
            // A char and not a lifetime: the quote closes after one character.
            [b'\'', rest @ ..] if char_length(rest).is_some() => {
                at + 2 + char_length(rest).unwrap_or(0)
            }
            _ => {
                at += 1;
                continue;
            }
        };
        for byte in &mut out[at..end.min(bytes.len())] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end;
    }
    String::from_utf8(out).expect("only whole characters are blanked")
}

fn line_end(bytes: &[u8], from: usize) -> usize {
    bytes[from..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |found| from + found)
}

fn comment_end(bytes: &[u8], from: usize) -> usize {
    let mut depth = 0_usize;
    let mut at = from;
    while at < bytes.len() {
        match &bytes[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] if depth == 1 => return at + 2,
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    bytes.len()
}

/// The end of `r"…"`, `r#"…"#`, `br"…"`; `None` when no raw string starts here.
fn raw_string_end(bytes: &[u8], from: usize) -> Option<usize> {
    let after_prefix = match &bytes[from..] {
        [b'r', ..] => from + 1,
        [b'b' | b'c', b'r', ..] => from + 2,
        _ => return None,
    };
    let hashes = bytes[after_prefix..].iter().take_while(|byte| **byte == b'#').count();
    let open = after_prefix + hashes;
    if bytes.get(open) != Some(&b'"') {
        return None;
    }
    let close: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
    let body = &bytes[open + 1..];
    let found = body.windows(close.len()).position(|window| window == close);
    Some(found.map_or(bytes.len(), |position| open + 1 + position + close.len()))
}

fn quoted_end(bytes: &[u8], from: usize, quote: u8) -> usize {
    let mut at = from + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// The length of the one character before a closing quote; `None` for a lifetime.
fn char_length(rest: &[u8]) -> Option<usize> {
    let length = match rest.first()? {
        0..0x80 => 1,
        0x80..0xe0 => 2,
        0xe0..0xf0 => 3,
        _ => 4,
    };
    (rest.get(length) == Some(&b'\'')).then_some(length)
}

fn without_test_modules(code: &str) -> String {
    let mut out = code.to_owned();
    while let Some(start) = out.find("#[cfg(test)]") {
        let rest = &out[start..];
        let end = match (rest.find('{'), rest.find(';')) {
            (Some(open), semicolon) if semicolon.is_none_or(|semicolon| open < semicolon) => {
                block_end(&out, start + open).map_or(out.len(), |end| end + 1)
            }
            (_, Some(semicolon)) => start + semicolon + 1,
            _ => out.len(),
        };
        let blank: String =
            out[start..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
        out.replace_range(start..end, &blank);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, want: &str) {
        let squeeze = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(squeeze(&code_of(source)), want);
        assert_eq!(code_of(source).lines().count(), source.lines().count());
    }

    #[test]
    fn comments_and_strings_are_no_code() {
        check("let a = 1; // later\nlet b;", "let a = 1; let b;");
        check("a /* x /* y */ z */ b", "a b");
        check(r#"f("todo!() \" x", b);"#, "f( , b);");
        check("f(r#\"a \" b\"#, br\"c\");", "f( , );");
        check(
            "let c = '\"'; let d: &'a str; let e = '\\''; let g = 'é';",
            "let c = ; let d: &'a str; let e = ; let g = ;",
        );
    }

    #[test]
    fn test_modules_are_no_product_code() {
        check("a();\n#[cfg(test)]\nmod tests {\n fn x() { y() }\n}\nb();", "a(); b();");
        check("a();\n#[cfg(test)]\nmod tests;\nb();", "a(); b();");
    }

    #[test]
    fn whole_words_are_found_and_parts_are_not() {
        assert_eq!(words("HashMap MyHashMap HashMapX a::HashMap", "HashMap").count(), 2);
    }
}
