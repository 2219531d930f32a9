//! Texts other than messages: templates, queries, multipart forms, the configuration.

use std::path::Path;

use towbar::config::{self, Overrides};
use towbar::format::multipart::{Boundary, Part};
use towbar::format::template::{Segment, Template, TemplateError, Variable};
use towbar::route::Query;

/// A parsed template can be routed, and an error has a position inside the text.
pub fn template(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Template { segments, variables, verb, query } = match Template::parse(text) {
        Ok(template) => template,
        Err(error) => {
            let (TemplateError::Unexpected { column, .. }
            | TemplateError::SecondWildcard { column }
            | TemplateError::Dots { column, .. }
            | TemplateError::Nested { column }
            | TemplateError::Twice { column, .. }) = error;
            assert!((1..=text.chars().count() + 1).contains(&column), "{text:?}: {error}");
            return;
        }
    };
    let count = segments.len();
    assert_eq!(count == 0, text == "/" || text.starts_with("/?"), "{text:?}: only the root has no segment");
    assert!(count > 0 || verb.is_none(), "{text:?}: the root has no verb");
    let is_multi = |index: usize| segments[index] == Segment::Multi;
    assert!((0..count).filter(|&index| is_multi(index)).count() < 2, "{text:?}: `**` twice");
    let mut from = 0;
    for Variable { field, column, segments, keeps_slash } in &variables {
        assert!(from <= segments.start && segments.start < segments.end && segments.end <= count, "{text:?}: {field}");
        from = segments.end;
        assert!(text.chars().skip(column - 1).collect::<String>().starts_with(field), "{text:?}: {field}");
        assert_eq!(*keeps_slash, segments.len() > 1 || is_multi(segments.start), "{text:?}: {field}");
    }
    let fields = variables.iter().map(|variable| &variable.field).chain(query.iter().map(|key| &key.field));
    let mut fields: Vec<&String> = fields.collect();
    let count = fields.len();
    fields.sort();
    fields.dedup();
    assert_eq!(fields.len(), count, "{text:?}: a field is bound twice");
    assert!(fields.iter().all(|field| field.split('.').all(|name| !name.is_empty())), "{text:?}: a name is empty");
    assert!(verb.is_none_or(|verb| !verb.is_empty()), "{text:?}: the verb is empty");
}

/// The parsed pairs, encoded and parsed again, are the same.
pub fn query(data: &[u8]) {
    // A request line never contains an unescaped NUL.
    let Ok(text) = std::str::from_utf8(data) else { return };
    if text.contains('\0') {
        return;
    }
    let Ok(query) = Query::parse(text) else { return };
    // A pair of two empty texts was `=`, and is `=` again.
    let pairs = query.pairs().map(|(key, value)| format!("{}={}", percent_encoded(key), percent_encoded(value)));
    let again = pairs.collect::<Vec<_>>().join("&");
    let parsed = Query::parse(&again).expect("what was parsed can be parsed again");
    assert!(parsed.pairs().eq(query.pairs()), "{text:?} {again:?}");
}

fn percent_encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

/// The parts of a body, written and read again, are the same. The first line of the input is the Content-Type of the
/// body.
pub fn multipart(data: &[u8]) {
    const AGAIN: &str = "--again";
    let Some(end) = data.iter().position(|&byte| byte == b'\n') else { return };
    let Ok(content_type) = std::str::from_utf8(&data[..end]) else { return };
    let Ok(boundary) = Boundary::of(content_type) else { return };
    let body = &data[end + 1..];
    let Ok(parts) = boundary.parts(body, 16) else { return };
    assert!(parts.len() <= 16, "{parts:?}");
    let used: usize = parts.iter().map(|part| part.name.len() + part.data.len()).sum();
    assert!(used < body.len(), "{parts:?}: more than there was");
    for part in &parts {
        let _ = part.text();
    }
    // Skips inputs in which a part's data could contain the other boundary.
    if parts.iter().any(|part| part.data.windows(AGAIN.len()).any(|bytes| bytes == AGAIN.as_bytes())) {
        return;
    }
    let written: Vec<u8> = parts.iter().flat_map(written).chain(format!("{AGAIN}--").into_bytes()).collect();
    let boundary = Boundary::of("multipart/form-data; boundary=again").expect("it has one");
    let again = boundary.parts(&written, 16).expect("what was read can be read again");
    assert_eq!(again, parts);
}

fn written(part: &Part<'_>) -> Vec<u8> {
    let content_type = part.content_type.map(|text| format!("Content-Type: {text}\r\n")).unwrap_or_default();
    let head = format!("--again\r\nContent-Disposition: form-data; name=\"{}\"\r\n{content_type}\r\n", part.name);
    [head.as_bytes(), part.data, b"\r\n"].concat()
}

/// If something required could not be read, a problem reports it.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (config, problems) = config::load_text(text, Path::new("towbar.yaml"), &Overrides::default());
    let is_answered = config.upstream.is_some() || !config.upstreams.is_empty();
    let is_described = !config.schema.is_empty() || !config.reflection.is_empty();
    let is_whole = config.listen.is_some() && is_answered && is_described;
    assert!(is_whole || !problems.is_empty(), "{text:?}: something is missing and nothing says so");
}
