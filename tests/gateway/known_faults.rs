//! Faults that gateways of this kind have had: each is asked for here, and is not there. docs/security.md lists them.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use towbar::cli::demo::bank::SampleBank;
use towbar::cli::demo::bank::certificates::Authority;
use towbar::codec::{Body, Ignored, Request};
use towbar::config::Overrides;
use towbar::schema::Schema;

use crate::support::http::{self, send};
use crate::support::talk::{backend, shared};
use crate::support::{Backend, Gateway, client_tls, config_for};

const PROTO: &str = r#"
syntax = "proto3";
package faults;
import "google/api/annotations.proto";
import "google/protobuf/any.proto";
enum Kind { NONE = 0; CURRENT = 1; }
message Account {
  string account_id = 1;
  int64 version = 2;
  string text = 3;
  Kind kind = 4;
  oneof owner { string person = 5; string company = 6; }
  Account child = 7;
  map<string, Account> children = 8;
  repeated double rates = 9;
  google.protobuf.Any any = 10;
  repeated string notes = 11;
  repeated Account list = 12;
}
service Accounts {
  rpc Get(Account) returns (Account) { option (google.api.http) = {
    get: "/accounts/{account_id}" additional_bindings { get: "/people/{person}" }
  }; }
  rpc Put(Account) returns (Account) { option (google.api.http) = {
    put: "/accounts/{account_id}" body: "*"
    additional_bindings { put: "/versions/{version}" body: "*" }
    additional_bindings { put: "/people/{person}" body: "*" }
  }; }
  rpc Rename(Account) returns (Account) { option (google.api.http) = { put: "/texts/{account_id}" body: "text" }; }
  rpc Delete(Account) returns (Account) { option (google.api.http) = { delete: "/accounts/{account_id}" }; }
}
"#;

const JSON: (&str, &str) = ("Content-Type", "application/json");

fn schema() -> Schema {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("faults.proto"), PROTO).unwrap();
    Schema::load(&[folder.path().to_owned()]).unwrap()
}

fn gateway(backend: &Backend) -> Gateway {
    let config = format!(
        "upstream: http://{}\nschema: faults.proto\nrpcs: {{faults.Accounts.Put: {{ignore_members: [junk]}}}}\n",
        backend.address
    );
    let overrides = Overrides { listen: Some("127.0.0.1:0".to_owned()), ..Overrides::default() };
    Gateway::with(&config, &overrides, Ok(schema()), None)
}

/// An rpc and its message.
type Call = (String, Vec<u8>);

/// A backend that gives back what it gets, and all that it got.
fn echoing() -> (Backend, Arc<Mutex<Vec<Call>>>) {
    let (got, seen) = shared::<Vec<Call>>();
    let backend = backend(move |rpc, mut requests, replies| {
        let got = Arc::clone(&got);
        async move {
            let message = requests.next().await.unwrap();
            got.lock().unwrap().push((rpc, message.clone()));
            replies.send(&message).await;
            replies.end("0", "").await;
        }
    });
    (backend, seen)
}

/// A gateway whose backend answers every call with this message.
fn replying(message: &[u8]) -> (Backend, Gateway) {
    let message = message.to_vec();
    let backend = backend(move |_, _, replies| {
        let message = message.clone();
        async move {
            replies.send(&message).await;
            replies.end("0", "").await;
        }
    });
    let gateway = gateway(&backend);
    (backend, gateway)
}

/// The requests of known_faults.txt.
#[test]
fn requests_of_known_faults_are_refused_with_the_reason_and_reach_no_backend() {
    let (backend, heard) = echoing();
    let gateway = gateway(&backend);
    let mut count = 0;
    for block in include_str!("known_faults.txt").split("\n\n").filter(|block| block.starts_with("# ")) {
        let mut lines = block.lines();
        let (fault, request) = (lines.next().unwrap(), lines.next().unwrap());
        let (method, target) = request.split_once(' ').unwrap();
        let (mut headers, mut body, mut expected) = (Vec::new(), None, "");
        for line in lines {
            if let Some(text) = line.strip_prefix('>') {
                body = Some(text.trim_start().as_bytes());
            } else if let Some(text) = line.strip_prefix("= ") {
                expected = text;
            } else {
                headers.push(line.split_once(": ").unwrap());
            }
        }
        let answer = send(gateway.address, method, target, &headers, body);
        assert_eq!(format!("{} {}", answer.status, answer.refusal().1), expected, "{fault}");
        count += 1;
    }
    assert!(count > 30, "{count}: where are the faults?");
    assert_eq!(*heard.lock().unwrap(), []);
}

#[test]
fn equal_64_bit_values_in_path_and_body_are_accepted() {
    let (backend, heard) = echoing();
    let gateway = gateway(&backend);
    let body = r#"{"version":"4294967297"}"#;
    let answer = send(gateway.address, "PUT", "/versions/4294967297", &[JSON], Some(body.as_bytes()));
    assert_eq!((answer.status, answer.body.as_str()), (200, body));
    assert_eq!(*heard.lock().unwrap(), [("Put".to_owned(), vec![0x10, 0x81, 0x80, 0x80, 0x80, 0x10])]);
}

/// A fault took the stack, or all memory: in a list, a map, an `Any`, what is passed over, and when a tree was dropped.
#[test]
fn too_deeply_nested_json_is_refused_and_the_gateway_keeps_running() {
    let (backend, heard) = echoing();
    let gateway = gateway(&backend);
    let any = r#"{"any":{"@type":"type.googleapis.com/faults.Account","any":"#;
    for (open, first) in [
        (r#"{"child":"#, ""),
        (r#"{"list":["#, ""),
        (r#"{"children":{"a":"#, ""),
        (r#"{"child":"#, any),
        ("[", r#"{"junk":"#),
        (r#"{"a":"#, r#"{"junk":"#),
    ] {
        let body = format!("{first}{}", open.repeat(1_000_000 / open.len()));
        let answer = send(gateway.address, "PUT", "/accounts/1", &[JSON], Some(body.as_bytes()));
        let (status, (code, message)) = (answer.status, answer.refusal());
        assert_eq!((status, code), (400, 3), "{first}{open}");
        assert!(
            message.contains(": nested deeper than the limit of 64 levels (line 1, column "),
            "{first}{open}: {message}"
        );
    }
    assert_eq!(*heard.lock().unwrap(), []);
    assert_eq!(send(gateway.address, "GET", "/accounts/1", &[], None).body, r#"{"accountId":"1"}"#);
}

/// A message in a field, as often as that.
fn nested(number: u8, times: usize) -> Vec<u8> {
    let mut wire = Vec::new();
    for _ in 0..times {
        let mut outer = vec![number << 3 | 2];
        prost::encoding::encode_varint(wire.len() as u64, &mut outer);
        outer.append(&mut wire);
        wire = outer;
    }
    wire
}

/// A fault answered 200 with nothing, or took the stack, or gave out what is no UTF-8.
#[test]
fn a_reply_that_cannot_be_converted_is_answered_502() {
    let entry = |value: &[u8]| [&[0x0a, 1, b'a', 0x12, u8::try_from(value.len()).unwrap()], value].concat();
    let map = |value: &[u8]| [&[0x42, u8::try_from(value.len() + 5).unwrap()], &entry(value)[..]].concat();
    let mut maps = Vec::new();
    while maps.len() < 110 {
        maps = map(&maps);
    }
    for (fault, message) in [
        ("messages in messages", nested(7, 101)),
        ("many more of them", nested(7, 20_000)),
        ("groups that nobody knows", [vec![0x7b; 100_000], vec![0x7c; 100_000]].concat()),
        ("a group that does not end", vec![0x7b; 100_000]),
        ("bytes that are no UTF-8", vec![0x1a, 3, b'a', 0xff, b'b']),
        ("a character that breaks off", vec![0x1a, 3, b'a', 0xc3, 0xa9, 0x1a, 2, b'a', 0xc3]),
        ("half of a surrogate pair", vec![0x1a, 3, 0xed, 0xa0, 0x80]),
        ("an entry of a map that breaks off", maps[..maps.len() - 1].to_vec()),
    ] {
        let (_backend, gateway) = replying(&message);
        let answer = send(gateway.address, "GET", "/accounts/1", &[], None);
        let message = "the backend's reply cannot be read; the call itself succeeded";
        assert_eq!((answer.status, answer.refusal()), (502, (13, message.to_owned())), "{fault}");
    }
}

/// A fault was off by one: each character that is escaped, at each place of more than a vector's width.
#[test]
fn special_characters_are_escaped_in_json_at_every_position() {
    let mut texts = Vec::new();
    for special in ["\"", "\\", "\0", "\n", "\u{1f}", "\u{7f}", "é", "\u{2028}", "\u{10ffff}", "<"] {
        for place in 0..70 {
            texts.push(format!("{}{special}", "a".repeat(place)));
            texts.push(format!("{}{special}{}", "a".repeat(place), "b".repeat(70 - place)));
        }
    }
    let mut message = Vec::new();
    for text in &texts {
        message.extend([11 << 3 | 2, u8::try_from(text.len()).unwrap()]);
        message.extend(text.as_bytes());
    }
    let (_backend, gateway) = replying(&message);
    let answer = send(gateway.address, "GET", "/accounts/1", &[], None);
    assert_eq!(answer.json(), serde_json::json!({ "notes": texts }));
    assert!(answer.body.bytes().all(|byte| byte >= 0x20), "no control character stands as it is");
}

/// A fault was a table that all threads wrote to.
#[test]
fn concurrent_calls_can_share_the_schema() {
    let (backend, _) = echoing();
    let gateway = gateway(&backend);
    let address = gateway.address;
    let bodies = [
        r#"{"accountId":"1","children":{"a":{"text":"b"}}}"#,
        r#"{"accountId":"1","any":{"@type":"type.googleapis.com/faults.Account","kind":"CURRENT"}}"#,
        r#"{"accountId":"1","rates":[0.5,"NaN"],"list":[{},{"person":"ann"}]}"#,
    ];
    std::thread::scope(|scope| {
        for thread in 0..6 {
            scope.spawn(move || {
                for turn in 0..20 {
                    let body = bodies[(thread + turn) % bodies.len()];
                    let answer = send(address, "PUT", "/accounts/1", &[JSON], Some(body.as_bytes()));
                    assert_eq!((answer.status, answer.body.as_str()), (200, body));
                }
            });
        }
    });
}

/// A fault had 256 MiB of JSON take seven times as much. What a body of the shortest elements costs has a bound.
#[test]
fn converting_a_body_takes_at_most_16_times_its_size_in_memory() {
    // A double of two bytes takes eight; its buffer grows by doubling, and is there twice meanwhile.
    const TIMES: u64 = 16;
    let schema = schema();
    let message = schema.message("faults.Account").unwrap();
    let repeated = |open: &str, element: &str, close: &str| {
        let mut body = format!("{open}{}", format!("{element},").repeat(500_000 / (element.len() + 1)));
        body.pop();
        body + close
    };
    let entries: Vec<_> = (0..50_000).map(|key| format!("\"{key}\":{{}}")).collect();
    for (elements, body) in [
        ("doubles", repeated("{\"rates\":[", "0", "]}")),
        ("objects", repeated("{\"list\":[", "{}", "]}")),
        ("texts", repeated("{\"notes\":[", "\"\"", "]}")),
        ("entries", format!("{{\"children\":{{{}}}}}", entries.join(","))),
        ("what is passed over", repeated("{\"junk\":[", "0", "]}")),
        ("escapes", repeated("{\"text\":\"", "\\u00e9", "\"}")),
        ("an Any", repeated("{\"any\":{\"@type\":\"type.googleapis.com/faults.Account\",\"list\":[", "{}", "]}}")),
    ] {
        let ignored = Ignored::new(&["junk".to_owned()]);
        let body = Body { text: body.as_bytes(), field: None, ignored: &ignored };
        let most = allocation_counter::measure(|| drop(Request::new(&message).encode(Some(body)).unwrap())).bytes_max;
        assert!(most <= TIMES * body.text.len() as u64, "{elements}: {most} bytes for {}", body.text.len());
    }
}

/// A fault held up all callers of a thread while it converted what one of them had sent, or was sent.
#[test]
fn other_calls_are_answered_while_a_long_body_is_converted() {
    let doubles = 3_000_000;
    let reply = {
        // `rates`, packed.
        let mut wire = vec![9 << 3 | 2];
        prost::encoding::encode_varint(8 * doubles as u64, &mut wire);
        (0..doubles).for_each(|_| wire.extend_from_slice(&0.1_f64.to_le_bytes()));
        wire
    };
    let backend = backend(move |rpc, mut requests, replies| {
        let reply = reply.clone();
        async move {
            let message = requests.next().await.unwrap();
            let is_long = rpc == "Get" && message.ends_with(b"long");
            replies.send(if is_long { &reply } else { b"" }).await;
            replies.end("0", "").await;
        }
    });
    let config = format!(
        "upstream: {{address: \"http://{}\", reply_limit: 64MiB, deadline: 60s}}\nschema: faults.proto\nrequests: {{body_limit: 64MiB}}\n\
         json: {{limit: 256MiB}}\n",
        backend.address
    );
    let overrides = Overrides { listen: Some("127.0.0.1:0".to_owned()), ..Overrides::default() };
    let gateway = Gateway::with(&config, &overrides, Ok(schema()), None);
    let body = format!("{{\"rates\":[{}0]}}", "17976931348623158079e289,".repeat(doubles / 10));
    for (what, method, target, body) in
        [("a body", "PUT", "/accounts/1", Some(body.as_bytes())), ("a reply", "GET", "/accounts/long", None)]
    {
        let (long, longest) = beside(&gateway, |stream| {
            http::write(stream, method, target, &[JSON], body);
            let since = Instant::now();
            assert_eq!(http::head(stream).status, 200, "{what}");
            since.elapsed()
        });
        assert!(longest < long / 2, "{what} took {long:?}, and of the calls beside it one took {longest:?}");
    }
}

/// How long this took, and the longest of the calls that were made meanwhile: on several connections, so that some have the same thread.
fn beside(gateway: &Gateway, long: impl FnOnce(&mut TcpStream) -> Duration + Send) -> (Duration, Duration) {
    let mut streams: Vec<TcpStream> = (0..7).map(|_| http::connect(gateway.address)).collect();
    let small = |stream: &mut TcpStream| {
        let since = Instant::now();
        http::write(stream, "GET", "/accounts/1", &[], None);
        assert_eq!(http::read(stream).status, 200);
        since.elapsed()
    };
    for stream in &mut streams {
        small(stream);
    }
    let mut first = streams.remove(0);
    std::thread::scope(|scope| {
        let long = scope.spawn(move || long(&mut first));
        let mut longest = Duration::ZERO;
        while !long.is_finished() {
            longest = streams.iter_mut().map(small).fold(longest, Duration::max);
        }
        (long.join().unwrap(), longest)
    })
}

/// A fault read one request where the box before it read two, or the other way round.
#[test]
fn a_request_with_ambiguous_framing_is_refused_with_everything_behind_it() {
    let (backend, heard) = echoing();
    let gateway = gateway(&backend);
    let put = |account: &str, head: &str, body: &str| {
        let json = "Host: x\r\nContent-Type: application/json\r\n";
        format!("PUT /accounts/{account} HTTP/1.1\r\n{json}{head}\r\n{body}")
    };
    let ask = |head: &str, body: &str| {
        heard.lock().unwrap().clear();
        let mut stream = http::connect(gateway.address);
        let next = put("next", "Content-Length: 2\r\nConnection: close\r\n", "{}");
        let _ = stream.write_all((put("1", head, body) + &next).as_bytes());
        let answer = http::read(&mut stream);
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        let heard: Vec<_> = heard.lock().unwrap().iter().map(|(_, message)| message.clone()).collect();
        (answer.status, heard, !rest.is_empty())
    };
    let (one, next) = (b"\x0a\x011".to_vec(), b"\x0a\x04next".to_vec());
    assert_eq!(ask("Content-Length: 2\r\n", "{}"), (200, vec![one, next], true), "nothing odd: two requests");
    let chunks = "2\r\n{}\r\n0\r\n\r\n";
    for (fault, head, body, status) in [
        ("two lengths", "Content-Length: 2\r\nContent-Length: 40\r\n", "{}", 400),
        ("a length with a sign", "Content-Length: +2\r\n", "{}", 400),
        ("a length that is a list", "Content-Length: 2, 2\r\n", "{}", 400),
        ("a length and chunks", "Content-Length: 12\r\nTransfer-Encoding: chunked\r\n", chunks, 400),
        ("chunks and a length", "Transfer-Encoding: chunked\r\nContent-Length: 12\r\n", chunks, 400),
        ("another coding behind the chunks", "Transfer-Encoding: chunked, identity\r\n", chunks, 400),
        ("a coding that nobody knows", "Transfer-Encoding: xchunked\r\n", chunks, 501),
        ("a space before the colon", "Content-Length : 2\r\n", "{}", 400),
        ("a folded line", "X: a\r\n Content-Length: 2\r\n", "", 400),
        ("a size that is no hexadecimal number", "Transfer-Encoding: chunked\r\n", "0x2\r\n{}\r\n0\r\n\r\n", 400),
        ("a size beyond 64 bits", "Transfer-Encoding: chunked\r\n", "10000000000000002\r\n{}\r\n0\r\n\r\n", 400),
        ("a chunk longer than its size", "Transfer-Encoding: chunked\r\n", "2\r\n{}X\r\n0\r\n\r\n", 400),
    ] {
        assert_eq!(ask(head, body), (status, Vec::new(), false), "{fault}");
    }
    // The path of the call is the gateway's own, whatever the target looks like.
    for (target, status) in [
        ("accounts/1", 400),
        ("http:/accounts/1", 400),
        ("*", 400),
        ("http://x/accounts/1", 400),
        ("http://gateway.test/accounts/1", 200),
    ] {
        let answer = send(gateway.address, "GET", target, &[], None);
        assert_eq!(answer.status, status, "{target}");
    }
}

/// A fault compared names as C does: up to the first NUL.
#[test]
fn a_nul_character_does_not_cut_a_certificate_name_short() {
    let authority = Authority::new("the bank's").unwrap();
    for (name, reached) in [("localhost", true), ("localhost\0.bank.test", false)] {
        let identity = authority.issue(name).unwrap().identity();
        let tls = towbar::tls::server(identity, Some(&authority.trust().unwrap()), &[b"h2"]).unwrap();
        let backend = Backend::start(SampleBank::new().routes().into_axum_router(), Some(tls));
        let config = config_for(&format!("https://localhost:{}", backend.address.port()));
        let gateway = Gateway::start(&config, Some(client_tls(Some(&authority), &authority)));
        let answer = send(gateway.address, "GET", "/health-check?bank_id=iron", &[], None);
        assert_eq!(answer.status, if reached { 200 } else { 503 }, "{name:?}: {}", answer.body);
    }
}
