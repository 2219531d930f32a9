//! The facts about a peer that the backend receives as metadata. Trusted proxies in front may report another address.

use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::forwarded::Proxies;
use super::peer::{Certificate, Peer, address_text};

/// The metadata names for these facts. A fact without a name is not sent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CallerNames {
    /// The address of the connection, or the one that trusted proxies report, without a port.
    pub address: Option<HeaderName>,
    /// The SHA-256 of the verified client certificate, in 64 hexadecimal digits.
    pub certificate_sha256: Option<HeaderName>,
    /// The verified client certificate: its DER as the bytes of a `-bin` name, or as a byte sequence (RFC 9440, section
    /// 2.1) under any other name.
    pub certificate: Option<HeaderName>,
}

/// The proxies that a request came through, as its headers list them, and which of them are trusted.
#[derive(Clone, Copy)]
pub struct Hops<'a> {
    pub headers: &'a HeaderMap,
    pub proxies: Option<&'a Proxies>,
}

impl CallerNames {
    /// The names that are set.
    pub fn all(&self) -> impl Iterator<Item = &HeaderName> {
        [&self.address, &self.certificate_sha256, &self.certificate].into_iter().flatten()
    }

    /// Adds the facts about this peer to `metadata`. Costs nothing if no name is set.
    pub fn tell(&self, peer: &Peer, hops: Hops<'_>, metadata: &mut HeaderMap) {
        if let Some(name) = &self.address
            && let Some(address) = address(peer, hops)
        {
            metadata.insert(name.clone(), address);
        }
        if self.certificate_sha256.is_none() && self.certificate.is_none() {
            return;
        }
        let Some(texts) = peer.certificate().map(Certificate::texts) else { return };
        if let Some(name) = &self.certificate_sha256 {
            metadata.insert(name.clone(), texts.sha256.clone());
        }
        if let Some(name) = &self.certificate {
            let is_binary = name.as_str().ends_with("-bin");
            metadata.insert(name.clone(), if is_binary { &texts.base64 } else { &texts.sequence }.clone());
        }
    }
}

fn address(peer: &Peer, hops: Hops<'_>) -> Option<HeaderValue> {
    let ip = peer.ip()?;
    match hops.proxies.map(|proxies| proxies.caller(ip, hops.headers)) {
        // Every request on the connection may come from another caller.
        Some(caller) if caller != ip => Some(address_text(caller)),
        _ => peer.address_text().cloned(),
    }
}
