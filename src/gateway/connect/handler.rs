//! Finds the rpc of a Connect request, and answers by the kind of the rpc.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use http::header::{ALLOW, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;

use super::codec::Codec;
use super::query::QueryMessage;
use super::reply;
use super::unary::MessageSource;
use crate::gateway::answer::{Body, Response};
use crate::gateway::call::{Intake, Vetted};
use crate::gateway::error::{Reason, Refusal};
use crate::gateway::protocols::Protocol;
use crate::gateway::request::inbound::RequestBody;
use crate::gateway::rest::media::check_charset;
use crate::gateway::spoken::{CONNECT_VERSION, media_type};
use crate::gateway::state::Gateway;
use crate::route::{Query, Route};

const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");
const TIMEOUT: HeaderName = HeaderName::from_static("connect-timeout-ms");

const UNARY_TYPES: &str = "application/json, application/proto";
const STREAM_TYPES: &str = "application/connect+json, application/connect+proto";

/// Unary calls: the body or the query is the message, and errors have an HTTP status.
pub(crate) struct ConnectUnary;

/// Streams: the body has messages in frames, and the last one says how the call ended.
pub(crate) struct ConnectStream<const IS_JSON: bool>;

impl Protocol for ConnectUnary {
    async fn answer<B: RequestBody>(gateway: &Arc<Gateway>, intake: &mut Intake<'_, B>) -> Result<Response, Refusal> {
        let head = intake.head;
        let route = gateway.connected(head)?;
        let is_unary = route.rpc.streaming.is_unary();
        let source = match head.method {
            Method::POST if is_unary => MessageSource::Body(unary_codec(&head.headers)?),
            Method::POST => return Err(unsupported("this rpc streams", STREAM_TYPES)),
            Method::GET if is_unary && route.rpc.has_no_side_effects => {
                if !intake.body.is_read() {
                    return Err(Refusal::new(Reason::BodyNotAllowed, "a Connect call with GET takes no body"));
                }
                MessageSource::Query(QueryMessage::read(head.uri.query().unwrap_or_default())?)
            }
            _ => return Err(wrong_method(is_unary && route.rpc.has_no_side_effects)),
        };
        let vetted = gateway.connect_vetted(intake, route).await?;
        let query = Query::default();
        let call = &vetted.call(intake, route, &query, &[]);
        gateway.connect_unary(call, intake, source).await
    }

    fn refuse(gateway: &Gateway, refusal: Refusal) -> Response {
        let mut response = Response::new(Body::from(refusal.to_connect_json()));
        *response.status_mut() = refusal.connect_status();
        let headers = response.headers_mut();
        headers.extend(refusal.own_headers().clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        gateway.metadata.tell_caller(&refusal.metadata, headers);
        response
    }
}

impl<const IS_JSON: bool> Protocol for ConnectStream<IS_JSON> {
    async fn answer<B: RequestBody>(gateway: &Arc<Gateway>, intake: &mut Intake<'_, B>) -> Result<Response, Refusal> {
        let head = intake.head;
        let route = gateway.connected(head)?;
        if head.method != Method::POST {
            return Err(wrong_method(false));
        }
        if route.rpc.streaming.is_unary() {
            return Err(unsupported("this rpc does not stream", UNARY_TYPES));
        }
        let codec = Self::codec();
        if !media_type(&head.headers).eq_ignore_ascii_case(codec.stream_type().as_bytes()) {
            return Err(unsupported("unknown codec", STREAM_TYPES));
        }
        let is_plain = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"identity");
        if !head.headers.get_all(CONTENT_ENCODING).iter().all(is_plain) {
            return Err(Refusal::coding(false));
        }
        let vetted = gateway.connect_vetted(intake, route).await?;
        let query = Query::default();
        let call = &vetted.call(intake, route, &query, &[]);
        gateway.connect_stream(call, intake, codec).await
    }

    /// "The HTTP status is always 200 OK": how the call ended is in the body.
    fn refuse(gateway: &Gateway, refusal: Refusal) -> Response {
        if refusal.is_of_http() {
            return ConnectUnary::refuse(gateway, refusal);
        }
        let mut trailers = HeaderMap::new();
        gateway.metadata.tell_caller(&refusal.metadata, &mut trailers);
        let mut response = Response::new(Body::Whole(reply::end(Some(&refusal), &trailers)));
        let headers = response.headers_mut();
        headers.extend(refusal.own_headers().clone());
        headers.insert(CONTENT_TYPE, Self::codec().stream_type());
        response
    }
}

impl<const IS_JSON: bool> ConnectStream<IS_JSON> {
    fn codec() -> Codec {
        if IS_JSON { Codec::Json } else { Codec::Proto }
    }
}

impl Gateway {
    /// The rpc that the path names, if the version is right. A POST has no query.
    fn connected(&self, head: &Parts) -> Result<&Arc<Route>, Refusal> {
        if head.headers.get_all(CONNECT_VERSION).iter().any(|version| version != "1") {
            return Err(Refusal::header("header connect-protocol-version: expected 1"));
        }
        let found = self.routes.find_direct(head.uri.path());
        let found = found.filter(|_| head.method == Method::GET || head.uri.query().is_none());
        found.ok_or_else(Refusal::no_rpc)
    }

    /// Checks what every protocol checks, and how long the caller wants to wait.
    async fn connect_vetted<B>(&self, intake: &mut Intake<'_, B>, route: &Route) -> Result<Vetted, Refusal> {
        intake.exchange.routed(route.index);
        let vetted = self.vetted(intake, route).await?;
        intake.exchange.called_by(vetted.caller());
        Ok(match timeout(&intake.head.headers)? {
            Some(length) => vetted.within(TIMEOUT, length, intake.arrival.started),
            None => vetted,
        })
    }
}

/// "Timeouts are specified in milliseconds, as a positive integer of at most 10 ASCII digits".
fn timeout(headers: &HeaderMap) -> Result<Option<Duration>, Refusal> {
    const MOST_DIGITS: usize = 10;
    let mut values = headers.get_all(TIMEOUT).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let is_number = |text: &&str| text.len() <= MOST_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit());
    let digits = value.to_str().ok().filter(is_number);
    let length = digits.and_then(|digits| digits.parse().ok()).filter(|&length| length > 0);
    match (length, values.next()) {
        (Some(length), None) => Ok(Some(Duration::from_millis(length))),
        _ => {
            Err(Refusal::header("header connect-timeout-ms: expected one number of 1 to 10 digits, greater than zero"))
        }
    }
}

/// The codec that the content type of a unary call names.
fn unary_codec(headers: &HeaderMap) -> Result<Codec, Refusal> {
    let name = media_type(headers);
    let (begin, name) = name.split_at(name.len().min("application/".len()));
    let codec = Codec::named(name).filter(|_| begin.eq_ignore_ascii_case(b"application/"));
    let codec = codec.ok_or_else(|| unsupported("unknown codec", UNARY_TYPES))?;
    if codec == Codec::Json {
        let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        check_charset(content_type).map_err(|error| Refusal::media(&error))?;
    }
    Ok(codec)
}

/// "Servers must answer 415 Unsupported Media Type", and say what they take.
fn unsupported(problem: &str, types: &'static str) -> Refusal {
    let message = format!("header content-type: {problem}; send one of {types}");
    Refusal::new(Reason::UnsupportedMediaType, message).with_header(ACCEPT_POST, types.to_owned())
}

fn wrong_method(may_get: bool) -> Refusal {
    let (allowed, message) = match may_get {
        true => ("GET, POST", "a Connect call of this rpc has the method GET or POST"),
        false => ("POST", "a Connect call of this rpc has the method POST"),
    };
    Refusal::new(Reason::MethodNotAllowed, message).with_header(ALLOW, allowed.to_owned())
}
