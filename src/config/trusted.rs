//! `listen.trusted_proxies`: the proxies that may state a caller's address; `listen.forwarded`: the header they state
//! it in.

use super::reader::{Read, Section, Value};
use crate::caller::forwarded::{List, Network, NetworkError, Proxies};

/// The keys that this module reads in `listen`.
pub(super) const KEYS: &[&str] = &["trusted_proxies", "forwarded"];

/// The trusted proxies; `None` if there are none.
pub(super) fn proxies(section: Section) -> Read<Option<Proxies>> {
    let network = |item: Value| item.parsed("an address", network);
    let trusted = section.value("trusted_proxies").map(|value| value.all("an address", network)).transpose();
    let list = section.value("forwarded").map(|value| value.parsed("a header", list)).transpose();
    match (trusted?, list?, section.value("forwarded")) {
        (Some(trusted), list, _) => Ok(Some(Proxies { trusted, list: list.unwrap_or_default() })),
        (None, Some(_), Some(forwarded)) => {
            Err(forwarded.wrong("nobody is believed: set `trusted_proxies`, or leave it out"))
        }
        _ => Ok(None),
    }
}

pub(super) fn network(text: &str) -> Result<Network, String> {
    text.parse().map_err(|error: NetworkError| error.to_string())
}

fn list(text: &str) -> Result<List, String> {
    let named = [List::XForwardedFor, List::Forwarded].into_iter().find(|list| list.header() == text);
    named.ok_or_else(|| format!("expected `x-forwarded-for` or `forwarded`, found `{text}`"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Overrides, load_text};

    fn load(listen: &str) -> (Option<Option<Proxies>>, Vec<String>) {
        let text = format!("schema: p\nupstream: http://bank\nlisten: {listen}\n");
        let (config, problems) = load_text(&text, Path::new("t.yaml"), &Overrides::default());
        (config.listen.map(|listen| listen.proxies), problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn trusted_proxies_are_read_from_the_listener_settings() {
        let trusted = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        for (listen, proxies) in [
            ("{}", None),
            (
                "{trusted_proxies: [10.0.0.0/8, '2001:db8::/32', 127.0.0.1]}",
                Some(Proxies {
                    trusted: trusted(&["10.0.0.0/8", "2001:db8::/32", "127.0.0.1"]),
                    list: List::XForwardedFor,
                }),
            ),
            (
                "{trusted_proxies: '::1', forwarded: Forwarded}",
                Some(Proxies { trusted: trusted(&["::1"]), list: List::Forwarded }),
            ),
            (
                "{trusted_proxies: 10.0.0.1, forwarded: X-Forwarded-For}",
                Some(Proxies { trusted: trusted(&["10.0.0.1"]), list: List::XForwardedFor }),
            ),
        ] {
            assert_eq!(load(listen), (Some(proxies), Vec::new()), "{listen}");
        }
    }

    #[test]
    fn every_problem_of_the_trusted_proxies_is_reported() {
        for (listen, problems) in [
            (
                "{trusted_proxies: [10.0.0.1/8, 10.0.0.0/33, proxy.bank.internal, 10.0.0.1, '::ffff:10.0.0.1', 0.0.0.0/0]}",
                &[
                    "t.yaml:3:28: trusted_proxies: `10.0.0.1/8` has bits set after its prefix; write `10.0.0.0/8` for the \
                     network, or `10.0.0.1` for the address",
                    "t.yaml:3:40: trusted_proxies: expected a prefix from 1 to 32, found `33`",
                    "t.yaml:3:53: trusted_proxies: expected an IP address, or a network such as `10.0.0.0/8` or \
                     `2001:db8::/32`, found `proxy.bank.internal`",
                    "t.yaml:3:84: trusted_proxies: `::ffff:10.0.0.1` is listed twice",
                    "t.yaml:3:103: trusted_proxies: `0.0.0.0/0` trusts every address, so any caller could claim another's; \
                     list only your proxies",
                ][..],
            ),
            (
                "{trusted_proxies: [], forwarded: x-real-ip}",
                &[
                    "t.yaml:3:10: trusted_proxies: expected an address or a list of them, found an empty list",
                    "t.yaml:3:42: forwarded: expected `x-forwarded-for` or `forwarded`, found `x-real-ip`",
                ],
            ),
            (
                "{forwarded: forwarded}",
                &["t.yaml:3:21: forwarded: nobody is believed: set `trusted_proxies`, or leave it out"],
            ),
        ] {
            let (proxies, told) = load(listen);
            assert_eq!((proxies, told), (None, problems.iter().map(|text| (*text).to_owned()).collect()), "{listen}");
        }
    }
}
