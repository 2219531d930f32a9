//! A bank that speaks HTTP/2 frame by frame (RFC 9113), so that it can fail in every way that one can, and that counts how
//! often it acted on each transfer.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "a test may panic, and uses a part of its support")]

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_rustls::TlsAcceptor;
use towbar::cli::demo::bank::certificates::Authority;

use super::wire::{End, Wire};
use super::{client_tls, server_tls};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

pub const NO_ERROR: u32 = 0;
pub const INTERNAL_ERROR: u32 = 2;
pub const REFUSED_STREAM: u32 = 7;
pub const CANCEL: u32 = 8;

/// The largest frame that everybody takes; servers that ask for no more send no larger ones.
const FRAME: usize = 16 << 10;

/// Time for a gateway to notice what came last.
const GOING: Duration = Duration::from_millis(20);

/// What the bank does with a call. It acts on it first, unless it says otherwise.
#[derive(Debug, Clone)]
pub enum Does {
    /// Answers with the transfer's id.
    Answers,
    /// The same, after some time.
    Slow(Duration),
    /// This, after some time.
    Later(Duration, Box<Self>),
    /// The same so many times, with such a pause before each.
    Trickles(usize, Duration),
    /// Sends these frames, which may be of the call's stream, and goes on.
    Sends(fn(u32) -> Vec<u8>, Box<Self>),
    /// Goes on, and sends these frames after some time.
    SendsLater(Duration, fn(u32) -> Vec<u8>, Box<Self>),
    /// Never answers.
    Hangs,
    /// Answers like this.
    Replies(Reply),
    /// The head and half of the message; then RST_STREAM.
    Half,
    /// The same; then the end of the connection.
    HalfAndCuts,
    /// RST_STREAM with this code.
    Resets(u32),
    /// Does not act on it, and says so: REFUSED_STREAM.
    Refuses,
    /// Does not act on it, and says so: GOAWAY whose last stream is one before it, then the end.
    GoesAwayBefore,
    /// GOAWAY whose last stream is the call's; answers; then the end.
    GoesAwayAndAnswers,
    /// GOAWAY whose last stream is the call's, then the end.
    GoesAwayAfter,
    /// GOAWAY that names no last stream yet (RFC 9113, section 6.8); answers this call and others that come; then one that does,
    /// and the end.
    Drains,
    /// The end of the connection.
    Cuts,
    /// The same, over TLS without close_notify.
    CutsBare,
    /// The answer, cut within its TLS record (without TLS: within a frame), and the end of the connection.
    CutsWithin,
    /// A fatal TLS alert (without TLS: nothing), and the end of the connection.
    Alerts,
    /// The end of the connection, by a TCP reset.
    Kills,
    /// Bytes that are no HTTP/2.
    Babbles,
}

impl Does {
    fn acts(&self) -> bool {
        match self {
            Self::Later(_, does) | Self::Sends(_, does) | Self::SendsLater(_, _, does) => does.acts(),
            does => !matches!(does, Self::Refuses | Self::GoesAwayBefore),
        }
    }
}

/// An answer as it stands on the wire.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    /// Besides `:status` 200 and the content type.
    pub head: Vec<(&'static str, String)>,
    pub data: Vec<u8>,
    /// None if the stream ends before them.
    pub trailers: Option<Vec<(&'static str, String)>>,
}

impl Reply {
    /// A status without a message.
    pub fn status(code: &str, message: &str) -> Does {
        let trailers = vec![("grpc-status", code.to_owned()), ("grpc-message", message.to_owned())];
        Does::Replies(Self { trailers: Some(trailers), ..Self::default() })
    }

    /// These bytes as the body, of this `grpc-encoding`, and grpc-status 0.
    pub fn encoded(encoding: &str, data: Vec<u8>) -> Does {
        let head = if encoding.is_empty() { Vec::new() } else { vec![("grpc-encoding", encoding.to_owned())] };
        Does::Replies(Self { head, data, trailers: Some(vec![("grpc-status", "0".to_owned())]) })
    }

    /// A message and trailers without a status.
    pub fn without_status() -> Does {
        let trailers = vec![("x-bank", "ok".to_owned())];
        Does::Replies(Self { data: frame_of(0, b"\x0a\x01a"), trailers: Some(trailers), ..Self::default() })
    }

    /// A head that ends the stream, and says no status.
    pub fn head_only() -> Does {
        Does::Replies(Self::default())
    }
}

/// A message with its gRPC prefix.
pub fn frame_of(flag: u8, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[flag], &length[..], message].concat()
}

/// How often the bank had a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// The request came, whole.
    pub seen: usize,
    /// And the bank acted on it.
    pub acted: usize,
}

type Choose = dyn Fn(&str, usize) -> Does + Send + Sync;

/// A bank whose calls each have a transfer's id as their first field.
pub struct RawBank {
    pub address: SocketAddr,
    /// What a gateway needs to call it, if it is called over TLS.
    pub client: Option<Arc<ClientConfig>>,
    state: Arc<State>,
    runtime: Option<Runtime>,
}

struct State {
    choose: Box<Choose>,
    counts: Mutex<HashMap<String, Count>>,
    connections: AtomicUsize,
    /// How often the gateway asked whether it is there.
    pings: AtomicUsize,
    /// When the gateway gave calls up, by RST_STREAM.
    resets: Mutex<Vec<Instant>>,
    /// Its SETTINGS_MAX_CONCURRENT_STREAMS, if it has one.
    streams: Option<u32>,
    tls: Option<TlsAcceptor>,
}

impl RawBank {
    /// What it does with a call, `choose` says: of the transfer's id, and how often the bank has seen it before.
    pub fn start(choose: impl Fn(&str, usize) -> Does + Send + Sync + 'static) -> Self {
        Self::with(None, None, choose)
    }

    /// The same over mutual TLS.
    pub fn over_tls(choose: impl Fn(&str, usize) -> Does + Send + Sync + 'static) -> Self {
        let authority = Authority::new("the bank's").unwrap();
        let client = Some(client_tls(Some(&authority), &authority));
        let mut bank = Self::with(None, Some(server_tls(&authority, &authority).into()), choose);
        bank.client = client;
        bank
    }

    /// The same with SETTINGS_MAX_CONCURRENT_STREAMS.
    pub fn with_streams(streams: Option<u32>, choose: impl Fn(&str, usize) -> Does + Send + Sync + 'static) -> Self {
        Self::with(streams, None, choose)
    }

    fn with(
        streams: Option<u32>,
        tls: Option<TlsAcceptor>,
        choose: impl Fn(&str, usize) -> Does + Send + Sync + 'static,
    ) -> Self {
        let (choose, counts) = (Box::new(choose), Mutex::default());
        let (connections, pings, resets) = (AtomicUsize::new(0), AtomicUsize::new(0), Mutex::default());
        let state = Arc::new(State { choose, counts, connections, pings, resets, streams, tls });
        let mut bank = Self { address: ([127, 0, 0, 1], 0).into(), client: None, state, runtime: None };
        bank.restart();
        bank
    }

    pub fn url(&self) -> String {
        self.url_at(self.address)
    }

    /// The same for who calls it somewhere else.
    pub fn url_at(&self, address: SocketAddr) -> String {
        format!("{}://{address}", if self.client.is_some() { "https" } else { "http" })
    }

    /// Ends every connection, and takes no new ones.
    pub fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
    }

    /// Takes connections at the same address.
    pub fn restart(&mut self) {
        self.kill();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind(self.address)).unwrap();
        self.address = listener.local_addr().unwrap();
        let state = Arc::clone(&self.state);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                state.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, Arc::clone(&state)));
            }
        });
        self.runtime = Some(runtime);
    }

    pub fn count(&self, id: &str) -> Count {
        self.state.counts.lock().unwrap().get(id).copied().unwrap_or_default()
    }

    /// Of all transfers together.
    pub fn total(&self) -> Count {
        let counts = self.state.counts.lock().unwrap();
        counts
            .values()
            .fold(Count::default(), |sum, count| Count { seen: sum.seen + count.seen, acted: sum.acted + count.acted })
    }

    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    pub fn pings(&self) -> usize {
        self.state.pings.load(Ordering::SeqCst)
    }

    /// When the gateway gave calls up.
    pub fn resets(&self) -> Vec<Instant> {
        self.state.resets.lock().unwrap().clone()
    }
}

impl Drop for RawBank {
    fn drop(&mut self) {
        self.kill();
    }
}

enum Op {
    Write(Vec<u8>),
    /// All that was written before, then the end.
    End(End),
}

async fn serve(stream: TcpStream, state: Arc<State>) {
    stream.set_nodelay(true).unwrap();
    let wire = match &state.tls {
        None => Wire::plain(stream),
        Some(tls) => match tls.accept(stream).await {
            Ok(stream) => Wire::tls(stream),
            Err(_) => return,
        },
    };
    let ((out, ops), (told, events)) = (unbounded_channel(), unbounded_channel());
    let mut connection = Connection {
        state,
        out,
        told: told.clone(),
        begun: HashMap::new(),
        highest: 0,
        last: None,
        slow: Arc::default(),
    };
    // An error is the gateway's end of the connection.
    tokio::select! {
        _ = read_all(wire.clone(), told) => {}
        () = connection.follow(events) => {}
        _ = write_all(wire, ops) => {}
    }
}

async fn write_all(mut wire: Wire, mut ops: UnboundedReceiver<Op>) -> std::io::Result<()> {
    while let Some(op) = ops.recv().await {
        match op {
            Op::Write(bytes) => wire.send(&bytes).await?,
            Op::End(End::Reset) => return wire.end(End::Reset).await,
            Op::End(end) => {
                wire.end(end).await?;
                // With bytes unread, to close would be to reset, and what was sent last might be lost with it.
                tokio::time::sleep(GOING * 4).await;
                return Ok(());
            }
        }
    }
    Ok(())
}

enum Event {
    Frame {
        kind: u8,
        flags: u8,
        id: u32,
        payload: Vec<u8>,
    },
    /// It is time to do this with a call.
    Act {
        id: u32,
        transfer: String,
        does: Box<Does>,
    },
    /// It is time to go, if nothing is left to answer.
    End,
}

async fn read_all(mut stream: Wire, told: UnboundedSender<Event>) -> std::io::Result<()> {
    let mut preface = [0; 24];
    stream.read_exact(&mut preface).await?;
    assert_eq!(&preface[..], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        stream.read_exact(&mut payload).await?;
        let id = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let _ = told.send(Event::Frame { kind: head[3], flags: head[4], id, payload });
    }
}

struct Connection {
    state: Arc<State>,
    out: UnboundedSender<Op>,
    told: UnboundedSender<Event>,
    /// The bodies of requests that have not ended.
    begun: HashMap<u32, Vec<u8>>,
    /// The highest stream on which the bank acted.
    highest: u32,
    /// The last stream that counts, once a GOAWAY has named it.
    last: Option<u32>,
    /// How many calls will be answered later.
    slow: Arc<AtomicUsize>,
}

impl Connection {
    async fn follow(&mut self, mut events: UnboundedReceiver<Event>) {
        let streams = self.state.streams.map_or(Vec::new(), |most| [&[0, 3], &most.to_be_bytes()[..]].concat());
        self.send(&[frame(SETTINGS, 0, 0, &streams)]);
        while let Some(event) = events.recv().await {
            match event {
                Event::Frame { kind: SETTINGS, flags, .. } if flags & 1 == 0 => {
                    self.send(&[frame(SETTINGS, 1, 0, &[])])
                }
                Event::Frame { kind: PING, flags, payload, .. } if flags & 1 == 0 => {
                    self.state.pings.fetch_add(1, Ordering::SeqCst);
                    self.send(&[frame(PING, 1, 0, &payload)]);
                }
                Event::Frame { kind: RST_STREAM, .. } => self.state.resets.lock().unwrap().push(Instant::now()),
                Event::Frame { kind: DATA, flags, id, payload } => self.data(id, flags, &payload),
                Event::Frame { .. } => {}
                Event::Act { id, transfer, does } => self.act(id, &transfer, *does),
                Event::End if self.slow.load(Ordering::SeqCst) > 0 => self.end_later(),
                Event::End => {
                    self.name_last();
                    let _ = self.out.send(Op::End(End::Well));
                }
            }
        }
    }

    fn data(&mut self, id: u32, flags: u8, payload: &[u8]) {
        if !payload.is_empty() {
            let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
            self.send(&[frame(WINDOW_UPDATE, 0, 0, &length)]);
        }
        // RFC 9113, section 6.8: what comes on streams above the last one is not acted on.
        if self.last.is_some_and(|last| id > last) {
            return;
        }
        self.begun.entry(id).or_default().extend_from_slice(payload);
        if flags & END_STREAM != 0 {
            let body = self.begun.remove(&id).unwrap();
            self.call(id, &body);
        }
    }

    fn call(&mut self, id: u32, body: &[u8]) {
        let length = usize::from(body[6]);
        assert_eq!((body[0], body[5]), (0, 0x0a), "a transfer's id comes first: {body:?}");
        let transfer = String::from_utf8(body[7..7 + length].to_vec()).unwrap();
        let does = {
            let mut counts = self.state.counts.lock().unwrap();
            let count = counts.entry(transfer.clone()).or_default();
            let mut does = (self.state.choose)(&transfer, count.seen);
            if matches!(does, Does::GoesAwayBefore) && (self.highest > id || self.last.is_some()) {
                // Its last stream would be below one that was acted on, or another than before.
                does = Does::Answers;
            }
            count.seen += 1;
            count.acted += usize::from(does.acts());
            does
        };
        if does.acts() {
            self.highest = self.highest.max(id);
        }
        self.act(id, &transfer, does);
    }

    fn act(&mut self, id: u32, transfer: &str, does: Does) {
        let message = [&[0x0a, u8::try_from(transfer.len()).unwrap()], transfer.as_bytes()].concat();
        let data = frame_of(0, &message);
        let half = [headers(id, 0, &[]), frame(DATA, 0, id, &data[..data.len() / 2])].concat();
        let reply = Reply { head: Vec::new(), data, trailers: Some(vec![("grpc-status", "0".to_owned())]) };
        let reset = |code: u32| frame(RST_STREAM, 0, id, &code.to_be_bytes());
        match does {
            Does::Answers => self.send(&[answer(id, &reply)]),
            Does::Replies(reply) => self.send(&[answer(id, &reply)]),
            Does::Slow(time) => self.send_later(time, vec![answer(id, &reply)]),
            Does::Later(time, does) => {
                let (told, transfer) = (self.told.clone(), transfer.to_owned());
                tokio::spawn(async move {
                    tokio::time::sleep(time).await;
                    let _ = told.send(Event::Act { id, transfer, does });
                });
            }
            Does::Trickles(times, pause) => {
                let message = frame(DATA, 0, id, &reply.data);
                let ok = block(id, END_STREAM, &fields(&[("grpc-status", "0".to_owned())]));
                self.send(&[headers(id, 0, &[])]);
                self.send_later(pause, [vec![message; times], vec![ok]].concat());
            }
            Does::Sends(frames, does) => {
                self.send(&[frames(id)]);
                self.act(id, transfer, *does);
            }
            Does::SendsLater(time, frames, does) => {
                self.send_later(time, vec![frames(id)]);
                self.act(id, transfer, *does);
            }
            Does::Hangs => {}
            Does::Half => self.send(&[half, reset(INTERNAL_ERROR)]),
            Does::HalfAndCuts => {
                self.send(&[half]);
                self.end(End::Well);
            }
            Does::Resets(code) => self.send(&[reset(code)]),
            Does::Refuses => self.send(&[reset(REFUSED_STREAM)]),
            Does::GoesAwayBefore => self.go_away(),
            Does::GoesAwayAfter => {
                self.name_last();
                self.end(End::Well);
            }
            Does::GoesAwayAndAnswers => {
                self.go_away();
                self.send(&[answer(id, &reply)]);
            }
            Does::Drains => {
                self.send(&[frame(GOAWAY, 0, 0, &[u32::MAX >> 1, NO_ERROR].map(u32::to_be_bytes).concat())]);
                self.send(&[answer(id, &reply)]);
                self.end_later();
            }
            Does::Cuts => self.end(End::Well),
            Does::CutsBare => self.end(End::Bare),
            Does::CutsWithin => self.end(End::Half(answer(id, &reply))),
            Does::Alerts => self.end(End::Alert),
            Does::Kills => self.end(End::Reset),
            Does::Babbles => {
                self.send(&[b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n".to_vec()]);
            }
        }
    }

    /// Names the last stream, and ends when it has answered on those that count.
    fn go_away(&mut self) {
        self.name_last();
        self.end_later();
    }

    fn name_last(&mut self) {
        let last = *self.last.get_or_insert(self.highest);
        self.begun.retain(|&id, _| id <= last);
        self.send(&[frame(GOAWAY, 0, 0, &[last, NO_ERROR].map(u32::to_be_bytes).concat())]);
    }

    /// The end, at once; what comes besides is not acted on.
    fn end(&mut self, end: End) {
        self.last = Some(0);
        self.begun.clear();
        let _ = self.out.send(Op::End(end));
    }

    /// Sends these parts, with such a pause before each.
    fn send_later(&self, time: Duration, parts: Vec<Vec<u8>>) {
        let (out, slow) = (self.out.clone(), Arc::clone(&self.slow));
        slow.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(async move {
            for part in parts {
                tokio::time::sleep(time).await;
                let _ = out.send(Op::Write(part));
            }
            slow.fetch_sub(1, Ordering::SeqCst);
        });
    }

    /// The end, once all is answered that came, and that was on its way.
    fn end_later(&self) {
        let told = self.told.clone();
        tokio::spawn(async move {
            tokio::time::sleep(GOING).await;
            let _ = told.send(Event::End);
        });
    }

    fn send(&self, frames: &[Vec<u8>]) {
        let _ = self.out.send(Op::Write(frames.concat()));
    }
}

fn answer(id: u32, reply: &Reply) -> Vec<u8> {
    let Reply { head, data, trailers } = reply;
    let ends_with_data = trailers.is_none() && !data.is_empty();
    let ends_with_head = trailers.is_none() && data.is_empty();
    let mut bytes = headers(id, if ends_with_head { END_STREAM } else { 0 }, head);
    let mut parts = data.chunks(FRAME).peekable();
    while let Some(part) = parts.next() {
        let ends = ends_with_data && parts.peek().is_none();
        bytes.extend(frame(DATA, if ends { END_STREAM } else { 0 }, id, part));
    }
    if let Some(trailers) = trailers {
        bytes.extend(block(id, END_STREAM, &fields(trailers)));
    }
    bytes
}

/// `:status` 200, the content type, and these.
fn headers(id: u32, flags: u8, more: &[(&str, String)]) -> Vec<u8> {
    let first = [("content-type", "application/grpc".to_owned())];
    block(id, flags, &[&[0x88], &fields(&first)[..], &fields(more)].concat())
}

/// A block of header fields, in as many frames as it takes.
fn block(id: u32, flags: u8, fields: &[u8]) -> Vec<u8> {
    let mut parts = fields.chunks(FRAME).enumerate().peekable();
    let mut bytes = Vec::new();
    while let Some((index, part)) = parts.next() {
        let end = if parts.peek().is_none() { END_HEADERS } else { 0 };
        let (kind, flags) = if index == 0 { (HEADERS, flags | end) } else { (CONTINUATION, end) };
        bytes.extend(frame(kind, flags, id, part));
    }
    bytes
}

/// Literal header fields that are not indexed (RFC 7541, section 6.2.2).
fn fields(pairs: &[(&str, String)]) -> Vec<u8> {
    let text = |text: &str| [integer(text.len()), text.as_bytes().to_vec()].concat();
    pairs.iter().flat_map(|(name, value)| [vec![0], text(name), text(value)].concat()).collect()
}

/// RFC 7541, section 5.1, with a prefix of seven bits.
fn integer(value: usize) -> Vec<u8> {
    if value < 127 {
        return vec![u8::try_from(value).unwrap()];
    }
    let (mut bytes, mut rest) = (vec![127], value - 127);
    while rest >= 128 {
        bytes.push((rest % 128) as u8 | 128);
        rest /= 128;
    }
    bytes.push(rest as u8);
    bytes
}

/// A frame of HTTP/2 (RFC 9113, section 4.1).
pub fn frame(kind: u8, flags: u8, id: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend_from_slice(&id.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}
