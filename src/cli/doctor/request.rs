//! A request that the doctor sends to a public address.

use std::fmt;

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::{Request, Uri};

/// The HTTP version of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    Http1,
    Http2,
}

#[derive(Debug, Clone)]
pub(super) struct ProbeRequest {
    pub(super) method: &'static str,
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) content: Content,
}

/// The body of a request.
#[derive(Debug, Clone)]
pub(super) enum Content {
    None,
    /// Sent with Content-Length.
    Whole(Bytes),
    /// Sent in one chunk.
    Chunked(Bytes),
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Http1 { "HTTP/1.1" } else { "HTTP/2" })
    }
}

impl ProbeRequest {
    pub(super) fn new(method: &'static str, target: String) -> Self {
        Self { method, target, headers: Vec::new(), content: Content::None }
    }

    pub(super) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(super) fn content(self, content: Content) -> Self {
        Self { content, ..self }
    }

    /// The request without its body, for `target`.
    pub(super) fn head(&self, target: Uri) -> Result<Request<()>, String> {
        let mut head = Request::new(());
        *head.method_mut() = self.method.parse().map_err(|_| "no method".to_owned())?;
        *head.uri_mut() = target;
        for (name, value) in &self.headers {
            if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
                head.headers_mut().append(name, value);
            }
        }
        Ok(head)
    }
}

impl Content {
    pub(super) fn bytes(&self) -> Bytes {
        match self {
            Self::None => Bytes::new(),
            Self::Whole(body) | Self::Chunked(body) => body.clone(),
        }
    }
}
