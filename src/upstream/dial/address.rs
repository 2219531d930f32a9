//! The addresses of a backend: one or several, each `http://host:port` or `https://host:port`.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// One address of a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Whether the connection uses TLS.
    pub tls: bool,
    /// A DNS name or an IP address; IPv6 without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

/// Why a text is not an address of a backend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Unknown scheme, or none.
    #[error("expected http://HOST:PORT or https://HOST:PORT")]
    Form,
    /// Text behind the port.
    #[error("expected nothing after host and port, found `{found}`")]
    Rest { found: String },
    /// The last label of the host is a number, but the host is not an IPv4 address.
    #[error(
        "expected an IPv4 address of four numbers from 0 to 255 without leading zeros, or a host name, found `{found}`"
    )]
    Ipv4 { found: String },
    /// The text in brackets is not an IPv6 address.
    #[error("expected an IPv6 address in brackets, found `[{found}]`")]
    Ipv6 { found: String },
    /// The port is not a number from 1 to 65535.
    #[error("expected a port from 1 to 65535, found `{found}`")]
    Port { found: String },
}

impl Address {
    /// `host:port`, with brackets around an IPv6 address.
    #[must_use]
    pub fn authority(&self) -> String {
        authority(&self.host, self.port)
    }
}

/// `host:port`, with brackets around an IPv6 address.
pub(crate) fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.tls { "https" } else { "http" }, self.authority())
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (scheme, rest) = text.split_once("://").ok_or(AddressError::Form)?;
        let (tls, default_port) = match scheme {
            "https" => (true, 443),
            "http" => (false, 80),
            _ => return Err(AddressError::Form),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if let Some(start) = rest.find(['/', '?', '#', '@']) {
            return Err(AddressError::Rest { found: rest[start..].to_owned() });
        }
        let (host, port) = match rest.strip_prefix('[') {
            Some(bracketed) => {
                let (host, port) = bracketed.split_once(']').ok_or(AddressError::Form)?;
                if host.parse::<Ipv6Addr>().is_err() {
                    return Err(AddressError::Ipv6 { found: host.to_owned() });
                }
                (host, port)
            }
            None => rest.split_at(rest.find(':').unwrap_or(rest.len())),
        };
        if host.is_empty() {
            return Err(AddressError::Form);
        }
        // RFC 1123, section 2.1: the last label of a host name is never a number.
        let last = host.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
        let is_name = !host.contains(':') && !last.is_empty();
        if is_name && last.bytes().all(|byte| byte.is_ascii_digit()) && host.parse::<Ipv4Addr>().is_err() {
            return Err(AddressError::Ipv4 { found: host.to_owned() });
        }
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => default_port,
            None => return Err(AddressError::Form),
            Some(port) => match port.parse() {
                Ok(number) if number > 0 => number,
                _ => return Err(AddressError::Port { found: port.to_owned() }),
            },
        };
        Ok(Self { tls, host: host.to_owned(), port })
    }
}

/// The addresses of a backend: at least one. Either all use TLS, or none does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses(Vec<Address>);

/// Why several addresses cannot belong to one backend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressesError {
    /// The list is empty.
    #[error("expected at least one address")]
    Empty,
    /// Some addresses use TLS and others do not.
    #[error(
        "expected every address to start with `https://`, or every address with `http://`, found `{first}` and `{other}`"
    )]
    Mixed { first: Address, other: Address },
}

impl Addresses {
    /// The backend with these addresses.
    ///
    /// # Errors
    /// The list is empty, or the schemes differ.
    pub fn new(list: Vec<Address>) -> Result<Self, AddressesError> {
        let first = list.first().ok_or(AddressesError::Empty)?;
        match list.iter().find(|address| address.tls != first.tls) {
            Some(other) => Err(AddressesError::Mixed { first: first.clone(), other: other.clone() }),
            None => Ok(Self(list)),
        }
    }

    /// The first address.
    #[must_use]
    pub fn first(&self) -> &Address {
        &self.0[0]
    }

    /// Whether the connections use TLS.
    #[must_use]
    pub fn tls(&self) -> bool {
        self.first().tls
    }

    /// All addresses, in the order of the configuration.
    pub fn iter(&self) -> impl Iterator<Item = &Address> {
        self.0.iter()
    }
}

impl From<Address> for Addresses {
    fn from(address: Address) -> Self {
        Self(vec![address])
    }
}

impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<String> = self.0.iter().map(Address::to_string).collect();
        f.write_str(&texts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_scheme_host_and_port() {
        for (text, address) in [
            ("https://bank.example.com:1234", "https://bank.example.com:1234"),
            ("https://bank.example.com", "https://bank.example.com:443"),
            ("http://127.0.0.1/", "http://127.0.0.1:80"),
            ("http://[::1]:8080", "http://[::1]:8080"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), address, "{text}");
        }
    }

    #[test]
    fn a_malformed_address_is_reported_with_what_was_expected() {
        for (text, message) in [
            ("bank:1234", "expected http://HOST:PORT or https://HOST:PORT"),
            ("grpc://bank:1234", "expected http://HOST:PORT or https://HOST:PORT"),
            ("http://", "expected http://HOST:PORT or https://HOST:PORT"),
            ("http://[::1", "expected http://HOST:PORT or https://HOST:PORT"),
            ("http://bank:0", "expected a port from 1 to 65535, found `0`"),
            ("http://bank:x", "expected a port from 1 to 65535, found `x`"),
            ("http://bank:1/api", "expected nothing after host and port, found `/api`"),
            ("http://u:p@bank", "expected nothing after host and port, found `@bank`"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap_err().to_string(), message, "{text}");
        }
    }

    #[test]
    fn all_addresses_of_an_upstream_must_have_one_scheme() {
        let several = |texts: &[&str]| Addresses::new(texts.iter().map(|text| text.parse().unwrap()).collect());
        let both = several(&["https://a:1", "https://[::1]:2"]).unwrap();
        assert_eq!((both.to_string().as_str(), both.tls()), ("https://a:1, https://[::1]:2", true));
        for (texts, message) in [
            (&[][..], "expected at least one address"),
            (
                &["https://a:1", "http://b:1"],
                "expected every address to start with `https://`, or every address with `http://`, found `https://a:1` and \
                 `http://b:1`",
            ),
        ] {
            assert_eq!(several(texts).unwrap_err().to_string(), message);
        }
    }
}
