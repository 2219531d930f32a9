//! The JSON Schema of a text: as narrow as what the reader says about it allows. Words are listed in one spelling, even where the reader
//! ignores case.

use serde_json::{Value, json};

use super::probe::{TEXT, TextForm};

/// What follows in a refusal is what was found.
const FOUND: [&str; 2] = [", found ", ", got "];

/// The schema of one kind of text. YAML knows numbers and truth values; to the reader they are texts.
pub(super) fn text(form: &TextForm) -> Value {
    let refusal = form.refusal.as_deref().unwrap_or(&form.what);
    let expected = refusal.strip_prefix("expected ").unwrap_or(refusal);
    let expected = FOUND.iter().find_map(|found| expected.split_once(found)).map_or(expected, |(expected, _)| expected);
    // Maps and lists have choices of their own.
    let expected =
        [" or a map", " or a list"].iter().fold(expected, |text, more| text.split(more).next().unwrap_or(text));
    let words: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
    let rest: String = expected.split('`').step_by(2).collect();
    match form.what.as_str() {
        "a duration" => return json!({ "type": "string", "pattern": "^([0-9]+(ms|s|m|h|d)|none)$" }),
        "a size" | "a size or `off`" => {
            let text = json!({ "type": "string", "pattern": "^([0-9]+(KiB|MiB|GiB)?|off)$" });
            return json!({ "anyOf": [{ "type": "integer", "minimum": 1 }, text] });
        }
        "a number" => {
            let bound =
                |word: &str| expected.split_once(word).and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
            let (least, most): (Option<u64>, Option<u64>) = (bound("from "), bound(" to "));
            let bounds = [("minimum", least), ("maximum", most)];
            let bounds = bounds.into_iter().filter_map(|(name, bound)| Some((name.to_owned(), json!(bound?))));
            let mut number = json!({ "type": "integer" });
            number.as_object_mut().into_iter().for_each(|number| number.extend(bounds.clone()));
            return number;
        }
        "an HTTP status" => return json!({ "type": "integer", "minimum": 400, "maximum": 599 }),
        "a value" => return json!({ "type": ["string", "number", "boolean"] }),
        _ => {}
    }
    if words == ["true", "false"] {
        return json!({ "type": "boolean" });
    }
    // Words and nothing else but what stands between them, or names another kind of value.
    let is_list = form.refusal.is_some()
        && !words.is_empty()
        && words.iter().all(|word| *word != TEXT && is_word(word))
        && rest.split([',', ' ']).all(|word| matches!(word, "" | "or"));
    if is_list {
        let bare = words.iter().any(|word| matches!(*word, "true" | "false"));
        let values: Vec<Value> =
            words.iter().map(|word| if bare { json!(*word == "true") } else { json!(word) }).collect();
        return json!({ "enum": values });
    }
    // `true` is what an upstream that has no name is called.
    if words.contains(&"true") {
        return json!({ "type": ["string", "boolean"] });
    }
    // To YAML a text of digits is a number.
    json!({ "type": ["string", "number"] })
}

/// Whether a text in backticks is a word that the file may contain, and not the form of one, such as `host:port`.
fn is_word(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}
