//! However a body is cut in pieces on its way, the backend gets the same message and the caller the same answer.

use std::convert::Infallible;
use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, Response};
use http_body_util::{BodyExt as _, Full};

use crate::support::{Stage, http};

/// What came to the backend, and what the caller was told: the status, the headers but for the time, the body.
type Exchange = (Vec<Bytes>, u16, Vec<(String, String)>, String);

/// A gateway before a backend that keeps what it gets.
struct Recorded {
    stage: Stage,
    calls: Arc<Mutex<Vec<Bytes>>>,
}

impl Recorded {
    fn new() -> Self {
        let calls = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&calls);
        let backend = Router::new().fallback(move |body: Bytes| {
            kept.lock().unwrap().push(body);
            async { empty_reply() }
        });
        Self { stage: Stage::of(backend), calls }
    }

    /// Sends the pieces as chunks, each in a write of its own.
    fn send(&self, pieces: &[&[u8]], pause: Duration) -> Exchange {
        let mut stream = http::connect(self.stage.address());
        stream.set_nodelay(true).unwrap();
        let headers = [("Content-Type", "application/json"), ("Transfer-Encoding", "chunked")];
        http::write(&mut stream, "POST", "/notifications", &headers, None);
        for piece in pieces {
            let chunk = [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat();
            stream.write_all(&chunk).unwrap();
            std::thread::sleep(pause);
        }
        stream.write_all(b"0\r\n\r\n").unwrap();
        self.exchange(http::read(&mut stream))
    }

    fn send_whole(&self, body: &[u8]) -> Exchange {
        let headers = [("Content-Type", "application/json")];
        self.exchange(self.stage.send("POST", "/notifications", &headers, Some(body)))
    }

    fn exchange(&self, answer: http::Answer) -> Exchange {
        let mut headers = answer.headers;
        headers.retain(|(name, _)| name != "date");
        (std::mem::take(&mut *self.calls.lock().unwrap()), answer.status, headers, answer.body)
    }
}

/// The reply of no fields, and `grpc-status: 0`.
fn empty_reply() -> Response<Body> {
    let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), HeaderValue::from_static("0"))]);
    let body = Full::new(Bytes::from_static(&[0; 5])).with_trailers(async { Some(Ok::<_, Infallible>(trailers)) });
    let mut response = Response::new(Body::new(body));
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    response
}

#[test]
fn splitting_a_body_into_chunks_changes_neither_the_message_nor_the_answer() {
    let recorded = Recorded::new();
    let body = r#"{"notification":{"id":"\u00e9\ud83d\ude00 漢","content":{"payload":"Zm8=","createdAtMs":-1e3,"locArgs":["a\n"]}}}"#;
    // Inside a member, in a word, in UTF-8; and too short by a brace.
    let wrong = r#"{"notification":{"id":7}}"#.as_bytes();
    let malformed = r#"{"notification":{"id":"漢","status":nul}}"#.as_bytes();
    let no_text = b"{\"notification\":{\"id\":\"\xe6\xbc\"}}";
    let short = r#"{"notification":{"id":"漢"}"#.as_bytes();
    for (body, status) in [(body.as_bytes(), 200), (wrong, 400), (malformed, 400), (no_text, 400), (short, 400)] {
        let shown = String::from_utf8_lossy(body);
        let whole = recorded.send_whole(body);
        assert_eq!((whole.0.len(), whole.1), (usize::from(status == 200), status), "{shown}: {}", whole.3);
        for at in 0..=body.len() {
            let (one, other) = body.split_at(at);
            // An empty chunk would be the last.
            let pieces: Vec<&[u8]> = [one, other].into_iter().filter(|piece| !piece.is_empty()).collect();
            assert_eq!(recorded.send(&pieces, Duration::from_millis(1)), whole, "{shown}, cut at {at}");
        }
        let bytes: Vec<&[u8]> = body.chunks(1).collect();
        assert_eq!(recorded.send(&bytes, Duration::ZERO), whole, "{shown}, byte by byte");
    }
}
