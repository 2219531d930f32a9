//! Where callers come in, as the operator says it.

use std::path::PathBuf;

use super::stop::Drain;
use crate::caller::forwarded::Proxies;
use crate::tls::{IdentityFiles, PinnedClient};

/// Where callers come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `host:port`.
    pub address: String,
    /// Files for TLS; without them the connection is plain.
    pub tls: Option<TlsFiles>,
    /// The proxies in front that say where callers are.
    pub proxies: Option<Proxies>,
    /// How it ends.
    pub drain: Drain,
    /// Most connections at one time; without it as many as files and memory allow.
    pub connections: Option<usize>,
    /// Most TLS handshakes of one address at one time.
    pub handshakes: usize,
    /// Most connections that wait to be accepted.
    pub backlog: u32,
}

/// The files of [`Config::tls`], and who comes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// What the gateway shows to callers.
    pub identity: IdentityFiles,
    /// Callers whose certificate this bundle trusts come in.
    pub client_ca: Option<PathBuf>,
    /// So do these, by their pins. Without either, nobody is asked for a certificate.
    pub clients: Vec<PinnedClient>,
    /// Callers without a certificate come in too.
    pub client_optional: bool,
}

/// What is spoken on a plain connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plain {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2 with prior knowledge (RFC 9113, section 3.3).
    Http2,
}
