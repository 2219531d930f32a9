//! The peer of a connection, as the connection shows it.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::HeaderValue;
use rustls::pki_types::CertificateDer;

/// The facts about one connection. It is made when HTTP begins, and every request of the connection refers to it.
#[derive(Debug, Default)]
pub struct Peer {
    address: Option<SocketAddr>,
    protocol: Protocol,
    tls: Option<Tls>,
    shown: Shown,
    address_text: OnceLock<HeaderValue>,
}

/// How the client certificate of the caller arrives.
#[derive(Debug, Default)]
enum Shown {
    /// In the TLS handshake.
    #[default]
    InHandshake,
    /// In a header of a trusted proxy, if at all.
    ByProxy(Option<Arc<Certificate>>),
}

/// The version of HTTP that a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// HTTP/1.1, or HTTP/1.0.
    #[default]
    Http1,
    /// HTTP/2.
    Http2,
}

/// The facts about the TLS connection.
#[derive(Debug, Default)]
pub struct Tls {
    /// The protocol that ALPN chose (RFC 7301), if it was used.
    pub alpn: Option<Protocol>,
    /// The TLS version, `1.2` or `1.3`, if it is known.
    pub version: Option<&'static str>,
    /// The client certificate, if one was presented. The handshake has verified it.
    pub certificate: Option<Certificate>,
}

/// A verified client certificate.
#[derive(Debug)]
pub struct Certificate {
    /// The certificate itself, then those that were presented with it. Never empty.
    chain: Vec<CertificateDer<'static>>,
    sha256: [u8; 32],
    texts: OnceLock<CertificateTexts>,
}

/// The forms in which a certificate is written in metadata.
#[derive(Debug)]
pub(super) struct CertificateTexts {
    pub(super) sha256: HeaderValue,
    pub(super) base64: HeaderValue,
    pub(super) sequence: HeaderValue,
}

impl Peer {
    /// The peer at this address. `tls` is `None` on a plain connection.
    #[must_use]
    pub fn new(address: Option<SocketAddr>, protocol: Protocol, tls: Option<Tls>) -> Self {
        Self { address, protocol, tls, shown: Shown::InHandshake, address_text: OnceLock::new() }
    }

    /// The address of the peer. `None` if the connection ended before it could be read.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// The address without its port. IPv4 on an IPv6 socket counts as IPv4.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        self.address.map(|address| address.ip().to_canonical())
    }

    /// The version of HTTP on the connection.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The facts about TLS; `None` on a plain connection.
    #[must_use]
    pub fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }

    /// The verified client certificate, if one was presented.
    #[must_use]
    pub fn certificate(&self) -> Option<&Certificate> {
        match &self.shown {
            Shown::InHandshake => self.tls.as_ref()?.certificate.as_ref(),
            Shown::ByProxy(certificate) => certificate.as_deref(),
        }
    }

    /// The same connection for a request of a client of the trusted proxy at its other end, with the verified
    /// certificate of that client. The certificate of the connection is the proxy's, and does not count.
    #[must_use]
    pub fn behind_proxy(&self, certificate: Option<Arc<Certificate>>) -> Self {
        let tls = self.tls.as_ref().map(|tls| Tls { alpn: tls.alpn, version: tls.version, certificate: None });
        Self { shown: Shown::ByProxy(certificate), ..Self::new(self.address, self.protocol, tls) }
    }

    /// [`Self::ip`] as text, which is made once for each connection.
    pub(super) fn address_text(&self) -> Option<&HeaderValue> {
        self.ip().map(|ip| self.address_text.get_or_init(|| address_text(ip)))
    }
}

impl Certificate {
    /// The first certificate of a verified chain; `None` if the chain is empty.
    #[must_use]
    pub fn of(chain: &[CertificateDer<'_>], sha256: impl FnOnce(&[u8]) -> [u8; 32]) -> Option<Self> {
        let sha256 = sha256(chain.first()?);
        let chain = chain.iter().map(|certificate| certificate.clone().into_owned()).collect();
        Some(Self { chain, sha256, texts: OnceLock::new() })
    }

    /// The certificate in DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        self.chain.first().map_or(&[], |own| own)
    }

    /// The SHA-256 of the certificate in DER.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        self.sha256
    }

    /// The certificate, followed by those that were presented with it.
    #[must_use]
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// The forms for metadata, made for the first request that needs them.
    pub(super) fn texts(&self) -> &CertificateTexts {
        self.texts.get_or_init(|| {
            let base64 = STANDARD.encode(self.der());
            let sha256: String = self.sha256.iter().map(|byte| format!("{byte:02x}")).collect();
            CertificateTexts { sha256: value(&sha256), sequence: value(&format!(":{base64}:")), base64: value(&base64) }
        })
    }
}

pub(super) fn address_text(address: IpAddr) -> HeaderValue {
    value(&address.to_string())
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("addresses, hexadecimal digits and base64 are ASCII")
}
