//! Sends one HTTP/1.1 request and reads the response with its trailers.

use std::error::Error as _;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, HOST, HeaderValue, TE, TRANSFER_ENCODING};
use http::{Request, Uri};
use http_body::Body as _;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::answer::Answer;
use super::connection::Connection;
use super::request::{Content, ProbeRequest};
use super::tap::{Heard, Tap};

/// The longest head of a response, in bytes.
const HEAD: usize = 128 << 10;
/// The most headers of a response.
const HEADERS: usize = 4 << 10;
/// The longest response body that is read, in bytes.
const BODY: usize = 4 << 20;

const TOO_LONG: &str = "the answer is too long";

/// Sends `request` and reads the response. The connection is not used again.
pub(super) async fn send(
    stream: impl Connection,
    authority: &str,
    request: &ProbeRequest,
    patience: Duration,
) -> Result<Answer, String> {
    let request = written(request, authority)?;
    let exchange = async {
        let (tap, heard) = Tap::new(Asking::new(stream));
        let handshake = client().handshake(TokioIo::new(tap)).await;
        let (sender, connection) = handshake.map_err(|error| reason(&error, &heard))?;
        // Only drives the connection. If the connection fails, `answered` gets the reason.
        let connection = async {
            let _ = connection.await;
            std::future::pending().await
        };
        tokio::select! {
            answer = answered(sender, request, &heard) => answer,
            answer = connection => answer,
        }
    };
    let answered = tokio::time::timeout(patience, exchange).await;
    answered.unwrap_or_else(|_| Err(format!("no answer in {patience:?}")))
}

/// A client as lenient as browsers: the doctor does not look for errors in the syntax of responses.
fn client() -> Builder {
    let mut builder = Builder::new();
    builder
        .max_buf_size(HEAD)
        .max_headers(HEADERS)
        .allow_spaces_after_header_name_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true)
        .ignore_invalid_headers_in_responses(true);
    builder
}

fn written(request: &ProbeRequest, authority: &str) -> Result<Request<Full<Bytes>>, String> {
    let target: Uri = request.target.parse().map_err(|error| format!("{}: {error}", request.target))?;
    let mut head = request.head(target)?;
    let headers = head.headers_mut();
    headers.insert(HOST, authority.parse().map_err(|_| format!("{authority} is no host"))?);
    // RFC 9110, section 10.1.4: TE applies to a single connection, so Connection must list it.
    let connection = if headers.contains_key(TE) { "close, TE" } else { "close" };
    headers.insert(CONNECTION, HeaderValue::from_static(connection));
    if matches!(request.content, Content::Chunked(_)) {
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    Ok(head.map(|()| Full::new(request.content.bytes())))
}

async fn answered(
    mut sender: SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
    heard: &Heard,
) -> Result<Answer, String> {
    let response = sender.send_request(request).await.map_err(|error| reason(&error, heard))?;
    let (head, body) = response.into_parts();
    let is_chunked = head.headers.contains_key(TRANSFER_ENCODING);
    let mut answer = Answer { status: head.status.as_u16(), headers: head.headers, ..Answer::default() };
    read(body, is_chunked, &mut answer).await?;
    Ok(answer)
}

async fn read(body: Incoming, is_chunked: bool, answer: &mut Answer) -> Result<(), String> {
    let declared = body.size_hint().exact();
    if declared.is_some_and(|length| length > BODY as u64) {
        return Err(TOO_LONG.to_owned());
    }
    let (mut body, mut whole) = (pin!(body), BytesMut::new());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| format!("in the middle of the answer: {}", broken(&error)))?;
        match frame.into_data() {
            Ok(data) => whole.extend_from_slice(&data),
            Err(frame) => answer.trailers = frame.into_trailers().ok().filter(|trailers| !trailers.is_empty()),
        }
        match whole.len() {
            BODY.. if is_chunked => return Err(TOO_LONG.to_owned()),
            // A body without a declared length ends with its connection; only its first `BODY` bytes are read.
            BODY.. if declared.is_none() => break,
            _ => {}
        }
    }
    whole.truncate(BODY);
    answer.body = whole.freeze();
    Ok(())
}

/// Why a body ended early.
fn broken(error: &hyper::Error) -> String {
    match of_system(error) {
        Some(error) if error.kind() == io::ErrorKind::UnexpectedEof => "early eof".to_owned(),
        Some(error) => error.to_string(),
        None => error.to_string(),
    }
}

/// Why there is no response.
fn reason(error: &hyper::Error, heard: &Heard) -> String {
    let first = heard.first();
    match of_system(error) {
        Some(error) if !(first.is_empty() && error.kind() == io::ErrorKind::UnexpectedEof) => return error.to_string(),
        _ => {}
    }
    let line = first.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line));
    match error {
        error if error.is_parse_too_large() => "the head of the answer is too long".to_owned(),
        error if error.is_parse() && !line.starts_with("HTTP/1.") => {
            format!("expected an answer of HTTP/1.1, found `{line}`")
        }
        error if error.is_parse() => error.to_string(),
        _ => "the connection ends without an answer".to_owned(),
    }
}

/// The error of the operating system or of TLS, if there is one.
fn of_system(error: &hyper::Error) -> Option<&io::Error> {
    error.source().and_then(|source| source.downcast_ref())
}

/// A connection for one request. Reading starts with the writing of the request, since some servers that are not HTTP
/// speak first. Reading goes on when nothing more can be written, since a server may refuse a request and close before
/// it has all of it.
struct Asking<S> {
    stream: S,
    has_begun: bool,
    /// Waits to read until writing has begun.
    reader: Option<Waker>,
    /// Writing has failed; anything else that is written is dropped.
    is_closed: bool,
}

impl<S> Asking<S> {
    fn new(stream: S) -> Self {
        Self { stream, has_begun: false, reader: None, is_closed: false }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Asking<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.has_begun {
            self.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Asking<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.has_begun = true;
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
        if !self.is_closed {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, bytes)) {
                Ok(count) => return Poll::Ready(Ok(count)),
                Err(_) => self.is_closed = true,
            }
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_closed && ready!(Pin::new(&mut self.stream).poll_flush(cx)).is_err() {
            self.is_closed = true;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let _ = ready!(Pin::new(&mut self.stream).poll_shutdown(cx));
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    const PATIENCE: Duration = Duration::from_secs(10);

    /// Sends a request to a server that reads `reads` bytes of it, sends `answer`, and closes. Returns what the server
    /// read, and the result.
    fn said(request: &ProbeRequest, reads: usize, answer: &[u8]) -> (Vec<u8>, Result<Answer, String>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (near, mut far) = tokio::io::duplex(64 << 10);
            let server = async move {
                let mut read = vec![0; reads];
                far.read_exact(&mut read).await.unwrap();
                let _ = far.write_all(answer).await;
                let _ = far.shutdown().await;
                read
            };
            let (read, answer) = tokio::join!(server, send(near, "api.test", request, PATIENCE));
            (read, answer)
        })
    }

    fn get() -> ProbeRequest {
        ProbeRequest::new("GET", "/probe/a%2Fb".to_owned())
    }

    #[test]
    fn a_probe_request_is_written_as_valid_http1() {
        let post = ProbeRequest::new("POST", "/probe".to_owned());
        let body = Bytes::from_static(b"{}");
        for (request, written) in [
            (get(), "GET /probe/a%2Fb HTTP/1.1\r\nhost: api.test\r\nconnection: close\r\n\r\n"),
            (
                get().with("TE", "trailers").with("DPoP", "a").with("DPoP", "b"),
                "GET /probe/a%2Fb HTTP/1.1\r\nte: trailers\r\ndpop: a\r\ndpop: b\r\nhost: api.test\r\nconnection: close, TE\r\n\r\n",
            ),
            (post.clone(), "POST /probe HTTP/1.1\r\nhost: api.test\r\nconnection: close\r\n\r\n"),
            (
                post.clone().content(Content::Whole(body.clone())),
                "POST /probe HTTP/1.1\r\nhost: api.test\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}",
            ),
            (
                post.content(Content::Chunked(body)),
                "POST /probe HTTP/1.1\r\nhost: api.test\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
            ),
        ] {
            let (read, answer) = said(&request, written.len(), b"HTTP/1.1 204 No Content\r\n\r\n");
            assert_eq!((String::from_utf8(read).unwrap().as_str(), answer.unwrap().status), (written, 204));
        }
    }

    #[test]
    fn a_response_is_read_whatever_its_framing() {
        for (answer, status, body, trailer) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", 200, "ab", None),
            ("HTTP/1.0 200 OK\r\n\r\nabc", 200, "abc", None),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 403 No\nContent-Length:1\n\na", 403, "a", None),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1;x=y\r\nb\r\n0\r\ntrailer: kept\r\n\r\n",
                200,
                "ab",
                Some("kept"),
            ),
            ("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", 304, "", None),
            ("HTTP/1.1 200 OK\r\nbad name: x\r\nname : y\r\nContent-Length: 0\r\n\r\n", 200, "", None),
        ] {
            let (_, found) = said(&get(), 0, answer.as_bytes());
            let found = found.unwrap_or_else(|reason| panic!("{answer}: {reason}"));
            let trailers = found.trailers.as_ref().map(|trailers| trailers["trailer"].to_str().unwrap());
            assert_eq!((found.status, &found.body[..], trailers), (status, body.as_bytes(), trailer), "{answer}");
        }
        let head = ProbeRequest::new("HEAD", "/".to_owned());
        let (_, answer) = said(&head, 0, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n");
        assert_eq!(answer.unwrap().status, 200);
    }

    #[test]
    fn an_invalid_or_oversized_response_is_reported_with_the_reason() {
        let long = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "x".repeat(HEAD));
        let chunk = format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{BODY:x}\r\n{}\r\n0\r\n\r\n",
            "x".repeat(BODY)
        );
        for (answer, reason) in [
            ("", "the connection ends without an answer"),
            ("SSH-2.0-OpenSSH\r\nx\r\n\r\n", "expected an answer of HTTP/1.1, found `SSH-2.0-OpenSSH`"),
            (&long, "the head of the answer is too long"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 4194305\r\n\r\n", "the answer is too long"),
            (&chunk, "the answer is too long"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", "in the middle of the answer: early eof"),
        ] {
            let (_, found) = said(&get(), 0, answer.as_bytes());
            let start = &answer[..answer.len().min(80)];
            assert_eq!(found.map(|answer| answer.status), Err(reason.to_owned()), "{start}");
        }
        // A body without a declared length is read up to the limit.
        let (_, found) = said(&get(), 0, format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(BODY + 1)).as_bytes());
        assert_eq!(found.unwrap().body.len(), BODY);
    }

    /// Some servers refuse a long body before it has arrived, and close.
    #[test]
    fn a_response_is_read_even_before_the_whole_request_is_written() {
        let body = Bytes::from(vec![b'x'; 1 << 20]);
        let request = ProbeRequest::new("POST", "/".to_owned()).content(Content::Whole(body));
        let (_, answer) = said(&request, 100, b"HTTP/1.1 413 Too Long\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(answer.unwrap().status, 413);
    }
}
