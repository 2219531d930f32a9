use std::net::IpAddr;

use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;

use super::*;

fn proxies(list: List) -> Proxies {
    let trusted = ["10.0.0.0/8", "192.0.2.7", "2001:db8:1::/48"];
    Proxies { trusted: trusted.iter().map(|text| text.parse().unwrap()).collect(), list }
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn headers<V: AsRef<[u8]>>(list: List, lines: &[V]) -> HeaderMap {
    lines.iter().map(|line| (list.header(), HeaderValue::from_bytes(line.as_ref()).unwrap())).collect()
}

#[test]
fn a_network_contains_exactly_the_addresses_with_its_prefix() {
    for (network, inside, outside) in [
        (
            "10.0.0.0/8",
            &["10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3"][..],
            &["9.255.255.255", "11.0.0.0", "::a00:1"][..],
        ),
        ("192.0.2.7", &["192.0.2.7", "::ffff:192.0.2.7"], &["192.0.2.6", "192.0.2.8", "::c000:207"]),
        ("192.0.2.7/32", &["192.0.2.7"], &["192.0.2.6"]),
        ("128.0.0.0/1", &["128.0.0.0", "255.255.255.255"], &["127.255.255.255", "::", "8000::"]),
        ("192.0.2.128/25", &["192.0.2.128", "192.0.2.255"], &["192.0.2.127", "192.0.3.128"]),
        ("2001:db8::/32", &["2001:db8::", "2001:db8:ffff::1"], &["2001:db7:ffff::", "2001:db9::", "32.1.13.184"]),
        ("2001:db8::1", &["2001:db8::1"], &["2001:db8::", "2001:db8::2"]),
        ("8000::/1", &["8000::", "ffff::"], &["7fff::", "128.0.0.1"]),
        // An IPv4 address in IPv6 notation counts as IPv4, also as a block.
        ("::ffff:192.0.2.7", &["192.0.2.7", "::ffff:192.0.2.7"], &["192.0.2.8", "::ffff:192.0.2.8"]),
        ("::ffff:10.0.0.0/104", &["10.1.2.3", "::ffff:10.1.2.3"], &["11.0.0.0"]),
        // A prefix of fewer than 96 bits covers no IPv4 address.
        ("::/64", &["::1", "::a00:1"], &["10.0.0.1", "::ffff:10.0.0.1"]),
    ] {
        let proxies = Proxies { trusted: vec![network.parse().unwrap()], list: List::default() };
        for text in inside {
            assert!(proxies.trusts(address(text)), "{network}: {text}");
        }
        for text in outside {
            assert!(!proxies.trusts(address(text)), "{network}: {text}");
        }
    }
}

#[test]
fn an_invalid_network_is_reported_with_what_was_expected() {
    let other = |text: &str| {
        format!("expected an IP address, or a network such as `10.0.0.0/8` or `2001:db8::/32`, found `{text}`")
    };
    for text in [
        "",
        "/",
        "/8",
        "proxy",
        "10.0.0",
        "10.0.0.01",
        "10.0.0.1:80",
        "[::1]",
        "::g/64",
        "10.0.0.0-10.0.0.9",
        "fe80::1%eth0",
    ] {
        assert_eq!(text.parse::<Network>().unwrap_err().to_string(), other(text), "{text}");
    }
    for (text, message) in [
        ("10.0.0.0/33", "expected a prefix from 1 to 32, found `33`"),
        ("10.0.0.0/", "expected a prefix from 1 to 32, found ``"),
        ("10.0.0.0/-1", "expected a prefix from 1 to 32, found `-1`"),
        ("10.0.0.0/+8", "expected a prefix from 1 to 32, found `+8`"),
        ("10.0.0.0/08", "expected a prefix from 1 to 32, found `08`"),
        ("10.0.0.0/8/8", "expected a prefix from 1 to 32, found `8/8`"),
        ("10.0.0.0/255.0.0.0", "expected a prefix from 1 to 32, found `255.0.0.0`"),
        ("2001:db8::/129", "expected a prefix from 1 to 128, found `129`"),
        ("0.0.0.0/0", "`0.0.0.0/0` trusts every address, so any caller could claim another's; list only your proxies"),
        (
            "10.0.0.0/0",
            "`10.0.0.0/0` trusts every address, so any caller could claim another's; list only your proxies",
        ),
        ("::/0", "`::/0` trusts every address, so any caller could claim another's; list only your proxies"),
        (
            "::ffff:0.0.0.0/96",
            "`::ffff:0.0.0.0/96` trusts every address, so any caller could claim another's; list only \
          your proxies",
        ),
        (
            "10.0.0.1/8",
            "`10.0.0.1/8` has bits set after its prefix; write `10.0.0.0/8` for the network, or `10.0.0.1` for the address",
        ),
        (
            "2001:db8::1/32",
            "`2001:db8::1/32` has bits set after its prefix; write `2001:db8::/32` for the network, or `2001:db8::1` for \
             the address",
        ),
    ] {
        assert_eq!(text.parse::<Network>().unwrap_err().to_string(), message, "{text}");
    }
}

#[test]
fn the_caller_is_the_rightmost_untrusted_address() {
    for (connection, lines, caller) in [
        // There is no proxy, or it wrote nothing.
        ("10.0.0.1", &[][..], "10.0.0.1"),
        ("10.0.0.1", &[""], "10.0.0.1"),
        // A peer that is not trusted is the caller, whatever its header says.
        ("198.51.100.1", &["203.0.113.5"], "198.51.100.1"),
        ("198.51.100.1", &["10.0.0.2"], "198.51.100.1"),
        ("2001:db8:2::1", &["203.0.113.5"], "2001:db8:2::1"),
        ("10.0.0.1", &["203.0.113.5"], "203.0.113.5"),
        ("::ffff:10.0.0.1", &["203.0.113.5"], "203.0.113.5"),
        ("2001:db8:1::1", &["203.0.113.5"], "203.0.113.5"),
        ("10.0.0.1", &["6.6.6.6, 203.0.113.5"], "203.0.113.5"),
        ("10.0.0.1", &["6.6.6.6,203.0.113.5 ,10.0.0.2,\t192.0.2.7"], "203.0.113.5"),
        ("10.0.0.1", &["10.9.9.9, 203.0.113.5, 10.0.0.2"], "203.0.113.5"),
        // All addresses are trusted.
        ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", &["::ffff:10.0.0.3"], "10.0.0.3"),
        // Several header lines are joined in order.
        ("10.0.0.1", &["6.6.6.6", "203.0.113.5", "10.0.0.2"], "203.0.113.5"),
        ("10.0.0.1", &["6.6.6.6, 10.0.0.2", "203.0.113.5"], "203.0.113.5"),
        // An entry that is not an address ends the search at the proxy that received it.
        ("10.0.0.1", &["203.0.113.5, unknown"], "10.0.0.1"),
        ("10.0.0.1", &["203.0.113.5, unknown, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", &["203.0.113.5, _hidden, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", &["203.0.113.5, , 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", &["203.0.113.5,"], "10.0.0.1"),
        ("10.0.0.1", &["203.0.113.5", "", "10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", &["203.0.113.5, 10.0.0.2 10.0.0.3"], "10.0.0.1"),
        ("10.0.0.1", &["203.0.113.5, 10.0.0.256"], "10.0.0.1"),
        ("10.0.0.1", &["203.0.113.5, 010.0.0.2"], "10.0.0.1"),
        ("10.0.0.1", &["203.0.113.5, \"10.0.0.2\""], "10.0.0.1"),
        ("10.0.0.1", &["203.0.113.5, \u{e9}"], "10.0.0.1"),
        ("10.0.0.1", &["for=203.0.113.5"], "10.0.0.1"),
        // Forms of addresses.
        ("10.0.0.1", &["203.0.113.5:80"], "203.0.113.5"),
        ("10.0.0.1", &["203.0.113.5, 10.0.0.2:4711"], "203.0.113.5"),
        ("10.0.0.1", &["2001:DB8:2::1"], "2001:db8:2::1"),
        ("10.0.0.1", &["[2001:db8:2::1]"], "2001:db8:2::1"),
        ("10.0.0.1", &["[2001:db8:2::1]:4711, [2001:db8:1::2]:_x"], "2001:db8:2::1"),
        ("10.0.0.1", &["203.0.113.5:"], "10.0.0.1"),
        ("10.0.0.1", &["203.0.113.5:http"], "10.0.0.1"),
        ("10.0.0.1", &["203.0.113.5:123456"], "10.0.0.1"),
        ("10.0.0.1", &["203.0.113.5:-1"], "10.0.0.1"),
        ("10.0.0.1", &["[203.0.113.5]"], "10.0.0.1"),
        ("10.0.0.1", &["[2001:db8:2::1"], "10.0.0.1"),
        ("10.0.0.1", &["[2001:db8:2::1]4711"], "10.0.0.1"),
        ("10.0.0.1", &["2001:db8:2::1%eth0"], "10.0.0.1"),
    ] {
        let list = List::XForwardedFor;
        let mut headers = headers(list, lines);
        headers.insert(List::Forwarded.header(), HeaderValue::from_static("for=7.7.7.7"));
        assert_eq!(proxies(list).caller(address(connection), &headers), address(caller), "{connection} {lines:?}");
    }
}

#[test]
fn the_forwarded_header_is_read_as_rfc_7239_defines_it() {
    for (lines, caller) in [
        (&[][..], "10.0.0.1"),
        (&["for=203.0.113.5"], "203.0.113.5"),
        (&["For=203.0.113.5;proto=https;by=10.0.0.1"], "203.0.113.5"),
        (&["proto=https; for=203.0.113.5 ;by=10.0.0.1"], "203.0.113.5"),
        (&["for=\"203.0.113.5:4711\""], "203.0.113.5"),
        (&["for=\"203.0.113.5:_port\""], "203.0.113.5"),
        (&["for=\"[2001:db8:2::1]\""], "2001:db8:2::1"),
        (&["For=\"[2001:db8:2::1]:4711\""], "2001:db8:2::1"),
        (&["for=6.6.6.6, for=203.0.113.5,for=10.0.0.2"], "203.0.113.5"),
        (&["for=6.6.6.6", "for=203.0.113.5", "for=10.0.0.2"], "203.0.113.5"),
        (&["for=203.0.113.5, for=\"[2001:db8:1::7]:80\";by=_me;;ext=\"a,for=6.6.6.6;\\\"b\\\\\";"], "203.0.113.5"),
        // A quote that a caller opens does not reach beyond its own entry.
        (&["for=6.6.6.6;x=\", for=203.0.113.5"], "203.0.113.5"),
        (&["for=6.6.6.6;x=\", for=\"203.0.113.5:80\""], "203.0.113.5"),
        (&["for=6.6.6.6;x=\"\\, for=203.0.113.5, for=\"[2001:db8:1::7]\""], "203.0.113.5"),
        (&["\"", "for=203.0.113.5"], "203.0.113.5"),
        // Entries that are not an address, malformed or missing.
        (&["for=203.0.113.5, for=unknown"], "10.0.0.1"),
        (&["for=203.0.113.5, for=_hidden, for=10.0.0.2"], "10.0.0.2"),
        (&["for=203.0.113.5, for=\"_hidden:80\", for=10.0.0.2"], "10.0.0.2"),
        (&["for=203.0.113.5, by=10.0.0.1"], "10.0.0.1"),
        (&["for=203.0.113.5,"], "10.0.0.1"),
        (&["for=203.0.113.5, ;"], "10.0.0.1"),
        (&["203.0.113.5"], "10.0.0.1"),
        (&["for"], "10.0.0.1"),
        (&["for="], "10.0.0.1"),
        (&["for=\"\""], "10.0.0.1"),
        (&["for =203.0.113.5"], "10.0.0.1"),
        (&["for= 203.0.113.5"], "10.0.0.1"),
        (&["for=\"203.0.113.5"], "10.0.0.1"),
        (&["for=203.0.113.5\""], "10.0.0.1"),
        (&["for=\"203.0.113.5\"x"], "10.0.0.1"),
        (&["for=\"\\203.0.113.5\""], "10.0.0.1"),
        (&["for='203.0.113.5'"], "10.0.0.1"),
        (&["for=203.0.113.5;for=203.0.113.5"], "10.0.0.1"),
        (&["for=203.0.113.5 proto=https"], "10.0.0.1"),
        (&["for=203.0.113.5;proto"], "10.0.0.1"),
        // Section 6: an IPv6 address needs brackets and quotes.
        (&["for=\"2001:db8:2::1\""], "10.0.0.1"),
        (&["for=[2001:db8:2::1]"], "10.0.0.1"),
        (&["for=203.0.113.5:80"], "10.0.0.1"),
        (&["for=\"[203.0.113.5]\""], "10.0.0.1"),
    ] {
        let list = List::Forwarded;
        let mut headers = headers(list, lines);
        headers.insert(List::XForwardedFor.header(), HeaderValue::from_static("7.7.7.7"));
        assert_eq!(proxies(list).caller(address("10.0.0.1"), &headers), address(caller), "{lines:?}");
    }
}

/// What a proxy may have written: an entry, and its address if it is one.
fn entry(list: List) -> impl Strategy<Value = (String, Option<IpAddr>)> {
    let addresses =
        ["10.0.0.2", "10.1.1.1", "192.0.2.7", "2001:db8:1::2", "203.0.113.5", "198.51.100.9", "2001:db8:2::1"];
    let no_address = ["unknown", "_hidden"].map(|text| (text.to_owned(), None));
    let addresses = addresses.map(|text| {
        let bracketed = if text.contains(':') { format!("[{text}]") } else { text.to_owned() };
        (bracketed, Some(address(text)))
    });
    let node =
        prop_oneof![4 => proptest::sample::select(addresses.to_vec()), 1 => proptest::sample::select(no_address.to_vec())]
            .boxed();
    let written = ("(:[0-9]{1,5})?", "(;by=\"a,b\\\\\"\")?", "[ \t]{0,2}");
    (node, written).prop_map(move |((node, address), (port, more, space))| {
        let node = if address.is_some() { format!("{node}{port}") } else { node };
        let text = match list {
            List::XForwardedFor => format!("{space}{node}{space}"),
            List::Forwarded => format!("{space}for=\"{node}\"{more}{space}"),
        };
        (text, address)
    })
}

/// The rule, implemented once more: over a list of addresses from the right, and nothing else.
fn rightmost(proxies: &Proxies, connection: IpAddr, entries: &[Option<IpAddr>]) -> IpAddr {
    let mut certain = connection;
    for entry in entries.iter().rev() {
        match entry {
            Some(address) if proxies.trusts(certain) => certain = *address,
            _ => break,
        }
    }
    certain
}

fn any_list() -> impl Strategy<Value = List> {
    proptest::sample::select(&[List::XForwardedFor, List::Forwarded][..])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// The caller may send anything, on separate lines or on the line of the proxies, with quotes, backslashes and
    /// trusted addresses. Only what the proxies have written behind the first untrusted address decides.
    #[test]
    fn entries_left_of_the_rightmost_untrusted_address_are_ignored(
        (list, entries) in any_list().prop_flat_map(|list| (Just(list), proptest::collection::vec(entry(list), 1..6))),
        forged in proptest::collection::vec("[ -~\t]{0,3}|(for=|\"|\\\\|,|;|10\\.0\\.0\\.9|6\\.6\\.6\\.6|\\[2001:db8:1::9\\]){0,12}", 0..3),
        same_line in any::<bool>(),
        breaks in proptest::collection::vec(any::<bool>(), 6),
    ) {
        let proxies = proxies(list);
        let connection = address("10.0.0.1");
        let addresses: Vec<_> = entries.iter().map(|(_, address)| *address).collect();
        let caller = rightmost(&proxies, connection, &addresses);
        // If the caller is the left-most address and trusted, all entries are read, and what is left of it counts as
        // one more.
        prop_assume!(!proxies.trusts(caller) || addresses.contains(&None));
        let mut lines = forged;
        for (index, (text, _)) in entries.iter().enumerate() {
            let joins = if index == 0 { same_line } else { breaks[index] };
            match lines.last_mut().filter(|_| joins) {
                Some(line) => *line = format!("{line},{text}"),
                None => lines.push(text.clone()),
            }
        }
        prop_assert_eq!(proxies.caller(connection, &headers(list, &lines)), caller, "{:?}", lines);
    }

    #[test]
    fn an_untrusted_peer_is_the_caller_whatever_headers_it_sends(list in any_list(), lines in proptest::collection::vec("[ -~]{0,40}", 0..4)) {
        let connection = address("198.51.100.1");
        prop_assert_eq!(proxies(list).caller(connection, &headers(list, &lines)), connection);
    }
}
