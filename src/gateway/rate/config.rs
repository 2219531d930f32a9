//! A limit as it is configured.

use std::str::FromStr;

use crate::limits::rate::Quota;

/// One limit: each key that `by` makes of a request has a quota.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// Its name in the file, which callers see.
    pub name: String,
    /// What is counted apart; nothing if all requests are counted together.
    pub by: Vec<By>,
    pub quota: Quota,
    pub mode: Mode,
    /// How many bits of an IPv4 address are one address.
    pub ipv4_prefix: u8,
    /// The same of an IPv6 address.
    pub ipv6_prefix: u8,
}

/// What requests are counted apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The subject of a verified token, otherwise the client certificate, otherwise the address.
    Caller,
    /// The client certificate, otherwise the address.
    Certificate,
    /// The address, or a prefix of it.
    Address,
    /// The rpc.
    Rpc,
}

/// What happens to a request above a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// It is refused.
    #[default]
    Enforce,
    /// It is counted, and the log says what would have been refused.
    Report,
}

impl FromStr for By {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "caller" => Ok(Self::Caller),
            "certificate" => Ok(Self::Certificate),
            "address" => Ok(Self::Address),
            "rpc" => Ok(Self::Rpc),
            _ => Err(format!("expected `caller`, `certificate`, `address` or `rpc`, got `{text}`")),
        }
    }
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "enforce" => Ok(Self::Enforce),
            "report" => Ok(Self::Report),
            _ => Err(format!("expected `enforce` or `report`, got `{text}`")),
        }
    }
}
