//! A backend as it is configured.

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
    pub ca: Option<PathBuf>,
    /// The backend's certificates, known by their digests, in place of authorities.
    pub pins: Vec<Pin>,
    /// The name that the backend's certificate must have, if it is not the host.
    pub server_name: Option<String>,
}
