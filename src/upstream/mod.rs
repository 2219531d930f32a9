//! The gRPC backend as a client sees it: connection, TLS, deadline, framing.
//!
//! A path, metadata and a message in; a message with metadata or a [`CallError`] out. Every call is sent once: what
//! becomes of it when the connection breaks is told, never tried again. Knows neither JSON nor routes.

mod address;
mod connect;

use std::error::Error;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue, TE};
use http_body_util::{BodyExt as _, Full};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::sync::Arc;
use tokio::time::Instant;
use tonic::transport::{Channel, Endpoint};
use tower::{Service as _, ServiceExt as _};

use crate::problem::Problem;
use crate::tls::{self, Identity, IdentityFiles, Trust};

pub use address::{Address, AddressError};
use connect::{ConnectError, Refusal, Target};

/// Default of [`Config::deadline`]: below the 30 s after which the bank's documented clients give up.
pub const DEADLINE: Duration = Duration::from_secs(25);

/// Default of [`Config::reply_limit`].
pub const REPLY_LIMIT: usize = 4 << 20;

/// Where the backend is and how it is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Scheme, host and port.
    pub address: Address,
    /// Files for `https`.
    pub tls: TlsFiles,
    /// Longest time for a call, from the request's arrival to the reply's last byte.
    pub deadline: Duration,
    /// Largest reply message, in bytes.
    pub reply_limit: usize,
}

/// The files of [`Config::tls`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsFiles {
    /// What the gateway shows to the backend.
    pub identity: Option<IdentityFiles>,
    /// Whom the gateway trusts; without it, the operating system's authorities.
    pub ca: Option<std::path::PathBuf>,
    /// The name that the backend's certificate must have, if it is not the host.
    pub server_name: Option<String>,
}

/// A backend, ready to be called. Connects when the first call comes, and again after a loss.
pub struct Upstream {
    channel: Channel,
    refusal: Refusal,
    /// See [`Config::address`].
    pub address: Address,
    /// See [`Config::deadline`].
    pub deadline: Duration,
    reply_limit: usize,
}

/// A successful reply.
#[derive(Debug)]
pub struct Reply {
    /// The message in wire format.
    pub message: Bytes,
    /// Initial metadata and trailers.
    pub metadata: HeaderMap,
}

/// Why a call gave no message. The texts of causes are for the log: they may hold addresses.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No connection: nothing was sent.
    #[error("the backend cannot be reached: {cause}")]
    Unreachable { cause: String },
    /// The connection broke after the request went out: whether the backend acted on it is unknown.
    #[error("the connection to the backend was lost during the call: {cause}")]
    Lost { cause: String },
    /// The deadline passed first.
    #[error("the deadline passed")]
    Deadline,
    /// The answer is not gRPC, or not a single message.
    #[error("the backend's answer is no unary gRPC reply: {cause}")]
    Protocol { cause: String },
    /// The reply message is over the limit.
    #[error("the reply has {length} bytes, more than the limit of {limit}")]
    TooLarge { length: usize, limit: usize },
    /// The backend answered with a status.
    #[error("the backend answered {:?}", status.code())]
    Status { status: Box<tonic::Status>, metadata: HeaderMap },
}

impl Upstream {
    /// A backend from its configuration.
    ///
    /// # Errors
    /// Everything wrong with its files.
    pub fn new(config: &Config) -> Result<Self, Vec<Problem>> {
        let tls = if config.address.tls { Some(client_config(&config.tls)?) } else { None };
        Self::with_tls(config, tls)
    }

    /// A backend with a TLS configuration at hand.
    ///
    /// # Errors
    /// The server name is none.
    pub fn with_tls(config: &Config, tls: Option<Arc<ClientConfig>>) -> Result<Self, Vec<Problem>> {
        let Address { host, port, .. } = &config.address;
        let tls = match tls {
            None => None,
            Some(tls) => {
                let name = config.tls.server_name.as_ref().unwrap_or(host);
                let name = ServerName::try_from(name.clone()).map_err(|_| {
                    vec![Problem::at(
                        "upstream.tls.server_name",
                        format!("expected a DNS name or an IP address, found `{name}`"),
                    )]
                })?;
                Some((tls.into(), name))
            }
        };
        let refusal = Refusal::default();
        let target = Target { host: host.clone(), port: *port, tls, refusal: refusal.clone() };
        let endpoint = endpoint(&config.address).map_err(|error| vec![Problem::at("upstream.address", error)])?;
        let channel = endpoint.connect_with_connector_lazy(connect::connector(target));
        let address = config.address.clone();
        Ok(Self { channel, refusal, address, deadline: config.deadline, reply_limit: config.reply_limit })
    }

    /// Calls `path` with one message and waits for one message until `deadline`, which the backend is told.
    ///
    /// Dropping the future resets the stream, so the backend learns that nobody waits any more.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn call(
        &self,
        path: &str,
        metadata: HeaderMap,
        message: &[u8],
        deadline: Instant,
    ) -> Result<Reply, CallError> {
        let request = request(path, metadata, message, deadline);
        tokio::time::timeout_at(deadline, self.exchange(request)).await.unwrap_or(Err(CallError::Deadline))
    }

    async fn exchange(&self, request: http::Request<tonic::body::Body>) -> Result<Reply, CallError> {
        let mut channel = self.channel.clone();
        let ready = channel.ready().await.map_err(|error| self.broken(&error))?;
        let response = ready.call(request).await.map_err(|error| self.broken(&error))?;
        let (head, mut body) = response.into_parts();
        check_head(&head)?;
        let mut metadata = head.headers;
        let mut frame = BytesMut::new();
        let mut trailers = None;
        while let Some(part) = body.frame().await {
            let part = part.map_err(|status| self.broken(&status))?;
            match part.into_data() {
                Ok(data) => {
                    frame.extend_from_slice(&data);
                    self.check_length(&frame)?;
                }
                Err(part) => trailers = part.into_trailers().ok(),
            }
        }
        let status = match &trailers {
            Some(trailers) => tonic::Status::from_header_map(trailers),
            None => tonic::Status::from_header_map(&metadata),
        };
        metadata.extend(trailers.unwrap_or_default());
        match status {
            None => Err(protocol("it ended without grpc-status")),
            Some(status) if status.code() != tonic::Code::Ok => {
                Err(CallError::Status { status: Box::new(status), metadata })
            }
            Some(_) => Ok(Reply { message: only_message(frame)?, metadata }),
        }
    }

    fn check_length(&self, frame: &BytesMut) -> Result<(), CallError> {
        match declared_length(frame) {
            Some(length) if length > self.reply_limit => Err(CallError::TooLarge { length, limit: self.reply_limit }),
            Some(length) if frame.len() > PREFIX + length => Err(protocol("it holds more than one message")),
            _ => Ok(()),
        }
    }

    fn broken(&self, error: &(dyn Error + 'static)) -> CallError {
        let chain: Vec<&(dyn Error + 'static)> = std::iter::successors(Some(error), |&error| error.source()).collect();
        if let Some(connect) = chain.iter().find_map(|error| error.downcast_ref::<ConnectError>()) {
            return CallError::Unreachable { cause: connect.to_string() };
        }
        // tonic's channel reads our own grpc-timeout, which is cut to whole milliseconds, so its timer may be first.
        if chain.iter().any(|error| error.is::<tonic::TimeoutExpired>()) {
            return CallError::Deadline;
        }
        // hyper gives the request back when the connection ends before it takes it: no byte of it was sent.
        let canceled = |error: &&(dyn Error + 'static)| {
            error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled)
        };
        if chain.iter().any(canceled) {
            return CallError::Unreachable { cause: "the connection ended before the call was sent".to_owned() };
        }
        if let Some(alert) = self.refusal.alert() {
            return CallError::Unreachable { cause: format!("it refused the gateway's certificate: alert {alert}") };
        }
        let texts: Vec<String> = chain.iter().map(ToString::to_string).collect();
        CallError::Lost { cause: texts.join(": ") }
    }
}

fn client_config(files: &TlsFiles) -> Result<Arc<ClientConfig>, Vec<Problem>> {
    let identity = files.identity.as_ref().map(Identity::load).transpose();
    let trust = files.ca.as_deref().map_or_else(Trust::system, Trust::load);
    match (identity, trust) {
        (Ok(identity), Ok(trust)) => tls::client(identity, &trust, &[b"h2"]).map_err(|problem| vec![problem]),
        (identity, trust) => {
            Err(identity.err().into_iter().flatten().chain(trust.err().into_iter().flatten()).collect())
        }
    }
}

/// Flow-control windows that hold a list without waiting, PINGs that notice a dead peer, room for error details.
fn endpoint(address: &Address) -> Result<Endpoint, tonic::transport::Error> {
    const WINDOW: u32 = 4 << 20;
    let authority = address.authority();
    let scheme = if address.tls { "https" } else { "http" };
    // TLS is the connector's: to tonic the connection is plain, only `:scheme` tells the backend otherwise.
    let origin = format!("{scheme}://{authority}").parse::<http::Uri>();
    let endpoint = Endpoint::from_shared(format!("http://{authority}"))?
        .user_agent(concat!("towbar/", env!("CARGO_PKG_VERSION")))?
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .http2_max_header_list_size(64 << 10)
        .http2_keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(10))
        .keep_alive_while_idle(true);
    Ok(match origin {
        Ok(origin) => endpoint.origin(origin),
        Err(_) => endpoint,
    })
}

/// Compressed-Flag and Message-Length of gRPC over HTTP/2.
const PREFIX: usize = 5;

fn request(path: &str, metadata: HeaderMap, message: &[u8], deadline: Instant) -> http::Request<tonic::body::Body> {
    let mut frame = BytesMut::with_capacity(PREFIX + message.len());
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).expect("a request is limited to 1 GiB by the configuration"));
    frame.put_slice(message);
    let mut request = http::Request::new(tonic::body::Body::new(Full::new(frame.freeze())));
    *request.method_mut() = http::Method::POST;
    *request.version_mut() = http::Version::HTTP_2;
    *request.uri_mut() = http::Uri::builder().path_and_query(path).build().expect("rpc names are valid in a path");
    let headers = request.headers_mut();
    *headers = metadata;
    headers.insert(TE, HeaderValue::from_static("trailers"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-timeout", grpc_timeout(deadline.saturating_duration_since(Instant::now())));
    request
}

/// gRPC over HTTP/2: `TimeoutValue` has at most 8 digits; 99999999 ms are more than a day.
fn grpc_timeout(left: Duration) -> HeaderValue {
    let milliseconds = left.as_millis().clamp(1, 99_999_999);
    HeaderValue::from_str(&format!("{milliseconds}m")).expect("digits and a letter are a header value")
}

fn check_head(head: &http::response::Parts) -> Result<(), CallError> {
    let grpc = head.headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"));
    match head.status {
        http::StatusCode::OK if grpc => Ok(()),
        http::StatusCode::OK => Err(protocol("its content-type is not application/grpc")),
        status => Err(protocol(&format!("its HTTP status is {status}"))),
    }
}

fn declared_length(frame: &[u8]) -> Option<usize> {
    let length = frame.get(1..PREFIX)?;
    Some(length.iter().fold(0, |length, &byte| length << 8 | usize::from(byte)))
}

fn only_message(mut frame: BytesMut) -> Result<Bytes, CallError> {
    match declared_length(&frame) {
        None => Err(protocol("it ended with status OK and without a message")),
        Some(_) if frame[0] != 0 => Err(protocol("its message is compressed, which was not asked for")),
        Some(length) if frame.len() < PREFIX + length => Err(protocol("its message is cut short")),
        Some(_) => Ok(frame.split_off(PREFIX).freeze()),
    }
}

fn protocol(cause: &str) -> CallError {
    CallError::Protocol { cause: cause.to_owned() }
}
