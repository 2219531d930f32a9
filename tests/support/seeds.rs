//! The cases of `tests/cases/` as inputs of the fuzz targets: a body for one, wire format for the other.
#![allow(clippy::unwrap_used, unreachable_pub, reason = "a test may panic")]

use super::{cases, checks};

/// An input.
pub struct Seed {
    pub target: &'static str,
    /// The case, as the name of a file.
    pub name: String,
    pub data: Vec<u8>,
}

/// Every case, in as many directions as it has.
pub fn all() -> Vec<Seed> {
    cases::all().iter().enumerate().flat_map(|(index, case)| of(index, case)).collect()
}

fn of(index: usize, case: &cases::Case) -> Vec<Seed> {
    let message = case.message.as_deref().unwrap();
    let kind = checks::byte_of(message).unwrap_or_else(|| panic!("fuzz/src/wire.rs: TYPES has no {message}"));
    let words: String = case.name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let seed =
        |target, parts: [&[u8]; 2]| Seed { target, name: format!("case-{index:03}-{words}"), data: parts.concat() };
    let body = case.json().map(|body| seed("json_to_wire", [&[kind], body]));
    let options = checks::options_of(&case.print());
    let wire = case.wire().map(|wire| seed("wire_to_json", [&[kind, options], wire]));
    body.into_iter().chain(wire).collect()
}
