//! The table of all keys of `rpcs.NAME`.

use std::time::Duration;

use http::HeaderName;

use super::errors::{Errors, errors};
use super::idempotency::{self, Idempotency};
use super::json::{Json, json};
use super::kinds::{CallerGone, EmptyBody, LimitUse, UnknownKeys};
use super::layer::keys;
use super::origins::Origins;
use super::read::{
    all_or_none, deadline, limits, members, number, origins, query_keys, size, size_to, text_header, truth, within_all,
    word,
};
use super::require::{Require, require};
use super::validation::{self, Validation};
use crate::format::json as text;

/// Protobuf readers accept at most 100 nested messages, and each nested JSON object is a message.
const DEEPEST: usize = 100;
/// The most pairs that fit in the longest query: one for every two bytes.
const MOST_PAIRS: usize = 32 << 10;
/// The highest cost of a request.
const MOST_COST: usize = 10_000;

keys! {
    /// The effective settings of an rpc. The default has the values for keys that the file does not set.
    pub struct Policy;
    /// The settings that the file makes for all rpcs, or for one.
    pub struct OwnPolicy;

    /// Whether a request body is accepted as if the rule had `body: "*"` (PUT, POST and PATCH only).
    accept_body: bool = false, { Rpc: truth };
    /// Which unknown members of the request body are ignored. There is no list for all rpcs, because a member has a
    /// meaning in one message only.
    ignore_members: UnknownKeys = UnknownKeys::default(), { Requests: all_or_none, Rpc: members };
    /// Whether all unknown members of the request body are ignored, and unknown names of enum values as well.
    ignore_unknown: bool = false, { Rpc: truth };
    /// Which unknown query parameters are ignored.
    ignore_query: UnknownKeys = UnknownKeys::default(), { Requests: query_keys, Rpc: query_keys };
    /// Whether a missing or empty `update_mask` of a PATCH is filled with the members of the body.
    fill_update_mask: bool = true, { Requests: truth, Rpc: truth };
    /// How messages are printed as JSON, and how names in JSON are read.
    json: Json = Json::default(), { File: json, Rpc: json };
    /// The form of error responses, and which parts of an error callers see.
    errors: Errors = Errors::default(), { File: errors, Rpc: errors };
    /// The deadline of a call. Without it, that of the upstream applies, or that of `streams` for a streaming rpc.
    deadline: Option<Duration> = None, { Rpc: deadline };
    /// Whether the backend may receive a call more than once. Without it, the descriptors decide.
    idempotent: Option<bool> = None, { Rpc: truth };
    /// Whether requests have idempotency keys, so that a retry by the caller is not executed again.
    idempotency: Idempotency = Idempotency::default(), { File: idempotency::for_all, Rpc: idempotency::for_one };
    /// Whether request messages are validated before they are forwarded.
    validation: Validation = Validation::Off, { File: validation::for_all, Rpc: validation::for_one };
    /// Which of the rate limits count its requests.
    limits: LimitUse = LimitUse::All, { Rpc: limits };
    /// How much a request counts in each of them.
    cost: usize = 1, { Rpc: number(MOST_COST) };
    /// Whether replies are compressed for callers that take gzip.
    compression: bool = false, { Replies: truth, Rpc: truth };
    /// What happens to a unary call whose caller disconnects.
    caller_gone: CallerGone = CallerGone::Cancel, { Requests: word("`cancel` or `finish`"), Rpc: word("`cancel` or `finish`") };
    /// Whether a stream that succeeded ends with a line that says so.
    closing_line: bool = true, { Streams: truth, Rpc: truth };
    /// The metadata that tells the backend which event a caller has received last, so that the stream continues after
    /// it.
    last_event_id: Option<HeaderName> = None, { Rpc: text_header };
    /// The origins of the pages that may open a WebSocket for the rpc; without it, no page may.
    websocket: Option<Origins> = None, { Rpc: origins };
    /// The largest size of all headers of a request, in bytes, counted as lines of HTTP/1.1. The default is what common
    /// HTTP/1.1 proxies pass on.
    header_limit: usize = 32 << 10, {
        Requests: size_to(1 << 20, "1MiB"),
        Rpc: within_all("requests.header_limit", size_to(1 << 20, "1MiB")),
    };
    /// The largest request body, in bytes.
    body_limit: usize = 1 << 20, { Requests: size, Rpc: size };
    /// The largest reply message, in bytes. Without it, the limit of the upstream applies.
    reply_limit: Option<usize> = None, { Rpc: size };
    /// How many levels deep objects and arrays of a JSON body may be nested.
    json_depth: usize = text::DEPTH_LIMIT, { Requests: number(DEEPEST), Rpc: number(DEEPEST) };
    /// The most parameters of a query, fields of a form, and parts of a multipart form.
    query_pairs: usize = 512, {
        Requests: number(MOST_PAIRS),
        Rpc: within_all("requests.query_pairs", number(MOST_PAIRS)),
    };
    /// The longest query string, in bytes, before percent-decoding.
    query_length: usize = 16 << 10, {
        Requests: size_to(64 << 10, "64KiB"),
        Rpc: within_all("requests.query_length", size_to(64 << 10, "64KiB")),
    };
    /// What a caller must prove. Without it, an access token is required if `callers` has issuers.
    require: Require = Require::Nothing, { Callers: require, Rpc: require };
    /// What an empty request body means if the rule takes a body.
    empty_body: EmptyBody = EmptyBody::Refuse, { Requests: word("`refuse` or `object`") };
}

/// The limits of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueryLimits {
    /// The most pairs.
    pub pairs: usize,
    /// The most bytes, before percent-decoding.
    pub length: usize,
}

impl Policy {
    /// The limits of a query.
    #[must_use]
    pub fn query_limits(&self) -> QueryLimits {
        QueryLimits { pairs: self.query_pairs, length: self.query_length }
    }
}
