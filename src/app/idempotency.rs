//! Checks and notes about idempotency keys.

use std::collections::BTreeSet;

use crate::format::problem::Problem;
use crate::route::policy::{KeyUse, Require};
use crate::route::{Routes, Rpc};
use crate::server::{self, ClientAuth};
use crate::upstream::redis::Redis;

/// The store may use 1/4 of the memory of the process. A process that is killed for its memory loses every key.
const PART: usize = 4;

/// A problem if the store is too large for a process with this memory budget.
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

/// Notes on the rpcs with idempotency keys, and what the keys promise.
pub(super) fn notes(routes: &Routes, store: Option<&Redis>) -> impl Iterator<Item = String> {
    let place = store.map_or_else(
        || "stored in the memory of this one process until it stops".to_owned(),
        |store| format!("shared through {}", store.config().address),
    );
    let of = move |keys: KeyUse, word: &str| {
        let rpcs: BTreeSet<&str> =
            keyed(routes).filter(|rpc| rpc.policy.idempotency.keys == keys).map(|rpc| rpc.name.as_str()).collect();
        let rpcs: Vec<&str> = rpcs.into_iter().collect();
        (!rpcs.is_empty()).then(|| {
            let rpcs = rpcs.join(", ");
            format!("idempotency keys {word}, {place}: {rpcs}")
        })
    };
    [of(KeyUse::Required, "required"), of(KeyUse::Optional, "accepted")].into_iter().flatten()
}

/// A warning if callers with keys cannot be told apart.
pub(super) fn shared(routes: &Routes, listen: &server::Config) -> Option<String> {
    let asks = listen.client_auth() == Some(ClientAuth::Required);
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
    let rpcs = routes.ways().map(|route| &*route.rpc);
    rpcs.filter(|rpc| rpc.streaming.is_unary() && rpc.policy.idempotency.keys != KeyUse::Off)
}
