//! Parses the compact form of a JWT strictly (RFC 7519, RFC 7515, section 7.1).
//!
//! Nothing in the result is trusted yet. What the header says about keys (`jwk`, `jku`, `x5c`, `x5u`) is ignored: keys
//! come from the configuration alone (RFC 8725, section 3.10).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::algorithm::Algorithm;
use super::json::{Json, Object};

/// The longest token, in bytes.
pub const LONGEST: usize = 16 << 10;

/// A parsed token whose signature is not verified.
pub struct Unverified<'t> {
    /// The algorithm that its header names.
    pub algorithm: Algorithm,
    /// The identifier of its key (`kid`).
    pub key_id: Option<Box<str>>,
    /// Its `typ`, in lower case and without `application/`.
    pub kind: Option<String>,
    /// Its header. Keys in it count only in a DPoP proof.
    pub header: Object,
    /// Its claims.
    pub claims: Object,
    /// The signed text: the first two parts as they are.
    pub signed: &'t [u8],
    /// The signature: the third part as it is.
    pub signature: &'t str,
}

/// Why a text is not a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The token is longer than [`LONGEST`].
    #[error("it is longer than {LONGEST} bytes")]
    TooLong,
    /// The text does not have three parts.
    #[error("it is not made of three parts with dots between them")]
    Parts,
    /// A part is not base64url.
    #[error("its {0} is not base64url without padding")]
    Base64(Part),
    /// A part is not an object in strict JSON.
    #[error("its {0} is not an object of strict JSON with each member once")]
    Json(Part),
    /// `alg` is missing or not supported.
    #[error("its `alg` is not PS256, ES256, EdDSA or RS256")]
    Algorithm,
    /// The header demands an extension, and none is supported.
    #[error("its header has `crit` or `b64`, and no extension is understood")]
    Critical,
    /// A member of the header has the wrong type.
    #[error("its header has a `{0}` that is not a text")]
    Header(&'static str),
}

/// A part of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The first part.
    Header,
    /// The second part.
    Payload,
    /// The third part.
    Signature,
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Header => "header",
            Self::Payload => "payload",
            Self::Signature => "signature",
        })
    }
}

impl<'t> Unverified<'t> {
    /// Parses a token.
    ///
    /// # Errors
    /// The text is not a JWT that could be verified.
    pub fn parse(token: &'t str) -> Result<Self, Malformed> {
        if token.len() > LONGEST {
            return Err(Malformed::TooLong);
        }
        let mut parts = token.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Malformed::Parts);
        };
        if URL_SAFE_NO_PAD.decode(signature).map_or(true, |bytes| bytes.is_empty()) {
            return Err(Malformed::Base64(Part::Signature));
        }
        let header_members = object(header, Part::Header)?;
        // RFC 7515, section 4.1.11: a token with an extension that is not understood must be rejected. RFC 7797,
        // section 6: `b64` is such an extension, and must be listed in `crit`.
        if header_members.member("crit").or(header_members.member("b64")).is_some() {
            return Err(Malformed::Critical);
        }
        let text = |name: &'static str| match header_members.member(name) {
            None => Ok(None),
            Some(value) => value.text().map(Some).ok_or(Malformed::Header(name)),
        };
        let algorithm = text("alg")?.and_then(Algorithm::of_header).ok_or(Malformed::Algorithm)?;
        let (key_id, kind) = (text("kid")?.map(Into::into), text("typ")?.map(kind));
        Ok(Self {
            algorithm,
            key_id,
            kind,
            header: header_members,
            claims: object(payload, Part::Payload)?,
            signed: &token.as_bytes()[..header.len() + 1 + payload.len()],
            signature,
        })
    }
}

/// The media type of a token. RFC 7515, section 4.1.9: `application/` may be left out.
pub(super) fn kind(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    lower.strip_prefix("application/").map_or_else(|| lower.clone(), str::to_owned)
}

fn object(part: &str, which: Part) -> Result<Object, Malformed> {
    let text = URL_SAFE_NO_PAD.decode(part).map_err(|_| Malformed::Base64(which))?;
    Object::parse(&text).map_err(|_| Malformed::Json(which))
}

/// The time of a claim, in whole seconds since 1970. `None` if the value is not a NumericDate, or out of range.
///
/// RFC 7519, section 2: a number that may have a fraction.
pub(crate) fn seconds(value: &Json) -> Option<u64> {
    /// The first second of the year 10000.
    const LAST: f64 = 253_402_300_800.0;
    let Json::Number(text) = value else { return None };
    let seconds: f64 = text.parse().ok()?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the year 10000")]
    (0.0..LAST).contains(&seconds).then_some(seconds as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(header: &str, payload: &str) -> String {
        format!("{}.{}.AAAA", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload))
    }

    #[test]
    fn a_malformed_or_unsupported_token_is_refused() {
        let good = r#"{"alg":"ES256"}"#;
        for (text, problem) in [
            (String::new(), Malformed::Parts),
            ("a.b".to_owned(), Malformed::Parts),
            ("a.b.c.d.e".to_owned(), Malformed::Parts),
            (format!("{}.{}.", URL_SAFE_NO_PAD.encode(good), "e30"), Malformed::Base64(Part::Signature)),
            (format!("{}.{}.AA=", URL_SAFE_NO_PAD.encode(good), "e30"), Malformed::Base64(Part::Signature)),
            // The unused bits of the last character are not zero.
            (format!("{}.{}.AB", URL_SAFE_NO_PAD.encode(good), "e30"), Malformed::Base64(Part::Signature)),
            (format!("{}.{}.AA", URL_SAFE_NO_PAD.encode(good), "e30="), Malformed::Base64(Part::Payload)),
            (format!("{}.{}.AA", URL_SAFE_NO_PAD.encode(good), "e+0"), Malformed::Base64(Part::Payload)),
            (format!("e3 0.{}.AA", "e30"), Malformed::Base64(Part::Header)),
            (token("[]", "{}"), Malformed::Json(Part::Header)),
            (token(r#"{"alg":"ES256","alg":"ES256"}"#, "{}"), Malformed::Json(Part::Header)),
            (token(good, r#"{"sub":"a","sub":"b"}"#), Malformed::Json(Part::Payload)),
            (token(good, "\"a\""), Malformed::Json(Part::Payload)),
            (token("{}", "{}"), Malformed::Algorithm),
            (token(r#"{"alg":"none"}"#, "{}"), Malformed::Algorithm),
            (token(r#"{"alg":"None"}"#, "{}"), Malformed::Algorithm),
            (token(r#"{"alg":"HS256"}"#, "{}"), Malformed::Algorithm),
            (token(r#"{"alg":"es256"}"#, "{}"), Malformed::Algorithm),
            (token(r#"{"alg":["ES256"]}"#, "{}"), Malformed::Header("alg")),
            (token(r#"{"alg":"ES256","kid":7}"#, "{}"), Malformed::Header("kid")),
            (token(r#"{"alg":"ES256","typ":null}"#, "{}"), Malformed::Header("typ")),
            (token(r#"{"alg":"ES256","crit":["exp"],"exp":1}"#, "{}"), Malformed::Critical),
            (token(r#"{"alg":"ES256","crit":[]}"#, "{}"), Malformed::Critical),
            (token(r#"{"alg":"ES256","b64":false,"crit":["b64"]}"#, "{}"), Malformed::Critical),
            (token(r#"{"alg":"ES256","b64":false}"#, "{}"), Malformed::Critical),
            (token(good, &format!(r#"{{"a":"{}"}}"#, "a".repeat(LONGEST))), Malformed::TooLong),
        ] {
            assert_eq!(Unverified::parse(&text).err(), Some(problem), "{text:.80}");
        }
    }

    #[test]
    fn a_token_is_parsed_without_being_verified() {
        let text = token(
            r#"{"alg":"Ed25519","kid":"k","typ":"application/AT+jwt","jku":"https://evil.example"}"#,
            r#"{"sub":"a"}"#,
        );
        let parsed = Unverified::parse(&text).ok().unwrap();
        assert_eq!(parsed.algorithm, Algorithm::EdDsa);
        assert_eq!((parsed.key_id.as_deref(), parsed.kind.as_deref()), (Some("k"), Some("at+jwt")));
        assert_eq!(parsed.claims.member("sub").and_then(Json::text), Some("a"));
        assert_eq!(parsed.signed, &text.as_bytes()[..text.len() - 5]);
    }

    #[test]
    fn a_time_is_a_number_of_seconds() {
        for (text, time) in [
            ("0", Some(0)),
            ("1700000000", Some(1_700_000_000)),
            ("1700000000.9", Some(1_700_000_000)),
            ("17e8", Some(1_700_000_000)),
            ("-1", None),
            ("1e300", None),
            ("1e999", None),
            ("253402300800", None),
        ] {
            assert_eq!(seconds(&Json::Number(text.into())), time, "{text}");
        }
        assert_eq!(seconds(&Json::Text("1700000000".into())), None);
    }
}
