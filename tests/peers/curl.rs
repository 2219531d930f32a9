//! The lines that `towbar curl` prints, run as they stand: the real curl, a real gateway, and the messages that its backend gets.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use towbar::codec::{self, Body, Ignored, Print, Request};

use crate::support::folder::Folder;
use crate::support::process::Ended;
use crate::support::programs::{Package, installed};
use crate::support::talk::{backend, gateway_of, note, schema_of};
use crate::support::{Backend, Gateway};

/// An rpc of every kind of call and of body.
const PROTO: &str = r#"
syntax = "proto3";
package talk;
import "google/api/annotations.proto";
import "google/api/httpbody.proto";
message Note { string topic = 1; string text = 2; int32 number = 3; repeated string tags = 4; }
message Piece { string name = 1; google.api.HttpBody content = 2; int32 number = 3; }
service Talk {
  rpc One(Note) returns (Note) { option (google.api.http) = { put: "/notes/{topic}" body: "*" }; }
  rpc Watch(Note) returns (stream Note) { option (google.api.http) = { get: "/notes/{topic}" }; }
  rpc Ask(Note) returns (stream Note) { option (google.api.http) = { post: "/ask" body: "*" }; }
  rpc Collect(stream Note) returns (Note) { option (google.api.http) = { post: "/notes/{topic}" body: "*" }; }
  rpc Tag(stream Note) returns (Note) { option (google.api.http) = { post: "/tags/{topic}" body: "tags" }; }
  rpc Tell(stream Note) returns (Note) { option (google.api.http) = { get: "/tell/{topic}" }; }
  rpc Chat(stream Note) returns (stream Note) { option (google.api.http) = { post: "/chat" body: "*" }; }
  rpc Put(Piece) returns (Note) { option (google.api.http) = { put: "/files/{name}" body: "content" }; }
  rpc Upload(stream Piece) returns (Note) { option (google.api.http) = { post: "/files/{name}" body: "content" }; }
}
"#;

/// A backend that notes every call, and answers it with one message; a gateway; and the command.
struct Printer {
    folder: Folder,
    _backend: Backend,
    gateway: Gateway,
    calls: Arc<Mutex<Vec<Call>>>,
}

/// An rpc and its messages.
type Call = (String, Vec<Vec<u8>>);

impl Printer {
    fn new() -> Self {
        let calls = Arc::new(Mutex::new(Vec::new()));
        let noting = calls.clone();
        let backend = backend(move |rpc, mut requests, replies| {
            let noting = noting.clone();
            async move {
                let messages = requests.all().await;
                noting.lock().unwrap().push((rpc, messages));
                replies.send(&note("got", 1)).await;
                replies.end("0", "").await;
            }
        });
        let gateway = gateway_of(schema_of(PROTO), &backend, "");
        let folder = Folder::new();
        folder.write("talk.proto", PROTO);
        Self { folder, _backend: backend, gateway, calls }
    }

    fn print(&self, rpc: &str, json: &str) -> Ended {
        let base = format!("http://{}", self.gateway.address);
        self.folder.run(&["curl", "--proto", "talk.proto", "--base", &base, rpc, json])
    }
}

/// What a JSON text says, and so what a message does, whatever the order of its fields.
fn canonical(message: &str, text: &str) -> String {
    let input = schema_of(PROTO).message(message).unwrap();
    let body = Body { text: text.as_bytes(), field: None, ignored: &Ignored::default() };
    decoded(message, &Request::new(&input).encode(Some(body)).unwrap())
}

fn decoded(message: &str, wire: &[u8]) -> String {
    let json = codec::reply(&schema_of(PROTO).message(message).unwrap(), wire, &Print::default()).unwrap();
    String::from_utf8(json).unwrap()
}

#[test]
fn the_printed_curl_command_sends_the_given_messages_for_every_kind_of_call() {
    if installed("curl", Package::Debian("curl")).is_none() {
        return;
    }
    let printer = Printer::new();
    let base = format!("http://{}", printer.gateway.address);
    let json = "-H 'Content-Type: application/json' -d";
    let lines = "-H 'Content-Type: application/x-ndjson' -d";
    let (one, stream) =
        (r#"{"text":"got","number":1}"#, "{\"result\":{\"text\":\"got\",\"number\":1}}\n{\"status\":{\"code\":0}}\n");
    for (rpc, message, texts, line, answer) in [
        (
            "One",
            "Note",
            &[r#"{"topic":"t","text":"it's"}"#][..],
            format!(r#"curl -X PUT {json} '{{"text":"it'\''s"}}' '{base}/notes/t'"#),
            one,
        ),
        ("Watch", "Note", &[r#"{"topic":"t","number":7}"#], format!("curl -N '{base}/notes/t?number=7'"), stream),
        ("Ask", "Note", &[r#"{"number":7}"#], format!(r#"curl -N {json} '{{"number":7}}' '{base}/ask'"#), stream),
        (
            "Collect",
            "Note",
            &[r#"{"topic":"t","number":7}"#],
            format!(r#"curl {lines} '{{"number":7}}' '{base}/notes/t'"#),
            one,
        ),
        (
            "Collect",
            "Note",
            &[r#"{"topic":"t","number":7}"#, r#"{"topic":"t"}"#, r#"{"topic":"t","text":"a\nb"}"#],
            format!("curl {lines} '{{\"number\":7}}\n{{}}\n{{\"text\":\"a\\nb\"}}' '{base}/notes/t'"),
            one,
        ),
        // As JSON this would be two messages.
        (
            "Tag",
            "Note",
            &[r#"{"topic":"t","tags":["a","b"]}"#],
            format!(r#"curl {lines} '["a","b"]' '{base}/tags/t'"#),
            one,
        ),
        ("Tell", "Note", &[r#"{"topic":"t","number":7}"#], format!("curl '{base}/tell/t?number=7'"), one),
        (
            "Chat",
            "Note",
            &[r#"{"topic":"t"}"#, r#"{"topic":"u"}"#],
            format!("curl -N {lines} '{{\"topic\":\"t\"}}\n{{\"topic\":\"u\"}}' '{base}/chat'"),
            stream,
        ),
        (
            "Put",
            "Piece",
            &[r#"{"name":"n","content":{"contentType":"text/plain","data":"QGE="},"number":7}"#],
            format!("curl -X PUT -H 'Content-Type: text/plain' --data-raw '@a' '{base}/files/n?number=7'"),
            one,
        ),
        (
            "Put",
            "Piece",
            &[r#"{"name":"n","content":{"data":"AP9h"}}"#],
            format!(r"printf '\000\377a' | curl -X PUT -H 'Content-Type:' --data-binary @- '{base}/files/n'"),
            one,
        ),
        (
            "Upload",
            "Piece",
            &[r#"{"name":"n","content":{"contentType":"text/plain"}}"#],
            format!("curl -H 'Content-Type: text/plain' --data-raw '' '{base}/files/n'"),
            one,
        ),
    ] {
        let printed = printer.print(rpc, &texts.join(" "));
        assert_eq!((printed.stdout.as_str(), printed.stderr.as_str()), (format!("{line}\n").as_str(), ""), "{rpc}");
        let script = printed.stdout.replace("curl ", "curl --silent --show-error --noproxy '*' ");
        let ran = Command::new("sh").args(["-c", &script]).output().unwrap();
        let answered = String::from_utf8(ran.stdout).unwrap();
        assert_eq!((answered.as_str(), String::from_utf8(ran.stderr).unwrap().as_str()), (answer, ""), "{line}");
        let calls = std::mem::take(&mut *printer.calls.lock().unwrap());
        let [(called, messages)] = calls.as_slice() else { panic!("{line}: {calls:?}") };
        let name = format!("talk.{message}");
        let got: Vec<String> = messages.iter().map(|wire| decoded(&name, wire)).collect();
        let meant: Vec<String> = texts.iter().map(|text| canonical(&name, text)).collect();
        assert_eq!((called.as_str(), got), (rpc, meant), "{line}");
    }
}

#[test]
fn messages_that_no_curl_command_can_send_are_refused_with_the_reason() {
    let printer = Printer::new();
    for (rpc, texts, reason) in [
        (
            "Collect",
            r#"{"topic":"t"} {"topic":"u"}"#,
            "POST /notes/{topic}: in message 2: its path and query differ from those of the first message",
        ),
        (
            "Collect",
            r#"[{"topic":"t"},{"topic":7}]"#,
            "in message 2: the JSON is not a valid talk.Note: field \"topic\": expected a string, got 7; put it in quotes: \"7\" (line 1, column 10)",
        ),
        (
            "Collect",
            r#"{"topic":"t"} {}"#,
            "POST /notes/{topic}: in message 2: field \"topic\" is empty, but a path segment cannot be empty",
        ),
        (
            "Tell",
            r#"{"topic":"t"} {"topic":"t"}"#,
            "GET /tell/{topic}: a request without a body can carry only one message",
        ),
        (
            "Upload",
            r#"{"name":"n","content":{"data":"YQ=="}} {"name":"n","content":{"data":"YQ=="}}"#,
            "POST /files/{name}: a raw body can carry only one message",
        ),
        ("Upload", r#"{"name":"n"}"#, "POST /files/{name}: field \"content\" is not set, but the request would set it"),
        (
            "Put",
            r#"{"name":"n","content":{"contentType":"a\r\nb: c","data":"YQ=="}}"#,
            "PUT /files/{name}: field \"content.content_type\" is not a valid header value",
        ),
        (
            "Put",
            r#"{"name":"n","content":{"contentType":"text/plain"}}"#,
            "PUT /files/{name}: field \"content.content_type\" would be lost",
        ),
        (
            "One",
            r#"{"topic":"t"} {"topic":"t"}"#,
            "the JSON is not a valid talk.Note: the body: expected the end of the body, got `{` (line 1, column 15)",
        ),
    ] {
        let Ended { code, stdout, stderr } = printer.print(rpc, texts);
        assert_eq!((code, stdout.as_str(), stderr), (Some(1), "", format!("towbar: {reason}\n")), "{rpc} {texts}");
    }
}

/// Whoever watches a stream sees each message when it comes.
#[test]
fn curl_shows_a_message_before_the_stream_ends() {
    if installed("curl", Package::Debian("curl")).is_none() {
        return;
    }
    let (go_on, waiting) = mpsc::channel::<()>();
    let waiting = Arc::new(Mutex::new(waiting));
    let backend = backend(move |_, _, replies| {
        let waiting = waiting.clone();
        async move {
            replies.send(&note("one", 1)).await;
            while waiting.lock().unwrap().try_recv().is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            replies.end("0", "").await;
        }
    });
    let gateway = gateway_of(schema_of(PROTO), &backend, "");
    let folder = Folder::new();
    folder.write("talk.proto", PROTO);
    let base = format!("http://{}", gateway.address);
    let printed = folder.run(&["curl", "--proto", "talk.proto", "--base", &base, "Watch", r#"{"topic":"t"}"#]);
    let script = printed.stdout.replace("curl ", "curl --silent --noproxy '*' --max-time 30 ");
    let mut shell = Command::new("sh").args(["-c", &script]).stdout(Stdio::piped()).spawn().unwrap();
    let mut shown = BufReader::new(shell.stdout.take().unwrap());
    let (mut line, mut rest) = (String::new(), String::new());
    shown.read_line(&mut line).unwrap();
    assert_eq!(line, "{\"result\":{\"text\":\"one\",\"number\":1}}\n");
    go_on.send(()).unwrap();
    shown.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "{\"status\":{\"code\":0}}\n");
    assert!(shell.wait().unwrap().success());
}
