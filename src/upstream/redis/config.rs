//! The configuration of a server of Redis or Valkey.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::format::secret::Secret;
use crate::upstream::config::TlsFiles;
use crate::upstream::dial::address::{Address, AddressError};

/// The port of Redis and Valkey.
const PORT: u16 = 6379;

/// A server, and how commands are sent to it.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisConfig {
    pub address: RedisAddress,
    /// The user of its access control list; without one, `AUTH` has the password alone.
    pub user: Option<String>,
    pub password: Option<Secret>,
    /// The number of the database.
    pub database: u16,
    /// The longest time for a connection, and for a command from its queueing to its answer.
    pub timeout: Duration,
    /// The most commands in flight.
    pub commands: usize,
    /// The most bytes of commands in flight.
    pub bytes: usize,
    /// Certificates and keys for `rediss`.
    pub tls: TlsFiles,
}

/// `redis://HOST:PORT`, or `rediss://HOST:PORT` with TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisAddress(pub(super) Address);

impl RedisConfig {
    /// The default of [`Self::timeout`].
    pub const TIMEOUT: Duration = Duration::from_millis(500);
    /// The default of [`Self::commands`].
    pub const COMMANDS: usize = 1024;
    /// The default of [`Self::bytes`].
    pub const BYTES: usize = 32 << 20;

    /// A server at this address, with the default of every other key.
    #[must_use]
    pub fn of(address: RedisAddress) -> Self {
        Self {
            address,
            user: None,
            password: None,
            database: 0,
            timeout: Self::TIMEOUT,
            commands: Self::COMMANDS,
            bytes: Self::BYTES,
            tls: TlsFiles::default(),
        }
    }
}

impl RedisAddress {
    /// Whether the connection uses TLS.
    #[must_use]
    pub fn tls(&self) -> bool {
        self.0.tls
    }
}

impl fmt::Display for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.0.tls { "rediss" } else { "redis" }, self.0.authority())
    }
}

impl FromStr for RedisAddress {
    type Err = String;

    /// The text may hold a password by mistake, so that errors quote nothing of what stands before the host.
    fn from_str(text: &str) -> Result<Self, String> {
        let form = || "expected redis://HOST:PORT or rediss://HOST:PORT".to_owned();
        let (scheme, rest) = text.split_once("://").ok_or_else(form)?;
        let scheme = match scheme {
            "redis" => "http",
            "rediss" => "https",
            _ => return Err(form()),
        };
        if rest.contains('@') {
            return Err("expected no user and password in the address; set `user` and `password`".to_owned());
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains('/') {
            return Err("expected nothing after host and port; set `database`".to_owned());
        }
        let bracket = rest.rfind(']').unwrap_or(0);
        let port = if rest[bracket..].contains(':') { String::new() } else { format!(":{PORT}") };
        let address = format!("{scheme}://{rest}{port}").parse();
        address.map(Self).map_err(|error| if error == AddressError::Form { form() } else { error.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_scheme_a_host_and_perhaps_a_port() {
        for (text, shown) in [
            ("redis://store", "redis://store:6379"),
            ("redis://store/", "redis://store:6379"),
            ("rediss://store.bank.example:6380", "rediss://store.bank.example:6380"),
            ("rediss://[::1]", "rediss://[::1]:6379"),
            ("redis://[::1]:7000", "redis://[::1]:7000"),
        ] {
            assert_eq!(text.parse::<RedisAddress>().map(|it| it.to_string()).as_deref(), Ok(shown), "{text}");
        }
        let form = "expected redis://HOST:PORT or rediss://HOST:PORT";
        for (text, message) in [
            ("store:6379", form),
            ("http://store", form),
            ("redis://", form),
            ("redis://u:secret@store", "expected no user and password in the address; set `user` and `password`"),
            ("redis://store/3", "expected nothing after host and port; set `database`"),
            ("redis://store:0", "expected a port from 1 to 65535, found `0`"),
        ] {
            assert_eq!(text.parse::<RedisAddress>(), Err(message.to_owned()), "{text}");
        }
    }
}
