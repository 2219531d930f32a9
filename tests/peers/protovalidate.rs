//! PyPI's `protovalidate` is the reference: random rules of every kind over random messages have the same verdict, with
//! the same rules and paths.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage};
use protox::Compiler;
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};
use serde_json::{Value, json};
use towbar::codec::validate::{Sources, Validator};
use towbar::schema::Schema;

use crate::support::folder::Folder;
use crate::support::process::Process;
use crate::support::python;

use super::protovalidate_rules::{
    PREDEFINED, Random, formats_schema, one_text_everywhere, random_message, random_schema,
};

const PACKAGES: [&str; 2] = ["protovalidate==2.1.0", "protobuf==7.36.2"];
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/protovalidate_oracle.py");

/// How many schemas are compared, and how many messages of each.
const SCHEMAS: u64 = 300;
const MESSAGES: usize = 24;
/// How many texts are compared in all formats.
const TEXTS: u64 = 4000;
/// The name of the environment that has the packages.
const NAME: &str = "protovalidate-2.1.0";

/// Finds `buf/validate/validate.proto`, whose descriptor the package has, and the schema itself.
struct Files {
    validate: File,
    schema: String,
}

impl FileResolver for Files {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        match name {
            "buf/validate/validate.proto" => Ok(self.validate.clone()),
            "p.proto" => File::from_source(name, PREDEFINED),
            "t.proto" => File::from_source(name, &self.schema),
            _ => Err(protox::Error::file_not_found(name)),
        }
    }
}

/// A schema with messages and what Towbar says of them.
struct Case {
    text: String,
    set: Vec<u8>,
    messages: Vec<Vec<u8>>,
    found: Vec<Value>,
}

fn python(python: &Path, arguments: &[&Path], mode: &str) {
    let process = Process::start(Command::new(python).arg(SCRIPT).arg(mode).args(arguments));
    let ended = process.wait_for(Duration::from_secs(300));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

/// Compiles a schema, and validates messages by its rules; `None` if its rules contradict each other.
fn case(validate: &File, text: String, mut message: impl FnMut() -> Value, count: usize) -> Option<Case> {
    let mut resolver = ChainFileResolver::new();
    resolver.add(Files { validate: validate.clone(), schema: text.clone() });
    resolver.add(GoogleFileResolver::new());
    let mut compiler = Compiler::with_file_resolver(resolver);
    compiler.include_imports(true).open_file("t.proto").unwrap_or_else(|error| panic!("{error:?}\n{text}"));
    let set = compiler.encode_file_descriptor_set();
    let schema = Schema::decode("t", &set).unwrap_or_else(|problems| panic!("{problems:?}\n{text}"));
    let sources = Sources { protovalidate: true, ..Sources::default() };
    let validator = match Validator::compile(&schema, &sources) {
        Ok(validator) => Arc::new(validator),
        Err(problems) => {
            let contradict = problems.iter().all(|problem| problem.message.contains("contradict each other"));
            assert!(contradict, "{problems:?}\n{text}");
            return None;
        }
    };
    let checks = validator.of(&schema.message("t.M").unwrap())?;
    let pool = DescriptorPool::decode(set.as_slice()).unwrap();
    let descriptor = pool.get_message_by_name("t.M").unwrap();
    let mut wires = Vec::new();
    for _ in 0..count {
        let json = message();
        let message =
            DynamicMessage::deserialize(descriptor.clone(), &json).unwrap_or_else(|error| panic!("{error}: {json}"));
        wires.push(message.encode_to_vec());
    }
    let found = wires.iter().map(|wire| {
        let found = checks.violations(wire);
        if let Some(failed) = &found.failed {
            return json!(format!("no result of {}", failed.rule));
        }
        let mut lines: Vec<String> = found.list.iter().map(|it| format!("{} {}", it.field, it.rule)).collect();
        lines.sort();
        json!(lines)
    });
    let found = found.collect();
    Some(Case { text, set, messages: wires, found })
}

/// The interpreter that has the package, and the descriptor of its rules.
fn reference(folder: &Folder) -> Option<(PathBuf, File)> {
    let interpreter = python::environment(NAME, &[&PACKAGES])?;
    let path = folder.path("validate.bin");
    python(&interpreter, &[&path], "descriptor");
    Some((interpreter, File::decode_file_descriptor_proto(fs::read(path).unwrap().as_slice()).unwrap()))
}

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().and_then(|number| number.parse().ok()).unwrap_or(otherwise)
}

/// Compares what Towbar found with what the package finds.
fn compare(interpreter: &Path, folder: &Folder, cases: &[Case], seed: u64) {
    let path = |name: &str| folder.path(name);
    let wires = |case: &Case| case.messages.iter().map(|wire| STANDARD.encode(wire)).collect::<Vec<_>>();
    let written: Vec<Value> = cases
        .iter()
        .map(|case| json!({ "set": STANDARD.encode(&case.set), "message": "t.M", "wires": wires(case) }))
        .collect();
    folder.write("cases.json", serde_json::to_string(&written).unwrap());
    python(interpreter, &[&path("cases.json"), &path("results.json")], "check");
    let expected: Vec<Vec<Value>> = serde_json::from_str(&fs::read_to_string(path("results.json")).unwrap()).unwrap();
    let (mut violations, mut differences) = (0, Vec::new());
    for (case, expected) in cases.iter().zip(&expected) {
        for ((found, expected), wire) in case.found.iter().zip(expected).zip(&case.messages) {
            violations += found.as_array().map_or(0, Vec::len);
            // Why there is no result is not compared.
            if found != expected && !(found.is_string() && expected.is_string()) {
                let rules = case.text.split("// rules\n").nth(1).unwrap_or_default();
                let shown = String::from_utf8_lossy(wire);
                differences.push(format!("{rules}\n{shown:?}\n  found    {found}\n  expected {expected}"));
            }
        }
    }
    let count = differences.len();
    differences.truncate(12);
    assert!(differences.is_empty(), "{count} differences with seed {seed}, the first:\n{}", differences.join("\n"));
    // Rules that always pass would compare nothing.
    assert!(violations > cases.len(), "{violations} violations");
}

#[test]
fn random_rules_over_random_messages_have_the_verdict_of_protovalidate() {
    let folder = Folder::new();
    let Some((interpreter, validate)) = reference(&folder) else { return };
    let (seed, schemas) = (number("TOWBAR_SEED", 1), number("TOWBAR_SCHEMAS", SCHEMAS));
    let mut random = Random::with_seed(seed);
    let one = |_| {
        let text = random_schema(&mut random);
        case(&validate, text, || random_message(&mut random), MESSAGES)
    };
    let cases: Vec<Case> = (0..schemas).filter_map(one).collect();
    assert!(cases.len() as u64 > schemas / 2, "{} of {schemas} schemas have rules that can hold", cases.len());
    compare(&interpreter, &folder, &cases, seed);
}

#[test]
fn texts_have_the_formats_that_protovalidate_says_they_have() {
    let folder = Folder::new();
    let Some((interpreter, validate)) = reference(&folder) else { return };
    let (seed, texts) = (number("TOWBAR_SEED", 1), number("TOWBAR_TEXTS", TEXTS));
    let mut random = Random::with_seed(seed);
    let case = case(&validate, formats_schema(), || one_text_everywhere(&mut random), texts as usize);
    compare(&interpreter, &folder, &[case.unwrap()], seed);
}
