//! Who calls: what the connection itself shows, and of its address what trusted proxies in front say.

use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::caller::forwarded::Proxies;

/// Under which names the backend is told; what has none is not told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CallerNames {
    /// The address that the connection comes from, or that trusted proxies say, without a port.
    pub address: Option<HeaderName>,
    /// The SHA-256 of the verified client certificate, in 64 hexadecimal digits.
    pub certificate_sha256: Option<HeaderName>,
    /// That certificate: its DER as the bytes of a `-bin` name, or as a byte sequence (RFC 9440, section 2.1) of any other.
    pub certificate: Option<HeaderName>,
}

/// What a request says of its way here, and who is believed.
#[derive(Clone, Copy)]
pub struct Said<'a> {
    pub headers: &'a HeaderMap,
    pub proxies: Option<&'a Proxies>,
}

/// What one connection shows, for all requests on it.
#[derive(Debug)]
pub struct Caller {
    address: Option<Address>,
    certificate: Option<Certificate>,
}

#[derive(Debug)]
struct Address {
    ip: IpAddr,
    text: HeaderValue,
}

#[derive(Debug)]
struct Certificate {
    sha256: HeaderValue,
    base64: HeaderValue,
    sequence: HeaderValue,
}

impl CallerNames {
    /// Whether nothing is told.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all().next().is_none()
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &HeaderName> {
        [&self.address, &self.certificate_sha256, &self.certificate].into_iter().flatten()
    }

    /// Adds to `metadata` what is told of this caller, its address as `said`.
    pub fn tell(&self, caller: &Caller, said: Said<'_>, metadata: &mut HeaderMap) {
        let address = self.address.as_ref().and_then(|_| caller.address(said));
        let of_certificate = |value: fn(&Certificate) -> &HeaderValue| caller.certificate.as_ref().map(value);
        let is_binary = self.certificate.as_ref().is_some_and(|name| name.as_str().ends_with("-bin"));
        let told = [
            (&self.address, address.as_ref()),
            (&self.certificate_sha256, of_certificate(|certificate| &certificate.sha256)),
            (&self.certificate, of_certificate(if is_binary { |c| &c.base64 } else { |c| &c.sequence })),
        ];
        for (name, value) in told {
            if let (Some(name), Some(value)) = (name, value) {
                metadata.insert(name.clone(), value.clone());
            }
        }
    }
}

impl Caller {
    /// The caller at this address, with the DER of its certificate and the SHA-256 of that if it has shown one that was verified.
    #[must_use]
    pub fn new(address: Option<IpAddr>, certificate: Option<(&[u8], [u8; 32])>) -> Arc<Self> {
        // IPv4 over a socket of IPv6 is IPv4.
        let address = address.map(|address| Address::from(address.to_canonical()));
        let certificate = certificate.map(|(der, sha256)| {
            let base64 = STANDARD.encode(der);
            let sha256: String = sha256.iter().map(|byte| format!("{byte:02x}")).collect();
            Certificate { sha256: value(&sha256), sequence: value(&format!(":{base64}:")), base64: value(&base64) }
        });
        Arc::new(Self { address, certificate })
    }

    fn address(&self, said: Said<'_>) -> Option<HeaderValue> {
        let Address { ip, text } = self.address.as_ref()?;
        match said.proxies.map(|proxies| proxies.caller(*ip, said.headers)) {
            // Every request on the connection may be another caller's.
            Some(caller) if caller != *ip => Some(Address::from(caller).text),
            _ => Some(text.clone()),
        }
    }
}

impl From<IpAddr> for Address {
    fn from(ip: IpAddr) -> Self {
        Self { ip, text: value(&ip.to_string()) }
    }
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("addresses, hexadecimal digits and base64 are ASCII")
}
