//! What limits count separately: claims, headers of trusted proxies, routes, and combinations of them.

use std::fs;
use std::net::SocketAddr;

use serde_json::{Value, json};
use towbar::cli::demo::generated::DESCRIPTORS;
use towbar::config::Overrides;
use towbar::schema::Schema;

use crate::support::folder::Folder;
use crate::support::raw::{Does, RawBank};
use crate::support::talk::{backend, note, schema};
use crate::support::tokens::{AUDIENCE, ISSUER, Key, claims_with, key_set};
use crate::support::{Gateway, grpc, http};

fn bank() -> RawBank {
    RawBank::start(|_, _| Does::Answers)
}

/// A gateway with these lines, which `listen` is one of.
fn gateway(bank: &RawBank, more: &str) -> Gateway {
    let config = format!("schema: proto\nupstream: {}\n{more}", bank.url());
    Gateway::with(&config, &Overrides::default(), Schema::decode("the bank API", DESCRIPTORS), None)
}

fn status(from: &str, to: SocketAddr, headers: &[(&str, &str)]) -> u16 {
    let mut stream = http::connect_from(from, to);
    http::write(&mut stream, "GET", "/transfers?transfer_id=r", headers, None);
    http::read(&mut stream).status
}

#[test]
fn a_limit_by_claim_counts_tokens_with_the_same_claim_together_and_others_by_their_caller() {
    let (folder, key) = (tempfile::tempdir().unwrap(), Key::ed25519("e"));
    let keys = folder.path().join("keys.json");
    fs::write(&keys, key_set(&[&key])).unwrap();
    let bank = bank();
    let more = format!(
        "callers: {{issuers: {{bank: {{issuer: '{ISSUER}', audience: '{AUDIENCE}', keys: '{}'}}}}}}\n\
         listen: 127.0.0.1:0\nlimits: {{software: {{by: {{claim: software_id}}, rate: 1/h, burst: 2}}}}\n",
        keys.display()
    );
    let gateway = gateway(&bank, &more);
    let long = |last: &str| format!("{}{last}", "x".repeat(256));
    for (subject, software, expected) in [
        ("anna", json!("a"), 200),
        ("bert", json!("a"), 200),
        ("carl", json!("a"), 429),
        ("anna", json!("b"), 200),
        // A number is not a text, but has the same name in a key.
        ("anna", json!(7), 200),
        ("bert", json!("7"), 200),
        ("carl", json!(7), 429),
        ("anna", json!(["a"]), 200),
        // Without the claim, the caller counts.
        ("anna", Value::Null, 200),
        ("dora", Value::Null, 200),
        // Only the start of a long value counts.
        ("anna", json!(long("1")), 200),
        ("anna", json!(long("2")), 200),
        ("anna", json!(long("3")), 429),
    ] {
        let claims = match &software {
            Value::Null => json!({"sub": subject}),
            software => json!({"sub": subject, "software_id": software}),
        };
        let token = format!("Bearer {}", key.token(&claims_with(claims)));
        let found = status("127.0.0.1", gateway.address, &[("Authorization", &token)]);
        assert_eq!(found, expected, "{subject} {software}");
    }
}

#[test]
fn a_limit_by_header_counts_only_what_trusted_proxies_send() {
    let bank = bank();
    let more = "listen: {address: '127.0.0.1:0', trusted_proxies: 127.0.0.2}\n\
                limits: {tenant: {by: [rpc, {header: X-Tenant}], rate: 1/h, burst: 2}}\n";
    let gateway = gateway(&bank, more);
    for (from, headers, expected) in [
        ("127.0.0.2", &[("X-Tenant", "a")][..], 200),
        ("127.0.0.2", &[("X-Tenant", "a"), ("X-Forwarded-For", "192.0.2.1")], 200),
        ("127.0.0.2", &[("X-Tenant", "a")], 429),
        ("127.0.0.2", &[("X-Tenant", "b")], 200),
        ("127.0.0.2", &[("X-Tenant", "a"), ("X-Tenant", "b")], 200),
        // Without the header, the address counts.
        ("127.0.0.2", &[("X-Forwarded-For", "192.0.2.1")], 200),
        ("127.0.0.2", &[("X-Forwarded-For", "192.0.2.1")], 200),
        ("127.0.0.2", &[("X-Forwarded-For", "192.0.2.1")], 429),
        // Nobody else gets a new quota by a new header.
        ("127.0.0.1", &[("X-Tenant", "c")], 200),
        ("127.0.0.1", &[("X-Tenant", "d")], 200),
        ("127.0.0.1", &[("X-Tenant", "e")], 429),
    ] {
        assert_eq!(status(from, gateway.address, headers), expected, "{from} {headers:?}");
    }
}

#[test]
fn a_limit_by_header_without_trusted_proxies_stops_the_start() {
    let folder = Folder::new();
    folder.copy("proto", "proto").write(
        "towbar.yaml",
        "schema: proto\nupstream: http://127.0.0.1:1\nlimits: {t: {by: {header: X-Tenant}, rate: 1/s}}\n",
    );
    let refusal = folder.refusal(&["check", "--config", "towbar.yaml"]);
    let problem = "limits.t: `by: {header: ...}` counts only what trusted proxies send; set `listen.trusted_proxies`";
    assert_eq!(refusal, [problem]);
}

#[test]
fn a_limit_by_route_counts_the_ways_to_an_rpc_separately() {
    let backend = backend(|_, mut requests, replies| async move {
        requests.all().await;
        replies.send(&note("ok", 1)).await;
        replies.end("0", "").await;
    });
    for (by, expected) in [("rpc", [200, 8, 429, 8]), ("route", [200, 0, 429, 8])] {
        let config = format!(
            "listen: {{address: '127.0.0.1:0', protocols: [rest, grpc]}}\nupstream: http://{}\nschema: talk.proto\n\
             limits: {{each: {{by: {by}, rate: 1/h}}}}\n",
            backend.address
        );
        let gateway = Gateway::with(&config, &Overrides::default(), Ok(schema()), None);
        let rest = || http::send_json(gateway.address, "POST", "/ask", "{}").status;
        let grpc = || {
            let answer = grpc::call(gateway.address, "/talk.Talk/Ask", &[], &grpc::frame(b""));
            u16::try_from(answer.told().0).unwrap()
        };
        assert_eq!([rest(), grpc(), rest(), grpc()], expected, "{by}");
    }
}

#[test]
fn the_documented_limit_counts_each_tenant_separately() {
    let page = include_str!("../../docs/limits.md").split("## Choose a key").nth(1).unwrap();
    let config = page.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let bank = bank();
    let config = config.replace("http://127.0.0.1:9000", &bank.url()).replace("127.0.0.1:8080", "127.0.0.1:0");
    let gateway = Gateway::with(&config, &Overrides::default(), Schema::decode("the bank API", DESCRIPTORS), None);
    let ask = |tenant| status("127.0.0.1", gateway.address, &[("X-Tenant", tenant)]);
    assert_eq!(["a", "a", "a", "b", "b", "b"].map(ask), [200, 200, 429, 200, 200, 429]);
}
