use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Full};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep, timeout};

use super::call::Arrival;
use super::error::StatusHeaders;
use super::exchange::Recorded;
use super::metadata::{self, Metadata};
use super::request::inbound::RequestBody;
use super::rest::stream;
use super::service::Door;
use super::{Config, Gateway, service};
use crate::caller::Peer;
use crate::limits::memory::Share;
use crate::route::policy::{Errors, Form, Policy};
use crate::route::{Defaults, Routes};
use crate::schema::schema_of;
use crate::server::Violation;
use crate::upstream::{self, Upstream};

const PROTO: &str = r#"
syntax = "proto3";
package t;
import "google/api/annotations.proto";
message Order { string name = 1; }
service Orders {
  rpc Get(Order) returns (Order) { option (google.api.http) = { get: "/orders/{name}" }; }
  rpc Put(Order) returns (Order) { option (google.api.http) = { post: "/orders" body: "*" }; }
  rpc Watch(Order) returns (stream Order) { option (google.api.http) = { get: "/watch" }; }
}
"#;

fn config() -> Config {
    let name = HeaderName::from_static;
    Config {
        protocols: super::spoken::Protocols::default(),
        cors: None,
        addresses: None,
        policy: Policy { errors: Errors { form: Form::Google, ..Errors::default() }, ..Policy::default() },
        json_types: Vec::new(),
        untyped_json: false,
        forms: true,
        streams: stream::Config::default(),
        gzip: None,
        least_rate: None,
        timeout_header: None,
        request_id: None,
        status_headers: Some(StatusHeaders { status: name("x-status"), message: name("x-message") }),
        idempotency_memory: super::IDEMPOTENCY_MEMORY,
        limits: Vec::new(),
        probe: Some("/probe".parse().unwrap()),
    }
}

/// A gateway in front of a backend at this address, and the records of its exchanges.
fn gateway(backend: SocketAddr) -> (Door, Seen) {
    let gateway = parts(backend);
    let sinks = gateway.sinks.clone();
    (service(gateway), Seen(Box::new(move || std::mem::take(&mut *sinks.seen.as_ref().unwrap().lock().unwrap()))))
}

fn parts(backend: SocketAddr) -> Gateway {
    let schema = schema_of(PROTO).unwrap();
    let routes = Routes::build(&schema, &[], &Defaults::default()).unwrap();
    let address = format!("http://{backend}").parse().unwrap();
    let upstream = Upstream::new(&upstream::Config::of(address)).unwrap();
    let metadata = Metadata::new(metadata::Config::default());
    Gateway::new(schema, routes, vec![upstream], metadata, config())
}

struct Seen(Box<dyn Fn() -> Vec<String>>);

impl Seen {
    fn taken(&self) -> Vec<String> {
        (self.0)()
    }
}

/// A backend that answers each call with `messages` empty messages. It never answers an order with the name `never`.
async fn backend(messages: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(connection).await.unwrap();
                while let Some(Ok((mut request, mut respond))) = connection.accept().await {
                    tokio::spawn(async move {
                        let mut sent = Vec::new();
                        while let Some(Ok(data)) = request.body_mut().data().await {
                            sent.extend_from_slice(&data);
                        }
                        if sent.ends_with(b"never") {
                            std::future::pending::<()>().await;
                        }
                        let head = Response::builder().header("content-type", "application/grpc").body(()).unwrap();
                        let mut stream = respond.send_response(head, false).unwrap();
                        (0..messages).for_each(|_| stream.send_data(Bytes::from_static(&[0; 5]), false).unwrap());
                        let status = [(HeaderName::from_static("grpc-status"), "0".parse().unwrap())];
                        stream.send_trailers(status.into_iter().collect()).unwrap();
                    });
                }
            });
        }
    });
    address
}

fn request<B>(method: &str, target: &str, body: B) -> Request<B> {
    let request = Request::builder().method(method).uri(target).header("content-type", "application/json");
    request.body(body).unwrap()
}

fn answer<B: RequestBody>(
    door: &Door,
    request: Request<B>,
) -> impl Future<Output = Result<Response<Recorded>, Infallible>> + use<B> {
    let (peer, account) = (Arc::new(Peer::default()), Share::unbounded().account(None, 100));
    door.answer_to(request, Arrival { started: Instant::now(), peer, account, unproved: None, is_permitted: true })
}

fn unreachable() -> SocketAddr {
    "127.0.0.1:1".parse().unwrap()
}

/// A body whose reader panics.
struct Panicking;

impl Body for Panicking {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        panic!("of the test")
    }
}

#[tokio::test]
async fn an_internal_error_is_answered_in_the_configured_error_form() {
    let (door, seen) = gateway(unreachable());
    let (head, body) = answer(&door, request("POST", "/orders", Panicking)).await.unwrap().into_parts();
    let message = "an internal error; the outcome of the call is unknown";
    let info = r#"{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"INTERNAL_ERROR","domain":"towbar"}"#;
    let expected =
        format!(r#"{{"error":{{"code":500,"message":"{message}","status":"INTERNAL","details":[{info}]}}}}"#);
    let length = expected.len();
    assert_eq!((head.status.as_u16(), body.collect().await.unwrap().to_bytes()), (500, expected.into()));
    let header = |name: &str| head.headers[name].to_str().unwrap();
    assert_eq!((header("x-status"), header("x-message"), header("cache-control")), ("13", message, "no-store"));
    let record =
        "POST t.Orders.Put 500 Whole, in 0, out {length}, refused 500 Internal Unknown by Gateway: INTERNAL_ERROR";
    assert_eq!(seen.taken(), [record.replace("{length}", &length.to_string())]);
}

#[tokio::test]
async fn every_request_has_exactly_one_record_however_it_ends() {
    let (one, none) = (backend(1).await, unreachable());
    for (at, method, target, body, record) in [
        (one, "GET", "/orders/a", "", "GET t.Orders.Get 200 Whole, in 0, out 2, call Replied Answered"),
        (one, "HEAD", "/orders/a", "", "HEAD t.Orders.Get 200 Whole, in 0, out 0, call Replied Answered"),
        (
            one,
            "POST",
            "/orders",
            "{\"name\":\"a\"}",
            "POST t.Orders.Put 200 Whole, in 12, out 2, call Replied Answered",
        ),
        (one, "GET", "/watch", "", "GET t.Orders.Watch 200 Whole, in 0, out 36, call Replied Answered, messages 1"),
        (one, "GET", "/probe", "", "GET - 200 Whole, in 0, out *"),
        (one, "OPTIONS", "/orders", "", "OPTIONS - 204 Whole, in 0, out 0"),
        (
            one,
            "GET",
            "/nowhere",
            "",
            "GET - 404 Whole, in 0, out *, refused 404 NotFound NotSent by Gateway: ROUTE_NOT_FOUND",
        ),
        (
            one,
            "PUT",
            "/orders",
            "",
            "PUT - 405 Whole, in 0, out *, refused 405 Unimplemented NotSent by Gateway: METHOD_NOT_ALLOWED",
        ),
        (
            one,
            "GET",
            "/orders/a?nam=b",
            "",
            "GET t.Orders.Get 400 Whole, in 0, out *, refused 400 InvalidArgument NotSent by Gateway: UNKNOWN_QUERY_PARAMETER",
        ),
        (
            one,
            "POST",
            "/orders",
            "{",
            "POST t.Orders.Put 400 Whole, in 1, out *, refused 400 InvalidArgument NotSent by Gateway: MALFORMED_JSON",
        ),
        (
            none,
            "GET",
            "/orders/a",
            "",
            "GET t.Orders.Get 503 Whole, in 0, out *, refused 503 Unavailable NotSent by Upstream: BACKEND_UNREACHABLE, call Failed NotSent",
        ),
        (
            none,
            "GET",
            "/watch",
            "",
            "GET t.Orders.Watch 503 Whole, in 0, out *, refused 503 Unavailable NotSent by Upstream: BACKEND_UNREACHABLE, call Failed NotSent, messages 0",
        ),
    ] {
        let (door, seen) = gateway(at);
        let request = request(method, target, Full::new(Bytes::from_static(body.as_bytes())));
        let response = answer(&door, request).await.unwrap();
        let out = response.into_body().collect().await.unwrap().to_bytes().len();
        assert_eq!(seen.taken(), [record.replace('*', &out.to_string())], "{method} {target}");
    }
}

#[tokio::test]
async fn a_request_abandoned_by_its_caller_has_one_record() {
    let (door, seen) = gateway(backend(2).await);
    let call = answer(&door, request("GET", "/orders/never", Full::<Bytes>::default()));
    assert!(timeout(Duration::from_millis(300), call).await.is_err());
    assert_eq!(seen.taken(), ["GET t.Orders.Get 0 Dropped, in 0, out 0"]);
    // A response that is not read, and a stream of which only one frame is read.
    drop(answer(&door, request("GET", "/nowhere", Full::<Bytes>::default())).await);
    let refused = "GET - 404 Dropped, in 0, out 0, refused 404 NotFound NotSent by Gateway: ROUTE_NOT_FOUND";
    assert_eq!(seen.taken(), [refused]);
    let mut body = answer(&door, request("GET", "/watch", Full::<Bytes>::default())).await.unwrap().into_body();
    sleep(Duration::from_millis(100)).await;
    body.frame().await.unwrap().unwrap();
    drop(body);
    let [record] = &seen.taken()[..] else { panic!("one record") };
    assert!(record.starts_with("GET t.Orders.Watch 200 Dropped, in 0, out "), "{record}");
}

#[test]
fn a_malformed_request_head_has_a_record() {
    let gateway = parts(unreachable());
    super::malformed(&gateway)(Violation::RequestLine);
    let record = "- - 400 Whole, in 0, out 0, refused 400 InvalidArgument NotSent by Gateway: MALFORMED_REQUEST";
    assert_eq!(*gateway.sinks.seen.as_ref().unwrap().lock().unwrap(), [record]);
}
