//! What is checked and told of idempotency keys.

use std::collections::BTreeSet;

use crate::format::problem::Problem;
use crate::route::policy::{KeyUse, Require};
use crate::route::{Routes, Rpc};
use crate::server;

/// The store may have so much of the memory of the process: a process that is ended for its memory forgets every key.
const PART: usize = 4;

/// A store that is too large for the process, which may have so much memory.
pub(super) fn too_large(routes: &Routes, store: usize, process: usize) -> Option<Problem> {
    let most = process / PART;
    let is_used = keyed(routes).next().is_some();
    (is_used && store > most).then(|| {
        let message = format!(
            "expected at most {most} bytes, a quarter of the memory of this process ({process} bytes), found {store}; set `memory`, \
             or less for this key"
        );
        Problem::at("idempotency.memory", message)
    })
}

/// The rpcs with keys, and what that promises.
pub(super) fn notes(routes: &Routes) -> impl Iterator<Item = String> {
    let of = |keys: KeyUse, word: &str| {
        let rpcs: BTreeSet<&str> =
            keyed(routes).filter(|rpc| rpc.policy.idempotency.keys == keys).map(|rpc| rpc.name.as_str()).collect();
        let rpcs: Vec<&str> = rpcs.into_iter().collect();
        (!rpcs.is_empty()).then(|| {
            let rpcs = rpcs.join(", ");
            format!("idempotency keys {word}, stored in the memory of this one process until it stops: {rpcs}")
        })
    };
    [of(KeyUse::Required, "required"), of(KeyUse::Optional, "accepted")].into_iter().flatten()
}

/// Callers with keys that nothing tells apart.
pub(super) fn shared(routes: &Routes, listen: &server::Config) -> Option<String> {
    let asks = listen
        .tls
        .as_ref()
        .is_some_and(|tls| (tls.client_ca.is_some() || !tls.clients.is_empty()) && !tls.client_optional);
    let open: BTreeSet<&str> = keyed(routes)
        .filter(|rpc| !asks && rpc.policy.require == Require::Nothing)
        .map(|rpc| rpc.name.as_str())
        .collect();
    let open: Vec<&str> = open.into_iter().collect();
    (!open.is_empty()).then(|| {
        let open = open.join(", ");
        format!(
            "{open}: nothing verified tells callers apart, so their idempotency keys are those of one caller; configure `callers`, or \
             require client certificates with `listen.tls.client_ca`"
        )
    })
}

fn keyed(routes: &Routes) -> impl Iterator<Item = &Rpc> {
    let rpcs = routes.all().iter().map(|route| &*route.rpc);
    rpcs.filter(|rpc| rpc.streaming.is_unary() && rpc.policy.idempotency.keys != KeyUse::Off)
}
