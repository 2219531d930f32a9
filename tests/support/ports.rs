//! Ports for servers that cannot be told to take any port, or that come back to one: below those that the kernel gives out, and each
//! once to this process, so that no test of the many that run at one time takes it meanwhile.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "a test may panic, and uses a part of its support")]

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Linux gives out those from 32768 on.
const FIRST: usize = 20_000;
const COUNT: usize = 12_000;

/// A port that is free at all these addresses.
pub fn free_at(addresses: &[&str]) -> u16 {
    static GIVEN: AtomicUsize = AtomicUsize::new(0);
    // Other processes of this machine begin elsewhere.
    let start = std::process::id() as usize * 97;
    let next = || FIRST + (start + GIVEN.fetch_add(1, Ordering::Relaxed)) % COUNT;
    let is_free = |port: &u16| addresses.iter().all(|address| TcpListener::bind((*address, *port)).is_ok());
    std::iter::repeat_with(next).take(COUNT).map(|port| u16::try_from(port).unwrap()).find(is_free).unwrap()
}

pub fn free() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, free_at(&["127.0.0.1"])).into()
}
