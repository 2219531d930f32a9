//! Which addresses may call: lists of blocks that are allowed or denied.
//!
//! Lists may have a hundred thousand blocks. They become sorted ranges without overlaps, in which an address is found by binary
//! search.

use std::net::IpAddr;

use super::forwarded::Network;

/// Which addresses may call.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AddressRules {
    /// Only these addresses may call; `None` if all may that are not denied.
    pub allowed: Option<AddressTable>,
    /// These addresses may not call, also if they are allowed.
    pub denied: AddressTable,
}

/// A set of addresses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AddressTable {
    ipv4: Ranges<u32>,
    ipv6: Ranges<u128>,
}

/// Ranges in order, without overlaps. Starts and ends are apart, so that a search reads little memory.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Ranges<T> {
    first: Vec<T>,
    last: Vec<T>,
}

impl AddressRules {
    /// Whether a caller at this address may call. One whose address is not known may not.
    #[must_use]
    pub fn permit(&self, address: Option<IpAddr>) -> bool {
        let Some(address) = address else { return false };
        !self.denied.contains(address) && self.allowed.as_ref().is_none_or(|allowed| allowed.contains(address))
    }
}

impl AddressTable {
    /// Whether the set has this address, which must be in canonical form ([`IpAddr::to_canonical`]).
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => self.ipv4.contains(address.to_bits()),
            IpAddr::V6(address) => self.ipv6.contains(address.to_bits()),
        }
    }

    /// Whether the set has no addresses.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ipv4.first.is_empty() && self.ipv6.first.is_empty()
    }
}

impl FromIterator<Network> for AddressTable {
    fn from_iter<I: IntoIterator<Item = Network>>(networks: I) -> Self {
        let (mut ipv4, mut ipv6) = (Vec::new(), Vec::new());
        for network in networks {
            match (network.first(), network.last()) {
                (IpAddr::V4(first), IpAddr::V4(last)) => ipv4.push((first.to_bits(), last.to_bits())),
                (IpAddr::V6(first), IpAddr::V6(last)) => ipv6.push((first.to_bits(), last.to_bits())),
                _ => unreachable!("the addresses of a network are of one family"),
            }
        }
        Self { ipv4: Ranges::of(ipv4), ipv6: Ranges::of(ipv6) }
    }
}

impl<T: Copy + Ord> Ranges<T> {
    fn of(mut ranges: Vec<(T, T)>) -> Self {
        ranges.sort_unstable();
        let mut merged = Self { first: Vec::with_capacity(ranges.len()), last: Vec::with_capacity(ranges.len()) };
        for (first, last) in ranges {
            match merged.last.last_mut() {
                Some(before) if first <= *before => *before = last.max(*before),
                _ => {
                    merged.first.push(first);
                    merged.last.push(last);
                }
            }
        }
        merged
    }

    fn contains(&self, address: T) -> bool {
        let after = self.first.partition_point(|first| *first <= address);
        after > 0 && address <= self.last[after - 1]
    }
}

impl<T> Default for Ranges<T> {
    fn default() -> Self {
        Self { first: Vec::new(), last: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::{Duration, Instant};

    use super::*;

    fn table(blocks: &[&str]) -> AddressTable {
        blocks.iter().map(|block| block.parse::<Network>().unwrap()).collect()
    }

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn a_table_has_the_addresses_of_its_blocks_and_no_others() {
        let table = table(&[
            "192.0.2.0/24",
            "192.0.2.128/25",
            "10.0.0.0/8",
            "203.0.113.7",
            "255.255.255.255",
            "2001:db8::/32",
            "::1",
            "::ffff:198.51.100.0/120",
        ]);
        for (text, expected) in [
            ("192.0.2.0", true),
            ("192.0.2.255", true),
            ("192.0.3.0", false),
            ("192.0.1.255", false),
            ("10.255.255.255", true),
            ("11.0.0.0", false),
            ("9.255.255.255", false),
            ("0.0.0.0", false),
            ("203.0.113.7", true),
            ("203.0.113.8", false),
            ("255.255.255.255", true),
            ("198.51.100.9", true),
            ("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", true),
            ("2001:db9::", false),
            ("::1", true),
            ("::2", false),
        ] {
            assert_eq!(table.contains(text.parse().unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn a_denied_address_may_not_call_even_if_it_is_allowed() {
        let allowed = || Some(table(&["10.0.0.0/8"]));
        let denied = || table(&["10.1.0.0/16"]);
        for (allowed, denied, text, expected) in [
            (None, AddressTable::default(), "192.0.2.1", true),
            (None, denied(), "10.1.0.1", false),
            (None, denied(), "10.2.0.1", true),
            (allowed(), AddressTable::default(), "10.1.0.1", true),
            (allowed(), AddressTable::default(), "192.0.2.1", false),
            (allowed(), denied(), "10.2.0.1", true),
            (allowed(), denied(), "10.1.0.1", false),
        ] {
            let rules = AddressRules { allowed, denied };
            assert_eq!(rules.permit(address(text)), expected, "{text} {rules:?}");
        }
        assert!(!AddressRules::default().permit(None), "an address that is not known");
    }

    #[test]
    fn a_hundred_thousand_blocks_are_searched_in_less_than_a_microsecond() {
        const BLOCKS: u32 = 100_000;
        // Every other /28, so that none are merged.
        let blocks = (0..BLOCKS).map(|number| format!("{}/28", Ipv4Addr::from(number * 32)));
        let table: AddressTable = blocks.map(|block| block.parse::<Network>().unwrap()).collect();
        assert_eq!(table.ipv4.first.len(), BLOCKS as usize);
        let (mut found, mut address, count) = (0_u32, 1_u32, 1_000_000);
        let began = Instant::now();
        for _ in 0..count {
            address = address.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            found += u32::from(table.contains(Ipv4Addr::from(address % (BLOCKS * 32)).into()));
        }
        let each = began.elapsed() / count;
        assert!(found.abs_diff(count / 2) < count / 100, "{found}");
        // Without optimisations, and beside other tests.
        assert!(each < Duration::from_micros(5), "{each:?}");
    }
}
