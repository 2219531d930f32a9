//! Which proxies are believed, and where the caller is by the list that they write.

use std::net::IpAddr;

use http::header::{FORWARDED, HeaderMap, HeaderName};

use super::network::Network;
use super::node;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The proxies that are believed, and where they write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxies {
    /// Where they are.
    pub trusted: Vec<Network>,
    /// The one header that counts: a proxy passes on the other ones as it was given them.
    pub list: List,
}

/// A header with the addresses that a request has come through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum List {
    /// `X-Forwarded-For`: addresses with commas between them.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

impl Proxies {
    /// Whether a proxy at this address is believed.
    #[must_use]
    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted.iter().any(|network| network.contains(address))
    }

    /// Where the caller is: the right-most address of the list that is not trusted itself, if the connection comes from one that
    /// is. An entry that is no address, and the end of the list, leave it at the last address that a trusted proxy has seen.
    #[must_use]
    pub fn caller(&self, connection: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut certain = connection.to_canonical();
        // RFC 9110, section 5.3: the lines of a field are one list, in their order.
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
    /// The header's name.
    #[must_use]
    pub fn header(self) -> HeaderName {
        match self {
            Self::XForwardedFor => X_FORWARDED_FOR,
            Self::Forwarded => FORWARDED,
        }
    }

    /// What stands to the left of the last entry of a line, if anything, and that entry.
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

    /// The address that an entry says, if it is one.
    fn address(self, entry: &[u8]) -> Option<IpAddr> {
        let address = match self {
            Self::XForwardedFor => {
                let text = std::str::from_utf8(entry).ok()?;
                // Without brackets all of it is the address: a port would be one more group of it.
                text.parse().ok().or_else(|| node::address(text))
            }
            Self::Forwarded => node::address(node::value_of_for(entry)?),
        };
        address.map(|address| address.to_canonical())
    }
}
