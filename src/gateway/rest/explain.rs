//! Processes a request as the gateway would, without sending it: returns the rule and the message, or the refusal.
//!
//! The stages are those of [`super::handler`], in the same order, up to the call.

use http::{Method, Uri};

use super::body::{media_of, reading_of};
use super::media::{self, Media, Types};
use crate::gateway::error::Refusal;
use crate::route::policy::QueryLimits;
use crate::route::{FieldSource, Miss, Query, Route, Routes, Why};
use crate::server::Violation;

/// A request without headers, except for the type of its body.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The method as in the request line.
    pub method: &'a str,
    /// The target: a path with its query, or a whole URL.
    pub target: &'a str,
    /// The body; an empty body counts as none.
    pub body: Option<&'a [u8]>,
    /// The Content-Type of the body. Without one the body is JSON, unless the rule takes raw bytes.
    pub content_type: Option<&'a str>,
}

/// Limits on requests.
#[derive(Clone, Copy)]
pub struct Limits<'a> {
    /// The largest body on a route, in bytes.
    pub body: &'a dyn Fn(&Route) -> usize,
    /// The accepted types of bodies.
    pub types: Types<'a>,
    /// The limits on a query before its route is known.
    pub query: QueryLimits,
}

/// What the gateway would do with a request.
#[derive(Debug)]
pub struct Explained<'r> {
    /// The rule that matches the request.
    pub route: Option<&'r Route>,
    /// All other rules, the nearest match first.
    pub others: Vec<(&'r Route, Why)>,
    /// The result.
    pub outcome: Outcome,
}

/// The result of a request.
#[derive(Debug)]
pub enum Outcome {
    /// One message is sent to the backend.
    Sent {
        /// The request message in wire format.
        message: Vec<u8>,
        /// Where the values of its fields come from.
        sources: Vec<FieldSource>,
        /// Whether the body is a form.
        is_form: bool,
    },
    /// Several messages are sent to the backend.
    Streamed {
        /// The messages in wire format.
        messages: Vec<Vec<u8>>,
    },
    /// An OPTIONS request: the response lists these methods, and there is no call.
    Options(Vec<String>),
    /// The request is refused.
    Refused(Box<Refusal>),
}

/// Determines what the gateway would do with the request.
#[must_use]
pub fn explain<'r>(routes: &'r Routes, limits: Limits<'_>, request: Request<'_>) -> Explained<'r> {
    let parsed = parse(request, limits.query);
    let Parsed { method, uri, query } = match &parsed {
        Ok(parsed) => parsed,
        Err(refusal) => {
            let outcome = Outcome::Refused(Box::new(refusal.clone()));
            return Explained { route: None, others: Vec::new(), outcome };
        }
    };
    let path = uri.path();
    let found = match routes.find(method, path, query) {
        Ok(found) => found,
        Err(miss) => {
            // No rule can match a path with dot segments.
            let others = if miss == Miss::Dots { Vec::new() } else { routes.others(method, path, query, None) };
            let outcome = match miss {
                Miss::Method { allowed } if method == Method::OPTIONS => Outcome::Options(allowed),
                miss => Outcome::Refused(Box::new(Refusal::miss(miss, method, path))),
            };
            return Explained { route: None, others, outcome };
        }
    };
    let others = routes.others(method, path, query, Some(found.route));
    let checked = found.route.check_query(uri.query().unwrap_or_default()).map_err(|error| Refusal::query(&error));
    let outcome = checked
        .and_then(|()| message(found.route, &found.captures, query, limits, request))
        .unwrap_or_else(|refusal| Outcome::Refused(Box::new(refusal)));
    // Looked up again, because `found` also borrows the path and would not live long enough.
    let route = routes.all().iter().map(|route| &**route).find(|route| std::ptr::eq(*route, &**found.route));
    Explained { route, others, outcome }
}

/// The parsed request line.
struct Parsed {
    method: Method,
    uri: Uri,
    query: Query,
}

fn parse(request: Request<'_>, limits: QueryLimits) -> Result<Parsed, Refusal> {
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
    Ok(Parsed { method, uri, query })
}

fn message(
    route: &Route,
    captures: &[&str],
    query: &Query,
    limits: Limits<'_>,
    request: Request<'_>,
) -> Result<Outcome, Refusal> {
    let body = request.body.filter(|body| !body.is_empty());
    let content_type = request.content_type.or((!route.is_raw_request).then_some("application/json"));
    if route.rpc.streaming.client {
        let reading = reading_of(limits.types, route, content_type, body.is_none())?;
        let texts = route.prepare(captures, query).map_err(|error| Refusal::encode(&error))?;
        let messages = reading.messages(route, &texts, body.unwrap_or_default())?;
        return Ok(Outcome::Streamed { messages });
    }
    let limit = (limits.body)(route);
    if body.is_some_and(|body| body.len() > limit) {
        return Err(Refusal::body_too_large(limit));
    }
    let media_of =
        |body| media_of(limits.types, route, content_type).map(|media| (body, limits.types.seen(media, body)));
    let media = body.map(media_of).transpose()?;
    let message = media::message(route, captures, query, media.as_ref().map(|(body, media)| (*body, media)));
    let is_form = matches!(media, Some((_, Media::Form | Media::Parts(_))));
    let message = message.map_err(|error| Refusal::encode(&error))?;
    let sources = route.sources(query, body.is_some(), &message).map_err(|error| Refusal::undecodable(&error))?;
    Ok(Outcome::Sent { message, sources, is_form })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Print, reply};
    use crate::route::Defaults;
    use crate::route::policy::{Form, Policy};
    use crate::schema::schema_of;

    const PROTO: &str = r#"
syntax = "proto3";
package t;
import "google/api/annotations.proto";
message Order { string name = 1; string shop = 2; }
service Orders {
  rpc Put(Order) returns (Order) { option (google.api.http) = { post: "/orders" body: "*" }; }
  rpc Import(stream Order) returns (Order) { option (google.api.http) = { post: "/shops/{shop}:import" body: "*" }; }
  rpc Open(stream Order) returns (stream Order) { option (google.api.http) = { get: "/shops/{shop}" }; }
}
"#;

    /// The messages that would be sent, or why there are none.
    fn explained(method: &str, target: &str, content_type: Option<&str>, body: &str) -> String {
        let schema = schema_of(PROTO).unwrap();
        let routes = Routes::build(&schema, &[], &Defaults::default()).unwrap();
        let types = Types { json: &[], forms: true, untyped: false };
        let policy = Policy::default();
        let limits = Limits { body: &|route| route.rpc.policy.body_limit, types, query: policy.query_limits() };
        let body = Some(body.as_bytes());
        let explained = explain(&routes, limits, Request { method, target, body, content_type });
        let json = |message: &[u8]| {
            let input = &explained.route.unwrap().rpc.input;
            String::from_utf8(reply(input, message, &Print::default()).unwrap()).unwrap()
        };
        match &explained.outcome {
            Outcome::Sent { message, .. } => json(message),
            Outcome::Streamed { messages } => {
                messages.iter().map(|message| json(message)).collect::<Vec<_>>().join(" ")
            }
            Outcome::Options(allowed) => allowed.join(" "),
            Outcome::Refused(refusal) => refusal.clone().into_text(Form::Status, None).into_body(),
        }
    }

    #[test]
    fn a_request_of_several_messages_is_explained_message_by_message() {
        let ndjson = Some("application/x-ndjson");
        let both = r#"{"name":"a","shop":"s"} {"name":"b","shop":"s"}"#;
        for (target, content_type, body, expected) in [
            ("/shops/s:import", ndjson, "{\"name\":\"a\"}\n{\"name\":\"b\"}\n", both),
            ("/shops/s:import", None, "[{\"name\":\"a\"},{\"name\":\"b\"}]", both),
            ("/shops/s:import", ndjson, "", ""),
            (
                "/shops/s:import",
                Some("text/plain"),
                "a",
                r#"{"code":3,"message":"Content-Type text/plain is not supported here; send Content-Type: application/json or application/x-ndjson","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"UNSUPPORTED_MEDIA_TYPE","domain":"towbar"}]}"#,
            ),
            (
                "/orders",
                ndjson,
                "{}",
                r#"{"code":3,"message":"Content-Type application/x-ndjson is not supported here; send Content-Type: application/json","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"UNSUPPORTED_MEDIA_TYPE","domain":"towbar"}]}"#,
            ),
        ] {
            assert_eq!(explained("POST", target, content_type, body), expected, "{target} {content_type:?} {body}");
        }
        assert_eq!(explained("GET", "/shops/s", None, ""), r#"{"shop":"s"}"#);
        let refused = explained("POST", "/shops/s:import", ndjson, "{\"name\":\"a\"}\n{\"nam\":1}\n");
        assert!(refused.contains("message 2: ") && refused.contains("its outcome is unknown"), "{refused}");
    }
}
