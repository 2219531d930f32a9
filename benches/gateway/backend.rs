//! A backend that answers every rpc with prepared bytes.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue};
use http_body::Frame;
use http_body_util::BodyExt as _;
use tokio::runtime::Runtime;
use towbar::server::{Listener, Plain};

use crate::load::HELD;
use crate::messages;
use crate::process::Deployment;

/// A backend with a plaintext port and a TLS port.
pub(crate) struct Backend {
    plain: SocketAddr,
    tls: SocketAddr,
    _runtime: Runtime,
}

impl Backend {
    pub(crate) fn start(deployment: &Deployment) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let service = service();
        let (plain, tls) = runtime.block_on(async {
            let mut addresses = Vec::new();
            for tls in [None, Some(deployment.server_tls())] {
                let listener = Listener::bind("127.0.0.1:0", tls, Plain::Http2).await.unwrap();
                addresses.push(listener.address().unwrap());
                tokio::spawn(listener.serve(service.clone(), std::future::pending()));
            }
            (addresses[0], addresses[1])
        });
        Self { plain, tls, _runtime: runtime }
    }

    pub(crate) fn address(&self, tls: bool) -> SocketAddr {
        if tls { self.tls } else { self.plain }
    }
}

fn service() -> Router {
    let schema = messages::bank();
    let balance = framed(&messages::balance(&schema).wire);
    let list = framed(&messages::transactions(&schema, 100).wire);
    let transfer = framed(&[0x0a, 0x04, b't', b':', b'4', b'2']);
    Router::new().fallback(move |request: Request| {
        let rpc = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
        let reply = match rpc.as_str() {
            "Transfer" => transfer.clone(),
            "GetTransactions" => list.clone(),
            _ => balance.clone(),
        };
        async move {
            // A real backend receives the whole request before it answers.
            let _ = request.into_body().collect().await;
            if rpc == "Hold" {
                tokio::time::sleep(Duration::from_secs(HELD)).await;
            }
            answer(reply)
        }
    })
}

/// Prepends Compressed-Flag and Message-Length to the message.
fn framed(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(5 + message.len());
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).unwrap());
    frame.put_slice(message);
    frame.freeze()
}

fn answer(reply: Bytes) -> Response {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let mut response = Response::new(Body::new(Reply { message: Some(reply), trailers: Some(trailers) }));
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    response
}

/// A response body: one message, then the status in trailers.
struct Reply {
    message: Option<Bytes>,
    trailers: Option<HeaderMap>,
}

impl http_body::Body for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let message = self.message.take().map(Frame::data);
        let frame = message.or_else(|| self.trailers.take().map(Frame::trailers));
        Poll::Ready(frame.map(Ok))
    }
}
