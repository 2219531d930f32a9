//! The media type of a request body, from its `Content-Type`, and whether the route accepts it.

use crate::codec::HttpBody;
use crate::format::multipart::{Boundary, MultipartError};
use crate::format::quote::{MOST_TWICE, beginning};
use crate::route::{EncodeError, Query, Route};

/// The media type of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Media {
    /// One JSON value.
    Json,
    /// `application/x-www-form-urlencoded`
    Form,
    /// A form in parts: `multipart/form-data` (RFC 7578).
    Parts(Boundary),
    /// Raw bytes with this content type.
    Raw(String),
}

/// The request message for a body of this type, or for a request without a body.
///
/// # Errors
/// What the caller has to change.
pub fn message(
    route: &Route,
    captures: &[&str],
    query: &Query,
    body: Option<(&[u8], &Media)>,
) -> Result<Vec<u8>, EncodeError> {
    match body {
        Some((form, Media::Form)) => route.encode_form(captures, query, form).map_err(|error| {
            // No field name begins with a brace: this is JSON that `curl -d '{...}'` sent as a form.
            match form.trim_ascii_start().first() {
                Some(b'{' | b'[') => EncodeError::FormIsJson,
                _ => error,
            }
        }),
        Some((body, Media::Parts(boundary))) => route.encode_parts(captures, query, (boundary, body)),
        Some((json, Media::Json)) => route.encode(captures, query, Some(json)),
        Some((data, Media::Raw(content_type))) => route.encode_raw(captures, query, &HttpBody { content_type, data }),
        None if route.is_raw_request => route.encode_raw(captures, query, &HttpBody::default()),
        None => route.encode(captures, query, None),
    }
}

/// The accepted media types.
#[derive(Debug, Clone, Copy)]
pub struct Types<'a> {
    /// Types that are read as JSON, besides `application/json` and `*+json`; lower case, without parameters.
    pub json: &'a [String],
    /// Whether forms of both kinds are accepted.
    pub forms: bool,
    /// Whether a body without a type is read as JSON.
    pub untyped: bool,
}

/// Why a body is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MediaError {
    /// The rpc does not accept this type.
    #[error("{}; send Content-Type: {expected}", unsupported(found.as_deref()))]
    Unsupported {
        /// What the caller should send.
        expected: &'static str,
        /// The type that was sent, without parameters.
        found: Option<String>,
    },
    /// The charset is not UTF-8, or it is ambiguous.
    #[error("Content-Type: expected charset=utf-8, or no charset, got {found}")]
    Charset {
        /// What the header says.
        found: String,
    },
    /// A form in parts without a valid boundary.
    #[error(transparent)]
    Parts(MultipartError),
}

fn unsupported(found: Option<&str>) -> String {
    match found {
        None | Some("") => "Content-Type is missing".to_owned(),
        Some(FORM) => format!("Content-Type {FORM} (the default of curl -d) is not supported here"),
        Some(found) => format!("Content-Type {} is not supported here", beginning(found, MOST_TWICE)),
    }
}

const FORM: &str = "application/x-www-form-urlencoded";
const PARTS: &str = "multipart/form-data";

impl Types<'_> {
    /// How a body with this `Content-Type` is read, on a route that takes a body.
    ///
    /// # Errors
    /// The type is not accepted.
    pub fn media(self, route: &Route, content_type: Option<&str>) -> Result<Media, MediaError> {
        if route.is_raw_request {
            return Ok(Media::Raw(content_type.unwrap_or_default().to_owned()));
        }
        // The value of almost all callers needs no parsing.
        if content_type == Some("application/json") {
            return Ok(Media::Json);
        }
        let media_type = content_type.map(media_type);
        let form = media_type.as_deref().filter(|_| self.forms && route.takes_form());
        // If the type of forms is also listed as JSON, the body decides: see [`Self::seen`].
        if self.is_json(media_type.as_deref()) && form != Some(FORM) {
            return check_charset(content_type).map(|()| Media::Json);
        }
        match (form, content_type) {
            (Some(FORM), _) => check_charset(content_type).map(|()| Media::Form),
            (Some(PARTS), Some(text)) => {
                let boundary = Boundary::of(text).map_err(MediaError::Parts)?;
                check_charset(content_type).map(|()| Media::Parts(boundary))
            }
            _ => Err(MediaError::Unsupported { expected: "application/json", found: media_type }),
        }
    }

    /// Whether this media type is read as JSON.
    #[must_use]
    pub fn is_json(self, media_type: Option<&str>) -> bool {
        media_type.map_or(self.untyped, |media_type| {
            media_type == "application/json"
                || (media_type.ends_with("+json") && !media_type.contains(','))
                || self.json.iter().any(|json| json == media_type)
        })
    }

    /// The final type of a body that `Content-Type` declared as `media`, now that the body is available.
    #[must_use]
    pub fn seen(self, media: Media, body: &[u8]) -> Media {
        if matches!(media, Media::Form) { self.of_form(body) } else { media }
    }

    /// The type of a body that was sent as a form. It is JSON if the form type is listed as JSON and the body is an
    /// object, as `curl -d` sends it. No form begins with a brace, since no field name does.
    fn of_form(self, body: &[u8]) -> Media {
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        match body.trim_ascii_start().first() {
            Some(b'{') if self.json.iter().any(|json| json == FORM) => Media::Json,
            _ => Media::Form,
        }
    }
}

/// The content type in lower case, without parameters.
#[must_use]
pub fn media_type(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Checks that text with this content type is UTF-8. All text is read as UTF-8 (RFC 8259, section 8.1), of which
/// US-ASCII is a subset. With another character set, Towbar would read other characters than a proxy in front of it.
///
/// # Errors
/// The content type names another character set, or two.
pub fn check_charset(content_type: Option<&str>) -> Result<(), MediaError> {
    // Fast path: most content types have no parameter.
    let Some((_, parameters)) = content_type.and_then(|text| text.split_once(';')) else { return Ok(()) };
    let mut charsets = Parameters(parameters).filter(|(name, _)| name.eq_ignore_ascii_case("charset"));
    match (charsets.next(), charsets.next()) {
        (None, _) => Ok(()),
        (Some(_), Some(_)) => Err(MediaError::Charset { found: "two".to_owned() }),
        (Some((_, charset)), None) => {
            let is = |known: &&str| charset.eq_ignore_ascii_case(known);
            // Many callers write `utf8` for `utf-8`.
            match ["utf-8", "utf8", "us-ascii"].iter().any(is) {
                true => Ok(()),
                false => Err(MediaError::Charset { found: format!("`{}`", shown(charset)) }),
            }
        }
    }
}

/// Iterates over parameters as names and values, without quotes. A `;` inside quotes does not separate parameters.
struct Parameters<'a>(&'a str);

impl<'a> Iterator for Parameters<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let (mut is_quoted, mut is_escaped) = (false, false);
        let end = self.0.bytes().position(|byte| {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' => is_escaped = is_quoted,
                b'"' => is_quoted = !is_quoted,
                b';' => return !is_quoted,
                _ => {}
            }
            false
        });
        let (parameter, rest) = self.0.split_at(end.unwrap_or(self.0.len()));
        self.0 = rest.strip_prefix(';').unwrap_or(rest);
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let value = value.trim();
        let unquoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
        Some((name.trim(), unquoted))
    }
}

/// The text, cut if it is long.
fn shown(text: &str) -> &str {
    const LONGEST: usize = 40;
    &text[..text.floor_char_boundary(LONGEST)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_charset_utf_8_and_its_subset_us_ascii_are_accepted() {
        let found = |found: &str| Err(MediaError::Charset { found: found.to_owned() });
        for (content_type, expected) in [
            ("application/json", Ok(())),
            ("application/json;", Ok(())),
            ("application/json; charset=utf-8", Ok(())),
            ("application/json;CHARSET=UTF-8", Ok(())),
            ("application/json; charset=\"Utf-8\"", Ok(())),
            ("application/json; charset=utf8", Ok(())),
            ("application/json; charset=us-ascii", Ok(())),
            ("application/json; v=\"a;charset=utf-16\"", Ok(())),
            ("application/json; v=\"a\\\";charset=utf-16\"", Ok(())),
            ("application/json; charset=utf-16", found("`utf-16`")),
            ("application/json; charset=\"UTF-16LE\"", found("`UTF-16LE`")),
            ("application/json ; v=1 ; Charset = utf-7 ", found("`utf-7`")),
            ("application/json; charset=iso-8859-1", found("`iso-8859-1`")),
            ("application/json; charset", found("``")),
            ("application/json; charset=", found("``")),
            ("application/json; charset=utf-8, text/plain", found("`utf-8, text/plain`")),
            ("application/json; charset='utf-8'", found("`'utf-8'`")),
            ("application/json; charset=utf-8; charset=utf-8", found("two")),
            ("application/json; charset=utf-8; v=1; CHARSET=utf-16", found("two")),
            (
                "application/json; charset=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                found("`aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa`"),
            ),
        ] {
            assert_eq!(check_charset(Some(content_type)), expected, "{content_type}");
        }
        assert_eq!(check_charset(None), Ok(()));
    }
}
