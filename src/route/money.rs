//! Rpcs that move money, judged by their names, and what is dangerous about how they are called.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::entry::Route;
use super::policy::KeyUse;
use super::table::Routes;

/// A name with one of these words moves money, unless it begins with a word that reads.
const MOVING: &[&str] = &["Transfer", "Payment", "Payout", "Redeem", "Refund", "Withdraw", "Withdrawal"];
const READING: &[&str] =
    &["Get", "List", "Search", "Find", "Query", "Read", "Check", "Validate", "Watch", "Resolve", "Count", "Stream"];

impl Routes {
    /// What is dangerous about rpcs that move money by their names: a line each.
    #[must_use]
    pub fn risks(&self) -> Vec<String> {
        let moves = |route: &&Arc<Route>| moves_money(method_of(route)) && !route.rpc.may_repeat;
        // Without keys, an rpc is a risk in every protocol; only routes have a method.
        let unkeyed = self.ways().filter(moves).filter_map(|route| unkeyed(route));
        let repeated = self.routes.iter().filter(moves).filter_map(|route| repeated(route));
        let risks: BTreeSet<String> = unkeyed.chain(repeated).collect();
        risks.into_iter().collect()
    }
}

/// A retry by the caller is executed again.
fn unkeyed(route: &Route) -> Option<String> {
    let (rpc, policy) = (&route.rpc.name, &route.rpc.policy);
    let is_unkeyed = route.rpc.streaming.is_unary() && policy.idempotency.keys == KeyUse::Off;
    is_unkeyed.then(|| {
        format!(
            "{rpc}: moves money by its name, and a caller that repeats a request pays twice; to require an idempotency key, add \
             `rpcs: {{{rpc}: {{idempotency: required}}}}`"
        )
    })
}

/// RFC 9110, section 9.2.2: anybody on the way may send such a request again.
fn repeated(route: &Route) -> Option<String> {
    let (rpc, method) = (&route.rpc.name, route.method.as_str());
    let who = match method {
        "GET" => "browsers, proxies and link previews may send it at any time",
        "PUT" | "DELETE" => "clients and proxies repeat it after a lost connection",
        _ => return None,
    };
    Some(format!(
        "{rpc}: moves money by its name, and is called with {method} {}, so {who}; map it to POST",
        route.path()
    ))
}

fn method_of(route: &Route) -> &str {
    route.rpc.name.rsplit('.').next().unwrap_or_default()
}

fn moves_money(method: &str) -> bool {
    let words = words_of(method);
    let reads = words.first().is_some_and(|first| READING.contains(first));
    !reads && words.iter().any(|word| MOVING.contains(&word.strip_suffix('s').unwrap_or(word)))
}

/// The words of a name such as `CreateBulkTransfer`.
fn words_of(name: &str) -> Vec<&str> {
    let starts = name.char_indices().filter(|&(at, letter)| at == 0 || letter.is_ascii_uppercase()).map(|(at, _)| at);
    let starts: Vec<usize> = starts.chain([name.len()]).collect();
    starts.windows(2).map(|pair| &name[pair[0]..pair[1]]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_rpc_that_moves_money_is_recognised_by_the_words_of_its_name() {
        for (method, moves) in [
            ("Transfer", true),
            ("CreateBulkTransfer", true),
            ("BatchTransfers", true),
            ("RedeemToken", true),
            ("InitiatePayment", true),
            ("GetTransferStatus", false),
            ("ListPayments", false),
            ("ResolveTransferDestinations", false),
            ("Transferable", false),
            ("SetValue", false),
            ("", false),
        ] {
            assert_eq!(moves_money(method), moves, "{method}");
        }
    }
}
