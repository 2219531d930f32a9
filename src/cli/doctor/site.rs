//! A public address, and requests to it in both versions of HTTP, each on a connection of its own.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::header::{HeaderName, HeaderValue};
use rustls::ClientConfig;
use serde_json::Value;
use tokio_rustls::TlsConnector;

use super::grpc::{Called, Connection, Http2, Origin};
use super::http1;
use super::reach::Ends;
use super::way::Way;
use crate::gateway::probe::NONCE;
use crate::tls;

/// What a request is spoken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    Http1,
    Http2,
}

/// One request.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) method: &'static str,
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) content: Content,
}

/// Its body.
#[derive(Debug, Clone)]
pub(super) enum Content {
    None,
    /// With its length.
    Whole(Bytes),
    /// In one chunk.
    Chunked(Bytes),
}

/// Where requests go.
pub(super) struct Site {
    pub(super) way: Way,
    /// `host`, with the port if it is not the scheme's.
    pub(super) authority: String,
    pub(super) tls: Option<Tls>,
    /// The path of the probe as callers write it.
    pub(super) probe: String,
    pub(super) nonce: String,
    pub(super) patience: Duration,
}

/// How TLS is made for each version.
pub(super) struct Tls {
    ends: Ends,
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
}

/// What became of a request to the probe.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It arrived, as this.
    Arrived(Value),
    /// Somebody else has answered.
    Answered(u16),
    /// Nobody has.
    Lost(String),
}

impl Tls {
    pub(super) fn new(ends: Ends) -> Result<Self, String> {
        let config = |alpn: &[&[u8]]| {
            let identity = ends.identity().map_err(super::listed)?;
            tls::client(identity, &ends.servers, alpn).map_err(|problem| problem.to_string())
        };
        Ok(Self { http1: config(&[b"http/1.1"])?, http2: config(&[b"h2"])?, ends })
    }
}

impl Tls {
    pub(super) fn ends(&self) -> &Ends {
        &self.ends
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if *self == Self::Http1 { "HTTP/1.1" } else { "HTTP/2" })
    }
}

impl Ask {
    pub(super) fn new(method: &'static str, target: String) -> Self {
        Self { method, target, headers: Vec::new(), content: Content::None }
    }

    pub(super) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(super) fn content(self, content: Content) -> Self {
        Self { content, ..self }
    }
}

impl Outcome {
    /// For one line, of one that has not arrived.
    pub(super) fn described(&self) -> String {
        match self {
            Self::Arrived(_) => "arrives".to_owned(),
            Self::Answered(status) => format!("is answered HTTP {status}"),
            Self::Lost(reason) => format!("is not answered ({reason})"),
        }
    }
}

impl Site {
    /// A request to the probe, or below it.
    pub(super) fn ask(&self, method: &'static str, below: &str) -> Ask {
        Ask::new(method, format!("{}{below}", self.probe)).with(NONCE, self.nonce.clone())
    }

    /// Sends it, and says whether and how it arrived.
    pub(super) async fn probe(&self, version: Version, ask: &Ask) -> Outcome {
        match self.send(version, ask).await {
            Ok(called) => self.outcome(&called),
            Err(reason) => Outcome::Lost(reason),
        }
    }

    pub(super) fn outcome(&self, called: &Called) -> Outcome {
        let told = serde_json::from_slice::<Value>(&called.body).ok();
        let own = told.filter(|told| told["nonce"].as_str() == Some(&self.nonce) && called.status == 200);
        own.map_or(Outcome::Answered(called.status), Outcome::Arrived)
    }

    pub(super) async fn send(&self, version: Version, ask: &Ask) -> Result<Called, String> {
        let tcp = self.way.open(self.patience).await?;
        let Some(Tls { ends, http1, http2 }) = &self.tls else { return self.over(tcp, version, ask).await };
        let config = if version == Version::Http1 { http1 } else { http2 };
        let connecting = TlsConnector::from(config.clone()).connect(ends.name.clone(), tcp);
        let connected = tokio::time::timeout(self.patience, connecting).await;
        let stream = connected.map_err(|_| "no end of the TLS handshake".to_owned())?;
        self.over(stream.map_err(|error| error.to_string())?, version, ask).await
    }

    async fn over(&self, stream: impl Connection, version: Version, ask: &Ask) -> Result<Called, String> {
        if version == Version::Http1 {
            return http1::send(stream, &self.authority, ask, self.patience).await;
        }
        let mut http2 = Http2::begin(stream, self.patience).await.map_err(|error| error.to_string())?;
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let origin = Origin { scheme, authority: self.authority.clone() };
        let mut request = Request::new(());
        *request.method_mut() = ask.method.parse().map_err(|_| "no method".to_owned())?;
        *request.version_mut() = http::Version::HTTP_2;
        *request.uri_mut() = origin.uri(&ask.target)?;
        for (name, value) in &ask.headers {
            let pair = (name.to_ascii_lowercase().parse::<HeaderName>(), HeaderValue::from_str(value));
            if let (Ok(name), Ok(value)) = pair {
                request.headers_mut().append(name, value);
            }
        }
        let body = match &ask.content {
            Content::None => Bytes::new(),
            Content::Whole(body) | Content::Chunked(body) => body.clone(),
        };
        http2.send(request, body).await
    }
}
