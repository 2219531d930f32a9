//! What holds on each route: the configuration of all rpcs, and what it says of single ones.

use std::time::Duration;

use http::HeaderName;

use super::config::Config;
use super::error::{Exposure, Form, Statuses, Timer, Whose};
use super::exceptions::{ByRpc, CallerGone};
use super::rest::websocket::Origins;
use crate::format::problem::Problem;
use crate::route::{Route, Routes};
use crate::upstream::Upstream;

/// The longest deadline of a call of one message each way.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// What holds on one route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Settings {
    /// The form of errors.
    pub(super) errors: Form,
    /// The HTTP status of each gRPC code.
    pub(super) statuses: Statuses,
    /// What callers get to see of the backend's status.
    pub(super) exposure: Exposure,
    /// The longest time of a call.
    pub(super) deadline: Timer,
    /// The largest size of all headers of a request, in bytes, as lines of HTTP/1.1.
    pub(super) header_limit: usize,
    /// The largest body of a request, in bytes.
    pub(super) body_limit: usize,
    /// The largest message of a reply, in bytes.
    pub(super) reply_limit: usize,
    /// Whether replies are compressed.
    pub(super) compression: bool,
    /// What becomes of a call of one message each way whose caller goes away.
    pub(super) caller_gone: CallerGone,
    /// Whether lines end with one that says that all went well.
    pub(super) closing_line: bool,
    /// See [`super::Exceptions::last_event_id`].
    pub(super) last_event_id: Option<HeaderName>,
    /// See [`super::Exceptions::websocket`].
    pub(super) websocket: Origins,
}

/// Those of all routes, in their order.
pub(super) fn of_routes(routes: &Routes, upstreams: &[Upstream], config: &Config) -> Vec<Settings> {
    routes.all().iter().map(|route| of_route(route, upstreams, config)).collect()
}

fn of_route(route: &Route, upstreams: &[Upstream], config: &Config) -> Settings {
    let said = config.exceptions.get(&route.rpc.name).cloned().unwrap_or_default();
    let streams = !route.rpc.streaming.is_unary();
    let upstream = &upstreams[route.rpc.upstream];
    let length = if streams { config.streams.deadline } else { upstream.deadline };
    Settings {
        errors: said.errors.unwrap_or(config.errors),
        statuses: config.statuses.but_for(&said.statuses),
        exposure: Exposure {
            hides_internal_messages: said.hides_internal_messages.unwrap_or(config.exposure.hides_internal_messages),
            shows_unknown_details: said.shows_unknown_details.unwrap_or(config.exposure.shows_unknown_details),
        },
        deadline: match said.deadline {
            Some(length) => Timer { whose: Whose::Route, length },
            None => Timer { whose: Whose::Gateway, length },
        },
        header_limit: said.header_limit.unwrap_or(config.header_limit),
        body_limit: said.body_limit.unwrap_or(config.body_limit),
        reply_limit: said.reply_limit.unwrap_or(upstream.reply_limit),
        compression: said.compression.unwrap_or(config.compression),
        caller_gone: said.caller_gone.unwrap_or(config.caller_gone),
        closing_line: said.closing_line.unwrap_or(config.streams.closing_line),
        last_event_id: said.last_event_id,
        websocket: said.websocket.unwrap_or_default(),
    }
}

/// What single rpcs are told to do and cannot.
#[must_use]
pub fn misplaced(routes: &Routes, exceptions: &ByRpc) -> Vec<Problem> {
    let is_any =
        |rpc: &str, is: fn(&Route) -> bool| routes.all().iter().any(|route| route.rpc.name == rpc && is(route));
    let has_no_events = |route: &Route| !route.rpc.streaming.server || route.is_raw_reply;
    let streams = |route: &Route| !route.rpc.streaming.is_unary();
    let is_unary = |route: &Route| route.rpc.streaming.is_unary();
    let mut problems = Vec::new();
    for (rpc, said) in exceptions {
        if said.closing_line.is_some() && is_any(rpc, has_no_events) {
            let message = "`closing_line` is for replies that are a stream of messages, and its reply is not";
            problems.push(Problem::at(rpc, message));
        }
        if said.deadline.is_some_and(|deadline| deadline > LONGEST) && is_any(rpc, is_unary) {
            let message = "`deadline` is more than an hour; only rpcs that stream may have that long";
            problems.push(Problem::at(rpc, message));
        }
        if said.last_event_id.is_some() && is_any(rpc, has_no_events) {
            let message = "`last_event_id` is for replies that are a stream of events, and it has none";
            problems.push(Problem::at(rpc, message));
        }
        if said.caller_gone == Some(CallerGone::Finish) && is_any(rpc, streams) {
            let message = "`caller_gone: finish` is for calls of one message each way, and it streams: such a call ends with its caller";
            problems.push(Problem::at(rpc, message));
        }
    }
    problems.sort_by_key(ToString::to_string);
    problems
}
