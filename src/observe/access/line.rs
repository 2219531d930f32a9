//! What is known of one request when it has ended.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

/// What became of a request, in the classes by which lines are sampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A status below 400, and the whole answer was sent.
    Answered,
    /// A status from 400 to 499.
    Refused,
    /// A status of 500 or more, or an answer that was cut short.
    Failed,
    /// The caller went away before the end of its answer.
    Abandoned,
}

/// One request. Fields that are `None` are left out of the line.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// When its head came.
    pub began: SystemTime,
    /// What became of it.
    pub outcome: Outcome,
    /// Taken from the caller or made.
    pub request_id: Option<&'a str>,
    /// Of its `traceparent`.
    pub trace_id: Option<&'a str>,
    /// The address that the connection comes from.
    pub peer: Option<IpAddr>,
    /// SHA-256 of the verified client certificate.
    pub certificate: Option<[u8; 32]>,
    /// `1.1` or `2`.
    pub http: Option<&'static str>,
    /// `1.2` or `1.3`.
    pub tls: Option<&'static str>,
    /// A registered method, or `OTHER`.
    pub method: Option<&'a str>,
    /// The path template.
    pub route: Option<&'a str>,
    /// `package.Service.Method`.
    pub rpc: Option<&'a str>,
    /// The name of the upstream.
    pub upstream: Option<&'a str>,
    /// The backend's address that was tried last.
    pub address: Option<std::net::SocketAddr>,
    /// How often the call was sent.
    pub attempts: Option<u32>,
    /// The HTTP status.
    pub status: Option<u16>,
    /// The gRPC code's number.
    pub grpc_code: Option<u32>,
    /// Whether the backend may have acted.
    pub fate: Option<&'static str>,
    /// Who refused.
    pub refused_by: Option<&'static str>,
    /// Why.
    pub reason: Option<&'static str>,
    /// How the answer ended.
    pub end: &'static str,
    /// Bytes of the request's body.
    pub bytes_in: u64,
    /// Bytes of the answer's body.
    pub bytes_out: u64,
    /// Messages of the backend, of a stream.
    pub messages: Option<u64>,
    /// Until all of the body was read.
    pub read: Option<Duration>,
    /// Until the call went to the backend.
    pub called: Option<Duration>,
    /// Until the backend began to answer.
    pub first_byte: Option<Duration>,
    /// Until the call had ended.
    pub call_ended: Option<Duration>,
    /// Until the last byte of the answer.
    pub total: Duration,
}
