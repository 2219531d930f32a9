//! Access tokens as an operator meets them: the recipe, key sets that are wrong or change, the log, and certificates that tokens are bound to.

use std::fs;
use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::json;

use crate::support::folder::{Folder, NOBODY, authority, get_with};
use crate::support::http;
use crate::support::process::Gateway;
use crate::support::tokens::{Key, base64url, claims, claims_with, key_set, now, thumbprint};

const SERVE: [&str; 3] = ["serve", "--config", "towbar.yaml"];
const ISSUER: &str = "callers:\n  issuers:\n    bank:\n      issuer: https://id.bank.test\n      audience: https://api.bank.test\n      keys: keys.json\n";

/// A gateway with one route in front of nobody: a call that is let in is answered with 503.
fn shop(keys: &[&Key], more: &str) -> Folder {
    let folder = Folder::new();
    folder.write("shop.proto", get_with(r#"get: "/v1/{id}""#));
    folder.write("keys.json", key_set(keys));
    folder.write("towbar.yaml", format!("listen: 127.0.0.1:0\nschema: shop.proto\nupstream: {NOBODY}\n{ISSUER}{more}"));
    folder
}

fn status(gateway: &Gateway, token: &str) -> u16 {
    http::send(gateway.address, "GET", "/v1/7", &[("Authorization", &format!("Bearer {token}"))], None).status
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn the_recipe_for_any_oidc_provider_works() {
    let document = fs::read_to_string("docs/callers.md").unwrap();
    let block = document.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let folder = Folder::new();
    let key = Key::p256("1");
    folder.write("shop.proto", get_with(r#"get: "/v1/{id}""#)).write("keys.json", key_set(&[&key]));
    folder
        .write("towbar.yaml", block.replace("127.0.0.1:8080", "127.0.0.1:0").replace("http://127.0.0.1:9000", NOBODY));
    let checked = folder.run(&["check", "--config", "towbar.yaml"]);
    let line = "called with a token, scopes orders.read: shop.v1.Orders.Get";
    assert!(document.contains(line) && checked.stdout.lines().any(|told| told == line), "{checked:?}");
    let gateway = folder.start(&SERVE);
    let of = |scope: &str| {
        let provider = json!({"iss": "https://id.bank.example", "aud": "https://api.bank.example", "scope": scope});
        key.token(&claims_with(provider))
    };
    assert_eq!((status(&gateway, &of("openid orders.read")), status(&gateway, &of("openid"))), (503, 403));
    let answer = http::get(gateway.address, "/v1/7");
    let challenge = answer.header("www-authenticate").unwrap();
    assert!(document.contains(&format!("HTTP/1.1 {}", answer.status)), "{answer:?}");
    assert!(document.contains(&format!("www-authenticate: {challenge}\n\n{}\n", answer.body)), "{answer:?}");
    gateway.stop();
}

#[test]
fn every_configuration_in_the_callers_documentation_passes_check() {
    let document = fs::read_to_string("docs/callers.md").unwrap();
    let blocks = document.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let (mut count, folder) = (0, Folder::new());
    folder.write("shop.proto", get_with(r#"get: "/v1/{id}""#));
    let key = Key::p256("1");
    let authority = authority("everybody");
    folder.write("callers.pem", authority.pem()).write_identity(
        "cert.pem",
        "key.pem",
        &authority.issue("gateway.test").unwrap(),
    );
    for name in ["keys.json", "bank.json", "partner.json"] {
        folder.write(name, key_set(&[&key]));
    }
    for block in blocks {
        // The rpcs of the second are the reader's own.
        let known = block.split("rpcs:\n").next().unwrap();
        folder.write("towbar.yaml", known);
        let ended = folder.run(&["check", "--config", "towbar.yaml", "--proto", "shop.proto", "--backend", NOBODY]);
        assert_eq!(ended.code, Some(0), "{block}{}", ended.stderr);
        count += 1;
    }
    assert_eq!(count, 5);
}

#[test]
fn invalid_key_sets_and_unknown_issuers_stop_the_start() {
    let folder = shop(&[], "rpcs: {shop.v1.Orders.Get: {require: {issuers: other}}}\n");
    let refused = |content: Option<&str>| {
        if let Some(content) = content {
            folder.write("keys.json", content);
        } else {
            fs::remove_file(folder.path("keys.json")).unwrap();
        }
        let problems = folder.refusal(&["check", "--config", "towbar.yaml"]);
        problems.into_iter().find(|line| line.starts_with("keys.json")).unwrap()
    };
    for (content, problem) in [
        (Some("{\"keys\":[]}"), "keys.json: none of the keys verifies signatures of PS256, ES256, EdDSA or RS256"),
        (Some("{}"), "keys.json: expected a JWK Set with a list `keys`, got none"),
        (Some("keys: []"), "keys.json: expected a JWK Set in JSON: line 1, column 1: expected a JSON value, got `k`"),
        (
            Some("{\"keys\":[{\"kty\":\"oct\",\"k\":\"CANARY\"}]}"),
            "keys.json: keys[0]: it has a private or shared part (`k`): publish public keys only, and replace this one",
        ),
        (None, "keys.json: No such file or directory (os error 2)"),
    ] {
        assert_eq!(refused(content), problem);
    }
    let problem = "towbar.yaml:10:29: require: expected names under `callers.issuers` (`bank`), got `other`";
    assert!(folder.refusal(&["check", "--config", "towbar.yaml"]).contains(&problem.to_owned()));
}

#[test]
fn keys_are_replaced_without_a_restart_and_a_broken_set_changes_nothing() {
    let (old, new) = (Key::p256("1"), Key::ed25519("2"));
    let folder = shop(&[&old], "reload: {interval: 100ms}\n");
    let gateway = folder.start(&SERVE);
    let (by_old, by_new) = (old.token(&claims()), new.token(&claims()));
    assert_eq!((status(&gateway, &by_old), status(&gateway, &by_new)), (503, 401));
    folder.write("keys.json", "{\"keys\":[]}");
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!((status(&gateway, &by_old), status(&gateway, &by_new)), (503, 401));
    folder.write("keys.json", key_set(&[&new]));
    wait_until("the new key", || status(&gateway, &by_new) == 503);
    wait_until("the old key is gone, though its token was seen before", || status(&gateway, &by_old) == 401);
    let log = gateway.stop().stderr;
    assert!(log.contains("none of the keys verifies signatures"), "{log}");
}

#[test]
fn the_log_says_why_a_token_was_refused_without_quoting_it() {
    let key = Key::p256("1");
    let folder = shop(&[&key], "");
    for (token, target, why) in [
        (
            key.token(&claims_with(json!({"aud": "https://CANARY"}))),
            "/v1/7",
            "why=access token refused: its `aud` has none of the `audiences` of its issuer (issuer bank)",
        ),
        (
            Key::p256("1").token(&claims()),
            "/v1/7",
            "why=access token refused: its signature is not that of the key that it names (issuer bank)",
        ),
        (key.token(&claims_with(json!({"exp": 1}))), "/v1/7", "why=the access token has expired (issuer bank)"),
        (
            "CANARY".to_owned(),
            "/v1/7",
            "why=access token refused: it is not made of three parts with dots between them",
        ),
        ("CANARY".to_owned(), "/v1/7?access_token=CANARY", "why=an access token is in the query"),
    ] {
        // A gateway for each: there is a line of this kind a second.
        let gateway = folder.start(&SERVE);
        http::send(gateway.address, "GET", target, &[("Authorization", &format!("Bearer {token}"))], None);
        let log = gateway.stop().stderr;
        assert!(log.contains(why), "{why}: {log}");
        let (head, rest) = token.split_once('.').unwrap_or((&token, &token));
        assert!(!log.contains(head) && !log.contains(rest) && !log.contains("CANARY"), "{log}");
    }
}

#[test]
fn a_bound_token_is_accepted_only_with_its_certificate() {
    let (servers, clients, key) = (authority("the gateway"), authority("callers"), Key::p256("1"));
    let tls = "listen:\n  address: 127.0.0.1:0\n  tls: {cert: cert.pem, key: key.pem, client_ca: ca.pem, client_auth: optional}\n";
    let folder = shop(&[&key], "rpcs: {shop.v1.Orders.Get: {require: {bound_to: certificate}}}\n");
    let config = fs::read_to_string(folder.path("towbar.yaml")).unwrap();
    folder.write("towbar.yaml", config.replace("listen: 127.0.0.1:0\n", tls));
    folder.write("ca.pem", clients.pem());
    folder.write_identity("cert.pem", "key.pem", &servers.issue("gateway.test").unwrap());
    let gateway = folder.start(&SERVE);
    let (own, other) = (clients.issue("own").unwrap(), clients.issue("other").unwrap());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(servers.pem().as_bytes()).unwrap()).unwrap();
    let ask = |shown: Option<&towbar::cli::demo::bank::certificates::Issued>, token: &str| {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let builder = builder.with_root_certificates(roots.clone());
        let config = match shown {
            None => builder.with_no_client_auth(),
            Some(issued) => {
                let certificate = CertificateDer::from_pem_slice(issued.certificate_pem().as_bytes()).unwrap();
                let key = PrivateKeyDer::from_pem_slice(issued.key_pem().as_bytes()).unwrap();
                builder.with_client_auth_cert(vec![certificate], key).unwrap()
            }
        };
        let name = ServerName::try_from("gateway.test").unwrap();
        let connection = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut stream = StreamOwned::new(connection, http::connect(gateway.address));
        let head = format!(
            "GET /v1/7 HTTP/1.1\r\nHost: gateway.test\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer.split(' ').nth(1).unwrap_or_default().to_owned()
    };
    let der = CertificateDer::from_pem_slice(own.certificate_pem().as_bytes()).unwrap();
    let bound = key.token(&claims_with(json!({"cnf": {"x5t#S256": base64url(digest(&SHA256, &der))}})));
    for (shown, token, expected) in [
        (Some(&own), &bound, "503"),
        (Some(&other), &bound, "401"),
        (None, &bound, "401"),
        // The rpc demands that it is bound.
        (Some(&own), &key.token(&claims()), "401"),
        // It was seen with its own certificate, and is still its own.
        (Some(&own), &bound, "503"),
        (Some(&other), &bound, "401"),
    ] {
        assert_eq!(ask(shown, token), expected);
    }
    gateway.stop();
}

#[test]
fn the_access_log_names_the_verified_caller_without_quoting_the_token() {
    let key = Key::p256("1");
    let folder = shop(&[&key], "log: {access: access.log}\n");
    let gateway = folder.start(&SERVE);
    let long = "\u{e9}".repeat(200);
    let tokens = [
        key.token(&claims()),
        key.token(&claims_with(json!({"sub": long}))),
        key.token(&claims_with(json!({"sub": null}))),
        Key::p256("1").token(&claims()),
    ];
    for (token, expected) in tokens.iter().zip([503, 503, 503, 401]) {
        assert_eq!(status(&gateway, token), expected);
    }
    gateway.stop();
    let text = fs::read_to_string(folder.path("access.log")).unwrap();
    let names = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        ["issuer", "subject"].map(|name| line[name].as_str().map(str::to_owned))
    };
    let bank = || Some("bank".to_owned());
    // Several workers write, so the order may differ.
    let mut found: Vec<_> = text.lines().map(names).collect();
    found.sort();
    assert_eq!(
        found,
        [[None, None], [bank(), None], [bank(), Some("user-7".to_owned())], [bank(), Some("\u{e9}".repeat(64))]]
    );
    for token in &tokens {
        assert!(token.split('.').all(|part| !text.contains(part)), "{text}");
    }
}

#[test]
fn a_dpop_proof_is_not_accepted_twice_even_after_a_reload() {
    let (issuer, next, caller) = (Key::p256("1"), Key::p256("2"), Key::ed25519("caller"));
    let folder = shop(&[&issuer], "  dpop: {url: 'https://api.bank.test'}\nreload: {interval: 100ms}\n");
    let gateway = folder.start(&SERVE);
    let token = issuer.token(&claims_with(json!({"cnf": {"jkt": thumbprint(&caller)}})));
    let header = json!({"typ": "dpop+jwt", "alg": "EdDSA", "jwk": caller.jwk()}).to_string();
    let hash = base64url(digest(&SHA256, token.as_bytes()));
    let proof = |id: &str| {
        let url = "https://api.bank.test/v1/7";
        let claims = json!({"jti": id, "htm": "GET", "htu": url, "iat": now(), "ath": hash});
        caller.token_of(&header, &claims.to_string())
    };
    let ask = |proof: &str| {
        let headers = [("Authorization", &*format!("DPoP {token}")), ("DPoP", proof)];
        http::send(gateway.address, "GET", "/v1/7", &headers, None).status
    };
    let used = proof("a");
    assert_eq!((ask(&used), ask(&used)), (503, 401));
    folder.write("keys.json", key_set(&[&issuer, &next]));
    wait_until("the new keys", || status(&gateway, &next.token(&claims())) == 503);
    assert_eq!((ask(&used), ask(&proof("b"))), (401, 503));
    gateway.stop();
}
