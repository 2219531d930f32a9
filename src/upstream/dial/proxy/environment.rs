//! The proxy that environment variables name, by the rules of gRPC: `grpc_proxy`, `https_proxy` and `http_proxy`, with
//! the exceptions of `no_grpc_proxy` or `no_proxy`.
//!
//! Takes the values of variables, and gives the proxy for an address, if there is one. It does not read the environment
//! itself. Host names are not looked up: names are compared with names, addresses with addresses and networks.

use std::ffi::OsString;
use std::fmt;
use std::net::IpAddr;

use super::config::{ProxyConfig, ProxyError};
use crate::upstream::dial::address::Address;

/// The first variable that is set counts; an empty value means no proxy. gRPC knows only the lower-case names. The
/// upper-case names are for environments that set only those.
const PROXY: [&str; 6] = ["grpc_proxy", "GRPC_PROXY", "https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY"];

/// Variables with the addresses that are called without a proxy. The first one that is set counts.
const EXEMPT: [&str; 4] = ["no_grpc_proxy", "NO_GRPC_PROXY", "no_proxy", "NO_PROXY"];

/// The proxy settings of the environment. If no variable is set, there is no proxy.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment {
    proxy: Option<(&'static str, OsString)>,
    exempt: String,
}

/// The value of an environment variable is not a proxy URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VariableError {
    /// The name of the variable.
    pub variable: &'static str,
    /// What is wrong with its value.
    pub error: ProxyError,
}

impl Environment {
    /// Takes the settings from `value`, which gives the value of an environment variable.
    pub fn of(value: impl Fn(&str) -> Option<OsString>) -> Self {
        let first = |names: &[&'static str]| names.iter().find_map(|name| Some((*name, value(name)?)));
        let exempt = first(&EXEMPT).map(|(_, value)| value.to_string_lossy().into_owned()).unwrap_or_default();
        Self { proxy: first(&PROXY).filter(|(_, value)| !value.is_empty()), exempt }
    }

    /// The proxy for a backend's address. A loopback address has none: it would mean the proxy's own machine.
    ///
    /// # Errors
    /// The variable that counts is not a proxy URL.
    pub fn proxy_for(&self, address: &Address) -> Result<Option<ProxyConfig>, VariableError> {
        let Some((variable, value)) = &self.proxy else { return Ok(None) };
        let host = Host::of(&address.host);
        if host.is_loopback() || self.entries().any(|entry| host.is_kept_by(entry, address.port)) {
            return Ok(None);
        }
        let parsed = value.to_str().map_or(Err(ProxyError::Form), str::parse::<ProxyConfig>);
        let config = parsed.map_err(|error| VariableError { variable, error })?;
        Ok(Some(ProxyConfig { variable: Some(variable), ..config }))
    }

    fn entries(&self) -> impl Iterator<Item = &str> {
        self.exempt.split(|c: char| c == ',' || c.is_whitespace()).filter(|entry| !entry.is_empty())
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The value of the variable may contain a password.
        let variable = self.proxy.as_ref().map(|(variable, _)| variable);
        f.debug_struct("Environment").field("proxy", &variable).field("exempt", &self.exempt).finish()
    }
}

/// The host of a backend, in the form for comparing it with `no_proxy`.
enum Host {
    Address(IpAddr),
    /// A DNS name in lower case, without a trailing dot.
    Name(String),
}

impl Host {
    fn of(host: &str) -> Self {
        // `::ffff:10.0.0.1` counts as 10.0.0.1.
        let address = host.parse::<IpAddr>().map(|address| Self::Address(address.to_canonical()));
        address.unwrap_or_else(|_| Self::Name(name(host)))
    }

    fn is_loopback(&self) -> bool {
        match self {
            Self::Address(address) => address.is_loopback(),
            // RFC 6761, section 6.3: all of `.localhost` is loopback.
            Self::Name(name) => name == "localhost" || name.ends_with(".localhost"),
        }
    }

    /// Whether an entry of `no_proxy` matches this host, and the port if the entry has one. A malformed entry matches
    /// nothing.
    fn is_kept_by(&self, entry: &str, port: u16) -> bool {
        let (pattern, wanted) = split(entry);
        if wanted.is_some_and(|wanted| wanted != port) {
            return false;
        }
        match self {
            _ if pattern == "*" => true,
            Self::Address(address) => network(pattern).is_some_and(|network| network.has(*address)),
            Self::Name(host) => is_in_domain(host, pattern),
        }
    }
}

/// Whether a host is in a domain. A domain includes itself and everything below it, with or without a leading dot or
/// `*.`.
fn is_in_domain(host: &str, pattern: &str) -> bool {
    let domain = name(pattern.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(pattern));
    let domain = domain.strip_prefix('.').unwrap_or(&domain);
    let above = host.strip_suffix(domain);
    !domain.is_empty() && above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
}

fn name(text: &str) -> String {
    text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase()
}

/// Splits an entry into host and port, if it has one. The colons of an IPv6 address are not mistaken for that of a
/// port.
fn split(entry: &str) -> (&str, Option<u16>) {
    let is_bare = entry.matches(':').count() > 1 && !entry.starts_with('[');
    let with_port = entry.rsplit_once(':').filter(|_| !is_bare);
    let with_port = with_port.and_then(|(pattern, port)| Some((pattern, Some(port.parse().ok()?))));
    with_port.unwrap_or((entry, None))
}

/// A network: the addresses that begin with the same bits.
struct ExemptNetwork {
    base: IpAddr,
    bits: u32,
}

/// Parses an address, or a network as address and number of bits (RFC 4632, section 3.1).
fn network(pattern: &str) -> Option<ExemptNetwork> {
    let (base, bits) = pattern.split_once('/').map_or((pattern, None), |(base, bits)| (base, Some(bits)));
    let base = base.strip_prefix('[').and_then(|base| base.strip_suffix(']')).unwrap_or(base).parse::<IpAddr>().ok()?;
    let base = if bits.is_none() { base.to_canonical() } else { base };
    let most = if base.is_ipv4() { 32 } else { 128 };
    let bits = bits.map_or(Some(most), |bits| bits.parse().ok()).filter(|bits| *bits <= most)?;
    Some(ExemptNetwork { base, bits })
}

impl ExemptNetwork {
    fn has(&self, address: IpAddr) -> bool {
        // The number of leading bits that are equal must cover the bits of the network.
        let alike = match (self.base, address) {
            (IpAddr::V4(base), IpAddr::V4(address)) => (base.to_bits() ^ address.to_bits()).leading_zeros(),
            (IpAddr::V6(base), IpAddr::V6(address)) => (base.to_bits() ^ address.to_bits()).leading_zeros(),
            _ => return false,
        };
        alike >= self.bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        Environment::of(|name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).into()))
    }

    /// The proxy for an address, `-` if there is none.
    fn proxy(environment: &Environment, address: &str) -> String {
        let proxy = environment.proxy_for(&address.parse().unwrap()).unwrap();
        proxy.map_or("-".to_owned(), |proxy| format!("{proxy} of {}", proxy.variable.unwrap()))
    }

    #[test]
    fn the_first_variable_that_is_set_names_the_proxy() {
        for (variables, expected) in [
            (&[][..], "-"),
            (&[("http_proxy", "http://h:1")], "h:1 of http_proxy"),
            (&[("HTTP_PROXY", "http://h:1")], "h:1 of HTTP_PROXY"),
            (&[("http_proxy", "http://h:1"), ("HTTP_PROXY", "http://H:1")], "h:1 of http_proxy"),
            (&[("http_proxy", "http://h:1"), ("https_proxy", "http://s:1")], "s:1 of https_proxy"),
            (&[("http_proxy", "http://h:1"), ("HTTPS_PROXY", "http://S:1")], "S:1 of HTTPS_PROXY"),
            (&[("https_proxy", "http://s:1"), ("HTTPS_PROXY", "http://S:1")], "s:1 of https_proxy"),
            (&[("https_proxy", "http://s:1"), ("grpc_proxy", "http://g:1")], "g:1 of grpc_proxy"),
            (&[("https_proxy", "http://s:1"), ("GRPC_PROXY", "http://G:1")], "G:1 of GRPC_PROXY"),
            (&[("grpc_proxy", "http://g:1"), ("GRPC_PROXY", "http://G:1")], "g:1 of grpc_proxy"),
            (&[("http_proxy", "http://ann:secret@h:1")], "h:1 of http_proxy"),
            (&[("http_proxy", "h:1")], "h:1 of http_proxy"),
            // An empty value means no proxy, even if another variable names one.
            (&[("grpc_proxy", ""), ("https_proxy", "http://s:1")], "-"),
            (&[("https_proxy", ""), ("http_proxy", "http://h:1")], "-"),
            (&[("all_proxy", "http://a:1"), ("ftp_proxy", "http://f:1"), ("Http_Proxy", "http://h:1")], "-"),
            (&[("http_proxy", "http://h:1"), ("no_proxy", "bank.test")], "-"),
            (&[("http_proxy", "http://h:1"), ("NO_PROXY", "bank.test")], "-"),
            (&[("http_proxy", "http://h:1"), ("no_proxy", ""), ("NO_PROXY", "bank.test")], "h:1 of http_proxy"),
            (&[("http_proxy", "http://h:1"), ("no_grpc_proxy", "bank.test"), ("no_proxy", "x")], "-"),
            (&[("http_proxy", "http://h:1"), ("NO_GRPC_PROXY", "bank.test"), ("no_proxy", "x")], "-"),
            (&[("http_proxy", "http://h:1"), ("no_grpc_proxy", "x"), ("no_proxy", "bank.test")], "h:1 of http_proxy"),
        ] {
            for address in ["https://bank.test", "http://bank.test:9000"] {
                assert_eq!(proxy(&environment(variables), address), expected, "{variables:?}");
            }
        }
    }

    #[test]
    fn the_no_proxy_variable_exempts_hosts_domains_addresses_and_networks() {
        for (entries, called_directly, through_the_proxy) in [
            ("", &[][..], &["http://bank.test", "http://10.0.0.1"][..]),
            ("*", &["http://bank.test", "http://10.0.0.1", "http://[fd00::1]"], &[]),
            ("*:443", &["https://bank.test"], &["http://bank.test"]),
            ("bank.test", &["http://bank.test", "http://BANK.test.", "http://a.b.bank.test"], &["http://mybank.test"]),
            ("Bank.Test.", &["http://bank.test"], &["http://bank.test.org", "http://test"]),
            (".bank.test", &["http://bank.test", "http://a.bank.test"], &["http://mybank.test"]),
            ("*.bank.test", &["http://bank.test", "http://a.bank.test"], &["http://mybank.test"]),
            ("a*.test,*test", &[], &["http://abc.test", "http://bank.test"]),
            (
                " x.test , bank.test\ty.test",
                &["http://bank.test", "http://x.test", "http://y.test"],
                &["http://z.test"],
            ),
            (",,.,", &[], &["http://bank.test"]),
            (
                "bank.test:443",
                &["https://bank.test", "https://a.bank.test"],
                &["http://bank.test", "https://bank.test:444"],
            ),
            ("bank.test:x", &[], &["https://bank.test"]),
            ("10.0.0.1", &["http://10.0.0.1", "http://[::ffff:10.0.0.1]"], &["http://10.0.0.10", "http://110.0.0.1"]),
            ("10.0.0.1:9000", &["http://10.0.0.1:9000"], &["http://10.0.0.1"]),
            ("10.0.0.0/8", &["http://10.255.0.1"], &["http://11.0.0.1", "http://[a00::1]", "http://10.bank.test"]),
            ("10.1.2.3/31", &["http://10.1.2.2", "http://10.1.2.3"], &["http://10.1.2.4"]),
            ("0.0.0.0/0", &["http://10.0.0.1"], &["http://[fd00::1]", "http://bank.test"]),
            ("10.0.0.1/32", &["http://10.0.0.1"], &["http://10.0.0.2"]),
            ("10.0.0.0/33, 10/8, 10.0.0.0/, 10.0.0.0/-1", &[], &["http://10.0.0.0"]),
            ("fd00::1", &["http://[fd00::1]", "http://[fd00:0:0::1]:99"], &["http://[fd00::2]"]),
            ("[fd00::1]", &["http://[fd00::1]"], &["http://[fd00::2]"]),
            ("[fd00::1]:443", &["https://[fd00::1]"], &["http://[fd00::1]"]),
            ("fd00::/8", &["http://[fd12::1]"], &["http://[fe12::1]", "http://10.0.0.1"]),
        ] {
            let environment = environment(&[("http_proxy", "http://h:1"), ("no_proxy", entries)]);
            for address in called_directly {
                assert_eq!(proxy(&environment, address), "-", "{entries}: {address}");
            }
            for address in through_the_proxy {
                assert_eq!(proxy(&environment, address), "h:1 of http_proxy", "{entries}: {address}");
            }
        }
    }

    #[test]
    fn loopback_addresses_are_never_called_through_a_proxy_of_the_environment() {
        let environment = environment(&[("http_proxy", "http://h:1"), ("no_proxy", "x")]);
        for address in [
            "http://localhost:9000",
            "https://LocalHost.",
            "http://bank.localhost",
            "http://127.0.0.1",
            "http://127.1.2.3",
            "http://[::1]",
            "http://[::ffff:127.0.0.1]",
        ] {
            assert_eq!(proxy(&environment, address), "-", "{address}");
        }
        for address in ["http://localhost.bank.test", "http://mylocalhost", "http://128.0.0.1", "http://[::2]"] {
            assert_eq!(proxy(&environment, address), "h:1 of http_proxy", "{address}");
        }
    }

    #[test]
    fn an_invalid_proxy_variable_is_reported_by_name_only_where_it_applies() {
        let environment = environment(&[("HTTPS_PROXY", "http://ann:secret@h:x"), ("no_proxy", "direct.test")]);
        let wrong = environment.proxy_for(&"https://bank.test".parse().unwrap()).unwrap_err();
        assert_eq!(wrong, VariableError { variable: "HTTPS_PROXY", error: ProxyError::Port });
        assert_eq!(environment.proxy_for(&"https://direct.test".parse().unwrap()), Ok(None));
        assert_eq!(format!("{environment:?}"), "Environment { proxy: Some(\"HTTPS_PROXY\"), exempt: \"direct.test\" }");
    }
}
