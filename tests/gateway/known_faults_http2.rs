//! Faults that servers of HTTP/2 have had, frame by frame: RFC 9113. docs/security.md lists them.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::{ClientConnection, StreamOwned};
use tonic::Response;
use towbar::cli::demo::bank::certificates::Authority;
use towbar::cli::demo::generated::io::token::proto::bankapi::HealthCheckResponse;

use crate::support::{Backend, Gateway, health, http};

const PATH: &str = "/health-check?bank_id=iron";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

const PROTOCOL_ERROR: u32 = 1;
const FLOW_CONTROL_ERROR: u32 = 3;
const CANCEL: u32 = 8;
const ENHANCE_YOUR_CALM: u32 = 11;

/// A gateway that serves TLS, in front of a backend that counts its calls.
struct Served {
    gateway: Gateway,
    _backend: Backend,
    callers: Authority,
    calls: Arc<AtomicUsize>,
}

impl Served {
    fn start() -> Self {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let backend = Backend::start(
            health(move |_| {
                counted.fetch_add(1, Ordering::SeqCst);
                async { Ok(Response::new(HealthCheckResponse::default())) }
            }),
            None,
        );
        let callers = Authority::new("callers").unwrap();
        let own = callers.issue("gateway.test").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        std::fs::write(&cert, own.certificate_pem()).unwrap();
        std::fs::write(&key, own.key_pem()).unwrap();
        let config = format!(
            "listen: {{address: \"127.0.0.1:0\", tls: {{cert: {}, key: {}}}}}\nupstream: http://{}\nschema: proto\n",
            cert.display(),
            key.display(),
            backend.address
        );
        let schema = towbar::schema::Schema::decode("the bank API", towbar::cli::demo::generated::DESCRIPTORS);
        let gateway = Gateway::with(&config, &towbar::config::Overrides::default(), schema, None);
        Self { gateway, _backend: backend, callers, calls }
    }

    fn connect(&self) -> Http2 {
        Http2::new(self.gateway.address, &self.callers)
    }

    /// Whether a caller who keeps to the rules is still served.
    fn assert_serves(&self, fault: &str) {
        let mut connection = self.connect();
        let before = self.calls.load(Ordering::SeqCst);
        connection.send(&frame(HEADERS, END_STREAM | END_HEADERS, 1, &head("GET", PATH, &[])));
        assert_eq!(connection.body(), "{}", "{fault}");
        assert_eq!(self.calls.load(Ordering::SeqCst), before + 1, "{fault}");
    }
}

/// A connection, frame by frame.
struct Http2(StreamOwned<ClientConnection, std::net::TcpStream>);

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Http2 {
    fn new(to: SocketAddr, callers: &Authority) -> Self {
        let servers = towbar::tls::Servers::Trusted(callers.trust().unwrap());
        let tls = towbar::tls::client(None, &servers, &[b"h2"]).unwrap();
        let connection = ClientConnection::new(tls, "gateway.test".try_into().unwrap()).unwrap();
        let mut this = Self(StreamOwned::new(connection, http::connect(to)));
        this.0.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
        this.send(&frame(SETTINGS, 0, 0, &[]));
        this
    }

    /// False when the gateway has ended the connection.
    fn send(&mut self, frames: &[u8]) -> bool {
        self.0.write_all(frames).is_ok()
    }

    /// The next frame; `None` at the end of the connection.
    fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        self.0.read_exact(&mut payload).ok()?;
        Some(Frame {
            kind: head[3],
            flags: head[4],
            stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]),
            payload,
        })
    }

    /// The next frame that is no SETTINGS and no window.
    fn next_but_settings(&mut self) -> Option<Frame> {
        std::iter::from_fn(|| self.next()).find(|frame| !matches!(frame.kind, SETTINGS | WINDOW_UPDATE))
    }

    /// The body of the one answer that comes.
    fn body(&mut self) -> String {
        let mut body = Vec::new();
        while let Some(frame) = self.next() {
            assert_ne!(frame.kind, GOAWAY, "{:?}", frame.payload);
            assert_ne!(frame.kind, RST_STREAM, "{:?}", frame.payload);
            if frame.kind == DATA {
                body.extend(frame.payload);
            }
            if matches!(frame.kind, DATA | HEADERS) && frame.flags & END_STREAM != 0 {
                break;
            }
        }
        String::from_utf8(body).unwrap()
    }

    /// The code with which the gateway ended this stream, or the connection.
    fn refused(&mut self) -> (u8, u32) {
        loop {
            let frame = self.next().expect("a reason before the end");
            let code = |at: usize| u32::from_be_bytes(frame.payload[at..at + 4].try_into().unwrap());
            match frame.kind {
                RST_STREAM => return (RST_STREAM, code(0)),
                GOAWAY => return (GOAWAY, code(4)),
                DATA | HEADERS => panic!("an answer on stream {}", frame.stream),
                _ => {}
            }
        }
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A length of HPACK, behind a prefix of 7 bits: RFC 7541, section 5.1.
fn length(bytes: usize) -> Vec<u8> {
    if bytes < 127 {
        return vec![u8::try_from(bytes).unwrap()];
    }
    let mut encoded = vec![127];
    prost::encoding::encode_varint((bytes - 127) as u64, &mut encoded);
    encoded
}

fn text(value: &str) -> Vec<u8> {
    [length(value.len()), value.as_bytes().to_vec()].concat()
}

/// A header that goes into no table.
fn header(name: &str, value: &str) -> Vec<u8> {
    [vec![0], text(name), text(value)].concat()
}

/// The headers of a request, as HPACK without compression.
fn head(method: &str, path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let pseudo = [(":method", method), (":scheme", "https"), (":authority", "gateway.test"), (":path", path)];
    pseudo.iter().chain(more).flat_map(|(name, value)| header(name, value)).collect()
}

#[test]
fn a_malformed_http2_request_is_reset_and_never_reaches_the_backend() {
    let served = Served::start();
    for (fault, ends, head) in [
        ("a path without a slash passed a policy for paths", RST_STREAM, head("GET", "health-check?bank_id=iron", &[])),
        ("no path was one", RST_STREAM, head("GET", "", &[])),
        ("of two paths one was judged", RST_STREAM, head("GET", PATH, &[(":path", "/accounts/balance")])),
        ("a path stood behind what was judged", RST_STREAM, head("GET", "/nope", &[("x", "y"), (":path", PATH)])),
        ("a length was that of the next request", RST_STREAM, head("GET", PATH, &[("content-length", "40")])),
        ("chunks were read behind", RST_STREAM, head("GET", PATH, &[("transfer-encoding", "chunked")])),
        ("a header of one hop went on", RST_STREAM, head("GET", PATH, &[("connection", "authorization")])),
        ("a name in upper case was another", RST_STREAM, head("GET", PATH, &[("X-Request-Id", "a")])),
        ("a line break was one", RST_STREAM, head("GET", PATH, &[("x", "a\r\nb: c")])),
        ("a NUL ended a value early", RST_STREAM, head("GET", PATH, &[("x", "a\0b")])),
        ("a fragment was cut off", RST_STREAM, head("GET", "/health-check?bank_id=iron#a", &[])),
        ("a line break in the path was one", RST_STREAM, head("GET", "/health-check HTTP/1.1\r\nHost: x", &[])),
    ] {
        let mut connection = served.connect();
        connection.send(&frame(HEADERS, END_STREAM | END_HEADERS, 1, &head));
        assert_eq!(connection.refused(), (ends, PROTOCOL_ERROR), "{fault}");
        assert_eq!(served.calls.load(Ordering::SeqCst), 0, "{fault}");
    }
    served.assert_serves("after them");
}

/// A few bytes that stand for many: one header of 4000 in the table, named 12000 times. That took 48 MB of memory.
#[test]
fn the_header_limit_counts_headers_after_hpack_decoding() {
    let served = Served::start();
    let mut connection = served.connect();
    let first = [vec![0x40], text("x"), text(&"a".repeat(4000))].concat();
    let block = [head("GET", PATH, &[]), first, vec![0xbe; 12_000]].concat();
    assert!(block.len() < 16_384, "one frame");
    connection.send(&frame(HEADERS, END_STREAM | END_HEADERS, 1, &block));
    assert_eq!(connection.refused(), (GOAWAY, ENHANCE_YOUR_CALM));
    assert_eq!(served.calls.load(Ordering::SeqCst), 0);
    served.assert_serves("after it");
}

#[test]
fn endless_continuation_frames_end_the_connection() {
    let served = Served::start();
    let mut connection = served.connect();
    connection.send(&frame(HEADERS, END_STREAM, 1, &head("GET", PATH, &[])));
    let more = frame(CONTINUATION, 0, 1, &header("x", "y"));
    assert!((0..100_000).any(|_| !connection.send(&more)), "100000 frames were taken");
    assert_eq!(served.calls.load(Ordering::SeqCst), 0);
    served.assert_serves("after them");
}

#[test]
fn a_flood_of_immediately_reset_calls_ends_the_connection() {
    let served = Served::start();
    let mut connection = served.connect();
    let call = |number: u32| {
        let stream = 2 * number + 1;
        let head = frame(HEADERS, END_STREAM | END_HEADERS, stream, &head("GET", PATH, &[]));
        [head, frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes())].concat()
    };
    // A hundred in one record of TLS, so that they arrive together.
    let hundred = |from: u32| (from..from + 100).flat_map(call).collect::<Vec<_>>();
    assert!((0..1000).any(|number| !connection.send(&hundred(100 * number))), "100000 calls were taken");
    served.assert_serves("after them");
}

/// Frames that cost their sender nothing kept a worker busy, and one kind of them wrote the log full.
#[test]
fn a_flood_of_frames_without_a_call_ends_the_connection() {
    let served = Served::start();
    let window = 1_u32.to_be_bytes();
    for (fault, one) in [
        ("a PING that nobody asked for is answered", frame(PING, 1, 0, &[7; 8])),
        ("a PING", frame(PING, 0, 0, &[7; 8])),
        ("SETTINGS", frame(SETTINGS, 0, 0, &[])),
        ("PRIORITY", frame(PRIORITY, 0, 3, &[0, 0, 0, 0, 9])),
        ("a window", frame(WINDOW_UPDATE, 0, 0, &window)),
        ("a frame that nobody knows", frame(0xee, 0, 0, b"x")),
    ] {
        let mut connection = served.connect();
        // No more than are read together, so that the reason is not lost with those behind it.
        connection.send(&one.repeat(990));
        let mut sent = 990;
        let reason = loop {
            connection.send(&[one.repeat(10), frame(PING, 0, 0, &[9; 8])].concat());
            sent += 11;
            assert!(sent < 50_000, "{fault}: {sent} frames were taken");
            let mut answers = std::iter::from_fn(|| connection.next());
            match answers.find(|frame| frame.kind == GOAWAY || (frame.kind == PING && frame.payload == [9; 8])) {
                Some(answer) if answer.kind == GOAWAY => break answer.payload,
                Some(_) => {}
                None => panic!("{fault}: no reason after {sent} frames"),
            }
        };
        assert_eq!(reason[4..8], ENHANCE_YOUR_CALM.to_be_bytes(), "{fault}");
    }
    served.assert_serves("after them");
}

/// A connection that calls may have as many of them as the calls need, and more.
#[test]
fn control_frames_that_accompany_calls_do_not_end_the_connection() {
    let served = Served::start();
    let mut connection = served.connect();
    for number in 0..300 {
        let stream = 2 * number + 1;
        let window = frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes());
        let call = frame(HEADERS, END_STREAM | END_HEADERS, stream, &head("GET", PATH, &[]));
        connection.send(&[frame(PRIORITY, 0, stream, &[0, 0, 0, 0, 9]), window.repeat(8), call].concat());
        assert_eq!(connection.body(), "{}", "{number}");
    }
}

/// Behind a proxy the streams of a connection are of many callers: one of them ended the calls of all.
#[test]
fn a_fault_on_one_stream_leaves_the_other_streams_intact() {
    let served = Served::start();
    let open = |stream, head: &[u8]| frame(HEADERS, END_HEADERS, stream, head);
    let get = head("GET", PATH, &[]);
    // GET, https and a path and an authority that go into the table, and are named from there.
    let kept = [&[0x82, 0x87, 0x44][..], &text(PATH), &[0x41], &text("gateway.test")].concat();
    let compressed = [0x82, 0x87, 0xbf, 0xbe];
    let window = |stream, bytes: u32| frame(WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes());
    for (fault, frames, code) in [
        ("a window of nothing", [open(3, &get), window(3, 0)].concat(), PROTOCOL_ERROR),
        (
            "a window of nothing, with the bit that means nothing",
            [open(3, &get), window(3, 1 << 31)].concat(),
            PROTOCOL_ERROR,
        ),
        ("a window too large", [open(3, &get), window(3, 0x7fff_ffff)].concat(), FLOW_CONTROL_ERROR),
        ("a header of one hop", open(3, &head("GET", PATH, &[("connection", "close")])), PROTOCOL_ERROR),
        ("a name in upper case", open(3, &head("GET", PATH, &[("X-Request-Id", "a")])), PROTOCOL_ERROR),
        ("a line break", open(3, &head("GET", PATH, &[("x", "a\r\nb: c")])), PROTOCOL_ERROR),
        ("a fragment", open(3, &head("GET", "/health-check#a", &[])), PROTOCOL_ERROR),
        ("no path", open(3, &head("GET", "", &[])), PROTOCOL_ERROR),
        (
            "a length that is not kept",
            [open(3, &head("GET", PATH, &[("content-length", "1")])), frame(DATA, END_STREAM, 3, b"ab")].concat(),
            PROTOCOL_ERROR,
        ),
        (
            "a stream that depends on itself",
            [open(3, &get), frame(PRIORITY, 0, 3, &[0, 0, 0, 3, 9])].concat(),
            PROTOCOL_ERROR,
        ),
    ] {
        for is_split in [false, true] {
            let mut connection = served.connect();
            let before = served.calls.load(Ordering::SeqCst);
            connection.send(&open(1, &kept));
            let pieces = if is_split { 1 } else { frames.len() };
            for piece in frames.chunks(pieces) {
                connection.send(piece);
            }
            assert_eq!(connection.refused(), (RST_STREAM, code), "{fault}");
            connection.send(&frame(DATA, END_STREAM, 1, &[]));
            assert_eq!(connection.body(), "{}", "{fault}");
            // What is compressed is read as before.
            connection.send(&frame(HEADERS, END_STREAM | END_HEADERS, 5, &compressed));
            assert_eq!(connection.body(), "{}", "{fault}");
            assert_eq!(served.calls.load(Ordering::SeqCst), before + 2, "{fault}");
        }
    }
}

/// A hundred faults in the life of a connection ended it, with the calls of others.
#[test]
fn only_faults_without_valid_calls_between_them_end_the_connection() {
    let served = Served::start();
    let fault = |stream| frame(HEADERS, END_STREAM | END_HEADERS, stream, &head("GET", "", &[]));
    let call = |stream| frame(HEADERS, END_STREAM | END_HEADERS, stream, &head("GET", PATH, &[]));
    let mut connection = served.connect();
    for number in 0..300 {
        let stream = 6 * number + 1;
        connection.send(&fault(stream));
        assert_eq!(connection.refused(), (RST_STREAM, PROTOCOL_ERROR), "{number}");
        for stream in [stream + 2, stream + 4] {
            connection.send(&call(stream));
            assert_eq!(connection.body(), "{}", "{number}");
        }
    }
    let mut connection = served.connect();
    let ended = (0..2000).position(|number| {
        connection.send(&fault(2 * number + 1));
        connection.next_but_settings().is_none_or(|frame| frame.kind == GOAWAY)
    });
    assert!(ended.is_some_and(|faults| faults >= 99), "{ended:?}");
}

/// What HTTP/1.1 refuses about a host and an expectation.
#[test]
fn an_http2_request_with_conflicting_hosts_or_an_unknown_expectation_is_refused() {
    let served = Served::start();
    for (headers, message) in [
        (("host", "other.test"), "header Host names another host than the request target"),
        (("expect", "y"), r#"header Expect: only \"100-continue\" is supported"#),
    ] {
        let mut connection = served.connect();
        connection.send(&frame(HEADERS, END_STREAM | END_HEADERS, 1, &head("GET", PATH, &[headers])));
        assert_eq!(
            http::without_reasons(&connection.body()),
            format!(r#"{{"code":3,"message":"{message}"}}"#),
            "{headers:?}"
        );
    }
    assert_eq!(served.calls.load(Ordering::SeqCst), 0);
}
