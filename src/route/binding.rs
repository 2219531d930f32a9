//! Resolves one rule against its rpc: checks every field path, and reports whatever is wrong, which stops the start.

use std::sync::Arc;

use http::Method;

use super::absent::no_rpc;
use super::entry::{BodyRule, Route};
use super::options::{Defaults, RpcOptions};
use super::policy::UnknownKeys;
use super::rpc::Rpc;
use crate::codec::{is_http_body, takes_json, takes_text};
use crate::format::problem::Problem;
use crate::format::template::{Template, Variable};
use crate::schema::{FieldPath, Message, RpcDescriptor, Rule, Schema, WellKnown};

/// Reports options for rpcs that the schema does not have, or that have no HTTP rule and so cannot be called.
pub(super) fn unknown_rpcs(schema: &Schema, options: &[RpcOptions], defaults: &Defaults) -> Vec<Problem> {
    let Defaults { rules, serving, .. } = defaults;
    let problem = |options: &RpcOptions| match schema.rpcs().iter().find(|rpc| rpc.name == options.rpc) {
        None => Some(no_rpc(schema, &options.rpc)),
        Some(rpc) if rules.of(rpc).is_ok_and(|rules| rules.is_empty() && !serving.exposes_path(&rpc.name, false)) => {
            Some(format!("`{}` has no google.api.http option", options.rpc))
        }
        Some(_) => None,
    };
    options.iter().filter_map(|options| Some(Problem::at(&options.place, problem(options)?))).collect()
}

/// A rule resolved against its rpc: a whole [`Route`], except for what depends on the other routes.
pub(super) struct Bound {
    pub(super) method: String,
    pub(super) template: Template,
    /// The query keys that the template declares.
    pub(super) declared: Vec<(String, FieldPath)>,
    pub(super) rpc: Arc<Rpc>,
    pub(super) written: String,
    body: BodyRule,
    response_body: Option<FieldPath>,
    is_raw_request: bool,
    variables: Vec<Variable>,
    captured: Vec<FieldPath>,
    mask: Option<FieldPath>,
}

impl Bound {
    /// Makes the route for the path of the rpc itself. `is_shared` tells whether the template of a rule matches that path
    /// too. Every body is a whole message here, also a `google.api.HttpBody`.
    pub(super) fn into_direct_route(self, index: usize, is_shared: bool) -> Route {
        let route = self.into_route(index, Vec::new());
        Route { is_direct: true, is_shared, is_raw_request: false, is_raw_reply: false, ..route }
    }

    /// Makes the route. `index` is its index among all routes; `others` are the query keys that the other routes of the
    /// same method and path declare.
    pub(super) fn into_route(self, index: usize, others: Vec<String>) -> Route {
        Route {
            index,
            is_raw_reply: is_raw(&self.rpc.output, self.response_body.as_ref()),
            rpc: self.rpc,
            method: self.method,
            template: self.written,
            body: self.body,
            response_body: self.response_body,
            is_raw_request: self.is_raw_request,
            is_direct: false,
            is_shared: false,
            variables: self.variables,
            length: self.template.segments.len(),
            wildcard: self.template.wildcard(),
            captured: self.captured,
            declared: self.declared,
            others,
            mask: self.mask,
        }
    }
}

/// Resolves a rule of `rpc`. `served` is the rpc as it is served, or why it cannot be served.
///
/// # Errors
/// Everything that is wrong with the rule.
pub(super) fn bind(
    rpc: &RpcDescriptor,
    rule: &Rule,
    served: &Result<Arc<Rpc>, String>,
    options: Option<&RpcOptions>,
) -> Result<Bound, Vec<Problem>> {
    let written = &rule.pattern.template;
    let problem = |message: String| match &rule.place {
        Some(place) => Problem::at(place, format!("{}: {written:?}: {message}", rpc.name)),
        None => Problem::at(&rpc.name, format!("{written:?}: {message}")),
    };
    let template = Template::parse(written).map_err(|error| vec![problem(error.to_string())])?;
    let served = served.as_ref().map_err(|message| vec![problem(message.clone())])?;
    let mut binder = Binder { rpc, rule, problems: Vec::new() };
    binder.check_supported();
    let captured = binder.fields(template.variables.iter().map(|v| (v.field.as_str(), v.column)), Use::Path);
    let declared =
        binder.fields(template.query.iter().map(|key| (key.field.as_str(), key.column)), Use::Query(&captured));
    let body = binder.body(&captured, !declared.is_empty());
    let response_body = binder.response_body();
    let is_raw_request = binder.is_raw_request(&body, &captured);
    binder.options(options, &body);
    let declared: Vec<_> = template.query.iter().map(|key| key.key.clone()).zip(declared).collect();
    if served.reads_any_case() {
        binder.keys_in_any_case(&declared);
    }
    if !binder.problems.is_empty() {
        return Err(binder.problems.into_iter().map(problem).collect());
    }
    Ok(Bound {
        method: rule.pattern.method.clone(),
        written: written.clone(),
        rpc: served.clone(),
        mask: mask(rpc, rule, &body, &captured).filter(|_| served.policy.fill_update_mask),
        body,
        response_body,
        is_raw_request,
        variables: template.variables.iter().map(|variable| decoded_by(rule, variable, &template)).collect(),
        template,
        captured,
        declared,
    })
}

/// What the field names of a template are used for.
#[derive(Clone, Copy)]
enum Use<'a> {
    /// Variables of the path.
    Path,
    /// Query keys. The slice holds the fields that the path variables already set.
    Query(&'a [FieldPath]),
}

struct Binder<'a> {
    rpc: &'a RpcDescriptor,
    rule: &'a Rule,
    problems: Vec<String>,
}

impl Binder<'_> {
    fn check_supported(&mut self) {
        let method = &self.rule.pattern.method;
        if method != "*" && (Method::from_bytes(method.as_bytes()).is_err() || method.is_empty()) {
            self.problems.push(format!("expected an HTTP method, found `{method}`"));
        }
        if method == "CONNECT" {
            let message = "a rule cannot use the method `CONNECT`, which has no path (RFC 9110, section 9.3.6)";
            self.problems.push(message.to_owned());
        }
    }

    /// Resolves field names, each given with its column in the template.
    fn fields<'t>(&mut self, names: impl Iterator<Item = (&'t str, usize)>, used: Use<'_>) -> Vec<FieldPath> {
        let mut paths: Vec<FieldPath> = Vec::new();
        for (name, column) in names {
            let found = FieldPath::resolve_exactly(&self.rpc.input, name).map_err(|error| error.to_string());
            match found.and_then(|path| usable(path, name, used, &paths)) {
                Ok(path) => paths.push(path),
                Err(problem) => self.problems.push(format!("column {column}: {problem}")),
            }
        }
        paths
    }

    fn body(&mut self, captured: &[FieldPath], declares_keys: bool) -> BodyRule {
        let rule = match self.rule.body.as_str() {
            "" => return BodyRule::None,
            "*" => BodyRule::Whole,
            name => match FieldPath::resolve_exactly(&self.rpc.input, name) {
                Ok(path) => BodyRule::Field(path),
                Err(error) => {
                    self.problems.push(format!("body {name:?}: {error}"));
                    return BodyRule::None;
                }
            },
        };
        if matches!(self.rule.pattern.method.as_str(), "GET" | "HEAD") {
            self.problems.push(format!("a {} request has no body (RFC 9110, section 9.3)", self.rule.pattern.method));
        }
        if rule == BodyRule::Whole && declares_keys {
            let message = "body \"*\" takes every field, so none is left for the query parameters of the template";
            self.problems.push(message.to_owned());
        }
        if let BodyRule::Field(body) = &rule
            && let Some(path) = captured.iter().find(|path| body.is_within(path))
        {
            self.problems.push(format!("body {:?}: the path already sets `{path}`", self.rule.body));
        }
        if let BodyRule::Field(body) = &rule
            && let Some(path) = captured.iter().find(|path| path.excludes(body))
        {
            self.problems.push(format!("body {:?}: the path already sets `{path}`, of the same oneof", self.rule.body));
        }
        rule
    }

    /// Resolves `response_body`: the field whose value becomes the body of the reply.
    fn response_body(&mut self) -> Option<FieldPath> {
        let name = self.rule.response_body.as_str();
        let path = FieldPath::resolve_exactly(&self.rpc.output, Some(name).filter(|name| !name.is_empty())?);
        path.map_err(|error| self.problems.push(format!("response_body {name:?}: {error}"))).ok()
    }

    /// Whether the request body is a `google.api.HttpBody`, so that its bytes are passed on unchanged.
    fn is_raw_request(&mut self, body: &BodyRule, captured: &[FieldPath]) -> bool {
        let field = match body {
            BodyRule::None => return false,
            BodyRule::Whole => None,
            BodyRule::Field(path) => Some(path),
        };
        let is_raw = is_raw(&self.rpc.input, field);
        if is_raw && let Some(path) = captured.iter().find(|path| field.is_none_or(|body| path.is_within(body))) {
            self.problems.push(format!(
                "body {:?}: it is a google.api.HttpBody, and the path sets `{path}` in it",
                self.rule.body
            ));
        }
        is_raw
    }

    /// With `case_insensitive_field_parsing`, a key of the template must not also name another key or field once case
    /// is ignored.
    fn keys_in_any_case(&mut self, declared: &[(String, FieldPath)]) {
        for (index, (key, path)) in declared.iter().enumerate() {
            let other = declared[..index].iter().find(|(other, _)| other.eq_ignore_ascii_case(key));
            let field = FieldPath::resolve(&self.rpc.input, key).ok().filter(|field| field != path);
            let other = other.map(|(other, _)| format!("key `{other}`"));
            let Some(other) = other.or_else(|| field.map(|field| format!("field `{field}`"))) else { continue };
            let advice = "set `json.case_insensitive_field_parsing: false` for this rpc, or for all";
            self.problems
                .push(format!("if case is ignored, the query parameter `{key}` is also the {other}: {advice}"));
        }
    }

    fn options(&mut self, options: Option<&RpcOptions>, body: &BodyRule) {
        let Some(RpcOptions { place, policy: own, .. }) = options else { return };
        let method = self.rule.pattern.method.as_str();
        if own.accept_body == Some(true) && *body != BodyRule::None {
            self.problems.push(format!("{}: accept_body: the rule already has a body; remove this key", place));
        } else if own.accept_body == Some(true) && !matches!(method, "PUT" | "POST" | "PATCH") {
            self.problems.push(format!("{}: accept_body: expected PUT, POST or PATCH, found {method}", place));
        }
        if own.idempotent == Some(true) && !self.rpc.streaming().is_unary() {
            self.problems.push(format!("{}: idempotent: streaming rpcs are never retried; remove this key", place));
        }
        if own.websocket.is_some() && self.rpc.streaming().is_unary() {
            self.problems.push(format!("{}: websocket: the rpc does not stream; remove this key", place));
        }
        if let Some(UnknownKeys::Listed(keys)) = &own.ignore_query {
            let known = keys.iter().filter(|key| FieldPath::resolve(&self.rpc.input, key).is_ok());
            let problem =
                |key| format!("{}: ignore_query: `{key}` is a field of the message and cannot be ignored", place);
            self.problems.extend(known.map(problem));
        }
        if let Some(UnknownKeys::Listed(members)) = &own.ignore_members {
            let known = members.iter().filter(|member| is_member(&self.rpc.input, body, member));
            let advice = "is a field of the message and cannot be ignored";
            let problem = |member| format!("{place}: ignore_members: `{member}` {advice}");
            self.problems.extend(known.map(problem));
        }
    }
}

/// Whether the body is a `google.api.HttpBody`: the message itself, or `field` of it if that is given.
fn is_raw(message: &Message, field: Option<&FieldPath>) -> bool {
    match field {
        None => is_http_body(message),
        Some(path) => !path.leaf().is_repeated() && path.leaf().message().as_ref().is_some_and(is_http_body),
    }
}

/// The `update_mask` next to the resource that the body of a PATCH holds (AIP-134).
fn mask(rpc: &RpcDescriptor, rule: &Rule, body: &BodyRule, captured: &[FieldPath]) -> Option<FieldPath> {
    let BodyRule::Field(resource) = body else { return None };
    let is_resource = !resource.leaf().is_repeated() && resource.leaf().message().is_some();
    let path = FieldPath::resolve_exactly(&rpc.input, "update_mask").ok().filter(|_| is_resource)?;
    let is_mask = path.leaf().message().is_some_and(|message| message.table().known == WellKnown::FieldMask);
    let is_free = is_mask && !path.leaf().is_repeated() && !path.is_within(resource) && !captured.contains(&path);
    (rule.pattern.method == "PATCH" && is_free).then_some(path)
}

/// Prepares a variable for decoding: with `fully_decode`, the rule asks for `%2F` in it to be decoded as well.
fn decoded_by(rule: &Rule, variable: &Variable, template: &Template) -> Variable {
    let mut variable = variable.clone();
    // google/api/http.proto: "fully URI-decoded except in cases of single segment matches in reserved expansion".
    let is_open = template.wildcard().is_some_and(|wildcard| variable.segments.contains(&wildcard));
    variable.keeps_slash &= !(rule.fully_decode && is_open);
    variable
}

/// Checks that one text value can fill the field, and that nothing else in the template sets it.
fn usable(path: FieldPath, name: &str, used: Use<'_>, others: &[FieldPath]) -> Result<FieldPath, String> {
    let is_filled = takes_text(path.leaf()) || matches!(used, Use::Query(_)) && takes_json(path.leaf());
    if !is_filled {
        return Err(format!("expected a single value, found the message `{name}`; use one of its fields"));
    }
    // http.proto: "The path variables must not refer to any repeated or mapped field".
    let in_path = match used {
        Use::Path if path.leaf().is_repeated() => {
            return Err(format!("expected a single value, found the list `{name}`"));
        }
        Use::Path => &[],
        Use::Query(in_path) => in_path,
    };
    if let Some(other) = others.iter().find(|other| matches!(used, Use::Path) && other.excludes(&path)) {
        return Err(format!("`{other}` and `{name}` belong to the same oneof; use one of them"));
    }
    if let Some(other) = others.iter().chain(in_path).find(|other| **other == path) {
        return Err(format!("`{name}` and `{other}` are the same field; use it once"));
    }
    Ok(path)
}

fn is_member(input: &Message, body: &BodyRule, dotted: &str) -> bool {
    let start = match body {
        BodyRule::Field(path) => path.leaf().message(),
        BodyRule::None | BodyRule::Whole => Some(input.clone()),
    };
    // The configuration writes members without list indices, so lists are stepped into here.
    let mut names = dotted.split('.');
    let mut here = start;
    names.all(|name| match here.take().and_then(|message| message.field(name)) {
        Some(field) => {
            here = field.message();
            true
        }
        None => false,
    })
}
