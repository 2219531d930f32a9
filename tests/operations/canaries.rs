//! Nothing that callers or the backend send appears in a log, a metric, a span or a page of the admin port, for every rpc of the bank.
//!
//! Every field of every request and reply, and headers, paths and queries that are wrong, contain canaries. The log is at trace level.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use prost_reflect::prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value};
use towbar::cli::demo::generated::DESCRIPTORS;
use towbar::route::{Defaults, RestRequest, Routes};
use towbar::schema::Schema;

use crate::support::collector::{Collector, texts};
use crate::support::folder::Folder;
use crate::support::http;
use crate::support::process::{Ended, Gateway};
use crate::support::talk::backend;

/// In every text; the second is how base64 begins with it.
const CANARIES: [&str; 3] = ["CANARY", "Q0FOQVJZ", "7700771"];
/// In every number.
const NUMBER: i32 = 7_700_771;
/// What the backend does with a call.
const MODES: [&str; 4] = ["reply", "status", "malformed", "broken"];
/// So many members of a oneof are tried.
const CHOICES: usize = 6;

const HEADERS: [(&str, &str); 6] = [
    ("Authorization", "Bearer CANARY"),
    ("Cookie", "session=CANARY"),
    ("User-Agent", "CANARY"),
    ("X-Forwarded-For", "CANARY"),
    ("traceparent", "CANARY"),
    ("X-CANARY", "CANARY"),
];

/// A message with canaries in all fields, and in one member of each oneof.
fn filled(descriptor: &MessageDescriptor, choice: usize, depth: usize) -> DynamicMessage {
    let mut message = DynamicMessage::new(descriptor.clone());
    for field in descriptor.fields() {
        if let Some(oneof) = field.containing_oneof().filter(|oneof| !oneof.is_synthetic()) {
            let count = oneof.fields().count();
            if oneof.fields().nth(choice % count).as_ref() != Some(&field) {
                continue;
            }
        }
        if let Some(value) = value(&field, choice, depth) {
            message.set_field(&field, value);
        }
    }
    message
}

fn value(field: &FieldDescriptor, choice: usize, depth: usize) -> Option<Value> {
    if field.is_map() {
        let Kind::Message(entry) = field.kind() else { return None };
        let value = single(&entry.map_entry_value_field(), choice, depth)?;
        return Some(Value::Map([(MapKey::String("CANARY".to_owned()), value)].into()));
    }
    let value = single(field, choice, depth)?;
    Some(if field.is_list() { Value::List(vec![value]) } else { value })
}

fn single(field: &FieldDescriptor, choice: usize, depth: usize) -> Option<Value> {
    Some(match field.kind() {
        Kind::String => Value::String("CANARY".to_owned()),
        Kind::Bytes => Value::Bytes(b"CANARY".as_slice().into()),
        Kind::Bool => Value::Bool(true),
        Kind::Double => Value::F64(NUMBER.into()),
        Kind::Float => Value::F32(7_700_771.0),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(NUMBER),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(NUMBER.into()),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(NUMBER.unsigned_abs()),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(NUMBER.unsigned_abs().into()),
        Kind::Enum(_) => return None,
        Kind::Message(_) if depth == 0 => return None,
        Kind::Message(message) => Value::Message(filled(&message, choice, depth - 1)),
    })
}

/// A request for each route and each choice, as deep as the rule can carry it.
fn requests(pool: &DescriptorPool, routes: &Routes) -> Vec<(String, RestRequest)> {
    let mut requests = Vec::new();
    for route in routes.all() {
        let (service, method) = route.rpc.name.rsplit_once('.').unwrap();
        let service = pool.get_service_by_name(service).unwrap();
        let input = service.methods().find(|other| other.name() == method).unwrap().input();
        for choice in 0..CHOICES {
            let wires = (0..=4).rev().map(|depth| filled(&input, choice, depth).encode_to_vec());
            let request = wires.map(|wire| routes.reverse(route, &wire)).find_map(Result::ok);
            requests.extend(request.map(|request| (method.to_owned(), request)));
        }
    }
    requests
}

/// Sends a request as it is, and then with what is wrong about it.
fn send(to: SocketAddr, request: &RestRequest, is_first: bool) {
    let RestRequest { method, target, content_type, body } = request;
    let mut headers = HEADERS.to_vec();
    if body.is_some() {
        headers.push(("Content-Type", content_type));
    }
    http::send(to, method, target, &headers, body.as_deref());
    if is_first {
        let more = if target.contains('?') { '&' } else { '?' };
        http::send(to, method, &format!("{target}{more}CANARY=CANARY"), &headers, body.as_deref());
        http::send(to, method, target, &headers, Some(b"{\"CANARY\":\"CANARY"));
        http::send(to, "CANARY", target, &headers, None);
        http::send(to, method, &format!("{target}/CANARY/%ff"), &headers, body.as_deref());
    }
}

/// All that the gateway writes while every rpc is called, with the log at this level.
fn written(filter: &str) -> String {
    let pool = DescriptorPool::decode(DESCRIPTORS).unwrap();
    let schema = Schema::decode("the bank API", DESCRIPTORS).unwrap();
    let routes = Routes::build(&schema, &[], &Defaults::default()).unwrap();
    let (mode, called) = (Arc::<AtomicUsize>::default(), Arc::<Mutex<BTreeSet<(usize, String)>>>::default());
    let (now, seen, replies_of) = (mode.clone(), called.clone(), pool.clone());
    let backend = backend(move |rpc, mut requests, replies| {
        let mode = now.load(Ordering::SeqCst);
        seen.lock().unwrap().insert((mode, rpc.clone()));
        let method = replies_of.services().flat_map(|service| service.methods().collect::<Vec<_>>());
        let output = method.into_iter().find(|method| method.name() == rpc).unwrap().output();
        let reply = filled(&output, 0, 4).encode_to_vec();
        async move {
            requests.all().await;
            match MODES[mode] {
                "reply" => {
                    replies.send(&reply).await;
                    replies.end("0", "").await;
                }
                "status" => replies.end("13", "CANARY").await,
                "malformed" => {
                    replies.send(b"\xffCANARY").await;
                    replies.end("0", "").await;
                }
                _ => drop(replies),
            }
        }
    });
    let (folder, collector) = (Folder::new(), Collector::start());
    folder.copy("proto", "proto");
    let config = format!(
        "listen: 127.0.0.1:0\nschema: proto\nupstream: http://{}\nadmin: 127.0.0.1:0\nreload: {{watch: false}}\n\
         log: {{access: access.log}}\nmetadata: {{request: [cookie, x-canary]}}\nopenapi: {{path: /docs}}\n\
         traces: {{collector: '{}', sample: 100%, interval: 20ms, queue: 65536}}\n",
        backend.address,
        collector.url()
    );
    folder.write("towbar.yaml", config);
    let mut gateway = Gateway::of(folder.command(&["serve", "--config", "towbar.yaml"]).env("TOWBAR_LOG", filter));
    let admin = gateway.process.read_until("metrics on http://");
    let admin = admin.strip_suffix("/metrics").unwrap().parse().unwrap();
    let requests = requests(&pool, &routes);
    for at in 0..MODES.len() {
        mode.store(at, Ordering::SeqCst);
        let mut before = "";
        for (rpc, request) in &requests {
            send(gateway.address, request, before != rpc);
            before = rpc;
        }
    }
    let rpcs: BTreeSet<&str> = routes.all().iter().map(|route| route.rpc.name.rsplit('.').next().unwrap()).collect();
    for (mode, name) in MODES.iter().enumerate() {
        let called = called.lock().unwrap();
        let missing: Vec<&&str> = rpcs.iter().filter(|rpc| !called.contains(&(mode, (**rpc).to_owned()))).collect();
        assert_eq!(missing, Vec::<&&str>::new(), "{name}: these rpcs were not called");
    }
    let pages = ["/metrics", "/routes", "/upstreams", "/config", "/log", "/openapi.json", "/"];
    let pages: String = pages.iter().map(|page| http::get(admin, page).body).collect();
    let Ended { stdout, stderr, .. } = gateway.stop();
    let access = fs::read_to_string(folder.path("access.log")).unwrap();
    assert!(access.lines().count() > requests.len() * MODES.len(), "{access}");
    let spans = collector.accepted();
    assert!(spans.len() > requests.len() * MODES.len(), "{} spans", spans.len());
    let spans = spans.iter().flat_map(|span| [vec![span.name.clone()], texts(&span.attributes)].concat());
    let spans = spans.collect::<Vec<String>>().join("\n");
    [pages, stdout, stderr, access, spans].join("\n")
}

/// The lines with a canary. The configuration has the name of a header.
fn told(written: &str) -> Vec<&str> {
    let has = |line: &&str| CANARIES.iter().any(|canary| line.contains(canary));
    written.lines().filter(has).collect()
}

#[test]
fn no_output_at_trace_level_contains_data_from_requests_or_replies() {
    let written = written("towbar=trace");
    assert!(written.contains("an exchange has ended"), "the log is not at trace level");
    assert_eq!(told(&written), Vec::<&str>::new());
}

#[test]
fn no_library_at_trace_level_logs_data_from_requests_or_replies() {
    assert_eq!(told(&written("trace")), Vec::<&str>::new());
}
