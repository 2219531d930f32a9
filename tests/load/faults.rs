//! Ten thousand faults of a bank, by HTTP/2, TLS and TCP, and the whole bank dying now and then: no payment is made twice, and
//! each call has one answer that is true.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::dice::{number, seed};
use crate::support::http::Answer;
use crate::support::pay::{four_gibibytes, gateway, in_parallel, long_message, paid, pay, pay_on};
use crate::support::raw::{CANCEL, Does, INTERNAL_ERROR, NO_ERROR, RawBank, Reply, frame_of};
use crate::turns;

/// What the bank does with a call, by a number: most calls are faults. Those that end the connection, and with it what else
/// is on it, are rarer.
fn fault(number: usize) -> Does {
    match number % 400 {
        0 => Does::HalfAndCuts,
        1 => Does::GoesAwayAfter,
        2 => Does::Cuts,
        3 => Does::Kills,
        4 => Does::Babbles,
        5 | 6 => Does::GoesAwayBefore,
        7 | 8 => Does::GoesAwayAndAnswers,
        9 => Does::Drains,
        10 => Does::CutsWithin,
        11 => Does::CutsBare,
        12 => Does::Alerts,
        13..15 => Does::Hangs,
        15..17 => long_message(),
        17..60 => Does::Half,
        60..90 => Does::Resets(INTERNAL_ERROR),
        90..110 => Does::Resets(CANCEL),
        110..130 => Does::Resets(NO_ERROR),
        130..160 => Does::Refuses,
        160..180 => Reply::without_status(),
        180..200 => Reply::head_only(),
        200..220 => Reply::status("99", "odd"),
        220..240 => four_gibibytes(),
        240..260 => Reply::encoded("gzip", frame_of(1, b"no gzip")),
        260..280 => Reply::encoded("snappy", frame_of(1, b"no snappy")),
        280..300 => Reply::encoded("identity", frame_of(1, b"\x0a\x01a")),
        300..320 => Reply::status("14", "later"),
        320..340 => Reply::status("8", "too many"),
        _ => Does::Slow(Duration::from_millis(3)),
    }
}

/// Why an answer is none that a call may get, if so.
fn wrong(answer: &Answer, id: &str, acted: usize) -> Option<String> {
    let told = |what: &str| Some(format!("{id}: {what}, acted {acted} times: {answer:?}"));
    let length = answer.header("content-length") == Some(answer.body.len().to_string().as_str());
    if !length || answer.header("content-type") != Some("application/json") || !answer.json().is_object() {
        return told("no whole JSON");
    }
    if acted > 1 {
        return told("made twice");
    }
    if answer.status == 200 {
        return if acted == 1 && answer.body == paid(id) { None } else { told("no such success") };
    }
    let (code, message) = answer.refusal();
    let unsent = message.contains("not sent") || message.contains("nothing was done");
    let unknown = message.contains("unknown");
    let expected = match (answer.status, code) {
        (502, 2 | 13) => unknown,
        (502, 8) => message.contains("larger than the limit"),
        (503, 14) => unsent || message == "later",
        (504, 4) => unsent || unknown,
        (500, 2) => message == "odd",
        (429, 8) => message == "too many",
        (400, 9) => message.starts_with("xxx"),
        _ => false,
    };
    if !expected {
        return told("no such refusal");
    }
    if unsent && acted > 0 {
        return told("it was sent");
    }
    if answer.status != 503 && answer.header("retry-after").is_some() {
        return told("nobody knows whether to try again");
    }
    None
}

#[test]
fn ten_thousand_backend_faults_cause_no_double_payment_and_no_wrong_answer() {
    all_is_told_truly(seed(), |choose| RawBank::start(choose));
}

#[test]
fn ten_thousand_backend_faults_over_mutual_tls_cause_no_double_payment() {
    all_is_told_truly(seed(), |choose| RawBank::over_tls(choose));
}

type Choose = Box<dyn Fn(&str, usize) -> Does + Send + Sync>;

fn all_is_told_truly(seed: u64, start: fn(Choose) -> RawBank) {
    let _turn = turns::beside_others();
    const CALLERS: usize = 24;
    const CALLS: usize = 600;
    let faults = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&faults);
    let mut bank = start(Box::new(move |id, seen| {
        // What was refused comes again, and meets something else.
        let does = fault(number(seed, &format!("{id}/{seen}")));
        counted.fetch_add(usize::from(!matches!(does, Does::Slow(_))), Ordering::SeqCst);
        does
    }));
    let gateway = gateway(&bank, "");
    let (answers, over) = (std::sync::Mutex::new(Vec::new()), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            in_parallel(gateway.address, CALLERS, CALLS, |stream, id| {
                let answer = pay_on(stream, id);
                answers.lock().unwrap().push((id.to_owned(), answer));
                None
            });
            over.store(true, Ordering::SeqCst);
        });
        // The whole bank dies now and then, too.
        while !over.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1000));
            bank.restart();
        }
    });
    let (answers, faults) = (answers.into_inner().unwrap(), faults.load(Ordering::SeqCst));
    assert_eq!(answers.len(), CALLERS * CALLS);
    let wrong: Vec<String> =
        answers.iter().filter_map(|(id, answer)| wrong(answer, id, bank.count(id).acted)).take(10).collect();
    assert!(wrong.is_empty(), "TOWBAR_SEED={seed}\n{}", wrong.join("\n"));
    let mut by_status = BTreeMap::<u16, usize>::new();
    answers.iter().for_each(|(_, answer)| *by_status.entry(answer.status).or_default() += 1);
    eprintln!("{faults} faults: {by_status:?}, {:?}, {} connections", bank.total(), bank.connections());
    assert!(faults >= 10_000, "TOWBAR_SEED={seed}: {faults}, {by_status:?}");
    // Calls work again.
    let back = Instant::now();
    let mut call = 0;
    while pay(&gateway, &format!("after-{call}")).status != 200 {
        call += 1;
        assert!(back.elapsed() < Duration::from_secs(10), "TOWBAR_SEED={seed}");
    }
}
