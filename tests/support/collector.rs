//! A collector of traces: a server of tonic that takes spans by OTLP.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "a test may panic, and uses a part of its support")]

use std::future::{Ready, ready};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::routing::post;
use rustls::ServerConfig;
use tonic::server::{Grpc, UnaryService};
use tonic::{Response, Status};
use tonic_prost::ProstCodec;
use towbar::observe::traces::otlp::{Attribute, EXPORT, ExportRequest, ExportResponse, Resource, Span, Value};

use super::Backend;

/// Longest wait for spans.
const PATIENCE: Duration = Duration::from_secs(20);

/// What it answers to a request, of which it had so many before.
type Answer = fn(usize) -> Result<ExportResponse, Status>;

pub struct Collector {
    backend: Backend,
    taken: Arc<Mutex<Taken>>,
}

/// The requests that it has had.
#[derive(Default)]
struct Taken {
    count: usize,
    accepted: Vec<ExportRequest>,
}

#[derive(Clone)]
struct Take(Arc<Mutex<Taken>>, Answer);

impl UnaryService<ExportRequest> for Take {
    type Response = ExportResponse;
    type Future = Ready<Result<Response<ExportResponse>, Status>>;

    fn call(&mut self, request: tonic::Request<ExportRequest>) -> Self::Future {
        let mut taken = self.0.lock().unwrap();
        let answer = self.1(taken.count);
        taken.count += 1;
        if answer.is_ok() {
            taken.accepted.push(request.into_inner());
        }
        ready(answer.map(Response::new))
    }
}

impl Collector {
    /// One that takes everything.
    pub fn start() -> Self {
        Self::with(None, |_| Ok(ExportResponse::default()))
    }

    pub fn with(tls: Option<Arc<ServerConfig>>, answer: Answer) -> Self {
        let taken = Arc::<Mutex<Taken>>::default();
        let take = Take(taken.clone(), answer);
        let export = move |request: Request| async move {
            let codec = ProstCodec::<ExportResponse, ExportRequest>::default();
            Grpc::new(codec).unary(take, request).await.map(Body::new)
        };
        Self { backend: Backend::start(Router::new().route(EXPORT, post(export)), tls), taken }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.backend.address)
    }

    /// How many requests it has had.
    pub fn requests(&self) -> usize {
        self.taken.lock().unwrap().count
    }

    /// Everything that it has accepted.
    pub fn accepted(&self) -> Vec<Span> {
        let taken = self.taken.lock().unwrap();
        let spans = taken.accepted.iter().flat_map(|request| &request.resource_spans);
        spans.flat_map(|spans| &spans.scope_spans).flat_map(|spans| spans.spans.clone()).collect()
    }

    /// Its spans, once there are so many.
    pub fn spans(&self, count: usize) -> Vec<Span> {
        let end = Instant::now() + PATIENCE;
        loop {
            let spans = self.accepted();
            if spans.len() >= count {
                assert_eq!(spans.len(), count, "{:?}", names(&spans));
                return spans;
            }
            assert!(Instant::now() < end, "{:?}", names(&spans));
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// What is said about the service whose spans came first.
    pub fn resource(&self) -> Resource {
        self.taken.lock().unwrap().accepted[0].resource_spans[0].resource.clone().unwrap()
    }
}

pub fn names(spans: &[Span]) -> Vec<&str> {
    spans.iter().map(|span| span.name.as_str()).collect()
}

/// The one span of this name.
pub fn named<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let mut found = spans.iter().filter(|span| span.name == name);
    let span = found.next().unwrap_or_else(|| panic!("{name}: {:?}", names(spans)));
    assert!(found.next().is_none(), "{name}: {:?}", names(spans));
    span
}

/// Attributes as `key=value`, sorted.
pub fn texts(attributes: &[Attribute]) -> Vec<String> {
    let mut texts: Vec<String> = attributes
        .iter()
        .map(|Attribute { key, value }| match value.as_ref().unwrap().value.as_ref().unwrap() {
            Value::Text(text) => format!("{key}={text}"),
            Value::Number(number) => format!("{key}={number}"),
        })
        .collect();
    texts.sort();
    texts
}

/// The digits of an id.
pub fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}
