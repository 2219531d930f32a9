//! Long polling: the next messages of a stream as one complete array, for callers that read no streams.

use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use towbar::config::{self, Overrides};

use crate::support::http::{self, Answer};
use crate::support::raw::{Does, RawBank, Reply, frame_of};
use crate::support::talk::{self, note};
use crate::support::{Backend, Gateway};

const JSON: (&str, &str) = ("Accept", "application/json");
const POLLS: &str = "streams: {long_poll: 2s}\n";
const RESUMES: &str = "rpcs: {talk.Talk.Watch: {last_event_id: x-after}}\n";
const PATIENCE: Duration = Duration::from_secs(20);

const ONE: &str = r#"{"text":"one","number":1}"#;
const TWO: &str = r#"{"text":"two","number":2}"#;

fn notes() -> [Vec<u8>; 3] {
    [note("one", 1), note("two", 2), note("three", 3)].map(|note| frame_of(0, &note))
}

/// A backend with three notes, that sends those behind the one that it is told, all at once, and says how it ends: well, badly, or not
/// before it is given up, which it tells.
fn backend() -> (Backend, Receiver<()>) {
    let (told, given_up) = channel();
    let backend = talk::backend(move |_, mut requests, replies| {
        let told = told.clone();
        async move {
            let topic = requests.all().await.concat()[2..].to_vec();
            let seen = requests.headers.get("x-after").map_or(0, |value| value.to_str().unwrap().parse().unwrap());
            let rest = notes().into_iter().skip(seen).collect::<Vec<_>>().concat();
            if topic != b"quiet" && !rest.is_empty() {
                replies.raw(rest).await;
            }
            match topic.as_slice() {
                b"well" => replies.end("0", "").await,
                b"badly" => replies.end("9", "the topic is closed").await,
                _ => {
                    replies.given_up().await;
                    told.send(()).unwrap();
                }
            }
        }
    });
    (backend, given_up)
}

fn poll(gateway: &Gateway, topic: &str, wait: &str, last: Option<&str>) -> Answer {
    let last = last.map(|last| ("Last-Event-ID", last));
    let headers: Vec<_> = [JSON, ("Prefer", wait)].into_iter().chain(last).collect();
    http::send(gateway.address, "GET", &format!("/notes/{topic}"), &headers, None)
}

/// What an answer says beside its body: what was waited, how the stream is, how to go on.
fn said(answer: &Answer) -> [Option<&str>; 3] {
    ["preference-applied", "stream-status", "last-event-id"].map(|name| answer.header(name))
}

#[test]
fn a_poll_is_answered_with_the_messages_received_so_far_as_one_array() {
    let (backend, given_up) = backend();
    let gateway = talk::gateway(&backend, &format!("{POLLS}{RESUMES}metadata: {{reply: [x-started]}}\n"));
    let all = format!(r#"[{ONE},{TWO},{{"text":"three","number":3}}]"#);
    let two = r#"[{"text":"three","number":3}]"#;
    for (wait, last, body, applied, next) in [
        ("wait=2", None, all.as_str(), "wait=2", "3"),
        ("wait=1", Some("0"), &all, "wait=1", "3"),
        ("respond-async, wait=1", Some("2"), two, "wait=1", "3"),
        // No longer than is configured.
        ("wait=100", Some("2"), two, "wait=2", "3"),
        // Nothing comes behind the last one.
        ("wait=1", Some("3"), "[]", "wait=1", "3"),
        ("wait=100", Some("3"), "[]", "wait=2", "3"),
    ] {
        let (case, started) = (format!("{wait} {last:?}"), Instant::now());
        let answer = poll(&gateway, "open", wait, last);
        assert_eq!((answer.status, answer.body.as_str()), (200, body), "{case}");
        assert_eq!(said(&answer), [Some(applied), Some("open"), Some(next)], "{case}");
        for (name, value) in [("content-type", "application/json"), ("cache-control", "no-store")] {
            assert_eq!(answer.header(name), Some(value), "{case}");
        }
        assert_eq!(answer.header("x-started"), Some("yes"), "{case}");
        let waited = started.elapsed() >= Duration::from_millis(990);
        assert_eq!(waited, body == "[]", "{case}: {:?}", started.elapsed());
        // The call is not held for the next poll.
        given_up.recv_timeout(PATIENCE).unwrap();
    }
    let answer = poll(&gateway, "quiet", "wait=1", None);
    assert_eq!((answer.body.as_str(), said(&answer)), ("[]", [Some("wait=1"), Some("open"), Some("0")]));
    let hasty = [JSON, ("Prefer", "wait=2"), ("grpc-timeout", "300m")];
    let late = http::send(gateway.address, "GET", "/notes/quiet", &hasty, None);
    assert_eq!((late.status, late.refusal().0, said(&late)), (504, 4, [None; 3]));
    for (last, found) in [("two", "something else"), ("-1", "something else")] {
        let message =
            format!("header last-event-id: expected the id of an event, a number of at most 15 digits, got {found}");
        assert_eq!(poll(&gateway, "open", "wait=1", Some(last)).refusal(), (3, message), "{last}");
    }
}

#[test]
fn successive_polls_return_every_message_until_the_stream_ends() {
    let (backend, _given_up) = backend();
    let gateway = talk::gateway(&backend, &format!("{POLLS}{RESUMES}"));
    let (mut seen, mut last) = (Vec::new(), "0".to_owned());
    for round in 0.. {
        assert!(round < 5, "{seen:?}");
        let answer = poll(&gateway, "well", "wait=2", Some(&last));
        seen.extend(answer.json().as_array().unwrap().iter().map(|note| note["number"].as_i64().unwrap()));
        last = answer.header("last-event-id").unwrap().to_owned();
        match answer.header("stream-status") {
            Some("ended") => break,
            status => assert_eq!(status, Some("open")),
        }
    }
    assert_eq!((seen, last.as_str()), (vec![1, 2, 3], "3"));
}

#[test]
fn a_stream_error_is_the_answer_to_the_poll_after_the_last_message() {
    let (backend, _given_up) = backend();
    let gateway = talk::gateway(&backend, &format!("{POLLS}{RESUMES}"));
    let failure = (9, "the topic is closed".to_owned());
    let first = poll(&gateway, "badly", "wait=2", Some("1"));
    assert_eq!((first.status, first.json().as_array().unwrap().len()), (200, 2));
    assert_eq!(said(&first), [Some("wait=2"), Some("open"), Some("3")]);
    let second = poll(&gateway, "badly", "wait=2", Some("3"));
    assert_eq!((second.status, second.refusal(), said(&second)), (400, failure, [None; 3]));
}

/// All that the bank says arrives together.
#[test]
fn messages_that_arrive_together_share_an_answer_and_no_failure_is_lost() {
    let said_of = |code: &str, data: Vec<u8>| {
        let trailers = Some(vec![("grpc-status", code.to_owned()), ("grpc-message", "closed".to_owned())]);
        Does::Replies(Reply { head: Vec::new(), data, trailers })
    };
    let bank = RawBank::start(move |topic, _| match topic {
        "well" => said_of("0", notes()[..2].concat()),
        "nothing" => said_of("0", Vec::new()),
        "badly" => said_of("9", notes()[..2].concat()),
        "broken" => said_of("0", [notes()[0].clone(), frame_of(0, b"\xff")].concat()),
        _ => unreachable!("{topic}"),
    });
    let start = |more: &str| {
        let config =
            format!("listen: 127.0.0.1:0\nupstream: http://{}\nschema: talk.proto\n{POLLS}{more}", bank.address);
        Gateway::with(&config, &Overrides::default(), Ok(talk::schema()), None)
    };
    let (plain, resuming) = (start(""), start(RESUMES));
    let both = format!("[{ONE},{TWO}]");
    let closed = r#"{"code":9,"message":"closed"}"#;
    let broken = r#"{"code":13,"message":"a message of the backend cannot be read; the outcome of the call is unknown","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"INVALID_STREAM_MESSAGE","domain":"towbar"}]}"#;
    for (topic, gateway, status, body, said_) in [
        ("well", &plain, 200, both.as_str(), [Some("wait=1"), Some("ended"), None]),
        ("well", &resuming, 200, &both, [Some("wait=1"), Some("ended"), Some("2")]),
        ("nothing", &plain, 200, "[]", [Some("wait=1"), Some("ended"), None]),
        ("nothing", &resuming, 200, "[]", [Some("wait=1"), Some("ended"), Some("0")]),
        // Whoever begins anew would be told the messages again, and never the failure.
        ("badly", &plain, 400, closed, [None; 3]),
        ("badly", &resuming, 200, &both, [Some("wait=1"), Some("open"), Some("2")]),
        ("broken", &plain, 502, broken, [None; 3]),
        ("broken", &resuming, 200, &format!("[{ONE}]"), [Some("wait=1"), Some("open"), Some("1")]),
    ] {
        let answer = poll(gateway, topic, "wait=1", None);
        assert_eq!((answer.status, answer.body.as_str(), said(&answer)), (status, body, said_), "{topic}");
    }
}

#[test]
fn a_poll_answer_holds_only_as_many_messages_as_the_json_limit_allows() {
    let (backend, _given_up) = backend();
    // The first two together have 53 bytes.
    for (limit, bodies) in [
        (53, [format!("[{ONE},{TWO}]"), r#"[{"text":"three","number":3}]"#.to_owned()].to_vec()),
        (52, [format!("[{ONE}]"), format!("[{TWO}]"), r#"[{"text":"three","number":3}]"#.to_owned()].to_vec()),
    ] {
        let gateway = talk::gateway(&backend, &format!("{POLLS}{RESUMES}json: {{limit: {limit}}}\n"));
        let mut last = "0".to_owned();
        for body in bodies {
            let answer = poll(&gateway, "open", "wait=2", Some(&last));
            assert_eq!((answer.status, answer.body), (200, body), "{limit}");
            last = answer.headers.iter().find(|(name, _)| name == "last-event-id").unwrap().1.clone();
        }
        assert_eq!(last, "3");
    }
    let gateway = talk::gateway(&backend, &format!("{POLLS}{RESUMES}json: {{limit: 24}}\n"));
    assert_eq!(poll(&gateway, "open", "wait=2", None).status, 502);
}

#[test]
fn long_polling_applies_only_where_enabled_and_requested() {
    let (backend, _given_up) = backend();
    let (polls, none) = (talk::gateway(&backend, POLLS), talk::gateway(&backend, ""));
    let (ndjson, sse) = (("Accept", "application/x-ndjson"), ("Accept", "text/event-stream"));
    for (gateway, headers) in [
        (&none, &[JSON, ("Prefer", "wait=1")][..]),
        (&polls, &[JSON]),
        (&polls, &[JSON, ("Prefer", "wait=0")]),
        (&polls, &[JSON, ("Prefer", "wait=soon")]),
        (&polls, &[JSON, ("Prefer", "respond-async")]),
        (&polls, &[ndjson, ("Prefer", "wait=1")]),
        (&polls, &[sse, ("Prefer", "wait=1")]),
    ] {
        let streamed = talk::send(gateway, "GET", "/notes/well", headers, None);
        assert_eq!((streamed.answer.status, streamed.is_whole), (200, true), "{headers:?}");
        assert_eq!(streamed.answer.header("transfer-encoding"), Some("chunked"), "{headers:?}");
        assert_eq!(said(&streamed.answer), [None; 3], "{headers:?}");
        assert!(streamed.answer.body.contains("three"), "{headers:?}");
    }
}

#[test]
fn long_poll_must_be_a_whole_number_of_seconds() {
    let text = "upstream: http://127.0.0.1:1\nschema: talk.proto\nstreams: {long_poll: 1500ms}\n";
    let (_, problems) = config::load_text(text, Path::new("towbar.yaml"), &Overrides::default());
    let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems, ["towbar.yaml:3:22: long_poll: expected whole seconds, such as `30s`, found `1500ms`"]);
}
