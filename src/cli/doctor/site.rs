//! A public address, and requests to it over HTTP/1.1 and HTTP/2, each on a new connection.

use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use serde_json::Value;
use tokio_rustls::TlsConnector;

use super::answer::Answer;
use super::connection::Connection;
use super::http1;
use super::http2::{Http2, Origin};
use super::reach::Ends;
use super::report::listed;
use super::request::{ProbeRequest, Version};
use super::way::Way;
use crate::gateway::probe::NONCE;
use crate::tls;

/// The public address under test.
pub(super) struct Site {
    pub(super) way: Way,
    /// The host, with the port unless it is the scheme's default.
    pub(super) authority: String,
    pub(super) tls: Option<Tls>,
    /// The path of the probe as callers write it.
    pub(super) probe: String,
    pub(super) nonce: String,
    pub(super) patience: Duration,
}

/// The TLS configuration for each HTTP version.
pub(super) struct Tls {
    ends: Ends,
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
}

/// What happened to a request to the probe.
#[derive(Debug)]
pub(super) enum ProbeOutcome {
    /// The gateway answered, and describes the request as it arrived.
    Arrived(Value),
    /// Something else answered, with this status.
    Answered(u16),
    /// Nothing answered; the reason.
    Lost(String),
}

/// An HTTP version that reaches the gateway.
pub(super) struct Reached {
    pub(super) version: Version,
    /// The HTTP version in which requests arrive at the gateway.
    pub(super) arrives_as: String,
}

impl Tls {
    pub(super) fn new(ends: Ends) -> Result<Self, String> {
        let config = |alpn: &[&[u8]]| {
            let identity = ends.identity().map_err(listed)?;
            tls::client(identity, &ends.servers, alpn).map_err(|problem| problem.to_string())
        };
        Ok(Self { http1: config(&[b"http/1.1"])?, http2: config(&[b"h2"])?, ends })
    }

    pub(super) fn ends(&self) -> &Ends {
        &self.ends
    }
}

impl ProbeOutcome {
    /// A one-line description of a request that did not arrive.
    pub(super) fn described(&self) -> String {
        match self {
            Self::Arrived(_) => "arrives".to_owned(),
            Self::Answered(status) => format!("is answered HTTP {status}"),
            Self::Lost(reason) => format!("is not answered ({reason})"),
        }
    }
}

impl Site {
    /// A request to the probe, or to a path below it.
    pub(super) fn ask(&self, method: &'static str, below: &str) -> ProbeRequest {
        ProbeRequest::new(method, format!("{}{below}", self.probe)).with(NONCE, self.nonce.clone())
    }

    /// Sends the request and reports whether and how it arrived.
    pub(super) async fn probe(&self, version: Version, request: &ProbeRequest) -> ProbeOutcome {
        match self.send(version, request).await {
            Ok(called) => self.outcome(&called),
            Err(reason) => ProbeOutcome::Lost(reason),
        }
    }

    pub(super) fn outcome(&self, called: &Answer) -> ProbeOutcome {
        let told = serde_json::from_slice::<Value>(&called.body).ok();
        let own = told.filter(|told| told["nonce"].as_str() == Some(&self.nonce) && called.status == 200);
        own.map_or(ProbeOutcome::Answered(called.status), ProbeOutcome::Arrived)
    }

    pub(super) async fn send(&self, version: Version, request: &ProbeRequest) -> Result<Answer, String> {
        let tcp = self.way.open(self.patience).await?;
        let Some(Tls { ends, http1, http2 }) = &self.tls else { return self.over(tcp, version, request).await };
        let config = if version == Version::Http1 { http1 } else { http2 };
        let connecting = TlsConnector::from(config.clone()).connect(ends.name.clone(), tcp);
        let connected = tokio::time::timeout(self.patience, connecting).await;
        let stream = connected.map_err(|_| "no end of the TLS handshake".to_owned())?;
        self.over(stream.map_err(|error| error.to_string())?, version, request).await
    }

    async fn over(&self, stream: impl Connection, version: Version, request: &ProbeRequest) -> Result<Answer, String> {
        if version == Version::Http1 {
            return http1::send(stream, &self.authority, request, self.patience).await;
        }
        let mut http2 = Http2::begin(stream, self.patience).await.map_err(|error| error.to_string())?;
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let origin = Origin { scheme, authority: self.authority.clone() };
        let mut head = request.head(origin.uri(&request.target)?)?;
        *head.version_mut() = http::Version::HTTP_2;
        http2.send(head, request.content.bytes()).await
    }
}
