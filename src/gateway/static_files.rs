//! Fixed files that are served beside the routes, below their own path: web pages and what they load.
//!
//! The files are in memory and the same for every caller. No backend is called for them.

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderValue, LOCATION,
};
use http::request::Parts;
use http::{Method, StatusCode};

use super::answer::{Body, Response};
use super::conditional;
use super::error::Refusal;
use crate::format::reserved::ReservedPath;
use crate::route::Miss;

/// The methods of all files, as `Allow` lists them.
const METHODS: [&str; 3] = ["GET", "HEAD", "OPTIONS"];

/// How many bytes of a digest are enough to tell two versions of a file apart.
const TAG: usize = 16;

/// Files below one path.
pub struct StaticFiles {
    path: ReservedPath,
    /// The Content-Security-Policy of the files.
    policy: HeaderValue,
    files: Vec<StaticFile>,
}

pub struct StaticFile {
    /// The name below the path; empty for the index page.
    pub name: &'static str,
    pub media_type: &'static str,
    /// Whether the bytes are compressed with gzip.
    pub is_compressed: bool,
    pub body: Bytes,
    tag: HeaderValue,
}

impl StaticFile {
    #[must_use]
    pub fn new(name: &'static str, media_type: &'static str, body: Bytes) -> Self {
        let digest = digest(&SHA256, &body);
        let digest: String = digest.as_ref()[..TAG].iter().map(|byte| format!("{byte:02x}")).collect();
        let tag = HeaderValue::try_from(format!("\"{digest}\"")).expect("quoted hex digits are a header value");
        Self { name, media_type, is_compressed: false, body, tag }
    }

    /// Marks the bytes as compressed with gzip.
    #[must_use]
    pub fn compressed(self) -> Self {
        Self { is_compressed: true, ..self }
    }
}

impl StaticFiles {
    /// Serves these files below `path`; `policy` is their Content-Security-Policy.
    #[must_use]
    pub fn new(path: ReservedPath, policy: HeaderValue, files: Vec<StaticFile>) -> Self {
        Self { path, policy, files }
    }

    /// Whether a request for `path` belongs here, even if there is no such file.
    pub(super) fn take(&self, path: &str) -> bool {
        self.path.below(path).is_some()
    }

    /// The response to a request that belongs here. Its body is not read.
    pub(super) fn answer(&self, head: &Parts) -> Result<Response, Refusal> {
        let path = head.uri.path();
        let below = self.path.below(path).unwrap_or_default();
        let name = below.strip_prefix('/');
        // Links in the page are relative, so that they work behind a proxy that adds a path prefix.
        let file = self.files.iter().find(|file| file.name == name.unwrap_or_default());
        let file = file.ok_or_else(|| Refusal::miss(Miss::Path { near: None }, &head.method, path))?;
        let allowed = || METHODS.map(str::to_owned).to_vec();
        match head.method {
            Method::GET | Method::HEAD if name.is_none() => Ok(self.moved()),
            Method::GET | Method::HEAD => Ok(conditional::checked(head, self.found(file))),
            Method::OPTIONS => Ok(Refusal::options(&allowed())),
            _ => Err(Refusal::miss(Miss::Method { allowed: allowed() }, &head.method, path)),
        }
    }

    fn found(&self, file: &StaticFile) -> Response {
        let mut response = Response::new(Body::Whole(file.body.clone()));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(file.media_type));
        headers.insert(ETAG, file.tag.clone());
        // Caches must revalidate: another version of the gateway has other files.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(CONTENT_SECURITY_POLICY, self.policy.clone());
        if file.is_compressed {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }

    /// Redirects from the path to the path with a slash at its end, below which the files are.
    fn moved(&self) -> Response {
        let last = self.path.as_str().rsplit('/').next().unwrap_or_default();
        let mut response = Response::new(Body::default());
        *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
        if let Ok(place) = HeaderValue::try_from(format!("{last}/")) {
            response.headers_mut().insert(LOCATION, place);
        }
        response
    }
}
