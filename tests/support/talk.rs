//! A backend whose rpcs stream, that does what a test says, and a gateway in front of it.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "a test may panic, and uses a part of its support")]

use std::io::{self, Read as _};
use std::net::TcpStream;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http_body::{Body as _, Frame};
use http_body_util::BodyExt as _;
use tokio::sync::mpsc;
use towbar::config::Overrides;
use towbar::schema::Schema;

use super::http::Answer;
use super::{Backend, Gateway};

pub const PROTO: &str = r#"
syntax = "proto3";
package talk;
import "google/api/annotations.proto";
import "google/api/httpbody.proto";
import "google/protobuf/field_mask.proto";
message Note { string topic = 1; string text = 2; int32 number = 3; }
message Piece { string name = 1; google.api.HttpBody content = 2; string etag = 3; bytes digest = 4; }
message Letter { string name = 1; Piece piece = 2; }
service Talk {
  rpc Watch(Note) returns (stream Note) { option (google.api.http) = { get: "/notes/{topic}" }; }
  rpc Texts(Note) returns (stream Note) { option (google.api.http) = { post: "/texts" body: "*" response_body: "text" }; }
  rpc Collect(stream Note) returns (Note) { option (google.api.http) = { post: "/notes/{topic}" body: "*" }; }
  rpc Add(stream Note) returns (Note) { option (google.api.http) = { post: "/texts/{topic}" body: "text" }; }
  rpc Chat(stream Note) returns (stream Note) { option (google.api.http) = { post: "/chat" body: "*" }; }
  rpc Ask(Note) returns (Note) { option (google.api.http) = { post: "/ask" body: "*" }; }
  rpc Put(Piece) returns (Note) { option (google.api.http) = { put: "/files/{name}" body: "content" }; }
  rpc Upload(stream Piece) returns (Note) { option (google.api.http) = { post: "/files/{name}" body: "content" }; }
  rpc Form(Piece) returns (Note) { option (google.api.http) = { post: "/forms/{name}" body: "*" }; }
  rpc Post(Letter) returns (stream Note) { option (google.api.http) = { post: "/letters/{name}" body: "piece" }; }
  rpc Read(Note) returns (google.api.HttpBody) { option (google.api.http) = { get: "/files/{topic}" }; }
  rpc Part(Note) returns (Piece) { option (google.api.http) = { get: "/parts/{topic}" response_body: "content" }; }
  rpc Download(Note) returns (stream google.api.HttpBody) { option (google.api.http) = { get: "/downloads/{topic}" }; }
  rpc Parts(Note) returns (stream Piece) { option (google.api.http) = { get: "/parts" response_body: "content" }; }
  rpc Echo(google.api.HttpBody) returns (google.api.HttpBody) { option (google.api.http) = { post: "/echo" body: "*" }; }
}
"#;

/// A `talk.Note` without topic.
pub fn note(text: &str, number: u8) -> Vec<u8> {
    let mut wire = vec![0x12];
    prost::encoding::encode_varint(text.len() as u64, &mut wire);
    wire.extend_from_slice(text.as_bytes());
    wire.extend_from_slice(&[0x18, number]);
    wire
}

/// The messages of a call as they come.
pub struct Requests {
    /// The metadata of the call, and the headers of gRPC itself.
    pub headers: http::HeaderMap,
    body: Body,
    bytes: Vec<u8>,
}

impl Requests {
    /// The next message; `None` at the end of the request, and when it was given up.
    pub async fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(prefix) = self.bytes.first_chunk::<5>() {
                let length = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]) as usize;
                if self.bytes.len() >= 5 + length {
                    let message = self.bytes[5..5 + length].to_vec();
                    self.bytes.drain(..5 + length);
                    return Some(message);
                }
            }
            let data = self.body.frame().await?.ok()?.into_data().ok()?;
            self.bytes.extend_from_slice(&data);
        }
    }

    /// How many there are, where the request comes to its end.
    pub async fn whole(mut self) -> Option<usize> {
        let mut count = 0;
        while self.next().await.is_some() {
            count += 1;
        }
        self.body.is_end_stream().then_some(count)
    }

    /// All of them that are left.
    pub async fn all(&mut self) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        while let Some(message) = self.next().await {
            all.push(message);
        }
        all
    }
}

/// The way back.
pub struct Replies(mpsc::Sender<io::Result<Frame<Bytes>>>);

impl Replies {
    /// Sends a message when there is room; false if the call was given up.
    pub async fn send(&self, message: &[u8]) -> bool {
        let length = u32::try_from(message.len()).unwrap().to_be_bytes();
        self.raw([&[0], &length[..], message].concat()).await
    }

    pub async fn raw(&self, bytes: Vec<u8>) -> bool {
        self.0.send(Ok(Frame::data(bytes.into()))).await.is_ok()
    }

    pub async fn end(self, status: &'static str, message: &'static str) {
        self.end_with(status, message, &[]).await;
    }

    /// The same with metadata in the trailers.
    pub async fn end_with(
        self,
        status: &'static str,
        message: &'static str,
        metadata: &[(&'static str, &'static str)],
    ) {
        let mut trailers = http::HeaderMap::new();
        for (name, value) in metadata {
            trailers.append(*name, value.parse().unwrap());
        }
        trailers.insert("grpc-status", status.parse().unwrap());
        trailers.insert("grpc-message", message.parse().unwrap());
        let _ = self.0.send(Ok(Frame::trailers(trailers))).await;
    }

    /// Waits until the call is given up.
    pub async fn given_up(&self) {
        self.0.closed().await;
    }

    pub async fn cut(self) {
        let _ = self.0.send(Err(io::Error::other("cut"))).await;
    }
}

struct ReplyBody(mpsc::Receiver<io::Result<Frame<Bytes>>>);

impl http_body::Body for ReplyBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0.poll_recv(cx)
    }
}

/// A backend that does this with every call: its rpc, its messages, the way back.
pub fn backend<F, R>(act: F) -> Backend
where
    F: Fn(String, Requests, Replies) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let service = Router::new().fallback(move |request: axum::extract::Request| {
        let rpc = request.uri().path().rsplit('/').next().unwrap().to_owned();
        let (sender, receiver) = mpsc::channel(1);
        let (head, body) = request.into_parts();
        let requests = Requests { headers: head.headers, body, bytes: Vec::new() };
        tokio::spawn(act(rpc, requests, Replies(sender)));
        async move {
            let head = [("content-type", "application/grpc"), ("x-started", "yes")];
            let body = Body::new(ReplyBody(receiver));
            (head, body).into_response() as Response
        }
    });
    Backend::start(service, None)
}

/// A backend that notes the messages of each call, and answers with what this makes of their count.
pub fn collecting(answer: fn(usize) -> Vec<u8>) -> (Backend, Arc<Mutex<Vec<Vec<u8>>>>) {
    let (got, seen) = shared::<Vec<Vec<u8>>>();
    let backend = backend(move |_, mut requests, replies| {
        let got = got.clone();
        async move {
            let all = requests.all().await;
            let count = all.len();
            *got.lock().unwrap() = all;
            replies.send(&answer(count)).await;
            replies.end("0", "").await;
        }
    });
    (backend, seen)
}

/// The answer of most of them.
pub fn got(_: usize) -> Vec<u8> {
    note("got", 0)
}

pub fn schema() -> Schema {
    schema_of(PROTO)
}

/// The schema of this `.proto` text.
pub fn schema_of(proto: &str) -> Schema {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("talk.proto"), proto).unwrap();
    Schema::load(&[folder.path().to_owned()]).unwrap()
}

/// A gateway in front of it, with these lines in its configuration.
pub fn gateway(backend: &Backend, config: &str) -> Gateway {
    gateway_of(schema(), backend, config)
}

/// The same for other rpcs.
pub fn gateway_of(schema: Schema, backend: &Backend, config: &str) -> Gateway {
    let config = format!("upstream: http://{}\nschema: talk.proto\n{config}", backend.address);
    let overrides = Overrides { listen: Some("127.0.0.1:0".to_owned()), ..Overrides::default() };
    Gateway::with(&config, &overrides, Ok(schema), None)
}

/// The same where a stop gives calls in flight no more than 300 ms.
pub fn hasty_gateway(backend: &Backend, config: &str) -> Gateway {
    let config = format!(
        "listen: {{address: \"127.0.0.1:0\", drain: {{notice: 0s, timeout: 300ms}}}}\nupstream: http://{}\nschema: talk.proto\n{config}",
        backend.address
    );
    Gateway::with(&config, &Overrides::default(), Ok(schema()), None)
}

/// An answer in chunks, and whether it came to its end.
#[derive(Debug)]
pub struct Streamed {
    pub answer: Answer,
    pub is_whole: bool,
}

/// Reads an answer in chunks as it comes.
pub struct Reader {
    pub stream: TcpStream,
    pub answer: Answer,
    bytes: Vec<u8>,
    ended: bool,
}

impl Reader {
    /// Reads the head.
    pub fn new(mut stream: TcpStream) -> Self {
        let answer = super::http::head(&mut stream);
        Self { stream, answer, bytes: Vec::new(), ended: false }
    }

    /// The next chunk; `None` at the end, or where the connection ends.
    pub fn chunk(&mut self) -> Option<Vec<u8>> {
        if self.answer.header("transfer-encoding") != Some("chunked") {
            let length = self.answer.header("content-length").unwrap().parse().unwrap();
            if self.ended || length == 0 {
                self.ended = true;
                return None;
            }
            let mut body = vec![0; length];
            self.stream.read_exact(&mut body).unwrap();
            self.ended = true;
            return Some(body);
        }
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let mut byte = [0];
            self.stream.read_exact(&mut byte).ok()?;
            line.push(byte[0]);
        }
        let size = usize::from_str_radix(std::str::from_utf8(&line).unwrap().trim(), 16).unwrap();
        let mut chunk = vec![0; size + 2];
        self.stream.read_exact(&mut chunk).ok()?;
        chunk.truncate(size);
        self.ended = size == 0;
        (size > 0).then_some(chunk)
    }

    /// All of it.
    pub fn whole(mut self) -> Streamed {
        let (body, is_whole) = self.bytes();
        self.answer.body = String::from_utf8(body).unwrap();
        Streamed { answer: self.answer, is_whole }
    }

    /// The bytes that are left, and whether they came to their end.
    pub fn bytes(&mut self) -> (Vec<u8>, bool) {
        let mut body = std::mem::take(&mut self.bytes);
        while let Some(chunk) = self.chunk() {
            body.extend(chunk);
        }
        (body, self.ended)
    }
}

/// Sends one request and reads its answer, in chunks or not.
pub fn send(gateway: &Gateway, method: &str, target: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Streamed {
    start(gateway, method, target, headers, body).whole()
}

/// The same, but for the body of the answer.
pub fn start(gateway: &Gateway, method: &str, target: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Reader {
    let mut stream = super::http::connect(gateway.address);
    super::http::write(&mut stream, method, target, headers, body);
    Reader::new(stream)
}

/// Something that a backend's closure and the test share.
pub fn shared<T: Default>() -> (Arc<Mutex<T>>, Arc<Mutex<T>>) {
    let one = Arc::new(Mutex::new(T::default()));
    (Arc::clone(&one), one)
}
