//! Reports how a request arrived: the gateway's part of `towbar doctor --url`.
//!
//! On a path of its own, and only if one is configured, responses describe the request as it came through proxies on
//! the way: version, method, path, names of headers with the lengths of their values, length and digest of the body.
//! Apart from the digits of [`NONCE`], no header value, no query and no byte of a body is repeated: proxies may add
//! secrets to a request. This module calls no backend and knows no routes.

use std::pin::Pin;
use std::str::FromStr;
use std::task::{Context, Poll};
use std::time::Duration;

use aws_lc_rs::digest;
use bytes::{BufMut as _, Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, TRAILER};
use http::{Request, StatusCode, Version};
use http_body::{Body as HttpBody, Frame};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use crate::format::reserved::{ReservedPath, ReservedPathError};
use crate::gateway::answer::{Body, Cut, Response};

/// A header of every response of the probe, with the value `1`.
pub const MARK: &str = "towbar-probe";

/// A request header that the response repeats if it is at most 64 hexadecimal digits.
pub const NONCE: &str = "towbar-probe-nonce";

/// The trailer in responses to [`TRAILERS`].
pub const TRAILER_NAME: &str = "towbar-probe-trailer";

/// Appended to the probe's path: a response with trailers.
pub const TRAILERS: &str = "/trailers";

/// Appended to the probe's path: a gRPC response.
pub const GRPC: &str = "/grpc";

/// The longest body that is read, in bytes. It is not stored.
const BODY_LIMIT: u64 = 2 << 20;

/// How long a body may take.
const PATIENCE: Duration = Duration::from_secs(10);

const LONGEST_NONCE: usize = 64;

/// The path of the probe. Every path below it belongs to the probe too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    pub path: ReservedPath,
}

impl FromStr for Probe {
    type Err = ReservedPathError;

    fn from_str(text: &str) -> Result<Self, ReservedPathError> {
        ReservedPath::parse(text, "/towbar-probe").map(|path| Self { path })
    }
}

impl Probe {
    /// Whether the probe answers requests for `path`.
    #[must_use]
    pub fn takes(&self, path: &str) -> bool {
        self.path.below(path).is_some()
    }

    /// The response to a request that the probe [takes](Self::takes).
    pub async fn answer<B>(&self, request: Request<B>) -> Response
    where
        B: HttpBody<Data = Bytes> + Send + Unpin,
    {
        let (head, body) = request.into_parts();
        let read = tokio::time::timeout(PATIENCE, digested(body)).await;
        let (status, body) = match read {
            Ok(Some(body)) => (StatusCode::OK, body),
            Ok(None) => (StatusCode::PAYLOAD_TOO_LARGE, Value::Null),
            Err(_) => (StatusCode::REQUEST_TIMEOUT, Value::Null),
        };
        let told = json!({
            "version": version(head.version),
            "method": head.method.as_str(),
            "path": head.uri.path(),
            "headers": headers(&head.headers),
            "nonce": nonce(&head.headers),
            "body": body,
        });
        let told = Bytes::from(told.to_string());
        let mut response = match self.path.below(head.uri.path()) {
            Some(TRAILERS) => with_trailers(told, "application/json", TRAILER_NAME, "kept"),
            Some(GRPC) => with_trailers(framed(&told), "application/grpc", "grpc-status", "0"),
            _ => {
                let mut response = Response::new(Body::Whole(told));
                response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                response
            }
        };
        *response.status_mut() = status;
        response.headers_mut().insert(HeaderName::from_static(MARK), HeaderValue::from_static("1"));
        response
    }
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "HTTP/2",
        Version::HTTP_11 => "HTTP/1.1",
        Version::HTTP_10 => "HTTP/1.0",
        _ => "another",
    }
}

/// The name of each header, with the length of its value.
fn headers(headers: &HeaderMap) -> Vec<Value> {
    headers.iter().map(|(name, value)| json!({ "name": name.as_str(), "length": value.len() })).collect()
}

fn nonce(headers: &HeaderMap) -> Option<&str> {
    let nonce = headers.get(NONCE)?.to_str().ok()?;
    Some(nonce).filter(|nonce| nonce.len() <= LONGEST_NONCE && nonce.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// The length, digest and trailers of a body, which is read piece by piece. `None` if it is too long or ends early.
async fn digested<B: HttpBody<Data = Bytes> + Unpin>(mut body: B) -> Option<Value> {
    let (mut length, mut context) = (0, digest::Context::new(&digest::SHA256));
    let mut trailers = Vec::new();
    while let Some(frame) = body.frame().await {
        match frame.ok()?.into_data() {
            Ok(data) => {
                length += data.len() as u64;
                context.update(&data);
            }
            Err(frame) => trailers.extend(frame.into_trailers().ok().iter().flat_map(headers)),
        }
        if length > BODY_LIMIT {
            return None;
        }
    }
    let digest: String = context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    Some(json!({ "length": length, "sha256": digest, "trailers": trailers }))
}

/// Frames a message as in gRPC over HTTP/2, "Length-Prefixed-Message".
fn framed(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(5 + message.len());
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    frame.put_slice(message);
    frame.freeze()
}

fn with_trailers(body: Bytes, content_type: &'static str, name: &'static str, value: &'static str) -> Response {
    let trailers = HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))]);
    let parts = TwoParts { data: Some(body), trailers: Some(trailers) };
    let mut response = Response::new(Body::Parts(Box::pin(parts)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(TRAILER, HeaderValue::from_static(name));
    response
}

/// A body followed by trailers.
struct TwoParts {
    data: Option<Bytes>,
    trailers: Option<HeaderMap>,
}

impl HttpBody for TwoParts {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let frame = self.data.take().map(Frame::data);
        Poll::Ready(frame.or_else(|| self.trailers.take().map(Frame::trailers)).map(Ok))
    }
}
