//! Notes about single rpcs that operators read when the gateway starts.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::route::{Routes, Rpc};

/// The rpcs that have no HTTP rule and are served all the same, because `expose` selects them.
pub(super) fn without_rules(routes: &Routes) -> Option<String> {
    let has_rule = |rpc: &Arc<Rpc>| routes.all().iter().any(|route| Arc::ptr_eq(&route.rpc, rpc));
    let rpcs = routes.direct().iter().filter(|route| !has_rule(&route.rpc));
    let rpcs: Vec<&str> = rpcs.map(|route| route.rpc.name.as_str()).collect();
    (!rpcs.is_empty()).then(|| format!("served by gRPC only, without an HTTP rule: {}", rpcs.join(", ")))
}

/// The rpcs that accept WebSockets, and the origins that may open them.
pub(super) fn websockets(routes: &Routes) -> Option<String> {
    let shown = |rpc: &Rpc| {
        let origins: Vec<&str> = rpc.policy.websocket.as_ref()?.texts().collect();
        let origins = if origins.is_empty() { "no origins".to_owned() } else { origins.join(" ") };
        Some(format!("{} ({origins})", rpc.name))
    };
    let rpcs: BTreeSet<String> = routes.all().iter().filter_map(|route| shown(&route.rpc)).collect();
    let rpcs: Vec<String> = rpcs.into_iter().collect();
    (!rpcs.is_empty()).then(|| format!("WebSockets, with the origins that may open them: {}", rpcs.join(", ")))
}
