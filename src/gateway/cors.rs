//! Lets web pages of other origins call rpcs and read the answers: the CORS protocol of the Fetch standard.
//!
//! Without a configuration, no answer has a header of CORS, and browsers keep the answers from such pages.

use std::time::Duration;

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    HeaderMap, HeaderName, HeaderValue, ORIGIN, VARY,
};
use http::request::Parts;
use http::{Method, StatusCode};

use super::answer::Response;
use crate::route::policy::{NoOrigin, Origin, Origins};

/// Headers of requests that pages may always send.
const REQUEST: &str =
    "authorization, connect-protocol-version, connect-timeout-ms, content-type, grpc-timeout, x-grpc-web, x-user-agent";
/// Headers of answers that pages may always read.
const REPLY: &str = "grpc-status, grpc-message, grpc-status-details-bin, retry-after, www-authenticate";
/// The methods that pages may use where nothing else is configured.
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE";

/// The default of `cors.max_age`.
pub const MAX_AGE: Duration = Duration::from_secs(600);

/// Which pages may call, and what they may send and read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cors {
    origins: CorsOrigins,
    allows_credentials: bool,
    headers: HeaderValue,
    methods: HeaderValue,
    exposed: HeaderValue,
    max_age: HeaderValue,
}

/// What a configuration says of CORS.
#[derive(Debug, Clone)]
pub struct CorsRules {
    pub origins: CorsOrigins,
    /// Whether pages may send cookies and client certificates.
    pub allows_credentials: bool,
    /// Headers of requests, besides those that are always allowed.
    pub headers: Vec<HeaderName>,
    /// Methods, in place of the default.
    pub methods: Vec<Method>,
    /// Headers of answers, besides those that are always exposed.
    pub exposed: Vec<HeaderName>,
    /// How long browsers may keep the answer to a preflight.
    pub max_age: Duration,
}

/// The origins of pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CorsOrigins {
    /// Every page: `*`.
    Any,
    /// These, and the hosts below these.
    Listed(Origins, Vec<Subdomains>),
}

/// All hosts below a domain: `https://*.bank.example`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subdomains {
    /// `https://`
    scheme: String,
    /// `.bank.example`, with the port unless that is the default.
    domain: String,
}

/// One item of a list of origins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CorsOrigin {
    One(Origin),
    Below(Subdomains),
}

impl std::str::FromStr for CorsOrigin {
    type Err = NoOrigin;

    fn from_str(text: &str) -> Result<Self, NoOrigin> {
        let Some((scheme, domain)) = text.split_once("://*.") else { return text.parse().map(Self::One) };
        // With one label in place of the star it is an origin as browsers write it.
        let origin: Origin = format!("{scheme}://a.{domain}").parse().map_err(|_| NoOrigin::of(text))?;
        let whole: Origins = [origin].into_iter().collect();
        let parts = whole.texts().next().and_then(|text| text.split_once("://a"));
        let (scheme, domain) =
            parts.filter(|(_, domain)| domain[1..].contains('.')).ok_or_else(|| NoOrigin::of(text))?;
        Ok(Self::Below(Subdomains { scheme: format!("{scheme}://"), domain: domain.to_owned() }))
    }
}

impl Subdomains {
    fn cover(&self, origin: &[u8]) -> bool {
        let rest = origin.strip_prefix(self.scheme.as_bytes());
        let Some(below) = rest.and_then(|rest| rest.strip_suffix(self.domain.as_bytes())) else { return false };
        let is_label = |label: &[u8]| {
            !label.is_empty()
                && label.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-')
        };
        below.split(|&byte| byte == b'.').all(is_label)
    }
}

/// Whether a request asks if a page may make another one.
pub(super) fn is_preflight(head: &Parts) -> bool {
    head.method == Method::OPTIONS
        && head.headers.contains_key(ORIGIN)
        && head.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

impl Cors {
    /// Makes the headers of all answers once.
    #[must_use]
    pub fn new(rules: CorsRules) -> Self {
        let CorsRules { origins, allows_credentials, headers, methods, exposed, max_age } = rules;
        let methods: Vec<&str> = methods.iter().map(Method::as_str).collect();
        let methods = if methods.is_empty() { METHODS.to_owned() } else { methods.join(", ") };
        Self {
            origins,
            allows_credentials,
            headers: list(REQUEST, &headers),
            methods: value(&methods),
            exposed: list(REPLY, &exposed),
            max_age: max_age.as_secs().into(),
        }
    }

    /// The answer to a preflight: whether the page may make the request that follows. No rpc is called.
    pub(super) fn preflight(&self, head: &Parts) -> Response {
        let mut response = Response::default();
        *response.status_mut() = StatusCode::NO_CONTENT;
        if self.allowed(&head.headers).is_some() {
            let headers = response.headers_mut();
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, self.methods.clone());
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, self.headers.clone());
            headers.insert(ACCESS_CONTROL_MAX_AGE, self.max_age.clone());
        }
        response
    }

    /// Adds what lets the page read an answer, if it may.
    pub(super) fn tell(&self, request: &HeaderMap, response: &mut Response) {
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return;
        }
        let is_preflight = response.headers().contains_key(ACCESS_CONTROL_ALLOW_METHODS);
        let headers = response.headers_mut();
        if self.origins != CorsOrigins::Any {
            // A cache must not give the answer for one page to another.
            headers.append(VARY, HeaderValue::from_static("origin"));
        }
        let Some(origin) = self.allowed(request) else { return };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if self.allows_credentials {
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        if !is_preflight {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, self.exposed.clone());
        }
    }

    /// The value of `Access-Control-Allow-Origin`, if the page may call.
    fn allowed(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let mut origins = headers.get_all(ORIGIN).iter();
        let (origin, None) = (origins.next()?, origins.next()) else { return None };
        match &self.origins {
            CorsOrigins::Any => Some(HeaderValue::from_static("*")),
            CorsOrigins::Listed(listed, below) => {
                let is_listed = listed.cover(origin.as_bytes());
                let is_allowed = is_listed || below.iter().any(|below| below.cover(origin.as_bytes()));
                is_allowed.then(|| origin.clone())
            }
        }
    }
}

fn list(always: &str, others: &[HeaderName]) -> HeaderValue {
    let mut names: Vec<&str> = always.split(", ").collect();
    for name in others {
        if !names.contains(&name.as_str()) {
            names.push(name.as_str());
        }
    }
    value(&names.join(", "))
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("names of methods and headers are ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_origin_covers_only_the_subdomains_of_a_domain() {
        for (pattern, origin, covers) in [
            ("https://*.bank.example", "https://app.bank.example", true),
            ("https://*.bank.example", "https://a.b.bank.example", true),
            ("https://*.bank.example:443", "https://app.bank.example", true),
            ("HTTPS://*.Bank.example:8443", "https://app.bank.example:8443", true),
            ("https://*.bank.example", "https://bank.example", false),
            ("https://*.bank.example", "https://.bank.example", false),
            ("https://*.bank.example", "https://evilbank.example", false),
            ("https://*.bank.example", "http://app.bank.example", false),
            ("https://*.bank.example", "https://app.bank.example:8443", false),
            ("https://*.bank.example", "https://app.bank.example.evil.example", false),
            ("https://*.bank.example", "https://evil.example/.bank.example", false),
            ("https://*.bank.example", "https://evil.example:1@x.bank.example", false),
            ("https://*.bank.example", "https://a..bank.example", false),
        ] {
            let CorsOrigin::Below(below) = pattern.parse().unwrap() else { panic!("{pattern}") };
            assert_eq!(below.cover(origin.as_bytes()), covers, "{pattern} {origin}");
        }
        for pattern in
            ["https://*", "https://*.", "https://*.com", "https://a.*.example", "https://*.*.example", "*.bank.example"]
        {
            assert!(pattern.parse::<CorsOrigin>().is_err(), "{pattern}");
        }
    }
}
