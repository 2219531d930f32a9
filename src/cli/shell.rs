//! Quotes words for a POSIX shell.

/// The word, in single quotes only if it needs them.
pub(super) fn word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._/:@%+,=".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) { text.to_owned() } else { quoted(text) }
}

/// The word in single quotes. A single quote itself has to stand outside them (POSIX.1, Shell Command Language, 2.2.2).
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The bytes for the format of `printf` (POSIX.1, File Format Notation): three octal digits each, except letters and
/// digits.
pub(super) fn octal(bytes: &[u8]) -> String {
    let escaped = |byte: &u8| match byte.is_ascii_alphanumeric() {
        true => char::from(*byte).to_string(),
        false => format!("\\{byte:03o}"),
    };
    bytes.iter().map(escaped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_quoted_for_the_shell() {
        for (text, written) in [
            ("", "''"),
            ("a-b.c/d:e@f%2F", "a-b.c/d:e@f%2F"),
            ("a b", "'a b'"),
            ("it's", r"'it'\''s'"),
            ("$(x) `y` \\ \" ! * ? [ ] { } ~ # ; & | < >", "'$(x) `y` \\ \" ! * ? [ ] { } ~ # ; & | < >'"),
        ] {
            assert_eq!(word(text), written);
        }
        assert_eq!(octal(b"a1\0\xff%\\'"), r"a1\000\377\045\134\047");
    }
}
