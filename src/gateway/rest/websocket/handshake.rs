//! The handshake of a WebSocket (RFC 6455, section 4.2): checks the request, and makes the response that accepts it.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CONNECTION, HeaderMap, HeaderName, HeaderValue, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::request::Parts;
use http::{Method, StatusCode};

use crate::gateway::answer::{Body, Response};
use crate::gateway::error::{Reason, Refusal};
use crate::route::policy::Origins;

/// The protocol version of RFC 6455.
const VERSION: &str = "13";

/// RFC 6455, section 1.3: appended to the key before it is hashed.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The length of a decoded key, in bytes.
const KEY: usize = 16;

/// Whether the request asks for a WebSocket. Without `Upgrade` in its `Connection` header it does not (RFC 9110,
/// section 7.8).
#[must_use]
pub fn is_handshake(head: &Parts) -> bool {
    let lists = |name: HeaderName, wanted: &str| {
        let values = head.headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|token| token.trim().eq_ignore_ascii_case(wanted))
    };
    head.method == Method::GET && lists(UPGRADE, "websocket") && lists(CONNECTION, "upgrade")
}

/// The response that accepts a handshake. A web page must come from one of `origins`; a client that is no browser has
/// no origin.
///
/// # Errors
/// The page has another origin, or the request is not a handshake of RFC 6455.
pub fn agreed(headers: &HeaderMap, origins: Option<&Origins>) -> Result<Response, Refusal> {
    // Section 10.2. A client without an origin is not a browser, and could send any origin.
    if headers.get_all(ORIGIN).iter().any(|origin| !origins.is_some_and(|origins| origins.cover(origin.as_bytes()))) {
        let message = "web pages of this origin may not open a WebSocket here";
        return Err(Refusal::new(Reason::OriginNotAllowed, message));
    }
    if only(headers, SEC_WEBSOCKET_VERSION).is_none_or(|version| version != VERSION) {
        let message = "header sec-websocket-version: expected 13, got another value or none";
        let refusal = Refusal::new(Reason::WebSocketVersionNotSupported, message);
        return Err(refusal.with_header(SEC_WEBSOCKET_VERSION, VERSION.to_owned()));
    }
    let key = only(headers, SEC_WEBSOCKET_KEY).filter(|key| STANDARD.decode(key).is_ok_and(|key| key.len() == KEY));
    let key = key.ok_or_else(|| {
        Refusal::header("header sec-websocket-key: expected 16 bytes in base64, exactly once, got something else")
    })?;
    let mut response = Response::new(Body::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let answer = response.headers_mut();
    answer.insert(UPGRADE, HeaderValue::from_static("websocket"));
    answer.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    answer.insert(SEC_WEBSOCKET_ACCEPT, accept(key));
    Ok(response)
}

/// Section 4.2.2, step 5.4. SHA-1 protects no secret here: it only shows that the server read the key.
fn accept(key: &str) -> HeaderValue {
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, format!("{key}{GUID}").as_bytes());
    HeaderValue::try_from(STANDARD.encode(hash)).expect("Base64 is printable ASCII")
}

/// The value of a header that occurs once.
fn only(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    #[test]
    fn the_websocket_key_is_answered_as_in_rfc_6455() {
        assert_eq!(accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn a_websocket_handshake_is_a_get_request_with_upgrade_websocket() {
        for (method, upgrade, connection, expected) in [
            ("GET", "websocket", "Upgrade", true),
            ("GET", "WebSocket", "keep-alive, Upgrade", true),
            ("GET", "h2c, websocket", "upgrade", true),
            ("POST", "websocket", "Upgrade", false),
            ("GET", "h2c", "Upgrade", false),
            ("GET", "websocket", "keep-alive", false),
            ("GET", "websockets", "Upgrade", false),
        ] {
            let request = Request::builder().method(method).header(UPGRADE, upgrade).header(CONNECTION, connection);
            let (head, ()) = request.body(()).unwrap().into_parts();
            assert_eq!(is_handshake(&head), expected, "{method} {upgrade} {connection}");
        }
    }
}
