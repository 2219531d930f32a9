//! What is known about a request when it has ended.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

/// How a request ended; lines are sampled by outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The status was below 400, and the whole response was sent.
    Answered,
    /// The status was from 400 to 499.
    Refused,
    /// The status was 500 or above, or the response was cut short.
    Failed,
    /// The caller disconnected before the end of the response.
    Abandoned,
}

/// One line: one request. Fields that are `None` are left out.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// When the head of the request arrived.
    pub began: SystemTime,
    pub outcome: Outcome,
    /// The request id, taken from the caller or generated.
    pub request_id: Option<&'a str>,
    /// The trace id from `traceparent`.
    pub trace_id: Option<&'a str>,
    /// The remote address of the connection.
    pub peer: Option<IpAddr>,
    /// SHA-256 of the verified client certificate.
    pub certificate: Option<[u8; 32]>,
    /// The name of the issuer of the verified access token.
    pub issuer: Option<&'a str>,
    /// The `sub` of that token, bounded in length.
    pub subject: Option<&'a str>,
    /// HTTP version: `1.1` or `2`.
    pub http: Option<&'static str>,
    /// TLS version: `1.2` or `1.3`.
    pub tls: Option<&'static str>,
    /// The protocol on top of HTTP: `rest`, `grpc`, `grpc-web` or `connect`.
    pub protocol: Option<&'static str>,
    /// A registered HTTP method, or `OTHER`.
    pub method: Option<&'a str>,
    /// The path template.
    pub route: Option<&'a str>,
    /// The rpc as `package.Service.Method`.
    pub rpc: Option<&'a str>,
    pub upstream: Option<&'a str>,
    /// The address of the backend that was tried last.
    pub address: Option<std::net::SocketAddr>,
    /// How often the call was sent to a backend.
    pub attempts: Option<u32>,
    pub status: Option<u16>,
    /// The number of the gRPC status code.
    pub grpc_code: Option<u32>,
    /// Whether the backend may have executed the call.
    pub fate: Option<&'static str>,
    /// Which party refused the request.
    pub refused_by: Option<&'static str>,
    /// Why the request was refused.
    pub reason: Option<&'static str>,
    /// How the response ended.
    pub end: &'static str,
    /// Bytes of the request body.
    pub bytes_in: u64,
    /// Bytes of the response body.
    pub bytes_out: u64,
    /// How many messages of a stream the backend sent.
    pub messages: Option<u64>,
    /// Time until the whole request body was read.
    pub read: Option<Duration>,
    /// Time until the call was sent to the backend.
    pub called: Option<Duration>,
    /// Time until the backend began to respond.
    pub first_byte: Option<Duration>,
    /// Time until the call ended.
    pub call_ended: Option<Duration>,
    /// Time until the last byte of the response.
    pub total: Duration,
}
