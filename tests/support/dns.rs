//! A DNS server on a loopback port that answers every name as the test says (RFC 1035).
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "each test file has it as a module and uses a part")]

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

const A: u16 = 1;
const AAAA: u16 = 28;
const NXDOMAIN: u8 = 3;
const SERVFAIL: u8 = 2;

/// What it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Says {
    /// These addresses, for so many seconds.
    At(Vec<IpAddr>, u32),
    /// The same, and nothing at all when it is asked for IPv6 addresses.
    SilentOfIpv6(Vec<IpAddr>, u32),
    NoSuchName,
    Fails,
    Nothing,
}

impl Says {
    pub fn at(addresses: &[&str], ttl: u32) -> Self {
        Self::At(addresses.iter().map(|address| address.parse().unwrap()).collect(), ttl)
    }
}

/// The server. Its thread ends with the test.
pub struct Dns {
    pub address: SocketAddr,
    says: Arc<Mutex<Says>>,
    /// Queries for IPv4 addresses since it last began to say something else.
    asked: Arc<AtomicUsize>,
}

impl Dns {
    pub fn start(says: Says) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let (says, asked) = (Arc::new(Mutex::new(says)), Arc::new(AtomicUsize::new(0)));
        let (shared, counted) = (Arc::clone(&says), Arc::clone(&asked));
        std::thread::spawn(move || {
            let mut query = [0; 1500];
            loop {
                let (length, from) = socket.recv_from(&mut query).unwrap();
                let says = shared.lock().unwrap();
                let (answer, kind) = answer(&query[..length], &says);
                let is_silent = match *says {
                    Says::SilentOfIpv6(..) => kind == AAAA,
                    Says::Nothing => true,
                    _ => false,
                };
                if !is_silent {
                    socket.send_to(&answer, from).unwrap();
                }
                if kind == A {
                    counted.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        Self { address, says, asked }
    }

    /// Answers so from now on.
    pub fn say(&self, says: Says) {
        let mut current = self.says.lock().unwrap();
        *current = says;
        self.asked.store(0, Ordering::SeqCst);
    }

    /// How often that was asked for.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// The answer to a query with one question, and the type that it asks for.
fn answer(query: &[u8], says: &Says) -> (Vec<u8>, u16) {
    let mut end = 12;
    while query[end] != 0 {
        end += usize::from(query[end]) + 1;
    }
    let kind = u16::from_be_bytes([query[end + 1], query[end + 2]]);
    let question = &query[12..end + 5];
    let (code, addresses, ttl) = match says {
        Says::At(addresses, ttl) | Says::SilentOfIpv6(addresses, ttl) => (0, addresses.as_slice(), *ttl),
        Says::NoSuchName => (NXDOMAIN, &[][..], 0),
        Says::Fails | Says::Nothing => (SERVFAIL, &[][..], 0),
    };
    let data = addresses.iter().filter_map(|address| match (address, kind) {
        (IpAddr::V4(address), A) => Some(address.octets().to_vec()),
        (IpAddr::V6(address), AAAA) => Some(address.octets().to_vec()),
        _ => None,
    });
    let records: Vec<Vec<u8>> = data.collect();
    // ID; a response, recursion desired and available; one question, the answers.
    let mut answer =
        vec![query[0], query[1], 0x81, 0x80 | code, 0, 1, 0, u8::try_from(records.len()).unwrap(), 0, 0, 0, 0];
    answer.extend_from_slice(question);
    for data in records {
        // The name of the question, the type, the class IN.
        answer.extend_from_slice(&[0xc0, 12]);
        answer.extend_from_slice(&kind.to_be_bytes());
        answer.extend_from_slice(&[0, 1]);
        answer.extend_from_slice(&ttl.to_be_bytes());
        answer.extend_from_slice(&u16::try_from(data.len()).unwrap().to_be_bytes());
        answer.extend_from_slice(&data);
    }
    (answer, kind)
}
