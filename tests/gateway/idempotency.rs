//! Idempotency keys: whatever happens to calls and callers, the bank acts at most once for a key, and whoever repeats a
//! request has the first answer again or is told the truth.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use towbar::config::{self, Overrides};
use towbar::format::problem::Problem;

use crate::support::Gateway;
use crate::support::folder::Folder;
use crate::support::http::{self, Answer};
use crate::support::raw::{Count, Does, REFUSED_STREAM, RawBank, Reply, frame_of};
use crate::support::tokens::{AUDIENCE, ISSUER, Key, claims_with, key_set};

const PATIENCE: Duration = Duration::from_secs(20);
const TRANSFER: &str = "io.token.proto.bankapi.TransferService.Transfer";
const ONCE: Count = Count { seen: 1, acted: 1 };

/// A gateway whose transfers need keys, in front of this bank; `more` are lines of the file.
fn gateway(bank: &RawBank, more: &str) -> Gateway {
    gateway_with(bank, "required", more)
}

/// The same where `transfer` is what is said of the keys of transfers.
fn gateway_with(bank: &RawBank, transfer: &str, more: &str) -> Gateway {
    let upstream = format!("upstream: {{address: '{}', deadline: 3s}}\n", bank.url());
    let config = format!("schema: proto\n{upstream}rpcs: {{{TRANSFER}: {{idempotency: {transfer}}}}}\n{more}");
    Gateway::start(&config, None)
}

fn body(id: &str) -> String {
    format!(r#"{{"transferId":"{id}"}}"#)
}

fn pay(to: SocketAddr, key: &str, id: &str) -> Answer {
    pay_with(to, &[("Idempotency-Key", key)], &body(id))
}

fn pay_with(to: SocketAddr, headers: &[(&str, &str)], body: &str) -> Answer {
    let headers = [&[("Content-Type", "application/json")], headers].concat();
    http::send(to, "POST", "/transfers", &headers, Some(body.as_bytes()))
}

/// Its status, its reason if it is an error of Towbar's own, and whether it is the first answer again.
fn gist(answer: &Answer) -> (u16, String, bool) {
    let replayed = answer.header("idempotency-replayed");
    assert!(matches!(replayed, None | Some("true")), "{answer:?}");
    (answer.status, answer.body_and_reason().1.unwrap_or_default(), replayed.is_some())
}

fn is(status: u16, reason: &str, replayed: bool) -> (u16, String, bool) {
    (status, reason.to_owned(), replayed)
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "{what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// The answer to a request that is repeated until its first is not in progress any more.
fn settled(to: SocketAddr, key: &str, id: &str) -> Answer {
    let end = Instant::now() + PATIENCE;
    loop {
        let answer = pay(to, key, id);
        if answer.body_and_reason().1.as_deref() != Some("IDEMPOTENCY_KEY_IN_USE") {
            return answer;
        }
        assert!(Instant::now() < end, "{answer:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_repeated_request_gets_the_first_answer_with_its_status_and_headers() {
    let head = || vec![("x-status", "201".into()), ("x-limit", "7".into()), ("x-secret", "no".into())];
    let replies = [
        (
            Does::Replies(Reply {
                head: head(),
                data: frame_of(0, b"\x0a\x02t1"),
                trailers: Some(vec![("grpc-status", "0".into())]),
            }),
            201,
        ),
        (
            Does::Replies(Reply {
                head: head(),
                data: Vec::new(),
                trailers: Some(vec![("grpc-status", "9".into()), ("grpc-message", "closed".into())]),
            }),
            400,
        ),
        (Reply::status("14", "come again"), 503),
    ];
    for (does, status) in replies {
        let bank = RawBank::start(move |_, _| does.clone());
        let headers = "status_headers: {}\nmetadata: {reply: [x-limit], http_status: x-status}\n";
        let gateway = gateway(&bank, headers);
        let first = pay(gateway.address, "k", "t");
        assert_eq!((first.status, first.header("idempotency-replayed")), (status, None), "{first:?}");
        assert_eq!(first.header("x-secret"), None);
        for _ in 0..3 {
            let again = pay(gateway.address, "k", "t");
            assert_eq!(again.header("idempotency-replayed"), Some("true"));
            let but_dates = |answer: &Answer| -> Vec<(String, String)> {
                let headers =
                    answer.headers.iter().filter(|(name, _)| !["date", "idempotency-replayed"].contains(&&**name));
                headers.cloned().collect()
            };
            assert_eq!((again.status, but_dates(&again)), (first.status, but_dates(&first)));
            assert_eq!(again.body, first.body);
        }
        assert_eq!(bank.count("t"), ONCE, "{status}");
        // Another key is another payment, though the request is the same.
        assert_eq!(pay(gateway.address, "other", "t").header("idempotency-replayed"), None);
        assert_eq!(bank.count("t").acted, 2);
    }
}

#[test]
fn of_a_hundred_simultaneous_requests_with_one_key_only_one_is_executed() {
    let bank = RawBank::start(|_, _| Does::Slow(Duration::from_millis(300)));
    let gateway = gateway(&bank, "");
    let barrier = Barrier::new(100);
    let answers: Vec<Answer> = thread::scope(|scope| {
        let pay = || {
            let mut stream = http::connect(gateway.address);
            barrier.wait();
            let headers = [("Content-Type", "application/json"), ("Idempotency-Key", "k")];
            http::write(&mut stream, "POST", "/transfers", &headers, Some(body("t").as_bytes()));
            http::read(&mut stream)
        };
        let callers: Vec<_> = (0..100).map(|_| scope.spawn(pay)).collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).collect()
    });
    let (in_use, others): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 409);
    for answer in &in_use {
        assert_eq!(gist(answer), is(409, "IDEMPOTENCY_KEY_IN_USE", false));
        assert_eq!(answer.header("retry-after"), Some("1"));
        let message = "the first request with this idempotency key is still in progress; repeat the request later with the same key";
        assert_eq!(answer.refusal(), (10, message.to_owned()));
    }
    let first: Vec<_> = others.iter().filter(|answer| answer.header("idempotency-replayed").is_none()).collect();
    assert_eq!((first.len(), first[0].status), (1, 200), "{others:?}");
    assert!(others.iter().all(|answer| answer.body == first[0].body));
    assert_eq!(gist(&pay(gateway.address, "k", "t")), is(200, "", true));
    assert_eq!(bank.count("t"), ONCE);
    println!("{} of 100 were told that the first is in progress", in_use.len());
}

#[test]
fn a_key_reused_with_a_different_request_is_refused() {
    let bank = RawBank::start(|_, _| Does::Answers);
    let gateway = gateway(&bank, "idempotency: optional\n");
    assert_eq!(gist(&pay(gateway.address, "k", "t")), is(200, "", false));
    let message = "this idempotency key was already used with another request; send a new key with each new request";
    let other = pay(gateway.address, "k", "u");
    assert_eq!((gist(&other), other.refusal()), (is(422, "IDEMPOTENCY_KEY_REUSED", false), (3, message.to_owned())));
    // The same in another form: the message counts, and not how the caller has written it.
    let key = [("x-idempotency-key", "\"k\"")];
    assert_eq!(gist(&pay_with(gateway.address, &key, "{ \"transfer_id\" : \"\\u0074\" }")), is(200, "", true));
    // A reply in another form is another request.
    let headers = [("Content-Type", "application/json"), ("Idempotency-Key", "k")];
    let pretty =
        http::send(gateway.address, "POST", "/transfers?$prettyPrint=true", &headers, Some(body("t").as_bytes()));
    assert_eq!(gist(&pretty), is(422, "IDEMPOTENCY_KEY_REUSED", false));
    // Keys are those of an rpc: another one knows nothing of them.
    for replayed in [false, true] {
        let other = http::send(gateway.address, "GET", "/transfers?transfer_id=s", &headers[1..], None);
        assert_eq!(gist(&other), is(200, "", replayed));
    }
    assert_eq!((bank.count("t"), bank.count("u"), bank.count("s")), (ONCE, Count::default(), ONCE));
}

#[test]
fn a_call_with_a_key_finishes_even_if_its_caller_disconnects() {
    let does = [
        (Does::Slow(Duration::from_millis(300)), is(200, "", true)),
        (Does::Later(Duration::from_millis(300), Box::new(Reply::status("5", "no"))), is(404, "", true)),
        (Does::Later(Duration::from_millis(300), Box::new(Does::Cuts)), is(409, "IDEMPOTENT_OUTCOME_UNKNOWN", false)),
    ];
    for (does, expected) in does {
        let bank = RawBank::start(move |_, _| does.clone());
        // Without a key such a call would be cancelled.
        let gateway = gateway(&bank, "requests: {caller_gone: cancel}\n");
        let mut caller: TcpStream = http::connect(gateway.address);
        let headers = [("Content-Type", "application/json"), ("Idempotency-Key", "k")];
        http::write(&mut caller, "POST", "/transfers", &headers, Some(body("t").as_bytes()));
        wait_until("the call is at the bank", || bank.count("t").seen == 1);
        drop(caller);
        assert_eq!(gist(&pay(gateway.address, "k", "t")), is(409, "IDEMPOTENCY_KEY_IN_USE", false));
        assert_eq!(gist(&settled(gateway.address, "k", "t")), expected);
        assert_eq!((bank.count("t"), bank.resets().len()), (ONCE, 0));
    }
}

#[test]
fn a_call_that_may_have_been_executed_is_never_executed_again() {
    for (does, status) in [
        (Does::Cuts, 502),
        (Does::Kills, 502),
        (Does::Half, 502),
        (Does::Resets(2), 502),
        (Does::Babbles, 502),
        (Reply::without_status(), 502),
        (Does::Hangs, 504),
    ] {
        let case = format!("{does:?}");
        let bank = RawBank::start(move |id, seen| if id == "t" && seen == 0 { does.clone() } else { Does::Answers });
        let more = format!("rpcs: {{{TRANSFER}: {{idempotency: required, deadline: 500ms}}}}\n");
        let config = format!("schema: proto\nupstream: {}\n{more}", bank.url());
        let gateway = Gateway::start(&config, None);
        let first = pay(gateway.address, "k", "t");
        assert_eq!((first.status, first.header("retry-after")), (status, None), "{case}: {first:?}");
        for _ in 0..3 {
            let again = pay(gateway.address, "k", "t");
            assert_eq!(gist(&again), is(409, "IDEMPOTENT_OUTCOME_UNKNOWN", false), "{case}");
            let message = "the outcome of the first request with this idempotency key is unknown, and it is not executed again; find \
                           out what the backend did before you send the request with a new key";
            assert_eq!((again.refusal(), again.header("retry-after")), ((2, message.to_owned()), None), "{case}");
        }
        assert_eq!(bank.count("t"), ONCE, "{case}");
        assert_eq!(gist(&pay(gateway.address, "k", "u")), is(422, "IDEMPOTENCY_KEY_REUSED", false), "{case}");
        // The bank is there, and the next payment is made.
        assert_eq!(pay(gateway.address, "next", "n").status, 200, "{case}");
    }
}

#[test]
fn a_call_that_was_certainly_not_sent_frees_its_key() {
    let mut bank = RawBank::start(|_, seen| if seen < 3 { Does::Resets(REFUSED_STREAM) } else { Does::Answers });
    let gateway = gateway(&bank, "");
    bank.kill();
    assert_eq!(gist(&pay(gateway.address, "k", "t")), is(503, "BACKEND_UNREACHABLE", false));
    // A wrong request has no key at all.
    assert_eq!(pay_with(gateway.address, &[("Idempotency-Key", "k")], r#"{"transferId":1}"#).status, 400);
    bank.restart();
    // The bank does not act on a stream that it refuses, though `RawBank` counts it.
    let end = Instant::now() + PATIENCE;
    let refused = loop {
        let answer = pay(gateway.address, "k", "t");
        if gist(&answer).1 != "BACKEND_UNREACHABLE" {
            break answer;
        }
        assert!(Instant::now() < end);
        thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(gist(&refused), is(503, "CALL_NOT_ACCEPTED", false));
    assert_eq!(gist(&pay(gateway.address, "k", "t")), is(200, "", false));
    assert_eq!(gist(&pay(gateway.address, "k", "t")), is(200, "", true));
}

#[test]
fn a_key_is_required_only_where_configured() {
    let bank = RawBank::start(|_, _| Does::Answers);
    let bounds = "{keys: required, min_length: 8, max_length: 40, headers: x-idempotency-key}";
    let strict = gateway_with(&bank, bounds, "");
    let missing = "header x-idempotency-key is missing: this call needs an idempotency key; send a new unique key with each new \
                   request, and the same key when you repeat a request";
    let malformed =
        "header x-idempotency-key: expected an idempotency key of 8 to 40 printable ASCII characters without spaces";
    for (headers, reason, message) in [
        (&[][..], "IDEMPOTENCY_KEY_MISSING", missing),
        (&[("Idempotency-Key", "12345678")], "IDEMPOTENCY_KEY_MISSING", missing),
        (&[("x-idempotency-key", "1234567")], "INVALID_HEADER", malformed),
        (&[("x-idempotency-key", "1234 5678")], "INVALID_HEADER", malformed),
    ] {
        let answer = pay_with(strict.address, headers, &body("t"));
        assert_eq!((gist(&answer), answer.refusal()), (is(400, reason, false), (3, message.to_owned())), "{headers:?}");
    }
    assert_eq!(bank.count("t"), Count::default());
    for (transfer, for_all) in [("optional", ""), ("{lifetime: 1h}", "idempotency: {keys: optional, memory: 1MiB}\n")] {
        let optional = gateway_with(&bank, transfer, for_all);
        let before = bank.count("t").acted;
        for _ in 0..2 {
            assert_eq!(gist(&pay_with(optional.address, &[], &body("t"))), is(200, "", false));
        }
        assert_eq!(gist(&pay(optional.address, "k", "t")), is(200, "", false));
        assert_eq!(gist(&pay(optional.address, "k", "t")), is(200, "", true));
        assert_eq!(bank.count("t").acted, before + 3, "{transfer}");
    }
    // For all rpcs, requests that are not meant to change anything need none.
    let all = gateway_with(&bank, "{}", "idempotency: required\n");
    assert_eq!(gist(&pay_with(all.address, &[], &body("t"))).1, "IDEMPOTENCY_KEY_MISSING");
    let got = http::get(all.address, "/transfers?transfer_id=read");
    assert_eq!((got.status, bank.count("read").seen), (200, 1), "{got:?}");
    let off = gateway_with(&bank, "off", "idempotency: required\n");
    assert_eq!(gist(&pay_with(off.address, &[("Idempotency-Key", "")], &body("t"))), is(200, "", false));
}

#[test]
fn a_key_is_kept_until_its_lifetime_ends() {
    let bank = RawBank::start(|id, _| if id == "unknown" { Does::Cuts } else { Does::Answers });
    let gateway = gateway_with(&bank, "{keys: required, lifetime: 1s}", "");
    assert_eq!(pay(gateway.address, "k", "t").status, 200);
    assert_eq!(pay(gateway.address, "l", "unknown").status, 502);
    assert_eq!(gist(&pay(gateway.address, "k", "t")), is(200, "", true));
    assert_eq!(gist(&pay(gateway.address, "l", "unknown")), is(409, "IDEMPOTENT_OUTCOME_UNKNOWN", false));
    thread::sleep(Duration::from_millis(1100));
    assert_eq!(gist(&pay(gateway.address, "k", "other")), is(200, "", false));
    assert_eq!((bank.count("t"), bank.count("other")), (ONCE, ONCE));
}

#[test]
fn a_full_store_refuses_new_keys_and_keeps_the_existing_ones() {
    let large = || Reply::encoded("", frame_of(0, &[b"\x0a\x80\x08".as_slice(), &[b'x'; 1024]].concat()));
    let bank = RawBank::start(move |id, _| if id == "large" { large() } else { Does::Answers });
    let gateway = gateway(&bank, "idempotency: {memory: 1100}\n");
    assert_eq!(gist(&pay(gateway.address, "k", "large")), is(200, "", false));
    let again = pay(gateway.address, "k", "large");
    let message = "the backend answered the first request with this idempotency key, but the answer could not be stored; it is not \
                   executed again";
    assert_eq!(
        (gist(&again), again.refusal()),
        (is(409, "IDEMPOTENT_ANSWER_NOT_KEPT", false), (6, message.to_owned()))
    );
    assert_eq!(gist(&pay(gateway.address, "l", "t")), is(200, "", false));
    let full = pay(gateway.address, "m", "u");
    let message = "the gateway has no memory left for another idempotency key; the call was not sent";
    assert_eq!((gist(&full), full.refusal()), (is(503, "IDEMPOTENCY_STORE_FULL", false), (14, message.to_owned())));
    assert_eq!(full.header("retry-after"), Some("60"));
    assert_eq!(gist(&pay(gateway.address, "l", "t")), is(200, "", true));
    assert_eq!((bank.count("large"), bank.count("t"), bank.count("u")), (ONCE, ONCE, Count::default()));
}

#[test]
fn a_repeated_request_gets_the_error_of_a_too_large_reply_again() {
    let large = || Reply::encoded("", frame_of(0, &[b"\x0a\x80\x10".as_slice(), &[b'x'; 2048]].concat()));
    let bank = RawBank::start(move |_, _| large());
    let more = format!("rpcs: {{{TRANSFER}: {{idempotency: required, reply_limit: 1KiB}}}}\n");
    let gateway = Gateway::start(&format!("schema: proto\nupstream: {}\n{more}", bank.url()), None);
    assert_eq!(gist(&pay(gateway.address, "k", "t")), is(502, "RESPONSE_TOO_LARGE", false));
    assert_eq!(gist(&pay(gateway.address, "k", "t")), is(502, "RESPONSE_TOO_LARGE", true));
    assert_eq!(bank.count("t"), ONCE);
}

#[test]
fn each_verified_caller_has_separate_keys() {
    let (folder, key) = (tempfile::tempdir().unwrap(), Key::ed25519("e"));
    let keys = folder.path().join("keys.json");
    std::fs::write(&keys, key_set(&[&key])).unwrap();
    let callers = format!(
        "callers: {{issuers: {{bank: {{issuer: '{ISSUER}', audience: '{AUDIENCE}', keys: '{}'}}}}}}\n",
        keys.display()
    );
    let bank = RawBank::start(|_, _| Does::Answers);
    let gateway = gateway(&bank, &callers);
    let mut count = 0;
    let mut pay_as = |subject: serde_json::Value, client: &str| {
        count += 1;
        // A new token each time: the caller is the same.
        let token = key.token(&claims_with(json!({"sub": subject, "client_id": client, "jti": count.to_string()})));
        let headers = [("Idempotency-Key", "k"), ("Authorization", &*format!("Bearer {token}"))];
        gist(&pay_with(gateway.address, &headers, &body("t")))
    };
    for (subject, client, expected) in [
        (json!("anna"), "tpp", is(200, "", false)),
        (json!("anna"), "tpp", is(200, "", true)),
        (json!("bert"), "tpp", is(200, "", false)),
        (json!("anna"), "another tpp", is(200, "", false)),
        (json!("bert"), "tpp", is(200, "", true)),
    ] {
        assert_eq!(pay_as(subject.clone(), client), expected, "{subject} {client}");
    }
    assert_eq!(bank.count("t").acted, 3);
}

#[test]
fn without_a_verified_caller_a_key_is_bound_to_the_credentials_it_came_with() {
    let bank = RawBank::start(|_, _| Does::Answers);
    let gateway = gateway(&bank, "");
    let pay_as = |credentials: &str| {
        let headers = [("Idempotency-Key", "k"), ("Authorization", credentials)];
        gist(&pay_with(gateway.address, &headers, &body("t")))
    };
    assert_eq!(pay_as("Bearer a"), is(200, "", false));
    assert_eq!(pay_as("Bearer a"), is(200, "", true));
    assert_eq!(pay_as("Bearer b"), is(422, "IDEMPOTENCY_KEY_REUSED", false));
    assert_eq!(gist(&pay(gateway.address, "k", "t")), is(422, "IDEMPOTENCY_KEY_REUSED", false));
    assert_eq!(bank.count("t"), ONCE);
}

#[test]
fn keys_outlast_a_reload() {
    let bank = RawBank::start(|_, _| Does::Answers);
    let (folder, file) = (Folder::new(), "towbar.yaml");
    let config = |keys: &str| {
        let rest = format!("rpcs: {{{TRANSFER}: {{idempotency: {keys}}}}}\nreload: {{watch: false}}\n");
        format!("listen: 127.0.0.1:0\nschema: proto\nupstream: {}\n{rest}", bank.url())
    };
    folder.copy("proto", "proto").write(file, config("required"));
    let gateway = folder.start(&["serve", "--config", file]);
    assert_eq!(gist(&pay(gateway.address, "k", "t")), is(200, "", false));
    for (keys, without_key) in [("off", 200), ("{keys: required, lifetime: 1h}", 400)] {
        folder.write(file, config(keys));
        gateway.process.signal("HUP");
        wait_until("reloaded", || pay_with(gateway.address, &[], &body("other")).status == without_key);
    }
    assert_eq!(gist(&pay(gateway.address, "k", "t")), is(200, "", true));
    assert_eq!(bank.count("t"), ONCE);
}

/// Callers repeat each payment, several at once, until it has an answer for good; the bank does what comes.
#[test]
fn the_backend_acts_at_most_once_for_a_key_whatever_fails() {
    const KEYS: usize = 60;
    let seed =
        std::env::var("TOWBAR_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    println!("TOWBAR_SEED={seed}");
    let bank = RawBank::start(move |id, seen| {
        let number: u64 = id.parse().unwrap();
        let mut random = fastrand::Rng::with_seed(seed ^ (number * 1000 + seen as u64));
        let does = match random.u8(..10) {
            0 => Does::Refuses,
            1 => Does::GoesAwayBefore,
            2 => Does::Cuts,
            3 => Does::Kills,
            4 => Does::Half,
            5 => Does::Resets(2),
            6 => Reply::status("14", "busy"),
            _ => Does::Answers,
        };
        Does::Later(Duration::from_millis(random.u64(..10)), Box::new(does))
    });
    let gateway = gateway(&bank, "");
    let to = gateway.address;
    let mut finals = std::collections::BTreeMap::<(u16, String), usize>::new();
    for number in 0..KEYS {
        let (key, id) = (format!("key-{number}"), number.to_string());
        let answers: Vec<Answer> = thread::scope(|scope| {
            let callers: Vec<_> = (0..3)
                .map(|caller| {
                    let (key, id) = (&key, &id);
                    scope.spawn(move || {
                        if caller == 0 {
                            // This one sends and leaves.
                            let mut stream = http::connect(to);
                            let headers = format!(
                                "POST /transfers HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nIdempotency-Key: {key}\r\n"
                            );
                            let body = body(id);
                            let _ = write!(stream, "{headers}Content-Length: {}\r\n\r\n{body}", body.len());
                        }
                        repeated(to, key, id)
                    })
                })
                .collect();
            callers.into_iter().map(|caller| caller.join().unwrap()).collect()
        });
        assert!(bank.count(&id).acted <= 1, "{id}: {:?}", bank.count(&id));
        for answer in answers {
            let (status, reason, _) = gist(&answer);
            *finals.entry((status, reason)).or_default() += 1;
        }
    }
    println!("{finals:?}");
    assert!(finals.contains_key(&(200, String::new())), "{finals:?}");
    assert!(finals.contains_key(&(409, "IDEMPOTENT_OUTCOME_UNKNOWN".to_owned())), "{finals:?}");
}

/// The answer to a payment that its caller repeats as the answers say.
fn repeated(to: SocketAddr, key: &str, id: &str) -> Answer {
    let end = Instant::now() + PATIENCE;
    loop {
        let answer = settled(to, key, id);
        // The call was not sent, or the outcome is unknown to this caller: it asks again.
        let is_for_good = answer.header("idempotency-replayed").is_some() || matches!(answer.status, 200 | 409);
        if is_for_good {
            return answer;
        }
        assert!(Instant::now() < end, "{answer:?}");
    }
}

#[test]
fn invalid_idempotency_settings_stop_the_start() {
    let problems = |text: &str| -> Vec<String> {
        let (_, problems) = config::load_text(text, "t.yaml".as_ref(), &Overrides::default());
        problems.iter().map(Problem::to_string).collect()
    };
    for (section, problem) in [
        (
            "idempotency: {instances: 2}",
            "t.yaml:3:26: instances: expected `1`: keys are stored in the memory of one process, and another instance would execute \
             a retry again; set `store: shared`, run one instance, or remove `idempotency`",
        ),
        ("idempotency: {store: redis}", "t.yaml:3:22: store: expected `memory` or `shared`, found `redis`"),
        ("idempotency: {replicas: 1}", "t.yaml:3:25: replicas: has no effect without `store: shared`"),
        (
            "idempotency: {store: shared, encryption_keys: '${KEY}'}",
            "t.yaml:3:22: store: `store` is missing at the top of the file: set it to the address of a server of Redis or Valkey",
        ),
        (
            "idempotency: {store: shared}\nstore: redis://a",
            "t.yaml:3:22: store: `encryption_keys` is missing: stored answers are encrypted; set it to `${NAME}` or `file:PATH`",
        ),
        (
            "idempotency: {store: shared, memory: 1MiB, encryption_keys: ['${KEY}']}\nstore: redis://a",
            "t.yaml:3:38: memory: has no effect with `store: shared`; the server has a limit of its own, `maxmemory`",
        ),
        (
            "idempotency: {store: shared, encryption_keys: [secret]}\nstore: redis://a",
            "t.yaml:3:48: encryption_keys: expected `${NAME}` for an environment variable, or `file:PATH`; the secret itself does not \
             belong here",
        ),
        ("idempotency: always", "t.yaml:3:14: idempotency: expected `off`, `optional` or `required`, found `always`"),
        (
            "rpcs: {a.B.C: {idempotency: {lifetime: 500ms}}}",
            "t.yaml:3:40: lifetime: expected a duration from `1s` to `365d`, found `500ms`",
        ),
        (
            "rpcs: {a.B.C: {idempotency: {lifetime: none}}}",
            "t.yaml:3:40: lifetime: expected a duration from `1s` to `365d`, found `none`",
        ),
        (
            "rpcs: {a.B.C: {idempotency: {min_length: 300}}}",
            "t.yaml:3:16: idempotency: expected `min_length` up to `max_length`, found 300 and 255",
        ),
        (
            "rpcs: {a.B.C: {idempotency: {memory: 1MiB}}}",
            "t.yaml:3:30: unknown key `memory`; known here: `keys`, `headers`, `lifetime`, `min_length`, `max_length`",
        ),
    ] {
        let text = format!("schema: proto\nupstream: http://a:1\n{section}\n");
        assert_eq!(problems(&text), [problem], "{section}");
    }
}

/// The example of docs/idempotency.md: its configuration, its command twice, and the two errors that it shows.
#[test]
fn the_documented_example_gives_the_documented_answers() {
    let page = include_str!("../../docs/idempotency.md");
    let config = page.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let shown: Vec<&str> = page.split("```http\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    let bank = RawBank::start(|_, _| Does::Answers);
    let config = config.replace("http://127.0.0.1:9000", &bank.url()).replace("127.0.0.1:8080", "127.0.0.1:0");
    let gateway = Gateway::start(&config, None);
    let key = "8e03978e-40d5-43dd";
    assert!(page.contains(&format!("-H 'Idempotency-Key: {key}'")) && page.contains(&format!("-d '{}'", body("t-1"))));
    assert_eq!(pay(gateway.address, key, "t-1").status, 200);
    let answers = [
        pay(gateway.address, key, "t-1"),
        pay(gateway.address, key, "t-2"),
        pay_with(gateway.address, &[], &body("t-1")),
    ];
    assert_eq!(shown.len(), answers.len());
    for (answer, shown) in answers.iter().zip(shown) {
        let (head, body) = shown.split_once("\n\n").unwrap();
        let mut lines = head.lines();
        assert_eq!(lines.next().unwrap().split(' ').nth(1), Some(&*answer.status.to_string()), "{answer:?}");
        for line in lines {
            let (name, value) = line.split_once(": ").unwrap();
            assert_eq!(answer.header(name), Some(value), "{answer:?}");
        }
        assert_eq!(answer.body, body.trim_end(), "{shown}");
    }
    assert_eq!(bank.count("t-1"), ONCE);
}
