//! The table of all keys of `rpcs.NAME`.

use std::time::Duration;

use http::HeaderName;

use super::errors::{Errors, errors};
use super::json::{Json, json};
use super::kinds::{CallerGone, EmptyBody, UnknownKeys};
use super::layer::keys;
use super::origins::Origins;
use super::read::{
    all_or_none, deadline, members, number, origins, query_keys, size, size_to, text_header, truth, within_all, word,
};
use super::require::{Require, require};
use crate::format::json as text;

/// Protobuf readers accept at most 100 nested messages, and each nested JSON object is a message.
const DEEPEST: usize = 100;
/// The most pairs that fit in the longest query: one for every two bytes.
const MOST_PAIRS: usize = 32 << 10;

keys! {
    /// What holds for an rpc; the default is what holds where a file says nothing.
    pub struct Policy;
    /// What a file says of all rpcs, or of one.
    pub struct OwnPolicy;

    /// Whether a body is taken as if the rule said `body: "*"` (PUT, POST and PATCH only).
    accept_body: bool = false, { Rpc: truth };
    /// Which members of the body are passed over though the message has no such field. For all rpcs there is no list: a member has a
    /// meaning in one message only.
    ignore_members: UnknownKeys = UnknownKeys::default(), { Requests: all_or_none, Rpc: members };
    /// Whether all such members are, and unknown names of enums too.
    ignore_unknown: bool = false, { Rpc: truth };
    /// Which unknown query keys are passed over.
    ignore_query: UnknownKeys = UnknownKeys::default(), { Requests: query_keys, Rpc: query_keys };
    /// Whether an empty `update_mask` of a PATCH is filled with the members of the body.
    fill_update_mask: bool = true, { Requests: truth, Rpc: truth };
    /// How messages look in JSON, and how the names in it are read.
    json: Json = Json::default(), { File: json, Rpc: json };
    /// How errors look, and what of them callers see.
    errors: Errors = Errors::default(), { File: errors, Rpc: errors };
    /// The longest time of a call; if it is not said, that of its upstream, or of `streams` where it streams.
    deadline: Option<Duration> = None, { Rpc: deadline };
    /// Whether the backend may have a call more than once; if it is not said, the descriptors decide.
    idempotent: Option<bool> = None, { Rpc: truth };
    /// Whether replies are compressed for callers that take gzip.
    compression: bool = false, { Replies: truth, Rpc: truth };
    /// What becomes of a call of one message each way whose caller goes away.
    caller_gone: CallerGone = CallerGone::Cancel, { Requests: word("`cancel` or `finish`"), Rpc: word("`cancel` or `finish`") };
    /// Whether a stream ends with a line that says that all went well.
    closing_line: bool = true, { Streams: truth, Rpc: truth };
    /// Metadata that tells the backend which event a caller has seen last, so that the stream goes on behind it.
    last_event_id: Option<HeaderName> = None, { Rpc: text_header };
    /// The pages that may open a WebSocket for it; without it, nobody may.
    websocket: Option<Origins> = None, { Rpc: origins };
    /// Largest size of all headers of a request, in bytes, as lines of HTTP/1.1. The default is what widespread HTTP/1.1 proxies pass
    /// on.
    header_limit: usize = 32 << 10, {
        Requests: size_to(1 << 20, "1MiB"),
        Rpc: within_all("requests.header_limit", size_to(1 << 20, "1MiB")),
    };
    /// Largest body of a request, in bytes.
    body_limit: usize = 1 << 20, { Requests: size, Rpc: size };
    /// Largest message of a reply, in bytes; if it is not said, that of its upstream.
    reply_limit: Option<usize> = None, { Rpc: size };
    /// How deep objects and arrays of a JSON body may be nested.
    json_depth: usize = text::DEPTH_LIMIT, { Requests: number(DEEPEST), Rpc: number(DEEPEST) };
    /// How many pairs a query or a form may have, and how many parts a form in parts.
    query_pairs: usize = 512, {
        Requests: number(MOST_PAIRS),
        Rpc: within_all("requests.query_pairs", number(MOST_PAIRS)),
    };
    /// The longest query, in bytes, as it came.
    query_length: usize = 16 << 10, {
        Requests: size_to(64 << 10, "64KiB"),
        Rpc: within_all("requests.query_length", size_to(64 << 10, "64KiB")),
    };
    /// What a caller must prove; if nothing is said, an access token where `callers` names issuers.
    require: Require = Require::Nothing, { Callers: require, Rpc: require };
    /// What an empty body stands for where the rule takes one.
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
