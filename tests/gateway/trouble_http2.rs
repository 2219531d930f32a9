//! A bank whose HTTP/2 is lawful and odd, or not lawful: settings that change under calls, floods, windows, and connections
//! that go away while calls wait for their turn. docs/reliability.md.

use std::sync::Mutex;
use std::time::Duration;

use crate::support::http::{self, Answer};
use crate::support::pay::{gateway, gateway_within, in_parallel, paid, pay, pay_on};
use crate::support::raw::{self, Does, RawBank, frame};
use crate::support::{Gateway, assert_refused, assert_reply};

const LOST: &str =
    r#"{"code":2,"message":"the connection to the backend was lost during the call; its outcome is unknown"}"#;

const MAX_CONCURRENT_STREAMS: u16 = 3;
const INITIAL_WINDOW_SIZE: u16 = 4;

/// SETTINGS with these (RFC 9113, section 6.5.1).
fn settings(pairs: &[(u16, u32)]) -> Vec<u8> {
    let payload: Vec<u8> =
        pairs.iter().flat_map(|(name, value)| [&name.to_be_bytes()[..], &value.to_be_bytes()].concat()).collect();
    frame(raw::SETTINGS, 0, 0, &payload)
}

fn window_update(id: u32, more: u32) -> Vec<u8> {
    frame(raw::WINDOW_UPDATE, 0, id, &more.to_be_bytes())
}

/// Settings of every kind, each different from the one before.
fn storm(_: u32) -> Vec<u8> {
    const HEADER_TABLE_SIZE: u16 = 1;
    const MAX_FRAME_SIZE: u16 = 5;
    let of = |round: u32| {
        settings(&[
            (HEADER_TABLE_SIZE, [0, 4096, 100, 65_536][round as usize % 4]),
            (MAX_CONCURRENT_STREAMS, [1, 100, 0, 7][round as usize % 4]),
            (INITIAL_WINDOW_SIZE, [65_535, 0, 1, 1 << 20][round as usize % 4]),
            (MAX_FRAME_SIZE, [16_384, 20_000, (1 << 24) - 1][round as usize % 3]),
        ])
    };
    let last = settings(&[(MAX_CONCURRENT_STREAMS, 100), (INITIAL_WINDOW_SIZE, 65_535)]);
    (0..100).map(of).chain([last]).collect::<Vec<_>>().concat()
}

fn all_answered(gateway: &Gateway, callers: usize, calls: usize) {
    let failed = in_parallel(gateway.address, callers, calls, |stream, id| {
        let answer = pay_on(stream, id);
        (answer.status != 200 || answer.body != paid(id)).then(|| format!("{id}: {answer:?}"))
    });
    assert_eq!(failed, Vec::<String>::new());
}

#[test]
fn a_flood_of_settings_frames_fails_no_call() {
    let slow = || Box::new(Does::Slow(Duration::from_millis(3)));
    let bank = RawBank::start(move |_, _| Does::Sends(storm, slow()));
    let gateway = gateway_within("5s", &bank, "");
    all_answered(&gateway, 8, 20);
    assert_eq!((bank.total().seen, bank.total().acted), (160, 160));
}

#[test]
fn a_stream_limit_or_window_of_zero_delays_calls_until_it_is_raised() {
    for (case, none, more) in [
        (
            "MAX_CONCURRENT_STREAMS",
            (|_| settings(&[(MAX_CONCURRENT_STREAMS, 0)])) as fn(u32) -> Vec<u8>,
            (|_| settings(&[(MAX_CONCURRENT_STREAMS, 100)])) as fn(u32) -> Vec<u8>,
        ),
        (
            "INITIAL_WINDOW_SIZE",
            |_| settings(&[(INITIAL_WINDOW_SIZE, 0)]),
            |_| settings(&[(INITIAL_WINDOW_SIZE, 65_535)]),
        ),
    ] {
        // Each tenth call has the limit lowered under all others on its connection.
        let count = std::sync::atomic::AtomicUsize::new(0);
        let bank = RawBank::start(move |_, _| {
            let slow = Box::new(Does::Slow(Duration::from_millis(2)));
            if count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) % 10 != 9 {
                return *slow;
            }
            Does::Sends(none, Box::new(Does::SendsLater(Duration::from_millis(30), more, slow)))
        });
        let gateway = gateway_within("5s", &bank, "");
        all_answered(&gateway, 8, 20);
        assert_eq!((bank.total().seen, bank.total().acted), (160, 160), "{case}");
    }
}

#[test]
fn a_backend_that_allows_no_streams_gets_no_call_and_the_caller_gets_504() {
    let bank = RawBank::with_streams(Some(0), |_, _| Does::Answers);
    let gateway = gateway(&bank, "");
    let message =
        "the backend had no room for another call within the gateway's deadline of 400ms; the call was not sent";
    assert_refused(&pay(&gateway, "t"), 504, &format!(r#"{{"code":4,"message":"{message}"}}"#), "unary");
    assert_eq!(bank.total().seen, 0);
}

#[test]
fn calls_succeed_during_a_flood_of_pings_from_the_backend() {
    fn pings(_: u32) -> Vec<u8> {
        (0..5000u64).flat_map(|number| frame(raw::PING, 0, 0, &number.to_be_bytes())).collect()
    }
    let bank = RawBank::start(|_, _| Does::Sends(pings, Box::new(Does::Answers)));
    let gateway = gateway_within("10s", &bank, "");
    all_answered(&gateway, 2, 5);
    assert_eq!(bank.total().acted, 10);
}

#[test]
fn a_flow_control_error_of_the_backend_fails_its_call_but_not_the_next() {
    type Frames = fn(u32) -> Vec<u8>;
    let cases: [(&str, Frames); 4] = [
        // RFC 9113, section 6.9.1: at most 2^31-1.
        ("of a stream", |id| window_update(id, u32::MAX >> 1)),
        ("of the connection", |_| window_update(0, u32::MAX >> 1)),
        ("by settings", |_| settings(&[(INITIAL_WINDOW_SIZE, u32::MAX)])),
        // Section 6.9: an increment of 0 is an error.
        ("by nothing", |_| window_update(0, 0)),
    ];
    for (case, frames) in cases {
        let bank = RawBank::start(move |id, _| match id {
            "t" => Does::Sends(frames, Box::new(Does::Hangs)),
            _ => Does::Answers,
        });
        let gateway = gateway(&bank, "");
        assert_reply(&pay(&gateway, "first"), &paid("first"), case);
        let answer = pay(&gateway, "t");
        // On a stream whose request has ended its window is nobody's: the call hangs.
        match case {
            "of a stream" => assert_eq!(answer.status, 504, "{answer:?}"),
            _ => assert_refused(&answer, 502, LOST, case),
        }
        assert_eq!(bank.count("t").acted, 1, "{case}");
        assert_reply(&pay(&gateway, "next"), &paid("next"), case);
    }
}

#[test]
fn while_a_connection_drains_its_calls_finish_and_new_calls_use_another() {
    let bank = RawBank::start(|id, _| match id.strip_prefix("t-") {
        Some("7") => Does::GoesAwayAndAnswers,
        Some(number) => Does::Slow(Duration::from_millis(300 + 100 * number.parse::<u64>().unwrap())),
        None => Does::Answers,
    });
    let gateway = gateway_within("10s", &bank, "");
    let answers = Mutex::new(Vec::<(String, Answer)>::new());
    // One caller's connection for each, all by HTTP/1.1; some of them share a connection to the bank.
    std::thread::scope(|scope| {
        for number in 0..8 {
            let (gateway, bank, answers) = (&gateway, &bank, &answers);
            scope.spawn(move || {
                let id = format!("t-{number}");
                while number == 7 && bank.total().seen < 7 {
                    std::thread::yield_now();
                }
                let answer = pay(gateway, &id);
                answers.lock().unwrap().push((id, answer));
            });
        }
        while bank.count("t-7").seen == 0 {
            std::thread::yield_now();
        }
        for call in 0..20 {
            let id = format!("later-{call}");
            assert_reply(&pay(&gateway, &id), &paid(&id), "while it drains");
        }
        assert!(answers.lock().unwrap().len() < 8, "it drains no more");
    });
    for (id, answer) in answers.into_inner().unwrap() {
        assert_reply(&answer, &paid(&id), "in flight");
        assert_eq!((bank.count(&id).seen, bank.count(&id).acted), (1, 1), "{id}");
    }
}

/// With one stream at a time there is one call that can be lost with a connection: those that wait for its end are not sent.
#[test]
fn calls_queued_on_a_connection_that_ends_move_to_another() {
    const CALLERS: usize = 16;
    const CALLS: usize = 20;
    for (case, does, lost) in [
        ("RST", Does::Kills, true),
        ("FIN", Does::Cuts, true),
        ("GOAWAY, and the end", Does::GoesAwayAfter, true),
        ("GOAWAY, and an answer", Does::GoesAwayAndAnswers, false),
        ("GOAWAY that names no stream", Does::Drains, false),
    ] {
        let ends = |id: &str| id.starts_with("t-") && id.ends_with("-7");
        let bank = RawBank::with_streams(Some(1), move |id, _| match ends(id) {
            true => does.clone(),
            false => Does::Slow(Duration::from_millis(2)),
        });
        let gateway = gateway_within("10s", &bank, "");
        let wrong = in_parallel(gateway.address, CALLERS, CALLS, |stream, id| {
            let answer = pay_on(stream, id);
            let expected = if ends(id) && lost { 502 } else { 200 };
            (answer.status != expected || bank.count(id).acted != 1).then(|| format!("{id}: {answer:?}"))
        });
        assert_eq!(wrong, Vec::<String>::new(), "{case}");
        assert_eq!(http::get(gateway.address, "/none").status, 404);
    }
}
