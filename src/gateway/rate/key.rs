//! The key under which a limit counts a request.
//!
//! Keys are hashes, so long values take no memory. Only the start of a value counts: callers with values that begin with the
//! same [`LONGEST`] bytes share a quota.

use std::hash::{Hash, Hasher};
use std::net::IpAddr;

use http::HeaderMap;
use http::header::HeaderName;

use super::config::{By, Limit};
use crate::caller::{Identified, Peer, Principal, Subject};
use crate::route::Route;

/// How many bytes of a claim or a header count.
const LONGEST: usize = 256;

/// What is known about a request when it is counted.
pub(crate) struct Asked<'a> {
    pub(crate) route: &'a Route,
    pub(crate) peer: &'a Peer,
    /// The address of the caller, if known.
    pub(crate) address: Option<IpAddr>,
    /// The headers, if a trusted proxy sent them.
    pub(crate) proxied: Option<&'a HeaderMap>,
    /// The verified caller; `None` before the token is verified.
    pub(crate) caller: Option<&'a Identified>,
}

/// The parts of a key: the name of the limit, and what its `by` says. Hashing them makes the key.
pub(super) struct Parts<'a> {
    pub(super) limit: &'a Limit,
    pub(super) asked: &'a Asked<'a>,
}

impl Hash for Parts<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { limit, asked } = *self;
        put(state, 0, limit.name.as_bytes());
        for by in &limit.by {
            match by {
                By::Caller => self.caller(state),
                By::Certificate => self.certificate(state),
                By::Address => self.address(state),
                By::Rpc => put(state, b'r', asked.route.rpc.name.as_bytes()),
                By::Route => {
                    put(state, b'm', asked.route.method.as_bytes());
                    put(state, b't', asked.route.template.as_bytes());
                }
                By::Claim(name) => self.claim(name, state),
                By::Header(name) => self.header(name, state),
            }
        }
    }
}

impl Parts<'_> {
    fn caller(&self, state: &mut impl Hasher) {
        match self.asked.caller.map(|caller| caller.principal(self.asked.peer)) {
            Some(Principal::Subject(Subject { issuer, subject, client })) => {
                [issuer, subject, client].into_iter().for_each(|text| put(state, b's', text.as_bytes()));
            }
            Some(Principal::Certificate(sha256)) => put(state, b'c', &sha256),
            Some(Principal::Anonymous) | None => self.address(state),
        }
    }

    fn certificate(&self, state: &mut impl Hasher) {
        match self.asked.peer.certificate() {
            Some(certificate) => put(state, b'c', &certificate.sha256()),
            None => self.address(state),
        }
    }

    fn address(&self, state: &mut impl Hasher) {
        match self.asked.address.map(|address| masked(address, self.limit)) {
            Some(IpAddr::V4(address)) => put(state, b'a', &address.octets()),
            Some(IpAddr::V6(address)) => put(state, b'a', &address.octets()),
            None => put(state, b'a', &[]),
        }
    }

    /// The issuer is part of the key: what two issuers call the same need not be the same.
    fn claim(&self, name: &str, state: &mut impl Hasher) {
        match self.asked.caller.and_then(|caller| caller.claim(name)) {
            Some((issuer, value)) => {
                put(state, b'i', issuer.as_bytes());
                put(state, b'v', start(value.as_bytes()));
            }
            None => self.caller(state),
        }
    }

    fn header(&self, name: &HeaderName, state: &mut impl Hasher) {
        let values = self.asked.proxied.map(|headers| headers.get_all(name));
        let Some(values) = values.filter(|values| values.iter().next().is_some()) else { return self.address(state) };
        for value in values {
            put(state, b'h', start(value.as_bytes()));
        }
    }
}

fn start(value: &[u8]) -> &[u8] {
    &value[..value.len().min(LONGEST)]
}

/// Parts with their kind and length never run into each other.
fn put(state: &mut impl Hasher, kind: u8, bytes: &[u8]) {
    state.write_u8(kind);
    state.write_u64(bytes.len() as u64);
    state.write(bytes);
}

/// The address with all bits behind the prefix set to zero.
fn masked(address: IpAddr, limit: &Limit) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(limit.ipv4_prefix)).unwrap_or(0);
            IpAddr::V4((address.to_bits() & mask).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(limit.ipv6_prefix)).unwrap_or(0);
            IpAddr::V6((address.to_bits() & mask).into())
        }
    }
}
