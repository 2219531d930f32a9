//! Traces: the spans of requests, as a collector of OTLP gets them from a running gateway.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tonic::Status;
use towbar::cli::demo::bank::certificates::Authority;
use towbar::observe::traces::otlp::{CLIENT, ERROR, ExportResponse, PartialSuccess, SERVER, Span};

use crate::support::collector::{Collector, hex, named, texts};
use crate::support::folder::{Folder, NOBODY};
use crate::support::process::Gateway;
use crate::support::talk::{PROTO, backend, note};
use crate::support::{Backend, http, server_tls};

const SERVE: [&str; 3] = ["serve", "--config", "towbar.yaml"];
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const UNSAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
const PATIENCE: Duration = Duration::from_secs(20);

/// The trace context of each call that a backend had: `traceparent` and `tracestate`.
type Contexts = Arc<Mutex<Vec<(String, String)>>>;

/// A backend that answers, or refuses the topic `refused`.
fn talk() -> (Backend, Contexts) {
    let contexts = Contexts::default();
    let seen = contexts.clone();
    let backend = backend(move |rpc, mut requests, replies| {
        let header = |name: &str| requests.headers.get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
        seen.lock().unwrap().push((header("traceparent"), header("tracestate")));
        async move {
            let first = requests.next().await.unwrap_or_default();
            if first.ends_with(b"refused") {
                return replies.end("13", "secret").await;
            }
            for number in 0..if rpc == "Watch" { 3 } else { 1 } {
                replies.send(&note("got", number)).await;
            }
            replies.end("0", "").await;
        }
    });
    (backend, contexts)
}

/// A gateway in front of `upstream` with this `traces` section.
fn start(upstream: &str, traces: &str) -> (Folder, Gateway) {
    let folder = Folder::new();
    folder.write("talk.proto", PROTO).write("towbar.yaml", config(upstream, traces));
    let gateway = folder.start(&SERVE);
    (folder, gateway)
}

fn config(upstream: &str, traces: &str) -> String {
    format!(
        "listen: 127.0.0.1:0\nschema: talk.proto\nupstream: {upstream}\nreload: {{interval: 50ms}}\n\
         log: {{access: access.log}}\n{traces}\n"
    )
}

fn url(backend: &Backend) -> String {
    format!("http://{}", backend.address)
}

fn ask(to: SocketAddr, parent: &str) -> u16 {
    let headers = [("traceparent", parent), ("tracestate", "vendor=1"), ("Content-Type", "application/json")];
    http::send(to, "POST", "/ask", &headers[usize::from(parent.is_empty()) * 2..], Some(b"{}")).status
}

/// The attributes of a span without those that differ from run to run.
fn stable(span: &Span) -> Vec<String> {
    let differs = ["http.response.body.size", "server.port", "network.peer.port"];
    let texts = texts(&span.attributes).into_iter();
    texts.filter(|text| !differs.iter().any(|key| text.starts_with(key))).collect()
}

fn is_error(span: &Span) -> bool {
    span.status.as_ref().is_some_and(|status| status.code == ERROR)
}

#[test]
fn a_traced_request_has_two_spans_that_continue_the_callers_trace_to_the_backend() {
    let (backend, contexts) = talk();
    let collector = Collector::start();
    let traces = format!(
        "traces: {{collector: '{}', interval: 20ms, service: api, attributes: {{deployment.environment.name: test}}}}",
        collector.url()
    );
    let (_folder, gateway) = start(&url(&backend), &traces);
    assert_eq!(ask(gateway.address, SAMPLED), 200);
    let spans = collector.spans(2);
    let (request, call) = (named(&spans, "POST /ask"), named(&spans, "talk.Talk/Ask"));
    assert_eq!((request.kind, call.kind), (SERVER, CLIENT));
    assert_eq!((hex(&request.trace_id).as_str(), hex(&call.trace_id).as_str()), (TRACE, TRACE));
    assert_eq!(hex(&request.parent_span_id), "00f067aa0ba902b7");
    assert_eq!(call.parent_span_id, request.span_id);
    let lead = format!("00-{TRACE}-{}-01", hex(&call.span_id));
    assert_eq!(*contexts.lock().unwrap(), [(lead, "vendor=1".to_owned())]);
    assert_eq!((request.flags, call.flags), (0x301, 0x101), "sampled; the first has a parent elsewhere");
    assert!(!is_error(request) && !is_error(call));
    let times = [request.start_time_unix_nano, call.start_time_unix_nano, call.end_time_unix_nano];
    assert!(times.is_sorted() && request.end_time_unix_nano >= times[2], "{spans:?}");
    let age = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() - u128::from(times[0]);
    assert!(age < PATIENCE.as_nanos(), "{age} ns ago");
    assert_eq!(
        stable(request),
        [
            "http.request.body.size=2",
            "http.request.method=POST",
            "http.response.status_code=200",
            "http.route=/ask",
            "network.protocol.version=1.1",
            "towbar.end=whole",
            "towbar.fate=answered",
            "url.scheme=http",
        ]
    );
    assert_eq!(
        stable(call),
        [
            "network.peer.address=127.0.0.1",
            "rpc.grpc.status_code=0",
            "rpc.method=Ask",
            "rpc.service=talk.Talk",
            "rpc.system=grpc",
            "server.address=127.0.0.1",
            "towbar.attempts=1",
            "towbar.upstream=default",
        ]
    );
    let version = concat!("service.version=", env!("CARGO_PKG_VERSION"));
    let resource = texts(&collector.resource().attributes);
    assert_eq!(resource, ["deployment.environment.name=test", "service.name=api", version]);
}

#[test]
fn the_caller_decides_whether_its_trace_is_recorded_and_the_sample_decides_about_new_ones() {
    let (backend, contexts) = talk();
    for (sample, parent, is_recorded) in [
        ("100%", "", true),
        ("100%", UNSAMPLED, false),
        ("100%", "malformed", true),
        ("0%", "", false),
        ("0%", SAMPLED, true),
        ("0%", "malformed", false),
    ] {
        let collector = Collector::start();
        let traces = format!("traces: {{collector: '{}', interval: 1h, sample: {sample}}}", collector.url());
        let (_folder, gateway) = start(&url(&backend), &traces);
        let case = format!("{sample} {parent}");
        assert_eq!(ask(gateway.address, parent), 200, "{case}");
        let (lead, state) = contexts.lock().unwrap().pop().unwrap();
        // What waits is sent when Towbar stops.
        assert_eq!(gateway.stop().code, Some(0), "{case}");
        let spans = collector.accepted();
        assert_eq!(spans.len(), if is_recorded { 2 } else { 0 }, "{case}");
        let continues = parent.starts_with("00-");
        assert_eq!(lead.contains(TRACE), continues, "{case}: {lead}");
        assert_eq!(state, if continues { "vendor=1" } else { "" }, "{case}");
        assert_eq!((lead.len(), lead.ends_with("-01")), (55, is_recorded), "{case}: {lead}");
        assert!(is_recorded || !continues || lead == parent, "{case}: {lead}");
        for span in &spans {
            assert!(lead.contains(&hex(&span.trace_id)), "{case}: {lead}");
        }
        let request = spans.iter().find(|span| span.kind == SERVER);
        assert_eq!(request.is_some_and(|span| span.parent_span_id.is_empty()), is_recorded && !continues, "{case}");
    }
}

#[test]
fn streams_refused_and_failed_requests_have_spans_without_anything_that_the_caller_chose() {
    let (backend, _) = talk();
    let collector = Collector::start();
    let traces = format!("traces: {{collector: '{}', interval: 20ms, sample: 100%}}", collector.url());
    let (folder, gateway) = start(&url(&backend), &traces);
    let json = [("Content-Type", "application/json"), ("Authorization", "Bearer CANARY")];
    let mut stream = http::connect(gateway.address);
    http::write(&mut stream, "GET", "/notes/CANARY", &[("Connection", "close")], None);
    let mut notes = String::new();
    stream.read_to_string(&mut notes).unwrap();
    assert!(notes.starts_with("HTTP/1.1 200 OK") && notes.contains("got"), "{notes}");
    assert_eq!(http::send(gateway.address, "POST", "/ask", &json, Some(b"{\"topic\": \"refused\"}")).status, 500);
    assert_eq!(http::get(gateway.address, "/nowhere/CANARY?CANARY=1").status, 404);
    assert_eq!(http::send(gateway.address, "BREW", "/ask", &json, None).status, 405);
    let mut malformed = http::connect(gateway.address);
    malformed.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").unwrap();
    assert_eq!(http::read(&mut malformed).status, 400);
    assert_eq!(http::send(gateway.address, "POST", "/texts", &json, Some(b"{\"CANARY\": 1}")).status, 400);

    let spans = collector.spans(8);
    let of = |name: &str| stable(named(&spans, name));
    let has = |name: &str, texts: &[&str]| {
        let all = of(name);
        texts.iter().for_each(|text| assert!(all.iter().any(|one| one == text), "{name}: {text}: {all:?}"));
    };
    has("GET /notes/{topic}", &["http.route=/notes/{topic}", "http.response.status_code=200"]);
    has("talk.Talk/Watch", &["towbar.messages=3", "rpc.grpc.status_code=0"]);
    has("POST /ask", &["error.type=BACKEND_STATUS", "towbar.refused_by=backend", "http.response.status_code=500"]);
    has("talk.Talk/Ask", &["error.type=BACKEND_STATUS", "rpc.grpc.status_code=13"]);
    has("GET", &["http.response.status_code=404", "towbar.refused_by=gateway", "towbar.fate=not_sent"]);
    has("POST /texts", &["http.response.status_code=400", "towbar.fate=not_sent"]);
    let bare: Vec<&Span> = spans.iter().filter(|span| span.name == "HTTP").collect();
    let methods: Vec<bool> =
        bare.iter().map(|span| stable(span).contains(&"http.request.method=_OTHER".to_owned())).collect();
    assert_eq!(methods, [true, false], "a method that nobody registered, and a malformed head");
    let errors: Vec<&str> = spans.iter().filter(|span| is_error(span)).map(|span| span.name.as_str()).collect();
    assert_eq!(errors, ["POST /ask", "talk.Talk/Ask"]);
    let told: Vec<String> =
        spans.iter().flat_map(|span| [vec![span.name.clone()], texts(&span.attributes)].concat()).collect();
    assert!(!told.iter().any(|text| text.contains("CANARY") || text.contains("secret")), "{told:#?}");
    // A refused request is found in the access log by its trace.
    let log = std::fs::read_to_string(folder.path("access.log")).unwrap();
    let id = hex(&named(&spans, "GET").trace_id);
    assert!(log.lines().any(|line| line.contains("\"status\":404") && line.contains(&id)), "{id}: {log}");
}

#[test]
fn an_unreachable_backend_is_an_error_of_both_spans() {
    let collector = Collector::start();
    let traces = format!("traces: {{collector: '{}', interval: 20ms, sample: 100%}}", collector.url());
    let (_folder, gateway) = start(NOBODY, &traces);
    assert_eq!(ask(gateway.address, ""), 503);
    let spans = collector.spans(2);
    for (name, code) in [("POST /ask", "http.response.status_code=503"), ("talk.Talk/Ask", "rpc.grpc.status_code=14")] {
        let (span, texts) = (named(&spans, name), stable(named(&spans, name)));
        assert!(is_error(span) && texts.iter().any(|text| text == code), "{name}: {texts:?}");
    }
}

/// A metric's value.
fn count(admin: SocketAddr, result: &str) -> u64 {
    let start = format!("towbar_trace_spans_total{{result=\"{result}\"}} ");
    let text = http::get(admin, "/metrics").body;
    let value = text.lines().find_map(|line| line.strip_prefix(&start)).unwrap_or_else(|| panic!("{text}"));
    value.parse().unwrap()
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn with_admin(upstream: &str, traces: &str) -> (Folder, Gateway, SocketAddr) {
    let (folder, mut gateway) = start(upstream, &format!("admin: 127.0.0.1:0\n{traces}"));
    let admin = gateway.process.read_until("metrics on http://");
    let admin = admin.strip_suffix("/metrics").unwrap().parse().unwrap();
    (folder, gateway, admin)
}

#[test]
fn spans_that_a_silent_collector_does_not_take_are_dropped_and_counted_and_no_request_waits() {
    // Connections to it are opened by the system, and nobody answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let traces = format!(
        "traces: {{collector: 'http://{}', interval: 10ms, sample: 100%, queue: 8, batch: 4}}",
        silent.local_addr().unwrap()
    );
    let (_folder, gateway, admin) = with_admin(NOBODY, &traces);
    let begun = Instant::now();
    for _ in 0..100 {
        assert_eq!(http::get(gateway.address, "/nowhere").status, 404);
    }
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    // A batch of 4 or fewer is on its way, and 8 wait.
    wait_until("dropped", || count(admin, "dropped") >= 88);
    assert_eq!(count(admin, "exported"), 0);
    // The end does not wait for the collector for long.
    let begun = Instant::now();
    let ended = gateway.stop();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert!(ended.stderr.contains("the last traces could not be sent to the collector in time"), "{}", ended.stderr);
}

#[test]
fn a_batch_is_sent_again_when_the_collector_is_unavailable_and_spans_that_it_rejects_are_counted() {
    let collector = Collector::with(None, |before| match before {
        0 => Err(Status::unavailable("CANARY")),
        1 => Ok(ExportResponse { partial_success: Some(PartialSuccess { rejected_spans: 1 }) }),
        2 => Err(Status::invalid_argument("CANARY")),
        _ => Ok(ExportResponse::default()),
    });
    let traces = format!("traces: {{collector: '{}', interval: 10ms, sample: 100%}}", collector.url());
    let (_folder, gateway, admin) = with_admin(NOBODY, &traces);
    assert_eq!(ask(gateway.address, ""), 503);
    collector.spans(2);
    wait_until("one of two", || (count(admin, "exported"), count(admin, "dropped")) == (1, 1));
    assert_eq!(ask(gateway.address, ""), 503);
    wait_until("not sent again", || (count(admin, "exported"), count(admin, "dropped")) == (1, 3));
    assert_eq!(ask(gateway.address, ""), 503);
    wait_until("sent", || (count(admin, "exported"), count(admin, "dropped")) == (3, 3));
    assert_eq!(collector.requests(), 4);
    let stderr = gateway.stop().stderr;
    assert!(stderr.contains("cannot send traces to the collector: the backend answered Unavailable"), "{stderr}");
    assert!(stderr.contains("traces can be sent to the collector again"), "{stderr}");
    assert!(!stderr.contains("CANARY"), "{stderr}");
}

#[test]
fn a_reload_begins_and_ends_traces() {
    let collector = Collector::start();
    let (folder, gateway, admin) = with_admin(NOBODY, "");
    let reloads = |number: usize| {
        let line = format!("towbar_reloads_total{{result=\"done\"}} {number}");
        wait_until(&line, || http::get(admin, "/metrics").body.lines().any(|shown| shown == line));
        // The workers take it over one after the other.
        std::thread::sleep(Duration::from_millis(300));
    };
    http::get(gateway.address, "/before");
    let traces = format!("traces: {{collector: '{}', interval: 20ms, sample: 100%}}", collector.url());
    folder.write("towbar.yaml", config(NOBODY, &format!("admin: 127.0.0.1:0\n{traces}")));
    reloads(1);
    http::get(gateway.address, "/nowhere");
    collector.spans(1);
    folder.write("towbar.yaml", config(NOBODY, "admin: 127.0.0.1:0"));
    reloads(2);
    http::get(gateway.address, "/after");
    gateway.stop();
    collector.spans(1);
}

#[test]
fn a_collector_is_reached_over_mutual_tls() {
    let authority = Authority::new("the operator's").unwrap();
    let collector = Collector::with(Some(server_tls(&authority, &authority)), |_| Ok(ExportResponse::default()));
    let folder = Folder::new();
    folder.write("ca.pem", authority.pem());
    folder.write_identity("own.pem", "own.key", &authority.issue("gateway.test").unwrap());
    let address = collector.url().replace("http://", "https://");
    let traces = format!(
        "traces:\n  collector:\n    address: {address}\n    tls: {{ca: ca.pem, cert: own.pem, key: own.key, server_name: bank.test}}\n  \
         sample: 100%\n  interval: 20ms\n"
    );
    folder.write("talk.proto", PROTO).write("towbar.yaml", config(NOBODY, &traces));
    let gateway = folder.start(&SERVE);
    http::get(gateway.address, "/nowhere");
    collector.spans(1);
    drop(gateway);
    // Its files are checked before anything starts.
    std::fs::remove_file(folder.path("own.key")).unwrap();
    let problems = folder.refusal(&SERVE);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].starts_with("own.key: "), "{problems:?}");
}

#[test]
fn every_problem_in_the_traces_section_is_reported() {
    let folder = Folder::new();
    let traces = "traces:\n  collector: {address: 'ftp://a', more: 1}\n  sample: half\n  service: ''\n  \
                  attributes: {service.name: x, team: [a]}\n  queue: 0\n  batch: 4096\n  interval: soon";
    folder.write("talk.proto", PROTO).write("towbar.yaml", config(NOBODY, traces));
    assert_eq!(
        folder.refusal(&SERVE),
        [
            "towbar.yaml:7:24: address: `ftp://a`: expected http://HOST:PORT or https://HOST:PORT",
            "towbar.yaml:7:35: unknown key `more`; known here: `address`, `tls`, `proxy`",
            "towbar.yaml:8:11: sample: expected a percentage from 0% to 100%, such as `10%` or `0.05%`, found `half`",
            "towbar.yaml:9:12: service: expected a name, found empty text",
            "towbar.yaml:10:30: service.name: set `traces.service` instead",
            "towbar.yaml:10:33: team: expected a value, found a list",
            "towbar.yaml:11:10: queue: expected a number from 1 to 65536, found `0`",
            "towbar.yaml:12:10: batch: expected a number from 1 to 2048, found `4096`",
            "towbar.yaml:13:13: interval: expected a duration with a unit, such as `500ms`, `25s` or `1m`, found `soon`",
        ]
    );
    folder.write("towbar.yaml", config(NOBODY, "traces: {sample: 1%, queue: 10, batch: 20}"));
    assert_eq!(
        folder.refusal(&SERVE),
        [
            "towbar.yaml:6:1: traces: `collector` is missing: the address that spans are sent to",
            "towbar.yaml:6:40: batch: expected at most the 10 spans of `queue`, got 20",
        ]
    );
}
