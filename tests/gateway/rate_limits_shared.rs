//! Limits that gateways share through a real `redis-server`: exact over two processes, and what callers get while it is away.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::bank::wait_until;
use crate::support::folder::Folder;
use crate::support::http::{self, Answer};
use crate::support::ports;
use crate::support::process::{Gateway, Process};
use crate::support::programs::{Package, installed};
use crate::support::raw::{Does, RawBank};

const UNAVAILABLE: &str = r#"{"code":14,"message":"the rate limit all cannot be checked at the moment; the call was not sent","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"RATE_LIMIT_UNAVAILABLE","domain":"towbar"},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"1s"}]}"#;

/// A server that keeps nothing on disk.
struct Server {
    process: Option<Process>,
    address: SocketAddr,
    folder: TempDir,
}

impl Server {
    /// `None` if it is not installed.
    fn start() -> Option<Self> {
        installed("redis-server", Package::Debian("redis-server"))?;
        let mut server = Self { process: None, address: ports::free(), folder: tempfile::tempdir().unwrap() };
        server.restart();
        Some(server)
    }

    fn restart(&mut self) {
        let program = installed("redis-server", Package::Debian("redis-server")).unwrap();
        let (port, folder) = (self.address.port().to_string(), self.folder.path().to_owned());
        let mut command = Command::new(program);
        command.args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"]).arg(folder);
        self.process = Some(Process::start(&mut command));
        wait_until("a server", || self.ask("PING").is_some_and(|answer| answer.starts_with("+PONG")));
    }

    fn kill(&mut self) {
        drop(self.process.take());
    }

    fn signal(&self, name: &str) {
        self.process.as_ref().unwrap().signal(name);
    }

    fn ask(&self, command: &str) -> Option<String> {
        let mut stream = TcpStream::connect(self.address).ok()?;
        stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes()).ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        Some(String::from_utf8_lossy(&answer).into_owned())
    }
}

fn bank() -> RawBank {
    RawBank::start(|_, _| Does::Answers)
}

#[test]
fn the_documented_shared_limit_is_counted_by_the_store() {
    let Some(server) = Server::start() else { return };
    let page = include_str!("../../docs/limits.md").split("## Share limits between instances").nth(1).unwrap();
    let config = page.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let (bank, folder) = (bank(), Folder::new());
    folder.copy("proto", "proto");
    let config = config.replace("http://127.0.0.1:9000", &bank.url()).replace("127.0.0.1:8080", "127.0.0.1:0");
    let config = config.replace("redis://127.0.0.1:6379", &format!("redis://{}", server.address));
    let gateway = start(&folder, "towbar.yaml", &config);
    connected(&server);
    wait_until("a count in the store", || {
        assert_eq!(ask(&gateway).status, 200);
        server.ask("DBSIZE").is_some_and(|answer| answer.starts_with(":1"))
    });
}

/// The configuration of a gateway with this limit and these lines.
fn config(bank: &RawBank, server: &Server, limit: &str, more: &str) -> String {
    format!(
        "listen: 127.0.0.1:0\nschema: proto\nupstream: {}\nstore: redis://{}\nlimits: {{all: {{shared: true, {limit}}}}}\n{more}",
        bank.url(),
        server.address
    )
}

fn start(folder: &Folder, name: &str, config: &str) -> Gateway {
    folder.write(name, config);
    folder.start(&["serve", "--config", name])
}

fn ask_at(address: SocketAddr) -> Answer {
    http::get(address, "/transfers?transfer_id=r")
}

fn ask(gateway: &Gateway) -> Answer {
    ask_at(gateway.address)
}

fn statuses<const N: usize>(gateway: &Gateway) -> [u16; N] {
    [0; N].map(|_| ask(gateway).status)
}

/// Waits until the gateway counts in the store: answers of the shared limit are what says so.
fn connected(server: &Server) {
    wait_until("a connection", || {
        server.ask("CLIENT LIST").is_some_and(|clients| clients.lines().filter(|line| line.contains("id=")).count() > 1)
    });
}

#[test]
fn two_gateways_together_allow_exactly_the_shared_quota_with_one_round_trip_for_each_request() {
    let Some(server) = Server::start() else { return };
    let (bank, folder) = (bank(), Folder::new());
    folder.copy("proto", "proto");
    let limits = "rate: 1/h, burst: 100, store_timeout: 10s}, other: {by: [caller, rpc], rate: 1/h, burst: 150, shared: true, \
                  store_timeout: 10s";
    let config = config(&bank, &server, limits, "");
    let gateways = [start(&folder, "a.yaml", &config), start(&folder, "b.yaml", &config)];
    wait_until("both", || gateways.iter().all(|gateway| ask(gateway).status == 429) || bank.total().seen == 2);
    connected(&server);
    let before = bank.total().seen;
    let allowed = AtomicUsize::new(before);
    thread::scope(|scope| {
        for number in 0..8 {
            let (address, allowed) = (gateways[number % 2].address, &allowed);
            scope.spawn(move || {
                for _ in 0..30 {
                    match ask_at(address).status {
                        200 => drop(allowed.fetch_add(1, Ordering::SeqCst)),
                        status => assert_eq!(status, 429),
                    }
                }
            });
        }
    });
    assert_eq!((allowed.into_inner(), bank.total().seen), (100, 100));
    let rejected = ask(&gateways[0]);
    let left = rejected.header("ratelimit").unwrap();
    assert!(left.starts_with("\"all\";r=0;t=3") || left.starts_with("\"all\";r=0;t=2"), "{left}");
    let stats = server.ask("INFO commandstats").unwrap();
    let calls = |name: &str| {
        let line = stats.lines().find(|line| line.starts_with(&format!("cmdstat_{name}:"))).unwrap_or("calls=0,");
        line.split("calls=").nth(1).unwrap().split(',').next().unwrap().parse::<usize>().unwrap()
    };
    // Each request asks once; the first of each gateway sends the text of the script too.
    let asked = calls("evalsha") + calls("eval");
    assert!((240..=260).contains(&asked), "{asked}: {stats}");
}

#[test]
fn while_the_store_is_killed_a_shared_limit_is_local_or_open_or_closed_and_returns_with_the_store() {
    let Some(mut server) = Server::start() else { return };
    let (bank, folder) = (bank(), Folder::new());
    folder.copy("proto", "proto");
    let of = |away: &str| {
        let more = "admin: 127.0.0.1:0\n";
        config(&bank, &server, &format!("rate: 1/h, burst: 4, store_timeout: 10s, store_away: {away}"), more)
    };
    let [mut local, open, closed] =
        ["local", "open", "closed"].map(|away| start(&folder, &format!("{away}.yaml"), &of(away)));
    connected(&server);
    assert_eq!([ask(&local).status, ask(&open).status], [200, 200]);
    server.kill();
    // The local count has followed: one is used up.
    let began = Instant::now();
    assert_eq!(statuses::<5>(&local), [200, 200, 200, 429, 429]);
    assert_eq!(statuses::<5>(&open), [200; 5]);
    let answer = ask(&closed);
    assert_eq!((answer.status, answer.body.as_str()), (503, UNAVAILABLE));
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    server.restart();
    wait_until("the store", || ask(&closed).status == 200);
    // The store has begun anew, and all three count there again.
    wait_until("the shared quota", || ask(&open).status == 429);
    let admin = local.process.read_until("metrics on http://");
    let metrics = http::get(admin.strip_suffix("/metrics").unwrap().parse().unwrap(), "/metrics").body;
    assert!(metrics.contains("towbar_rate_limit_without_store_total{limit=\"all\"} 5\n"), "{metrics}");
    let ended = local.stop();
    let lines = ended.stderr.matches("the store of shared limits is away: ").count();
    assert!((1..10).contains(&lines), "{}", ended.stderr);
}

#[test]
fn a_paused_store_delays_few_requests_and_those_by_its_timeout() {
    let Some(server) = Server::start() else { return };
    let (bank, folder) = (bank(), Folder::new());
    folder.copy("proto", "proto");
    let config = config(&bank, &server, "rate: 1000/s, store_timeout: 100ms", "");
    let gateway = start(&folder, "towbar.yaml", &config);
    connected(&server);
    assert_eq!(statuses::<5>(&gateway), [200; 5]);
    server.signal("STOP");
    let mut times = [Duration::ZERO; 40].map(|_| {
        let began = Instant::now();
        assert_eq!(ask(&gateway).status, 200);
        began.elapsed()
    });
    server.signal("CONT");
    times.sort_unstable();
    assert!(times[39] >= Duration::from_millis(90), "the first has waited: {times:?}");
    // In a second, one more may try it.
    assert!(times[30] < Duration::from_millis(90), "{times:?}");
}

#[test]
fn a_store_that_does_not_accept_the_password_is_away() {
    let Some(server) = Server::start() else { return };
    let (bank, folder) = (bank(), Folder::new());
    folder.copy("proto", "proto");
    assert!(server.ask("CONFIG SET requirepass right").unwrap().starts_with("+OK"));
    fs::write(folder.path("password"), "wrong").unwrap();
    Command::new("chmod").arg("600").arg(folder.path("password")).status().unwrap();
    let config = config(&bank, &server, "rate: 1/h, burst: 4, store_away: closed", "");
    let store = format!("store: redis://{}", server.address);
    let wrong =
        config.replace(&store, &format!("store: {{address: 'redis://{}', password: 'file:password'}}", server.address));
    let gateway = start(&folder, "towbar.yaml", &wrong);
    wait_until("an answer", || ask(&gateway).status == 503);
    assert_eq!(ask(&gateway).body, UNAVAILABLE);
    let ended = gateway.stop();
    assert!(ended.stderr.contains("WRONGPASS") && !ended.stderr.contains("right"), "{}", ended.stderr);
}

#[test]
fn a_store_that_is_full_or_a_replica_is_away_until_it_is_not() {
    let Some(server) = Server::start() else { return };
    let (bank, folder) = (bank(), Folder::new());
    folder.copy("proto", "proto");
    let config = config(&bank, &server, "rate: 1000/s, store_away: closed, store_timeout: 10s", "");
    let gateway = start(&folder, "towbar.yaml", &config);
    connected(&server);
    for (fault, repair) in [
        ("CONFIG SET maxmemory 1 maxmemory-policy noeviction", "CONFIG SET maxmemory 0"),
        ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE"),
    ] {
        wait_until("the store", || ask(&gateway).status == 200);
        assert!(server.ask(fault).unwrap().starts_with("+OK"), "{fault}");
        let answer = ask(&gateway);
        assert_eq!((answer.status, answer.body.as_str()), (503, UNAVAILABLE), "{fault}");
        assert!(server.ask(repair).unwrap().starts_with("+OK"), "{repair}");
    }
    wait_until("the store", || ask(&gateway).status == 200);
    let ended = gateway.stop();
    assert!(ended.stderr.contains("OOM") && ended.stderr.contains("READONLY"), "{}", ended.stderr);
}
