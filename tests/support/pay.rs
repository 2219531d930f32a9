//! Payments through a gateway, to the bank that counts them.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "a test may panic, and uses a part of its support")]

use std::io::Read as _;
use std::net::{Shutdown, SocketAddr};

use super::Gateway;
use super::http::{self, Answer};
use super::raw::{Does, RawBank, Reply};

pub fn gateway(bank: &RawBank, more: &str) -> Gateway {
    gateway_within("400ms", bank, more)
}

pub fn gateway_within(deadline: &str, bank: &RawBank, more: &str) -> Gateway {
    let upstream = format!("upstream:\n  address: {}\n  deadline: {deadline}\n", bank.url());
    Gateway::start(&format!("schema: proto\nstatus_headers: {{}}\n{upstream}{more}"), bank.client.clone())
}

pub fn pay(gateway: &Gateway, id: &str) -> Answer {
    http::send_json(gateway.address, "POST", "/transfers", &format!(r#"{{"transferId":"{id}"}}"#))
}

pub fn paid(id: &str) -> String {
    format!(r#"{{"transactionId":"{id}"}}"#)
}

/// A `grpc-message` of more than a megabyte.
pub fn long_message() -> Does {
    Reply::status("9", &"x".repeat(1_100_000))
}

/// What the head of a large reply says, without the reply.
pub fn four_gibibytes() -> Does {
    Reply::encoded("", vec![0, 0xff, 0xff, 0xff, 0xff, 0x0a])
}

/// Calls `act` for each of `threads * calls` transfers, over as many connections as there are threads.
pub fn in_parallel(
    to: SocketAddr,
    threads: usize,
    calls: usize,
    act: impl Fn(&mut std::net::TcpStream, &str) -> Option<String> + Sync,
) -> Vec<String> {
    let act = &act;
    std::thread::scope(|scope| {
        let each: Vec<_> = (0..threads)
            .map(|thread| {
                scope.spawn(move || {
                    let mut stream = http::connect(to);
                    let told: Vec<String> =
                        (0..calls).filter_map(|call| act(&mut stream, &format!("t-{thread}-{call}"))).collect();
                    // One answer to each request, and nothing behind the last.
                    stream.shutdown(Shutdown::Write).unwrap();
                    let mut rest = Vec::new();
                    stream.read_to_end(&mut rest).unwrap();
                    assert_eq!(rest, Vec::<u8>::new());
                    told
                })
            })
            .collect();
        each.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

pub fn pay_on(stream: &mut std::net::TcpStream, id: &str) -> Answer {
    let body = format!(r#"{{"transferId":"{id}"}}"#);
    http::write(stream, "POST", "/transfers", &[("Content-Type", "application/json")], Some(body.as_bytes()));
    http::read(stream)
}
