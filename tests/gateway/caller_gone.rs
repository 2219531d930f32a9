//! What becomes of a call whose caller goes away before the answer: it is cancelled at the bank, or, where the configuration
//! says so, ends as if somebody waited, and the log tells how.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use towbar::app::App;
use towbar::cli::demo::bank::certificates::Authority;
use towbar::config::{self, Overrides};
use towbar::tls;
use towbar::upstream::Upstream;

use crate::support::folder;
use crate::support::folder::Folder;
use crate::support::process;
use crate::support::raw::{Count, Does, INTERNAL_ERROR, RawBank, Reply, frame_of};
use crate::support::{http, talk};

/// Longest wait for what must happen; shorter than any deadline here.
const PATIENCE: Duration = Duration::from_secs(20);

const FINISH: &str = "requests: {caller_gone: finish}\n";
const TRANSFER: &str = "io.token.proto.bankapi.TransferService.Transfer";
const ONCE: Count = Count { seen: 1, acted: 1 };

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speaks {
    Http1,
    Http1OverTls,
    Http2,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goes {
    Fin,
    Rst,
    /// FIN, and reads on.
    HalfClose,
    /// RST_STREAM, and the connection stays.
    Stream,
}

const PLAIN: &[(Speaks, Goes)] =
    &[(Speaks::Http1, Goes::Fin), (Speaks::Http1, Goes::Rst), (Speaks::Http1, Goes::HalfClose)];
const SECURE: &[(Speaks, Goes)] = &[
    (Speaks::Http1OverTls, Goes::Fin),
    (Speaks::Http1OverTls, Goes::Rst),
    (Speaks::Http1OverTls, Goes::HalfClose),
    (Speaks::Http2, Goes::Fin),
    (Speaks::Http2, Goes::Rst),
    (Speaks::Http2, Goes::Stream),
];

/// The `towbar` command in front of a bank, and a place for its callers.
struct Stage {
    gateway: process::Gateway,
    authority: Authority,
    runtime: Runtime,
    _folder: Folder,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// Who waits for an answer.
enum Caller {
    Http1(Box<dyn Stream>),
    Http2 { stream: h2::SendStream<Bytes>, connection: JoinHandle<Result<(), h2::Error>> },
}

impl Stage {
    fn start(bank: &RawBank, is_secure: bool, limit: &str, more: &str) -> Self {
        let authority = folder::authority("callers");
        let folder = Folder::new();
        let own = authority.issue("gateway.test").unwrap();
        let tls = if is_secure { ", tls: {cert: cert.pem, key: key.pem}" } else { "" };
        let upstream = format!(
            "upstream:\n  address: http://{}\n  deadline: 1m\n  reply_limit: 1KiB\n  limit: {{{limit}}}\n",
            bank.address
        );
        let config = format!("listen: {{address: '127.0.0.1:0'{tls}}}\nschema: proto\n{upstream}{more}");
        folder.write_identity("cert.pem", "key.pem", &own).copy("proto", "proto").write("towbar.yaml", config);
        let gateway = folder.start(&["serve", "--config", "towbar.yaml"]);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Self { gateway, authority, runtime, _folder: folder }
    }

    fn address(&self) -> SocketAddr {
        self.gateway.address
    }

    /// A caller whose transfer has reached the bank.
    fn call(&self, bank: &RawBank, way: (Speaks, Goes), id: &str) -> Caller {
        let caller = self.runtime.block_on(self.send(way, id));
        wait_until(id, || bank.count(id).seen == 1);
        caller
    }

    async fn send(&self, (speaks, goes): (Speaks, Goes), id: &str) -> Caller {
        let tcp = tokio::net::TcpStream::connect(self.address()).await.unwrap();
        if goes == Goes::Rst {
            tcp.set_zero_linger().unwrap();
        }
        let body = format!(r#"{{"transferId":"{id}"}}"#);
        let mut stream: Box<dyn Stream> = match speaks {
            Speaks::Http1 => Box::new(tcp),
            Speaks::Http1OverTls => Box::new(self.secure(tcp, b"http/1.1").await),
            Speaks::Http2 => {
                let (send, connection) = h2::client::handshake(self.secure(tcp, b"h2").await).await.unwrap();
                let connection = tokio::spawn(connection);
                let request = ::http::Request::post("https://gateway.test/transfers");
                let request = request.header("content-type", "application/json").body(()).unwrap();
                let (_, mut stream) = send.ready().await.unwrap().send_request(request, false).unwrap();
                stream.send_data(body.into(), true).unwrap();
                return Caller::Http2 { stream, connection };
            }
        };
        stream.write_all(request(&body, body.len()).as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        Caller::Http1(stream)
    }

    async fn secure(&self, tcp: tokio::net::TcpStream, protocol: &'static [u8]) -> impl Stream + use<> {
        let servers = tls::Servers::Trusted(self.authority.trust().unwrap());
        let config: Arc<rustls::ClientConfig> = tls::client(None, &servers, &[protocol]).unwrap();
        let name = ServerName::try_from("gateway.test").unwrap();
        tokio_rustls::TlsConnector::from(config).connect(name, tcp).await.unwrap()
    }

    /// When the caller went. One that could still read an answer gets none.
    fn leave(&self, caller: Caller, goes: Goes) -> Instant {
        self.runtime.block_on(async {
            let gone = Instant::now();
            match caller {
                Caller::Http1(mut stream) if goes == Goes::HalfClose => {
                    stream.shutdown().await.unwrap();
                    let mut answer = Vec::new();
                    // TLS tells the end by an alert first, or the connection breaks.
                    let _ = stream.read_to_end(&mut answer).await;
                    assert_eq!(String::from_utf8_lossy(&answer), "");
                }
                Caller::Http1(stream) => drop(stream),
                Caller::Http2 { mut stream, connection } if goes == Goes::Stream => {
                    stream.send_reset(h2::Reason::CANCEL);
                    // The connection goes on.
                    drop(connection);
                }
                Caller::Http2 { connection, .. } => {
                    connection.abort();
                    assert!(connection.await.unwrap_err().is_cancelled());
                }
            }
            gone
        })
    }

    /// Stops the gateway, and gives what the log tells of calls whose callers had gone: without times.
    fn told(self) -> Vec<String> {
        let ended = self.gateway.stop();
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        told(&ended.stderr)
    }
}

fn told(log: &str) -> Vec<String> {
    assert!(!log.contains("still in flight"), "{log}");
    let lines = log.lines().filter(|line| line.contains("caller disconnected") || line.contains("cancelled"));
    let without_times = |line: &str| {
        let (_, line) = line.split_once("towbar::gateway::telemetry: ").unwrap();
        line.split(' ').filter(|word| !word.starts_with("ms=")).collect::<Vec<_>>().join(" ")
    };
    lines.map(without_times).collect()
}

fn answered(code: i32) -> String {
    format!("the caller disconnected before the end of its call: answered method=POST rpc=\"{TRANSFER}\" code={code}")
}

fn failed(code: i32, error: &str) -> String {
    format!(
        "the caller disconnected before the end of its call: failed method=POST rpc=\"{TRANSFER}\" code={code} error=\"{error}\""
    )
}

fn request(body: &str, length: usize) -> String {
    let head = "POST /transfers HTTP/1.1\r\nHost: gateway.test\r\nContent-Type: application/json\r\n";
    format!("{head}Content-Length: {length}\r\n\r\n{body}")
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn pay(to: SocketAddr, id: &str) -> u16 {
    http::send_json(to, "POST", "/transfers", &format!(r#"{{"transferId":"{id}"}}"#)).status
}

#[test]
fn a_call_is_cancelled_however_its_caller_disconnects() {
    let but_this = format!("{FINISH}rpcs: {{{TRANSFER}: {{caller_gone: cancel}}}}\n");
    for more in ["", but_this.as_str()] {
        for ways in [PLAIN, SECURE] {
            let bank = RawBank::start(|_, _| Does::Hangs);
            let stage = Stage::start(&bank, ways == SECURE, "", more);
            for (index, &(speaks, goes)) in (0..5).flat_map(|_| ways).enumerate() {
                let caller = stage.call(&bank, (speaks, goes), &format!("t{index}"));
                let gone = stage.leave(caller, goes);
                wait_until("cancelled", || bank.resets().len() > index);
                println!("{speaks:?}, {goes:?}: the bank learns of it after {:?}", bank.resets()[index] - gone);
            }
            assert_eq!(stage.told(), Vec::<String>::new());
        }
    }
}

#[test]
fn resets_of_many_cancelled_calls_are_sent_to_the_backend_at_a_limited_rate() {
    let bank = RawBank::start(|id, _| if id == "other" { Does::Answers } else { Does::Hangs });
    let stage = Stage::start(&bank, false, "", "");
    let workers = std::thread::available_parallelism().unwrap().get();
    let way = (Speaks::Http1, Goes::Fin);
    let all = 30 * workers;
    let callers: Vec<Caller> = (0..all).map(|index| stage.call(&bank, way, &format!("t{index}"))).collect();
    let gone = Instant::now();
    for caller in callers {
        stage.leave(caller, way.1);
    }
    // A server that is reset 20 times at once ends the connection, with the calls of others.
    wait_until("the first are cancelled", || bank.resets().len() >= 10);
    assert_eq!(pay(stage.address(), "other"), 200);
    let early = bank.resets().iter().filter(|at| **at < gone + Duration::from_millis(500)).count();
    assert!(early <= 15 * workers, "{early} of {all}");
    wait_until("all are cancelled", || bank.resets().len() == all);
    assert_eq!(bank.connections(), workers);
}

#[test]
fn cancelled_calls_free_their_slots_no_later_than_their_deadline() {
    let bank = RawBank::start(|id, _| if id == "other" { Does::Answers } else { Does::Hangs });
    let workers = std::thread::available_parallelism().unwrap().get();
    // The turn of half of them would come later: ten go at once, and five in a second.
    let all = 40 * workers;
    let more = format!("rpcs: {{{TRANSFER}: {{deadline: 2s}}}}\n");
    let stage = Stage::start(&bank, false, &format!("in_flight: {all}, waiting: 0"), &more);
    let way = (Speaks::Http1, Goes::Fin);
    let callers: Vec<Caller> = (0..all).map(|index| stage.call(&bank, way, &format!("t{index}"))).collect();
    let gone = Instant::now();
    for caller in callers {
        stage.leave(caller, way.1);
    }
    wait_until("all are cancelled", || bank.resets().len() == all);
    let late = bank.resets().iter().filter(|at| **at > gone + Duration::from_secs(4)).count();
    assert_eq!((late, pay(stage.address(), "other")), (0, 200));
}

/// The places of a connection of HTTP/2 are those of its streams, and a call that is given up keeps its place until the bank is done.
#[test]
fn abandoned_calls_count_against_their_connection_until_the_backend_is_done() {
    const STREAMS: usize = 100;
    for more in ["", FINISH] {
        let bank = RawBank::start(|id, _| if id.starts_with('t') { Does::Hangs } else { Does::Answers });
        let stage = Stage::start(&bank, true, "", more);
        let (statuses, body) = stage.runtime.block_on(async {
            let tcp = tokio::net::TcpStream::connect(stage.address()).await.unwrap();
            let (mut send, connection) = h2::client::handshake(stage.secure(tcp, b"h2").await).await.unwrap();
            let connection = tokio::spawn(connection);
            let mut call = async |id: String| {
                let request = ::http::Request::post("https://gateway.test/transfers");
                let request = request.header("content-type", "application/json").body(()).unwrap();
                send = send.clone().ready().await.unwrap();
                let (response, mut stream) = send.send_request(request, false).unwrap();
                stream.send_data(format!(r#"{{"transferId":"{id}"}}"#).into(), true).unwrap();
                (response, stream)
            };
            // The bank is told of ten at once and of five in a second: while others are refused a place may become free.
            let (mut statuses, mut body) = (Vec::new(), Vec::new());
            for index in 0..2 * STREAMS {
                let id = format!("t{index}");
                let (response, mut stream) = call(id.clone()).await;
                let is_seen = async {
                    while bank.count(&id).seen == 0 {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                };
                tokio::select! {
                    () = is_seen => stream.send_reset(h2::Reason::CANCEL),
                    answer = response => {
                        let mut answer = answer.unwrap();
                        statuses.push(answer.status().as_u16());
                        body = answer.body_mut().data().await.unwrap().unwrap().to_vec();
                    }
                }
            }
            connection.abort();
            (statuses, String::from_utf8_lossy(&body).into_owned())
        });
        let at_bank = (0..2 * STREAMS).filter(|index| bank.count(&format!("t{index}")).seen == 1).count();
        let open = at_bank - bank.resets().len();
        assert!((STREAMS - 30..=STREAMS).contains(&open), "{open} are open at the bank, {at_bank} were sent");
        assert_eq!(statuses, vec![503; 2 * STREAMS - at_bank], "{more}");
        let message = "this connection already has 100 calls in flight at the backend, the most that are allowed; the call was not sent";
        assert!(body.contains(message), "{body}");
        // Others have places.
        let caller = stage.call(&bank, (Speaks::Http2, Goes::Stream), "other");
        wait_until("the call of another", || bank.count("other") == ONCE);
        stage.leave(caller, Goes::Fin);
    }
}

#[test]
fn with_caller_gone_finish_a_call_completes_and_the_log_says_how() {
    let this = format!("rpcs: {{{TRANSFER}: {{caller_gone: finish}}}}\n");
    for (ways, more) in [(PLAIN, FINISH), (SECURE, this.as_str())] {
        let bank = RawBank::start(|_, _| Does::Slow(Duration::from_millis(500)));
        let stage = Stage::start(&bank, ways == SECURE, "", more);
        for (index, &way) in ways.iter().enumerate() {
            let caller = stage.call(&bank, way, &format!("t{index}"));
            stage.leave(caller, way.1);
        }
        // The last of them are under way: the gateway waits for them before it stops.
        assert_eq!(stage.told(), vec![answered(0); ways.len()]);
        assert_eq!(bank.resets().len(), 0);
        for index in 0..ways.len() {
            assert_eq!(bank.count(&format!("t{index}")), ONCE, "{index}");
        }
    }
}

#[test]
fn the_log_line_of_a_call_finished_without_its_caller_has_the_trace_id() {
    let bank = RawBank::start(|_, _| Does::Slow(Duration::from_millis(300)));
    let stage = Stage::start(&bank, false, "", &format!("{FINISH}metadata: {{trace_context: create}}\n"));
    let way = (Speaks::Http1, Goes::Fin);
    let caller = stage.call(&bank, way, "traced");
    stage.leave(caller, way.1);
    let [line] = &stage.told()[..] else { panic!("one call has one line") };
    let (line, id) = line.split_once(" trace_id=").unwrap();
    assert_eq!(line, answered(0));
    assert!(id.len() == 32 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')), "{id}");
}

/// Each way to end, one call at a time: nothing else has its place until then.
#[test]
fn a_call_without_its_caller_keeps_its_slot_and_its_limits_until_it_ends() {
    let large = Reply::encoded("", frame_of(0, &[b"\x0a\x80\x10".as_slice(), &[b'x'; 2048]].concat()));
    let cases = [
        (Does::Answers, answered(0)),
        (Reply::status("9", "closed"), answered(9)),
        (large, failed(8, "the reply has at least 2051 bytes, more than the limit of 1024")),
        (Does::Resets(INTERNAL_ERROR), {
            let cause = "stream error received: unexpected internal error encountered";
            failed(2, &format!("the connection to the backend was lost during the call: {cause}"))
        }),
        (Does::Hangs, failed(4, "the deadline passed")),
    ];
    let does = cases.clone().map(|(does, _)| Does::Later(Duration::from_millis(300), Box::new(does)));
    let bank = RawBank::start(move |id, _| match id.strip_prefix("case") {
        Some(index) => does[index.parse::<usize>().unwrap()].clone(),
        None => Does::Answers,
    });
    let more = format!("{FINISH}rpcs: {{{TRANSFER}: {{deadline: 2s}}}}\n");
    let stage = Stage::start(&bank, false, "in_flight: 1, waiting: 0", &more);
    for index in 0..cases.len() {
        let way = (Speaks::Http1, Goes::Fin);
        let caller = stage.call(&bank, way, &format!("case{index}"));
        stage.leave(caller, way.1);
        assert_eq!(pay(stage.address(), "too-many"), 503, "{index}");
        wait_until("the place is free", || pay(stage.address(), "next") == 200);
    }
    assert_eq!(stage.told(), cases.map(|(_, told)| told));
    assert_eq!(bank.count("too-many").seen, 0);
    // At its deadline the one that hangs was cancelled.
    assert_eq!(bank.resets().len(), 1);
}

#[test]
fn a_queued_call_outlives_its_caller_only_with_caller_gone_finish() {
    for (more, count, lines) in [("", Count::default(), vec![]), (FINISH, ONCE, vec![answered(0)])] {
        let bank = RawBank::start(|id, _| match id {
            "first" => Does::Slow(Duration::from_secs(2)),
            _ => Does::Answers,
        });
        let stage = Stage::start(&bank, false, "in_flight: 1, wait: 30s", more);
        let way = (Speaks::Http1, Goes::Fin);
        let first = stage.call(&bank, way, "first");
        let queued = stage.runtime.block_on(stage.send(way, "queued"));
        // Time for it to come there.
        std::thread::sleep(Duration::from_millis(300));
        stage.leave(queued, way.1);
        let Caller::Http1(mut stream) = first else { panic!() };
        let mut answer = [0; 15];
        stage.runtime.block_on(stream.read_exact(&mut answer)).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
        drop(stream);
        assert_eq!(stage.told(), lines, "{more}");
        assert_eq!(bank.count("queued"), count, "{more}");
    }
}

#[test]
fn an_incomplete_request_is_never_sent_to_the_backend() {
    let bank = RawBank::start(|_, _| Does::Answers);
    let stage = Stage::start(&bank, false, "", FINISH);
    for half_closes in [false, true] {
        use std::io::Write as _;
        let mut caller = http::connect(stage.address());
        caller.write_all(request(r#"{"transferId":"t"}"#, 1000).as_bytes()).unwrap();
        std::thread::sleep(Duration::from_millis(100));
        if half_closes {
            caller.shutdown(std::net::Shutdown::Write).unwrap();
            let answer = http::read(&mut caller);
            assert_eq!(
                (answer.status, answer.body.as_str()),
                (
                    400,
                    r#"{"code":3,"message":"the body is incomplete: the connection or stream ended before it did","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"BODY_INCOMPLETE","domain":"towbar"}]}"#
                )
            );
        }
    }
    assert_eq!(stage.told(), Vec::<String>::new());
    assert_eq!(bank.total(), Count::default());
}

/// The caller goes when the gateway has begun to stop. Over HTTP/2 its connection ends before its calls learn of it.
#[test]
fn a_drain_waits_for_calls_whose_callers_disconnect_meanwhile() {
    for way in [(Speaks::Http1OverTls, Goes::Fin), (Speaks::Http2, Goes::Fin), (Speaks::Http2, Goes::Stream)] {
        let bank = RawBank::start(|_, _| Does::Slow(Duration::from_millis(1500)));
        let stage = Stage::start(&bank, true, "", FINISH);
        let caller = stage.call(&bank, way, "t");
        stage.gateway.process.signal("INT");
        wait_until("it takes no connections", || TcpStream::connect(stage.address()).is_err());
        stage.leave(caller, way.1);
        let ended = stage.gateway.process.wait();
        assert_eq!((ended.code, told(&ended.stderr)), (Some(0), vec![answered(0)]), "{way:?}");
        assert_eq!((bank.count("t"), bank.resets().len()), (ONCE, 0), "{way:?}");
    }
}

/// Among others that are cancelled with it.
#[test]
fn a_drain_waits_for_every_call_that_must_finish_when_its_connection_ends() {
    const CANCELLED: usize = 70;
    const FINISHED: usize = 20;
    let bank = RawBank::start(|id, _| match id.starts_with('b') {
        true => Does::Hangs,
        false => Does::Slow(Duration::from_secs(3)),
    });
    let stage = Stage::start(&bank, true, "", &format!("rpcs: {{{TRANSFER}: {{caller_gone: finish}}}}\n"));
    let (connection, _streams) = stage.runtime.block_on(async {
        let tcp = tokio::net::TcpStream::connect(stage.address()).await.unwrap();
        let (send, connection) = h2::client::handshake(stage.secure(tcp, b"h2").await).await.unwrap();
        let connection = tokio::spawn(connection);
        let mut streams = Vec::new();
        for call in 0..CANCELLED + FINISHED {
            let mut send = send.clone().ready().await.unwrap();
            if call < CANCELLED {
                let request = ::http::Request::get(format!("https://gateway.test/health-check?bank_id=b{call}"));
                streams.push(send.send_request(request.body(()).unwrap(), true).unwrap());
                continue;
            }
            let request = ::http::Request::post("https://gateway.test/transfers");
            let request = request.header("content-type", "application/json").body(()).unwrap();
            let (answer, mut stream) = send.send_request(request, false).unwrap();
            stream.send_data(format!(r#"{{"transferId":"t{call}"}}"#).into(), true).unwrap();
            streams.push((answer, stream));
        }
        (connection, streams)
    });
    wait_until("all have come", || bank.total().seen == CANCELLED + FINISHED);
    stage.gateway.process.signal("INT");
    wait_until("it takes no connections", || TcpStream::connect(stage.address()).is_err());
    connection.abort();
    let ended = stage.gateway.process.wait();
    assert_eq!((ended.code, told(&ended.stderr)), (Some(0), vec![answered(0); FINISHED]));
    // The others end with the connection to the bank.
    assert!((1..=CANCELLED).contains(&bank.resets().len()), "{}", bank.resets().len());
}

/// What comes behind a request is not read before its answer, so that the end is not seen either.
#[test]
fn a_disconnect_behind_a_pipelined_request_does_not_cancel_the_call() {
    use std::io::Write as _;
    let bank = RawBank::start(|_, _| Does::Slow(Duration::from_millis(500)));
    let stage = Stage::start(&bank, false, "", "");
    let mut caller = http::connect(stage.address());
    let body = |id: &str| format!(r#"{{"transferId":"{id}"}}"#);
    let both = [body("one"), body("two")].map(|body| request(&body, body.len())).concat();
    caller.write_all(both.as_bytes()).unwrap();
    wait_until("one", || bank.count("one").seen == 1);
    drop(caller);
    // The gateway waits for its answer before it stops.
    assert_eq!(stage.told(), Vec::<String>::new());
    assert_eq!((bank.count("one"), bank.resets().len()), (ONCE, 0));
}

#[test]
fn a_streaming_call_ends_with_its_caller_even_with_caller_gone_finish() {
    let (told, given_up) = channel();
    let backend = talk::backend(move |rpc, mut requests, replies| {
        let told = told.clone();
        async move {
            let _ = requests.all().await;
            if rpc == "Watch" {
                replies.send(&talk::note("one", 1)).await;
            }
            told.send("under way").unwrap();
            replies.given_up().await;
            told.send("given up").unwrap();
        }
    });
    let gateway = talk::gateway(&backend, FINISH);
    for (method, target, headers, body) in [
        ("GET", "/notes/t", &[][..], None),
        ("POST", "/notes/t", &[("Content-Type", "application/x-ndjson")], Some(&b"{\"number\":1}\n"[..])),
    ] {
        let mut caller = http::connect(gateway.address);
        http::write(&mut caller, method, target, headers, body);
        assert_eq!(given_up.recv_timeout(PATIENCE), Ok("under way"), "{target}");
        drop(caller);
        assert_eq!(given_up.recv_timeout(PATIENCE), Ok("given up"), "{target}");
    }
}

#[test]
fn caller_gone_finish_on_a_streaming_rpc_stops_the_start() {
    let text = "upstream: http://127.0.0.1:1\nschema: talk.proto\nrequests: {caller_gone: finish}\nrpcs:\n  \
                talk.Talk.Ask: {caller_gone: finish}\n  talk.Talk.Watch: {caller_gone: finish}\n  \
                talk.Talk.Collect: {caller_gone: finish}\n  talk.Talk.Chat: {caller_gone: cancel}\n";
    let (mut config, problems) = config::load_text(text, Path::new("towbar.yaml"), &Overrides::default());
    assert_eq!(problems, []);
    let upstream = Upstream::new(&config.upstream.take().unwrap()).ok();
    let app = App::with_parts(config, Some(Ok(talk::schema())), upstream, Vec::new());
    let problems: Vec<_> = app.err().unwrap().iter().map(ToString::to_string).collect();
    let message = "`caller_gone: finish` applies only to unary rpcs; a streaming call ends when its caller disconnects";
    assert_eq!(problems, [format!("talk.Talk.Collect: {message}"), format!("talk.Talk.Watch: {message}")]);
}

#[test]
fn an_unknown_value_of_caller_gone_stops_the_start() {
    let text = "upstream: http://127.0.0.1:1\nschema: proto\nrequests: {caller_gone: wait}\nrpcs:\n  a.B.C:\n    caller_gone: yes\n";
    let (_, problems) = config::load_text(text, Path::new("towbar.yaml"), &Overrides::default());
    let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        [
            "towbar.yaml:3:25: caller_gone: expected `cancel` or `finish`, found `wait`",
            "towbar.yaml:6:18: caller_gone: expected `cancel` or `finish`, found `yes`",
        ]
    );
}
