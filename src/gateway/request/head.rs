//! Refuses ambiguous heads: a repeated header that takes one value, or one that `Connection` would remove.
//!
//! A proxy in front may have used either of two values, or both as one. So neither is chosen, and the request is
//! refused.

use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, FORWARDED, HOST, HeaderMap,
    HeaderName, HeaderValue, ORIGIN, PROXY_AUTHORIZATION,
};

use crate::gateway::error::Refusal;

const fn name(name: &'static str) -> HeaderName {
    HeaderName::from_static(name)
}

const DPOP: HeaderName = name("dpop");

/// Headers that take one value, by the document that defines each. They say who calls, what is sent, or that it is sent
/// once.
const SINGLE: [HeaderName; 15] = [
    // RFC 9110, sections 8.3, 11.6.2 and 11.7.2.
    CONTENT_TYPE,
    AUTHORIZATION,
    PROXY_AUTHORIZATION,
    // RFC 9449, section 4.3.
    DPOP,
    // RFC 9440, section 2.2.
    name("client-cert"),
    // draft-ietf-httpapi-idempotency-key-header, and the UK's Open Banking.
    name("idempotency-key"),
    name("x-idempotency-key"),
    name("x-jws-signature"),
    // FAPI 1.0.
    name("x-fapi-interaction-id"),
    name("x-fapi-auth-date"),
    name("x-fapi-customer-ip-address"),
    // NextGenPSD2 of the Berlin Group.
    name("consent-id"),
    name("psu-id"),
    name("psu-ip-address"),
    name("tpp-signature-certificate"),
];

/// Headers, in addition to [`SINGLE`], that are meant for the final recipient, so that no hop may remove them (RFC
/// 9110, section 7.6.1).
const END_TO_END: [HeaderName; 14] = [
    HOST,
    CONTENT_LENGTH,
    CONTENT_ENCODING,
    COOKIE,
    ORIGIN,
    FORWARDED,
    name("x-forwarded-for"),
    name("x-forwarded-client-cert"),
    name("client-cert-chain"),
    name("signature"),
    name("signature-input"),
    name("content-digest"),
    name("digest"),
    name("expect"),
];

/// Connection options that belong to this hop and are handled here.
const OF_THIS_HOP: [&str; 6] = ["close", "keep-alive", "upgrade", "connection", "transfer-encoding", "te"];

/// Removes the headers that `Connection` names, and refuses ambiguous headers. For most requests this is one pass over
/// the headers, which is faster than looking up each name.
///
/// # Errors
/// 400 with the name of the header, never its value.
pub(crate) fn check(headers: &mut HeaderMap) -> Result<(), Refusal> {
    let (mut has_connection, mut joined) = (false, None);
    for (name, value) in &*headers {
        match name.as_str().len() {
            10 if name == CONNECTION => has_connection = true,
            13 if name == AUTHORIZATION && are_joined(value.as_bytes()) => {
                joined = Some("header authorization: expected one set of credentials, got several");
            }
            4 if name == DPOP && value.as_bytes().contains(&b',') => {
                joined = Some("header dpop: expected one proof, got several");
            }
            _ => {}
        }
    }
    if has_connection {
        take_away(headers)?;
    }
    if headers.len() > headers.keys_len() {
        for name in &SINGLE {
            if headers.get_all(name).iter().nth(1).is_some() {
                return Err(Refusal::header(format!("header {name}: repeated, but it takes only one value")));
            }
        }
    }
    joined.map_or(Ok(()), |message| Err(Refusal::header(message)))
}

/// RFC 9110, section 7.6.1: a header that `Connection` names is meant for this hop only, and Towbar has no use for it.
fn take_away(headers: &mut HeaderMap) -> Result<(), Refusal> {
    let is_ordinary = |value: &HeaderValue| {
        let value = value.as_bytes();
        value.eq_ignore_ascii_case(b"keep-alive") || value.eq_ignore_ascii_case(b"close")
    };
    if headers.get_all(CONNECTION).iter().all(is_ordinary) {
        return Ok(());
    }
    let lists: Vec<HeaderValue> = headers.get_all(CONNECTION).iter().cloned().collect();
    for item in lists.iter().flat_map(|list| list.as_bytes().split(|&byte| byte == b',')) {
        let item = item.trim_ascii();
        if item.is_empty() || OF_THIS_HOP.iter().any(|name| item.eq_ignore_ascii_case(name.as_bytes())) {
            continue;
        }
        let Ok(name) = HeaderName::from_bytes(item) else {
            return Err(Refusal::header("header connection: expected names of headers, got something else"));
        };
        if SINGLE.contains(&name) || END_TO_END.contains(&name) {
            let message = format!("header connection: it lists {name}, which is not a hop-by-hop header");
            return Err(Refusal::header(message));
        }
        headers.remove(name);
    }
    Ok(())
}

/// Whether these are credentials for two schemes, or two credentials for one, that a proxy has joined.
///
/// RFC 9110, section 11.4: `auth-scheme [ 1*SP ( token68 / #auth-param ) ]`. Parameters may form a list, so a comma
/// alone proves nothing. But a token contains no comma, and a parameter has `=` after its name, not another word.
fn are_joined(value: &[u8]) -> bool {
    if !value.contains(&b',') {
        return false;
    }
    let space = value.iter().position(|&byte| byte == b' ').unwrap_or(value.len());
    let (scheme, mut rest) = value.split_at(space);
    if ["bearer", "dpop", "basic"].iter().any(|token| scheme.eq_ignore_ascii_case(token.as_bytes())) {
        return true;
    }
    while let Some(comma) = unquoted_comma(rest) {
        rest = rest[comma + 1..].trim_ascii_start();
        let word = rest.iter().take_while(|byte| !matches!(byte, b' ' | b'\t' | b',' | b'=' | b'"')).count();
        let behind = rest[word..].trim_ascii_start();
        if word > 0 && behind.len() < rest.len() - word && !matches!(behind.first(), None | Some(b'=' | b',')) {
            return true;
        }
    }
    false
}

/// The position of the first comma outside quotes.
fn unquoted_comma(text: &[u8]) -> Option<usize> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    text.iter().position(|&byte| {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = is_quoted,
            b'"' => is_quoted = !is_quoted,
            b',' => return !is_quoted,
            _ => {}
        }
        false
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn headers_listed_in_connection_are_removed_and_end_to_end_ones_are_refused() {
        for (connection, left) in [
            ("keep-alive", "connection grpc-timeout if-none-match te upgrade"),
            ("Close", "connection grpc-timeout if-none-match te upgrade"),
            ("Upgrade, TE", "connection grpc-timeout if-none-match te upgrade"),
            ("close, , GRPC-Timeout", "connection if-none-match te upgrade"),
            ("grpc-timeout,If-None-Match,x-not-there", "connection te upgrade"),
        ] {
            let mut sent = headers(&[("grpc-timeout", "1S"), ("if-none-match", "\"a\""), ("te", "trailers")]);
            sent.insert("upgrade", HeaderValue::from_static("websocket"));
            sent.insert(CONNECTION, HeaderValue::from_static(connection));
            check(&mut sent).unwrap();
            let mut names: Vec<_> = sent.keys().map(HeaderName::as_str).collect();
            names.sort_unstable();
            assert_eq!(names.join(" "), left, "{connection}");
        }
        for name in SINGLE.iter().chain(&END_TO_END) {
            let mut sent = headers(&[("authorization", "Bearer a")]);
            sent.insert(CONNECTION, HeaderValue::from_str(&format!("close, {name}")).unwrap());
            let message = format!("header connection: it lists {name}, which is not a hop-by-hop header");
            assert_eq!(check(&mut sent), Err(Refusal::header(message)));
        }
        let message = "header connection: expected names of headers, got something else";
        let mut sent = headers(&[("connection", "close; x")]);
        assert_eq!(check(&mut sent), Err(Refusal::header(message)));
    }

    #[test]
    fn several_credentials_in_one_header_value_are_detected() {
        for (value, joined) in [
            ("Bearer abc.def-_~+/==", false),
            ("Bearer a, Bearer b", true),
            ("bearer a,b", true),
            ("DPoP a, DPoP b", true),
            ("Basic YTpi, Bearer a", true),
            (r#"Digest username="a, b", realm="c", nc=1"#, false),
            (r#"Digest username="a \", Bearer b", realm="c""#, false),
            (r#"Digest username="a", realm = "b""#, false),
            (r#"Digest username="a", Bearer b"#, true),
            (r#"Digest username="a",	Bearer	b"#, true),
            ("Token-Ed25519-SHA512 member-id=m:1,key-id=k,signature=s==,created-at-ms=1", false),
            ("AWS4-HMAC-SHA256 Credential=A/b, SignedHeaders=host;x, Signature=f", false),
            ("Negotiate YII=, Negotiate YII=", true),
            ("Custom a, b", false),
            ("a,b", false),
            ("", false),
        ] {
            assert_eq!(are_joined(value.as_bytes()), joined, "{value}");
        }
    }
}
