//! A gateway that is told to stop, step by step: docs/draining.md, "The order".

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustls::{ClientConnection, StreamOwned};
use towbar::cli::demo::bank::certificates::Authority;
use towbar::tls;

use crate::support::folder::Folder;
use crate::support::http::{self, Answer};
use crate::support::process::{Ended, Gateway};
use crate::support::raw::{Does, RawBank};

/// Longest wait for what must happen.
const PATIENCE: Duration = Duration::from_secs(20);
const LATE: Duration = Duration::from_secs(1);

/// A gateway with the port of who runs it, in front of a bank that answers late or never where the transfer's id says so.
struct Stage {
    gateway: Gateway,
    admin: SocketAddr,
    bank: RawBank,
    folder: Folder,
    authority: Authority,
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

impl Stage {
    fn start(drain: &str) -> Self {
        Self::with("", drain)
    }

    fn with(tls: &str, drain: &str) -> Self {
        let bank = RawBank::start(|id, _| match id {
            "late" => Does::Slow(LATE),
            "never" => Does::Hangs,
            _ => Does::Answers,
        });
        let (folder, authority) = (Folder::new(), Authority::new("the gateway's").unwrap());
        folder.copy("proto", "proto").write_identity("own.pem", "own.key", &authority.issue("gateway.test").unwrap());
        folder.write("towbar.yaml", config(&bank, tls, drain));
        let mut gateway = folder.start(&["serve", "--config", "towbar.yaml"]);
        let admin = gateway.process.read_until("metrics on http://");
        let admin = admin.strip_suffix("/metrics").unwrap().parse().unwrap();
        Self { gateway, admin, bank, folder, authority }
    }

    fn signal(&self, name: &str) {
        self.gateway.process.signal(name);
    }

    fn connect(&self) -> TcpStream {
        http::connect(self.gateway.address)
    }

    /// A connection on which this call waits for its answer at the bank.
    fn waiting(&self, id: &str) -> TcpStream {
        let (mut stream, before) = (self.connect(), self.bank.total().seen);
        send(&mut stream, id);
        wait_until("the call is at the bank", || self.bank.total().seen == before + 1);
        stream
    }

    fn ready(&self) -> (u16, String) {
        let answer = http::get(self.admin, "/ready");
        (answer.status, answer.body)
    }

    fn is_closed(&self) -> bool {
        TcpStream::connect(self.gateway.address).is_err()
    }

    /// Waits for the end, and gives what the log says of it.
    fn end(self) -> Vec<String> {
        let Ended { code, stderr, .. } = self.gateway.process.wait();
        assert_eq!(code, Some(0), "{stderr}");
        let message = |line: &str| {
            let (level, message) = line.split_once(" towbar::server: ")?;
            Some(format!("{} {message}", level.split_whitespace().last()?))
        };
        stderr.lines().filter_map(message).collect()
    }
}

fn config(bank: &RawBank, tls: &str, drain: &str) -> String {
    format!(
        "listen: {{address: \"127.0.0.1:0\", {tls}drain: {{{drain}}}}}\nschema: proto\nupstream: http://{}\n\
         admin: 127.0.0.1:0\nreload: {{interval: 100ms}}\n",
        bank.address
    )
}

fn send(stream: &mut TcpStream, id: &str) {
    let body = format!(r#"{{"transferId":"{id}"}}"#);
    http::write(stream, "POST", "/transfers", &[("Content-Type", "application/json")], Some(body.as_bytes()));
}

/// Whether the connection has ended, with nothing more on it.
fn has_ended(stream: &mut TcpStream) -> bool {
    matches!(stream.read(&mut [0]), Ok(0) | Err(_))
}

fn is_last(answer: &Answer) -> bool {
    answer.header("connection") == Some("close")
}

const NOTICE: &str = "INFO stopping: new connections are accepted for 60s, then calls in flight have 25s to end";

#[test]
fn during_the_notice_calls_are_answered_and_each_closes_its_connection() {
    let stage = Stage::start("notice: 60s");
    assert_eq!(stage.ready(), (200, "ready\n".to_owned()));
    let (mut used, mut unused) = (stage.connect(), stage.connect());
    send(&mut used, "before");
    let answer = http::read(&mut used);
    assert_eq!((answer.status, is_last(&answer)), (200, false));
    let mut waiting = stage.waiting("late");

    stage.signal("TERM");
    wait_until("it is not ready", || stage.ready() == (503, "not ready: stopping, as a signal asked\n".to_owned()));
    let head = http::send(stage.admin, "HEAD", "/ready", &[], None);
    assert_eq!((head.status, head.body.as_str()), (503, ""));
    assert_eq!(http::get(stage.admin, "/live").body, "live\n");
    let mut new = stage.connect();
    for (what, stream) in [("used", &mut used), ("unused", &mut unused), ("new", &mut new)] {
        send(stream, what);
        let answer = http::read(stream);
        assert_eq!((answer.status, is_last(&answer)), (200, true), "{what}");
        assert!(has_ended(stream), "{what}");
    }
    let answer = http::read(&mut waiting);
    assert_eq!((answer.status, is_last(&answer)), (200, true));

    stage.signal("TERM");
    wait_until("the notice is over", || stage.is_closed());
    assert_eq!(stage.end(), [NOTICE]);
}

#[test]
fn calls_in_flight_finish_within_the_drain_timeout_or_are_cut_and_logged() {
    let stage = Stage::start("notice: 0s, timeout: 3s");
    let (mut late, mut never, mut neither) = (stage.waiting("late"), stage.waiting("never"), stage.waiting("never"));
    stage.signal("TERM");
    wait_until("the port is closed", || stage.is_closed());
    assert_eq!(stage.ready().0, 503);
    let answer = http::read(&mut late);
    assert_eq!((answer.status, is_last(&answer)), (200, true));
    assert!(has_ended(&mut never) && has_ended(&mut neither));
    assert_eq!(stage.end(), ["WARN stopped: closed 2 connections with calls in flight"]);
}

#[test]
fn sigint_skips_the_notice_and_a_second_sigint_stops_immediately() {
    let stage = Stage::start("notice: 60s, timeout: 50s");
    let mut idle = stage.connect();
    send(&mut idle, "before");
    assert_eq!(http::read(&mut idle).status, 200);
    let mut never = stage.waiting("never");
    stage.signal("INT");
    wait_until("the port is closed", || stage.is_closed());
    assert!(has_ended(&mut idle));
    assert_eq!(http::get(stage.admin, "/live").status, 200);
    stage.signal("INT");
    assert!(has_ended(&mut never));
    assert_eq!(stage.end(), ["WARN stopped: closed 1 connection with calls in flight"]);
}

#[test]
fn a_connection_made_before_the_port_closes_still_gets_its_first_call_answered() {
    let stage = Stage::start("notice: 60s");
    let mut unused = stage.connect();
    stage.signal("INT");
    wait_until("the port is closed", || stage.is_closed());
    send(&mut unused, "first");
    let answer = http::read(&mut unused);
    assert_eq!((answer.status, is_last(&answer)), (200, true));
    assert_eq!(stage.end(), [""; 0]);
}

#[test]
fn a_reload_applies_new_drain_settings() {
    let stage = Stage::start("notice: 60s");
    stage.folder.write("towbar.yaml", config(&stage.bank, "", "notice: 20ms, timeout: 7s"));
    let is_done = || http::get(stage.admin, "/metrics").body.contains("towbar_reloads_total{result=\"done\"} 1\n");
    wait_until("the reload", is_done);
    stage.signal("TERM");
    assert_eq!(
        stage.end(),
        ["INFO stopping: new connections are accepted for 20ms, then calls in flight have 7s to end"]
    );
}

const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const ACK: u8 = 1;

/// A connection of HTTP/2, frame by frame (RFC 9113).
struct Http2(StreamOwned<ClientConnection, TcpStream>);

impl Http2 {
    fn connect(stage: &Stage) -> Self {
        let servers = tls::Servers::Trusted(stage.authority.trust().unwrap());
        let config = tls::client(None, &servers, &[b"h2"]).unwrap();
        let connection = ClientConnection::new(config, "gateway.test".try_into().unwrap()).unwrap();
        let mut this = Self(StreamOwned::new(connection, stage.connect()));
        this.0.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
        this.send(SETTINGS, 0, 0, &[]);
        // Its own come first: from here on the gateway knows of the connection.
        this.next(SETTINGS);
        this
    }

    fn send(&mut self, kind: u8, flags: u8, id: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let head = [&length[1..], &[kind, flags], &id.to_be_bytes()].concat();
        self.0.write_all(&[&head, payload].concat()).unwrap();
    }

    /// A call that is answered, whatever the answer: `GET /`.
    fn call(&mut self, id: u32) {
        self.send(HEADERS, 5, id, &[0x82, 0x87, 0x84, 0x41, 1, b'a']);
    }

    /// The next frame of this kind; `None` at the end of the connection.
    fn next(&mut self, wanted: u8) -> Option<Vec<u8>> {
        loop {
            let mut head = [0; 9];
            self.0.read_exact(&mut head).ok()?;
            let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
            self.0.read_exact(&mut payload).ok()?;
            if head[3] == wanted {
                return Some(payload);
            }
        }
    }

    /// The last stream that the next GOAWAY names; no more than a promise not to take any above it.
    fn last_stream(&mut self) -> Option<u32> {
        let payload = self.next(GOAWAY)?;
        assert_eq!(payload[4..8], [0; 4], "NO_ERROR");
        Some(u32::from_be_bytes(payload[..4].try_into().unwrap()))
    }
}

#[test]
fn over_http2_calls_in_transit_are_answered_before_the_connection_ends() {
    let stage = Stage::with("tls: {cert: own.pem, key: own.key}, ", "notice: 60s");
    let mut connection = Http2::connect(&stage);
    connection.call(1);
    assert!(connection.next(HEADERS).is_some());
    stage.signal("TERM");
    assert_eq!(connection.last_stream(), Some(u32::MAX >> 1), "none is named yet");
    let ping = connection.next(PING).unwrap();
    // Sent before GOAWAY was known.
    connection.call(3);
    assert!(connection.next(HEADERS).is_some());
    connection.send(PING, ACK, 0, &ping);
    assert_eq!(connection.last_stream(), Some(3));
    assert_eq!(connection.next(HEADERS), None, "the end");

    // A connection that is made in the notice has its call, and is told by it.
    let mut connection = Http2::connect(&stage);
    connection.call(1);
    assert_eq!(connection.last_stream(), Some(u32::MAX >> 1));
    let ping = connection.next(PING).unwrap();
    connection.send(PING, ACK, 0, &ping);
    assert_eq!(connection.last_stream(), Some(1));
    stage.signal("TERM");
    assert_eq!(stage.end(), [NOTICE]);
}
