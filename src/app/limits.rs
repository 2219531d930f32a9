//! What is checked of rate limits.

use std::collections::BTreeSet;

use crate::format::problem::Problem;
use crate::gateway::rate::Limit;
use crate::route::policy::LimitUse;
use crate::route::{Routes, Rpc};

/// Limits that rpcs name and nobody has configured, and costs that no burst allows.
pub(super) fn unfit(routes: &Routes, limits: &[Limit]) -> Vec<Problem> {
    let of = |rpc: &Rpc| {
        let unknown = unknown(rpc, limits);
        let dear = limits
            .iter()
            .filter(|limit| rpc.policy.limits.has(&limit.name) && (rpc.policy.cost as u64) > limit.quota.burst());
        let dear = dear.map(|limit| {
            let (cost, burst) = (rpc.policy.cost, limit.quota.burst());
            format!(
                "{}: `cost` is {cost}, and the limit `{}` allows {burst} at once, so no call is ever allowed",
                rpc.name, limit.name
            )
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
