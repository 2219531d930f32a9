//! From method, path and query keys to the rpc, and from their values to its request message.
//!
//! [`Routes::build`] resolves every rule of a [`Schema`] and refuses to leave one out; [`Routes::find`] finds the
//! [`Route`] of a request; [`Route::encode`] makes the message, and [`Routes::invert`] finds the request of a message. Knows no
//! headers, no tokens, no upstream addresses.

mod binding;
mod choice;
mod inverse;
mod keys;
mod leaves;
mod masks;
mod misplaced;
mod names;
mod naming;
mod near;
mod parts;
mod plan;
pub mod policy;
mod query;
mod rpc;
mod rules;
mod serving;
mod sizes;
mod sources;
mod spare;
mod system;
#[cfg(test)]
mod tests;
mod text;
mod trie;

use std::sync::Arc;

use http::Method;

use crate::format::problem::Problem;
use crate::format::template::Variable;
use crate::schema::{FieldPath, Schema};
use policy::{Layer as _, OwnPolicy, Policy};

pub use choice::KeysApart;
pub use inverse::{FieldUnsayable, Inverse, Unsayable};
pub use leaves::NoText;
pub use misplaced::misplaced;
pub use near::{Difference, Why};
pub use plan::{EncodeError, FormError, QueryProblem, ValueProblem};
pub use query::{Query, QueryError};
pub use rpc::{Rpc, Streaming};
pub use rules::{Rules, Selected};
pub use serving::{Answering, Selector, Serving};
pub use sources::{Said, Source, Sourced};
pub use system::{System, SystemProblem};

/// What a configuration says of one rpc.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RpcOptions {
    /// `package.Service.Method`.
    pub rpc: String,
    /// Where the configuration says it.
    pub place: String,
    /// What it says.
    pub policy: OwnPolicy,
}

/// What holds for every rpc, where its own options are silent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Defaults {
    /// What holds for an rpc of which nothing is said.
    pub policy: Policy,
    /// Which rules there are besides annotations.
    pub rules: Rules,
    /// Which rpcs are served, and by whom.
    pub serving: Serving,
}

/// Every route, ready to be found.
#[derive(Debug)]
pub struct Routes {
    routes: Vec<Arc<Route>>,
    trie: trie::Trie,
    /// Those that WebSockets find, whatever the methods of their rules.
    websockets: trie::Trie,
    warnings: Vec<String>,
}

/// One rule, resolved against its rpc.
#[derive(Debug)]
pub struct Route {
    /// Its place among all routes.
    pub index: usize,
    /// What it is a way in to.
    pub rpc: Arc<Rpc>,
    /// The HTTP method, `*` for any.
    pub method: String,
    /// The template as written.
    pub template: String,
    /// What the request's body is the value of.
    pub body: BodyRule,
    /// The field that the reply's body is the value of; the whole message if there is none.
    pub response_body: Option<FieldPath>,
    /// Whether the request's body passes as it is, as a `google.api.HttpBody`.
    pub is_raw_request: bool,
    /// Whether the reply's does.
    pub is_raw_reply: bool,
    variables: Vec<Variable>,
    /// How many segments the template has.
    length: usize,
    /// Which of them is `**`.
    wildcard: Option<usize>,
    /// The fields of `variables`, in the same order.
    captured: Vec<FieldPath>,
    /// The query keys that the template declares.
    declared: Vec<(String, FieldPath)>,
    /// The query keys that other routes of the same method and path declare.
    others: Vec<String>,
    /// The `update_mask` that is filled.
    mask: Option<FieldPath>,
}

/// The `body` of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyRule {
    /// No body.
    None,
    /// `*`: every field that the path does not bind.
    Whole,
    /// The value of this field.
    Field(FieldPath),
}

/// A route and what the path gave to its variables, still percent-encoded.
#[derive(Debug)]
pub struct Found<'a> {
    /// The route.
    pub route: &'a Arc<Route>,
    /// One raw text for each variable.
    pub captures: Vec<&'a str>,
}

/// Why no route was found.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Miss {
    /// No template has this path.
    #[error("no such path")]
    Path,
    /// A segment of the path is `.` or `..`.
    #[error("expected a path without dot segments, found one with `.` or `..` (RFC 3986, section 6.2.2.3)")]
    Dots,
    /// Templates have this path, but for other methods.
    #[error("the method is not one of those that this path has")]
    Method {
        /// Those methods, sorted; `OPTIONS` is always one of them, and `HEAD` where `GET` is.
        allowed: Vec<String>,
    },
    /// Several rpcs share method and path, and none of them takes these query keys together.
    #[error(transparent)]
    Keys(KeysApart),
}

impl Defaults {
    /// What holds for the rpc of which this is said.
    fn policy_of(&self, options: Option<&RpcOptions>) -> Policy {
        options.map_or_else(|| self.policy.clone(), |options| self.policy.with(&options.policy))
    }
}

impl Routes {
    /// Resolves every rule of `schema`. `defaults` holds where an rpc's own options are silent.
    ///
    /// # Errors
    /// Everything wrong with the rules and with `options`, in one list.
    pub fn build(schema: &Schema, options: &[RpcOptions], defaults: &Defaults) -> Result<Self, Vec<Problem>> {
        let spare = spare::Spare::of(schema, defaults);
        let mut problems = spare.needed.clone();
        problems.extend(defaults.rules.misplaced(schema));
        problems.extend(binding::unknown_rpcs(schema, options, &defaults.rules));
        let has_rule = |name: &str| {
            let rpc = schema.rpcs().iter().find(|rpc| rpc.name == name);
            rpc.is_some_and(|rpc| defaults.rules.of(rpc).is_ok_and(|rules| !rules.is_empty()))
        };
        let idle = defaults.serving.idle(schema, has_rule);
        // What a wrong selector leaves without an upstream need not be told besides.
        let selectors_are_right = idle.is_empty();
        problems.extend(idle);
        let mut bound = Vec::new();
        let renamed = naming::Renamed::new(schema, options, defaults);
        problems.extend(renamed.problems());
        for rpc in schema.rpcs().iter().filter(|rpc| defaults.serving.exposes(&rpc.name)) {
            let rules = defaults.rules.of(rpc).map_err(|error| problems.push(Problem::at(&rpc.name, error)));
            let rules = rules.unwrap_or_default();
            let upstream = if rules.is_empty() { Ok(0) } else { defaults.serving.upstream_of(&rpc.name) };
            let upstream = upstream.unwrap_or_else(|problem| {
                problems.extend(Some(problem).filter(|_| selectors_are_right));
                0
            });
            let options = options.iter().find(|options| options.rpc == rpc.name);
            let descriptor = renamed.of(rpc);
            let served = Rpc::new(descriptor, upstream, defaults.policy_of(options)).map(Arc::new);
            for rule in &rules {
                match binding::bind(descriptor, rule, &served, options) {
                    Ok(rule) => bound.push(rule),
                    Err(wrong) => problems.extend(wrong),
                }
            }
        }
        if bound.is_empty() && problems.is_empty() {
            problems.extend(spare.others.iter().cloned());
        }
        if bound.is_empty() && problems.is_empty() {
            problems
                .push(Problem::new("no rpc in the descriptors has a google.api.http option: nothing could be called"));
        }
        let rules = bound.iter().enumerate();
        let open = rules.clone().filter(|(_, rule)| rule.rpc.policy.websocket.is_some());
        let websockets = trie::Trie::of(open.map(|(index, rule)| (index, "*", &rule.template)));
        let trie = trie::Trie::of(rules.map(|(index, rule)| (index, rule.method.as_str(), &rule.template)));
        let others = choice::keys_of_others(trie.groups(), &bound);
        let routes = bound.into_iter().zip(others).enumerate();
        let routes: Vec<Route> = routes.map(|(index, (rule, others))| rule.into_route(index, others)).collect();
        problems.extend(spare::clashes(schema, &routes));
        problems.extend(trie.groups().filter_map(|group| choice::clash(group, &routes)));
        problems.extend(websockets.groups().filter_map(|group| choice::websocket_clash(group, &routes)));
        let routes = routes.into_iter().map(Arc::new).collect();
        let warnings = schema.warnings().iter().cloned().chain(spare.warnings()).collect();
        if problems.is_empty() { Ok(Self { routes, trie, websockets, warnings }) } else { Err(problems) }
    }

    /// What is to be looked at, though it does not keep anything from being served.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// All routes, in the order of the descriptors.
    #[must_use]
    pub fn all(&self) -> &[Arc<Route>] {
        &self.routes
    }

    /// The route for a request.
    ///
    /// Templates are compared with the path as it came: percent-encoding is undone in captured values only, once. A HEAD
    /// request reaches the rule for GET where none is for HEAD (RFC 9110, section 9.3.2).
    ///
    /// # Errors
    /// No route takes it, and why.
    pub fn find<'a>(&'a self, method: &Method, path: &'a str, query: &Query) -> Result<Found<'a>, Miss> {
        self.chosen(self.trie.find(method, path)?, query)
    }

    /// The route for a WebSocket: one for which such a thing may be opened, by its path, whatever the method of its rule.
    ///
    /// # Errors
    /// No such route takes it, and why.
    pub fn find_websocket<'a>(&'a self, path: &'a str, query: &Query) -> Result<Found<'a>, Miss> {
        self.chosen(self.websockets.find(&Method::GET, path)?, query)
    }

    fn chosen<'a>(&'a self, hit: trie::Hit<'a>, query: &Query) -> Result<Found<'a>, Miss> {
        let route = match hit.routes {
            [only] => &self.routes[*only],
            several => {
                choice::choose(several.iter().map(|&index| &self.routes[index]).collect(), query).map_err(Miss::Keys)?
            }
        };
        let captures = route.variables.iter().map(|variable| hit.capture(route, variable)).collect();
        Ok(Found { route, captures })
    }
}

impl Route {
    /// The path of the template, without the query keys that it declares.
    #[must_use]
    pub fn path(&self) -> &str {
        self.template.split('?').next().unwrap_or_default()
    }

    /// The query keys that the template declares, in its order.
    pub fn declared_keys(&self) -> impl Iterator<Item = &str> {
        self.declared.iter().map(|(key, _)| key.as_str())
    }

    /// The field that a query key names, if it names one: a key of the template, or the dotted name of a field.
    fn resolve_key(&self, key: &str) -> Option<FieldPath> {
        if let Some((_, path)) = self.declared.iter().find(|(declared, _)| declared == key) {
            return Some(path.clone());
        }
        if let Ok(path) = self.rpc.paths.resolve(key) {
            return Some(path);
        }
        let (_, path) = self.declared.iter().find(|(declared, _)| self.is_same_key(declared, key))?;
        Some(path.clone())
    }

    fn is_same_key(&self, one: &str, other: &str) -> bool {
        one == other || self.rpc.reads_any_case() && one.eq_ignore_ascii_case(other)
    }

    /// Whether a route of the same method and path declares this query key.
    fn is_others(&self, key: &str) -> bool {
        self.others.iter().any(|other| self.is_same_key(other, key))
    }

    /// Whether a key with an empty value means nothing here: a client that expands a whole template, or those of all
    /// rpcs at a path, sends empty values for what it does not use.
    fn may_be_empty(&self, key: &str) -> bool {
        self.resolve_key(key).is_some_and(|path| self.declares(&path)) || self.is_others(key)
    }

    fn declares(&self, path: &FieldPath) -> bool {
        self.declared.iter().any(|(_, declared)| declared == path)
    }
}
