//! Converts the record of a request to what metrics count.

use super::access::{grpc_code, party, reason};
use super::record::Record;
use crate::observe::metrics::{Ended, RefusedBy, RouteLabels, Served, WorkerMetrics};
use crate::route::Routes;

/// The label values of all routes and upstreams.
pub(crate) fn served(routes: &Routes, upstreams: &[String]) -> Served {
    let routes = routes.ways().map(|route| RouteLabels {
        method: route.method.clone(),
        route: route.path().to_owned(),
        rpc: route.rpc.name.clone(),
        upstream: route.rpc.upstream,
    });
    Served { routes: routes.collect(), upstreams: upstreams.to_vec() }
}

/// Counts a request that has ended.
pub(crate) fn count(metrics: &WorkerMetrics, record: &Record) {
    metrics.ended(&Ended {
        route: record.route,
        status: record.status.map_or(0, |status| status.as_u16()),
        code: grpc_code(record).and_then(|code| u8::try_from(code as i32).ok()),
        took: record.times.begun.elapsed(),
        bytes_in: record.received(),
        bytes_out: record.bytes_out,
        refused: record.refused.map(|refused| RefusedBy { party: party(refused.by), reason: reason(refused.reason) }),
        attempts: record.trail.attempts,
        is_invalid: record.is_invalid,
    });
}
