//! How long a call may take, who says so, and what a caller is told when the time is over.

use std::io::Write as _;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use axum::Router;
use tonic::{Response, Status};
use towbar::cli::demo::generated::io::token::proto::bankapi::HealthCheckResponse;

use crate::support::http::{connect, read};
use crate::support::talk;
use crate::support::{Stage, assert_refused, assert_reply, health, replaced};

const TARGET: &str = "/health-check?bank_id=iron";
const RPC: &str = "rpcs:\n  io.token.proto.bankapi.HealthCheckService.HealthCheck:\n";

/// A bank that never answers.
fn mute() -> Router {
    health(|_| std::future::pending::<Result<Response<HealthCheckResponse>, Status>>())
}

/// A bank that tells the `grpc-timeout` of its calls.
fn recording() -> (Router, Receiver<String>) {
    let (told, timeouts) = channel();
    let bank = health(move |request| {
        let timeout = request.metadata().get("grpc-timeout").unwrap().to_str().unwrap().to_owned();
        told.send(timeout).unwrap();
        async { Ok(Response::new(HealthCheckResponse::default())) }
    });
    (bank, timeouts)
}

/// The deadlines of the gateway and of the one rpc, and a header for callers.
fn with_deadlines(config: String, gateways: &str, routes: Option<&str>) -> String {
    let config = replaced(config, "deadline: 25s", &format!("deadline: {gateways}"));
    let config = replaced(config, "requests:\n", "requests:\n  timeout_header: x-request-timeout\n");
    match routes {
        Some(deadline) => replaced(config, "rpcs:\n", &format!("{RPC}    deadline: {deadline}\n")),
        None => config,
    }
}

fn refusal(message: &str) -> String {
    serde_json::json!({ "code": 4, "message": message }).to_string()
}

#[test]
fn a_504_names_the_timeout_that_expired() {
    let caller = "the caller's timeout of";
    for (gateways, routes, headers, whose) in [
        ("200ms", None, vec![], "the gateway's deadline of 200ms".to_owned()),
        ("25s", Some("200ms"), vec![], "the route's deadline of 200ms".to_owned()),
        // The route's stands in place of the gateway's, be it shorter or longer.
        ("100ms", Some("300ms"), vec![], "the route's deadline of 300ms".to_owned()),
        ("25s", None, vec![("grpc-timeout", "200m")], format!("{caller} 200ms (grpc-timeout)")),
        ("25s", None, vec![("Grpc-Timeout", "150000u")], format!("{caller} 150ms (grpc-timeout)")),
        ("25s", Some("1m"), vec![("grpc-timeout", "1n")], format!("{caller} 1ns (grpc-timeout)")),
        ("25s", None, vec![("X-Request-Timeout", "200ms")], format!("{caller} 200ms (x-request-timeout)")),
        ("25s", None, vec![("X-Request-Timeout", "0.25")], format!("{caller} 250ms (x-request-timeout)")),
        // Of two the shorter holds.
        (
            "25s",
            None,
            vec![("grpc-timeout", "200m"), ("x-request-timeout", "10")],
            format!("{caller} 200ms (grpc-timeout)"),
        ),
        (
            "25s",
            None,
            vec![("grpc-timeout", "99999999H"), ("x-request-timeout", "200ms")],
            format!("{caller} 200ms (x-request-timeout)"),
        ),
        // A caller has no more than it is given.
        ("200ms", None, vec![("grpc-timeout", "99999999H")], "the gateway's deadline of 200ms".to_owned()),
        ("25s", Some("200ms"), vec![("x-request-timeout", "999999999h")], "the route's deadline of 200ms".to_owned()),
    ] {
        let stage = Stage::altered(mute(), |config| with_deadlines(config, gateways, routes));
        // A connection is there already, so that the call is sent.
        let _ = stage.send("GET", TARGET, &[("grpc-timeout", "1m")], None);
        let late = refusal(&format!("the backend did not answer within {whose}; the outcome of the call is unknown"));
        let unsent = refusal(&format!("there was no connection to the backend within {whose}; the call was not sent"));
        let answer = stage.send("GET", TARGET, &headers, None);
        let body = if answer.body_and_reason().0 == unsent { unsent } else { late };
        assert_refused(&answer, 504, &body, &format!("{gateways} {routes:?} {headers:?}"));
    }
}

#[test]
fn a_504_says_when_the_backend_itself_answered_deadline_exceeded() {
    for (message, told) in [
        ("too slow", "the backend answered DEADLINE_EXCEEDED: too slow"),
        ("", "the backend answered DEADLINE_EXCEEDED"),
    ] {
        let bank = health(move |_| async move { Err(Status::deadline_exceeded(message)) });
        assert_refused(&Stage::of(bank).get(TARGET), 504, &refusal(told), message);
    }
}

#[test]
fn a_408_names_the_timeout_that_expired() {
    let head = "POST /notifications HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n";
    for (header, whose) in [
        ("", "the gateway's deadline of 300ms"),
        ("grpc-timeout: 100m\r\n", "the caller's timeout of 100ms (grpc-timeout)"),
    ] {
        let stage = Stage::altered(mute(), |config| with_deadlines(config, "300ms", None));
        let mut stream = connect(stage.address());
        stream.write_all(format!("{head}{header}\r\n{{").as_bytes()).unwrap();
        assert_refused(&read(&mut stream), 408, &refusal(&format!("the body did not arrive within {whose}")), header);
    }
}

#[test]
fn the_backend_gets_the_shortest_timeout_as_grpc_timeout() {
    for (headers, most) in [
        (vec![], 20_000),
        (vec![("grpc-timeout", "10S")], 10_000),
        (vec![("x-request-timeout", "5")], 5_000),
        (vec![("grpc-timeout", "10S"), ("x-request-timeout", "5s")], 5_000),
        (vec![("grpc-timeout", "1H")], 20_000),
    ] {
        let (bank, timeouts) = recording();
        let stage = Stage::altered(bank, |config| with_deadlines(config, "20s", None));
        assert_reply(&stage.send("GET", TARGET, &headers, None), "{}", &format!("{headers:?}"));
        let timeout = timeouts.recv().unwrap();
        let milliseconds: u32 = timeout.strip_suffix('m').unwrap().parse().unwrap();
        assert!((most - 4_000..=most).contains(&milliseconds), "{headers:?}: {timeout}");
    }
}

/// The time of a call begins with its request; what the body takes of it the bank does not have.
#[test]
fn the_grpc_timeout_sent_is_the_time_left_after_reading_the_body() {
    const LATE: Duration = Duration::from_millis(700);
    let (told, timeouts) = channel();
    let backend = talk::backend(move |_, mut requests, replies| {
        told.send(requests.headers["grpc-timeout"].to_str().unwrap().to_owned()).unwrap();
        async move {
            let _ = requests.all().await;
            replies.send(&talk::note("got", 0)).await;
            replies.end("0", "").await;
        }
    });
    let gateway = talk::gateway(&backend, "rpcs: {talk.Talk.Ask: {deadline: 20s}}");
    for (header, most) in [("", 20_000), ("grpc-timeout: 10S\r\n", 10_000), ("grpc-timeout: 99999999H\r\n", 20_000)] {
        let mut stream = connect(gateway.address);
        let head = "POST /ask HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n";
        stream.write_all(format!("{head}{header}\r\n{{").as_bytes()).unwrap();
        std::thread::sleep(LATE);
        stream.write_all(b"}").unwrap();
        assert_eq!(read(&mut stream).status, 200, "{header}");
        let timeout = timeouts.recv().unwrap();
        let milliseconds: u32 = timeout.strip_suffix('m').unwrap().parse().unwrap();
        // The gateway may read the head a little later than it was written.
        assert!((most - 4_000..=most - 600).contains(&milliseconds), "{header}: {timeout}");
    }
}

#[test]
fn an_invalid_or_repeated_timeout_header_is_refused() {
    let (bank, timeouts) = recording();
    let stage = Stage::altered(bank, |config| with_deadlines(config, "20s", None));
    let grpc = "expected 1 to 8 digits and a unit (H, M, S, m, u or n), greater than zero";
    let plain = "expected a duration such as 500ms, 25s, 1m or 2.5 (seconds), greater than zero";
    for (name, value, expected, found) in [
        ("grpc-timeout", "5", grpc, "\"5\""),
        ("grpc-timeout", "", grpc, "\"\""),
        ("grpc-timeout", "0S", grpc, "\"0S\""),
        ("grpc-timeout", "123456789n", grpc, "\"123456789n\""),
        ("grpc-timeout", "-1S", grpc, "\"-1S\""),
        ("grpc-timeout", "5s", grpc, "\"5s\""),
        ("x-request-timeout", "0", plain, "\"0\""),
        ("x-request-timeout", "soon", plain, "\"soon\""),
        ("x-request-timeout", "1e9", plain, "\"1e9\""),
    ] {
        let message = format!("header {name}: {expected}, got {found}");
        let body = serde_json::json!({ "code": 3, "message": message }).to_string();
        assert_refused(&stage.send("GET", TARGET, &[(name, value)], None), 400, &body, value);
    }
    for name in ["grpc-timeout", "x-request-timeout"] {
        let body = format!(r#"{{"code":3,"message":"header {name}: repeated, but it takes only one value"}}"#);
        let headers = if name == "grpc-timeout" { [(name, "5S"), (name, "5S")] } else { [(name, "5s"), (name, "6s")] };
        assert_refused(&stage.send("GET", TARGET, &headers, None), 400, &body, name);
    }
    assert!(timeouts.try_recv().is_err(), "the refused calls did not reach the bank");
}
