//! `If-None-Match` (RFC 9110, section 13.1.2): an answer that the caller has is not sent again.

use http::header::{CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH};
use http::request::Parts;
use http::{Method, StatusCode};

use crate::answer::{Body, Response};

/// The answer to this request, or a 304 in its place if the caller has it: where the backend gives it an `ETag`, and that is among those of
/// the request.
pub(super) fn checked(head: &Parts, mut response: Response) -> Response {
    let is_read = matches!(head.method, Method::GET | Method::HEAD);
    let is_whole = response.status() == StatusCode::OK && matches!(response.body(), Body::Whole(_));
    if is_read && is_whole && has(&head.headers, response.headers()) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = Body::default();
        response.headers_mut().remove(CONTENT_TYPE);
    }
    response
}

/// Says of an answer that its bytes are no longer those that the backend gave this tag (RFC 9110, section 8.8.1).
pub(super) fn weaken(headers: &mut HeaderMap) {
    let weak = |tag: &HeaderValue| HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat()).ok();
    let strong = headers.get(ETAG).filter(|tag| tag.as_bytes().starts_with(b"\""));
    if let Some(weak) = strong.and_then(weak) {
        headers.insert(ETAG, weak);
    }
}

fn has(request: &HeaderMap, answer: &HeaderMap) -> bool {
    let mut tags = answer.get_all(ETAG).iter();
    let (Some(tag), None) = (tags.next().and_then(|tag| opaque(tag.as_bytes())), tags.next()) else { return false };
    request.get_all(IF_NONE_MATCH).iter().any(|list| list.as_bytes() == b"*" || names(list.as_bytes(), tag))
}

/// What stands in quotes, of a tag alone: for this comparison weak and strong are one (section 8.8.3.2).
fn opaque(tag: &[u8]) -> Option<&[u8]> {
    let (tag, rest) = first(tag)?;
    rest.is_empty().then_some(tag)
}

/// Whether a list of tags has this one. What is no list has none.
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

/// The tag at the beginning, and what stands behind it.
fn first(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = text.strip_prefix(b"W/").unwrap_or(text).strip_prefix(b"\"")?;
    let end = text.iter().position(|byte| *byte == b'"')?;
    Some((&text[..end], &text[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_found_in_a_list_by_what_stands_in_its_quotes() {
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
            // What the backend says is no tag.
            (r#"a"#, "a", false),
            ("*", "a", false),
            (r#""a""#, r#""a" "#, false),
            (r#""a""#, r#""a","b""#, false),
        ] {
            let one = |name, text: &str| HeaderMap::from_iter([(name, HeaderValue::from_str(text).unwrap())]);
            assert_eq!(has(&one(IF_NONE_MATCH, list), &one(ETAG, tag)), found, "{list} {tag}");
        }
    }
}
