//! A conversion allocates a constant number of times: not once a field, and not once an element of a list.

use serde_json::{Map, Value, json};
use towbar::codec::{Body, Ignored, Print, Request, reply};
use towbar::schema::Schema;

use crate::support::cases;
use crate::support::messages;
use crate::support::messages::Sample;

/// The output, and what it grows by where the first guess of its size was short.
const MOST: u64 = 4;

#[test]
fn a_longer_list_takes_no_more_allocations() {
    let schema = messages::bank();
    check([10, 100, 1000].map(|count| (format!("{count} transactions"), messages::transactions(&schema, count))));
    check([
        ("a balance".to_owned(), messages::balance(&schema)),
        ("a transfer".to_owned(), messages::transfer(&schema)),
    ]);
}

#[test]
fn more_fields_take_no_more_allocations() {
    let schema = cases::schema();
    check([3, 30].map(|count| (format!("{count} fields"), Sample::new(&schema, "cases.Wide", &wide(count)))));
}

#[test]
fn more_elements_take_no_more_allocations() {
    check_lists(&[
        ("int32s", json!(7)),
        ("int64s", json!("1499301354256")),
        ("doubles", json!(0.1)),
        ("sizes", json!("LARGE")),
        ("strings", json!("Café")),
        ("nodes", json!({ "name": "a", "child": { "tags": ["b"] } })),
        ("times", json!("2026-01-31T12:00:00Z")),
    ]);
}

#[test]
fn more_elements_that_must_be_converted_take_no_more_allocations() {
    check_lists(&[("byteStrings", json!("AQIDBA==")), ("strings", json!("\"42\"\nand a line"))]);
}

/// The index of a large map's keys grows by doubling, and so may be allocated anew that many times.
#[test]
fn more_map_entries_take_no_allocation_each() {
    let schema = cases::schema();
    const INDICES: u64 = 2 * (3 + 300_u64.ilog2() as u64);
    check_most(MOST, [3, 8].map(|count| maps(&schema, count)));
    check_most(MOST + INDICES, [9, 300].map(|count| maps(&schema, count)));
}

fn maps(schema: &Schema, count: u32) -> (String, Sample) {
    let entries: Map<_, _> = (0..count).map(|key| (key.to_string(), json!("a"))).collect();
    let maps = json!({ "int32s": entries, "strings": entries });
    (format!("{count} entries"), Sample::new(schema, "cases.Maps", &maps))
}

fn check_lists(elements: &[(&str, Value)]) {
    let schema = cases::schema();
    for (field, element) in elements {
        check([3, 300].map(|count| {
            let list = json!({ *field: vec![element; count] });
            (format!("{count} of {field}"), Sample::new(&schema, "cases.Lists", &list))
        }));
    }
}

fn wide(fields: usize) -> Value {
    let value = |place: usize| match place % 3 {
        0 => json!("a string"),
        1 => json!("1499301354256"),
        _ => json!(0.1),
    };
    (1..=fields).map(|place| (format!("field{place}"), value(place))).collect::<Map<_, _>>().into()
}

fn check<const N: usize>(samples: [(String, Sample); N]) {
    check_most(MOST, samples);
}

fn check_most<const N: usize>(most: u64, samples: [(String, Sample); N]) {
    let mut wrong = Vec::new();
    for (name, Sample { message, json, wire, .. }) in &samples {
        let to_json = allocations(|| reply(message, wire, &Print::default()).unwrap());
        let ignored = Ignored::default();
        let body = Body { text: json, field: None, ignored: &ignored };
        let to_wire = allocations(|| Request::new(message).encode(Some(body)).unwrap());
        println!("{name}: {to_json} to JSON, {to_wire} to wire format");
        if to_json > most || to_wire > most {
            wrong.push(format!("{name}: {to_json} to JSON, {to_wire} to wire format"));
        }
    }
    assert!(wrong.is_empty(), "more than {most} allocations:\n{}", wrong.join("\n"));
}

fn allocations<T>(convert: impl Fn() -> T) -> u64 {
    allocation_counter::measure(|| drop(convert())).count_total
}
