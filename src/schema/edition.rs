//! Rejects `.proto` files that use an edition. The built-in compiler reads proto2 and proto3, and would report the
//! first line as a syntax error. Such files can be served from a descriptor set.

/// Explains what to do with a file that uses an edition; `None` for other files.
pub(super) fn not_compiled(folder: &str, name: &str, text: &str) -> Option<String> {
    let edition = edition_of(text)?;
    Some(format!(
        "{name}: expected syntax proto2 or proto3, found edition {edition}, which is read from descriptor sets alone: make one, \
         `protoc --include_imports --descriptor_set_out=api.binpb -I {folder} {name}` or `buf build -o api.binpb`, and name it \
         in place of the file"
    ))
}

/// The edition that a file declares: `edition = "2023";`, before any other statement.
fn edition_of(text: &str) -> Option<&str> {
    let rest = after_comments(text.trim_start_matches('\u{feff}')).strip_prefix("edition")?;
    let rest = after_comments(after_comments(rest).strip_prefix('=')?);
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let (edition, rest) = rest[1..].split_once(quote)?;
    after_comments(rest).starts_with(';').then_some(edition)
}

/// The text after leading white space and comments.
fn after_comments(mut text: &str) -> &str {
    loop {
        text = text.trim_start();
        let end = if text.starts_with("//") {
            text.find('\n')
        } else if text.starts_with("/*") {
            text.find("*/").map(|end| end + 1)
        } else {
            return text;
        };
        text = end.map_or("", |end| &text[end + 1..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edition_is_read_from_the_first_statement_of_a_file() {
        for (text, edition) in [
            ("edition = \"2023\";", Some("2023")),
            ("\u{feff}// The shop.\n/* * / */ edition/**/='2024' ;\nmessage M {}", Some("2024")),
            ("edition = \"\";", Some("")),
            ("syntax = \"proto3\"; // edition = \"2023\";", None),
            ("message M {} edition = \"2023\";", None),
            ("edition \"2023\";", None),
            ("edition = 2023;", None),
            ("edition = \"2023;", None),
            ("edition = \"2023\"", None),
            ("/* edition = \"2023\";", None),
            ("", None),
        ] {
            assert_eq!(edition_of(text), edition, "{text}");
        }
    }
}
