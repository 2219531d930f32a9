//! Two gateways with one store, and faults of everything at random points: the bank acts at most once for a key.
//!
//! `TOWBAR_FAULTS` is how many faults there are, `TOWBAR_SEED` repeats their choice.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::folder::Folder;
use crate::support::ports;
use crate::support::process::Gateway;
use crate::support::raw::{Does, RawBank, Reply};
use crate::support::redis::RedisServer;

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const CALLERS: usize = 12;
/// A caller gives a payment up after so many attempts.
const ATTEMPTS: usize = 40;

/// How many faults of each kind there were.
#[derive(Default)]
struct Faults(Mutex<BTreeMap<&'static str, usize>>);

impl Faults {
    fn add(&self, kind: &'static str) {
        *self.0.lock().unwrap().entry(kind).or_default() += 1;
    }

    fn total(&self) -> usize {
        self.0.lock().unwrap().values().sum()
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn bank(seed: u64, faults: &Arc<Faults>) -> RawBank {
    let faults = Arc::clone(faults);
    RawBank::start(move |id, seen| {
        let payment: u64 = id.parse().unwrap();
        let mut random = fastrand::Rng::with_seed(seed ^ (payment * 1000 + seen as u64));
        let (kind, does) = match random.u8(..8) {
            0 => ("the bank refuses a stream", Does::Refuses),
            1 => ("the bank goes away before a call", Does::GoesAwayBefore),
            2 => ("the bank cuts a connection", Does::Cuts),
            3 => ("the bank resets a connection", Does::Kills),
            4 => ("the bank resets a stream in an answer", Does::Half),
            5 => ("the bank resets a stream", Does::Resets(2)),
            _ if random.u8(..4) == 0 => ("", Reply::status("14", "busy")),
            _ => ("", Does::Answers),
        };
        if !kind.is_empty() {
            faults.add(kind);
        }
        Does::Later(Duration::from_millis(random.u64(..15)), Box::new(does))
    })
}

/// One attempt: the whole answer as text, or nothing if the connection failed.
fn attempt(to: SocketAddr, payment: usize, leaves: bool) -> Option<String> {
    let mut stream = TcpStream::connect(to).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let body = format!(r#"{{"transferId":"{payment}"}}"#);
    let head = "POST /transfers HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/json";
    write!(stream, "{head}\r\nIdempotency-Key: key-{payment}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).ok()?;
    if leaves {
        return Some(String::new());
    }
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    Some(String::from_utf8_lossy(&answer).into_owned())
}

/// How a payment ended for its caller.
fn repeated(gateways: [SocketAddr; 2], payment: usize, random: &mut fastrand::Rng, faults: &Faults) -> String {
    let mut last = String::new();
    for _ in 0..ATTEMPTS {
        let leaves = random.u8(..20) == 0;
        let answer = attempt(gateways[random.usize(..2)], payment, leaves);
        if leaves && answer.is_some() {
            faults.add("a caller leaves");
        }
        let answer = answer.unwrap_or_default();
        let status = answer.split(' ').nth(1).unwrap_or_default();
        let reason = answer.split("\"reason\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
        let is_replay = answer.contains("idempotency-replayed: true");
        assert!(reason != "IDEMPOTENCY_KEY_REUSED", "{answer}");
        if status == "200" || is_replay || (status == "409" && reason != "IDEMPOTENCY_KEY_IN_USE") {
            return format!("{status} {reason}");
        }
        last = format!("given up after {status} {reason}");
        thread::sleep(Duration::from_millis(random.u64(1..30)));
    }
    last
}

/// The things that fail.
struct Scene {
    folder: Folder,
    addresses: [SocketAddr; 2],
    gateways: [Option<Gateway>; 2],
    redis: RedisServer,
    bank: Arc<Mutex<RawBank>>,
}

impl Scene {
    fn start_gateway(&mut self, which: usize) {
        let listen = self.addresses[which].to_string();
        let mut command = self.folder.command(&["serve", "--config", "towbar.yaml", "--listen", &listen]);
        self.gateways[which] = Some(Gateway::of(command.env("TOWBAR_TEST_KEY", KEY).env("TOWBAR_LOG", "error")));
    }

    /// One fault, and its repair.
    fn fails(&mut self, random: &mut fastrand::Rng) -> &'static str {
        let pause = Duration::from_millis(random.u64(1..150));
        match random.u8(..100) {
            0..6 => {
                let which = random.usize(..2);
                self.gateways[which] = None;
                self.start_gateway(which);
                "a gateway is killed"
            }
            6..14 => {
                self.redis.kill();
                thread::sleep(pause);
                self.redis.restart();
                "the store is killed"
            }
            14..24 => {
                self.redis.signal("STOP");
                thread::sleep(pause * 3);
                self.redis.signal("CONT");
                "the store is paused"
            }
            24..36 => {
                let mut bank = self.bank.lock().unwrap();
                bank.kill();
                thread::sleep(pause / 3);
                bank.restart();
                "the bank is killed"
            }
            _ => {
                self.redis.ask("CLIENT KILL TYPE normal SKIPME yes");
                "the store drops its connections"
            }
        }
    }
}

#[test]
fn the_bank_acts_at_most_once_for_a_key_of_two_gateways_whatever_fails() {
    let Some(redis) = RedisServer::start("") else { return };
    let (most, seed) = (number("TOWBAR_FAULTS", 300) as usize, number("TOWBAR_SEED", fastrand::u64(..1 << 32)));
    println!("TOWBAR_SEED={seed}");
    let faults = Arc::new(Faults::default());
    let bank = bank(seed, &faults);
    let folder = Folder::new();
    folder.copy("proto", "proto");
    folder.write(
        "towbar.yaml",
        format!(
            "schema: proto\nupstream: {{address: '{}', deadline: 1s}}\nstore: {{address: 'redis://{}', timeout: 200ms}}\n\
             idempotency: {{keys: required, store: shared, instances: 2, encryption_keys: ['${{TOWBAR_TEST_KEY}}']}}\n",
            bank.url(),
            redis.address
        ),
    );
    let (addresses, bank) = ([ports::free(), ports::free()], Arc::new(Mutex::new(bank)));
    let mut scene = Scene { folder, addresses, gateways: [None, None], redis, bank: bank.clone() };
    (0..2).for_each(|which| scene.start_gateway(which));
    let (next, is_over, ends) = (AtomicUsize::new(0), AtomicBool::new(false), Mutex::new(BTreeMap::new()));
    let began = Instant::now();
    thread::scope(|scope| {
        for caller in 0..CALLERS {
            let (next, is_over, ends, faults) = (&next, &is_over, &ends, &faults);
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(seed ^ (caller as u64) << 40);
                while !is_over.load(Ordering::SeqCst) {
                    let payment = next.fetch_add(1, Ordering::SeqCst);
                    let end = repeated(addresses, payment, &mut random, faults);
                    *ends.lock().unwrap().entry(end).or_insert(0usize) += 1;
                }
            });
        }
        let mut random = fastrand::Rng::with_seed(seed);
        while faults.total() < most {
            faults.add(scene.fails(&mut random));
            thread::sleep(Duration::from_millis(random.u64(20..150)));
        }
        is_over.store(true, Ordering::SeqCst);
    });
    let took = began.elapsed();
    let bank = bank.lock().unwrap();
    let (mut once, mut never) = (0, 0);
    for payment in 0..next.into_inner() {
        match bank.count(&payment.to_string()).acted {
            0 => never += 1,
            1 => once += 1,
            more => panic!("the bank acted {more} times on payment {payment}; TOWBAR_SEED={seed}"),
        }
    }
    let (total, ends) = (faults.total(), ends.into_inner().unwrap());
    println!("{total} faults in {took:?}: {:?}", faults.0.lock().unwrap());
    println!("the bank acted once for {once} keys, and never for {never}; callers got {ends:?}");
    assert!(once > 10 && ends.contains_key("200 "), "{ends:?}");
}
