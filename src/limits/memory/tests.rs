#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::task::{Context, Waker};

use bytes::Bytes;

use super::purpose::CHUNK;
use super::*;

const MIB: usize = 1 << 20;

#[test]
fn each_purpose_takes_memory_up_to_its_limit_and_gives_it_back() {
    let budget = Budget::new(64 * MIB);
    for (purpose, most) in
        [(Use::Connection, 32), (Use::Request, 32), (Use::Call, 40), (Use::Reply, 40), (Use::Answer, 56)]
    {
        let share = budget.share();
        let taken: Vec<Charge> = std::iter::from_fn(|| share.take(MIB, purpose)).collect();
        assert_eq!(taken.len(), most, "{purpose:?}");
        drop(taken);
        drop(share);
        assert_eq!(budget.used(), 0, "{purpose:?}");
    }
}

#[test]
fn a_call_gets_memory_for_its_reply_when_requests_get_none() {
    let share = Budget::new(64 * MIB).share();
    let _bodies: Vec<Charge> = std::iter::from_fn(|| share.take(MIB, Use::Request)).collect();
    let call = share.take(CALL, Use::Call).unwrap();
    assert!(!call.grow(MIB, Use::Request));
    assert!(call.grow(MIB, Use::Reply));
    assert!(call.grow(16 * MIB, Use::Answer));
    assert_eq!(call.bytes(), CALL + 17 * MIB);
    call.shrink_to(CALL + MIB);
    assert_eq!(call.bytes(), CALL + MIB);
    call.shrink_to(CALL + 2 * MIB);
    assert_eq!(call.bytes(), CALL + MIB);
}

#[test]
fn the_last_part_of_the_memory_is_reserved_for_small_responses() {
    let share = Budget::new(64 * MIB).share();
    let _large: Vec<Charge> = std::iter::from_fn(|| share.take(MIB, Use::Answer)).collect();
    assert!(share.take(CHUNK + 1, Use::Answer).is_none());
    assert!(share.take(SMALL, Use::Answer).is_some());
}

#[test]
fn short_memory_ends_the_largest_waiting_responses_and_only_as_many_as_needed() {
    let budget = Budget::new(64 * MIB);
    let share = budget.share();
    let held: Vec<Charge> = (0..4).map(|_| share.take(10 * MIB, Use::Answer).unwrap()).collect();
    let waits = [3, 20, 5].map(|size| (size, share.waiting(size * MIB)));
    let context = Context::from_waker(Waker::noop());
    let ended = || {
        let ended = waits.iter().filter(|(size, wait)| wait.must_end(&context, size * MIB));
        ended.map(|(size, _)| *size).collect::<Vec<_>>()
    };
    assert!(ended().is_empty());
    // The waiting responses hold 40 MiB of the 64 MiB in use.
    assert!(share.take_queued(None, MIB, Use::Call).is_none());
    assert_eq!(ended(), [20]);
    // The memory of the responses that were ended is about to be freed.
    assert!(share.take_queued(None, MIB, Use::Call).is_none());
    assert_eq!(ended(), [20]);
    assert!(share.take_queued(None, 30 * MIB, Use::Call).is_none());
    assert_eq!(ended(), [3, 20, 5]);
    drop(held);
    assert!(share.take_queued(None, MIB, Use::Call).is_some());
}

#[test]
fn calls_are_limited_per_connection_and_per_caller_when_others_compete() {
    let share = Budget::new(64 * MIB).share();
    let caller = |last| Some(CallerId::of([192, 0, 2, last].into()));
    let (one, again) = (share.account(caller(1), 2), share.account(caller(1), 2));
    let first = Tie::of(Some(&one)).unwrap();
    let second = Tie::of(Some(&one)).unwrap();
    assert_eq!(Tie::of(Some(&one)).unwrap_err(), 2);
    let third = Tie::of(Some(&again)).unwrap();
    // A caller without competitors may have all calls.
    assert!(!third.is_beyond(2));
    let other = share.account(caller(2), 2);
    assert!(third.is_beyond(2) && !third.is_beyond(3));
    assert!(!Tie::of(Some(&other)).unwrap().is_beyond(2));
    drop(first);
    assert!(!third.is_beyond(2));
    drop(other);
    drop((second, third));
    assert!(Tie::of(Some(&one)).is_ok());
    assert!(Tie::of(None).is_ok());
}

#[test]
fn ipv6_addresses_of_one_network_count_as_one_caller() {
    let id = |address: &str| CallerId::of(address.parse().unwrap());
    for (one, other, same) in [
        ("192.0.2.1", "192.0.2.2", false),
        ("192.0.2.1", "::ffff:192.0.2.1", true),
        ("2001:db8::1", "2001:db8::ffff:0:0:2", true),
        ("2001:db8::1", "2001:db8:0:1::1", false),
    ] {
        assert_eq!(id(one) == id(other), same, "{one} {other}");
    }
}

#[test]
fn memory_of_calls_is_counted_for_their_connection() {
    let share = Budget::new(64 * MIB).share();
    let account = share.account(None, 100);
    let charge = share.take_for(Some(&account), CALL, Use::Call).unwrap();
    assert!(charge.grow(9 * MIB, Use::Answer) && account.is_over());
    charge.shrink_to(MIB);
    assert_eq!((account.held(), account.is_over()), (MIB, false));
    let bytes = charge.carry(Bytes::from_static(b"{}"));
    assert_eq!(account.held(), MIB);
    drop(bytes);
    assert_eq!(account.held(), 0);
}

#[test]
fn a_charge_is_held_until_the_last_of_its_bytes_is_dropped() {
    let budget = Budget::new(64 * MIB);
    let share = budget.share();
    let mut bytes = share.take(10 * MIB, Use::Answer).unwrap().carry(Bytes::from_static(b"{\"a\":1}"));
    let part = bytes.split_to(2);
    drop(bytes);
    assert!(budget.used() >= 10 * MIB);
    assert_eq!(part, "{\"");
    drop(part);
    assert!(budget.used() <= 2 * CHUNK, "{}", budget.used());
}

#[test]
fn a_part_split_from_a_charge_can_outlive_it_or_be_joined_again() {
    let budget = Budget::new(64 * MIB);
    let charge = budget.share().take(10 * MIB, Use::Answer).unwrap();
    let part = charge.part(4 * MIB);
    assert_eq!((charge.bytes(), part.bytes()), (4 * MIB, 6 * MIB));
    charge.join(part);
    assert_eq!(charge.bytes(), 10 * MIB);
    assert_eq!(charge.part(20 * MIB).bytes(), 0);
    let part = charge.part(MIB);
    drop(charge);
    assert!(budget.used() >= 9 * MIB, "{}", budget.used());
    drop(part);
    assert_eq!(budget.used(), 0);
}

#[test]
fn small_calls_of_a_worker_take_from_the_shared_budget_only_once() {
    let budget = Budget::new(64 * MIB);
    let share = budget.share();
    drop(share.take(CALL, Use::Call));
    let used = budget.used();
    for _ in 0..100 {
        drop(share.take(CALL, Use::Call).unwrap());
        assert_eq!(budget.used(), used);
    }
}

#[test]
fn no_memory_is_lost_between_threads() {
    let budget = Budget::new(8 * MIB);
    let shares = [budget.share(), budget.share()];
    std::thread::scope(|scope| {
        for thread in 0..4_usize {
            let share = &shares[thread % 2];
            scope.spawn(move || {
                for turn in 0..20_000_usize {
                    let Some(charge) = share.take(turn * 7919 % MIB, Use::Answer) else { continue };
                    if charge.grow(turn % 1000, Use::Answer) {
                        charge.shrink_to(turn % 100);
                    }
                }
            });
        }
    });
    drop(shares);
    assert_eq!(budget.used(), 0);
}

#[test]
fn an_unbounded_share_never_refuses_memory() {
    let share = Share::unbounded();
    let charges: Vec<Charge> = (0..100).map(|_| share.take(1 << 40, Use::Connection).unwrap()).collect();
    assert_eq!(charges.len(), 100);
}
