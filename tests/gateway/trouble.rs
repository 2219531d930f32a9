//! A bank in trouble: each call gets one JSON answer that is true, and no payment is made twice. docs/reliability.md.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use towbar::config::Overrides;

use crate::support;
use crate::support::http::{self, Answer};
use crate::support::pay::{four_gibibytes, gateway, gateway_within, in_parallel, long_message, paid, pay, pay_on};
use crate::support::raw::{CANCEL, Does, INTERNAL_ERROR, RawBank, Reply};
use crate::support::talk::{self, note};
use crate::support::{Gateway, assert_refused, assert_reply};

const LOST: &str =
    r#"{"code":2,"message":"the connection to the backend was lost during the call; its outcome is unknown"}"#;
const WITHOUT_STATUS: &str =
    r#"{"code":2,"message":"the backend's answer cannot be read; the outcome of the call is unknown"}"#;
const LATE: &str = r#"{"code":4,"message":"the backend did not answer within the gateway's deadline of 400ms; the outcome of the call is unknown"}"#;
const LARGE: &str = r#"{"code":8,"message":"the backend's reply is larger than the limit of 4194304 bytes"}"#;

#[test]
fn whatever_the_backend_does_each_call_gets_one_answer_and_the_next_is_served() {
    let cut_message =
        format!(r#"{{"code":9,"message":"{}... (cut: the first 4096 bytes of 1100000)"}}"#, "x".repeat(4096));
    let cases: Vec<(&str, Does, u16, &str)> = vec![
        ("it is slow", Does::Slow(Duration::from_millis(100)), 200, ""),
        ("it hangs", Does::Hangs, 504, LATE),
        ("half a reply, then RST_STREAM", Does::Half, 502, LOST),
        ("half a reply, then the end", Does::HalfAndCuts, 502, LOST),
        ("RST_STREAM, INTERNAL_ERROR", Does::Resets(INTERNAL_ERROR), 502, LOST),
        ("RST_STREAM, CANCEL", Does::Resets(CANCEL), 502, LOST),
        ("the end of the connection", Does::Cuts, 502, LOST),
        ("a TCP reset", Does::Kills, 502, LOST),
        ("the end without close_notify", Does::CutsBare, 502, LOST),
        ("half a TLS record, then the end", Does::CutsWithin, 502, LOST),
        ("a fatal TLS alert", Does::Alerts, 502, LOST),
        ("bytes that are no HTTP/2", Does::Babbles, 502, LOST),
        ("GOAWAY, the call is its last, and the end", Does::GoesAwayAfter, 502, LOST),
        ("GOAWAY, the call is its last, and an answer", Does::GoesAwayAndAnswers, 200, ""),
        ("GOAWAY that names no stream", Does::Drains, 200, ""),
        ("trailers without a status", Reply::without_status(), 502, WITHOUT_STATUS),
        ("a head and nothing else", Reply::head_only(), 502, WITHOUT_STATUS),
        ("a status that is none", Reply::status("99", "odd"), 500, r#"{"code":2,"message":"odd"}"#),
        ("a message of a megabyte in the status", long_message(), 400, &cut_message),
        ("a message of 4 GiB is announced", four_gibibytes(), 502, LARGE),
    ];
    let start = |does: Does| move |id: &str, _| if id == "t" { does.clone() } else { Does::Answers };
    let twice = cases.into_iter().flat_map(|case| [(false, case.clone()), (true, case)]);
    for (over_tls, (case, does, status, body)) in twice {
        let case = &format!("{case}, over TLS: {over_tls}");
        let bank = if over_tls { RawBank::over_tls(start(does)) } else { RawBank::start(start(does)) };
        // Only a backend that hangs is waited for to the end; a busy machine needs longer for the others.
        let gateway = gateway_within(if status == 504 { "400ms" } else { "20s" }, &bank, "");
        // A connection that has answered before.
        assert_reply(&pay(&gateway, "first"), &paid("first"), case);
        let answer = pay(&gateway, "t");
        match status {
            200 => assert_reply(&answer, &paid("t"), case),
            status => assert_long_refused(&answer, status, body, case),
        }
        assert_eq!(answer.header("retry-after"), None, "{case}");
        assert_eq!((bank.count("t").seen, bank.count("t").acted), (1, 1), "{case}");
        assert_reply(&pay(&gateway, "next"), &paid("next"), case);
    }
}

/// [`assert_refused`], whose header with the message ends after a part of a long one.
fn assert_long_refused(answer: &Answer, status: u16, body: &str, case: &str) {
    if body.len() < 1024 {
        return assert_refused(answer, status, body, case);
    }
    assert_eq!((answer.status, answer.body.as_str()), (status, body), "{case}");
    support::assert_complete(answer, answer.refusal().0, case);
}

#[test]
fn a_failing_call_does_not_affect_other_calls() {
    for (case, does) in [
        ("it hangs", Does::Hangs),
        ("half a reply", Does::Half),
        ("RST_STREAM", Does::Resets(INTERNAL_ERROR)),
        ("REFUSED_STREAM", Does::Refuses),
        ("GOAWAY", Does::Drains),
        ("GOAWAY before a call", Does::GoesAwayBefore),
        ("trailers without a status", Reply::without_status()),
        ("a megabyte in the status", long_message()),
        ("4 GiB announced", four_gibibytes()),
    ] {
        // `t` is refused each time, but not so often that the gateway gives up on others.
        let bank = RawBank::start(move |id, _| match id {
            "t" => does.clone(),
            _ => Does::Slow(Duration::from_millis(50)),
        });
        let gateway = gateway(&bank, "");
        std::thread::scope(|scope| {
            let others: Vec<_> = (0..10)
                .map(|index| {
                    let gateway = &gateway;
                    scope.spawn(move || (index, pay(gateway, &format!("other-{index}"))))
                })
                .collect();
            std::thread::sleep(Duration::from_millis(20));
            pay(&gateway, "t");
            for other in others {
                let (index, answer) = other.join().unwrap();
                assert_reply(&answer, &paid(&format!("other-{index}")), case);
            }
        });
        assert_eq!(bank.total().acted, 10 + bank.count("t").acted, "{case}");
    }
}

#[test]
fn a_draining_backend_fails_no_call() {
    // Now and then a call ends the connection in one of the ways in which a server goes away and says what it has done.
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let bank = RawBank::start(move |_, seen| match counted.fetch_add(1, Ordering::SeqCst) {
        call if call % 100 == 17 => Does::Drains,
        call if call % 100 == 50 => Does::GoesAwayAndAnswers,
        call if call % 100 == 83 && seen == 0 => Does::GoesAwayBefore,
        call if call % 3 == 0 => Does::Slow(Duration::from_millis(5)),
        _ => Does::Answers,
    });
    let gateway = gateway(&bank, "");
    let failed = in_parallel(gateway.address, 16, 50, |stream, id| {
        let answer = pay_on(stream, id);
        (answer.status != 200).then(|| format!("{id}: {answer:?}"))
    });
    assert_eq!(failed, Vec::<String>::new());
    assert_eq!(bank.total().acted, 800);
    assert!(bank.connections() > 16, "{}", bank.connections());
}

#[test]
fn a_backend_that_allows_one_stream_gets_its_calls_one_after_another() {
    let bank = RawBank::with_streams(Some(1), |_, _| Does::Slow(Duration::from_millis(2)));
    let gateway = gateway(&bank, "");
    let failed = in_parallel(gateway.address, 16, 10, |stream, id| {
        let answer = pay_on(stream, id);
        (answer.status != 200).then(|| format!("{id}: {answer:?}"))
    });
    assert_eq!(failed, Vec::<String>::new());
    assert_eq!(bank.total().acted, 160);
}

#[test]
fn a_connection_is_pinged_only_before_and_during_calls() {
    let bank = RawBank::start(|id, _| if id == "slow" { Does::Slow(Duration::from_secs(2)) } else { Does::Answers });
    let gateway = gateway_within("5s", &bank, "  connections: {ping_interval: 50ms}\n");
    // All by one connection of the caller, so that one worker has them all.
    let mut caller = http::connect(gateway.address);
    assert_reply(&pay_on(&mut caller, "first"), &paid("first"), "the first");
    std::thread::sleep(Duration::from_millis(600));
    // To servers of gRPC that would be abuse.
    assert_eq!(bank.pings(), 0, "without a call");
    assert_reply(&pay_on(&mut caller, "next"), &paid("next"), "the next");
    assert_eq!(bank.pings(), 1, "before a call, after a while");
    assert_reply(&pay_on(&mut caller, "slow"), &paid("slow"), "a slow one");
    // After 50, 100, 200, 400 and 800 ms without anything else.
    let pings = bank.pings() - 1;
    assert!((1..=7).contains(&pings), "{pings} while one call waits");
    assert_eq!(bank.connections(), 1);
}

#[test]
fn a_backend_that_is_back_is_called_within_a_second() {
    let mut bank = RawBank::start(|_, _| Does::Answers);
    let gateway = gateway(&bank, "");
    assert_eq!(pay(&gateway, "before").status, 200);
    for round in 0..3 {
        bank.kill();
        for call in 0..5 {
            let answer = pay(&gateway, &format!("down-{round}-{call}"));
            assert!(matches!(answer.status, 502 | 503), "{answer:?}");
        }
        bank.restart();
        let back = Instant::now();
        let mut call = 0;
        while pay(&gateway, &format!("up-{round}-{call}")).status != 200 {
            call += 1;
            assert!(back.elapsed() < Duration::from_secs(1), "round {round}, {call} calls");
        }
    }
}

/// What a configuration says of the rpc of [`pay`].
fn rpc(options: &str) -> String {
    format!("rpcs:\n  io.token.proto.bankapi.TransferService.Transfer: {options}\n")
}

#[test]
fn after_a_lost_call_or_unavailable_only_idempotent_rpcs_are_retried() {
    let later = r#"{"code":14,"message":"later"}"#;
    let odd = r#"{"code":2,"message":"odd"}"#;
    // What the bank does first, and then; how often it has the call; what becomes of it.
    type Case = (&'static str, fn(usize) -> Does, usize, u16, &'static str);
    let cases: [Case; 12] = [
        ("cut", |seen| if seen == 0 { Does::Cuts } else { Does::Answers }, 2, 200, ""),
        ("reset", |seen| if seen == 0 { Does::Resets(INTERNAL_ERROR) } else { Does::Answers }, 2, 200, ""),
        ("half", |seen| if seen == 0 { Does::Half } else { Does::Answers }, 2, 200, ""),
        ("UNAVAILABLE", |seen| if seen == 0 { Reply::status("14", "later") } else { Does::Answers }, 2, 200, ""),
        ("two in a row", |seen| if seen < 2 { Does::Kills } else { Does::Answers }, 3, 200, ""),
        ("lost", |_| Does::Kills, 3, 502, LOST),
        ("lost, then refused", |seen| if seen == 0 { Does::Half } else { Does::Refuses }, 3, 502, LOST),
        ("UNAVAILABLE always", |_| Reply::status("14", "later"), 3, 503, later),
        ("another status", |_| Reply::status("2", "odd"), 1, 500, odd),
        ("no gRPC", |_| Reply::without_status(), 1, 502, WITHOUT_STATUS),
        ("hangs", |_| Does::Hangs, 1, 504, LATE),
        ("lost, then hangs", |seen| if seen == 0 { Does::Half } else { Does::Hangs }, 2, 504, LATE),
    ];
    for (case, does, times, status, body) in cases {
        for (options, is_idempotent) in [(rpc("{idempotent: true}"), true), (rpc("{idempotent: false}"), false)] {
            let bank = RawBank::start(move |id, seen| if id == "t" { does(seen) } else { Does::Answers });
            let gateway = gateway(&bank, &options);
            let answer = pay(&gateway, "t");
            let seen = bank.count("t").seen;
            if !is_idempotent {
                assert_eq!((seen, answer.status == 200), (1, false), "{case}: {answer:?}");
                continue;
            }
            match status {
                200 => assert_reply(&answer, &paid("t"), case),
                status => assert_refused(&answer, status, body, case),
            }
            assert_eq!(seen, times, "{case}");
        }
    }
}

#[test]
fn grpc_retry_pushback_ms_controls_whether_a_call_is_retried() {
    for (pushback, times) in [("1", 2), ("-1", 1), ("soon", 1), ("999999999", 1)] {
        let unavailable = move || {
            let trailers = [("grpc-status", "14"), ("grpc-retry-pushback-ms", pushback)];
            let trailers = trailers.map(|(name, value)| (name, value.to_owned())).to_vec();
            Does::Replies(Reply { trailers: Some(trailers), ..Reply::default() })
        };
        let bank = RawBank::start(move |_, seen| if seen == 0 { unavailable() } else { Does::Answers });
        let gateway = gateway(&bank, &rpc("{idempotent: true}"));
        let answer = pay(&gateway, "t");
        assert_eq!((bank.count("t").seen, answer.status == 200), (times, times == 2), "{pushback}: {answer:?}");
    }
}

#[test]
fn retries_to_a_backend_that_fails_every_call_are_limited_to_a_fifth() {
    const CALLS: usize = 100;
    for (case, does) in [("UNAVAILABLE", Reply::status("14", "later")), ("reset", Does::Resets(INTERNAL_ERROR))] {
        for (options, most) in [(rpc("{idempotent: true}"), CALLS + CALLS / 5), (rpc("{}"), CALLS)] {
            let does = does.clone();
            let bank = RawBank::start(move |_, _| does.clone());
            let gateway = gateway(&bank, &options);
            in_parallel(gateway.address, 4, CALLS / 4, |stream, id| {
                assert!(matches!(pay_on(stream, id).status, 502 | 503));
                None
            });
            let seen = bank.total().seen;
            assert!((CALLS..=most).contains(&seen), "{case}, {options}: {seen}");
        }
    }
}

#[test]
fn an_rpc_is_idempotent_by_its_descriptor_unless_the_configuration_overrides_it() {
    const PROTO: &str = r#"
syntax = "proto3";
package pay;
import "google/api/annotations.proto";
message Order { string transfer_id = 1; }
service Orders {
  rpc Pay(Order) returns (Order) { option (google.api.http) = { put: "/pay" body: "*" }; }
  rpc Unknown(Order) returns (Order) {
    option (google.api.http) = { get: "/unknown" };
    option idempotency_level = IDEMPOTENCY_UNKNOWN;
  }
  rpc Look(Order) returns (Order) {
    option (google.api.http) = { get: "/look" };
    option idempotency_level = NO_SIDE_EFFECTS;
  }
  rpc Set(Order) returns (Order) {
    option (google.api.http) = { post: "/set" body: "*" };
    option idempotency_level = IDEMPOTENT;
  }
}
"#;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("pay.proto"), PROTO).unwrap();
    let schema = towbar::schema::Schema::load(&[folder.path().to_owned()]).unwrap();
    for (method, target, options, times) in [
        // No method of HTTP is a promise.
        ("PUT", "/pay", "{}", 1),
        ("GET", "/unknown", "{}", 1),
        ("GET", "/look", "{}", 2),
        ("POST", "/set", "{}", 2),
        ("PUT", "/pay", "{pay.Orders.Pay: {idempotent: true}}", 2),
        ("GET", "/look", "{pay.Orders.Look: {idempotent: false}}", 1),
        ("POST", "/set", "{pay.Orders.Set: {idempotent: false}}", 1),
    ] {
        let bank = RawBank::start(|_, seen| if seen == 0 { Does::Cuts } else { Does::Answers });
        let config = format!("upstream: http://{}\nschema: pay.proto\nrpcs: {options}\n", bank.address);
        let overrides = Overrides { listen: Some("127.0.0.1:0".to_owned()), ..Overrides::default() };
        let gateway = Gateway::with(&config, &overrides, Ok(schema.clone()), None);
        let status = if method == "GET" {
            http::get(gateway.address, &format!("{target}?transferId=t")).status
        } else {
            http::send_json(gateway.address, method, target, r#"{"transferId":"t"}"#).status
        };
        assert_eq!((bank.count("t").seen, status == 200), (times, times == 2), "{method} {target} {options}");
    }
}

/// Calls at one time, each with its answer and how long that took.
fn at_once(gateway: &Gateway, ids: impl Iterator<Item = String>) -> Vec<(Answer, Duration)> {
    std::thread::scope(|scope| {
        let calls: Vec<_> = ids
            .map(|id| {
                scope.spawn(move || {
                    let started = Instant::now();
                    (pay(gateway, &id), started.elapsed())
                })
            })
            .collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    })
}

#[test]
fn calls_over_the_in_flight_limit_wait_and_are_refused_when_the_queue_is_full() {
    const FULL: &str = r#"{"code":14,"message":"the backend already has 4 calls in flight, the most that are allowed; the call was not sent"}"#;
    let bank = RawBank::start(|id, _| if id.starts_with("hang") { Does::Hangs } else { Does::Answers });
    let limit = "  limit: {in_flight: 4, waiting: 4, wait: 200ms}\n";
    let gateway = gateway_within("2s", &bank, limit);
    std::thread::scope(|scope| {
        let gateway = &gateway;
        let hanging: Vec<_> = (0..4).map(|index| scope.spawn(move || pay(gateway, &format!("hang-{index}")))).collect();
        while bank.total().seen < 4 {
            std::thread::yield_now();
        }
        // Four wait and are refused after their time; all others are at once.
        let answers = at_once(gateway, (0..20).map(|index| format!("more-{index}")));
        for (answer, _) in &answers {
            assert_refused(answer, 503, FULL, "full");
            assert_eq!(answer.header("retry-after"), Some("1"));
        }
        let waited = answers.iter().filter(|(_, took)| *took >= Duration::from_millis(200)).count();
        assert!(waited >= 4, "{waited}");
        for call in hanging {
            assert_refused(&call.join().unwrap(), 504, &LATE.replace("400ms", "2s"), "in flight");
        }
    });
    assert_eq!(bank.total().seen, 4, "what was refused was not sent");
    // All is as before: four at a time, and four more in their turn.
    for round in 0..5 {
        let answers = at_once(&gateway, (0..8).map(|index| format!("after-{round}-{index}")));
        assert!(answers.iter().all(|(answer, _)| answer.status == 200), "{answers:?}");
    }
}

#[test]
fn a_queued_call_is_sent_in_turn_or_refused_when_its_timeout_expires() {
    let bank = RawBank::start(|id, _| match id {
        "hangs" => Does::Hangs,
        _ => Does::Slow(Duration::from_millis(30)),
    });
    let gateway = gateway(&bank, "  limit: {in_flight: 1, wait: 10s}\n");
    let answers = at_once(&gateway, (0..8).map(|index| format!("t-{index}")));
    assert!(answers.iter().all(|(answer, _)| answer.status == 200), "{answers:?}");
    std::thread::scope(|scope| {
        let hanging = scope.spawn(|| pay(&gateway, "hangs"));
        while bank.count("hangs").seen == 0 {
            std::thread::yield_now();
        }
        let body = r#"{"transferId":"late"}"#;
        let headers = [("Content-Type", "application/json"), ("grpc-timeout", "50m")];
        let answer = http::send(gateway.address, "POST", "/transfers", &headers, Some(body.as_bytes()));
        let message = "the backend had no room for another call within the caller's timeout of 50ms (grpc-timeout); the call was not sent";
        assert_refused(&answer, 504, &format!(r#"{{"code":4,"message":"{message}"}}"#), "late");
        hanging.join().unwrap();
    });
    assert_eq!(bank.count("late").seen, 0);
    assert_reply(&pay(&gateway, "after"), &paid("after"), "after");
}

#[test]
fn streams_have_a_separate_limit_and_hold_their_slots_until_they_end() {
    let backend = talk::backend(|rpc, _, replies| async move {
        replies.send(&note("one", 1)).await;
        if rpc == "Ask" {
            return replies.end("0", "").await;
        }
        // Until the caller goes away.
        while replies.send(&note("more", 2)).await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let limit = "limit: {streams: 1, waiting: 0}";
    let config = format!("upstream: {{address: \"http://{}\", {limit}}}\nschema: talk.proto\n", backend.address);
    let overrides = Overrides { listen: Some("127.0.0.1:0".to_owned()), ..Overrides::default() };
    let gateway = Gateway::with(&config, &overrides, Ok(talk::schema()), None);
    let watch = || talk::start(&gateway, "GET", "/notes/t", &[], None);
    let mut first = watch();
    for round in 0..3 {
        assert_eq!((first.answer.status, first.chunk().is_some()), (200, true), "round {round}");
        let second = http::get(gateway.address, "/notes/t");
        let message = "the backend already has 1 calls in flight, the most that are allowed; the call was not sent";
        assert_eq!((second.status, second.refusal()), (503, (14, message.to_owned())), "round {round}");
        assert_eq!(http::send_json(gateway.address, "POST", "/ask", "{}").status, 200, "round {round}");
        drop(first);
        let gone = Instant::now();
        first = loop {
            let next = watch();
            if next.answer.status == 200 {
                break next;
            }
            assert!(gone.elapsed() < Duration::from_secs(20), "round {round}");
        };
    }
}
