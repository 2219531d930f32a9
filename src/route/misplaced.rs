//! Finds options of single rpcs that cannot take effect.

use std::time::Duration;

use super::entry::Route;
use super::options::RpcOptions;
use super::policy::{CallerGone, KeyUse, Validation};
use super::table::Routes;
use crate::format::problem::Problem;

/// The longest deadline of a unary call.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// Reports every key that its rpc has no use for.
#[must_use]
pub fn misplaced(routes: &Routes, options: &[RpcOptions]) -> Vec<Problem> {
    let is_any = |rpc: &str, is: fn(&Route) -> bool| routes.ways().any(|route| route.rpc.name == rpc && is(route));
    let has_no_events = |route: &Route| !route.rpc.streaming.server || route.is_raw_reply;
    let streams = |route: &Route| !route.rpc.streaming.is_unary();
    let is_unary = |route: &Route| route.rpc.streaming.is_unary();
    let mut problems = Vec::new();
    for RpcOptions { rpc, policy: own, .. } in options {
        if own.closing_line.is_some() && is_any(rpc, has_no_events) {
            let message = "`closing_line` applies only to replies that are streams of messages; remove this key";
            problems.push(Problem::at(rpc, message));
        }
        if own.deadline.is_some_and(|deadline| deadline > LONGEST) && is_any(rpc, is_unary) {
            let message = "`deadline` is more than an hour, which only streaming rpcs may have";
            problems.push(Problem::at(rpc, message));
        }
        if own.last_event_id.is_some() && is_any(rpc, has_no_events) {
            let message = "`last_event_id` applies only to replies that are streams of events; remove this key";
            problems.push(Problem::at(rpc, message));
        }
        if own.caller_gone == Some(CallerGone::Finish) && is_any(rpc, streams) {
            let message =
                "`caller_gone: finish` applies only to unary rpcs; a streaming call ends when its caller disconnects";
            problems.push(Problem::at(rpc, message));
        }
        if own.idempotency.keys.is_some_and(|keys| keys != KeyUse::Off) && is_any(rpc, streams) {
            let message =
                "`idempotency` applies only to unary rpcs; the messages of a stream are not kept to be repeated";
            problems.push(Problem::at(rpc, message));
        }
        if own.validation.is_some_and(|mode| mode != Validation::Off) {
            let has_no_rules = |route: &Route| route.rpc.validation.is_none();
            if is_any(rpc, has_no_rules) {
                problems.push(Problem::at(rpc, "`validation`: no rule applies to the messages of its requests"));
            }
        }
    }
    problems.sort_by_key(ToString::to_string);
    problems
}
