//! What the `Content-Type` of a request says of its body, and whether the body is taken.

use crate::codec::HttpBody;
use crate::format::multipart::{Boundary, MultipartError};
use crate::format::quote::{MOST_TWICE, beginning};
use crate::route::{EncodeError, Query, Route};

/// What a body is written in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Media {
    /// One value.
    Json,
    /// `application/x-www-form-urlencoded`
    Form,
    /// A form in parts, `multipart/form-data` (RFC 7578).
    Parts(Boundary),
    /// Anything, of this content type.
    Raw(String),
}

/// The request message of a body and what it is written in, or of a request without one.
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
            // No field begins with a brace: this is what `curl -d '{...}'` sends.
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

/// Which types are taken.
#[derive(Debug, Clone, Copy)]
pub struct Types<'a> {
    /// Types that are JSON, besides `application/json` and `*+json`; lower case, without parameters.
    pub json: &'a [String],
    /// Whether forms are taken, of both kinds.
    pub forms: bool,
    /// Whether a body without a type is JSON.
    pub untyped: bool,
}

/// Why a body is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MediaError {
    /// Its type is none that the call takes.
    #[error("{}; send Content-Type: {expected}", unsupported(found.as_deref()))]
    Unsupported {
        /// What would be taken.
        expected: &'static str,
        /// The type, without parameters.
        found: Option<String>,
    },
    /// It is not in UTF-8, or nobody can tell.
    #[error("Content-Type: expected charset=utf-8, or no charset, got {found}")]
    Charset {
        /// What it says.
        found: String,
    },
    /// It is a form in parts and does not say what stands between them.
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
    /// How a body of this `Content-Type` is read on a route that takes one.
    ///
    /// # Errors
    /// It is not read.
    pub fn media(self, route: &Route, content_type: Option<&str>) -> Result<Media, MediaError> {
        if route.is_raw_request {
            return Ok(Media::Raw(content_type.unwrap_or_default().to_owned()));
        }
        // As almost all callers write it: nothing of it needs to be looked for.
        if content_type == Some("application/json") {
            return Ok(Media::Json);
        }
        let media_type = content_type.map(media_type);
        let form = media_type.as_deref().filter(|_| self.forms && route.takes_form());
        // Where the type of forms is listed as JSON too, the body decides: see `seen`.
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

    /// Whether this is JSON.
    #[must_use]
    pub fn is_json(self, media_type: Option<&str>) -> bool {
        media_type.map_or(self.untyped, |media_type| {
            media_type == "application/json"
                || (media_type.ends_with("+json") && !media_type.contains(','))
                || self.json.iter().any(|json| json == media_type)
        })
    }

    /// What a body is that its type said to be `media`, now that it is there.
    #[must_use]
    pub fn seen(self, media: Media, body: &[u8]) -> Media {
        if matches!(media, Media::Form) { self.of_form(body) } else { media }
    }

    /// What a body is that has the type of forms: JSON, if that type is listed as JSON and the body is an object, as `curl -d` sends it.
    /// No form begins with a brace, since no field does.
    fn of_form(self, body: &[u8]) -> Media {
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        match body.trim_ascii_start().first() {
            Some(b'{') if self.json.iter().any(|json| json == FORM) => Media::Json,
            _ => Media::Form,
        }
    }
}

/// A content type without its parameters, in lower case.
#[must_use]
pub fn media_type(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Whether what has this content type is read as what it is: all text here is UTF-8 (RFC 8259, section 8.1), of which US-ASCII is a
/// part. Another character set would give other characters than a box in front has read.
///
/// # Errors
/// It names another one, or two.
pub fn check_charset(content_type: Option<&str>) -> Result<(), MediaError> {
    // Most content types have no parameter.
    let Some((_, parameters)) = content_type.and_then(|text| text.split_once(';')) else { return Ok(()) };
    let mut charsets = Parameters(parameters).filter(|(name, _)| name.eq_ignore_ascii_case("charset"));
    match (charsets.next(), charsets.next()) {
        (None, _) => Ok(()),
        (Some(_), Some(_)) => Err(MediaError::Charset { found: "two".to_owned() }),
        (Some((_, charset)), None) => {
            let is = |known: &&str| charset.eq_ignore_ascii_case(known);
            // The second is what many callers write for the first.
            match ["utf-8", "utf8", "us-ascii"].iter().any(is) {
                true => Ok(()),
                false => Err(MediaError::Charset { found: format!("`{}`", shown(charset)) }),
            }
        }
    }
}

/// Names and values, without quotes: `;` in quotes separates nothing.
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

/// `text`, cut if long.
fn shown(text: &str) -> &str {
    const LONGEST: usize = 40;
    &text[..text.floor_char_boundary(LONGEST)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_utf_8_and_what_is_a_part_of_it_is_read() {
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
