//! Writes a refusal as the trailers of gRPC: `Status`, `Status-Message` and `Status-Details` of PROTOCOL-HTTP2.md.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use pbjson_types::Any;
use percent_encoding::{AsciiSet, CONTROLS, percent_encode};
use prost::Message as _;
use tonic::Code;

use super::reason::{DOMAIN, Reason};
use super::refusal::Refusal;
use crate::schema::generated::google::rpc;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const GRPC_DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");

/// `Percent-Encoded`: everything except printable ASCII, and `%` itself.
const ENCODED: AsciiSet = CONTROLS.add(b'%');

/// The maximum length of a message in bytes, before encoding. Clients limit their metadata, often to 8 KiB.
const LONGEST: usize = 2 << 10;

/// The body of a request that is text is not base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body is not valid base64")]
pub(crate) struct NotBase64;

impl Refusal {
    /// A request for an rpc that is not served.
    pub(crate) fn no_rpc() -> Self {
        Self::new(Reason::RpcNotFound, "no rpc with this path is served")
    }

    /// A message whose framing is wrong.
    pub(crate) fn frame(message: impl Into<String>) -> Self {
        Self::new(Reason::MalformedMessageFrame, message)
    }

    /// A compressed message, where this header does not say how it is compressed.
    pub(crate) fn unknown_compression(header: &HeaderName) -> Self {
        Self::frame(format!("the message is compressed, and the header {header} does not say how"))
    }

    /// A request without exactly one message, for an rpc that takes one.
    pub(crate) fn message_count(found: &str) -> Self {
        Self::new(Reason::WrongMessageCount, format!("this call takes one request message, got {found}"))
    }

    /// A message that is larger than its limit.
    pub(crate) fn message_too_large(limit: usize) -> Self {
        Self::new(Reason::BodyTooLarge, format!("the message is larger than the limit of {limit} bytes"))
    }

    /// The compression that the header `used` names is not supported; `accepted` are those that are, which the other header
    /// lists.
    pub(crate) fn message_encoding((used, accepts): (&HeaderName, &HeaderName), accepted: &'static str) -> Self {
        let message = format!("header {used}: this compression is not supported; supported: {accepted}");
        Self::new(Reason::MessageEncodingNotSupported, message).with_header(accepts.clone(), accepted.to_owned())
    }

    /// Headers of Towbar's own that belong to it, such as a challenge.
    pub(crate) fn own_headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Writes the status, its message and its details.
    pub(crate) fn put_grpc_status(&self, headers: &mut HeaderMap) {
        headers.insert(GRPC_STATUS, HeaderValue::from(self.code as i32));
        let start = &self.message[..self.message.floor_char_boundary(LONGEST)];
        let message = percent_encode(start.as_bytes(), &ENCODED).to_string();
        if let Some(message) = HeaderValue::try_from(message).ok().filter(|message| !message.is_empty()) {
            headers.insert(GRPC_MESSAGE, message);
        }
        if let Some(details) = self.grpc_details() {
            headers.insert(GRPC_DETAILS, details);
        }
    }

    /// `google.rpc.Status` in base64, if the status has details.
    fn grpc_details(&self) -> Option<HeaderValue> {
        let info = self.reason.map(|reason| {
            let (reason, domain) = (reason.name().to_owned(), DOMAIN.to_owned());
            let info = rpc::ErrorInfo { reason, domain, ..rpc::ErrorInfo::default() };
            Any { type_url: "type.googleapis.com/google.rpc.ErrorInfo".to_owned(), value: info.encode_to_vec().into() }
        });
        let details: Vec<Any> = info.into_iter().chain(self.details.iter().map(|detail| detail.wire.clone())).collect();
        if details.is_empty() {
            return None;
        }
        let (code, message) = (self.code as i32, self.message.clone());
        let status = rpc::Status { code, message, details };
        HeaderValue::try_from(STANDARD_NO_PAD.encode(status.encode_to_vec())).ok()
    }
}

/// Writes status OK.
pub(crate) fn put_grpc_ok(headers: &mut HeaderMap) {
    headers.insert(GRPC_STATUS, HeaderValue::from(Code::Ok as i32));
}
