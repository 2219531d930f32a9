//! Runs one conversion in a loop, to count its instructions: `codec_profile DIRECTION CASE TIMES [READER]`.
//!
//! DIRECTION is `to-json` or `to-wire`, CASE is `balance`, `transfer` or `transactions-N`, READER is `towbar`,
//! `prost-reflect` or `scan` (serde_json over the same text). Run it under `valgrind --tool=callgrind` with two values
//! of TIMES. The difference is the cost of the additional conversions, without the start of the program.
#![allow(clippy::unwrap_used, reason = "an example may panic")]

use std::env;
use std::hint::black_box;
use std::time::Instant;

use messages::Sample;
use prost_reflect::prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage};
use serde::de::IgnoredAny;
use towbar::cli::demo::generated::DESCRIPTORS;
use towbar::codec::{Print, reply};

#[path = "../tests/support/messages.rs"]
mod messages;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [direction, case, times, reader @ ..] = arguments.as_slice() else {
        eprintln!("usage: codec_profile DIRECTION CASE TIMES [READER]");
        return;
    };
    let sample = sample(case);
    let times: u32 = times.parse().unwrap();
    let reader = reader.first().map_or("towbar", String::as_str);
    let start = Instant::now();
    run(&sample, direction, reader, times);
    let each = start.elapsed().as_secs_f64() / f64::from(times);
    let speed = sample.json.len() as f64 / each / 1e6;
    println!("{direction} {case} {reader}: {:.2} us, {speed:.0} MB/s of JSON", each * 1e6);
}

fn sample(case: &str) -> Sample {
    let schema = messages::bank();
    match case {
        "balance" => messages::balance(&schema),
        "transfer" => messages::transfer(&schema),
        other => messages::transactions(&schema, other.strip_prefix("transactions-").unwrap().parse().unwrap()),
    }
}

// A separate function, so that `--toggle-collect` can name it.
#[inline(never)]
fn run(sample: &Sample, direction: &str, reader: &str, times: u32) {
    let Sample { message, json, wire, .. } = sample;
    match (direction, reader) {
        ("to-json", "towbar") => repeat(times, || reply(message, black_box(wire), &Print::default()).unwrap()),
        ("to-wire", "towbar") => repeat(times, || messages::to_wire(message, black_box(json))),
        (_, "scan") => repeat(times, || serde_json::from_slice::<IgnoredAny>(black_box(json)).unwrap()),
        _ => {
            let descriptor = DescriptorPool::decode(DESCRIPTORS).unwrap().get_message_by_name(sample.name).unwrap();
            if direction == "to-json" {
                repeat(times, || {
                    let message = DynamicMessage::decode(descriptor.clone(), black_box(wire.as_slice())).unwrap();
                    serde_json::to_vec(&message).unwrap()
                });
            } else {
                repeat(times, || {
                    let mut text = serde_json::Deserializer::from_slice(black_box(json));
                    DynamicMessage::deserialize(descriptor.clone(), &mut text).unwrap().encode_to_vec()
                });
            }
        }
    }
}

fn repeat<T>(times: u32, mut convert: impl FnMut() -> T) {
    for _ in 0..times {
        black_box(convert());
    }
}
