//! Bad lines on both sides of the gateway: each call has one answer that is true, no payment is made twice, and no problems found again
//! when the line is.

use std::io::Read as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use towbar::config::Overrides;

use crate::support::dice::{Dice, seed};
use crate::support::http::{self, Answer};
use crate::support::link::{Link, Trouble};
use crate::support::raw::{Does, RawBank};
use crate::support::{Gateway, talk};
use crate::turns;

const DEADLINE: &str = "deadline: 600ms";
/// A connection that leads nowhere is noticed so soon, so that the test need not wait for long.
const CONNECTIONS: &str = "connections: {connect_timeout: 500ms, ping_interval: 200ms, ping_timeout: 200ms}";

/// A bank, a link to it, and the gateway in front of that link.
struct Stage {
    bank: RawBank,
    link: Link,
    gateway: Gateway,
}

impl Stage {
    fn start(over_tls: bool, dice: &mut Dice) -> Self {
        // A stream is one that has this beginning; the others have one answer.
        let choose = |id: &str, _| match id.strip_prefix("stream") {
            Some(_) => Does::Trickles(5, Duration::from_millis(5)),
            None => Does::Slow(Duration::from_millis(2)),
        };
        let bank = if over_tls { RawBank::over_tls(choose) } else { RawBank::start(choose) };
        let link = Link::start(bank.address, Dice::new(dice.below(u64::MAX), "to the bank"));
        let upstream = format!("upstream: {{address: '{}', {DEADLINE}, {CONNECTIONS}}}", bank.url_at(link.address));
        let overrides = Overrides { listen: Some("127.0.0.1:0".to_owned()), ..Overrides::default() };
        let config = format!("{upstream}\nschema: talk.proto\n");
        let gateway = Gateway::with(&config, &overrides, Ok(talk::schema()), bank.client.clone());
        Self { bank, link, gateway }
    }

    fn ask(&self, id: &str) -> Answer {
        http::send_json(self.gateway.address, "POST", "/ask", &format!(r#"{{"topic":"{id}"}}"#))
    }

    /// Why the answer to a call is none that it may get, if so.
    fn wrong(&self, id: &str, told: &Told) -> Option<String> {
        let acted = self.bank.count(id).acted;
        let wrong = match told {
            _ if acted > 1 => Some("made twice"),
            Told::Nothing(why) => Some(why.as_str()),
            Told::Success if acted == 1 => None,
            Told::Success => Some("nobody has acted on it"),
            Told::Refusal(status, message) => {
                let unsent = message.contains("not sent") || message.contains("nothing was done");
                match status {
                    502..=504 if unsent && acted > 0 => Some("it was sent"),
                    502 | 504 if unsent || message.contains("unknown") => None,
                    503 if unsent => None,
                    _ => Some("no such refusal"),
                }
            }
        };
        wrong.map(|wrong| format!("{id}: {wrong}, acted {acted} times: {told:?}"))
    }
}

/// What a caller is told.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Success,
    Refusal(u16, String),
    Nothing(String),
}

/// What the answer of one message says.
fn unary(answer: &Answer, id: &str) -> Told {
    let length = answer.header("content-length") == Some(answer.body.len().to_string().as_str());
    let json: Option<serde_json::Value> = serde_json::from_str(&answer.body).ok();
    match json {
        Some(_) if !length || answer.header("content-type") != Some("application/json") => {
            Told::Nothing(format!("no whole JSON: {answer:?}"))
        }
        Some(json) if answer.status == 200 && json["topic"] == id => Told::Success,
        Some(json) if answer.status >= 400 => refusal(answer.status, &json),
        _ => Told::Nothing(format!("no answer: {answer:?}")),
    }
}

fn refusal(status: u16, json: &serde_json::Value) -> Told {
    let status = if status == 200 { if json["code"] == 4 { 504 } else { 502 } } else { status };
    match json["message"].as_str() {
        Some(message) => Told::Refusal(status, message.to_owned()),
        None => Told::Nothing(format!("{status}, no error: {json}")),
    }
}

/// What the answer of several messages says in its last line.
fn streamed(streamed: &talk::Streamed, id: &str) -> Told {
    let answer = &streamed.answer;
    if !streamed.is_whole {
        return Told::Nothing(format!("broken off: {answer:?}"));
    }
    if answer.status != 200 {
        return unary(answer, id);
    }
    let lines: Vec<serde_json::Value> =
        answer.body.lines().map(|line| serde_json::from_str(line).unwrap_or_default()).collect();
    let Some((last, messages)) = lines.split_last() else { return Told::Nothing("no line".to_owned()) };
    if !messages.iter().all(|line| line["result"]["topic"] == id) {
        return Told::Nothing(format!("another's: {answer:?}"));
    }
    match (last["status"]["code"].as_i64(), messages.len()) {
        (Some(0), 5) => Told::Success,
        (Some(_), _) => Told::Nothing(format!("not all of it: {answer:?}")),
        (None, _) => refusal(200, &last["error"]),
    }
}

const LINES: &[(&str, &str)] = &[("Accept", "application/x-ndjson")];

/// Every way in which the line to the bank is bad, there and back.
fn troubles() -> Vec<(&'static str, Trouble, Trouble)> {
    use Trouble::*;
    let late = Late(Duration::from_millis(40));
    let bursts = Bursts(Duration::from_millis(60));
    vec![
        ("delay and jitter", late, late),
        ("loss", Loss(12), Loss(12)),
        ("reordering", bursts, bursts),
        ("one byte at a time", Bytes, Bytes),
        ("a narrow line", Slow(40_000), Slow(40_000)),
        ("half-open there, for a while", Holds(4000), None),
        ("half-open back, for a while", None, Holds(4000)),
        ("half-open there", Dies(4000), None),
        ("half-open back", None, Dies(4000)),
        ("blackhole", Dies(6000), Dies(6000)),
        ("RST", Resets(8000), Resets(8000)),
        ("FIN", Ends(8000), Ends(8000)),
    ]
}

fn each_call_is_answered_truly(name: &str, over_tls: bool) {
    let _turn = turns::beside_others();
    let seed = seed();
    let mut dice = Dice::new(seed, name);
    let mut slowest = Duration::ZERO;
    for (trouble, there, back) in troubles() {
        let case = &format!("TOWBAR_SEED={seed}, {name}: {trouble}");
        let stage = Stage::start(over_tls, &mut dice);
        let told = Mutex::new(Vec::new());
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for caller in 0..8 {
                let (stage, told, is_over, trouble) = (&stage, &told, &is_over, trouble.replace(' ', "-"));
                scope.spawn(move || {
                    for call in 0.. {
                        if is_over.load(Ordering::SeqCst) {
                            return;
                        }
                        let (id, said) = if caller % 4 == 3 {
                            let id = format!("stream-{trouble}-{caller}-{call}");
                            let answer = talk::send(&stage.gateway, "GET", &format!("/notes/{id}"), LINES, None);
                            (id.clone(), streamed(&answer, &id))
                        } else {
                            let id = format!("{trouble}-{caller}-{call}");
                            let answer = stage.ask(&id);
                            (id.clone(), unary(&answer, &id))
                        };
                        told.lock().unwrap().push((id, said));
                    }
                });
            }
            std::thread::sleep(Duration::from_millis(100));
            stage.link.suffer(there, back);
            std::thread::sleep(Duration::from_millis(900));
            stage.link.recover();
            let well = Instant::now();
            for call in 0.. {
                if stage.ask(&format!("well-{call}")).status == 200 {
                    break;
                }
                assert!(well.elapsed() < Duration::from_secs(5), "{case}: it does not recover");
            }
            slowest = slowest.max(well.elapsed());
            eprintln!("{trouble}: well after {} ms", well.elapsed().as_millis());
            is_over.store(true, Ordering::SeqCst);
        });
        let told = told.into_inner().unwrap();
        let wrong: Vec<String> = told.iter().filter_map(|(id, told)| stage.wrong(id, told)).take(5).collect();
        assert!(wrong.is_empty(), "{case}\n{}", wrong.join("\n"));
        let successes = told.iter().filter(|(_, told)| *told == Told::Success).count();
        eprintln!("{trouble}: {} calls, {successes} with success", told.len());
        assert!(successes > 8, "{case}: {successes} of {}", told.len());
    }
    eprintln!("{name}: well again after {} ms at most", slowest.as_millis());
}

#[test]
fn over_a_bad_network_to_the_backend_each_call_gets_one_correct_answer() {
    each_call_is_answered_truly("HTTP/2 over TCP", false);
}

#[test]
fn over_a_bad_network_to_a_mutual_tls_backend_each_call_gets_one_correct_answer() {
    each_call_is_answered_truly("HTTP/2 over TLS", true);
}

#[test]
fn over_a_bad_network_from_the_caller_each_call_is_made_at_most_once() {
    let _turn = turns::beside_others();
    use Trouble::*;
    let seed = seed();
    let mut dice = Dice::new(seed, "from the caller");
    let stage = Stage::start(false, &mut dice);
    let late = Late(Duration::from_millis(30));
    let bursts = Bursts(Duration::from_millis(50));
    // Whether the answer gets through.
    for (trouble, there, back, arrives) in [
        ("delay and jitter", late, late, true),
        ("loss", Loss(4), Loss(4), true),
        ("reordering", bursts, bursts, true),
        ("one byte at a time", Bytes, Bytes, true),
        ("a narrow line", Slow(4000), Slow(4000), true),
        ("half-open there", Dies(250), None, false),
        ("half-open back", None, Dies(400), false),
        ("blackhole", Dies(300), Dies(600), false),
        ("RST", Resets(300), Resets(600), false),
        ("FIN", Ends(300), Ends(600), false),
    ] {
        let link = Link::start(stage.gateway.address, Dice::new(dice.below(u64::MAX), trouble));
        link.suffer(there, back);
        std::thread::scope(|scope| {
            for caller in 0..6 {
                let (stage, address, case) = (&stage, link.address, format!("{trouble}-{caller}").replace(' ', "-"));
                scope.spawn(move || {
                    for call in 0..3 {
                        let id = format!("{case}-{call}");
                        let body = format!(r#"{{"topic":"{id}"}}"#);
                        let mut stream = http::connect(address);
                        let headers = [("Content-Type", "application/json")];
                        http::write(&mut stream, "POST", "/ask", &headers, Some(body.as_bytes()));
                        if arrives {
                            let told = unary(&http::read(&mut stream), &id);
                            assert_eq!(told, Told::Success, "TOWBAR_SEED={seed}: {id}");
                        } else {
                            stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
                            let _ = stream.read_to_end(&mut Vec::new());
                        }
                        let acted = stage.bank.count(&id).acted;
                        assert!(acted <= 1 && (!arrives || acted == 1), "TOWBAR_SEED={seed}: {id}: {acted}");
                    }
                });
            }
        });
        let id = format!("after-{trouble}").replace(' ', "-");
        assert_eq!(unary(&stage.ask(&id), &id), Told::Success, "TOWBAR_SEED={seed}: {trouble}");
    }
}
