//! Pretty-prints compact JSON.

/// `json` with one line per member or element, indented by two spaces per level; `None` if the result exceeds `limit`
/// bytes. `json` must be compact, valid JSON.
pub(super) fn indent(json: &[u8], limit: usize) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(limit.min(json.len() * 2));
    let mut depth = 0;
    let mut rest = json;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'"' => {
                let length = string_length(rest);
                out.push(byte);
                out.extend_from_slice(&rest[..length]);
                rest = &rest[length..];
            }
            b'{' | b'[' if matches!(rest.first(), Some(b'}' | b']')) => {
                out.extend_from_slice(&[byte, rest[0]]);
                rest = &rest[1..];
            }
            b'{' | b'[' => {
                depth += 1;
                out.push(byte);
                new_line(&mut out, depth);
            }
            b'}' | b']' => {
                depth -= 1;
                new_line(&mut out, depth);
                out.push(byte);
            }
            b',' => {
                out.push(byte);
                new_line(&mut out, depth);
            }
            b':' => out.extend_from_slice(b": "),
            _ => out.push(byte),
        }
        if out.len() > limit {
            return None;
        }
    }
    Some(out)
}

/// Length of the rest of a string whose opening quote has been read, including the closing quote.
fn string_length(rest: &[u8]) -> usize {
    let mut escaped = false;
    let end = rest.iter().position(|&byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.map_or(rest.len(), |end| end + 1)
}

fn new_line(out: &mut Vec<u8>, depth: usize) {
    out.push(b'\n');
    out.resize(out.len() + 2 * depth, b' ');
}

#[cfg(test)]
mod tests {
    use super::indent;

    #[test]
    fn indenting_json_leaves_strings_unchanged() {
        for (json, laid_out) in [
            ("{}", "{}"),
            (r#"{"a":[]}"#, "{\n  \"a\": []\n}"),
            (
                r#"{"a,{":"b:\"]\\","c":[1,{"d":null}]}"#,
                "{\n  \"a,{\": \"b:\\\"]\\\\\",\n  \"c\": [\n    1,\n    {\n      \"d\": null\n    }\n  ]\n}",
            ),
        ] {
            let length = laid_out.len();
            assert_eq!(indent(json.as_bytes(), length).as_deref(), Some(laid_out.as_bytes()), "{json}");
            assert_eq!(indent(json.as_bytes(), length - 1), None, "{json}");
        }
    }
}
