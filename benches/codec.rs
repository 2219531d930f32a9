//! The cost of a conversion in both directions, compared with prost-reflect and with a bare scan of the same text.
//!
//! First the bank's messages, then the corpus of cases, then groups that vary one property. Throughput is always in
//! bytes of JSON. Compare ratios within one run, because a machine's noise affects both sides.
#![allow(clippy::unwrap_used, reason = "a benchmark may panic")]

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use prost_reflect::prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use towbar::codec::validate::Validator;
use towbar::codec::{Body, Ignored, Origin, Print, Request, reply};
use towbar::config::{self, Overrides};
use towbar::schema::{FieldPath, Schema};

#[path = "../tests/support/cases.rs"]
mod cases;
#[path = "../tests/support/messages.rs"]
mod messages;

use messages::Sample;

criterion_group!(
    benches,
    bank,
    validation,
    corpus,
    body_and_query,
    depth,
    length,
    kind,
    numbers,
    string_length,
    escapes,
    alphabet
);
criterion_main!(benches);

/// The most frequent responses and the most frequent request of a bank's gateway.
fn bank(criterion: &mut Criterion) {
    let schema = messages::bank();
    let pool = DescriptorPool::decode(towbar::cli::demo::generated::DESCRIPTORS).unwrap();
    let samples = [
        ("balance", messages::balance(&schema)),
        ("transfer", messages::transfer(&schema)),
        ("transactions-10", messages::transactions(&schema, 10)),
        ("transactions-100", messages::transactions(&schema, 100)),
        ("transactions-1000", messages::transactions(&schema, 1000)),
    ];
    compare(criterion, "bank", Duration::from_secs(1), &pool, &samples);
}

/// The rules of `config/bank-rules.yaml` over the request message of a transfer.
fn validation(criterion: &mut Criterion) {
    let schema = messages::bank();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/towbar.yaml");
    let (config, _) = config::load_text("validation: {rules: bank-rules.yaml}", &file, &Overrides::default());
    let validator = Validator::compile(&schema, &config.routes.validation).unwrap();
    let sample = messages::transfer(&schema);
    let checks = Arc::new(validator).of(&sample.message).unwrap();
    assert!(checks.violations(&sample.wire).list.is_empty());
    let mut group = group(criterion, "validation", Duration::from_secs(1));
    group.bench_function("transfer", |bencher| bencher.iter(|| checks.violations(black_box(&sample.wire))));
}

/// All cases that are read and printed without an error, one after the other.
fn corpus(criterion: &mut Criterion) {
    let schema = cases::schema();
    let all = cases::all();
    let with_message = || all.iter().map(|case| (case, case.message(&schema)));
    let printed: Vec<_> =
        with_message().filter(|(case, message)| is_ok(case.expected_json(), || case.decode(message))).collect();
    let read: Vec<_> = with_message().filter(|(case, _)| matches!(case.expected_wire(), Some(Ok(_)))).collect();
    let mut group = group(criterion, "corpus", Duration::from_secs(1));
    let size: usize = printed.iter().map(|(case, message)| case.decode(message).unwrap().len()).sum();
    group.throughput(Throughput::Bytes(size as u64));
    group.bench_function("to-json/towbar", |bencher| {
        bencher.iter(|| printed.iter().map(|(case, message)| case.decode(message).unwrap().len()).sum::<usize>());
    });
    let size: usize = read.iter().map(|(case, _)| case.json().unwrap().len()).sum();
    group.throughput(Throughput::Bytes(size as u64));
    group.bench_function("to-wire/towbar", |bencher| {
        bencher.iter(|| read.iter().map(|(case, message)| case.encode(message).unwrap().len()).sum::<usize>());
    });
}

fn is_ok(expected: Option<&str>, made: impl FnOnce() -> Result<Vec<u8>, String>) -> bool {
    expected.is_some() && made().is_ok()
}

/// The same fields in a body and in a query.
fn body_and_query(criterion: &mut Criterion) {
    const FIELDS: [(&str, &str); 4] = [
        ("account.swift.bic", "IRONUSCA000"),
        ("account.swift.account", "iban:3814827"),
        ("limit", "100"),
        ("offset", "9b2ad64f80d3c2f1"),
    ];
    let schema = messages::bank();
    let value = json!({
        "account": { "swift": { "bic": "IRONUSCA000", "account": "iban:3814827" } }, "limit": 100,
        "offset": "9b2ad64f80d3c2f1",
    });
    let sample = Sample::new(&schema, "io.token.proto.bankapi.GetTransactionsRequest", &value);
    let paths = FIELDS.map(|(path, text)| (FieldPath::resolve(&sample.message, path).unwrap(), text));
    let mut group = group(criterion, "body-and-query", Duration::from_millis(500));
    group.throughput(Throughput::Bytes(sample.json.len() as u64));
    group
        .bench_function("body", |bencher| bencher.iter(|| messages::to_wire(&sample.message, black_box(&sample.json))));
    group.bench_function("query", |bencher| {
        bencher.iter(|| {
            let mut request = Request::new(&sample.message);
            for (path, text) in &paths {
                request.set(path, black_box(text), Origin::Query).unwrap();
            }
            request.encode(None).unwrap()
        });
    });
    group.bench_function("half-and-half", |bencher| {
        let rest = json!({ "account": { "swift": { "account": "iban:3814827" } }, "limit": 100 }).to_string();
        let body = Body { text: rest.as_bytes(), field: None, ignored: &Ignored::default() };
        bencher.iter(|| {
            let mut request = Request::new(&sample.message);
            for (path, text) in [&paths[0], &paths[3]] {
                request.set(path, black_box(text), Origin::Query).unwrap();
            }
            request.encode(Some(body)).unwrap()
        });
    });
}

fn depth(criterion: &mut Criterion) {
    vary(criterion, "depth", "cases.Node", [1, 8, 32].map(|depth| (depth.to_string(), nested(depth))));
}

fn nested(depth: usize) -> Value {
    let node = json!({ "name": "node", "count": 7 });
    (0..depth).fold(node, |child, _| json!({ "name": "node", "count": 7, "child": child }))
}

fn length(criterion: &mut Criterion) {
    let list = |length: usize| json!({ "nodes": vec![json!({ "name": "node", "count": 7 }); length] });
    vary(criterion, "list-length", "cases.Lists", [1, 100, 10_000].map(|length| (length.to_string(), list(length))));
}

/// A hundred values of one type.
fn kind(criterion: &mut Criterion) {
    let list = |values: [Value; 4]| values.iter().cycle().take(100).cloned().collect::<Value>();
    let kinds = [
        ("int32s", list([json!(0), json!(-1), json!(1234), json!(2_147_483_647)])),
        ("int64s", list([json!("0"), json!("-1"), json!("1499301354256"), json!("9223372036854775807")])),
        ("fixed32s", list([json!(0), json!(1), json!(1234), json!(4_294_967_295_u32)])),
        ("floats", list([json!(0.0), json!(-1.5), json!(0.1), json!(3.4e38)])),
        ("doubles", list([json!(0.0), json!(-1.5), json!(0.1), json!(1.797_693_134_862_315_7e308)])),
        ("bools", list([json!(true), json!(false), json!(true), json!(false)])),
        ("strings", list([json!(""), json!("a"), json!("Sample transaction"), json!("EUR")])),
        ("byteStrings", list([json!(""), json!("AA=="), json!("3q2+7w=="), json!("AAECAwQFBgcICQoLDA0ODw==")])),
        ("sizes", list([json!("SIZE_UNSET"), json!("SMALL"), json!("LARGE"), json!("TINY")])),
        (
            "times",
            list(
                [
                    "2026-01-31T12:00:00Z",
                    "1970-01-01T00:00:00Z",
                    "2026-01-31T12:00:00.123Z",
                    "9999-12-31T23:59:59.999999999Z",
                ]
                .map(Value::from),
            ),
        ),
    ];
    vary(criterion, "kind", "cases.Lists", kinds.map(|(name, list)| (name.to_owned(), json!({ name: list }))));
}

/// 1000 doubles in different notations. The last ones lie between two doubles, so that all their digits count.
fn numbers(criterion: &mut Criterion) {
    let schema = cases::schema();
    let message = schema.message("cases.Lists").unwrap();
    let mut group = group(criterion, "numbers", Duration::from_millis(400));
    for (name, number) in [
        ("short", "12.5"),
        ("17-digits", "1.2345678901234567e-300"),
        ("30-digits", "1.23456789012345678901234567890"),
        ("between", "17976931348623158079e289"),
    ] {
        let json = format!("{{\"doubles\":[{}]}}", vec![number; 1000].join(","));
        group.throughput(Throughput::Bytes(json.len() as u64));
        group.bench_function(BenchmarkId::new("to-wire/towbar", name), |bencher| {
            bencher.iter(|| messages::to_wire(&message, black_box(json.as_bytes())));
        });
    }
}

fn string_length(criterion: &mut Criterion) {
    let string = |length: usize| json!({ "aString": "abcdefgh".repeat(length / 8) });
    vary(
        criterion,
        "string-length",
        "cases.Scalars",
        [8, 64, 512, 4096].map(|length| (length.to_string(), string(length))),
    );
}

/// 1024 characters, some of which must be escaped.
fn escapes(criterion: &mut Criterion) {
    let string = |every: usize| {
        let text: String = (1..=1024).map(|place| if place % every == 0 { '"' } else { 'a' }).collect();
        json!({ "aString": text })
    };
    let shares = [("none", 2048), ("1-in-64", 64), ("1-in-8", 8), ("all", 1)];
    vary(criterion, "escapes", "cases.Scalars", shares.map(|(name, every)| (name.to_owned(), string(every))));
}

/// About 1024 bytes of characters that take one, two, three or four bytes.
fn alphabet(criterion: &mut Criterion) {
    let string = |character: char| json!({ "aString": character.to_string().repeat(1024 / character.len_utf8()) });
    let alphabets = [("ascii", 'a'), ("latin", 'é'), ("han", '漢'), ("emoji", '😀')];
    vary(
        criterion,
        "alphabet",
        "cases.Scalars",
        alphabets.map(|(name, character)| (name.to_owned(), string(character))),
    );
}

fn vary<const N: usize>(criterion: &mut Criterion, group: &str, message: &'static str, values: [(String, Value); N]) {
    let schema: Schema = cases::schema();
    let mut compiler = protox::Compiler::new(["tests/cases"]).unwrap();
    compiler.include_imports(true).open_files(["cases.proto", "legacy.proto"]).unwrap();
    let pool = DescriptorPool::decode(compiler.encode_file_descriptor_set().as_slice()).unwrap();
    let samples = values.map(|(name, value)| (name, Sample::new(&schema, message, &value)));
    compare(criterion, group, Duration::from_millis(400), &pool, &samples);
}

/// Measures both directions of each sample: with Towbar, with prost-reflect, and with a scan that keeps nothing.
fn compare(
    criterion: &mut Criterion,
    name: &str,
    time: Duration,
    pool: &DescriptorPool,
    samples: &[(impl AsRef<str>, Sample)],
) {
    let mut group = group(criterion, name, time);
    for (case, sample) in samples {
        let case = case.as_ref();
        let Sample { message, json, wire, .. } = sample;
        let descriptor = pool.get_message_by_name(sample.name).unwrap();
        group.throughput(Throughput::Bytes(json.len() as u64));
        group.bench_function(BenchmarkId::new("to-json/towbar", case), |bencher| {
            bencher.iter(|| reply(message, black_box(wire), &Print::default()).unwrap());
        });
        group.bench_function(BenchmarkId::new("to-json/prost-reflect", case), |bencher| {
            bencher.iter(|| oracle_to_json(&descriptor, black_box(wire)));
        });
        group.bench_function(BenchmarkId::new("to-wire/towbar", case), |bencher| {
            bencher.iter(|| messages::to_wire(message, black_box(json)));
        });
        group.bench_function(BenchmarkId::new("to-wire/prost-reflect", case), |bencher| {
            bencher.iter(|| oracle_to_wire(&descriptor, black_box(json)));
        });
        group.bench_function(BenchmarkId::new("scan", case), |bencher| {
            bencher.iter(|| serde_json::from_slice::<IgnoredAny>(black_box(json)).unwrap());
        });
    }
}

fn oracle_to_json(descriptor: &MessageDescriptor, wire: &[u8]) -> Vec<u8> {
    serde_json::to_vec(&DynamicMessage::decode(descriptor.clone(), wire).unwrap()).unwrap()
}

fn oracle_to_wire(descriptor: &MessageDescriptor, json: &[u8]) -> Vec<u8> {
    let mut text = serde_json::Deserializer::from_slice(json);
    DynamicMessage::deserialize(descriptor.clone(), &mut text).unwrap().encode_to_vec()
}

fn group<'c>(criterion: &'c mut Criterion, name: &str, time: Duration) -> BenchmarkGroup<'c, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.sample_size(20).warm_up_time(time / 4).measurement_time(time);
    group
}
