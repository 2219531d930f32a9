//! The complete allow-lists of headers and metadata, and what crosses by them.

use std::net::IpAddr;

use http::header::{AUTHORIZATION, COOKIE, ETAG, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};

use super::trace::{self, TRACEPARENT, TRACESTATE, TraceContext};
use super::value::{NotMetadata, check};
use crate::caller::forwarded::Proxies;
use crate::caller::{CallerNames, Hops, Peer};

/// What a configuration adds to the built-in lists.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Config {
    /// Request headers that are sent to the backend.
    pub request: Vec<HeaderName>,
    /// Metadata of the backend that is sent to the caller.
    pub reply: Vec<HeaderName>,
    /// The reply metadata that sets the HTTP status, if backends may set it.
    pub http_status: Option<HeaderName>,
    /// The reply metadata that sets the `Location` header, if backends may set it.
    pub location: Option<HeaderName>,
    /// The metadata names under which the backend learns who calls. None of them is in `request`.
    pub caller: CallerNames,
    /// What to do with a caller's trace context.
    pub trace_context: TraceContext,
    /// Whether `Grpc-Metadata-NAME` is accepted as NAME.
    pub prefixed: bool,
}

/// The complete lists, built-in and configured.
#[derive(Debug)]
pub struct Metadata {
    request: Vec<HeaderName>,
    reply: Vec<HeaderName>,
    pub(super) http_status: Option<HeaderName>,
    pub(super) location: Option<HeaderName>,
    caller: CallerNames,
    proxies: Option<Proxies>,
    /// Whether trace context is created. `request` then does not contain its headers.
    creates_trace: bool,
    tells_etag: bool,
    /// The pairs of `grpc-metadata-NAME` and NAME for each configured NAME; empty if the prefix is not accepted.
    prefixed: Vec<(HeaderName, HeaderName)>,
}

/// The headers that always go to the backend: credentials, the request id, and W3C Trace Context.
pub const REQUEST: [HeaderName; 4] = [AUTHORIZATION, HeaderName::from_static("x-request-id"), TRACEPARENT, TRACESTATE];

impl Metadata {
    /// The built-in lists with those of the configuration.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let Config { request, reply, http_status, location, caller, trace_context, prefixed } = config;
        let (creates_trace, tells_etag) = (trace_context == TraceContext::Create, reply.contains(&ETAG));
        let is_carried = |name: &HeaderName| !creates_trace || ![TRACEPARENT, TRACESTATE].contains(name);
        // A configured name that is built in as well is listed only once.
        let listed = request.into_iter().filter(|name| !REQUEST.contains(name));
        let request: Vec<HeaderName> = REQUEST.into_iter().chain(listed).filter(is_carried).collect();
        let with_prefix = |name: &HeaderName| Some((format!("grpc-metadata-{name}").parse().ok()?, name.clone()));
        // Credentials, request id and trace context are accepted under one name only, without the prefix.
        let may_have_one = |name: &&HeaderName| prefixed && !REQUEST.contains(name);
        let prefixed = request.iter().filter(may_have_one).filter_map(with_prefix).collect();
        Self { request, reply, http_status, location, caller, proxies: None, creates_trace, tells_etag, prefixed }
    }

    /// Determines the caller's address with the help of these trusted proxies.
    #[must_use]
    pub fn behind(self, proxies: Option<Proxies>) -> Self {
        Self { proxies, ..self }
    }

    /// Whether callers see the header `ETag`.
    #[must_use]
    pub fn tells_etag(&self) -> bool {
        self.tells_etag
    }

    /// The metadata for the backend, including what it learns about the peer.
    ///
    /// W3C Trace Context, section 3.2: a request has one `traceparent`. If it has two, none is sent, and the backend
    /// begins a new trace.
    ///
    /// # Errors
    /// A listed header has a value that gRPC cannot carry.
    pub fn for_backend(&self, headers: &HeaderMap, peer: &Peer) -> Result<HeaderMap, NotMetadata> {
        let mut metadata = HeaderMap::new();
        let has_two_parents = headers.len() > headers.keys_len() && has_two(headers, &TRACEPARENT);
        let is_dropped = |name: &HeaderName| has_two_parents && [TRACEPARENT, TRACESTATE].contains(name);
        for name in self.request.iter().filter(|name| !is_dropped(name)) {
            for value in headers.get_all(name) {
                check(name, value)?;
                metadata.append(name.clone(), value.clone());
            }
            if name == COOKIE {
                join_cookies(&mut metadata);
            }
        }
        for (header, name) in &self.prefixed {
            let Some(value) = headers.get(header) else { continue };
            if has_two(headers, header) || headers.contains_key(name) {
                return Err(NotMetadata::Twice { name: name.clone() });
            }
            check(name, value)?;
            metadata.append(name.clone(), value.clone());
        }
        if self.creates_trace {
            trace::carry(headers, &mut metadata)?;
        }
        self.caller.tell(peer, Hops { headers, proxies: self.proxies.as_ref() }, &mut metadata);
        Ok(metadata)
    }

    /// Adds the backend's `metadata` that callers may see to the response `headers`.
    pub fn tell_caller(&self, metadata: &HeaderMap, headers: &mut HeaderMap) {
        for (name, value) in self.for_caller(metadata) {
            // A response has one Retry-After. The backend's metadata wins over the one made from its `RetryInfo`.
            match name == RETRY_AFTER {
                true => drop(headers.insert(name, value.clone())),
                false => drop(headers.append(name, value.clone())),
            }
        }
    }

    /// The address of the caller: that of the connection, or the one that trusted proxies report.
    #[must_use]
    pub fn address(&self, headers: &HeaderMap, peer: &Peer) -> Option<IpAddr> {
        let ip = peer.ip()?;
        Some(self.proxies.as_ref().map_or(ip, |proxies| proxies.caller(ip, headers)))
    }

    /// Whether a trusted proxy is at the other end of the connection.
    #[must_use]
    pub fn is_proxied(&self, peer: &Peer) -> bool {
        self.proxies.as_ref().zip(peer.ip()).is_some_and(|(proxies, ip)| proxies.trusts(ip))
    }

    /// The part of the backend's metadata that can become a response header or status.
    #[must_use]
    pub fn kept(&self, metadata: &HeaderMap) -> HeaderMap {
        let names = self.reply.iter().chain(&self.http_status).chain(&self.location);
        let values = names.flat_map(|name| metadata.get_all(name).iter().map(move |value| (name, value)));
        let mut kept = HeaderMap::new();
        for (name, value) in values {
            kept.append(name.clone(), value.clone());
        }
        kept
    }

    /// Adds the initial metadata that callers may see. `metadata` has the `trailers` too, behind it.
    pub fn tell_initial(&self, metadata: &HeaderMap, trailers: &HeaderMap, headers: &mut HeaderMap) {
        for name in &self.reply {
            let (all, last) = (metadata.get_all(name), trailers.get_all(name));
            for value in all.iter().take(all.iter().count().saturating_sub(last.iter().count())) {
                headers.append(name.clone(), value.clone());
            }
        }
    }

    /// The response headers from the backend's initial metadata and trailers.
    pub fn for_caller<'a>(&self, metadata: &'a HeaderMap) -> impl Iterator<Item = (HeaderName, &'a HeaderValue)> {
        self.reply.iter().flat_map(|name| metadata.get_all(name).iter().map(move |value| (name.clone(), value)))
    }
}

/// RFC 9113, section 8.2.3: HTTP/2 may split a Cookie header into several fields. They are joined for other protocols.
fn join_cookies(metadata: &mut HeaderMap) {
    let crumbs: Vec<&[u8]> = metadata.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if crumbs.len() > 1
        && let Ok(whole) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..]))
    {
        metadata.insert(COOKIE, whole);
    }
}

fn has_two(headers: &HeaderMap, name: &HeaderName) -> bool {
    headers.get_all(name).iter().nth(1).is_some()
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use crate::caller::{Certificate, Protocol, Tls};

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn only_listed_headers_reach_the_backend() {
        let config = Config { request: vec![HeaderName::from_static("x-consent-id")], ..Config::default() };
        let metadata = Metadata::new(config);
        let sent = headers(&[
            ("authorization", "Bearer a"),
            ("x-consent-id", "c1"),
            ("cookie", "session=1"),
            ("grpc-timeout", "1H"),
            ("x-forwarded-for", "10.0.0.1"),
            ("te", "trailers"),
        ]);
        let passed = headers(&[("authorization", "Bearer a"), ("x-consent-id", "c1")]);
        assert_eq!(metadata.for_backend(&sent, &Peer::default()).unwrap(), passed);
    }

    #[test]
    fn several_traceparent_headers_are_dropped_with_their_tracestate() {
        let metadata = Metadata::new(Config::default());
        let mut sent = headers(&[("traceparent", "00-a"), ("tracestate", "x=1"), ("x-request-id", "r-1")]);
        assert_eq!(metadata.for_backend(&sent, &Peer::default()).unwrap(), sent);
        sent.append("x-request-id", HeaderValue::from_static("r-2"));
        assert_eq!(metadata.for_backend(&sent, &Peer::default()).unwrap(), sent, "others may come twice");
        let others = {
            let mut others = sent.clone();
            others.remove("traceparent");
            others.remove("tracestate");
            others
        };
        sent.append("traceparent", HeaderValue::from_static("00-b"));
        assert_eq!(metadata.for_backend(&sent, &Peer::default()).unwrap(), others);
    }

    #[test]
    fn caller_metadata_comes_from_the_connection_and_not_from_request_headers() {
        let name = |text: &'static str| Some(HeaderName::from_static(text));
        let der = &b"\xff\xef\xff"[..];
        for (address, certificate, certificate_name, told) in [
            (None, None, "x-cert", &[][..]),
            (Some("192.0.2.7"), None, "x-cert", &[("x-address", "192.0.2.7")]),
            (Some("::ffff:192.0.2.7"), None, "x-cert", &[("x-address", "192.0.2.7")]),
            (Some("2001:DB8::1"), None, "x-cert", &[("x-address", "2001:db8::1")]),
            (
                None,
                Some((der, [0x0a; 32])),
                "x-cert",
                &[
                    ("x-sha256", "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"),
                    ("x-cert", ":/+//:"),
                ],
            ),
            (
                None,
                Some((der, [0xff; 32])),
                "x-cert-bin",
                &[
                    ("x-sha256", "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"),
                    ("x-cert-bin", "/+//"),
                ],
            ),
        ] {
            let caller = CallerNames {
                address: name("x-address"),
                certificate_sha256: name("x-sha256"),
                certificate: name(certificate_name),
            };
            let metadata = Metadata::new(Config { caller, ..Config::default() });
            let address = address.map(|text: &str| SocketAddr::new(text.parse().unwrap(), 4711));
            let certificate = certificate.and_then(|(der, sha256)| Certificate::of(&[der.into()], |_| sha256));
            let peer = Peer::new(address, Protocol::Http2, Some(Tls { certificate, ..Tls::default() }));
            // The caller claims an identity, and asks that its own headers be removed by this hop.
            let lies = headers(&[
                ("x-address", "10.0.0.1"),
                ("x-sha256", "00"),
                ("x-cert", ":AA==:"),
                ("connection", "x-address"),
            ]);
            assert_eq!(metadata.for_backend(&lies, &peer).unwrap(), headers(told), "{address:?} {certificate_name}");
            assert_eq!(metadata.for_backend(&lies, &Peer::default()).unwrap(), HeaderMap::new());
        }
    }

    #[test]
    fn a_header_value_that_grpc_cannot_carry_is_refused() {
        let mut sent = HeaderMap::new();
        sent.insert("x-request-id", HeaderValue::from_bytes(b"caf\xc3\xa9").unwrap());
        let error = Metadata::new(Config::default()).for_backend(&sent, &Peer::default()).unwrap_err();
        assert_eq!(error.to_string(), "header x-request-id: expected printable ASCII, got other bytes");
    }
}
