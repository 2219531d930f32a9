//! Chooses among several rpcs that share method and path, by the query keys of the request.
//!
//! GetTransaction declares `transaction_id`, GetTransactions `offset` and `limit`, both at `GET
//! /accounts/transactions`. Only keys that at least one candidate declares are considered, and the chosen rpc must
//! declare all of them. If several candidates remain, each declares all of these keys, so keys cannot decide further.
//! Then the rpc whose reply is a list wins; [`clash`] makes sure at start-up that there is exactly one.

use std::sync::Arc;

use super::binding::Bound;
use super::entry::Route;
use super::query::Query;
use crate::format::problem::Problem;
use crate::schema::FieldPath;

/// The request combines query keys that belong to different rpcs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the query parameters {} cannot be combined: they belong to different operations of this path", list(keys))]
pub struct KeysApart {
    /// The keys as the request spells them.
    pub keys: Vec<String>,
}

fn list(keys: &[String]) -> String {
    keys.iter().map(|key| format!("\"{key}\"")).collect::<Vec<_>>().join(", ")
}

/// Chooses the route whose template declares the keys of `query`. There are at least two `candidates`.
pub(super) fn choose<'a>(candidates: Vec<&'a Arc<Route>>, query: &Query) -> Result<&'a Arc<Route>, KeysApart> {
    let mut left = candidates.clone();
    let mut keys: Vec<&str> = Vec::new();
    // A key with an empty value counts as absent: clients expand the whole template.
    for (key, _) in query.pairs().filter(|(_, value)| !value.is_empty()) {
        let declares = |route: &&Arc<Route>| route.resolve_key(key).is_some_and(|path| route.declares(&path));
        if candidates.iter().any(declares) {
            keys.push(key);
            left.retain(declares);
        }
    }
    match left.as_slice() {
        [only] => Ok(only),
        [] => Err(KeysApart { keys: telling(&candidates, &keys) }),
        several => Ok(several.iter().find(|route| route.rpc.output.is_list()).unwrap_or(&several[0])),
    }
}

/// The keys that not every candidate declares; the others do not help to tell the candidates apart.
fn telling(candidates: &[&Arc<Route>], keys: &[&str]) -> Vec<String> {
    let common = |key: &str| candidates.iter().all(|route| route.resolve_key(key).is_some_and(|p| route.declares(&p)));
    let mut told: Vec<String> = Vec::new();
    for key in keys.iter().filter(|key| !common(key)) {
        if !told.iter().any(|known| known == key) {
            told.push((*key).to_owned());
        }
    }
    told
}

/// Reports routes that share method and path and that some request could not tell apart.
///
/// A request whose keys are exactly those that two routes B and C both declare leaves both. So the list route A must
/// remain as well, which holds if A declares every key that B and C share. A second list route is not allowed.
pub(super) fn clash(group: &[usize], routes: &[Route]) -> Option<Problem> {
    if let Some((one, other)) = read_differently(group, routes) {
        return Some(told_case(one, other, "method and path"));
    }
    let (one, other) = alike(group, routes)?;
    Some(told(one, other, &one.method))
}

/// Reports routes that a WebSocket request could not tell apart. WebSockets find a route by its path alone, whatever
/// the method of the rule.
pub(super) fn websocket_clash(group: &[usize], routes: &[Route]) -> Option<Problem> {
    // Routes with the same method are already reported by `clash`.
    let is_new = |(one, other): &(&Route, &Route)| one.method != other.method;
    if let Some((one, other)) = read_differently(group, routes).filter(is_new) {
        return Some(told_case(one, other, "a path for WebSockets"));
    }
    let (one, other) = alike(group, routes).filter(is_new)?;
    Some(told(one, other, "a WebSocket"))
}

fn told(one: &Route, other: &Route, what: &str) -> Problem {
    let advice = if one.rpc.name == other.rpc.name {
        "; remove one of the two rules".to_owned()
    } else {
        let except = format!("`expose: {{except: [{}]}}`", other.rpc.name);
        format!("; exclude one of them with {except}, or give it another path in a rules file (`rules.files`)")
    };
    let message = format!(
        "{:?}: {what} at this path also matches the rule {:?} of {}, and no query parameter tells the two apart{advice}",
        one.template, other.template, other.rpc.name
    );
    Problem::at(&one.rpc.name, message)
}

fn told_case(one: &Route, other: &Route, what: &str) -> Problem {
    let message = format!(
        "{:?}: `json.case_insensitive_field_parsing` must be the same as for {}, which has the same {what}",
        one.template, other.rpc.name
    );
    Problem::at(&one.rpc.name, message)
}

/// Two routes of the group of which one ignores the case of keys and the other does not. Which of them a request means
/// would depend on that.
fn read_differently<'a>(group: &[usize], routes: &'a [Route]) -> Option<(&'a Route, &'a Route)> {
    let group: Vec<&Route> = group.iter().map(|&index| &routes[index]).collect();
    first_pair(&group, |b, c| b.rpc.reads_any_case() != c.rpc.reads_any_case())
}

/// Two routes of the group that one request could mean.
fn alike<'a>(group: &[usize], routes: &'a [Route]) -> Option<(&'a Route, &'a Route)> {
    let group: Vec<&Route> = group.iter().map(|&index| &routes[index]).collect();
    let (lists, others): (Vec<&Route>, Vec<&Route>) = group.iter().partition(|route| route.rpc.output.is_list());
    match (lists.as_slice(), others.as_slice()) {
        ([first, second, ..], _) => Some((*first, *second)),
        ([list], others) => first_pair(others, |b, c| !declares_common(list, b, c)),
        ([], others) => first_pair(others, |_, _| true),
    }
}

fn first_pair<'a>(routes: &[&'a Route], wrong: impl Fn(&Route, &Route) -> bool) -> Option<(&'a Route, &'a Route)> {
    let pairs = routes.iter().enumerate().flat_map(|(index, b)| routes[index + 1..].iter().map(move |c| (*b, *c)));
    pairs.into_iter().find(|(b, c)| wrong(b, c))
}

fn declares_common(list: &Route, b: &Route, c: &Route) -> bool {
    // All routes of a group treat case alike, as `read_differently` has checked.
    let names = |route: &Route| -> Vec<String> {
        let names = key_names(&route.declared).into_iter();
        if route.rpc.reads_any_case() { names.map(|name| name.to_ascii_lowercase()).collect() } else { names.collect() }
    };
    let (list, c) = (names(list), names(c));
    names(b).iter().filter(|name| c.contains(name)).all(|name| list.contains(name))
}

/// The names by which a request may give the declared fields: the key, or the field in either spelling. The request
/// messages differ in type, so fields are compared by name.
fn key_names(declared: &[(String, FieldPath)]) -> Vec<String> {
    declared.iter().flat_map(|(key, path)| [key.clone(), path.to_string(), path.json_name()]).collect()
}

/// For each rule, the query keys that the other rules of its group declare.
pub(super) fn keys_of_others<'g>(groups: impl Iterator<Item = &'g [usize]>, rules: &[Bound]) -> Vec<Vec<String>> {
    let mut keys = vec![Vec::new(); rules.len()];
    for group in groups {
        for &index in group {
            let others = group.iter().filter(|&&other| other != index);
            keys[index] = others.flat_map(|&other| key_names(&rules[other].declared)).collect();
        }
    }
    keys
}
