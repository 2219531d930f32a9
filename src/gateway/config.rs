//! How requests are read and answered, for all rpcs.

use http::HeaderName;

use super::error::StatusHeaders;
use super::probe::Probe;
use super::rest::stream;
use crate::limits::pace::Rate;
use crate::route::policy::Policy;

/// Default of the times that a compressed body may become as large.
pub const GZIP_RATIO: usize = 100;

/// How requests are read and answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// What holds for a request before its rpc is known.
    pub policy: Policy,
    /// Media types besides `application/json` and `*+json` whose bodies are JSON; lower case, without parameters.
    pub json_types: Vec<String>,
    /// Whether a body without a media type is JSON.
    pub untyped_json: bool,
    /// Whether `application/x-www-form-urlencoded` and `multipart/form-data` are taken.
    pub forms: bool,
    /// How calls of several messages are answered.
    pub streams: stream::Config,
    /// Whether bodies of `Content-Encoding: gzip` are taken, and how many times as large they may become.
    pub gzip: Option<usize>,
    /// The rate at which bodies have to come, if at any.
    pub least_rate: Option<Rate>,
    /// The header in which callers say how long a call may take, besides `grpc-timeout`.
    pub timeout_header: Option<HeaderName>,
    /// The header with the id of a request, which is taken or made and told to the caller.
    pub request_id: Option<HeaderName>,
    /// Headers that repeat the gRPC status.
    pub status_headers: Option<StatusHeaders>,
    /// Where `towbar doctor` is answered, if it is.
    pub probe: Option<Probe>,
}
