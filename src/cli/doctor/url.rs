//! Tests a gateway from the outside, through any proxies and load balancers in front of it.

use std::time::Duration;

use super::findings;
use super::http2::Http2;
use super::reach::{self, Broken, Ends};
use super::report::{Report, Stop, listed};
use super::request::Version;
use super::site::{ProbeOutcome, Reached, Site, Tls};
use super::way::{self, Server};
use crate::tls::Seen;
use crate::upstream::{Address, AddressError, ProxyConfig, TlsFiles};

/// A public address to test.
#[derive(Debug, Clone)]
pub struct Public {
    /// Scheme, host and port.
    pub address: Address,
    /// The path prefix of the gateway, without a `/` at its end; usually empty.
    pub base: String,
    /// The path of the gateway's probe, as set by its `probe` key.
    pub probe: String,
    /// The certificate that callers present, and the trust anchors that they use.
    pub tls: TlsFiles,
    /// The HTTP proxy to connect through; `None` for a direct connection.
    pub proxy: Option<ProxyConfig>,
    /// The timeout of each step.
    pub patience: Duration,
}

/// The steps in the order in which they run.
const STEPS: &[&str] = &[
    "files",
    "proxy",
    "resolve",
    "connect",
    "tls",
    "versions",
    "certificate",
    "pins",
    "trust",
    "mtls",
    "http1",
    "http2",
    "probe",
    "methods",
    "slash",
    "paths",
    "headers",
    "header-size",
    "body",
    "content-types",
    "chunked",
    "compression",
    "trailers1",
    "trailers2",
    "grpc",
    "verdict",
];

/// The HTTP versions that the server offers.
struct Offered {
    http1: bool,
    http2: bool,
}

/// Splits a URL into its address and the path behind it.
///
/// # Errors
/// The text is not a URL with scheme and host.
pub fn public_url(text: &str) -> Result<(Address, String), AddressError> {
    let start = text.find("://").map_or(0, |at| at + 3);
    let end = text[start..].find('/').map_or(text.len(), |at| start + at);
    let (address, path) = text.split_at(end);
    let address = address.parse()?;
    match path.find(['?', '#', ' ']) {
        Some(at) => Err(AddressError::Rest { found: path[at..].to_owned() }),
        None => Ok((address, path.trim_end_matches('/').to_owned())),
    }
}

/// Runs every step and reports it.
pub async fn url(public: &Public, report: &mut Report<'_>) {
    if tried(public, report).await.is_err() {
        report.skip_rest(STEPS);
    }
}

async fn tried(public: &Public, report: &mut Report<'_>) -> Result<(), Stop> {
    let Public { address, patience, .. } = public;
    let proxy = public.proxy.clone();
    let server = Server { host: address.host.clone(), port: address.port, proxy, patience: *patience };
    let is_default = address.port == if address.tls { 443 } else { 80 };
    let authority = address.authority();
    let authority = match authority.rsplit_once(':') {
        Some((host, _)) if is_default => host.to_owned(),
        _ => authority,
    };
    let ends = match address.tls {
        true => Some(reach::files(report, &address.host, &public.tls)?),
        false => {
            report.skipped("files", "`http://` needs none");
            None
        }
    };
    let way = way::find(report, &server).await?;
    let probe = format!("{}{}", public.base, public.probe);
    let mut site = Site { way, authority, tls: None, probe, nonce: nonce(), patience: *patience };
    let (offered, seen) = match &ends {
        Some(ends) => secure(report, &site, ends).await?,
        None => (plain(report, &site).await, Seen::default()),
    };
    if let Some(ends) = ends {
        site.tls = Some(Tls::new(ends).map_err(|reason| report.failed("mtls", reason, "fix what `files` reports"))?);
    }
    let mut opening = Opening { report, site: &site, seen: &seen, is_mtls_told: false, lost: String::new() };
    let reached = opening.requests(&offered).await?;
    findings::all(report, &site, &reached).await
}

/// A random value that the probe repeats, which proves that the response was made for this run.
fn nonce() -> String {
    let mut bytes = [0; 16];
    // If no randomness is available, the value is zero: weaker proof, but no wrong result.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reports TLS, the HTTP versions that it offers, and whether the certificate is trusted.
async fn secure(report: &mut Report<'_>, site: &Site, ends: &Ends) -> Result<(Offered, Seen), Stop> {
    let (mut seen, mut ended) = reach::look(&site.way, ends, &[b"h2", b"http/1.1"], site.patience).await;
    if let Err(Broken::Tls(rustls::Error::AlertReceived(rustls::AlertDescription::NoApplicationProtocol))) = ended {
        (seen, ended) = reach::look(&site.way, ends, &[], site.patience).await;
    }
    reach::handshake(report, &seen, &ended)?;
    let (two, _) = reach::look(&site.way, ends, &[b"h2"], site.patience).await;
    let (one, one_ended) = reach::look(&site.way, ends, &[b"http/1.1"], site.patience).await;
    let http2 = two.alpn.as_deref() == Some(b"h2");
    // Without ALPN, HTTP/1.1 is used.
    let http1 = one.alpn.as_deref() == Some(b"http/1.1") || (one.alpn.is_none() && one_ended.is_ok());
    let names = [(http2, "h2"), (http1, "http/1.1")].into_iter().filter(|(is, _)| *is).map(|(_, name)| name);
    let offered = listed(names);
    match one.alpn.is_none() && two.alpn.is_none() {
        true => report.noted("versions", "no protocol is selected (no ALPN), so HTTP/1.1 is used"),
        false => report.passed("versions", offered),
    }
    reach::certificate(report, &seen, ends)?;
    Ok((Offered { http1, http2 }, seen))
}

/// Without TLS there is no ALPN, so HTTP/2 has to be tried.
async fn plain(report: &mut Report<'_>, site: &Site) -> Offered {
    report.skipped("tls", "`http://` has none");
    let http2 = match site.way.open(site.patience).await {
        Ok(tcp) => Http2::begin(tcp, site.patience).await.is_ok(),
        Err(_) => false,
    };
    report.passed("versions", if http2 { "http/1.1, and h2 without TLS" } else { "http/1.1" });
    for name in ["certificate", "pins", "trust", "mtls"] {
        report.skipped(name, "`http://` has no TLS");
    }
    Offered { http1: true, http2 }
}

/// The first requests of a test.
struct Opening<'a, 'b> {
    report: &'a mut Report<'b>,
    site: &'a Site,
    seen: &'a Seen,
    /// Whether the `mtls` step has been reported.
    is_mtls_told: bool,
    /// Why the last request that failed did not reach the gateway.
    lost: String,
}

impl Opening<'_, '_> {
    /// Sends one request per HTTP version. Returns the versions that reach the gateway.
    async fn requests(&mut self, offered: &Offered) -> Result<Vec<Reached>, Stop> {
        let mut reached = Vec::new();
        for version in [Version::Http1, Version::Http2] {
            reached.extend(self.request(version, offered).await?);
        }
        if reached.is_empty() {
            return Err(self.report.failed(
                "probe",
                format!("GET {} was not answered by a gateway: {}", self.site.probe, self.lost),
                "set `probe` in the gateway's configuration for this test, and let every proxy forward that path",
            ));
        }
        self.report.passed("probe", format!("{} is answered", self.site.probe));
        Ok(reached)
    }

    /// Sends one request in this HTTP version, and reports whether it reaches the gateway.
    async fn request(&mut self, version: Version, offered: &Offered) -> Result<Option<Reached>, Stop> {
        let (name, is_offered) = match version {
            Version::Http1 => ("http1", offered.http1),
            Version::Http2 => ("http2", offered.http2),
        };
        if !is_offered {
            self.report.skipped(name, "not offered");
            return Ok(None);
        }
        let answer = self.site.send(version, &self.site.ask("GET", "")).await;
        self.tell_mtls(answer.as_ref().err().map(String::as_str))?;
        let answer = match answer {
            Ok(answer) => answer,
            Err(reason) => {
                self.report.noted(name, format!("a request of {version} is not answered: {reason}"));
                self.lost = reason;
                return Ok(None);
            }
        };
        let named = ["server", "via"].iter().filter_map(|header| {
            let value = answer.headers.get(*header)?.to_str().ok()?;
            Some(format!(", {header} {value}"))
        });
        let by: String = named.collect();
        let ProbeOutcome::Arrived(told) = self.site.outcome(&answer) else {
            let status = answer.status;
            self.report.noted(name, format!("a request of {version} is answered HTTP {status}{by}"));
            self.lost = format!("HTTP {status}");
            return Ok(None);
        };
        let arrives_as = told["version"].as_str().unwrap_or("?").to_owned();
        self.report.passed(name, format!("a request of {version} reaches the gateway as {arrives_as}{by}"));
        Ok(Some(Reached { version, arrives_as }))
    }

    /// Reports once whether the server accepts us with or without a client certificate.
    fn tell_mtls(&mut self, lost: Option<&str>) -> Result<(), Stop> {
        let Some(tls) = self.site.tls.as_ref().filter(|_| !self.is_mtls_told) else { return Ok(()) };
        if let Some(reason) = lost.filter(|_| self.seen.asked.is_some()) {
            // rustls calls an alert of the peer "received".
            let reason = reason.replace("received fatal alert: ", "alert ");
            return Err(reach::refused(self.report, tls.ends(), self.seen, &reason));
        }
        reach::accepted(self.report, tls.ends(), self.seen);
        self.is_mtls_told = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_url_is_split_into_address_and_path() {
        for (text, address, base) in [
            ("https://api.example.com", "https://api.example.com:443", ""),
            ("https://api.example.com/", "https://api.example.com:443", ""),
            ("https://api.example.com:8443/bank/v1/", "https://api.example.com:8443", "/bank/v1"),
            ("http://[::1]:80/x", "http://[::1]:80", "/x"),
        ] {
            let (found, path) = public_url(text).unwrap();
            assert_eq!((found.to_string().as_str(), path.as_str()), (address, base), "{text}");
        }
        for (text, message) in [
            ("api.example.com", "expected http://HOST:PORT or https://HOST:PORT"),
            ("https://u:p@api/", "expected nothing after host and port, found `@api`"),
            ("https://api/x?y", "expected nothing after host and port, found `?y`"),
        ] {
            assert_eq!(public_url(text).unwrap_err().to_string(), message, "{text}");
        }
    }
}
