//! What a backend says it has not touched is sent again, and nothing else is: RFC 9113, sections 6.8 and 8.7.
//!
//! The bank here speaks HTTP/2 frame by frame, so that it can refuse and go away as it likes, and counts what it acted on.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crate::support::http;
use crate::support::{Gateway, assert_refused, assert_reply};

const TARGET: &str = "/health-check?bank_id=iron";
const SERVING: &str = r#"{"status":"SERVING"}"#;
const LOST: &str =
    r#"{"code":2,"message":"the connection to the backend was lost during the call; its outcome is unknown"}"#;
const UNTOUCHED: &str = r#"{"code":14,"message":"the backend did not accept the call; nothing was done"}"#;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;

/// What the bank does with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Does {
    /// Acts on it and answers.
    Answers,
    /// RST_STREAM with this code, without acting.
    Resets(u32),
    /// Acts on it, then RST_STREAM with this code.
    ActsAndResets(u32),
    /// GOAWAY with this code whose last stream is the one before the call's, then the end.
    GoesAwayBefore(u32),
    /// Acts on it, GOAWAY with this code whose last stream is the call's, then the end.
    GoesAwayAfter(u32),
    /// The same, but it answers before the end.
    GoesAwayAndAnswers,
    /// Acts on it, then the end.
    Cuts,
}

/// A bank that does with each call what its list says next, and answers when the list has ended.
struct Bank {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    next: Vec<Does>,
    acted: usize,
    seen: usize,
    connections: usize,
}

impl Bank {
    fn start(does: &[Does]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State { next: does.iter().rev().copied().collect(), ..State::default() }));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let state = Arc::clone(&shared);
                std::thread::spawn(move || {
                    state.lock().unwrap().connections += 1;
                    // An error is the gateway's end of the connection.
                    let _ = serve(stream.unwrap(), &state);
                });
            }
        });
        Self { address, state }
    }

    fn gateway(&self) -> Gateway {
        let headers = "status_headers:\n  status: token-grpc-status\n  message: token-grpc-message\n";
        Gateway::start(&format!("schema: proto\nupstream: http://{}\n{headers}", self.address), None)
    }

    /// How many calls it saw, and on how many it acted.
    fn calls(&self) -> (usize, usize) {
        let state = self.state.lock().unwrap();
        (state.seen, state.acted)
    }

    fn connections(&self) -> usize {
        self.state.lock().unwrap().connections
    }
}

fn serve(mut stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut preface = [0; 24];
    stream.read_exact(&mut preface)?;
    assert_eq!(&preface[..], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    send(&mut stream, SETTINGS, 0, 0, &[])?;
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head)?;
        let (kind, flags) = (head[3], head[4]);
        let mut payload = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
        stream.read_exact(&mut payload)?;
        let id = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        match kind {
            SETTINGS if flags & 1 == 0 => send(&mut stream, SETTINGS, 1, 0, &[])?,
            PING if flags & 1 == 0 => send(&mut stream, PING, 1, 0, &payload)?,
            // The end of a request.
            DATA if flags & 1 == 1 => {
                let does = {
                    let mut state = state.lock().unwrap();
                    let does = state.next.pop().unwrap_or(Does::Answers);
                    state.seen += 1;
                    state.acted += usize::from(!matches!(does, Does::Resets(_) | Does::GoesAwayBefore(_)));
                    does
                };
                if !act(&mut stream, id, does)? {
                    // With bytes unread, to close would be to reset, and what was sent last might be lost with it.
                    stream.shutdown(Shutdown::Write)?;
                    return std::io::copy(&mut stream, &mut std::io::sink()).map(drop);
                }
            }
            _ => {}
        }
    }
}

/// False if the connection is to end.
fn act(stream: &mut TcpStream, id: u32, does: Does) -> std::io::Result<bool> {
    let go_away = |stream: &mut TcpStream, last: u32, code: u32| {
        send(stream, GOAWAY, 0, 0, &[last.to_be_bytes(), code.to_be_bytes()].concat())
    };
    match does {
        Does::Answers => answer(stream, id).map(|()| true),
        Does::Resets(code) | Does::ActsAndResets(code) => {
            send(stream, RST_STREAM, 0, id, &code.to_be_bytes()).map(|()| true)
        }
        Does::GoesAwayBefore(code) => go_away(stream, id.saturating_sub(2), code).map(|()| false),
        Does::GoesAwayAfter(code) => go_away(stream, id, code).map(|()| false),
        Does::GoesAwayAndAnswers => {
            go_away(stream, id, NO_ERROR)?;
            answer(stream, id).map(|()| false)
        }
        Does::Cuts => Ok(false),
    }
}

/// `{"status":"SERVING"}` and grpc-status 0, with literal header fields of HPACK (RFC 7541, section 6.2.2).
fn answer(stream: &mut TcpStream, id: u32) -> std::io::Result<()> {
    const END_HEADERS: u8 = 4;
    const END_STREAM: u8 = 1;
    send(stream, HEADERS, END_HEADERS, id, b"\x88\x0f\x10\x10application/grpc")?;
    send(stream, DATA, 0, id, b"\0\0\0\0\x02\x08\x01")?;
    send(stream, HEADERS, END_HEADERS | END_STREAM, id, b"\x00\x0bgrpc-status\x010")
}

fn send(stream: &mut TcpStream, kind: u8, flags: u8, id: u32, payload: &[u8]) -> std::io::Result<()> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend_from_slice(&id.to_be_bytes());
    frame.extend_from_slice(payload);
    stream.write_all(&frame)
}

const NO_ERROR: u32 = 0;
const INTERNAL_ERROR: u32 = 2;
const REFUSED_STREAM: u32 = 7;
const CANCEL: u32 = 8;
const ENHANCE_YOUR_CALM: u32 = 11;

#[test]
fn a_call_that_the_backend_refused_unprocessed_is_sent_again() {
    for (does, seen) in [
        (&[Does::Resets(REFUSED_STREAM)][..], 2),
        (&[Does::Resets(REFUSED_STREAM), Does::Resets(REFUSED_STREAM)], 3),
        (&[Does::GoesAwayBefore(NO_ERROR)], 2),
        (&[Does::GoesAwayBefore(ENHANCE_YOUR_CALM)], 2),
        (&[Does::GoesAwayBefore(NO_ERROR), Does::Resets(REFUSED_STREAM)], 3),
    ] {
        let bank = Bank::start(does);
        let gateway = bank.gateway();
        assert_reply(&http::get(gateway.address, TARGET), SERVING, &format!("{does:?}"));
        assert_eq!(bank.calls(), (seen, 1), "{does:?}");
    }
}

#[test]
fn a_call_that_the_backend_may_have_processed_is_sent_only_once() {
    for does in [
        Does::Cuts,
        Does::GoesAwayAfter(NO_ERROR),
        Does::GoesAwayAfter(INTERNAL_ERROR),
        Does::GoesAwayAfter(ENHANCE_YOUR_CALM),
        Does::ActsAndResets(NO_ERROR),
        Does::ActsAndResets(INTERNAL_ERROR),
        Does::ActsAndResets(CANCEL),
        Does::ActsAndResets(ENHANCE_YOUR_CALM),
    ] {
        let bank = Bank::start(&[does]);
        let gateway = bank.gateway();
        let answer = http::get(gateway.address, TARGET);
        assert_refused(&answer, 502, LOST, &format!("{does:?}"));
        assert_eq!(answer.header("retry-after"), None, "{does:?}");
        assert_eq!(bank.calls(), (1, 1), "{does:?}");
        assert_reply(&http::get(gateway.address, TARGET), SERVING, &format!("after {does:?}"));
    }
}

#[test]
fn after_goaway_a_connection_finishes_its_calls_and_gets_no_new_ones() {
    let bank = Bank::start(&[Does::GoesAwayAndAnswers]);
    // One caller's connection, so one thread of the gateway.
    let gateway = bank.gateway();
    let mut caller = http::connect(gateway.address);
    for call in 1..=2 {
        http::write(&mut caller, "GET", TARGET, &[], None);
        assert_reply(&http::read(&mut caller), SERVING, &format!("call {call}"));
        assert_eq!(bank.connections(), call);
    }
    assert_eq!(bank.calls(), (2, 2));
}

#[test]
fn retries_to_a_backend_that_refuses_every_call_are_limited() {
    let bank = Bank::start(&[Does::Resets(REFUSED_STREAM); 1000]);
    let gateway = bank.gateway();
    let mut caller = http::connect(gateway.address);
    const CALLS: usize = 20;
    for _ in 0..CALLS {
        http::write(&mut caller, "GET", TARGET, &[], None);
        assert_refused(&http::read(&mut caller), 503, UNTOUCHED, "refused");
    }
    // Two more for the first two calls, one for the third; then nothing is left to pay for another.
    assert_eq!(bank.calls(), (CALLS + 5, 0));
}
