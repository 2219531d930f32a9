//! Decides which proxies are trusted, and which address of their list is the caller's.

use std::net::IpAddr;

use http::header::{FORWARDED, HeaderMap, HeaderName};

use super::network::Network;
use super::node;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The trusted proxies, and the header that they write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxies {
    /// The networks of the trusted proxies.
    pub trusted: Vec<Network>,
    /// The only header that counts. Proxies pass other headers on as they received them.
    pub list: List,
}

/// A header with a list of the addresses that a request came through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum List {
    /// `X-Forwarded-For`: addresses, separated by commas.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

impl Proxies {
    /// Whether a proxy at this address is trusted.
    #[must_use]
    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted.iter().any(|network| network.contains(address))
    }

    /// The address of the caller: the right-most address of the list that is not trusted, if the connection comes from
    /// a trusted proxy. The search also stops at an entry that is not an address, and at the end of the list. Then the
    /// caller is the last address that a trusted proxy has seen.
    #[must_use]
    pub fn caller(&self, connection: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut certain = connection.to_canonical();
        // RFC 9110, section 5.3: the lines of a field form one list, in their order.
        let mut lines = headers.get_all(self.list.header()).iter().rev().map(|line| line.as_bytes());
        let mut left = None;
        while self.trusts(certain) {
            let Some(line) = left.take().or_else(|| lines.next()) else { break };
            let (rest, entry) = self.list.last(line);
            let Some(address) = self.list.address(entry) else { break };
            (left, certain) = (rest, address);
        }
        certain
    }
}

impl List {
    /// The name of the header.
    #[must_use]
    pub fn header(self) -> HeaderName {
        match self {
            Self::XForwardedFor => X_FORWARDED_FOR,
            Self::Forwarded => FORWARDED,
        }
    }

    /// The part of a line to the left of its last entry, if there is one, and the last entry.
    fn last(self, line: &[u8]) -> (Option<&[u8]>, &[u8]) {
        let comma = match self {
            Self::XForwardedFor => line.iter().rposition(|&byte| byte == b','),
            Self::Forwarded => node::last_comma(line),
        };
        match comma {
            Some(at) => (Some(&line[..at]), line[at + 1..].trim_ascii()),
            None => (None, line.trim_ascii()),
        }
    }

    /// The address in an entry, if it has one.
    fn address(self, entry: &[u8]) -> Option<IpAddr> {
        let address = match self {
            Self::XForwardedFor => {
                let text = std::str::from_utf8(entry).ok()?;
                // Without brackets, all of the text is an IPv6 address: a port would be one more group of it.
                text.parse().ok().or_else(|| node::address(text))
            }
            Self::Forwarded => node::address(node::value_of_for(entry)?),
        };
        address.map(|address| address.to_canonical())
    }
}
