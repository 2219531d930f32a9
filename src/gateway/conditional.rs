//! `If-None-Match` (RFC 9110, section 13.1.2): a response that the caller already has is not sent again. `If-Range`
//! (section 13.1.5): a response that has changed since is sent whole, not in part.

use http::header::{CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH, IF_RANGE};
use http::request::Parts;
use http::{Method, StatusCode};

use crate::gateway::answer::{Body, Response};

/// Replaces the response by a 304 if the caller has it already: its `ETag`, set by the backend, is listed in
/// `If-None-Match`.
pub(crate) fn checked(head: &Parts, mut response: Response) -> Response {
    let is_read = matches!(head.method, Method::GET | Method::HEAD);
    let is_whole = response.status() == StatusCode::OK && matches!(response.body(), Body::Whole(_));
    if is_read && is_whole && has(&head.headers, response.headers()) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = Body::default();
        response.headers_mut().remove(CONTENT_TYPE);
    }
    response
}

/// Makes a strong `ETag` weak, because the bytes are no longer those that the backend gave this tag (RFC 9110, section
/// 8.8.1).
pub(crate) fn weaken(headers: &mut HeaderMap) {
    let weak = |tag: &HeaderValue| HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat()).ok();
    let strong = headers.get(ETAG).filter(|tag| tag.as_bytes().starts_with(b"\""));
    if let Some(weak) = strong.and_then(weak) {
        headers.insert(ETAG, weak);
    }
}

/// Whether a range of this response may be sent: there is no `If-Range`, or it names the response's strong tag. A date
/// is never enough: only the backend knows whether it is strong (section 8.8.2.2).
pub(crate) fn allows_part(request: &HeaderMap, answer: &HeaderMap) -> bool {
    let mut values = request.get_all(IF_RANGE).iter();
    let is_strong = |tag: &HeaderValue| tag.as_bytes().starts_with(b"\"");
    match (values.next(), values.next()) {
        (None, _) => true,
        (Some(known), None) => tag(answer).is_some_and(|tag| tag == known && is_strong(tag)),
        _ => false,
    }
}

/// The `ETag` of a response, if it has exactly one.
fn tag(answer: &HeaderMap) -> Option<&HeaderValue> {
    let mut tags = answer.get_all(ETAG).iter();
    let (tag, None) = (tags.next()?, tags.next()) else { return None };
    opaque(tag.as_bytes()).map(|_| tag)
}

fn has(request: &HeaderMap, answer: &HeaderMap) -> bool {
    let Some(tag) = tag(answer).and_then(|tag| opaque(tag.as_bytes())) else { return false };
    request.get_all(IF_NONE_MATCH).iter().any(|list| list.as_bytes() == b"*" || names(list.as_bytes(), tag))
}

/// The opaque part of a single tag, in quotes. This comparison treats weak and strong tags alike (section 8.8.3.2).
fn opaque(tag: &[u8]) -> Option<&[u8]> {
    let (tag, rest) = first(tag)?;
    rest.is_empty().then_some(tag)
}

/// Whether a list of tags contains this one. An invalid list contains none.
fn names(mut list: &[u8], wanted: &[u8]) -> bool {
    loop {
        let start = list.iter().position(|byte| !b" \t,".contains(byte)).unwrap_or(list.len());
        let Some((tag, rest)) = first(&list[start..]) else { return false };
        if tag == wanted {
            return true;
        }
        list = rest;
    }
}

/// The tag at the beginning, and the rest of the text.
fn first(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = text.strip_prefix(b"W/").unwrap_or(text).strip_prefix(b"\"")?;
    let end = text.iter().position(|byte| *byte == b'"')?;
    Some((&text[..end], &text[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn if_none_match_compares_entity_tags_weakly() {
        for (list, tag, found) in [
            (r#""a""#, r#""a""#, true),
            (r#"W/"a""#, r#""a""#, true),
            (r#""a""#, r#"W/"a""#, true),
            (r#""b", W/"c",,"a""#, r#""a""#, true),
            (r#""b,"a""#, r#""a""#, false),
            (r#""""#, r#""""#, true),
            ("*", r#""a""#, true),
            (r#""A""#, r#""a""#, false),
            (r#""ab""#, r#""a""#, false),
            (r#"a"#, r#""a""#, false),
            (r#"a, "a""#, r#""a""#, false),
            (r#""a"#, r#""a""#, false),
            ("", r#""a""#, false),
            // The backend's value is not a valid tag.
            (r#"a"#, "a", false),
            ("*", "a", false),
            (r#""a""#, r#""a" "#, false),
            (r#""a""#, r#""a","b""#, false),
        ] {
            let one = |name, text: &str| HeaderMap::from_iter([(name, HeaderValue::from_str(text).unwrap())]);
            assert_eq!(has(&one(IF_NONE_MATCH, list), &one(ETAG, tag)), found, "{list} {tag}");
        }
    }

    #[test]
    fn if_range_allows_a_range_only_with_an_equal_strong_entity_tag() {
        for (known, tags, allows) in [
            (&[][..], &[][..], true),
            (&[], &["W/\"a\""], true),
            (&["\"a\""], &["\"a\""], true),
            (&["\"a\""], &["\"b\""], false),
            (&["\"a\""], &["W/\"a\""], false),
            (&["W/\"a\""], &["\"a\""], false),
            (&["W/\"a\""], &["W/\"a\""], false),
            (&["\"a\""], &[], false),
            (&["\"a\""], &["\"a\"", "\"a\""], false),
            (&["\"a\"", "\"a\""], &["\"a\""], false),
            // Exactly one tag is valid; a list is not.
            (&["*"], &["\"a\""], false),
            (&["\"a\", \"b\""], &["\"a\""], false),
            (&["\"a\", \"b\""], &["\"a\", \"b\""], false),
            (&["a"], &["a"], false),
            (&["\"a"], &["\"a"], false),
            (&["Sat, 01 Jan 2050 00:00:00 GMT"], &["\"a\""], false),
        ] {
            let all = |name: http::HeaderName, texts: &[&'static str]| {
                let mut headers = HeaderMap::new();
                for text in texts {
                    headers.append(&name, HeaderValue::from_static(text));
                }
                headers
            };
            assert_eq!(allows_part(&all(IF_RANGE, known), &all(ETAG, tags)), allows, "{known:?} {tags:?}");
        }
    }
}
