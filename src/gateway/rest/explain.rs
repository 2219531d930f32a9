//! A request taken apart as the gateway would, and not sent: which rule, which message, or which refusal and why.
//!
//! The stages are those of [`super::handler`], in its order, up to the call.

use http::{Method, Uri};

use crate::gateway::error::Refusal;
use crate::gateway::rest::media::{self, Media, Types};
use crate::route::policy::QueryLimits;
use crate::route::{FieldSource, Miss, Query, Route, Routes, Why};
use crate::server::Violation;

/// A request without headers, but for the type of its body.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The method as the request line has it.
    pub method: &'a str,
    /// The target: a path with its query, or a URL with both.
    pub target: &'a str,
    /// The body, if there is one; an empty one is none.
    pub body: Option<&'a [u8]>,
    /// Its type; without one it is JSON, where it is not taken as it is.
    pub content_type: Option<&'a str>,
}

/// What is taken of a request.
#[derive(Clone, Copy)]
pub struct Limits<'a> {
    /// Largest body on a route, in bytes.
    pub body: &'a dyn Fn(&Route) -> usize,
    /// Which types of bodies are taken.
    pub types: Types<'a>,
    /// What is taken of a query before its route is known.
    pub query: QueryLimits,
}

/// What the gateway would do.
#[derive(Debug)]
pub struct Explained<'r> {
    /// The rule that the request reaches.
    pub route: Option<&'r Route>,
    /// All other rules, the nearest first.
    pub others: Vec<(&'r Route, Why)>,
    /// What becomes of it.
    pub outcome: Outcome,
}

/// What becomes of a request.
#[derive(Debug)]
pub enum Outcome {
    /// It is sent to the backend.
    Sent {
        /// The request message in wire format.
        message: Vec<u8>,
        /// Where its fields come from.
        sources: Vec<FieldSource>,
        /// Whether the body is a form.
        is_form: bool,
    },
    /// OPTIONS: these methods are the answer, and there is no call.
    Options(Vec<String>),
    /// It is refused.
    Refused(Box<Refusal>),
}

/// What the gateway would do with the request.
#[must_use]
pub fn explain<'r>(routes: &'r Routes, limits: Limits<'_>, request: Request<'_>) -> Explained<'r> {
    let parsed = parse(request, limits.query);
    let (method, uri, query) = match &parsed {
        Ok((method, uri, query)) => (method, uri, query),
        Err(refusal) => {
            let outcome = Outcome::Refused(Box::new(refusal.clone()));
            return Explained { route: None, others: Vec::new(), outcome };
        }
    };
    let path = uri.path();
    let found = match routes.find(method, path, query) {
        Ok(found) => found,
        Err(miss) => {
            // A path with dots is nobody's, whatever else it has.
            let others = if miss == Miss::Dots { Vec::new() } else { routes.others(method, path, query, None) };
            let outcome = match miss {
                Miss::Method { allowed } if method == Method::OPTIONS => Outcome::Options(allowed),
                miss => Outcome::Refused(Box::new(Refusal::miss(miss))),
            };
            return Explained { route: None, others, outcome };
        }
    };
    let others = routes.others(method, path, query, Some(found.route));
    let checked = found.route.check_query(uri.query().unwrap_or_default()).map_err(|error| Refusal::query(&error));
    let outcome = checked
        .and_then(|()| message(found.route, &found.captures, query, limits, request))
        .unwrap_or_else(|refusal| Outcome::Refused(Box::new(refusal)));
    // The route outlives the path that it was found by.
    let route = routes.all().iter().map(|route| &**route).find(|route| std::ptr::eq(*route, &**found.route));
    Explained { route, others, outcome }
}

fn parse(request: Request<'_>, limits: QueryLimits) -> Result<(Method, Uri, Query), Refusal> {
    let target = usize::from(u16::MAX) - 1;
    if request.target.len() > target {
        return Err(Refusal::malformed(Violation::TargetTooLong { limit: target }));
    }
    let method = Method::from_bytes(request.method.as_bytes());
    let method = method.map_err(|_| Refusal::malformed(Violation::RequestLine))?;
    if request.target.contains('#') {
        return Err(Refusal::malformed(Violation::Fragment));
    }
    let uri = Uri::try_from(request.target).map_err(|_| Refusal::malformed(Violation::TargetCharacter))?;
    let query = Query::within(uri.query().unwrap_or_default(), limits).map_err(|error| Refusal::query(&error))?;
    Ok((method, uri, query))
}

fn message(
    route: &Route,
    captures: &[&str],
    query: &Query,
    limits: Limits<'_>,
    request: Request<'_>,
) -> Result<Outcome, Refusal> {
    let body = request.body.filter(|body| !body.is_empty());
    if let Some(body) = body {
        let limit = (limits.body)(route);
        if body.len() > limit {
            return Err(Refusal::body_too_large(limit));
        }
        if !route.takes_body() {
            return Err(Refusal::encode(&route.body_unexpected()));
        }
    }
    let content_type = request.content_type.or((!route.is_raw_request).then_some("application/json"));
    let media_of = |body| match limits.types.media(route, content_type)? {
        Media::Form => Ok((body, limits.types.of_form(body))),
        media => Ok((body, media)),
    };
    let media = body.map(media_of).transpose().map_err(|error| Refusal::media(&error))?;
    let message = media::message(route, captures, query, media.as_ref().map(|(body, media)| (*body, media)));
    let is_form = matches!(media, Some((_, Media::Form | Media::Parts(_))));
    let message = message.map_err(|error| Refusal::encode(&error))?;
    let sources = route.sources(query, body.is_some(), &message).map_err(|error| Refusal::undecodable(&error))?;
    Ok(Outcome::Sent { message, sources, is_form })
}
