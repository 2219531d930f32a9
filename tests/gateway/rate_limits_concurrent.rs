//! Limits of requests in progress: each is counted until the last byte of its answer, whatever ends it.

use std::thread;
use std::time::Duration;

use ::http::uri::PathAndQuery;
use tonic::Request;
use towbar::config::Overrides;

use crate::support::bank::wait_until;
use crate::support::http::{self, Answer};
use crate::support::raw::{Does, RawBank};
use crate::support::talk::{self, Replies, Requests, backend, note, schema};
use crate::support::{Backend, Gateway, grpc, socket};

const REJECTED: &str = r#"{"code":8,"message":"the limit each allows 2 requests in progress at one time; the call was not sent; send the request again when another has been answered","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"CONCURRENCY_LIMITED","domain":"towbar"},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"1s"}]}"#;

fn read(gateway: &Gateway, id: &str) -> Answer {
    http::get(gateway.address, &format!("/transfers?transfer_id={id}"))
}

fn before(bank: &RawBank, more: &str) -> Gateway {
    Gateway::start(&format!("schema: proto\nupstream: {}\n{more}", bank.url()), None)
}

#[test]
fn a_request_over_the_concurrency_limit_gets_429_and_each_answer_makes_room() {
    let bank = RawBank::start(|id, _| if id == "slow" { Does::Slow(Duration::from_secs(2)) } else { Does::Answers });
    let gateway = before(&bank, "limits: {each: {by: address, concurrent: 2}}\n");
    thread::scope(|scope| {
        let slow = [0; 2].map(|_| scope.spawn(|| read(&gateway, "slow").status));
        wait_until("two calls", || bank.count("slow").seen == 2);
        let answer = read(&gateway, "quick");
        assert_eq!((answer.status, answer.body.as_str()), (429, REJECTED));
        let headers = ["retry-after", "ratelimit", "ratelimit-policy"].map(|name| answer.header(name));
        assert_eq!(headers, [Some("1"), None, None]);
        assert_eq!(slow.map(|slow| slow.join().unwrap()), [200, 200]);
    });
    assert_eq!((read(&gateway, "quick").status, bank.count("quick").seen), (200, 1));
}

#[test]
fn a_caller_with_one_request_at_a_time_is_never_above_a_limit_of_one() {
    let backend = backend(|_, mut requests, replies| async move {
        requests.all().await;
        replies.send(&note("ok", 1)).await;
        replies.end("0", "").await;
    });
    let gateway = over(&backend, "limits: {each: {by: address, concurrent: 1}}\n");
    let mut stream = http::connect(gateway.address);
    for number in 0..200 {
        http::write(&mut stream, "POST", "/ask", &[("Content-Type", "application/json")], Some(b"{}"));
        assert_eq!(http::read(&mut stream).status, 200, "{number}");
    }
    let runtime = grpc::runtime();
    let mut client = runtime.block_on(grpc::tonic_client(gateway.address));
    runtime.block_on(async {
        for number in 0..200 {
            client.ready().await.unwrap();
            let (request, path) = (Request::new(Vec::new()), PathAndQuery::from_static("/talk.Talk/Ask"));
            let answer = client.unary(request, path, grpc::Plain).await;
            assert!(answer.is_ok(), "{number}: {answer:?}");
        }
    });
}

#[test]
fn what_the_concurrency_limit_rejects_the_rate_does_not_count() {
    let bank = RawBank::start(|id, _| if id == "slow" { Does::Slow(Duration::from_secs(2)) } else { Does::Answers });
    let gateway = before(&bank, "limits: {each: {rate: 1/h, burst: 3, concurrent: 1}}\n");
    thread::scope(|scope| {
        let slow = scope.spawn(|| read(&gateway, "slow").status);
        wait_until("a call", || bank.count("slow").seen == 1);
        assert_eq!([0; 4].map(|_| read(&gateway, "quick").status), [429; 4]);
        assert_eq!(slow.join().unwrap(), 200);
    });
    assert_eq!([0; 3].map(|_| read(&gateway, "quick").status), [200, 200, 429]);
}

#[test]
fn a_concurrency_limit_in_report_mode_rejects_nothing() {
    let bank = RawBank::start(|id, _| if id == "slow" { Does::Slow(Duration::from_secs(1)) } else { Does::Answers });
    let gateway = before(&bank, "limits: {each: {concurrent: 1, mode: report}}\n");
    thread::scope(|scope| {
        let slow = scope.spawn(|| read(&gateway, "slow").status);
        wait_until("a call", || bank.count("slow").seen == 1);
        assert_eq!((read(&gateway, "quick").status, slow.join().unwrap()), (200, 200));
    });
}

#[test]
fn a_request_whose_caller_has_gone_makes_room_when_its_call_ends() {
    let bank = RawBank::start(|id, _| if id == "hangs" { Does::Hangs } else { Does::Answers });
    let gateway = before(&bank, "requests: {caller_gone: cancel}\nlimits: {each: {concurrent: 1}}\n");
    for round in 1..=3 {
        let mut stream = http::connect(gateway.address);
        http::write(&mut stream, "GET", "/transfers?transfer_id=hangs", &[], None);
        wait_until("a call", || bank.count("hangs").seen == round);
        assert_eq!(read(&gateway, "quick").status, 429, "{round}");
        drop(stream);
        wait_until("room", || read(&gateway, "quick").status == 200);
    }
}

/// Sends two messages, and no end.
async fn endless(_rpc: String, _requests: Requests, replies: Replies) {
    replies.send(&note("one", 1)).await;
    replies.given_up().await;
}

fn over(backend: &Backend, more: &str) -> Gateway {
    let config = format!(
        "listen: {{address: '127.0.0.1:0', protocols: [rest, grpc]}}\nupstream: http://{}\nschema: talk.proto\n{more}",
        backend.address
    );
    Gateway::with(&config, &Overrides::default(), Ok(schema()), None)
}

#[test]
fn streams_and_websockets_count_as_long_as_they_are_open() {
    let backend = backend(endless);
    let gateway = over(&backend, "limits: {each: {concurrent: 1}}\nrpcs: {talk.Talk.Chat: {websocket: {}}}\n");
    let ask = || {
        let mut stream = http::connect(gateway.address);
        http::write(&mut stream, "GET", "/notes/t", &[], None);
        let reader = talk::Reader::new(stream);
        (reader.answer.status, reader)
    };
    let (status, stream) = ask();
    assert_eq!((status, ask().0), (200, 429));
    assert_eq!(socket::open(gateway.address, "/chat", &[]).map(drop).unwrap_err().status, 429);
    drop(stream);
    wait_until("room after a stream", || ask().0 == 200);
    let mut open = None;
    wait_until("room for a WebSocket", || {
        open = socket::open(gateway.address, "/chat", &[]).ok();
        open.is_some()
    });
    assert_eq!(ask().0, 429);
    drop(open);
    wait_until("room after a WebSocket", || ask().0 == 200);
}

#[test]
fn the_documented_limit_of_requests_in_progress_gives_the_documented_answer() {
    let page = include_str!("../../docs/limits.md").split("## Limit requests in progress").nth(1).unwrap();
    let block = |mark| page.split(mark).nth(1).unwrap().split("```").next().unwrap();
    let (config, shown) = (block("```yaml\n"), block("```http\n"));
    let bank = RawBank::start(|id, _| if id == "slow" { Does::Slow(Duration::from_secs(2)) } else { Does::Answers });
    let config = config.replace("http://127.0.0.1:9000", &bank.url()).replace("127.0.0.1:8080", "127.0.0.1:0");
    let gateway = Gateway::start(&config, None);
    thread::scope(|scope| {
        let slow = scope.spawn(|| read(&gateway, "slow").status);
        wait_until("a call", || bank.count("slow").seen == 1);
        let answer = read(&gateway, "quick");
        let (head, body) = shown.split_once("\n\n").unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (429, body.trim_end()));
        assert!(head.contains(&format!("retry-after: {}", answer.header("retry-after").unwrap())));
        assert_eq!(slow.join().unwrap(), 200);
    });
}
