//! The query of a unary call with GET: `Query-Get -> Connect-Version-Query Message-Codec-Query Message-Query` and more.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use percent_encoding::percent_decode;

use super::codec::Codec;
use crate::format::quote;
use crate::gateway::error::{Reason, Refusal};

/// "Base64-encoded messages use the URL-safe alphabet, and padding is optional".
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A message in a query.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct QueryMessage {
    pub(super) codec: Codec,
    /// How its bytes are compressed; `None` if they are not.
    pub(super) compression: Option<Vec<u8>>,
    pub(super) bytes: Vec<u8>,
}

/// The values of the parameters, undecoded.
#[derive(Debug, Default)]
struct Parameters<'q> {
    connect: Option<&'q str>,
    encoding: Option<&'q str>,
    message: Option<&'q str>,
    base64: Option<&'q str>,
    compression: Option<&'q str>,
}

impl QueryMessage {
    /// Reads a query string.
    ///
    /// # Errors
    /// A parameter is missing, unknown, repeated or wrong.
    pub(super) fn read(query: &str) -> Result<Self, Refusal> {
        let parameters = Parameters::read(query)?;
        if parameters.connect != Some("v1") {
            return Err(wrong("connect", "expected v1"));
        }
        let encoding = decoded("encoding", parameters.encoding.ok_or_else(|| missing("encoding"))?)?;
        let codec = Codec::named(&encoding).ok_or_else(|| {
            let message = "query parameter \"encoding\": expected json or proto";
            Refusal::new(Reason::UnsupportedMediaType, message)
        })?;
        let text = decoded("message", parameters.message.ok_or_else(|| missing("message"))?)?;
        let bytes = match parameters.base64 {
            None | Some("0") => text.into_owned(),
            Some("1") => BASE64.decode(&*text).map_err(|_| wrong("message", "expected URL-safe base64"))?,
            Some(_) => return Err(wrong("base64", "expected 1")),
        };
        let compression = parameters.compression.map(|value| decoded("compression", value)).transpose()?;
        let compression = compression.map(Cow::into_owned).filter(|name| !matches!(&name[..], b"" | b"identity"));
        Ok(Self { codec, compression, bytes })
    }
}

impl<'q> Parameters<'q> {
    fn read(query: &'q str) -> Result<Self, Refusal> {
        let mut read = Self::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let place = match key {
                "connect" => &mut read.connect,
                "encoding" => &mut read.encoding,
                "message" => &mut read.message,
                "base64" => &mut read.base64,
                "compression" => &mut read.compression,
                _ => {
                    let key = quote::beginning(key, quote::MOST_TWICE);
                    let message = format!("query parameter \"{key}\": Connect has no such parameter");
                    return Err(Refusal::new(Reason::UnknownQueryParameter, message));
                }
            };
            if place.replace(value).is_some() {
                return Err(wrong(key, "repeated, but it takes only one value"));
            }
        }
        Ok(read)
    }
}

/// Undoes percent-encoding. `+` is a space, as in every query that URL libraries write.
fn decoded<'q>(key: &str, value: &'q str) -> Result<Cow<'q, [u8]>, Refusal> {
    let mut escapes = value.split('%').skip(1);
    let is_hex =
        |escape: &str| escape.as_bytes().first_chunk::<2>().is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit));
    if !escapes.all(is_hex) {
        return Err(wrong(key, "invalid percent-encoding"));
    }
    Ok(match value.contains('+') {
        false => percent_decode(value.as_bytes()).into(),
        true => Cow::Owned(percent_decode(value.replace('+', " ").as_bytes()).collect()),
    })
}

fn missing(key: &str) -> Refusal {
    wrong(key, "missing")
}

fn wrong(key: &str, problem: &str) -> Refusal {
    Refusal::new(Reason::InvalidQueryParameter, format!("query parameter \"{key}\": {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_of_a_get_is_read_from_its_query() {
        let message = |codec, bytes: &[u8]| Ok(QueryMessage { codec, compression: None, bytes: bytes.to_vec() });
        let refused = |key: &str, problem: &str| Err(wrong(key, problem));
        for (query, expected) in [
            ("connect=v1&encoding=json&message=%7B%22a%22%3A+1%7D", message(Codec::Json, b"{\"a\": 1}")),
            ("message={}&encoding=json&connect=v1", message(Codec::Json, b"{}")),
            ("connect=v1&encoding=json&message={}&base64=0", message(Codec::Json, b"{}")),
            ("connect=v1&encoding=proto&message=", message(Codec::Proto, b"")),
            ("connect=v1&encoding=proto&message=%08%ff%00", message(Codec::Proto, b"\x08\xff\0")),
            ("connect=v1&encoding=proto&base64=1&message=-_8", message(Codec::Proto, b"\xfb\xff")),
            ("connect=v1&encoding=proto&base64=1&message=-_8%3D", message(Codec::Proto, b"\xfb\xff")),
            ("connect=v1&encoding=proto&base64=1&message=-_8=", message(Codec::Proto, b"\xfb\xff")),
            ("connect=v1&encoding=json&message={}&compression=identity", message(Codec::Json, b"{}")),
            ("connect=v1&encoding=json&message={}&compression=", message(Codec::Json, b"{}")),
            (
                "connect=v1&encoding=json&message=a&compression=gzip",
                Ok(QueryMessage { codec: Codec::Json, compression: Some(b"gzip".to_vec()), bytes: b"a".to_vec() }),
            ),
            ("encoding=json&message={}", refused("connect", "expected v1")),
            ("connect=v2&encoding=json&message={}", refused("connect", "expected v1")),
            ("connect=v1&message={}", refused("encoding", "missing")),
            ("connect=v1&encoding=json", refused("message", "missing")),
            (
                "connect=v1&encoding=json&message={}&message={}",
                refused("message", "repeated, but it takes only one value"),
            ),
            ("connect=v1&encoding=json&message=%7", refused("message", "invalid percent-encoding")),
            ("connect=v1&encoding=json&message=%zz", refused("message", "invalid percent-encoding")),
            ("connect=v1&encoding=proto&base64=1&message=+/8", refused("message", "expected URL-safe base64")),
            ("connect=v1&encoding=proto&base64=1&message=a", refused("message", "expected URL-safe base64")),
            ("connect=v1&encoding=proto&base64=yes&message=", refused("base64", "expected 1")),
            (
                "connect=v1&encoding=xml&message=",
                Err(Refusal::new(Reason::UnsupportedMediaType, "query parameter \"encoding\": expected json or proto")),
            ),
            (
                "connect=v1&encoding=json&message={}&access_token=secret",
                Err(Refusal::new(
                    Reason::UnknownQueryParameter,
                    "query parameter \"access_token\": Connect has no such parameter",
                )),
            ),
        ] {
            assert_eq!(QueryMessage::read(query), expected, "{query}");
        }
    }
}
