//! HEAD and OPTIONS, and the headers by which some gateways let a caller say another method.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tonic::{Response, Status};
use towbar::cli::demo::generated::io::token::proto::bankapi::HealthCheckResponse;

use crate::support::http::{self, Answer};
use crate::support::{Stage, health};

const TARGET: &str = "/health-check?bank_id=iron";

/// A bank that counts its calls: SERVING, but for the bank `lead`.
fn counting() -> (Stage, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    let stage = Stage::of(health(move |request| {
        counter.fetch_add(1, Ordering::SeqCst);
        let known = request.get_ref().bank_id != "lead";
        async move {
            let reply = HealthCheckResponse { status: 1 };
            if known { Ok(Response::new(reply)) } else { Err(Status::not_found("no such bank")) }
        }
    }));
    (stage, calls)
}

/// Headers but for the time of the answer.
fn lasting(answer: &Answer) -> Vec<&(String, String)> {
    let mut headers: Vec<_> = answer.headers.iter().filter(|(name, _)| name != "date").collect();
    headers.sort();
    headers
}

#[test]
fn head_is_answered_like_get_without_a_body() {
    let (stage, calls) = counting();
    for (target, status) in [
        (TARGET, 200),
        ("/health-check?bank_id=lead", 404),
        ("/health-check?colour=red", 400),
        ("/nope", 404),
        ("/health-check/../x", 400),
    ] {
        let got = stage.get(target);
        let calls_before = calls.load(Ordering::SeqCst);
        let head = stage.send("HEAD", target, &[], None);
        assert_eq!((head.status, head.body.as_str()), (status, ""), "{target}");
        assert_eq!(lasting(&head), lasting(&got), "{target}");
        assert_eq!(head.header("content-length"), Some(got.body.len().to_string().as_str()), "{target}");
        let called = usize::from(target.contains("bank_id"));
        assert_eq!(calls.load(Ordering::SeqCst) - calls_before, called, "{target}");
    }
}

#[test]
fn a_connection_stays_open_after_head_and_options() {
    let (stage, _) = counting();
    let mut stream = http::connect(stage.address());
    for (method, status) in
        [("HEAD", 200), ("OPTIONS", 204), ("GET", 200), ("OPTIONS", 204), ("HEAD", 200), ("GET", 200)]
    {
        http::write(&mut stream, method, TARGET, &[], None);
        assert_eq!(http::read_for(&mut stream, method).status, status, "{method}");
    }
}

#[test]
fn options_lists_the_methods_of_a_path_without_calling_the_backend() {
    let (stage, calls) = counting();
    for (target, allow) in [
        (TARGET, "GET, HEAD, OPTIONS"),
        ("/storage/k", "DELETE, GET, HEAD, OPTIONS, PUT"),
        ("/notifications", "OPTIONS, POST"),
        ("*", "DELETE, GET, HEAD, OPTIONS, POST, PUT"),
    ] {
        let answer = stage.send("OPTIONS", target, &[], None);
        assert_eq!((answer.status, answer.body.as_str()), (204, ""), "{target}");
        assert_eq!(answer.header("allow"), Some(allow), "{target}");
        assert_eq!(answer.header("content-type"), None, "{target}");
    }
    assert_eq!(stage.send("OPTIONS", "/nope", &[], None).status, 404);
    assert_eq!(calls.load(Ordering::SeqCst), 0);
}

// CVE-2026-37236: a method that a header names was never judged by the WAF in front. So with paths.
#[test]
fn no_header_changes_method_or_path() {
    let (stage, calls) = counting();
    for (name, value) in [
        ("X-HTTP-Method-Override", "GET"),
        ("X-HTTP-Method", "GET"),
        ("X-Method-Override", "GET"),
        ("X-Original-URL", TARGET),
        ("X-Rewrite-URL", TARGET),
        ("X-Forwarded-Prefix", TARGET),
    ] {
        let answer = stage.send("POST", "/health-check?bank_id=iron&_method=GET", &[(name, value)], Some(b""));
        assert_eq!(answer.status, 405, "{name}");
        let answer = stage.send("GET", "/nope", &[(name, value)], None);
        assert_eq!(answer.status, 404, "{name}");
    }
    assert_eq!(calls.load(Ordering::SeqCst), 0);
}
