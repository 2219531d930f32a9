//! The configuration of a backend.

use std::path::PathBuf;
use std::time::Duration;

use super::dial::address::{Address, Addresses};
use super::dial::connections::Connections;
use super::dial::directory::Dns;
use super::dial::proxy::config::ProxyConfig;
use super::grpc::health::Health;
use super::grpc::limit::Limits;
use crate::tls::{IdentityFiles, Pin};

/// Default of [`Config::deadline`]: below the 30 s after which the bank's documented clients give up.
pub const DEADLINE: Duration = Duration::from_secs(25);

/// Default of [`Config::reply_limit`].
pub const REPLY_LIMIT: usize = 4 << 20;

/// The addresses of a backend and how it is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// One or several addresses, each with scheme, host and port.
    pub address: Addresses,
    /// How the host names are looked up.
    pub dns: Dns,
    /// How connections are made and how long they are kept.
    pub connections: Connections,
    /// Active health checks, if there are any.
    pub health: Option<Health>,
    /// Certificates and keys for `https`.
    pub tls: TlsFiles,
    /// The proxy through which the backend is reached, if there is one.
    pub proxy: Option<ProxyConfig>,
    /// The longest time for a call, from the arrival of the request to the last byte of the reply.
    pub deadline: Duration,
    /// The largest reply message, in bytes.
    pub reply_limit: usize,
    /// How many calls may be in flight.
    pub limits: Limits,
    /// Whether calls allow compressed replies (`grpc-accept-encoding`).
    pub compression: bool,
}

impl Config {
    /// A backend at this address, with the default of every other key.
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

/// The TLS files and names of [`Config::tls`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsFiles {
    /// The certificate and key that the gateway presents to the backend.
    pub identity: Option<IdentityFiles>,
    /// The bundle of trusted certificate authorities; without it, those of the operating system.
    pub ca: Option<PathBuf>,
    /// Digests of the backend's certificates, which replace trust in authorities.
    pub pins: Vec<Pin>,
    /// The name that the backend's certificate must have; without it, the host.
    pub server_name: Option<String>,
}
