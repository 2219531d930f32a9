//! The configuration of a rate limit.

use std::str::FromStr;

use crate::limits::rate::Quota;

/// One limit. Each key that `by` derives from a request has its own quota.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// Its name in the file, which callers see.
    pub name: String,
    /// What is counted separately. Empty if all requests share one quota.
    pub by: Vec<By>,
    pub quota: Quota,
    pub mode: Mode,
    /// The length of the IPv4 prefix that counts as one address, in bits.
    pub ipv4_prefix: u8,
    /// The length of the IPv6 prefix that counts as one address, in bits.
    pub ipv6_prefix: u8,
}

/// A property by which requests are counted separately.
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
    /// The request is rejected.
    #[default]
    Enforce,
    /// The request is counted and served. The log says that it would have been rejected.
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
