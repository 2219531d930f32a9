//! Sends spans to the collector of traces: OTLP over gRPC.
//!
//! One task for the whole process takes batches from the queue and sends them, each up to [`ATTEMPTS`] times. A reload
//! replaces the collector, not the task. While the collector does not answer, the queue fills, and then spans are
//! dropped and counted. No request ever waits.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::uri::PathAndQuery;
use prost::Message as _;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tonic::Code;

use super::key_refresh::shown;
use crate::config::Traces;
use crate::format::problem::Problem;
use crate::limits::memory::Share;
use crate::observe::traces::otlp::{
    Attribute, EXPORT, ExportRequest, ExportResponse, Resource, ResourceSpans, Scope, ScopeSpans, Span,
};
use crate::observe::traces::{self, Server, SpanQueue, Tracer};
use crate::upstream::{CallError, Outbound, Terms, Trail, Upstream};

/// How often a batch is sent at most.
const ATTEMPTS: u32 = 5;
/// The wait before a batch is sent again; each further wait is twice the one before.
const WAIT: Duration = Duration::from_secs(1);
/// How long the collector may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the process waits at its end for the last spans to be sent.
const LAST: Duration = Duration::from_secs(2);
/// The largest answer of the collector, in bytes.
const REPLY_LIMIT: usize = 64 << 10;

/// The way of spans to the collector. Cheap to clone: clones share one task.
#[derive(Clone)]
pub struct TraceExport(Arc<Shared>);

struct Shared {
    queue: SpanQueue,
    collector: Mutex<Option<Arc<Collector>>>,
    is_stopping: watch::Sender<bool>,
    /// Whether the task waits for a collector.
    has_changed: tokio::sync::Notify,
}

/// The running task.
pub struct Exporting {
    export: TraceExport,
    task: JoinHandle<()>,
}

/// Where spans are sent.
pub(super) struct Collector {
    upstream: Upstream,
    config: traces::Config,
}

impl Collector {
    /// Reads the files for TLS and the proxy.
    ///
    /// # Errors
    /// All problems with these files.
    pub(super) fn new(traces: &Traces) -> Result<Self, Vec<Problem>> {
        Ok(Self { upstream: Upstream::new(&traces.collector)?, config: traces.config.clone() })
    }

    /// How requests are traced whose calls go to these upstreams.
    pub(super) fn tracer(&self, export: &TraceExport, upstreams: &[Upstream]) -> Tracer {
        let server = |upstream: &Upstream| {
            let (first, is_only) = (upstream.address.first(), upstream.address.iter().count() == 1);
            is_only.then(|| Server { host: first.host.clone(), port: first.port })
        };
        let servers = upstreams.iter().map(server).collect();
        Tracer { queue: export.0.queue.clone(), sample: self.config.sample, servers }
    }

    /// Sends a batch. Returns how many of its spans the collector rejected.
    async fn send(&self, path: &PathAndQuery, request: &[u8], patience: Duration) -> Result<u64, CallError> {
        let deadline = Instant::now() + patience;
        let terms = Terms { deadline, reply_limit: REPLY_LIMIT, may_repeat: false, account: None };
        let reply = self.upstream.call(Outbound::own(path, terms), request, &mut Trail::default()).await?;
        let response = ExportResponse::decode(reply.message).unwrap_or_default();
        let rejected = response.partial_success.map_or(0, |partial| partial.rejected_spans);
        Ok(u64::try_from(rejected).unwrap_or_default())
    }

    fn request(&self, spans: Vec<Span>) -> Vec<u8> {
        let version = env!("CARGO_PKG_VERSION");
        let own = [("service.name", self.config.service.as_str()), ("service.version", version)];
        let more = self.config.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let attributes = own.into_iter().chain(more).map(|(name, value)| Attribute::text(name, value)).collect();
        let scope = Some(Scope { name: "towbar".to_owned(), version: version.to_owned() });
        let resource = Some(Resource { attributes });
        let spans = ResourceSpans { resource, scope_spans: vec![ScopeSpans { scope, spans }] };
        ExportRequest { resource_spans: vec![spans] }.encode_to_vec()
    }
}

impl TraceExport {
    /// Starts the task. It sends nothing until it has a collector.
    #[must_use]
    pub fn start() -> Exporting {
        let (is_stopping, _) = watch::channel(false);
        let (collector, has_changed) = (Mutex::default(), tokio::sync::Notify::new());
        let export = Self(Arc::new(Shared { queue: SpanQueue::default(), collector, is_stopping, has_changed }));
        let task = tokio::spawn(Exporter { export: export.clone(), trouble: String::new() }.run());
        Exporting { export, task }
    }

    /// Sends spans to this collector from now on.
    pub(super) fn send_to(&self, collector: Option<Arc<Collector>>) {
        if let Some(Collector { config, .. }) = collector.as_deref() {
            self.0.queue.set_bounds(config.queue, config.batch);
        }
        // Connections belong to the task, as those of workers belong to them.
        let own = |it: Arc<Collector>| {
            let upstream = it.upstream.for_worker(&Share::unbounded());
            Arc::new(Collector { upstream, config: it.config.clone() })
        };
        *self.collector() = collector.map(own);
        self.0.has_changed.notify_one();
    }

    fn collector(&self) -> MutexGuard<'_, Option<Arc<Collector>>> {
        self.0.collector.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_stopping(&self) -> bool {
        *self.0.is_stopping.borrow()
    }

    /// Returns when the process stops.
    async fn stopped(&self) {
        // The sender is a part of `self`, so it is not gone.
        let _ = self.0.is_stopping.subscribe().wait_for(|is_stopping| *is_stopping).await;
    }
}

impl Exporting {
    /// The way of spans to the collector.
    #[must_use]
    pub fn export(&self) -> TraceExport {
        self.export.clone()
    }

    /// The spans that wait, for their counts.
    #[must_use]
    pub fn queue(&self) -> SpanQueue {
        self.export.0.queue.clone()
    }

    /// Sends the spans that still wait, for up to 2 seconds, and ends the task.
    pub async fn finish(self) {
        self.export.0.is_stopping.send_replace(true);
        let abort = self.task.abort_handle();
        if timeout(LAST, self.task).await.is_err() {
            abort.abort();
            tracing::warn!("the last traces could not be sent to the collector in time");
        }
    }
}

struct Exporter {
    export: TraceExport,
    /// What was logged about the collector; empty if it answers.
    trouble: String,
}

impl Exporter {
    async fn run(mut self) {
        let path = PathAndQuery::from_static(EXPORT);
        loop {
            let is_last = self.export.is_stopping();
            let collector = self.export.collector().clone();
            if let Some(collector) = &collector {
                self.send_all(collector, &path).await;
            }
            if is_last {
                return;
            }
            let queue = &self.export.0.queue;
            let collected = async {
                match &collector {
                    Some(collector) => queue.collect(collector.config.interval).await,
                    None => self.export.0.has_changed.notified().await,
                }
            };
            tokio::select! {
                () = collected => {}
                () = self.export.stopped() => {}
            }
        }
    }

    async fn send_all(&mut self, collector: &Collector, path: &PathAndQuery) {
        loop {
            let batch = self.export.0.queue.take();
            if batch.is_empty() {
                return;
            }
            let count = batch.len() as u64;
            let request = collector.request(batch);
            let rejected = self.send(collector, path, &request).await.unwrap_or(count).min(count);
            self.export.0.queue.count_exported(count - rejected);
            self.export.0.queue.count_dropped(rejected);
        }
    }

    /// Sends a batch, several times if need be. `None` if the collector did not take it.
    async fn send(&mut self, collector: &Collector, path: &PathAndQuery, request: &[u8]) -> Option<u64> {
        let mut wait = WAIT;
        for attempt in 1.. {
            let error = match collector.send(path, request, PATIENCE).await {
                Ok(rejected) => {
                    self.tell(String::new());
                    return Some(rejected);
                }
                Err(error) => error,
            };
            self.tell(shown(&error.to_string()));
            if attempt == ATTEMPTS || !is_passing(&error) || self.export.is_stopping() {
                break;
            }
            tokio::select! {
                () = sleep(wait) => {}
                () = self.export.stopped() => {}
            }
            wait *= 2;
        }
        None
    }

    /// Logs when the collector stops taking spans, once for each reason, and when it takes them again.
    fn tell(&mut self, trouble: String) {
        if self.trouble == trouble {
            return;
        }
        if trouble.is_empty() {
            tracing::info!("traces can be sent to the collector again");
        } else {
            tracing::warn!("cannot send traces to the collector: {trouble}");
        }
        self.trouble = trouble;
    }
}

/// OTLP, "Failures": whether the same batch may be accepted later.
fn is_passing(error: &CallError) -> bool {
    match error {
        CallError::Status { status, .. } => matches!(
            status.code(),
            Code::Cancelled
                | Code::DeadlineExceeded
                | Code::Aborted
                | Code::OutOfRange
                | Code::Unavailable
                | Code::DataLoss
        ),
        CallError::Protocol { .. } | CallError::TooLarge { .. } => false,
        _ => true,
    }
}
