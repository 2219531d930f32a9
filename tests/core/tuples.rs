//! What has three parts has names for them: no signature, field, collection or alias of `src/` is a tuple of three or more. Patterns,
//! as in `match (a, b, c)`, and tables of test cases are no such thing.

use std::path::Path;

use crate::layers::walk;

const PRIMITIVE: [&str; 15] =
    ["bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "str", "u8", "u16", "u32", "u64", "usize"];

#[test]
fn the_source_has_no_tuple_types_of_three_or_more_elements() {
    let mut wrong = Vec::new();
    walk(Path::new("src"), &mut |path, text| {
        if !path.iter().any(|part| part == "tests" || part == "tests.rs") {
            wrong.extend(tuples(text).into_iter().map(|tuple| format!("{}:{tuple}", path.display())));
        }
    });
    assert!(wrong.is_empty(), "give these a struct:\n{}", wrong.join("\n"));
}

#[test]
fn tuple_types_are_distinguished_from_similar_code() {
    for (text, expected) in [
        ("fn f() -> (u8, u16, Vec<(A, B)>) {", "1: (u8, u16, Vec<(A, B)>)"),
        ("fn f(\n    (a, b, c): (&A<'_>, &'a [u8], &mut C),\n) {", "2: (&A<'_>, &'a [u8], &mut C)"),
        ("struct S {\n    all: HashMap<Box<str>, (A, b::B, C)>,", "2: (A, b::B, C)"),
        ("impl Iterator<Item = (usize, &'a str, &'a T)>", "1: (usize, &'a str, &'a T)"),
        ("type Key = (A, B, C);", "1: (A, B, C)"),
        ("fn f(list: &[(A, B, C)]) {", "1: (A, B, C)"),
        ("fn f() -> Result<(A, B, C), E> {", "1: (A, B, C)"),
        ("fn f() -> (A, B) {", ""),
        ("fn f(a: impl Fn(A, B, C) -> D) {", ""),
        ("let (a, b, c) = match (x, y, z) { (None, Some(_), None) => {} };", ""),
        ("Some(S { a: (x, y, z.len()), b })", ""),
        ("// -> (A, B, C)", ""),
        ("#[cfg(test)]\nmod tests {\n    fn f() -> (A, B, C) {", ""),
    ] {
        assert_eq!(tuples(text).join("; "), expected, "{text}");
    }
}

/// The line and the text of each.
fn tuples(text: &str) -> Vec<String> {
    let lines = text.lines().take_while(|line| *line != "mod tests {");
    let code = lines.map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
    let starts = code.match_indices('(').map(|(at, _)| at).filter(|at| is_type_next(&code[..*at]));
    let found = starts.filter_map(|at| {
        let (inside, parts) = inside(&code[at + 1..])?;
        let is_tuple = parts.len() > 2 && parts.iter().all(|part| is_type(part));
        let words = inside.split_whitespace().collect::<Vec<_>>().join(" ");
        is_tuple.then(|| format!("{}: ({words})", code[..at].matches('\n').count() + 1))
    });
    found.collect()
}

/// Whether a type stands behind this code: of a result, of what has a name, or in angle brackets.
fn is_type_next(before: &str) -> bool {
    let before = before.trim_end_matches(|c: char| c.is_whitespace() || "&[".contains(c));
    let before = before
        .rsplit_once("&'")
        .filter(|(_, name)| name.chars().all(char::is_alphanumeric))
        .map_or(before, |(before, _)| before);
    let is_alias = || before.lines().last().is_some_and(|line| line.contains("type ") || line.ends_with("Item ="));
    before.ends_with("->")
        || before.ends_with('<')
        || before.ends_with(':') && !before.ends_with("::")
        || before.ends_with('=') && is_alias()
        || before.ends_with(',') && is_in_angle_brackets(before)
}

fn is_in_angle_brackets(before: &str) -> bool {
    let mut depth = 0;
    for (at, c) in before.char_indices().rev() {
        match c {
            '>' if !before[..at].ends_with(['-', '=']) => depth += 1,
            ')' | ']' | '}' => depth += 1,
            '<' | '(' | '[' | '{' if depth > 0 => depth -= 1,
            '<' => return before[..at].ends_with(|c: char| c.is_alphanumeric() || c == ':'),
            '(' | '[' | '{' | ';' => return false,
            _ => {}
        }
    }
    false
}

/// What stands up to the bracket that closes, and its parts.
fn inside(code: &str) -> Option<(&str, Vec<&str>)> {
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (at, c) in code.char_indices() {
        match c {
            '(' | '[' | '<' => depth += 1,
            ')' if depth == 0 => {
                parts.extend(Some(code[start..at].trim()).filter(|part| !part.is_empty()));
                return Some((&code[..at], parts));
            }
            '>' if code[..at].ends_with(['-', '=']) => {}
            ')' | ']' | '>' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(code[start..at].trim());
                start = at + 1;
            }
            '{' | '}' | ';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

fn is_type(part: &str) -> bool {
    let words = part.trim_start_matches('&').split_whitespace();
    let mut words = words.filter(|word| !word.starts_with('\'') && !["mut", "dyn", "impl"].contains(word));
    let Some(first) = words.next() else { return false };
    let first = first.trim_start_matches(['&', '[', '(', '*']);
    let name = first.split(['<', ')', ']', ';', '(']).next().unwrap_or_default();
    let last = name.rsplit("::").next().unwrap_or_default();
    !part.contains(['.', '"', '?'])
        && !part.contains("(_")
        && (PRIMITIVE.contains(&last) || last.starts_with(char::is_uppercase))
}
