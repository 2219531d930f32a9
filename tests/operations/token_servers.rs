//! Keys that are fetched: from a URL or by discovery, anew when a token names another, and kept while nobody answers.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::folder::{Folder, NOBODY, authority, get_with};
use crate::support::http;
use crate::support::key_server::KeyServer;
use crate::support::process::Gateway;
use crate::support::tokens::{Key, claims, claims_with, key_set};

const SERVE: [&str; 3] = ["serve", "--config", "towbar.yaml"];
const DISCOVERY: &str = "/.well-known/openid-configuration";

/// A server of keys, and a gateway that asks it, in front of nobody: a call that is let in is answered with 503 and the backend's name.
struct Stage {
    server: KeyServer,
    folder: Folder,
}

impl Stage {
    /// `SERVER` stands for the server of keys in both.
    fn new(issuer: &str, url: &str) -> Self {
        let authority = authority("the authorization server");
        let (server, folder) = (KeyServer::start(&authority), Folder::new());
        folder.write("shop.proto", get_with(r#"get: "/v1/{id}""#)).write("id-ca.pem", authority.pem());
        let (issuer, url) = (issuer.replace("SERVER", &server.url("")), url.replace("SERVER", &server.url("")));
        folder.write(
            "towbar.yaml",
            format!(
                "listen: 127.0.0.1:0\nschema: shop.proto\nupstream: {NOBODY}\ncallers:\n  issuers:\n    bank:\n      issuer: {issuer}\n      \
                 audience: https://api.bank.test\n      keys: {{url: {url}, tls: {{ca: id-ca.pem}}, min_interval: 1s}}\n"
            ),
        );
        Self { server, folder }
    }

    fn start(&self) -> Gateway {
        self.folder.start(&SERVE)
    }
}

/// What is answered: whether the token is refused, its call let in, or nobody can say.
fn outcome(gateway: &Gateway, token: &str) -> &'static str {
    let answer = http::send(gateway.address, "GET", "/v1/7", &[("Authorization", &format!("Bearer {token}"))], None);
    match answer.status {
        401 => "refused",
        503 if answer.body.contains("ACCESS_TOKEN_NOT_VERIFIABLE") => "unknown",
        503 => "let in",
        other => panic!("{other}: {answer:?}"),
    }
}

fn wait_for(gateway: &Gateway, token: &str, wanted: &str) {
    let end = Instant::now() + Duration::from_secs(20);
    while outcome(gateway, token) != wanted {
        assert!(Instant::now() < end, "{wanted}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_token_with_an_unknown_key_triggers_a_fetch_at_most_once_per_interval() {
    let stage = Stage::new("https://id.bank.test", "SERVER/jwks");
    let (one, two, forger) = (Key::p256("1"), Key::ed25519("2"), Key::p256("3"));
    stage.server.put("/jwks", key_set(&[&one]));
    let gateway = stage.start();
    // The first waits for the keys.
    assert_eq!(outcome(&gateway, &one.token(&claims())), "let in");
    std::thread::sleep(Duration::from_millis(1100));
    assert_eq!(stage.server.asked("/jwks"), 1);
    stage.server.put("/jwks", key_set(&[&two]));
    // The first token that names the new key waits for it, and from then on the old one is gone.
    assert_eq!(outcome(&gateway, &two.token(&claims())), "let in");
    assert_eq!((outcome(&gateway, &one.token(&claims())), stage.server.asked("/jwks")), ("refused", 2));
    // Whoever makes up keys has them fetched once in a while, and keeps nobody waiting whose key is known.
    let (begun, before) = (Instant::now(), stage.server.asked("/jwks"));
    let mut longest = Duration::ZERO;
    for _ in 0..200 {
        assert_eq!(outcome(&gateway, &forger.token(&claims())), "refused");
        let asked = Instant::now();
        assert_eq!(outcome(&gateway, &two.token(&claims())), "let in");
        longest = longest.max(asked.elapsed());
    }
    let most = usize::try_from(begun.elapsed().as_secs()).unwrap() + 1;
    let fetches = stage.server.asked("/jwks") - before;
    assert!(fetches <= most, "{fetches} fetches in {:?}", begun.elapsed());
    assert!(longest < Duration::from_secs(1), "{longest:?}");
    gateway.stop();
}

#[test]
fn discovery_uses_only_the_keys_of_the_configured_issuer() {
    let stage = Stage::new("SERVER", "discovery");
    let (key, issuer) = (Key::p256("1"), stage.server.url(""));
    let token = key.token(&claims_with(json!({"iss": issuer})));
    let document = |issuer: &str| json!({"issuer": issuer, "jwks_uri": stage.server.url("/keys")}).to_string();
    stage.server.put("/keys", key_set(&[&key]));
    stage.server.put(DISCOVERY, document("https://id.evil.test"));
    let gateway = stage.start();
    assert_eq!(outcome(&gateway, &token), "unknown");
    assert_eq!(stage.server.asked("/keys"), 0);
    stage.server.put(DISCOVERY, document(&issuer));
    wait_for(&gateway, &token, "let in");
    let log = gateway.stop().stderr;
    assert!(log.contains("its `issuer` is not the configured one"), "{log}");
    assert!(log.contains("the keys of an issuer can be fetched again"), "{log}");
}

#[test]
fn the_last_fetched_keys_stay_valid_and_without_any_every_token_is_refused() {
    let stage = Stage::new("https://id.bank.test", "SERVER/jwks");
    let key = Key::p256("1");
    let (token, other) = (key.token(&claims()), Key::p256("2").token(&claims()));
    let gateway = stage.start();
    assert_eq!(outcome(&gateway, &token), "unknown");
    stage.server.put("/jwks", key_set(&[&key]));
    wait_for(&gateway, &token, "let in");
    // A set with a secret key, which nobody may believe.
    stage.server.put("/jwks", r#"{"keys":[{"kty":"oct","k":"AA"}]}"#);
    let before = stage.server.asked("/jwks");
    while stage.server.asked("/jwks") == before {
        // A key that is not known has it fetched.
        assert_eq!(outcome(&gateway, &other), "refused");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(outcome(&gateway, &token), "let in");
    // A reload begins with the keys that it has.
    stage.server.clear();
    gateway.process.signal("HUP");
    wait_for(&gateway, &other, "refused");
    assert_eq!(outcome(&gateway, &token), "let in");
    let log = gateway.stop().stderr;
    assert!(log.contains("cannot fetch the keys of an issuer, the last ones stay in use: https://127.0.0.1:"), "{log}");
    assert!(log.contains("keys[0]: it has a private or shared part"), "{log}");
}

#[test]
fn the_doctor_fetches_the_keys_of_each_issuer() {
    let stage = Stage::new("SERVER", "discovery");
    let (one, two, url) = (Key::p256("1"), Key::ed25519("2"), stage.server.url(""));
    let document = json!({"issuer": url, "jwks_uri": stage.server.url("/keys")}).to_string();
    let keys_of = |keys: &[&Key]| {
        stage.server.put("/keys", key_set(keys));
        stage.server.put(DISCOVERY, &document);
    };
    let advice = "check `callers.issuers.bank.keys`";
    let (discovery, keys) = (format!("{url}{DISCOVERY}"), format!("{url}/keys"));
    let cases: [(&dyn Fn(), String); 4] = [
        (&|| keys_of(&[&one, &two]), format!("passed  keys: {discovery}: 2 keys, max-age 600 s")),
        (&|| keys_of(&[&one]), format!("passed  keys: {discovery}: 1 key, max-age 600 s")),
        (
            &|| stage.server.put("/keys", r#"{"keys":[{"kty":"oct","k":"AA"}]}"#),
            format!(
                "FAILED  keys: {keys}: keys[0]: it has a private or shared part (`k`): publish public keys only, and replace \
                 this one; {advice}"
            ),
        ),
        (&|| stage.server.clear(), format!("FAILED  keys: {discovery}: expected HTTP status 200, got 404; {advice}")),
    ];
    for (put, expected) in cases {
        put();
        let ended = stage.folder.run(&["doctor", "--config", "towbar.yaml"]);
        let lines: Vec<&str> = ended.stdout.lines().collect();
        assert_eq!((lines[lines.len() - 2], lines[lines.len() - 1]), ("issuer bank", &*expected), "{ended:?}");
        // Nobody is the backend.
        assert_eq!(ended.code, Some(1));
    }
}

#[test]
fn keys_from_a_server_with_an_untrusted_certificate_are_not_used() {
    let stage = Stage::new("https://id.bank.test", "SERVER/jwks");
    let key = Key::p256("1");
    stage.server.put("/jwks", key_set(&[&key]));
    stage.folder.write("id-ca.pem", authority("somebody else").pem());
    let gateway = stage.start();
    assert_eq!(outcome(&gateway, &key.token(&claims())), "unknown");
    assert_eq!(stage.server.asked("/jwks"), 0);
    let log = gateway.stop().stderr;
    assert!(log.contains("/jwks: TLS: "), "{log}");
}
