//! The configuration of a listener.

use std::path::PathBuf;

use super::stop::Drain;
use crate::caller::forwarded::Proxies;
use crate::caller::hop::Rules;
use crate::tls::{IdentityFiles, PinnedClient};

/// The address of a listener whose socket systemd opens and passes.
pub const SYSTEMD: &str = "systemd";

/// The configuration of a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The address to bind, `host:port`, or [`SYSTEMD`].
    pub address: String,
    /// The TLS files; without them, connections are plain.
    pub tls: Option<TlsFiles>,
    /// The trusted proxies in front, which report the addresses of callers.
    pub proxies: Option<Proxies>,
    /// The proxy that passes on client certificates in a header; `None` if they come in the TLS handshake.
    pub hop: Option<HopFiles>,
    /// How long the listener drains when it stops.
    pub drain: Drain,
    /// The most connections at one time; without it, as many as file descriptors and memory allow.
    pub connections: Option<usize>,
    /// The most TLS handshakes with one address at one time.
    pub handshakes: usize,
    /// The most connections that wait to be accepted.
    pub backlog: u32,
    /// Whether plain connections may also begin with the preface of HTTP/2.
    pub prior_knowledge: bool,
}

/// The files of [`Config::tls`], and which callers are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and key that the gateway presents to callers.
    pub identity: IdentityFiles,
    /// The bundle of authorities whose client certificates are accepted.
    pub client_ca: Option<PathBuf>,
    /// Callers that are accepted by their pinned certificates. Without these and `client_ca`, no caller is asked for a
    /// certificate.
    pub clients: Vec<PinnedClient>,
    /// Whether callers without a certificate are accepted too.
    pub client_optional: bool,
}

/// The files of [`Config::hop`], and which callers are accepted. Without authorities and pins, all certificates are that
/// are valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HopFiles {
    /// Which proxy is trusted, and how it passes certificates on.
    pub rules: Rules,
    /// The bundle of authorities whose client certificates are accepted.
    pub client_ca: Option<PathBuf>,
    /// Callers that are accepted by their pinned certificates.
    pub clients: Vec<PinnedClient>,
}

impl Config {
    /// Whether callers present a client certificate, to this listener or to the proxy in front; `None` if they are not
    /// asked for one.
    #[must_use]
    pub fn client_auth(&self) -> Option<ClientAuth> {
        let is_optional = match (&self.hop, &self.tls) {
            (Some(hop), _) => hop.rules.optional,
            (None, Some(tls)) if tls.client_ca.is_some() || !tls.clients.is_empty() => tls.client_optional,
            (None, _) => return None,
        };
        Some(if is_optional { ClientAuth::Optional } else { ClientAuth::Required })
    }
}

/// Whether callers must present a client certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    Required,
    Optional,
}

/// The protocol of plain connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plain {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2 with prior knowledge (RFC 9113, section 3.3).
    Http2,
}
