//! How requests are read and answered: settings that hold for all rpcs.

use http::HeaderName;

use super::cors::Cors;
use super::error::StatusHeaders;
use super::probe::Probe;
use super::rate::Limit;
use super::rest::stream;
use super::spoken::Protocols;
use crate::caller::addresses::AddressRules;
use crate::limits::pace::Rate;
use crate::route::policy::Policy;

/// The default of [`Config::gzip`]: a gzip body may expand to 100 times its length.
pub const GZIP_RATIO: usize = 100;

/// The default of [`Config::idempotency_memory`].
pub const IDEMPOTENCY_MEMORY: usize = 64 << 20;

/// Settings for reading and answering requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The protocols that clients may use.
    pub protocols: Protocols,
    /// Which web pages of other origins may call.
    pub cors: Option<Cors>,
    /// Which addresses may call; `None` if all may.
    pub addresses: Option<AddressRules>,
    /// The policy of a request until its rpc is known.
    pub policy: Policy,
    /// Media types besides `application/json` and `*+json` whose bodies are read as JSON; lower case, without
    /// parameters.
    pub json_types: Vec<String>,
    /// Whether a body without a Content-Type is read as JSON.
    pub untyped_json: bool,
    /// Whether `application/x-www-form-urlencoded` and `multipart/form-data` are accepted.
    pub forms: bool,
    /// How streaming calls are answered.
    pub streams: stream::Config,
    /// How many times its length a body with `Content-Encoding: gzip` may expand to; `None` if gzip is not accepted.
    pub gzip: Option<usize>,
    /// The minimum rate at which request bodies must arrive; `None` for no minimum.
    pub least_rate: Option<Rate>,
    /// A request header besides `grpc-timeout` that sets the timeout of a call.
    pub timeout_header: Option<HeaderName>,
    /// The header of the request id. A valid id is taken from the caller, otherwise one is made; the response repeats
    /// it.
    pub request_id: Option<HeaderName>,
    /// Response headers that repeat the gRPC status.
    pub status_headers: Option<StatusHeaders>,
    /// The rate limits.
    pub limits: Vec<Limit>,
    /// The most bytes that idempotency keys and their stored responses may use.
    pub idempotency_memory: usize,
    /// The path on which `towbar doctor` is answered, if it is configured.
    pub probe: Option<Probe>,
}
