//! What the `Content-Type` of a request says of its body, and whether the body is taken.

use crate::multipart::{Boundary, MultipartError};
use crate::route::Route;

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

/// Which types are taken.
#[derive(Debug, Clone, Copy)]
pub struct Types<'a> {
    /// Types that are JSON, besides `application/json` and `*+json`; lower case, without parameters.
    pub json: &'a [String],
    /// Whether forms are taken, of both kinds.
    pub forms: bool,
}

/// Why a body is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MediaError {
    /// Its type is none that the call takes.
    #[error("expected Content-Type {expected}, found {}", .found.as_ref().map_or_else(|| "none".to_owned(), |found| format!("`{found}`")))]
    Unsupported {
        /// What would be taken.
        expected: &'static str,
        /// The type, without parameters.
        found: Option<String>,
    },
    /// It is a form in parts and does not say what stands between them.
    #[error(transparent)]
    Parts(MultipartError),
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
        let media_type = content_type.map(media_type);
        if self.is_json(media_type.as_deref()) {
            return Ok(Media::Json);
        }
        let form = media_type.as_deref().filter(|_| self.forms && route.takes_form());
        match (form, content_type) {
            (Some(FORM), _) => Ok(Media::Form),
            (Some(PARTS), Some(text)) => Boundary::of(text).map(Media::Parts).map_err(MediaError::Parts),
            _ => Err(MediaError::Unsupported { expected: "application/json", found: media_type }),
        }
    }

    /// Whether this is JSON.
    #[must_use]
    pub fn is_json(self, media_type: Option<&str>) -> bool {
        media_type.is_some_and(|media_type| {
            media_type == "application/json"
                || media_type.ends_with("+json")
                || self.json.iter().any(|json| json == media_type)
        })
    }
}

/// A content type without its parameters, in lower case.
#[must_use]
pub fn media_type(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}
