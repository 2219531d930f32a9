#![allow(clippy::unwrap_used, reason = "a test may panic")]

use super::*;

const MIB: usize = 1 << 20;

#[test]
fn memory_is_given_out_up_to_its_part_and_comes_back() {
    let budget = Budget::new(64 * MIB);
    for (purpose, most) in
        [(Use::Connection, 32), (Use::Request, 32), (Use::Call, 40), (Use::Reply, 40), (Use::Answer, 64)]
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
fn those_that_have_begun_can_end() {
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
fn a_charge_is_held_as_long_as_its_bytes() {
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
fn a_part_of_a_charge_outlives_it_or_comes_back() {
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
fn small_calls_of_a_worker_ask_the_whole_once() {
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
fn nothing_is_lost_between_threads() {
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
fn what_is_unbounded_has_no_end() {
    let share = Share::unbounded();
    let charges: Vec<Charge> = (0..100).map(|_| share.take(1 << 40, Use::Connection).unwrap()).collect();
    assert_eq!(charges.len(), 100);
}
