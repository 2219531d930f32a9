//! All attacks at once, and some of them alone, and the process has 256 MiB: it lives, and serves those who mean well.
//!
//! `TOWBAR_ATTACK=NAME` runs one of them alone, `TOWBAR_ATTACK=list` prints their names; `NAME,NAME` are several, and `-NAME,-NAME` all but
//! these. With `TOWBAR_LONG_TESTS` those that are run alone
//! go on for longer. `TOWBAR_PROGRAM` is attacked in place of the program that was built.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::fs;
use std::net::TcpStream;
use std::pin::Pin;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse as _;
use bytes::Bytes;
use http_body::Frame;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::Runtime;
use tokio::time::{sleep, timeout};
use towbar::config::Overrides;
use towbar::format::compression::Gzip;
use towbar::tls::{self, Identity, Servers};

use crate::support;
use crate::support::attacks;
use crate::support::attacks::Target;
use crate::support::folder::{Folder, authority};
use crate::support::process::{Gateway, towbar};
use crate::support::programs::{Package, installed};
use crate::support::{Backend, http, server_tls, talk};
use crate::turns;

/// What the process may have.
const MEMORY: usize = 256 << 20;
/// Fewer files than the attackers have connections: R-13.
const FILES: usize = 3000;
/// How long all of them go on.
const TIME: Duration = Duration::from_secs(15);
/// The same of one that is run alone.
const ALONE: Duration = Duration::from_millis(1500);
const ALONE_LONG: Duration = Duration::from_secs(8);
/// Longest time for a call on a new connection: others may have to lose theirs first, and a debug build takes its time.
const ANEW: Duration = Duration::from_secs(20);
/// What the log has in any case, of a start and a stop.
const QUIET: usize = 4 << 10;
/// Most calls of a slow bank: of the 1000 that it may have, one caller leaves an eighth for others.
const SLOW: usize = 875;
/// Longest time after them until somebody new is served: what was read before its caller went away is still converted, which takes
/// a debug build its time.
const RECOVERY: Duration = Duration::from_secs(20);
/// Longest time until all that was theirs is gone. Beyond some resets a second the reply to a call that was given up is read to its
/// end, as its connection to the bank has the calls of others; a debug build on a busy machine takes up to 18 seconds for all of them.
const SETTLING: Duration = Duration::from_secs(60);

const PROTO: &str = r#"
syntax = "proto3";
package memory;
import "google/api/annotations.proto";
import "google/protobuf/field_mask.proto";
message Ask { string text = 1; repeated string notes = 2; Bomb child = 3; }
message Note { string text = 1; repeated bool flags = 2; }
message Bomb {
  Bomb child = 1;
  repeated double rates = 2;
  repeated Bomb list = 3;
  bytes data = 4;
  map<string, Bomb> children = 5;
  repeated string notes = 6;
}
message Deep {
  Deep a_field_with_a_long_name_so_that_the_path_of_each_leaf_below_it_is_long = 1;
  Deep left = 2;
  Deep right = 3;
  int32 leaf = 4;
}
message Patch { Deep deep = 1; google.protobuf.FieldMask update_mask = 2; }
service Bank {
  rpc Balance(Ask) returns (Note) { option (google.api.http) = { get: "/balance/{text}" }; }
  rpc Put(Bomb) returns (Note) { option (google.api.http) = { post: "/put" body: "*" }; }
  rpc Query(Ask) returns (Note) { option (google.api.http) = { get: "/query" }; }
  rpc Large(Ask) returns (Note) { option (google.api.http) = { get: "/large" }; }
  rpc Watch(Ask) returns (stream Note) { option (google.api.http) = { get: "/watch" }; }
  rpc Medium(Ask) returns (Note) { option (google.api.http) = { get: "/medium" }; }
  rpc Slow(Ask) returns (Note) { option (google.api.http) = { get: "/slow" }; }
  rpc Update(Patch) returns (Note) { option (google.api.http) = { patch: "/deep" body: "deep" }; }
  rpc Streams(Ask) returns (stream Note) { option (google.api.http) = { get: "/streams/{text}" }; }
  rpc Hostile(Ask) returns (Note) { option (google.api.http) = { get: "/hostile/{text}" }; }
}
"#;

#[test]
fn under_all_attacks_at_once_memory_stays_bounded_and_other_callers_are_served() {
    let Some(prlimit) = installed("prlimit", Package::Debian("util-linux")) else { return };
    let chosen = std::env::var("TOWBAR_ATTACK").ok();
    if chosen.as_deref() == Some("list") {
        attacks::all().iter().for_each(|kind| println!("{}", kind.name));
        return;
    }
    let mut kinds = attacks::all();
    kinds.retain(|kind| chosen.as_deref().is_none_or(|names| is_among(kind.name, names)));
    let time = if chosen.is_some() { TIME / 2 } else { TIME };
    attacked(&prlimit.to_string_lossy(), kinds, time, "all");
}

/// One after the other, each against a process of its own.
#[test]
fn under_single_attacks_other_callers_are_served_and_memory_and_log_stay_bounded() {
    let Some(prlimit) = installed("prlimit", Package::Debian("util-linux")) else { return };
    let chosen = std::env::var("TOWBAR_ATTACK").ok();
    let is_long = std::env::var_os("TOWBAR_LONG_TESTS").is_some();
    for kind in attacks::alone() {
        if chosen.as_deref().is_none_or(|names| is_among(kind.name, names)) {
            let name = kind.name;
            attacked(&prlimit.to_string_lossy(), vec![kind], if is_long { ALONE_LONG } else { ALONE }, name);
        }
    }
}

fn is_among(name: &str, names: &str) -> bool {
    let mut names = names.split(',');
    if names.clone().all(|name| name.starts_with('-')) {
        return !names.any(|other| other.strip_prefix('-') == Some(name));
    }
    names.any(|other| other == name)
}

/// Runs these attacks, and looks after the process and those who mean well.
fn attacked(prlimit: &str, kinds: Vec<attacks::Kind>, time: Duration, name: &str) {
    // Two at one time would be another attack.
    let _turn = turns::alone();
    let is_all = kinds.len() > 1;
    let mut stage = Stage::start(prlimit);
    let idle = stage.now();
    let caller = stage.caller(!is_all);
    let (attackers, watch) = (runtime(2), Watch::start(stage.gateway.process.id()));
    // In turns, so that the many do not keep the few from coming in.
    for index in 0..kinds.iter().map(|kind| kind.count).max().unwrap_or_default() {
        for kind in kinds.iter().filter(|kind| index < kind.count) {
            attackers.spawn((kind.start)(stage.target.clone(), index));
        }
    }
    std::thread::sleep(time);
    if !is_all {
        caller.wait_for_new();
    }
    let under_attack = stage.now();
    attackers.shutdown_background();
    let ended = Instant::now();
    let recovered = stage.first_served(ended);
    let (outcomes, peak) = (caller.stop(), watch.stop());
    let after = stage.settled(&idle);
    let sent = stage.target.sent.load(Ordering::Relaxed);
    let most = stage.slow.load(Ordering::Relaxed);
    println!(
        "{name}: sent {sent}, most calls at the slow bank {most}\nidle {idle:?}\nunder attack {under_attack:?}\npeak {peak:?}\nafter {after:?}\nserved after {recovered:?}"
    );
    println!("{}", outcomes.told());
    let log = stage.stop();
    if std::env::var("TOWBAR_SHOW_LOG").is_ok() {
        log.lines().take(40).for_each(|line| println!("{line}"));
    }
    assert!(!log.contains("panicked"), "{name}: {log}");
    assert!(peak.resident < MEMORY, "{name}: {peak:?}");
    assert!(after.resident <= peak.resident + (4 << 20), "{name}: {after:?}");
    assert!(after.files <= idle.files + 20, "{name}: {after:?}");
    assert!(recovered < RECOVERY, "{name}: {recovered:?}");
    assert!(log.len() <= 2 * sent + QUIET, "{name}: {} bytes of log for {sent} that came", log.len());
    assert!(most <= SLOW, "{name}: {most} calls at the slow bank");
    outcomes.assert_served(name, is_all);
}

/// 64 MiB for the process are 16 for connections and bodies.
#[test]
fn requests_and_replies_beyond_the_memory_budget_are_refused_with_the_calls_outcome() {
    let (heard, calls) = talk::shared::<usize>();
    let backend = talk::backend(move |rpc, mut requests, replies| {
        let heard = Arc::clone(&heard);
        async move {
            let asked = requests.next().await.unwrap_or_default();
            *heard.lock().unwrap() += 1;
            let length = if rpc == "Put" { 2 } else { usize::from(asked.last().unwrap() - b'0') << 20 };
            replies.send(&message(1, &vec![b'a'; length])).await;
            replies.end("0", "").await;
        }
    });
    let config = "memory: 64MiB\nrequests: {body_limit: 32MiB}\nrpcs: {memory.Bank.Balance: {reply_limit: 32MiB}}\n";
    let gateway = talk::gateway_of(talk::schema_of(PROTO), &backend, config);
    let reply = "the gateway has no memory left for the backend's reply; the outcome of the call is unknown";
    let json = "the gateway has no memory left for the reply's JSON; the call itself succeeded";
    let request = "the gateway has no memory left for the request; the call was not sent";
    for (input, refused, reached) in [
        ("/balance/0", None, 1),
        ("/balance/;", Some((502, 8, reply)), 1),
        ("/balance/2", Some((502, 8, json)), 1),
        ("1500000", None, 1),
        ("5000000", Some((503, 14, request)), 0),
        ("/balance/0", None, 1),
    ] {
        *calls.lock().unwrap() = 0;
        let answer = match input.parse() {
            Ok(length) => {
                let body = format!("{{\"data\":\"{}\"}}", "A".repeat(length));
                http::send_json(gateway.address, "POST", "/put", &body)
            }
            Err(_) => http::get(gateway.address, input),
        };
        match refused {
            None => assert_eq!(answer.status, 200, "{input}: {}", answer.body),
            Some((status, code, message)) => {
                assert_eq!((answer.status, answer.refusal()), (status, (code, message.to_owned())), "{input}");
            }
        }
        let retry = refused.filter(|(status, ..)| *status == 503).map(|_| "1");
        assert_eq!(answer.header("retry-after"), retry, "{input}");
        assert_eq!(*calls.lock().unwrap(), reached, "{input}");
    }
}

#[test]
fn connections_beyond_the_limit_wait_until_one_ends() {
    let backend = talk::backend(|_, _, replies| async move {
        replies.send(&[]).await;
        replies.end("0", "").await;
    });
    let listen = "listen: {address: \"127.0.0.1:0\", connections: 2}";
    let config = format!("{listen}\nupstream: http://{}\nschema: bank.proto\n", backend.address);
    let gateway = support::Gateway::with(&config, &Overrides::default(), Ok(talk::schema_of(PROTO)), None);
    let ask = |stream: &mut TcpStream| {
        http::write(stream, "GET", "/balance/a", &[], None);
        http::read(stream).status
    };
    let mut open = [http::connect(gateway.address), http::connect(gateway.address)];
    assert_eq!(open.each_mut().map(ask), [200, 200]);
    let mut third = http::connect(gateway.address);
    http::write(&mut third, "GET", "/balance/a", &[], None);
    third.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert!(third.peek(&mut [0]).is_err(), "it is not served beside two others");
    assert_eq!(ask(&mut open[0]), 200);
    drop(open);
    third.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    assert_eq!(http::read(&mut third).status, 200);
}

/// What the process has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Usage {
    /// In bytes.
    resident: usize,
    /// What RLIMIT_DATA counts, in bytes.
    data: usize,
    files: usize,
}

fn usage(id: u32) -> Option<Usage> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let of = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<usize>().ok().map(|kibibytes| kibibytes << 10)
    };
    let files = fs::read_dir(format!("/proc/{id}/fd")).ok()?.count();
    Some(Usage { resident: of("VmRSS:")?, data: of("VmData:")?, files })
}

/// Looks now and then for the most that the process has.
struct Watch {
    stopped: Arc<AtomicBool>,
    peak: std::thread::JoinHandle<Usage>,
}

impl Watch {
    fn start(id: u32) -> Self {
        let stopped = Arc::new(AtomicBool::new(false));
        let stop = stopped.clone();
        let peak = std::thread::spawn(move || {
            let mut peak = Usage::default();
            while !stop.load(Ordering::Relaxed) {
                let now = usage(id).unwrap_or_default();
                peak.resident = peak.resident.max(now.resident);
                peak.data = peak.data.max(now.data);
                peak.files = peak.files.max(now.files);
                std::thread::sleep(Duration::from_millis(50));
            }
            peak
        });
        Self { stopped, peak }
    }

    fn stop(self) -> Usage {
        self.stopped.store(true, Ordering::Relaxed);
        self.peak.join().unwrap()
    }
}

/// The process's connections as the kernel tells them: this side, the other, and the state (proc(5), `/proc/net/tcp`).
fn connections(id: u32) -> String {
    let files = fs::read_dir(format!("/proc/{id}/fd")).unwrap().flatten();
    let files: Vec<_> = files.filter_map(|file| Some(fs::read_link(file.path()).ok()?.display().to_string())).collect();
    let table = fs::read_to_string(format!("/proc/{id}/net/tcp")).unwrap();
    let of_process =
        |line: &&str| line.split_whitespace().nth(9).is_some_and(|inode| files.contains(&format!("socket:[{inode}]")));
    table.lines().filter(of_process).fold(String::new(), |told, line| told + line + "\n")
}

/// A gateway of little memory between TLS and mutual TLS.
struct Stage {
    gateway: Gateway,
    target: Target,
    /// The most calls that the slow bank had at one time.
    slow: Arc<AtomicUsize>,
    _bank: Backend,
    _folder: Folder,
}

impl Stage {
    fn start(prlimit: &str) -> Self {
        let authority = authority("the stage");
        let slow = Arc::new(AtomicUsize::new(0));
        let bank = Backend::start(bank(slow.clone()), Some(server_tls(&authority, &authority)));
        let folder = Folder::new();
        folder.write("bank.proto", PROTO).write("ca.pem", authority.pem());
        folder.write_identity("cert.pem", "key.pem", &authority.issue("gateway.test").unwrap());
        let tls = "tls: {cert: cert.pem, key: key.pem";
        // Connections to the bank that nobody needs end soon: those that are left after an attack are callers'.
        folder.write(
            "towbar.yaml",
            format!(
                "listen: {{address: \"127.0.0.1:0\", {tls}, client_ca: ca.pem, client_auth: optional}}}}\nschema: bank.proto\n\
                 rpcs: {{memory.Bank.Watch: {{websocket: {{}}}}}}\n\
                 upstream: {{address: \"https://{}\", compression: true, connections: {{idle: 1s}}, {tls}, ca: ca.pem}}}}\n\
                 requests: {{gzip: true}}\n",
                bank.address
            ),
        );
        // More files than the attackers' side has by default.
        let own = std::process::id().to_string();
        let _ = Command::new(prlimit).args(["--pid", &own, "--nofile=16384:"]).status();
        let inner = towbar(&["serve", "--config"]);
        let mut command = Command::new(prlimit);
        command.arg(format!("--data={MEMORY}")).arg(format!("--nofile={FILES}"));
        let program = std::env::var_os("TOWBAR_PROGRAM").unwrap_or(inner.get_program().to_owned());
        // Without it only root counts the files that the process has open.
        command.arg(program).args(["serve", "--core-dumps", "--config"]).arg(folder.path("towbar.yaml"));
        for (name, value) in inner.get_envs() {
            assert_eq!(value, None, "{name:?}");
            command.env_remove(name);
        }
        let gateway = Gateway::of(&mut command);
        let servers = Servers::Trusted(authority.trust().unwrap());
        let client = |protocol: &[u8]| tls::client(None, &servers, &[protocol]).unwrap();
        let chain = tls::client(Some(chain(40)), &servers, &[b"http/1.1"]).unwrap();
        let mut gzip = Gzip::new();
        gzip.add(b"{\"notes\":[\"");
        gzip.add(&vec![b'a'; (1 << 20) - 64]);
        gzip.add(b"\"]}");
        let gzip = Arc::new(gzip.finish().to_vec());
        let (http1, http2) = (client(b"http/1.1"), client(b"h2"));
        let (address, from) = (gateway.address, [127, 0, 0, 1]);
        let target = Target { address, from, http1, http2, chain, gzip, sent: Arc::default() };
        Self { gateway, target, slow, _bank: bank, _folder: folder }
    }

    fn now(&mut self) -> Usage {
        usage(self.gateway.process.id())
            .unwrap_or_else(|| panic!("the process has ended: {:?}", self.gateway.process.ended()))
    }

    /// The same, once connections have ended.
    fn settled(&mut self, idle: &Usage) -> Usage {
        let end = Instant::now() + SETTLING;
        loop {
            let now = self.now();
            if now.files <= idle.files + 20 {
                return now;
            }
            if Instant::now() > end {
                print!("{}", connections(self.gateway.process.id()));
                return now;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Time from `start` until a call on a new connection is served.
    fn first_served(&self, start: Instant) -> Duration {
        let end = start + RECOVERY;
        runtime(1).block_on(async {
            while Instant::now() < end {
                let call = async {
                    let mut stream = self.target.connect(&self.target.http1).await;
                    ask(&mut stream).await
                };
                if let Ok(Ok(200)) = timeout(Duration::from_secs(5), call).await {
                    break;
                }
                sleep(Duration::from_millis(10)).await;
            }
        });
        start.elapsed()
    }

    fn caller(&self, comes_anew: bool) -> Caller {
        // Another than the attackers are, and what it sends is none of theirs.
        Caller::start(Target { sent: Arc::default(), from: [127, 0, 0, 2], ..self.target.clone() }, comes_anew)
    }

    fn stop(self) -> String {
        let ended = self.gateway.stop();
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        ended.stderr
    }
}

/// Somebody who asks for a balance now and then, on a connection that is kept, and on a new one each time.
struct Caller {
    runtime: Runtime,
    stopped: Arc<AtomicBool>,
    outcomes: Arc<Mutex<Outcomes>>,
}

#[derive(Default, Clone)]
struct Outcomes {
    /// How many calls had which status; 0 for none.
    statuses: BTreeMap<u16, usize>,
    times: Vec<Duration>,
    connections: usize,
    /// How many of the calls were on a new connection.
    anew: usize,
}

impl Caller {
    /// Where others have all places for connections, nobody new comes in.
    fn start(target: Target, comes_anew: bool) -> Self {
        let runtime = runtime(1);
        let (stopped, outcomes) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Outcomes::default())));
        let (stop, noted) = (stopped.clone(), outcomes.clone());
        let begun = Arc::new(AtomicUsize::new(0));
        let first = begun.clone();
        if comes_anew {
            runtime.spawn(Self::come_anew(target.clone(), stopped.clone(), outcomes.clone()));
        }
        runtime.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let mut stream = target.connect(&target.http1).await;
                noted.lock().unwrap().connections += 1;
                while !stop.load(Ordering::Relaxed) {
                    let start = Instant::now();
                    let status = timeout(Duration::from_secs(30), ask(&mut stream)).await;
                    let status = status.ok().and_then(Result::ok).unwrap_or_default();
                    {
                        let mut noted = noted.lock().unwrap();
                        *noted.statuses.entry(status).or_default() += 1;
                        noted.times.push(start.elapsed());
                    }
                    first.fetch_add(1, Ordering::Relaxed);
                    if status == 0 {
                        break;
                    }
                    sleep(Duration::from_millis(20)).await;
                }
            }
        });
        while begun.load(Ordering::Relaxed) == 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        Self { runtime, stopped, outcomes }
    }

    async fn come_anew(target: Target, stopped: Arc<AtomicBool>, outcomes: Arc<Mutex<Outcomes>>) {
        while !stopped.load(Ordering::Relaxed) {
            let start = Instant::now();
            let called = timeout(ANEW, async {
                let mut stream = target.connect(&target.http1).await;
                ask(&mut stream).await
            });
            let status = called.await.ok().and_then(Result::ok).unwrap_or_default();
            if status != 0 || !stopped.load(Ordering::Relaxed) {
                let mut noted = outcomes.lock().unwrap();
                *noted.statuses.entry(status).or_default() += 1;
                noted.times.push(start.elapsed());
                noted.anew += 1;
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits for a call on a new connection that ends from now on.
    fn wait_for_new(&self) {
        let anew = || self.outcomes.lock().unwrap().anew;
        let (before, end) = (anew(), Instant::now() + 2 * ANEW);
        while anew() == before && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn stop(self) -> Outcomes {
        self.stopped.store(true, Ordering::Relaxed);
        self.runtime.shutdown_timeout(Duration::from_secs(1));
        let outcomes = self.outcomes.lock().unwrap();
        outcomes.clone()
    }
}

impl Outcomes {
    fn told(&self) -> String {
        let mut times = self.times.clone();
        times.sort();
        let at = |part: usize| times.get((times.len() * part / 1000).min(times.len().saturating_sub(1)));
        let (half, most, longest) = (at(500), at(990), times.last());
        format!(
            "statuses {:?}, p50 {half:?}, p99 {most:?}, longest {longest:?}, connections {}, anew {}",
            self.statuses, self.connections, self.anew
        )
    }

    /// All of them, or, where memory may be short, at least told that it is.
    fn assert_served(&self, name: &str, may_be_short: bool) {
        let all: usize = self.statuses.values().sum();
        let of = |status| self.statuses.get(&status).copied().unwrap_or_default();
        assert_eq!(all, of(200) + if may_be_short { of(503) } else { 0 }, "{name}: {}", self.told());
        assert!(of(200) > 0, "{name}: {}", self.told());
    }
}

/// The status of the answer.
async fn ask(stream: &mut attacks::Tls) -> std::io::Result<u16> {
    stream.write_all(b"GET /balance/a HTTP/1.1\r\nHost: x\r\n\r\n").await?;
    stream.flush().await?;
    let mut answer = Vec::new();
    loop {
        if stream.read_buf(&mut answer).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let text = String::from_utf8_lossy(&answer);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return Ok(head.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(1));
            }
        }
    }
}

fn runtime(threads: usize) -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build().unwrap()
}

/// A bank that is well with balances, and as ill as it is asked to be with the rest.
fn bank(slow: Arc<AtomicUsize>) -> Router {
    // Nearly 4 MiB of text; and 2.5 MiB that become 15 MiB of JSON.
    let text = message(1, &vec![b'a'; (4 << 20) - 16]);
    let flags = message(2, &vec![0; 5 << 19]);
    let bomb = {
        let mut gzip = Gzip::new();
        (0..100).for_each(|_| gzip.add(&vec![0; 1 << 20]));
        gzip.finish()
    };
    let unknown: Vec<u8> = [0xa2, 6, 0].repeat((4 << 20) / 3 - 10);
    let (text, flags, bomb, unknown) = (framed(0, &text), framed(0, &flags), framed(1, &bomb), framed(0, &unknown));
    let balance = framed(0, &message(1, &[b'a'; 200]));
    let news = framed(0, &message(1, &vec![b'a'; 64 << 10]));
    let long = "a".repeat(1_000_000);
    let medium = framed(0, &message(1, &vec![b'a'; 700_000]));
    let in_flight = Arc::new(AtomicUsize::new(0));
    Router::new().fallback(move |request: axum::extract::Request| {
        let rpc = request.uri().path().rsplit('/').next().unwrap().to_owned();
        let ok = |data: &Bytes| Said { data: VecDeque::from([data.clone()]), ..Said::default() };
        let (balance, large, news, long) = (balance.clone(), text.clone(), news.clone(), long.clone());
        let (medium, slow, in_flight) = (medium.clone(), slow.clone(), in_flight.clone());
        let replies = [
            ok(&Bytes::from_static(&[0, 0xff, 0xff, 0xff, 0xff, 1])),
            ok(&bomb),
            ok(&flags),
            Said { message: Some(long), ..Said::default() },
            ok(&unknown),
            ok(&flags.slice(..1 << 20)),
        ];
        async move {
            let mut body = Vec::new();
            let mut stream = request.into_body();
            while let Some(Ok(frame)) = http_body_util::BodyExt::frame(&mut stream).await {
                body.extend(frame.into_data().unwrap_or_default());
            }
            let said = match rpc.as_str() {
                "Large" => ok(&large),
                "Watch" => Said { data: VecDeque::from([news]), repeats: true, ..Said::default() },
                "Medium" => ok(&medium),
                "Slow" => {
                    let in_flight = InFlight::new(in_flight);
                    slow.fetch_max(in_flight.0.load(Ordering::Relaxed), Ordering::Relaxed);
                    sleep(Duration::from_secs(20)).await;
                    ok(&balance)
                }
                "Hostile" if body.ends_with(b"drip") => Said {
                    data: large.chunks(1).map(Bytes::copy_from_slice).take(2000).collect(),
                    drips: true,
                    ..Said::default()
                },
                "Hostile" if body.ends_with(b"headers") => {
                    let mut response = Body::new(Said::default()).into_response();
                    let headers = response.headers_mut();
                    headers.insert("content-type", "application/grpc".parse().unwrap());
                    for number in 0..300 {
                        let name: axum::http::HeaderName = format!("x-{number}").parse().unwrap();
                        headers.insert(name, "a".repeat(40).parse().unwrap());
                    }
                    return response;
                }
                "Hostile" | "Streams" => {
                    let kinds = ["huge", "bomb", "large", "message", "unknown", "cut"];
                    let asked = kinds.iter().position(|kind| body.ends_with(kind.as_bytes())).unwrap_or_default();
                    replies.into_iter().nth(asked).unwrap()
                }
                "Put" => {
                    // Long enough for many to be in flight.
                    sleep(Duration::from_millis(300)).await;
                    ok(&balance)
                }
                _ => ok(&balance),
            };
            ([("content-type", "application/grpc"), ("grpc-encoding", "gzip")], Body::new(said)).into_response()
        }
    })
}

fn message(number: u8, content: &[u8]) -> Vec<u8> {
    let mut wire = vec![number << 3 | 2];
    prost::encoding::encode_varint(content.len() as u64, &mut wire);
    [&wire, content].concat()
}

fn framed(flag: u8, message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[flag], &length[..], message].concat().into()
}

/// A call that the bank has not answered yet.
struct InFlight(Arc<AtomicUsize>);

impl InFlight {
    fn new(count: Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An identity behind so many intermediates that all have one name.
fn chain(length: usize) -> Identity {
    let new = |key: &KeyPair, issuer: Option<&CertifiedIssuer<'_, KeyPair>>| {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "the same name");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::from_pem(&key.serialize_pem()).unwrap();
        match issuer {
            Some(issuer) => CertifiedIssuer::signed_by(params, key, issuer).unwrap(),
            None => CertifiedIssuer::self_signed(params, key).unwrap(),
        }
    };
    let mut issuers = vec![new(&KeyPair::generate().unwrap(), None)];
    for _ in 1..length {
        let next = new(&KeyPair::generate().unwrap(), issuers.last());
        issuers.push(next);
    }
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["caller".to_owned()]).unwrap();
    let leaf = params.signed_by(&key, issuers.last().unwrap()).unwrap();
    let chain =
        std::iter::once(leaf.der().clone()).chain(issuers.iter().rev().map(|issuer| issuer.der().clone())).collect();
    Identity::new("caller", chain, PrivatePkcs8KeyDer::from(key.serialize_der()).into())
}

/// What the bank says: data, over and over or once, and a status.
#[derive(Default)]
struct Said {
    data: VecDeque<Bytes>,
    repeats: bool,
    /// Piece by piece, with a pause before each.
    drips: bool,
    pause: Option<Pin<Box<tokio::time::Sleep>>>,
    message: Option<String>,
    is_over: bool,
}

impl http_body::Body for Said {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        if self.drips {
            let pause = self.pause.get_or_insert_with(|| Box::pin(sleep(Duration::from_millis(10))));
            std::task::ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        let data = if self.repeats { self.data.front().cloned() } else { self.data.pop_front() };
        if let Some(data) = data {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        self.is_over = true;
        let mut trailers = axum::http::HeaderMap::new();
        let status = if self.message.is_some() { "2" } else { "0" };
        trailers.insert("grpc-status", status.parse().unwrap());
        if let Some(message) = self.message.take() {
            trailers.insert("grpc-message", message.parse().unwrap());
        }
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }
}
