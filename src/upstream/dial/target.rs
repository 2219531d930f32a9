//! One configured address of a backend.

use std::sync::Arc;

use http::uri::Authority;
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;

use super::proxy::config::Proxy;

/// One configured address of a backend, with its TLS settings, its proxy and the authority of its calls.
pub(crate) struct Target {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: Option<(TlsConnector, ServerName<'static>)>,
    /// The proxy to connect through, if there is one.
    pub(crate) proxy: Option<Arc<Proxy>>,
    /// The `:authority` of its calls, if it differs from that of the first address.
    pub(crate) other_authority: Option<Authority>,
}

impl Target {
    /// The host and port that TCP connects to: those of the proxy, if there is one. A proxy looks up the backend's name
    /// itself.
    pub(crate) fn dialled(&self) -> (&str, u16) {
        self.proxy.as_ref().map_or((&self.host, self.port), |proxy| (&proxy.host, proxy.port))
    }

    /// `host:port` for errors, and the proxy, which may be the cause of any problem.
    pub(crate) fn address(&self) -> String {
        let through = self.proxy.as_ref().map_or_else(String::new, |proxy| format!(" through the proxy {proxy}"));
        format!("{}:{}{through}", self.host, self.port)
    }
}
