//! One of the addresses in the configuration of a backend.

use std::sync::Arc;

use http::uri::Authority;
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;

use super::proxy::config::Proxy;

/// One of the addresses in the configuration: where it is, how TLS is made with it, and how it is called.
pub(crate) struct Target {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: Option<(TlsConnector, ServerName<'static>)>,
    /// Who connects there in our place.
    pub(crate) proxy: Option<Arc<Proxy>>,
    /// The `:authority` of its calls, unless it is that of the first address.
    pub(crate) other_authority: Option<Authority>,
}

impl Target {
    /// Whom TCP connects to: a name or an IP address, and a port. A proxy looks up the backend's name itself.
    pub(crate) fn dialled(&self) -> (&str, u16) {
        self.proxy.as_ref().map_or((&self.host, self.port), |proxy| (&proxy.host, proxy.port))
    }

    /// `host:port`, for errors, and the proxy: it may be its fault, whatever it is.
    pub(crate) fn address(&self) -> String {
        let through = self.proxy.as_ref().map_or_else(String::new, |proxy| format!(" through the proxy {proxy}"));
        format!("{}:{}{through}", self.host, self.port)
    }
}
