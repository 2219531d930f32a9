//! The idempotency key of a request, read from its headers.

use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::route::policy::Idempotency;

/// A key as the caller sent it, without quotes. It is never shown.
#[derive(Clone, Copy)]
pub(super) struct Key<'a>(&'a str);

/// Why a request has no usable key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeyError {
    /// The rpc requires a key, but the request has none.
    #[error(
        "header {0} is missing: this call needs an idempotency key; send a new unique key with each new request, and the \
         same key when you repeat a request"
    )]
    Missing(HeaderName),
    /// The request has several different keys.
    #[error("header {0}: the request has several idempotency keys; send one")]
    Several(HeaderName),
    /// The key has invalid characters, or is too short or too long.
    #[error("header {name}: expected an idempotency key of {min} to {max} printable ASCII characters without spaces")]
    Malformed { name: HeaderName, min: usize, max: usize },
}

impl<'a> Key<'a> {
    /// The key in these headers, or `None` if there is none.
    pub(super) fn of(headers: &'a HeaderMap, policy: &Idempotency) -> Result<Option<Self>, KeyError> {
        let mut found: Option<Self> = None;
        for name in &policy.headers {
            for value in headers.get_all(name) {
                let key = Self::read(value, name, policy)?;
                if found.is_some_and(|before| before.0 != key.0) {
                    return Err(KeyError::Several(name.clone()));
                }
                found = Some(key);
            }
        }
        Ok(found)
    }

    fn read(value: &'a HeaderValue, name: &HeaderName, policy: &Idempotency) -> Result<Self, KeyError> {
        let (min, max) = (policy.min_length, policy.max_length);
        let malformed = || KeyError::Malformed { name: name.clone(), min, max };
        let text = value.to_str().map_err(|_| malformed())?.trim_ascii();
        // The IETF draft uses a quoted string of RFC 9651, but most callers send the key without quotes. Both forms
        // mean the same key.
        let text = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
        let is_printable = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
        let is_key = (min..=max).contains(&text.len()) && text.bytes().all(is_printable);
        if is_key { Ok(Self(text)) } else { Err(malformed()) }
    }

    pub(super) fn as_bytes(self) -> &'a [u8] {
        self.0.as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idempotency_key_is_read_from_either_header_quoted_or_unquoted() {
        let long = "k".repeat(255);
        let malformed = "expected an idempotency key of 1 to 255 printable ASCII characters without spaces";
        let longer = "k".repeat(256);
        for (headers, expected) in [
            (&[][..], Ok(None)),
            (&[("other", "k")], Ok(None)),
            (&[("idempotency-key", "k-1")], Ok(Some("k-1"))),
            (&[("idempotency-key", "\"k-1\"")], Ok(Some("k-1"))),
            (&[("x-idempotency-key", "FRESCO.21302.GFX.20")], Ok(Some("FRESCO.21302.GFX.20"))),
            (&[("idempotency-key", "k"), ("x-idempotency-key", "\"k\"")], Ok(Some("k"))),
            (&[("idempotency-key", &long)], Ok(Some(&*long))),
            (
                &[("idempotency-key", "k"), ("x-idempotency-key", "l")],
                Err("header x-idempotency-key: the request has several idempotency keys; send one".to_owned()),
            ),
            (
                &[("idempotency-key", "k"), ("idempotency-key", "l")],
                Err("header idempotency-key: the request has several idempotency keys; send one".to_owned()),
            ),
            (&[("idempotency-key", "")], Err(format!("header idempotency-key: {malformed}"))),
            (&[("idempotency-key", "\"\"")], Err(format!("header idempotency-key: {malformed}"))),
            (&[("idempotency-key", "\"k")], Err(format!("header idempotency-key: {malformed}"))),
            (&[("idempotency-key", "a b")], Err(format!("header idempotency-key: {malformed}"))),
            (&[("x-idempotency-key", "a\\b")], Err(format!("header x-idempotency-key: {malformed}"))),
            (&[("idempotency-key", &longer)], Err(format!("header idempotency-key: {malformed}"))),
            (&[("idempotency-key", "k\u{e9}y")], Err(format!("header idempotency-key: {malformed}"))),
        ] {
            let map: HeaderMap = headers
                .iter()
                .map(|(name, value)| {
                    (HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap())
                })
                .fold(HeaderMap::new(), |mut map, (name, value)| {
                    map.append(name, value);
                    map
                });
            let key = Key::of(&map, &Idempotency::default());
            assert_eq!(key.map(|key| key.map(|key| key.0)).map_err(|error| error.to_string()), expected, "{headers:?}");
        }
    }
}
