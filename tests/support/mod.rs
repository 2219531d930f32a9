//! What the integration tests stand on: a real gateway in front of a real backend, and a client of HTTP/1.1.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "each test file has it as a module and uses a part")]

pub mod attacks;
pub mod bank;
pub mod boxes;
pub mod browser;
pub mod cases;
pub mod collector;
pub mod connect;
pub mod dice;
pub mod dns;
pub mod documented;
pub mod folder;
pub mod forward;
pub mod grpc;
pub mod http;
pub mod json_schema;
pub mod key_server;
pub mod link;
pub mod load;
pub mod masked;
pub mod messages;
pub mod nginx;
pub mod noting;
pub mod pay;
pub mod ports;
pub mod process;
pub mod programs;
pub mod python;
pub mod random;
pub mod raw;
pub mod redis;

pub mod socket;
pub mod talk;
pub mod tokens;
pub mod wire;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use bytes::Bytes;
use http_body::{Body, Frame};
use rustls::{ClientConfig, ServerConfig};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tonic::{Request, Response, Status};
use towbar::app::App;
use towbar::cli::demo::bank::SampleBank;
use towbar::cli::demo::bank::certificates::Authority;
use towbar::cli::demo::generated::DESCRIPTORS;
use towbar::cli::demo::generated::io::token::proto::bankapi::{
    HealthCheckRequest, HealthCheckResponse,
    health_check_service_server::{HealthCheckService, HealthCheckServiceServer},
};
use towbar::config::{self, Overrides};
use towbar::format::problem::Problem;
use towbar::schema::Schema;
use towbar::server::{Listener, Phase, Plain, Stop};
use towbar::tls;
use towbar::upstream::Upstream;

use http::Answer;

/// The bank deployment, as it is delivered.
pub const CONFIG: &str = include_str!("../../config/towbar.yaml");

/// The only address in [`CONFIG`] that a test has to change.
const BACKEND_URL: &str = "https://bank.example.com:1234";

/// A gateway in front of a backend, over mutual TLS.
pub struct Stage {
    pub gateway: Gateway,
    pub backend: Backend,
}

impl Stage {
    /// The sample bank behind the bank deployment.
    pub fn sample() -> Self {
        Self::of(SampleBank::new().routes().into_axum_router())
    }

    /// A backend of the test's own behind the bank deployment.
    pub fn of(service: Router) -> Self {
        Self::altered(service, |config| config)
    }

    /// The same with a change to the text of the configuration.
    pub fn altered(service: Router, alter: impl FnOnce(String) -> String) -> Self {
        let authority = Authority::new("the stage").unwrap();
        let backend = Backend::start(service, Some(server_tls(&authority, &authority)));
        let config = alter(config_for(&format!("https://{}", backend.address)));
        let gateway = Gateway::start(&config, Some(client_tls(Some(&authority), &authority)));
        Self { gateway, backend }
    }

    pub fn address(&self) -> SocketAddr {
        self.gateway.address
    }

    pub fn get(&self, target: &str) -> Answer {
        http::get(self.address(), target)
    }

    pub fn send_json(&self, method: &str, target: &str, body: &str) -> Answer {
        http::send_json(self.address(), method, target, body)
    }

    pub fn send(&self, method: &str, target: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Answer {
        http::send(self.address(), method, target, headers, body)
    }
}

/// The text of the bank deployment for the backend at `url`.
pub fn config_for(url: &str) -> String {
    replaced(CONFIG.to_owned(), BACKEND_URL, url)
}

/// `text` with its one `from` made `to`.
pub fn replaced(text: String, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), 1, "{from}");
    text.replace(from, to)
}

/// A server in a runtime of its own; when it is dropped, its connections and handlers are gone with it.
pub struct Backend {
    pub address: SocketAddr,
    _runtime: Runtime,
}

impl Backend {
    pub fn start(service: Router, tls: Option<Arc<ServerConfig>>) -> Self {
        Self::start_at("127.0.0.1:0", service, tls)
    }

    pub fn start_at(address: &str, service: Router, tls: Option<Arc<ServerConfig>>) -> Self {
        let runtime = runtime();
        let listener = runtime.block_on(Listener::bind(address, tls, Plain::Http2)).unwrap();
        let address = listener.address().unwrap();
        runtime.spawn(listener.serve(service, std::future::pending()));
        Self { address, _runtime: runtime }
    }
}

/// The gateway on a free port, in a runtime of its own.
pub struct Gateway {
    pub address: SocketAddr,
    stop: Stop,
    stopped: Option<oneshot::Receiver<()>>,
    runtime: Runtime,
}

impl Gateway {
    /// A gateway of this configuration, but for where it listens and the files of its TLS.
    pub fn start(config: &str, tls: Option<Arc<ClientConfig>>) -> Self {
        let overrides = Overrides { listen: Some("127.0.0.1:0".to_owned()), ..Overrides::default() };
        Self::with(config, &overrides, Schema::decode("the bank API", DESCRIPTORS), tls)
    }

    /// The same with other descriptors; where it listens, unless `overrides` say so, the configuration says.
    pub fn with(
        config: &str,
        overrides: &Overrides,
        schema: Result<Schema, Vec<Problem>>,
        tls: Option<Arc<ClientConfig>>,
    ) -> Self {
        let (mut config, problems) = config::load_text(config, Path::new("config/towbar.yaml"), overrides);
        assert_eq!(texts(&problems), Vec::<String>::new());
        let upstream = config.upstream.take().unwrap();
        let stop = Stop::default();
        let (done, stopped) = oneshot::channel();
        let runtime = runtime();
        let bound = runtime.block_on(async {
            let upstream = right(Upstream::with_tls(&upstream, tls));
            let app = right(App::with_parts(config, Some(schema), Some(upstream), Vec::new()));
            right(app.bind().await.map_err(|problem| vec![problem]))
        });
        let address = bound.address;
        let stopping = stop.clone();
        runtime.spawn(async move {
            right(bound.serve(&stopping).await.map_err(|problem| vec![problem]));
            let _ = done.send(());
        });
        Self { address, stop, stopped: Some(stopped), runtime }
    }

    /// Tells it to stop, as SIGINT does: without a notice.
    pub fn stop(&mut self) {
        self.stop.raise(Phase::Draining);
    }

    /// Whether it has.
    pub fn has_stopped(&mut self) -> bool {
        self.stopped.as_mut().unwrap().try_recv().is_ok()
    }

    /// Waits until it has stopped.
    pub fn join(mut self) {
        self.stop();
        self.runtime.block_on(self.stopped.take().unwrap()).unwrap();
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

fn right<T>(result: Result<T, Vec<Problem>>) -> T {
    result.unwrap_or_else(|problems| panic!("{:?}", texts(&problems)))
}

fn texts(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(Problem::to_string).collect()
}

/// A bank that shows a certificate of `own` for `bank.test` and 127.0.0.1, and asks for one that `clients` issued.
pub fn server_tls(own: &Authority, clients: &Authority) -> Arc<ServerConfig> {
    let identity = own.issue("bank.test").unwrap().identity();
    tls::server(identity, Some(&clients.trust().unwrap()), &[b"h2"]).unwrap()
}

/// A gateway that shows a certificate of `own`, if it has one, and trusts the servers of `servers`.
pub fn client_tls(own: Option<&Authority>, servers: &Authority) -> Arc<ClientConfig> {
    let identity = own.map(|own| own.issue("gateway.test").unwrap().identity());
    tls::client(identity, &tls::Servers::Trusted(servers.trust().unwrap()), &[b"h2"]).unwrap()
}

/// A backend with one rpc, `GET /health-check?bank_id=`, that does what the test says.
pub fn health<F, R>(answer: F) -> Router
where
    F: Fn(Request<HealthCheckRequest>) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Response<HealthCheckResponse>, Status>> + Send + 'static,
{
    tonic::service::Routes::new(HealthCheckServiceServer::new(Health(answer))).into_axum_router()
}

struct Health<F>(F);

#[tonic::async_trait]
impl<F, R> HealthCheckService for Health<F>
where
    F: Fn(Request<HealthCheckRequest>) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Response<HealthCheckResponse>, Status>> + Send + 'static,
{
    async fn health_check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        (self.0)(request).await
    }
}

/// An answer of a backend that begins and does not end: it stalls or it breaks off.
pub fn unfinished(bytes: &'static [u8], breaks: bool) -> axum::response::Response {
    let body = axum::body::Body::new(Unfinished { bytes: Some(Bytes::from_static(bytes)), breaks });
    axum::response::IntoResponse::into_response(([("content-type", "application/grpc")], body))
}

struct Unfinished {
    bytes: Option<Bytes>,
    breaks: bool,
}

impl Body for Unfinished {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.bytes.take() {
            Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            None if self.breaks => Poll::Ready(Some(Err(io::Error::other("broken off")))),
            None => Poll::Pending,
        }
    }
}

/// What every answer is, whatever it says: complete JSON with its length, not to be kept, the gRPC status beside it.
pub fn assert_complete(answer: &Answer, code: i64, input: &str) {
    assert_eq!(answer.header("content-type"), Some("application/json"), "{input}");
    assert_eq!(answer.header("content-length"), Some(answer.body.len().to_string().as_str()), "{input}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{input}");
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{input}");
    assert_eq!(answer.header("transfer-encoding"), None, "{input}");
    assert_eq!(answer.header("trailer"), None, "{input}");
    assert_eq!(answer.header("token-grpc-status"), Some(code.to_string().as_str()), "{input}");
    assert!(answer.json().is_object(), "{input}: {}", answer.body);
}

/// A reply with exactly this body.
pub fn assert_reply(answer: &Answer, body: &str, input: &str) {
    assert_eq!((answer.status, answer.body.as_str()), (200, body), "{input}");
    assert_complete(answer, 0, input);
    assert_eq!(answer.header("token-grpc-message"), None, "{input}");
}

/// A refusal with exactly this body, but for the reason of Towbar's own errors.
pub fn assert_refused(answer: &Answer, status: u16, body: &str, input: &str) {
    let (without_reason, _) = answer.body_and_reason();
    assert_eq!((answer.status, without_reason.as_str()), (status, body), "{input}");
    let (code, message) = answer.refusal();
    assert_complete(answer, code, input);
    // Every message of the gateway's own is printable ASCII without `%`, but for what it quotes.
    let header = answer.header("token-grpc-message").unwrap_or_default();
    let decoded = percent_encoding::percent_decode_str(header).decode_utf8().unwrap();
    assert_eq!(decoded, message, "{input}");
    assert!(header.bytes().all(|byte| (0x20..=0x7e).contains(&byte)), "{input}: {header}");
}

/// A refusal that names one field.
pub fn assert_field_refused(answer: &Answer, message: &str, field: &str, description: &str) {
    let violation = serde_json::json!({ "field": field, "description": description });
    let detail = serde_json::json!({
        "@type": "type.googleapis.com/google.rpc.BadRequest",
        "fieldViolations": [violation],
    });
    let body = serde_json::json!({ "code": 3, "message": message, "details": [detail] });
    assert_refused(answer, 400, &body.to_string(), message);
}
