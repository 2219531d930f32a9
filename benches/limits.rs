//! The cost of deciding whether a request is within a rate limit, and whether its address is in a list.
#![allow(clippy::unwrap_used, reason = "a benchmark may panic")]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use towbar::caller::addresses::AddressTable;
use towbar::caller::forwarded::Network;
use towbar::limits::rate::{Keys, Quota, Table};

criterion_group!(benches, decision, addresses);
criterion_main!(benches);

/// Decisions with so many keys, in random order. Each makes a key of an address and a name, as limits by address and rpc do.
fn decision(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("limit");
    let (keys, quota) = (Keys::new(), Quota::new(1_000_000_000, Duration::from_secs(1), 1_000_000_000).unwrap());
    for count in [1_000_u32, 1_000_000] {
        let table = Table::new(1_100_000);
        let key = |number: u32| keys.key((IpAddr::V4(Ipv4Addr::from_bits(number)), "bank.Transfers.Transfer"));
        for number in 0..count {
            table.allow(key(number), quota, 1).unwrap();
        }
        group.bench_function(format!("decision/{count}"), |bencher| {
            bencher.iter(|| table.allow(key(fastrand::u32(..count)), quota, black_box(1)));
        });
    }
    let long = "x".repeat(256);
    group.bench_function("decision/header of 256 bytes", |bencher| {
        let table = Table::new(1_000);
        bencher.iter(|| table.allow(keys.key(black_box(&long)), quota, 1));
    });
}

/// A list of 100,000 blocks of 256 addresses, asked for addresses of which some are in it.
fn addresses(criterion: &mut Criterion) {
    let blocks = (0..100_000_u32).map(|number| format!("{}/24", Ipv4Addr::from_bits(number << 9)));
    let table: AddressTable = blocks.map(|block| block.parse::<Network>().unwrap()).collect();
    criterion.bench_function("addresses/100000", |bencher| {
        bencher.iter(|| table.contains(IpAddr::V4(Ipv4Addr::from_bits(fastrand::u32(..100_000 << 9)))));
    });
}
