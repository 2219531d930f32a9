//! The table of all routes: built from every rule at the start, searched for every request.

use std::collections::HashMap;
use std::sync::Arc;

use http::Method;

use super::entry::Route;
use super::found::{Found, Miss};
use super::naming::Renamed;
use super::options::{Defaults, RpcOptions};
use super::query::Query;
use super::rpc::{Rpc, ValueRules};
use super::rules::mapped;
use super::spare::{self, Spare};
use super::trie::{Hit, Trie, TrieRule};
use super::{binding, choice};
use crate::codec::Omissions;
use crate::codec::validate::Validator;
use crate::format::problem::Problem;
use crate::schema::{Annotation, Schema};

/// All routes, ready to be searched.
#[derive(Debug)]
pub struct Routes {
    pub(super) routes: Vec<Arc<Route>>,
    pub(super) trie: Trie,
    /// The routes that WebSockets may open, found by path whatever the method of their rule.
    pub(super) websockets: Trie,
    /// The paths of rpcs, by which gRPC calls them. Their places are behind those of `routes`.
    pub(super) direct: Vec<Arc<Route>>,
    pub(super) paths: HashMap<String, Arc<Route>>,
    pub(super) warnings: Vec<String>,
}

impl Routes {
    /// Resolves every rule of `schema`. `defaults` applies where the options of an rpc do not set a key.
    ///
    /// # Errors
    /// Every problem of the rules and of `options`, in one list.
    pub fn build(schema: &Schema, options: &[RpcOptions], defaults: &Defaults) -> Result<Self, Vec<Problem>> {
        let spare = Spare::of(schema, defaults);
        let mut problems = spare.needed.clone();
        problems.extend(defaults.rules.misplaced(schema));
        problems.extend(binding::unknown_rpcs(schema, options, defaults));
        let has_rule = |name: &str| {
            let rpc = schema.rpcs().iter().find(|rpc| rpc.name == name);
            let is_served = |has_rule| has_rule || defaults.serving.exposes_path(name, false);
            rpc.is_some_and(|rpc| defaults.rules.of(rpc).is_ok_and(|rules| is_served(!rules.is_empty())))
        };
        let idle = defaults.serving.idle(schema, has_rule);
        // A wrong selector may leave rpcs without an upstream; only the selector is reported then.
        let selectors_are_right = idle.is_empty();
        problems.extend(idle);
        let validator = Validator::compile(schema, &defaults.validation).map_err(|wrong| problems.extend(wrong));
        let left_out = |is_left_out: fn(&Annotation) -> bool| match defaults.validation.field_behavior {
            true => Arc::new(Omissions::new(schema, is_left_out)),
            false => Arc::default(),
        };
        let value_rules = ValueRules {
            validator: Arc::new(validator.unwrap_or_default()),
            tells_buf: defaults.validation.tells_buf,
            output_only: left_out(|annotation| annotation.is_output_only),
            input_only: left_out(|annotation| annotation.is_input_only),
        };
        let (mut bound, mut direct) = (Vec::new(), Vec::new());
        let renamed = Renamed::new(schema, options, defaults);
        problems.extend(renamed.problems());
        for rpc in schema.rpcs().iter().filter(|rpc| defaults.serving.exposes(&rpc.name)) {
            let rules = defaults.rules.of(rpc).map_err(|error| problems.push(Problem::at(&rpc.name, error)));
            let rules = rules.unwrap_or_default();
            let is_direct = defaults.serving.exposes_path(&rpc.name, !rules.is_empty());
            let is_served = is_direct || !rules.is_empty();
            let upstream = if is_served { defaults.serving.upstream_of(&rpc.name) } else { Ok(0) };
            let upstream = upstream.unwrap_or_else(|problem| {
                problems.extend(Some(problem).filter(|_| selectors_are_right));
                0
            });
            let options = options.iter().find(|options| options.rpc == rpc.name);
            let descriptor = renamed.of(rpc);
            let served = Rpc::new(descriptor, upstream, defaults.policy_of(options), &value_rules).map(Arc::new);
            for rule in &rules {
                match binding::bind(descriptor, rule, &served, options) {
                    Ok(rule) => bound.push(rule),
                    Err(wrong) => problems.extend(wrong),
                }
            }
            // What is wrong with the rpc itself is told with its rules.
            if is_direct && (rules.is_empty() || served.is_ok()) {
                match binding::bind(descriptor, &mapped(descriptor), &served, None) {
                    Ok(rule) => direct.push(rule),
                    Err(wrong) => problems.extend(wrong),
                }
            }
        }
        let is_idle = bound.is_empty() && direct.is_empty();
        if is_idle && problems.is_empty() {
            problems.extend(spare.others.iter().cloned());
        }
        if is_idle && problems.is_empty() {
            problems.push(Problem::new(
                "no rpc in the schema has a google.api.http option, so none can be called; annotate one, \
                                    or add a file to `rules.files`",
            ));
        }
        let rules = bound.iter().enumerate();
        let open = rules.clone().filter(|(_, rule)| rule.rpc.policy.websocket.is_some());
        let websockets = Trie::of(open.map(|(index, rule)| TrieRule { index, method: "*", template: &rule.template }));
        let trie =
            Trie::of(rules.map(|(index, rule)| TrieRule { index, method: &rule.method, template: &rule.template }));
        let others = choice::keys_of_others(trie.groups(), &bound);
        let routes = bound.into_iter().zip(others).enumerate();
        let routes: Vec<Route> = routes.map(|(index, (rule, others))| rule.into_route(index, others)).collect();
        problems.extend(spare::clashes(schema, &routes));
        problems.extend(trie.groups().filter_map(|group| choice::clash(group, &routes)));
        problems.extend(websockets.groups().filter_map(|group| choice::websocket_clash(group, &routes)));
        let direct = direct.into_iter().enumerate();
        let direct = direct.map(|(place, rule)| {
            let is_shared = trie.has_path(&rule.written);
            Arc::new(rule.into_direct_route(routes.len() + place, is_shared))
        });
        let direct: Vec<Arc<Route>> = direct.collect();
        let paths = direct.iter().map(|route| (route.template.clone(), route.clone())).collect();
        let routes = routes.into_iter().map(Arc::new).collect();
        let warnings = schema.warnings().iter().cloned().chain(spare.warnings()).collect();
        if problems.is_empty() { Ok(Self { routes, trie, websockets, direct, paths, warnings }) } else { Err(problems) }
    }

    /// Problems that do not keep any rpc from being served.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// All routes, in the order of the descriptors.
    #[must_use]
    pub fn all(&self) -> &[Arc<Route>] {
        &self.routes
    }

    /// The paths of the rpcs that gRPC calls, in the order of the descriptors.
    #[must_use]
    pub fn direct(&self) -> &[Arc<Route>] {
        &self.direct
    }

    /// Every way in to an rpc: all routes, then the paths of the rpcs themselves.
    pub fn ways(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.routes.iter().chain(&self.direct)
    }

    /// The way in at this place among all.
    #[must_use]
    pub fn way(&self, index: usize) -> Option<&Arc<Route>> {
        self.routes.get(index).or_else(|| self.direct.get(index - self.routes.len()))
    }

    /// The rpc that gRPC calls by this path.
    #[must_use]
    pub fn find_direct(&self, path: &str) -> Option<&Arc<Route>> {
        self.paths.get(path)
    }

    /// Whether the template of a rule matches this path, for any method.
    #[must_use]
    pub fn has_path(&self, path: &str) -> bool {
        self.trie.has_path(path)
    }

    /// The route for a request.
    ///
    /// Templates are compared with the path as it came. Only captured values are percent-decoded, and only once. A HEAD
    /// request reaches the rule for GET if no rule is for HEAD (RFC 9110, section 9.3.2).
    ///
    /// # Errors
    /// Why no route matches.
    pub fn find<'a>(&'a self, method: &Method, path: &'a str, query: &Query) -> Result<Found<'a>, Miss> {
        self.chosen(self.trie.find(method, path)?, query)
    }

    /// The route for a WebSocket: found by path among the routes that allow WebSockets, whatever the method of the
    /// rule.
    ///
    /// # Errors
    /// Why no such route matches.
    pub fn find_websocket<'a>(&'a self, path: &'a str, query: &Query) -> Result<Found<'a>, Miss> {
        self.chosen(self.websockets.find(&Method::GET, path)?, query)
    }

    fn chosen<'a>(&'a self, hit: Hit<'a>, query: &Query) -> Result<Found<'a>, Miss> {
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
