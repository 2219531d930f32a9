//! The gRPC backend as a client sees it: connection, TLS, deadline, framing.
//!
//! A path, metadata and a message in; a message with metadata or a [`CallError`] out; or several messages, one after the
//! other. A call is sent again only if the backend says that it has not touched it, or its rpc is idempotent; what may have become
//! of it otherwise is told. So many calls are in flight at one time, and no more. Knows neither JSON nor routes.

mod dial;
mod fate;
mod grpc;
mod outbound;
pub mod reflection;

use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::header::{CONTENT_TYPE, Entry, HeaderMap, HeaderValue, TE, USER_AGENT};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderName, Request};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::time::Instant;

use crate::format::problem::Problem;
use crate::limits::memory::{Charge, Share, Tie};
use crate::observe::seldom::Seldom;
use crate::tls::{self, Identity, IdentityFiles, Pin, Servers, Trust};

pub use dial::address::{Address, AddressError, Addresses, AddressesError};
use dial::connect::Target;
use dial::directory::Directory;
pub use dial::directory::Dns;
pub use dial::proxy::answer::{Offers, ProxyReason, TunnelError};
pub use dial::proxy::config::{Credentials, CredentialsError, Login, ProxyConfig, ProxyError};
pub use dial::proxy::environment::{Environment, VariableError};
pub use dial::proxy::tunnel::Proxy;
pub use fate::Fate;
use grpc::budget::Budget;
pub use grpc::connection::Connections;
pub use grpc::error::CallError;
pub use grpc::health::Health;
pub use grpc::limit::Limits;
use grpc::limit::{Limit, Place};
use grpc::pool::{Lease, Pool, STREAMS, UNARY};
use grpc::resets::Resets;
use grpc::retry::{Failure, Progress};
use grpc::sent::Sent;
pub use grpc::stream::{Incoming, Outgoing, Stopped};
pub use outbound::{Outbound, Terms};

/// Default of [`Config::deadline`]: below the 30 s after which the bank's documented clients give up.
pub const DEADLINE: Duration = Duration::from_secs(25);

/// Default of [`Config::reply_limit`].
pub const REPLY_LIMIT: usize = 4 << 20;

/// How many connections are tried besides the first when they end before a call is sent.
const CONNECTION_TRIES: usize = 2;

/// Where the backend is and how it is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Scheme, host and port, of one or several.
    pub address: Addresses,
    /// How their names are looked up.
    pub dns: Dns,
    /// How connections are made and how long they are kept.
    pub connections: Connections,
    /// How it is asked whether it is well, if it is.
    pub health: Option<Health>,
    /// Files for `https`.
    pub tls: TlsFiles,
    /// Through which it is reached, if not directly.
    pub proxy: Option<ProxyConfig>,
    /// Longest time for a call, from the request's arrival to the reply's last byte.
    pub deadline: Duration,
    /// Largest reply message, in bytes.
    pub reply_limit: usize,
    /// How many calls may be under way.
    pub limits: Limits,
    /// Whether the backend is told that replies may be compressed.
    pub compression: bool,
}

impl Config {
    /// A backend at this address, and the default of all else.
    #[must_use]
    pub fn of(address: Address) -> Self {
        Self {
            address: address.into(),
            dns: Dns::default(),
            connections: Connections::default(),
            health: None,
            tls: TlsFiles::default(),
            proxy: None,
            deadline: DEADLINE,
            reply_limit: REPLY_LIMIT,
            limits: Limits::default(),
            compression: false,
        }
    }
}

/// The files of [`Config::tls`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsFiles {
    /// What the gateway shows to the backend.
    pub identity: Option<IdentityFiles>,
    /// Whom the gateway trusts; without it, the operating system's authorities.
    pub ca: Option<std::path::PathBuf>,
    /// The backend's certificates, known by their digests, in place of authorities.
    pub pins: Vec<Pin>,
    /// The name that the backend's certificate must have, if it is not the host.
    pub server_name: Option<String>,
}

/// A backend, ready to be called. Connects when the first call comes, and again after a loss.
pub struct Upstream {
    pool: Pool,
    /// For calls of several messages.
    streams: Pool,
    scheme: Scheme,
    authority: Authority,
    /// See [`Config::address`].
    pub address: Addresses,
    /// See [`Config::proxy`].
    pub proxy: Option<Arc<Proxy>>,
    /// See [`Config::health`].
    health: Option<Health>,
    /// See [`Config::deadline`].
    pub deadline: Duration,
    /// See [`Config::reply_limit`].
    pub reply_limit: usize,
    /// See [`Config::compression`].
    compression: bool,
    shared: Shared,
    /// What replies may have.
    memory: Share,
    /// For calls that are given up.
    resets: Arc<Resets>,
}

/// What all workers have in common.
#[derive(Clone)]
struct Shared {
    limits: Limits,
    unary: Limit,
    streaming: Limit,
    /// Of streams that wait for others of their connection.
    crowded: Arc<Seldom>,
    budget: Arc<Budget>,
}

impl Shared {
    fn new(limits: Limits) -> Self {
        let (unary, streaming) = (Limit::new(limits.in_flight, limits), Limit::new(limits.streams, limits));
        Self { limits, unary, streaming, crowded: Arc::default(), budget: Arc::new(Budget::new()) }
    }
}

/// A successful reply.
#[derive(Debug)]
pub struct Reply {
    /// The message in wire format.
    pub message: Bytes,
    /// Initial metadata and trailers.
    pub metadata: HeaderMap,
    /// What the message has, where it is no small one.
    pub memory: Option<Charge>,
}

impl Upstream {
    /// A backend from its configuration.
    ///
    /// # Errors
    /// Everything wrong with its files.
    pub fn new(config: &Config) -> Result<Self, Vec<Problem>> {
        let tls = if config.address.tls() { Some(client_config(&config.tls)?) } else { None };
        Self::with_tls(config, tls)
    }

    /// A backend with a TLS configuration at hand.
    ///
    /// # Errors
    /// The server name is none, or the proxy's password cannot be read.
    pub fn with_tls(config: &Config, tls: Option<Arc<ClientConfig>>) -> Result<Self, Vec<Problem>> {
        let name = config.tls.server_name.as_deref();
        let proxy = config.proxy.as_ref().map(Proxy::load).transpose().map_err(|problem| vec![problem])?.map(Arc::new);
        let mut targets = Vec::new();
        for address in config.address.iter() {
            let target = target(address, tls.as_ref(), name)?;
            targets.push(Target { proxy: proxy.clone(), ..target });
        }
        let authority = authority(config.address.first())?;
        let scheme = if tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP };
        for (target, address) in targets.iter_mut().zip(config.address.iter()).skip(1) {
            target.other_authority = Some(self::authority(address)?);
        }
        let directory = Directory::new(targets, &config.dns, config.connections);
        let pool = Pool::new(directory, UNARY);
        let streams = pool.another(STREAMS);
        let (address, deadline, reply_limit) = (config.address.clone(), config.deadline, config.reply_limit);
        let (health, compression, shared) = (config.health.clone(), config.compression, Shared::new(config.limits));
        Ok(Self {
            pool,
            streams,
            scheme,
            authority,
            address,
            proxy,
            health,
            deadline,
            reply_limit,
            compression,
            shared,
            memory: Share::unbounded(),
            resets: Arc::new(Resets::new()),
        })
    }

    /// The same backend with connections of its own, for the calls of one worker, and its share of the memory. From now on its
    /// names are looked up, and its health is checked.
    #[must_use]
    pub fn for_worker(&self, memory: &Share) -> Self {
        let directory = self.pool.directory();
        if directory.start()
            && let Some(health) = &self.health
        {
            grpc::health::start(self, health);
        }
        Self { memory: memory.clone(), ..self.at(directory.clone(), self.shared.clone()) }
    }

    /// The same backend at other places.
    fn at(&self, directory: Arc<Directory>, shared: Shared) -> Self {
        let Self { scheme, authority, address, proxy, health, .. } = self;
        let pool = Pool::new(directory, UNARY);
        Self {
            streams: pool.another(STREAMS),
            pool,
            scheme: scheme.clone(),
            authority: authority.clone(),
            address: address.clone(),
            proxy: proxy.clone(),
            health: health.clone(),
            deadline: self.deadline,
            reply_limit: self.reply_limit,
            compression: self.compression,
            shared,
            memory: Share::unbounded(),
            resets: Arc::new(Resets::new()),
        }
    }

    /// Goes on with the count of the calls of `old`, if that is the same backend and may have as many.
    pub fn go_on_from(&mut self, old: &Self) {
        if self.address == old.address && self.shared.limits == old.shared.limits {
            self.shared = old.shared.clone();
        }
    }

    /// Where it is, and through which proxy it is reached, if through one.
    #[must_use]
    pub fn place(&self) -> String {
        let through = self.proxy.as_ref().map_or_else(String::new, |proxy| format!(" through the proxy {proxy}"));
        format!("{}{through}", self.address)
    }

    /// Makes a call with one message and waits for one message until the deadline, which the backend is told.
    ///
    /// Dropping the future resets the stream, so the backend learns that nobody waits any more: at once, or after a while if there are
    /// many of them.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn call(&self, outbound: Outbound<'_>, message: &[u8]) -> Result<Reply, CallError> {
        let terms = outbound.terms;
        let tie = terms.tie()?;
        let mut place = Some(self.shared.unary.enter(terms.deadline, tie).await?);
        let progress = Progress::default();
        let exchange = self.exchange(&outbound, frame(message), &mut place, &progress);
        let in_time = tokio::time::timeout_at(terms.deadline, exchange).await;
        in_time.unwrap_or_else(|_| Err(progress.late()))
    }

    /// Sends what `request` makes once there is a connection for it.
    async fn send(
        &self,
        request: impl FnOnce() -> Request<()>,
        frame: Bytes,
        terms: Terms<'_>,
        place: &mut Option<Place>,
        progress: &Progress,
    ) -> Result<Reply, Failure> {
        let lease = self.lease(&self.pool).await?;
        let mut sent = self.put(lease, request(), frame, (place, terms.deadline))?;
        sent.reply(terms.reply_limit, &self.memory, progress).await
    }

    /// Hands a call to its connection.
    fn put<'a>(
        &'a self,
        mut lease: Lease,
        request: Request<()>,
        frame: Bytes,
        (place, deadline): (&'a mut Option<Place>, Instant),
    ) -> Result<Sent<'a>, Failure> {
        let begun = lease.begin(request);
        let (response, mut stream) = begun.map_err(|error| Failure::Elsewhere(lease.unsent(&error)))?;
        stream.send_data(frame, true).map_err(|error| lease.failed(&error, stream.stream_id()))?;
        Ok(Sent::new((lease, response), place, &self.resets, deadline))
    }

    /// A connection that takes a call.
    async fn lease(&self, pool: &Pool) -> Result<Lease, CallError> {
        // A connection may have ended unnoticed. Nothing is sent before one is ready, so another can be tried.
        let mut tries = 0;
        loop {
            let lease = pool.lease().await;
            let mut lease = lease.map_err(|error| CallError::Unreachable { cause: error.to_string() })?;
            // Each that is not is taken out of use, so this ends.
            if lease.is_doubtful() && !Box::pin(lease.is_proved()).await {
                continue;
            }
            match lease.ready().await {
                Ok(()) => return Ok(lease),
                Err(error) if tries == CONNECTION_TRIES => return Err(lease.unsent(&error)),
                Err(_) => tries += 1,
            }
        }
    }

    fn request(&self, path: &PathAndQuery, metadata: HeaderMap, deadline: Instant) -> Request<()> {
        let mut uri = http::uri::Parts::default();
        uri.scheme = Some(self.scheme.clone());
        uri.authority = Some(self.authority.clone());
        uri.path_and_query = Some(path.clone());
        let mut request = Request::new(());
        *request.method_mut() = http::Method::POST;
        *request.version_mut() = http::Version::HTTP_2;
        *request.uri_mut() = http::Uri::from_parts(uri).expect("scheme, authority and path make a URI");
        let headers = request.headers_mut();
        *headers = metadata;
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        match headers.entry(USER_AGENT) {
            Entry::Vacant(none) => drop(none.insert(HeaderValue::from_static(AGENT))),
            Entry::Occupied(mut callers) => drop(callers.insert(behind(callers.get()))),
        }
        if self.compression {
            let accepted = HeaderValue::from_static(grpc::encoding::ACCEPTED);
            headers.insert(HeaderName::from_static("grpc-accept-encoding"), accepted);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if let Some(timeout) = grpc_timeout(left) {
            headers.insert(HeaderName::from_static("grpc-timeout"), timeout);
        }
        request
    }
}

impl Terms<'_> {
    /// The call, counted for its connection and its caller until it is over at the backend.
    fn tie(&self) -> Result<Tie, CallError> {
        Tie::of(self.account).map_err(|most| CallError::Connection { most })
    }
}

fn authority(address: &Address) -> Result<Authority, Vec<Problem>> {
    Authority::try_from(address.authority()).map_err(|error| vec![Problem::at("upstream.address", error)])
}

fn target(address: &Address, tls: Option<&Arc<ClientConfig>>, name: Option<&str>) -> Result<Target, Vec<Problem>> {
    let Address { host, port, .. } = address;
    // The dot that ends a name is that of DNS: no certificate has it.
    let name = name.unwrap_or(host.strip_suffix('.').unwrap_or(host));
    let named = |tls: &Arc<ClientConfig>| match ServerName::try_from(name.to_owned()) {
        Ok(name) => Ok((tls.clone().into(), name)),
        Err(_) => {
            let message = format!("expected a DNS name or an IP address, found `{name}`");
            Err(vec![Problem::at("upstream.tls.server_name", message)])
        }
    };
    let tls = tls.map(named).transpose()?;
    Ok(Target { host: host.clone(), port: *port, tls, proxy: None, other_authority: None })
}

fn client_config(files: &TlsFiles) -> Result<Arc<ClientConfig>, Vec<Problem>> {
    let identity = files.identity.as_ref().map(Identity::load).transpose();
    let servers = match &files.ca {
        _ if !files.pins.is_empty() => Ok(Servers::Pinned(files.pins.clone())),
        Some(ca) => Trust::load(ca).map(Servers::Trusted),
        None => Trust::system().map(Servers::Trusted),
    };
    match (identity, servers) {
        (Ok(identity), Ok(servers)) => tls::client(identity, &servers, &[b"h2"]).map_err(|problem| vec![problem]),
        (identity, servers) => {
            Err(identity.err().into_iter().flatten().chain(servers.err().into_iter().flatten()).collect())
        }
    }
}

/// What Towbar says that it is.
const AGENT: &str = concat!("towbar/", env!("CARGO_PKG_VERSION"));

/// The caller's `user-agent` with ours behind it: RFC 9110, section 10.1.5, lists products in the order of their significance.
fn behind(callers: &HeaderValue) -> HeaderValue {
    let both = [callers.as_bytes().trim_ascii(), AGENT.as_bytes()].join(&b' ');
    HeaderValue::from_bytes(both.trim_ascii()).unwrap_or(HeaderValue::from_static(AGENT))
}

/// Compressed-Flag and Message-Length of gRPC over HTTP/2.
const PREFIX: usize = 5;

fn frame(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(PREFIX + message.len());
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).expect("a request is limited to 1 GiB by the configuration"));
    frame.put_slice(message);
    frame.freeze()
}

/// gRPC over HTTP/2: `TimeoutValue` has at most 8 digits. So many milliseconds are more than a day, and so many seconds three years:
/// more is no timeout.
fn grpc_timeout(left: Duration) -> Option<HeaderValue> {
    const MOST: u64 = 99_999_999;
    // Rounded up: the backend's timer should not be over before ours, whose end is told as what it is.
    let begun = u64::from(left.subsec_nanos().div_ceil(1_000_000));
    let milliseconds = left.as_secs().saturating_mul(1000).saturating_add(begun).max(1);
    let (mut value, unit) = match milliseconds {
        0..=MOST => (milliseconds, b'm'),
        _ => (milliseconds.div_ceil(1000), b'S'),
    };
    if value > MOST {
        return None;
    }
    // Once a call: digit by digit, with nothing to be allocated but the value.
    let mut text = *b"00000000m";
    let mut first = text.len() - 1;
    text[first] = unit;
    while value > 0 {
        first -= 1;
        text[first] += (value % 10) as u8;
        value /= 10;
    }
    Some(HeaderValue::from_bytes(&text[first..]).expect("digits and a letter are a header value"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_backend_has_as_long_as_the_caller_or_a_little_longer() {
        for (left, header) in [
            (Duration::ZERO, "1m"),
            (Duration::from_micros(1), "1m"),
            (Duration::from_millis(25), "25m"),
            (Duration::from_micros(25_001), "26m"),
            (Duration::from_millis(99_999_999), "99999999m"),
            (Duration::from_millis(100_000_000), "100000S"),
            (Duration::from_millis(100_000_001), "100001S"),
            (Duration::from_secs(99_999_999), "99999999S"),
        ] {
            assert_eq!(grpc_timeout(left).unwrap(), header, "{left:?}");
        }
        for left in [Duration::from_secs(100_000_000), Duration::MAX] {
            assert_eq!(grpc_timeout(left), None, "{left:?}");
        }
    }
}
