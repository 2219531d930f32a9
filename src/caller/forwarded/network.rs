//! A block of addresses: `10.0.0.0/8`, `2001:db8::/32`, or a single address.
//!
//! Only prefixes are compared. Crates for networks accept more (bits behind the prefix, all addresses), which would
//! have to be rejected here anyway.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// All addresses of one family that begin with the same bits. An IPv4 address in IPv6 notation (`::ffff:192.0.2.1`)
/// counts as an IPv4 address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// The first address of the block: all bits behind the prefix are 0.
    first: IpAddr,
    prefix: u32,
}

/// Why a text is not a [`Network`].
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// The text does not begin with an address.
    #[error("expected an IP address, or a network such as `10.0.0.0/8` or `2001:db8::/32`, found `{0}`")]
    Address(String),
    /// The prefix is not a number, or is longer than the address.
    #[error("expected a prefix from 1 to {most}, found `{found}`")]
    Prefix {
        /// The number of bits of the address.
        most: u32,
        /// The text behind the slash.
        found: String,
    },
    /// The prefix is empty, so the block has all addresses.
    #[error("`{0}` trusts every address, so any caller could claim another's; list only your proxies")]
    Everybody(String),
    /// The address is inside the block, but is not its first one.
    #[error(
        "`{found}` has bits set after its prefix; write `{network}` for the network, or `{address}` for the address"
    )]
    HostBits {
        /// The text as written.
        found: String,
        /// The address in the text.
        address: IpAddr,
        /// The block that contains the address.
        network: Network,
    },
}

impl Network {
    /// The first address of the block.
    #[must_use]
    pub fn first(&self) -> IpAddr {
        self.first
    }

    /// The last address of the block.
    #[must_use]
    pub fn last(&self) -> IpAddr {
        match self.first {
            IpAddr::V4(first) => Ipv4Addr::from_bits(first.to_bits() | u32::MAX.unbounded_shr(self.prefix)).into(),
            IpAddr::V6(first) => Ipv6Addr::from_bits(first.to_bits() | u128::MAX.unbounded_shr(self.prefix)).into(),
        }
    }

    /// Whether the block contains this address, which must be in canonical form ([`IpAddr::to_canonical`]).
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.first.is_ipv4() && without_rest(address, self.prefix) == self.first
    }
}

/// The address with all bits behind the prefix set to 0.
fn without_rest(address: IpAddr, prefix: u32) -> IpAddr {
    match address {
        IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits() & u32::MAX.unbounded_shl(32 - prefix)).into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & u128::MAX.unbounded_shl(128 - prefix)).into(),
    }
}

/// The number of bits of an address of this family.
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
        // The 96 bits before a mapped IPv4 address do not count as its prefix. A shorter prefix covers more than IPv4
        // addresses.
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
    // Neither a sign nor leading zeros.
    (prefix <= most && prefix.to_string() == digits).then_some(prefix)
}

/// Written as it is configured.
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.prefix == length(self.first) {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}/{}", self.first, self.prefix)
        }
    }
}
