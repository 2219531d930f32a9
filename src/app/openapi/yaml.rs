//! Writes a document as YAML 1.2 in block style. Texts that YAML could read as something else are quoted.

use serde_json::Value;

#[must_use]
pub fn to_yaml(document: &Value) -> String {
    let mut out = String::new();
    put(&mut out, document, 0);
    out
}

/// Parses a document in YAML or JSON.
///
/// # Errors
/// The text is neither YAML nor JSON.
pub fn from_yaml(text: &str) -> Result<Value, String> {
    // JSON parses faster, and JSON is also valid YAML with the same meaning.
    serde_json::from_str(text).or_else(|_| serde_saphyr::from_str(text).map_err(|error| error.to_string()))
}

/// Writes the value after a key or a list's dash, including the last line end.
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

/// Writes a literal block if it preserves the text exactly, else a quoted text.
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
        // Empty objects and lists, numbers, booleans and null are written as JSON, which is valid YAML.
        other => other.to_string(),
    }
}

/// The text unquoted if YAML can only read it as this text, else quoted as in JSON.
fn scalar(text: &str) -> String {
    let first = text.chars().next();
    let is_safe = first.is_some_and(|c| c.is_ascii_alphabetic() || matches!(c, '/' | '$'))
        && text.chars().all(|c| c.is_ascii_alphanumeric() || " /$_-.,(){}=".contains(c))
        && !text.ends_with(' ')
        && !text.contains(" #");
    // Words that YAML 1.1 or 1.2 reads as another type.
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
    fn yaml_is_written_in_block_style_and_ambiguous_text_is_quoted() {
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
