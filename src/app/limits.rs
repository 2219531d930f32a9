//! What is checked of limits.

use std::collections::BTreeSet;

use crate::format::problem::Problem;
use crate::gateway::rate::{By, Limit};
use crate::route::policy::LimitUse;
use crate::route::{Routes, Rpc};

/// Limits by a header that nobody may be trusted to send.
pub(super) fn unproxied(limits: &[Limit], has_proxies: bool) -> Vec<Problem> {
    let by_header = limits.iter().filter(|limit| limit.by.iter().any(|by| matches!(by, By::Header(_))));
    let problem = |limit: &Limit| {
        let message = "`by: {header: ...}` counts only what trusted proxies send; set `listen.trusted_proxies`";
        Problem::at(format!("limits.{}", limit.name), message)
    };
    by_header.filter(|_| !has_proxies).map(problem).collect()
}

/// Shared limits without a store to share them in.
pub(super) fn unshared(limits: &[Limit], has_store: bool) -> Vec<Problem> {
    let shared = limits.iter().filter(|limit| limit.shared.is_some() && !has_store);
    let problem = |limit: &Limit| {
        let message = "`shared: true` needs a server of Redis or Valkey that counts; set `store` to its address";
        Problem::at(format!("limits.{}", limit.name), message)
    };
    shared.map(problem).collect()
}

/// Limits that rpcs name and nobody has configured, and costs that no burst allows.
pub(super) fn unfit(routes: &Routes, limits: &[Limit]) -> Vec<Problem> {
    let of = |rpc: &Rpc| {
        let unknown = unknown(rpc, limits);
        let used = limits.iter().filter(|limit| rpc.policy.limits.has(&limit.name));
        let dear = used.filter_map(|limit| {
            let (cost, burst) = (rpc.policy.cost, limit.quota?.burst());
            (cost as u64 > burst).then(|| {
                format!(
                    "{}: `cost` is {cost}, and the limit `{}` allows {burst} at once, so no call is ever allowed",
                    rpc.name, limit.name
                )
            })
        });
        unknown.into_iter().chain(dear).collect::<Vec<String>>()
    };
    let problems: BTreeSet<String> = routes.all().iter().flat_map(|route| of(&route.rpc)).collect();
    problems.into_iter().map(Problem::new).collect()
}

fn unknown(rpc: &Rpc, limits: &[Limit]) -> Vec<String> {
    let LimitUse::Listed(names) = &rpc.policy.limits else { return Vec::new() };
    let unknown = names.iter().filter(|name| !limits.iter().any(|limit| limit.name == **name));
    unknown.map(|name| format!("{}: `limits` has no limit with the name `{name}`", rpc.name)).collect()
}
