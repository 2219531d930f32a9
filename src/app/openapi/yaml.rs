//! A document as YAML 1.2: blocks, and a text in quotes wherever it could be read as something else.

use serde_json::Value;

/// The document as YAML.
#[must_use]
pub fn to_yaml(document: &Value) -> String {
    let mut out = String::new();
    put(&mut out, document, 0);
    out
}

/// A document that is YAML, or JSON, which is YAML too.
///
/// # Errors
/// It is neither.
pub fn from_yaml(text: &str) -> Result<Value, String> {
    // JSON is quicker to read, and nothing in it means something else.
    serde_json::from_str(text).or_else(|_| serde_saphyr::from_str(text).map_err(|error| error.to_string()))
}

/// Writes what stands behind a key or the dash of a list, with the end of its last line.
fn put(out: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (index, (name, value)) in members.iter().enumerate() {
                if index > 0 || depth == 0 {
                    indent(out, depth);
                }
                out.push_str(&scalar(name));
                out.push(':');
                put_behind(out, value, depth);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                if index > 0 || depth == 0 {
                    indent(out, depth);
                }
                out.push('-');
                match item {
                    Value::Object(members) if !members.is_empty() => {
                        out.push(' ');
                        put(out, item, depth + 1);
                    }
                    _ => put_behind(out, item, depth),
                }
            }
        }
        Value::String(text) if text.contains('\n') => put_lines(out, text, depth),
        _ => {
            out.push_str(&inline(value));
            out.push('\n');
        }
    }
}

fn put_behind(out: &mut String, value: &Value, depth: usize) {
    let is_block = match value {
        Value::Object(members) => !members.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    };
    if is_block {
        out.push('\n');
        indent(out, depth + 1);
    } else {
        out.push(' ');
    }
    put(out, value, depth + 1);
}

/// A literal block, if the text comes back from it as it is; else a text in quotes.
fn put_lines(out: &mut String, text: &str, depth: usize) {
    let is_plain = |line: &str| {
        !line.chars().any(|c| c.is_control() || matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}'))
    };
    let fits = !text.starts_with([' ', '\n', '\t']) && !text.ends_with('\n') && text.split('\n').all(is_plain);
    if !fits {
        out.push_str(&Value::from(text).to_string());
        out.push('\n');
        return;
    }
    out.push_str("|-\n");
    for line in text.split('\n') {
        if !line.is_empty() {
            indent(out, depth);
            out.push_str(line);
        }
        out.push('\n');
    }
}

fn inline(value: &Value) -> String {
    match value {
        Value::String(text) => scalar(text),
        // An empty object or list, a number, a truth, null: all are JSON, and so YAML.
        other => other.to_string(),
    }
}

/// A text as it stands if it could be nothing but a text, or else in quotes, as JSON has it.
fn scalar(text: &str) -> String {
    let first = text.chars().next();
    let is_safe = first.is_some_and(|c| c.is_ascii_alphabetic() || matches!(c, '/' | '$'))
        && text.chars().all(|c| c.is_ascii_alphanumeric() || " /$_-.,(){}=".contains(c))
        && !text.ends_with(' ')
        && !text.contains(" #");
    // What YAML 1.1 or 1.2 reads as something else.
    let words = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    if is_safe && !words.iter().any(|word| text.eq_ignore_ascii_case(word)) {
        text.to_owned()
    } else {
        Value::from(text).to_string()
    }
}

fn indent(out: &mut String, depth: usize) {
    out.extend(std::iter::repeat_n("  ", depth));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn yaml_has_blocks_and_quotes_what_is_no_plain_text() {
        let document = json!({
            "openapi": "3.1.0",
            "info": { "title": "A: b", "version": "1", "empty": {}, "none": [] },
            "tags": [{ "name": "on", "description": "one\n\n  two\nthree" }, "x", ["a", 1]],
            "/a/{b}": { "200": null, "x": true, "text": "tab\tand\nline" },
        });
        let expected = r#"openapi: "3.1.0"
info:
  title: "A: b"
  version: "1"
  empty: {}
  none: []
tags:
  - name: "on"
    description: |-
      one

        two
      three
  - x
  -
    - a
    - 1
/a/{b}:
  "200": null
  x: true
  text: "tab\tand\nline"
"#;
        assert_eq!(to_yaml(&document), expected);
    }
}
