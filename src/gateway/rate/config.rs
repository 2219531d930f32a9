//! The configuration of a limit.

use std::str::FromStr;
use std::time::Duration;

use http::HeaderName;

use crate::limits::rate::Quota;

/// One limit. Each key that `by` derives from a request has its own quota.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// Its name in the file, which callers see.
    pub name: String,
    /// What is counted separately. Empty if all requests share one quota.
    pub by: Vec<By>,
    /// How often a key may call; `None` if only its requests in progress are limited.
    pub quota: Option<Quota>,
    /// The most requests of a key that are in progress at one time; `None` if only their rate is limited.
    pub concurrent: Option<u32>,
    pub mode: Mode,
    /// How its rate is counted together with other gateways; `None` if this process counts alone.
    pub shared: Option<Shared>,
    pub headers: QuotaHeaders,
    /// The length of the IPv4 prefix that counts as one address, in bits.
    pub ipv4_prefix: u8,
    /// The length of the IPv6 prefix that counts as one address, in bits.
    pub ipv6_prefix: u8,
}

/// A property by which requests are counted separately.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// The subject of a verified token, otherwise the client certificate, otherwise the address.
    Caller,
    /// The client certificate, otherwise the address.
    Certificate,
    /// The address, or a prefix of it.
    Address,
    /// The rpc.
    Rpc,
    /// The route: its method and its path template, or the path of the rpc.
    Route,
    /// A claim of the verified token, with its issuer; otherwise the caller.
    Claim(String),
    /// A header, if a trusted proxy sends the request; otherwise the address.
    Header(HeaderName),
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

/// How a rate is counted by the store that several gateways share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shared {
    pub away: StoreAway,
    /// The longest time for the store's answer.
    pub timeout: Duration,
}

/// What happens to requests while the store is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StoreAway {
    /// Each gateway counts by itself.
    #[default]
    Local,
    /// The limit does not apply.
    Open,
    /// Requests are rejected.
    Closed,
}

/// Which answers say what is left of the quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum QuotaHeaders {
    /// Those to requests above the limit.
    #[default]
    Rejected,
    /// All answers to requests that the limit counts.
    Always,
}

impl By {
    /// Whether the key is known only after the token is verified.
    #[must_use]
    pub fn needs_caller(&self) -> bool {
        matches!(self, Self::Caller | Self::Claim(_))
    }
}

impl FromStr for By {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "caller" => Ok(Self::Caller),
            "certificate" => Ok(Self::Certificate),
            "address" => Ok(Self::Address),
            "rpc" => Ok(Self::Rpc),
            "route" => Ok(Self::Route),
            _ => Err(format!(
                "expected `caller`, `certificate`, `address`, `rpc` or `route`, or a map with `claim` or `header`, found `{text}`"
            )),
        }
    }
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "enforce" => Ok(Self::Enforce),
            "report" => Ok(Self::Report),
            _ => Err(format!("expected `enforce` or `report`, found `{text}`")),
        }
    }
}

impl FromStr for StoreAway {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "local" => Ok(Self::Local),
            "open" => Ok(Self::Open),
            "closed" => Ok(Self::Closed),
            _ => Err(format!("expected `local`, `open` or `closed`, found `{text}`")),
        }
    }
}

impl FromStr for QuotaHeaders {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "rejected" => Ok(Self::Rejected),
            "always" => Ok(Self::Always),
            _ => Err(format!("expected `rejected` or `always`, found `{text}`")),
        }
    }
}
