//! Tests the store alone, with explicit points in time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::slot::{Fingerprint, Slot};
use super::store::{Conflict, ENTRY, End, Kept, Store};
use super::ticket::{Found, Ticket};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const MEMORY: usize = 1 << 20;

/// A response of this size in bytes.
#[derive(Debug, PartialEq, Eq)]
struct Answer(usize);

impl Kept for Answer {
    fn size(&self) -> usize {
        self.0
    }
}

fn store(limit: usize) -> Arc<Store<Answer>> {
    Arc::new(Store::new(limit))
}

fn slot(caller: u8, key: usize) -> Slot {
    let mut id = [0; 32];
    id[..8].copy_from_slice(&key.to_be_bytes());
    Slot { caller: [caller; 32], id }
}

const SAME: Fingerprint = Fingerprint([1; 32]);
const OTHER: Fingerprint = Fingerprint([2; 32]);

fn first(store: &Arc<Store<Answer>>, slot: Slot) -> Ticket<Answer> {
    match Ticket::take(store, slot, SAME, DAY) {
        Ok(Found::First(ticket)) => ticket,
        Ok(Found::Again(answer)) => panic!("answered {answer:?}"),
        Err(conflict) => panic!("{conflict:?}"),
    }
}

/// The result for a request with this fingerprint. A new key is freed again.
fn found(store: &Arc<Store<Answer>>, slot: Slot, fingerprint: Fingerprint) -> Result<Option<usize>, Conflict> {
    Ticket::take(store, slot, fingerprint, DAY).map(|found| match found {
        Found::First(_) => None,
        Found::Again(answer) => Some(answer.0),
    })
}

#[test]
fn a_repeated_key_gets_the_outcome_of_its_first_call() {
    type Act = fn(Ticket<Answer>);
    type Then = Result<Option<usize>, Conflict>;
    let cases: [(&str, Act, Then); 7] = [
        ("in flight", |ticket| std::mem::forget(ticket), Err(Conflict::InFlight)),
        ("answered", |ticket| ticket.settle(End::Answered(Answer(7))), Ok(Some(7))),
        ("unknown", |ticket| ticket.settle(End::Unknown), Err(Conflict::Unknown)),
        ("not sent", |ticket| ticket.settle(End::Free), Ok(None)),
        ("given up before it was sent", drop, Ok(None)),
        (
            "given up after it was sent",
            |mut ticket| {
                ticket.sends();
                drop(ticket);
            },
            Err(Conflict::Unknown),
        ),
        ("an answer beyond the memory", |ticket| ticket.settle(End::Answered(Answer(MEMORY))), Err(Conflict::NotKept)),
    ];
    for (case, act, expected) in cases {
        let store = store(MEMORY);
        act(first(&store, slot(1, 1)));
        for _ in 0..2 {
            assert_eq!(found(&store, slot(1, 1), SAME), expected, "{case}");
        }
        let of_other = if expected == Ok(None) { Ok(None) } else { Err(Conflict::OtherRequest) };
        assert_eq!(found(&store, slot(1, 1), OTHER), of_other, "{case}");
        for apart in [slot(2, 1), slot(1, 2)] {
            assert_eq!(found(&store, apart, SAME), Ok(None), "{case}");
        }
    }
}

#[test]
fn the_lifetime_of_a_key_starts_at_the_end_of_its_call() {
    let (store, now) = (store(MEMORY), Instant::now());
    let at = |seconds| now + Duration::from_secs(seconds);
    let find = |seconds| store.find(slot(1, 1), SAME, at(seconds)).map(|answer| answer.map(|answer| answer.0));
    assert_eq!(find(0), Ok(None));
    // A call in flight does not expire.
    assert_eq!(find(1_000_000), Err(Conflict::InFlight));
    store.settle(slot(1, 1), End::Answered(Answer(100)), at(2_000_000));
    assert_eq!(store.used(), ENTRY + 100);
    assert_eq!(find(1_999_999), Ok(Some(100)));
    assert_eq!(find(2_000_000), Ok(None));
    assert_eq!(store.used(), ENTRY);
    store.settle(slot(1, 1), End::Unknown, at(2_000_010));
    assert_eq!(find(2_000_009), Err(Conflict::Unknown));
    assert_eq!(find(2_000_010), Ok(None));
    store.settle(slot(1, 1), End::Free, at(0));
    assert_eq!(store.used(), 0);
}

#[test]
fn a_full_store_refuses_new_keys_and_drops_no_unexpired_key() {
    let most = 64;
    let (store, now) = (store(most * ENTRY), Instant::now());
    let until = |seconds| now + Duration::from_secs(seconds);
    for key in 0..most {
        assert_eq!(store.find(slot(1, key), SAME, now), Ok(None), "{key}");
        store.settle(slot(1, key), End::Unknown, until(if key == 0 { 10 } else { 20 }));
    }
    assert_eq!(store.find(slot(1, most), SAME, now), Err(Conflict::Full));
    assert_eq!(store.find(slot(2, most), SAME, now), Err(Conflict::Full));
    for key in 0..most {
        assert_eq!(store.find(slot(1, key), SAME, now), Err(Conflict::Unknown), "{key}");
    }
    // Expired keys of any caller make room for a caller that has no share yet.
    assert_eq!(store.find(slot(1, most), SAME, until(10)), Ok(None));
    assert_eq!(store.find(slot(2, most), SAME, until(10)), Err(Conflict::Full));
    assert_eq!(store.find(slot(2, most), SAME, until(20)), Ok(None));
    assert_eq!(store.used(), 2 * ENTRY);
    store.set_limit(ENTRY);
    assert_eq!(store.find(slot(3, 1), SAME, until(20)), Err(Conflict::Full));
    assert_eq!(store.find(slot(2, most), SAME, until(20)), Err(Conflict::InFlight));
}

#[test]
fn the_last_part_of_the_memory_is_reserved_for_callers_with_few_keys() {
    let (most, now) = (64, Instant::now());
    let store = store(most * ENTRY);
    assert_eq!(store.find(slot(2, 0), SAME, now), Ok(None));
    let taken = (0..most).take_while(|&key| store.find(slot(1, key), SAME, now) == Ok(None)).count();
    assert_eq!(taken, most - most / 8 - 1);
    assert_eq!(store.find(slot(1, most), SAME, now), Err(Conflict::Share));
    for key in 1..=7 {
        assert_eq!(store.find(slot(2, key), SAME, now), Ok(None), "{key}");
    }
    assert_eq!(store.find(slot(2, 8), SAME, now), Err(Conflict::Share));
    assert_eq!(store.find(slot(3, 0), SAME, now), Ok(None));
    assert_eq!(store.find(slot(3, 1), SAME, now), Err(Conflict::Full));
}

/// Each round has one key and several callers at once. Each repeats its request until it has a final response. The call
/// may end in any way; the backend counts its executions.
#[test]
fn the_backend_executes_a_key_at_most_once_whatever_happens() {
    const CALLERS: usize = 4;
    let seed =
        std::env::var("TOWBAR_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    println!("TOWBAR_SEED={seed}");
    let store = store(64 << 20);
    let (mut acted_once, mut never) = (0, 0);
    for round in 0..1_000 {
        let acted = AtomicUsize::new(0);
        thread::scope(|scope| {
            for caller in 0..CALLERS {
                let (store, acted) = (&store, &acted);
                let mut random = fastrand::Rng::with_seed(seed ^ (round * CALLERS + caller) as u64);
                scope.spawn(move || {
                    for _ in 0..20 {
                        match Ticket::take(store, slot(round as u8, round), SAME, DAY) {
                            Err(Conflict::InFlight) => thread::yield_now(),
                            Ok(Found::First(ticket)) => call(ticket, acted, &mut random),
                            Ok(Found::Again(_)) | Err(_) => break,
                        }
                    }
                });
            }
        });
        match acted.into_inner() {
            0 => never += 1,
            1 => acted_once += 1,
            more => panic!("round {round}: the backend acted {more} times"),
        }
    }
    println!("the backend acted once for {acted_once} keys, and never for {never}");
    assert!(acted_once > 300 && never > 10);
}

fn call(mut ticket: Ticket<Answer>, acted: &AtomicUsize, random: &mut fastrand::Rng) {
    let pause = |random: &mut fastrand::Rng| (0..random.usize(..3)).for_each(|_| thread::yield_now());
    match random.u8(..8) {
        // The request is invalid, or its caller leaves before the call.
        0 => return,
        1 => {
            ticket.sends();
            pause(random);
            ticket.settle(End::Free);
            return;
        }
        _ => ticket.sends(),
    }
    pause(random);
    let reaches = random.u8(..4) > 0;
    if reaches {
        acted.fetch_add(1, Ordering::SeqCst);
    }
    pause(random);
    match (reaches, random.u8(..4)) {
        (true, 0 | 1) => ticket.settle(End::Answered(Answer(10))),
        (_, 2) => ticket.settle(End::Unknown),
        // The task of the gateway ends in any of these ways.
        _ => drop(ticket),
    }
}
