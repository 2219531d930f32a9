//! Rate limits: each key has its quota, whoever is above one is told when to come again, and nobody else notices.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::json;
use towbar::cli::demo::generated::DESCRIPTORS;
use towbar::config::{self, Overrides};
use towbar::format::problem::Problem;
use towbar::schema::Schema;

use crate::support::Gateway;
use crate::support::folder::Folder;
use crate::support::http::{self, Answer};
use crate::support::raw::{Does, RawBank};
use crate::support::tokens::{AUDIENCE, ISSUER, Key, claims_with, key_set};

const TRANSFER: &str = "io.token.proto.bankapi.TransferService.Transfer";
const STATUS: &str = "io.token.proto.bankapi.TransferService.GetTransferStatus";

/// A gateway with these lines in its file, in front of this bank.
fn gateway(bank: &RawBank, more: &str) -> Gateway {
    Gateway::start(&format!("schema: proto\nupstream: {}\n{more}", bank.url()), None)
}

fn pay(gateway: &Gateway, headers: &[(&str, &str)]) -> Answer {
    let headers = [&[("Content-Type", "application/json")], headers].concat();
    http::send(gateway.address, "POST", "/transfers", &headers, Some(br#"{"transferId":"t"}"#))
}

fn read(gateway: &Gateway) -> Answer {
    http::get(gateway.address, "/transfers?transfer_id=r")
}

fn statuses(times: usize, ask: impl Fn() -> Answer) -> Vec<u16> {
    (0..times).map(|_| ask().status).collect()
}

fn bank() -> RawBank {
    RawBank::start(|_, _| Does::Answers)
}

#[test]
fn a_request_over_a_rate_limit_gets_429_with_the_time_to_retry() {
    for (form, body) in [
        (
            "status",
            r#"{"code":8,"message":"the rate limit all is exceeded; the call was not sent; send the request again after 60 s","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"RATE_LIMITED","domain":"towbar"},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"60s"}]}"#,
        ),
        (
            "berlin_group",
            r#"{"tppMessages":[{"category":"ERROR","code":"ACCESS_EXCEEDED","text":"the rate limit all is exceeded; the call was not sent; send the request again after 60 s"}]}"#,
        ),
    ] {
        let bank = bank();
        let gateway = gateway(&bank, &format!("errors: {form}\nlimits: {{all: {{rate: 1/m, burst: 2}}}}\n"));
        assert_eq!(statuses(2, || pay(&gateway, &[])), [200, 200]);
        let answer = pay(&gateway, &[]);
        assert_eq!((answer.status, answer.body.as_str()), (429, body));
        let headers = ["retry-after", "ratelimit", "ratelimit-policy"].map(|name| answer.header(name).unwrap());
        assert_eq!(headers, ["60", "\"all\";r=0;t=60", "\"all\";q=2;w=120"]);
        assert_eq!(bank.count("t").seen, 2);
    }
}

#[test]
fn exactly_the_burst_of_simultaneous_requests_is_allowed() {
    let bank = bank();
    let gateway = gateway(&bank, "limits: {all: {rate: 1/h, burst: 50}}\n");
    let allowed = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                let count = statuses(10, || pay(&gateway, &[])).into_iter().filter(|status| *status == 200).count();
                allowed.fetch_add(count, Ordering::SeqCst);
            });
        }
    });
    assert_eq!((allowed.into_inner(), bank.count("t").seen), (50, 50));
}

#[test]
fn an_rpc_can_choose_its_rate_limits_and_its_cost() {
    let bank = bank();
    let limits = "limits: {all: {rate: 1/h, burst: 10}, payments: {by: rpc, rate: 1/h, burst: 4}}\n";
    let rpcs = format!("rpcs: {{{TRANSFER}: {{cost: 2}}, {STATUS}: {{limits: [all]}}}}\n");
    let gateway = gateway(&bank, &format!("{limits}{rpcs}"));
    // Four of `payments`; what that refuses, `all` does not count.
    assert_eq!(statuses(20, || pay(&gateway, &[]))[..4], [200, 200, 429, 429]);
    // Six are left of `all`.
    assert_eq!(statuses(8, || read(&gateway)), [200, 200, 200, 200, 200, 200, 429, 429]);
    let off = format!("limits: {{all: {{rate: 1/h}}}}\nrpcs: {{{STATUS}: {{limits: off}}}}\n");
    let gateway = self::gateway(&bank, &off);
    assert_eq!(statuses(3, || read(&gateway)), [200, 200, 200]);
    assert_eq!(statuses(2, || pay(&gateway, &[])), [200, 429]);
}

#[test]
fn rate_limits_count_each_verified_caller_and_each_proxied_address_separately() {
    let (folder, key) = (tempfile::tempdir().unwrap(), Key::ed25519("e"));
    let keys = folder.path().join("keys.json");
    std::fs::write(&keys, key_set(&[&key])).unwrap();
    let bank = bank();
    let config = format!(
        "callers: {{issuers: {{bank: {{issuer: '{ISSUER}', audience: '{AUDIENCE}', keys: '{}'}}}}}}\n\
         listen: {{address: '127.0.0.1:0', trusted_proxies: 127.0.0.1}}\n\
         limits: {{tpp: {{by: caller, rate: 1/h, burst: 2}}, network: {{by: address, rate: 1/h, burst: 5, ipv4_prefix: 24}}}}\n",
        keys.display()
    );
    let config = format!("schema: proto\nupstream: {}\n{config}", bank.url());
    let schema = Schema::decode("the bank API", DESCRIPTORS);
    // A flag for the address would leave out the rest of `listen`.
    let gateway = Gateway::with(&config, &Overrides::default(), schema, None);
    let pay_as = |subject: &str, address: &str| {
        let token = format!("Bearer {}", key.token(&claims_with(json!({"sub": subject}))));
        let answer = pay(&gateway, &[("Authorization", &token), ("X-Forwarded-For", address)]);
        let limit = answer.header("ratelimit").map(|value| value.split('"').nth(1).unwrap().to_owned());
        (answer.status, limit)
    };
    let (allowed, tpp, network) = ((200, None), (429, Some("tpp".to_owned())), (429, Some("network".to_owned())));
    for (subject, address, expected) in [
        ("anna", "192.0.2.1", &allowed),
        ("anna", "198.51.100.1", &allowed),
        ("anna", "192.0.2.1", &tpp),
        // What one limit refuses, the others do not count.
        ("bert", "192.0.2.1", &allowed),
        ("bert", "192.0.2.200", &allowed),
        ("carl", "192.0.2.3", &allowed),
        ("carl", "192.0.2.4", &allowed),
        ("dora", "192.0.2.5", &network),
        ("dora", "203.0.113.9", &allowed),
    ] {
        assert_eq!(pay_as(subject, address), *expected, "{subject} {address}");
    }
    // A wrong token counts for its address.
    let wrong = || pay(&gateway, &[("Authorization", "Bearer no"), ("X-Forwarded-For", "203.0.113.7")]);
    assert_eq!(statuses(5, wrong), [401, 401, 401, 401, 429]);
}

#[test]
fn a_limit_in_report_mode_refuses_nothing_and_is_logged() {
    let (bank, folder) = (bank(), Folder::new());
    let limits = "limits: {tried: {rate: 1/h, mode: report}, real: {rate: 1/h, burst: 3}}\n";
    let config = |more: &str| {
        let rest = format!("schema: proto\nupstream: {}\nreload: {{watch: false}}\n{more}", bank.url());
        format!("listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\n{rest}{limits}")
    };
    folder.copy("proto", "proto").write("towbar.yaml", config(""));
    let gateway = folder.start(&["serve", "--config", "towbar.yaml"]);
    let pay = |address| {
        let headers = [("Content-Type", "application/json")];
        http::send(address, "POST", "/transfers", &headers, Some(br#"{"transferId":"t"}"#)).status
    };
    assert_eq!([0; 4].map(|_| pay(gateway.address)), [200, 200, 200, 429]);
    // A reload goes on.
    folder.write("towbar.yaml", config("probe: /probe\n"));
    gateway.process.signal("HUP");
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while http::get(gateway.address, "/probe").status == 404 {
        assert!(std::time::Instant::now() < end);
    }
    assert_eq!(pay(gateway.address), 429);
    let ended = gateway.stop();
    let line = format!("a request above a limit was let through limit=\"tried\" rpc=\"{TRANSFER}\"");
    assert!(ended.stderr.contains(&line), "{}", ended.stderr);
}

#[test]
fn the_documented_example_gives_the_documented_answer() {
    let page = include_str!("../../docs/limits.md");
    let config = page.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let shown = page.split("```http\n").nth(1).unwrap().split("```").next().unwrap();
    let bank = bank();
    let config = config.replace("http://127.0.0.1:9000", &bank.url()).replace("127.0.0.1:8080", "127.0.0.1:0");
    let gateway = Gateway::start(&config, None);
    assert_eq!(statuses(3, || pay(&gateway, &[])), [200, 200, 200]);
    let answer = pay(&gateway, &[]);
    let (head, body) = shown.split_once("\n\n").unwrap();
    let lines: Vec<_> = head.lines().collect();
    assert_eq!((lines[0], answer.status), ("HTTP/1.1 429 Too Many Requests", 429));
    for line in &lines[1..] {
        let (name, value) = line.split_once(": ").unwrap();
        assert_eq!(answer.header(name), Some(value), "{answer:?}");
    }
    assert_eq!(answer.body, body.trim_end());
}

#[test]
fn invalid_or_unusable_rate_limits_stop_the_start() {
    let problems = |text: &str| -> Vec<String> {
        let (_, problems) = config::load_text(text, "t.yaml".as_ref(), &Overrides::default());
        problems.iter().map(Problem::to_string).collect()
    };
    let rate = |found: &str| {
        format!("t.yaml:3:20: rate: expected a rate such as `10/s`, `600/m`, `5000/h` or `100000/d`, found `{found}`")
    };
    for (section, problem) in [
        ("limits: {a: {rate: 10}}", rate("10")),
        ("limits: {a: {rate: 0/s}}", rate("0/s")),
        ("limits: {a: {rate: 1/w}}", rate("1/w")),
        ("limits: {a: {burst: 3}}", "t.yaml:3:10: a: `burst` has no effect without `rate`: how often, such as `10/s`".to_owned()),
        (
            "limits: {a b: {rate: 1/s}}",
            "t.yaml:3:10: a b: expected a name of letters, digits, `-` and `_`, because callers see it in a header"
                .to_owned(),
        ),
        (
            "limits: {a: {rate: 1/s, by: claim}}",
            "t.yaml:3:29: by: expected `caller`, `certificate`, `address`, `rpc` or `route`, or a map with `claim` or `header`, found \
             `claim`"
                .to_owned(),
        ),
        (
            "limits: {a: {mode: report}}",
            "t.yaml:3:10: a: `rate` or `concurrent` is missing: how often, such as `10/s`, or how many at one time"
                .to_owned(),
        ),
        (
            "limits: {a: {concurrent: 0}}",
            "t.yaml:3:26: concurrent: expected a number from 1 to 1000000, found `0`".to_owned(),
        ),
        (
            "limits: {a: {rate: 1/s, by: {header: 'a b'}}}",
            "t.yaml:3:38: header: expected a header name, found `a b`".to_owned(),
        ),
        (
            "limits: {a: {rate: 1/s, by: [rpc, {claim: a, header: b}]}}",
            "t.yaml:3:35: by: `claim` and `header` are both set; write them as two items of a list".to_owned(),
        ),
        (
            "limits: {a: {rate: 1/s, by: {}}}",
            "t.yaml:3:25: by: `claim` or `header` is missing".to_owned(),
        ),
        (
            "limits: {a: {concurrent: 1, shared: true}}",
            "t.yaml:3:37: shared: only a `rate` can be shared; each instance counts `concurrent` by itself".to_owned(),
        ),
        (
            "limits: {a: {rate: 1/s, store_away: open}}",
            "t.yaml:3:37: store_away: has no effect without `shared: true`".to_owned(),
        ),
        (
            "limits: {a: {rate: 1/s, shared: true, store_away: no}}",
            "t.yaml:3:51: store_away: expected `local`, `open` or `closed`, found `no`".to_owned(),
        ),
        (
            "limits: {a: {rate: 1/s, headers: never}}",
            "t.yaml:3:34: headers: expected `rejected` or `always`, found `never`".to_owned(),
        ),
        (
            "limits: {a: {rate: 1/s, mode: off}}",
            "t.yaml:3:31: mode: expected `enforce` or `report`, found `off`".to_owned(),
        ),
    ] {
        let text = format!("schema: proto\nupstream: http://a:1\n{section}\n");
        assert_eq!(problems(&text), [problem], "{section}");
    }
    let folder = Folder::new();
    folder.copy("proto", "proto");
    for (rpc, problem) in [
        ("limits: [b]", "`limits` has no limit with the name `b`"),
        ("cost: 3", "`cost` is 3, and the limit `a` allows 2 at once, so no call is ever allowed"),
    ] {
        let limits = format!("limits: {{a: {{rate: 2/s}}}}\nrpcs: {{{TRANSFER}: {{{rpc}}}}}\n");
        folder.write("towbar.yaml", format!("schema: proto\nupstream: http://127.0.0.1:1\n{limits}"));
        assert_eq!(folder.refusal(&["check", "--config", "towbar.yaml"]), [format!("{TRANSFER}: {problem}")]);
    }
    folder
        .write("towbar.yaml", "schema: proto\nupstream: http://127.0.0.1:1\nlimits: {a: {rate: 2/s, shared: true}}\n");
    let problem = "limits.a: `shared: true` needs a server of Redis or Valkey that counts; set `store` to its address";
    assert_eq!(folder.refusal(&["check", "--config", "towbar.yaml"]), [problem]);
}
