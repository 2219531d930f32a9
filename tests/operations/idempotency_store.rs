//! Idempotency keys in a real Redis, which two gateways share: whatever fails, the bank acts at most once for a key.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::folder::{Folder, NOBODY};
use crate::support::http::{self, Answer};
use crate::support::ports;
use crate::support::process::{Gateway, Process};
use crate::support::raw::{Count, Does, RawBank, Reply};
use crate::support::redis::RedisServer;

const PATIENCE: Duration = Duration::from_secs(20);
const TRANSFER: &str = "io.token.proto.bankapi.TransferService.Transfer";
const ONCE: Count = Count { seen: 1, acted: 1 };
const NEVER: Count = Count { seen: 0, acted: 0 };
const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const AWAY: &str = "IDEMPOTENCY_STORE_UNAVAILABLE";
const IS_AWAY: &str =
    "the store of idempotency keys does not answer, so the call was not sent; repeat the request with the same key";
const IS_FULL: &str = "the store of idempotency keys has no memory left for another key; the call was not sent";

/// The configuration of gateways in front of a bank, with these lines for their store.
struct Site {
    folder: Folder,
}

impl Site {
    fn new(bank: &str, store: &str) -> Self {
        let folder = Folder::new();
        folder.copy("proto", "proto");
        let site = Self { folder };
        site.configure(bank, store, "");
        site
    }

    fn configure(&self, bank: &str, store: &str, more: &str) {
        let config = format!(
            "listen: 127.0.0.1:0\nschema: proto\nupstream: {{address: '{bank}', deadline: 2s}}\n{store}\n\
             idempotency: {{store: shared, instances: 2, encryption_keys: ['${{TOWBAR_TEST_KEY}}']{more}}}\n\
             rpcs: {{{TRANSFER}: {{idempotency: required}}}}\n"
        );
        self.folder.write("towbar.yaml", config);
    }

    fn gateway(&self) -> Gateway {
        let mut command = self.folder.command(&["serve", "--config", "towbar.yaml"]);
        command.env("TOWBAR_TEST_KEY", KEY).env("TOWBAR_TEST_PASSWORD", "store-secret");
        Gateway::of(&mut command)
    }

    /// A gateway with an admin port, and the port's address.
    fn with_metrics(&self) -> (Gateway, SocketAddr) {
        let admin = ports::free();
        let text = std::fs::read_to_string(self.folder.path("towbar.yaml")).unwrap();
        self.folder.write("admin.yaml", format!("{text}admin: {admin}\n"));
        let mut command = self.folder.command(&["serve", "--config", "admin.yaml"]);
        command.env("TOWBAR_TEST_KEY", KEY);
        (Gateway::of(&mut command), admin)
    }
}

fn plain(redis: &RedisServer) -> String {
    format!("store: {{address: 'redis://{}', timeout: 300ms}}", redis.address)
}

fn pay(to: SocketAddr, key: &str, id: &str) -> Answer {
    let headers = [("Content-Type", "application/json"), ("Idempotency-Key", key)];
    http::send(to, "POST", "/transfers", &headers, Some(format!(r#"{{"transferId":"{id}"}}"#).as_bytes()))
}

/// Its status, its reason if it is an error of Towbar's own, and whether it is the first answer again.
fn gist(answer: &Answer) -> (u16, String, bool) {
    let replayed = answer.header("idempotency-replayed").is_some();
    (answer.status, answer.body_and_reason().1.unwrap_or_default(), replayed)
}

fn is(status: u16, reason: &str, replayed: bool) -> (u16, String, bool) {
    (status, reason.to_owned(), replayed)
}

/// The first answer that is not one of these reasons.
fn settled(to: SocketAddr, key: &str, id: &str, passing: &[&str]) -> Answer {
    let end = Instant::now() + PATIENCE;
    loop {
        let answer = pay(to, key, id);
        if !passing.contains(&gist(&answer).1.as_str()) {
            return answer;
        }
        assert!(Instant::now() < end, "{answer:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// The store is reached when a gateway starts to listen, or a little later.
fn ready(to: SocketAddr) {
    assert_eq!(settled(to, "ready", "ready", &[AWAY]).status, 200);
}

#[test]
fn two_gateways_share_their_keys_and_the_store_holds_no_answer_in_plain_text() {
    RedisServer::start("").iter().for_each(shares_keys);
}

#[test]
fn two_gateways_share_their_keys_through_valkey_too() {
    RedisServer::valkey().iter().for_each(shares_keys);
}

fn shares_keys(redis: &RedisServer) {
    let bank = RawBank::start(|id, _| match id {
        "slow" => Does::Slow(Duration::from_millis(500)),
        "cut" => Does::Cuts,
        "refused" => Does::Refuses,
        "error" => Reply::status("9", "closed"),
        _ => Does::Answers,
    });
    let site = Site::new(&bank.url(), &plain(redis));
    let (one, two) = (site.gateway(), site.gateway());
    let (one_at, two_at) = (one.address, two.address);
    ready(one_at);
    ready(two_at);
    let first = pay(one_at, "k", "answer-of-the-bank");
    assert_eq!(gist(&first), is(200, "", false));
    let again = pay(two_at, "k", "answer-of-the-bank");
    assert_eq!((gist(&again), &again.body), (is(200, "", true), &first.body));
    assert_eq!(gist(&pay(two_at, "k", "another")), is(422, "IDEMPOTENCY_KEY_REUSED", false));
    assert_eq!((bank.count("answer-of-the-bank"), bank.count("another")), (ONCE, NEVER));

    let slow = thread::spawn(move || pay(one_at, "s", "slow"));
    thread::sleep(Duration::from_millis(200));
    let in_use = pay(two_at, "s", "slow");
    assert_eq!(gist(&in_use), is(409, "IDEMPOTENCY_KEY_IN_USE", false));
    assert_eq!(slow.join().unwrap().status, 200);
    assert_eq!(gist(&settled(two_at, "s", "slow", &["IDEMPOTENCY_KEY_IN_USE"])), is(200, "", true));

    assert_eq!(pay(one_at, "c", "cut").status, 502);
    assert_eq!(
        gist(&settled(two_at, "c", "cut", &["IDEMPOTENCY_KEY_IN_USE"])),
        is(409, "IDEMPOTENT_OUTCOME_UNKNOWN", false)
    );
    assert_eq!(pay(one_at, "e", "error").status, 400);
    assert!(gist(&settled(two_at, "e", "error", &["IDEMPOTENCY_KEY_IN_USE"])).2);
    // A call that was certainly not sent frees its key: both are executed, as far as the bank is concerned.
    let status = pay(one_at, "r", "refused").status;
    let seen = bank.count("refused").seen;
    assert_eq!(settled(two_at, "r", "refused", &["IDEMPOTENCY_KEY_IN_USE"]).status, status);
    assert!(bank.count("refused").seen > seen && bank.count("refused").acted == 0);

    let stored = std::fs::read_dir(redis.path("appendonlydir")).unwrap().map(|file| file.unwrap().path());
    let stored: Vec<u8> = stored.flat_map(|file| std::fs::read(file).unwrap()).collect();
    let has = |text: &str| stored.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(has("towbar:idempotency:") && !has("answer-of-the-bank") && !has("Transfer"));
    // Keys outlast every gateway.
    drop((one, two));
    let three = site.gateway();
    assert_eq!(gist(&settled(three.address, "k", "answer-of-the-bank", &[AWAY])), is(200, "", true));
}

#[test]
fn the_store_is_reached_with_client_certificates_and_a_user_who_may_do_little_else() {
    let Some(redis) = RedisServer::with_tls_and_users() else { return };
    let bank = RawBank::start(|_, _| Does::Answers);
    let (address, path) = (redis.address, |name: &str| redis.path(name).display().to_string());
    let tls = |identity: bool, ca: &str| {
        let identity = format!(", cert: {}, key: {}", path("client.pem"), path("client.key")).repeat(identity.into());
        format!("tls: {{ca: {}{identity}}}", path(ca))
    };
    let of = |user: &str, tls: &str| {
        format!("store: {{address: 'rediss://{address}', user: {user}, password: '${{TOWBAR_TEST_PASSWORD}}', {tls}}}")
    };
    for (store, expected) in [
        (of("towbar", &tls(true, "ca.pem")), is(200, "", false)),
        (of("somebody", &tls(true, "ca.pem")), is(503, AWAY, false)),
        (of("towbar", &tls(false, "ca.pem")), is(503, AWAY, false)),
        (of("towbar", &tls(true, "client.pem")), is(503, AWAY, false)),
    ] {
        let gateway = Site::new(&bank.url(), &store).gateway();
        let answer = if expected.0 == 200 {
            settled(gateway.address, "k", "t", &[AWAY])
        } else {
            pay(gateway.address, "k", "t")
        };
        assert_eq!(gist(&answer), expected, "{store}");
        let stderr = gateway.stop().stderr;
        assert!(!stderr.contains("store-secret"), "{stderr}");
    }
    assert_eq!(bank.count("t"), ONCE);
}

#[test]
fn without_its_store_a_request_with_a_key_is_refused_soon_and_not_sent() {
    let Some(mut redis) = RedisServer::start("") else { return };
    let bank = RawBank::start(|_, _| Does::Answers);
    let site = Site::new(&bank.url(), &plain(&redis));
    let (gateway, admin) = site.with_metrics();
    let to = gateway.address;
    ready(to);
    type Act = fn(&mut RedisServer);
    let cases: [(&str, Act, Act, &str); 6] = [
        ("killed", RedisServer::kill, RedisServer::restart, AWAY),
        ("paused", |redis| redis.signal("STOP"), |redis| redis.signal("CONT"), AWAY),
        ("slow", |redis| redis.tell("CLIENT PAUSE 1500 ALL"), |_| thread::sleep(Duration::from_secs(1)), AWAY),
        (
            "full",
            |redis| drop(redis.ask("CONFIG SET maxmemory 1mb")),
            |redis| drop(redis.ask("CONFIG SET maxmemory 0")),
            "IDEMPOTENCY_STORE_FULL",
        ),
        (
            "another-password",
            |redis| {
                redis.ask("CONFIG SET requirepass other");
                redis.ask("AUTH other\r\nCLIENT KILL TYPE normal SKIPME yes");
            },
            |redis| drop(redis.ask("AUTH other\r\nCONFIG SET requirepass \"\"")),
            AWAY,
        ),
        (
            "a-replica",
            |redis| drop(redis.ask("REPLICAOF 127.0.0.1 1")),
            |redis| drop(redis.ask("REPLICAOF NO ONE")),
            AWAY,
        ),
    ];
    for (case, breaks, repairs, reason) in cases {
        breaks(&mut redis);
        let mut longest = Duration::ZERO;
        for number in 0..4 {
            let began = Instant::now();
            let answer = pay(to, &format!("{case}-{number}"), case);
            longest = longest.max(began.elapsed());
            assert_eq!(gist(&answer), is(503, reason, false), "{case}");
            let (message, after) = if reason == AWAY { (IS_AWAY, "1") } else { (IS_FULL, "60") };
            assert_eq!(
                (answer.refusal(), answer.header("retry-after")),
                ((14, message.to_owned()), Some(after)),
                "{case}"
            );
        }
        assert_eq!(bank.count(case), NEVER, "{case}");
        repairs(&mut redis);
        let began = Instant::now();
        // The claims that were refused are given up, also those that the store had received.
        for number in 0..4 {
            let passing = [AWAY, "IDEMPOTENCY_STORE_FULL", "IDEMPOTENCY_KEY_IN_USE"];
            let answer = settled(to, &format!("{case}-{number}"), case, &passing);
            assert_eq!(gist(&answer), is(200, "", false), "{case}");
        }
        assert_eq!(bank.count(case), Count { seen: 4, acted: 4 }, "{case}");
        println!("{case}: refused within {longest:?}, served again after {:?}", began.elapsed());
        assert!(longest < Duration::from_millis(1500), "{case}: {longest:?}");
    }
    let metrics = http::get(admin, "/metrics");
    let text = metrics.body;
    let value = |name: &str| -> f64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{name} in {text}"));
        line.trim().parse().unwrap()
    };
    assert!(value("towbar_store_up ") == 1.0, "{text}");
    for name in [
        "towbar_store_connects_total{result=\"ok\"} ",
        "towbar_store_connects_total{result=\"failed\"} ",
        "towbar_store_commands_total{result=\"ok\"} ",
        "towbar_store_commands_total{result=\"refused\"} ",
        "towbar_store_commands_total{result=\"not_connected\"} ",
        "towbar_store_command_duration_seconds_count ",
        "towbar_idempotency_settled_total{result=\"stored\"} ",
    ] {
        assert!(value(name) > 0.0, "{name}");
    }
    assert!(value("towbar_idempotency_settled_total{result=\"lost_key\"} ") == 0.0, "{text}");
    drop(gateway);
}

#[test]
fn a_store_that_evicts_keys_is_not_used() {
    let Some(redis) = RedisServer::start("maxmemory 100mb\nmaxmemory-policy allkeys-lru\n") else { return };
    let bank = RawBank::start(|_, _| Does::Answers);
    let gateway = Site::new(&bank.url(), &plain(&redis)).gateway();
    assert_eq!(gist(&pay(gateway.address, "k", "t")), is(503, AWAY, false));
    assert_eq!(bank.count("t"), NEVER);
    let stderr = gateway.stop().stderr;
    assert!(stderr.contains("maxmemory-policy"), "{stderr}");
}

#[test]
fn the_key_of_a_gateway_that_is_killed_reads_as_unknown_after_its_lease_and_is_never_free() {
    let Some(redis) = RedisServer::start("") else { return };
    let bank = RawBank::start(|_, _| Does::Hangs);
    let site = Site::new(&bank.url(), &plain(&redis));
    let (one, two) = (site.gateway(), site.gateway());
    let (one_at, two_at) = (one.address, two.address);
    // The other gateway stays connected to the store.
    settled(two_at, "other", "other", &[AWAY]);
    let caller = thread::spawn(move || {
        let mut stream = http::connect(one_at);
        let headers = [("Content-Type", "application/json"), ("Idempotency-Key", "k")];
        http::write(&mut stream, "POST", "/transfers", &headers, Some(br#"{"transferId":"t"}"#));
        thread::sleep(Duration::from_secs(1));
    });
    let end = Instant::now() + PATIENCE;
    while bank.count("t") != ONCE {
        assert!(Instant::now() < end);
        thread::sleep(Duration::from_millis(5));
    }
    let began = Instant::now();
    drop(one);
    assert_eq!(gist(&pay(two_at, "k", "t")), is(409, "IDEMPOTENCY_KEY_IN_USE", false));
    let last = settled(two_at, "k", "t", &["IDEMPOTENCY_KEY_IN_USE"]);
    let took = began.elapsed();
    assert_eq!(gist(&last), is(409, "IDEMPOTENT_OUTCOME_UNKNOWN", false));
    // The deadline of the call and 5 s.
    assert!((Duration::from_secs(5)..Duration::from_secs(9)).contains(&took), "{took:?}");
    assert_eq!(bank.count("t"), ONCE);
    caller.join().unwrap();
}

#[test]
fn an_answer_reaches_the_store_later_if_the_store_is_away_when_it_comes() {
    let Some(mut redis) = RedisServer::start("") else { return };
    let bank = RawBank::start(|_, _| Does::Slow(Duration::from_millis(400)));
    let gateway = Site::new(&bank.url(), &plain(&redis)).gateway();
    let to = gateway.address;
    ready(to);
    type Act = fn(&mut RedisServer);
    let ways: [(&str, Act, Act); 2] = [
        ("killed", RedisServer::kill, RedisServer::restart),
        ("paused", |redis| redis.signal("STOP"), |redis| redis.signal("CONT")),
    ];
    for (way, breaks, repairs) in ways {
        let caller = thread::spawn(move || pay(to, way, way));
        let end = Instant::now() + PATIENCE;
        while bank.count(way) != ONCE {
            assert!(Instant::now() < end);
            thread::sleep(Duration::from_millis(5));
        }
        breaks(&mut redis);
        let began = Instant::now();
        // Nobody waits for the store to have it.
        assert_eq!(gist(&caller.join().unwrap()), is(200, "", false), "{way}");
        assert!(began.elapsed() < Duration::from_secs(1), "{way}: {:?}", began.elapsed());
        thread::sleep(Duration::from_millis(500));
        repairs(&mut redis);
        assert_eq!(gist(&settled(to, way, way, &[AWAY, "IDEMPOTENCY_KEY_IN_USE"])), is(200, "", true), "{way}");
        assert_eq!(bank.count(way), ONCE, "{way}");
    }
}

#[test]
fn without_enough_replicas_no_call_is_made() {
    let Some(redis) = RedisServer::start("") else { return };
    let bank = RawBank::start(|_, _| Does::Answers);
    let site = Site::new(&bank.url(), &plain(&redis));
    site.configure(&bank.url(), &plain(&redis), ", replicas: 1");
    let gateway = site.gateway();
    assert_eq!(gist(&pay(gateway.address, "k", "t")), is(503, AWAY, false));
    assert_eq!(bank.count("t"), NEVER);
    let replica = RedisServer::start(&format!("replicaof 127.0.0.1 {}\n", redis.address.port())).unwrap();
    let passing = [AWAY, "IDEMPOTENCY_KEY_IN_USE"];
    assert_eq!(gist(&settled(gateway.address, "k", "t", &passing)), is(200, "", false));
    assert_eq!(bank.count("t"), ONCE);
    drop(replica);
}

#[test]
fn check_and_doctor_say_what_the_store_is_for_and_what_is_wrong_with_it() {
    let Some(redis) = RedisServer::start("maxmemory 100mb\n") else { return };
    let site = Site::new(NOBODY, &plain(&redis));
    let run = |arguments: &[&str]| {
        let mut command = site.folder.command(arguments);
        Process::start(command.env("TOWBAR_TEST_KEY", KEY)).wait()
    };
    let checked = run(&["check", "--config", "towbar.yaml"]);
    let line = format!("idempotency keys required, shared through redis://{}: {TRANSFER}\n", redis.address);
    assert!(checked.code == Some(0) && checked.stdout.contains(&line), "{checked:?}");
    let steps = || -> Vec<String> {
        let told = run(&["doctor", "--config", "towbar.yaml"]).stdout;
        let of_store = told.lines().skip_while(|line| *line != "store").skip(1);
        of_store.map(|line| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")).collect()
    };
    assert_eq!(steps(), ["passed connect:", "passed memory:", "passed disk:"]);
    redis.ask("CONFIG SET maxmemory-policy allkeys-lru\r\nCONFIG SET appendonly no");
    assert_eq!(steps(), ["passed connect:", "FAILED memory:", "noted disk:"]);
    redis.ask("REPLICAOF 127.0.0.1 1");
    assert_eq!(steps(), ["FAILED connect:"]);
    let mut command = site.folder.command(&["check", "--config", "towbar.yaml"]);
    let refused = Process::start(command.env("TOWBAR_TEST_KEY", "short")).wait().stderr;
    assert!(refused.contains("encryption_keys: expected a key of 32 bytes, in base64"), "{refused}");
    let refused = run(&["config", "print", "--config", "towbar.yaml"]);
    assert!(refused.stdout.contains("${TOWBAR_TEST_KEY}") && !refused.stdout.contains(KEY), "{refused:?}");
}

#[test]
fn a_reload_takes_another_store_and_counts_on() {
    let (Some(first), Some(second)) = (RedisServer::start(""), RedisServer::start("")) else { return };
    let bank = RawBank::start(|_, _| Does::Answers);
    let site = Site::new(&bank.url(), &plain(&first));
    let (gateway, admin) = site.with_metrics();
    ready(gateway.address);
    let connects = || {
        let text = http::get(admin, "/metrics").body;
        let line = text.lines().find_map(|line| line.strip_prefix("towbar_store_connects_total{result=\"ok\"} "));
        line.unwrap().parse::<u32>().unwrap()
    };
    assert_eq!((connects(), second.ask("DBSIZE").starts_with(":0")), (1, true));
    let text = std::fs::read_to_string(site.folder.path("admin.yaml")).unwrap();
    site.folder.write("admin.yaml", text.replace(&first.address.to_string(), &second.address.to_string()));
    let end = Instant::now() + PATIENCE;
    let mut number = 0;
    // No request is refused meanwhile.
    while second.ask("DBSIZE").starts_with(":0") {
        number += 1;
        assert_eq!(gist(&pay(gateway.address, &format!("k{number}"), "t")), is(200, "", false));
        assert!(Instant::now() < end);
    }
    assert_eq!(connects(), 2);
}

#[test]
fn an_answer_is_given_again_as_long_as_its_encryption_key_is_listed() {
    let Some(redis) = RedisServer::start("") else { return };
    let bank = RawBank::start(|_, _| Does::Answers);
    let site = Site::new(&bank.url(), &plain(&redis));
    let first = site.gateway();
    assert_eq!(gist(&settled(first.address, "k", "t", &[AWAY])), is(200, "", false));
    let text = std::fs::read_to_string(site.folder.path("towbar.yaml")).unwrap();
    let reference = "'${TOWBAR_TEST_KEY}'";
    for (keys, expected) in [
        ("'file:new.key', '${TOWBAR_TEST_KEY}'", is(200, "", true)),
        ("'file:new.key'", is(409, "IDEMPOTENT_ANSWER_NOT_KEPT", false)),
    ] {
        site.folder.write_key("new.key", format!("{}\n", "ff".repeat(32)));
        site.folder.write("towbar.yaml", text.replace(reference, keys));
        let gateway = site.gateway();
        assert_eq!(gist(&settled(gateway.address, "k", "t", &[AWAY])), expected, "{keys}");
    }
    assert_eq!(bank.count("t"), ONCE);
}
