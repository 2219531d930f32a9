//! HTTP/2 connections and calls over them, with everything that shows how they went.

use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use h2::client::SendRequest;
use h2::{Ping, RecvStream};
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue, TE, USER_AGENT};
use http::{Request, Uri, Version};
use tokio::time::timeout;

use super::answer::Answer;
use super::connection::Connection;
use super::settings::{self, Start};
use super::tap::{Heard, Tap};

/// An HTTP/2 connection on which the peer has answered at least once.
pub(super) struct Http2 {
    sender: SendRequest<Bytes>,
    /// The SETTINGS of the peer: number and value.
    pub(super) settings: Vec<(u16, u32)>,
    patience: Duration,
}

/// Why there is no HTTP/2 connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoHttp2 {
    /// The peer ended the TLS handshake with an alert.
    #[error("{}", crate::tls::explain(.0))]
    Alert(rustls::Error),
    /// The peer answered with text in another protocol.
    #[error("the server answers `{0}`")]
    Text(String),
    /// The peer did not answer in time.
    #[error("no answer")]
    Late,
    #[error("the server ends the connection: {0}")]
    Lost(String),
}

/// The scheme and authority of calls.
pub(super) struct Origin {
    pub(super) scheme: &'static str,
    pub(super) authority: String,
}

/// The most bytes of a response body that are read.
const MOST: usize = 4 << 20;

impl Http2 {
    /// Opens the connection, and waits until the peer answers a PING. By then it has processed the TLS handshake,
    /// including our certificate, and the start of HTTP/2.
    pub(super) async fn begin(stream: impl Connection, patience: Duration) -> Result<Self, NoHttp2> {
        let (tap, heard) = Tap::new(stream);
        let begun = timeout(patience, Self::shake(tap)).await;
        match (begun, settings::start(&heard.first())) {
            (Ok(Ok(sender)), Start::Settings(settings)) => Ok(Self { sender, settings, patience }),
            (begun, start) => Err(Self::lost(&heard, start, begun.map(|shaken| shaken.err()).ok())),
        }
    }

    async fn shake(tap: Tap<impl Connection>) -> Result<SendRequest<Bytes>, h2::Error> {
        let (sender, mut connection) = h2::client::Builder::new().enable_push(false).handshake(tap).await?;
        let ping = connection.ping_pong();
        // The connection task ends when the last sender is dropped.
        tokio::spawn(connection);
        if let Some(mut ping) = ping {
            ping.ping(Ping::opaque()).await?;
        }
        Ok(sender)
    }

    fn lost(heard: &Heard, start: Start, error: Option<Option<h2::Error>>) -> NoHttp2 {
        match (heard.alert(), start, error) {
            (Some(alert), ..) => NoHttp2::Alert(alert),
            (None, Start::Text(text), _) => NoHttp2::Text(text),
            (None, _, None) => NoHttp2::Late,
            (None, _, Some(error)) => {
                NoHttp2::Lost(error.map_or_else(|| "it is no HTTP/2".to_owned(), |error| error.to_string()))
            }
        }
    }

    /// Sends one request and reads its response to the end.
    pub(super) async fn send(&mut self, request: Request<()>, body: Bytes) -> Result<Answer, String> {
        let exchange = async {
            self.sender.clone().ready().await?;
            let (response, mut stream) = self.sender.send_request(request, body.is_empty())?;
            if !body.is_empty() {
                stream.send_data(body, true)?;
            }
            let (head, body) = response.await?.into_parts();
            let (body, trailers) = read(body).await?;
            Ok(Answer { status: head.status.as_u16(), headers: head.headers, body, trailers })
        };
        let answered = timeout(self.patience, exchange).await;
        let late = |_| format!("no answer in {:?}", self.patience);
        answered.map_err(late)?.map_err(|error: h2::Error| error.to_string())
    }

    /// Calls an rpc with one message.
    pub(super) async fn call(&mut self, origin: &Origin, path: &str, message: &[u8]) -> Result<Answer, String> {
        let mut request = Request::new(());
        *request.method_mut() = http::Method::POST;
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = origin.uri(path)?;
        let headers = request.headers_mut();
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("towbar/", env!("CARGO_PKG_VERSION"))));
        let mut frame = BytesMut::with_capacity(5 + message.len());
        frame.put_u8(0);
        frame.put_u32(u32::try_from(message.len()).map_err(|_| "too long".to_owned())?);
        frame.put_slice(message);
        self.send(request, frame.freeze()).await
    }
}

async fn read(mut body: RecvStream) -> Result<(Bytes, Option<HeaderMap>), h2::Error> {
    let mut whole = BytesMut::new();
    while let Some(part) = body.data().await {
        let part = part?;
        body.flow_control().release_capacity(part.len())?;
        if whole.len() < MOST {
            whole.extend_from_slice(&part);
        }
    }
    Ok((whole.freeze(), body.trailers().await?))
}

impl Origin {
    pub(super) fn uri(&self, path: &str) -> Result<Uri, String> {
        let uri = Uri::builder().scheme(self.scheme).authority(self.authority.as_str()).path_and_query(path).build();
        uri.map_err(|error| format!("{path}: {error}"))
    }
}
