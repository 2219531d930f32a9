//! A block of addresses: `10.0.0.0/8`, `2001:db8::/32`, or one address.
//!
//! A comparison of prefixes is all that is asked of it, and what a crate for networks takes (bits behind the prefix, everybody)
//! would have to be refused here anyway.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// All addresses of one family that begin with the same bits. An IPv4 address that is written as an IPv6 one
/// (`::ffff:192.0.2.1`) is an IPv4 address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// Its bits behind the prefix are 0.
    first: IpAddr,
    prefix: u32,
}

/// Why a text is no [`Network`].
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// It begins with no address.
    #[error("expected an IP address, or a network such as `10.0.0.0/8` or `2001:db8::/32`, found `{0}`")]
    Address(String),
    /// The prefix is no number, or longer than the address.
    #[error("expected a prefix from 1 to {most}, found `{found}`")]
    Prefix {
        /// As many bits as the address has.
        most: u32,
        /// What stands behind the slash.
        found: String,
    },
    /// The prefix is empty.
    #[error("`{0}` trusts every address, so any caller could claim another's; list only your proxies")]
    Everybody(String),
    /// The address is one in the block, and not its first.
    #[error(
        "`{found}` has bits set after its prefix; write `{network}` for the network, or `{address}` for the address"
    )]
    HostBits {
        /// The text.
        found: String,
        /// The address in it.
        address: IpAddr,
        /// The block that the address is in.
        network: Network,
    },
}

impl Network {
    /// Whether this address is one of them. It has to be in its canonical form ([`IpAddr::to_canonical`]).
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.first.is_ipv4() && without_rest(address, self.prefix) == self.first
    }
}

/// The address with the bits behind the prefix 0.
fn without_rest(address: IpAddr, prefix: u32) -> IpAddr {
    match address {
        IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits() & u32::MAX.unbounded_shl(32 - prefix)).into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & u128::MAX.unbounded_shl(128 - prefix)).into(),
    }
}

/// How many bits such an address has.
fn length(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, digits) = text.split_once('/').map_or((text, None), |(address, digits)| (address, Some(digits)));
        let written: IpAddr = address.parse().map_err(|_| NetworkError::Address(text.to_owned()))?;
        let most = length(written);
        let prefix = match digits {
            None => most,
            Some(digits) => {
                prefix(digits, most).ok_or_else(|| NetworkError::Prefix { most, found: digits.to_owned() })?
            }
        };
        // The 96 bits before an IPv4 address are no part of it. What a shorter prefix has in it are not all IPv4 addresses.
        let first = if prefix >= most - 32 { written.to_canonical() } else { written };
        let prefix = prefix - (most - length(first));
        if prefix == 0 {
            return Err(NetworkError::Everybody(text.to_owned()));
        }
        let network = Self { first: without_rest(first, prefix), prefix };
        if network.first != first {
            return Err(NetworkError::HostBits { found: text.to_owned(), address: written, network });
        }
        Ok(network)
    }
}

fn prefix(digits: &str, most: u32) -> Option<u32> {
    let prefix: u32 = digits.parse().ok()?;
    // Neither a sign nor zeros before it.
    (prefix <= most && prefix.to_string() == digits).then_some(prefix)
}

/// As it is configured.
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.prefix == length(self.first) {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}/{}", self.first, self.prefix)
        }
    }
}
