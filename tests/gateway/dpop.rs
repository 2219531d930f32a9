//! DPoP (RFC 9449): a token that is bound to a key opens a call with a proof of that key, made for this one request.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::support::http::Answer;
use crate::support::tokens::{Key, base64url, claims, claims_with, now, thumbprint};
use crate::tokens::Stage;

/// The callers' keys: made once, since an RSA key takes its time.
static P256: LazyLock<Key> = LazyLock::new(|| Key::p256("caller"));
static ED25519: LazyLock<Key> = LazyLock::new(|| Key::ed25519("caller"));
static RSA: LazyLock<Key> = LazyLock::new(|| Key::rsa("caller"));

const DPOP: &str = "  dpop: {url: 'https://api.bank.test/ob'}\n";
const URL: &str = "https://api.bank.test/ob/ask";
const INVALID_TOKEN: &str = "DPoP realm=\"api\", error=\"invalid_token\", \
                             error_description=\"the access token is not valid for this call\", algs=\"PS256 ES256 EdDSA\"";
const INVALID_PROOF: &str = "DPoP realm=\"api\", error=\"invalid_dpop_proof\", error_description=\"the DPoP proof is missing or not \
                             valid for this request: make a new one for each request\", algs=\"PS256 ES256 EdDSA\"";

fn stage() -> Stage {
    Stage::with("", DPOP, "")
}

/// A token that is bound to the caller's key.
fn token(key: &Key) -> String {
    crate::tokens::P256.token(&claims_with(json!({"cnf": {"jkt": thumbprint(key)}})))
}

fn fresh_id() -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    format!("id-{}", COUNT.fetch_add(1, Ordering::SeqCst))
}

/// What a proof for a POST to `/ask` says.
fn proof_claims(token: &str) -> Value {
    let hash = base64url(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.as_bytes()));
    json!({"jti": fresh_id(), "htm": "POST", "htu": URL, "iat": now(), "ath": hash})
}

fn proof_header(key: &Key) -> Value {
    let mut jwk = key.jwk();
    jwk.as_object_mut().unwrap().remove("kid");
    json!({"typ": "dpop+jwt", "alg": key.algorithm(), "jwk": jwk})
}

fn changed(mut value: Value, others: &Value) -> Value {
    for (name, other) in others.as_object().unwrap() {
        match other {
            Value::Null => drop(value.as_object_mut().unwrap().remove(name)),
            other => value[name] = other.clone(),
        }
    }
    value
}

/// A proof with some claims otherwise; `null` takes one away.
fn proof_with(key: &Key, token: &str, claims: &Value) -> String {
    key.token_of(&proof_header(key).to_string(), &changed(proof_claims(token), claims).to_string())
}

fn proof(key: &Key, token: &str) -> String {
    proof_with(key, token, &json!({}))
}

fn ask(stage: &Stage, token: &str, proofs: &[&str]) -> Answer {
    let authorization = format!("DPoP {token}");
    let proofs = proofs.iter().map(|proof| ("DPoP", *proof));
    stage.ask(&[("Authorization", authorization.as_str())].into_iter().chain(proofs).collect::<Vec<_>>())
}

#[track_caller]
fn assert_refused(stage: &Stage, answer: &Answer, challenge: &str, wrong: &str) {
    assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some(challenge)), "{wrong}: {answer:?}");
    assert_eq!(stage.calls(), 0, "{wrong}");
}

#[test]
fn a_bound_token_with_a_proof_of_any_supported_algorithm_is_accepted() {
    let stage = stage();
    for key in [&*P256, &*ED25519, &*RSA] {
        let token = token(key);
        for claims in [
            json!({}),
            // RFC 3986 knows other ways to write a URL.
            json!({"htu": "HTTPS://API.bank.test:443/%6Fb/ask?a=b#c"}),
            // Clocks differ, and proofs take a while.
            json!({"iat": now() + 5}),
            json!({"iat": now() - 30, "nonce": "unasked", "other": [1]}),
        ] {
            let answer = ask(&stage, &token, &[&proof_with(key, &token, &claims)]);
            assert_eq!((answer.status, stage.calls()), (200, 1), "{} {claims}: {answer:?}", key.algorithm());
        }
    }
    // A token that is bound to nothing is still taken as before.
    assert_eq!(stage.ask_with(&crate::tokens::P256.token(&claims())).status, 200);
}

/// What is wrong with a proof, as a proof: RFC 9449, section 4.3.
fn forged(token: &str) -> Vec<(&'static str, String)> {
    let (header, claims) = (proof_header(&P256), proof_claims(token));
    let with_header =
        |others: Value| P256.token_of(&changed(header.clone(), &others).to_string(), &proof_claims(token).to_string());
    let with = |others: Value| proof_with(&P256, token, &others);
    let other = Key::p256("other");
    let good = proof(&P256, token);
    let (signed, _) = good.rsplit_once('.').unwrap();
    let private = |member: &str| {
        let mut jwk = proof_header(&P256)["jwk"].clone();
        jwk[member] = json!("AA");
        with_header(json!({"jwk": jwk}))
    };
    let twice = |text: &str, member: &str| text.replacen('{', &format!("{{{member},"), 1);
    let mut all = vec![
        // 2: one well-formed JWT.
        ("empty", String::new()),
        ("no JWT", "a".to_owned()),
        ("padding", format!("{good}=")),
        ("four parts", format!("{good}.a")),
        ("too long", with(json!({"other": "a".repeat(8 << 10)}))),
        ("a header twice", P256.token_of(&twice(&header.to_string(), "\"typ\":\"dpop+jwt\""), &claims.to_string())),
        ("a claim twice", P256.token_of(&header.to_string(), &twice(&claims.to_string(), "\"htm\":\"POST\""))),
        ("an extension", with_header(json!({"crit": ["a"], "a": 1}))),
        // 4: typ.
        ("no typ", with_header(json!({"typ": null}))),
        ("typ JWT", with_header(json!({"typ": "JWT"}))),
        ("an access token", token.to_owned()),
        // 5: an asymmetric algorithm that is taken.
        ("no alg", with_header(json!({"alg": null}))),
        ("alg none", with_header(json!({"alg": "none"}))),
        ("alg HS256", with_header(json!({"alg": "HS256"}))),
        ("alg ES384", with_header(json!({"alg": "ES384"}))),
        ("an alg that is not of the key", with_header(json!({"alg": "PS256"}))),
        // 6: the signature.
        ("no signature", format!("{signed}.")),
        ("a signature of zeros", format!("{signed}.{}", base64url([0; 64]))),
        ("a signature of another key", {
            let forged = other.token_of(&header.to_string(), &claims.to_string());
            assert!(forged.starts_with(&base64url(header.to_string())));
            forged
        }),
        // 7: the key.
        ("no jwk", with_header(json!({"jwk": null}))),
        ("a jwk that is text", with_header(json!({"jwk": "a"}))),
        ("a shared key", with_header(json!({"jwk": {"kty": "oct", "k": "AA"}}))),
        ("a jwk without y", with_header(json!({"jwk": {"kty": "EC", "crv": "P-256", "x": P256.jwk()["x"]}}))),
        // 8 and 9: the request.
        ("htm GET", with(json!({"htm": "GET"}))),
        ("htm in lower case", with(json!({"htm": "post"}))),
        ("another path", with(json!({"htu": "https://api.bank.test/ob/notes"}))),
        ("a longer path", with(json!({"htu": format!("{URL}/")}))),
        ("another host", with(json!({"htu": "https://api.evil.test/ob/ask"}))),
        ("another port", with(json!({"htu": "https://api.bank.test:8443/ob/ask"}))),
        ("http", with(json!({"htu": "http://api.bank.test/ob/ask"}))),
        ("the socket's own address", with(json!({"htu": "https://127.0.0.1/ob/ask"}))),
        ("without the prefix", with(json!({"htu": "https://api.bank.test/ask"}))),
        // 11: the time.
        ("made in the future", with(json!({"iat": now() + 60}))),
        ("made long ago", with(json!({"iat": now() - 120}))),
        ("a time that is text", with(json!({"iat": now().to_string()}))),
        // 12: the token and its key.
        ("for another token", proof(&P256, "another")),
        ("an ath in hexadecimal", with(json!({"ath": "00".repeat(32)}))),
        ("of another key", proof(&other, token)),
    ];
    all.extend(["d", "p", "q", "dp", "dq", "qi", "oth", "k"].map(|member| ("a private key", private(member))));
    // 3: the claims.
    for claim in ["jti", "htm", "htu", "iat", "ath"] {
        all.push(("a claim is missing", with(json!({claim: null}))));
        all.push(("a claim is empty", with(json!({claim: ""}))));
        all.push(("a claim is a list", with(json!({claim: [1]}))));
    }
    all.push(("a jti that is too long", with(json!({"jti": "a".repeat(257)}))));
    all
}

#[test]
fn every_invalid_proof_gets_the_same_answer_and_never_reaches_the_backend() {
    let stage = stage();
    let token = token(&P256);
    let body = r#"{"code":16,"message":"the DPoP proof is missing or not valid for this request: make a new one for each request","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"DPOP_PROOF_INVALID","domain":"towbar"}]}"#;
    for (wrong, proof) in forged(&token) {
        let answer = ask(&stage, &token, &[&proof]);
        assert_refused(&stage, &answer, INVALID_PROOF, wrong);
        assert_eq!(answer.body, body, "{wrong}");
    }
    assert_refused(&stage, &ask(&stage, &token, &[]), INVALID_PROOF, "no proof");
    // 1: one header, which no proxy has made of two. Every request is asked that.
    let (one, two) = (proof(&P256, &token), proof(&P256, &token));
    let joined = format!("{one}, {two}");
    for proofs in [&[&*one, &*two][..], &[&*joined]] {
        let answer = ask(&stage, &token, proofs);
        assert_eq!((answer.status, stage.calls()), (400, 0), "{proofs:?}: {answer:?}");
    }
    // What was refused is not used up.
    assert_eq!(ask(&stage, &token, &[&one]).status, 200);
}

#[test]
fn a_proof_is_accepted_only_once() {
    let stage = stage();
    let token = token(&P256);
    let used = proof(&P256, &token);
    assert_eq!((ask(&stage, &token, &[&used]).status, stage.calls()), (200, 1));
    for _ in 0..3 {
        assert_refused(&stage, &ask(&stage, &token, &[&used]), INVALID_PROOF, "used before");
    }
    // The `jti` alone makes two proofs the same.
    let first = proof_with(&P256, &token, &json!({"jti": "one"}));
    let second = proof_with(&P256, &token, &json!({"jti": "one", "other": 1}));
    assert_eq!((ask(&stage, &token, &[&first]).status, stage.calls()), (200, 1));
    assert_refused(&stage, &ask(&stage, &token, &[&second]), INVALID_PROOF, "the same jti");
    // Another caller may choose the same.
    let other = self::token(&ED25519);
    let theirs = proof_with(&ED25519, &other, &json!({"jti": "one"}));
    assert_eq!((ask(&stage, &other, &[&theirs]).status, stage.calls()), (200, 1));
}

#[test]
fn when_the_proof_store_is_full_new_proofs_are_refused() {
    let more = "  dpop: {url: 'https://api.bank.test/ob', max_proofs: 16}\n";
    let stage = Stage::with("", more, "");
    let token = token(&ED25519);
    let mut statuses = Vec::new();
    for _ in 0..200 {
        let answer = ask(&stage, &token, &[&proof(&ED25519, &token)]);
        if answer.status == 503 {
            assert!(answer.body.contains("ACCESS_TOKEN_NOT_VERIFIABLE"), "{answer:?}");
        }
        statuses.push(answer.status);
    }
    let taken = statuses.iter().filter(|status| **status == 200).count();
    assert!(taken <= 16 && statuses.iter().all(|status| [200, 503].contains(status)), "{statuses:?}");
    assert_eq!(stage.calls(), taken);
}

#[test]
fn bound_tokens_need_the_dpop_scheme_and_unbound_tokens_must_not_use_it() {
    let stage = stage();
    let bound = token(&P256);
    let headers = |scheme: &str, token: &str| format!("{scheme} {token}");
    // As Bearer, with and without a proof.
    for proofs in [vec![], vec![proof(&P256, &bound)]] {
        let authorization = headers("Bearer", &bound);
        let mut all = vec![("Authorization", authorization.as_str())];
        all.extend(proofs.iter().map(|proof| ("DPoP", proof.as_str())));
        assert_refused(&stage, &stage.ask(&all), INVALID_TOKEN, "Bearer");
    }
    let unbound = crate::tokens::P256.token(&claims());
    assert_refused(&stage, &ask(&stage, &unbound, &[&proof(&P256, &unbound)]), INVALID_TOKEN, "not bound");
    for (wrong, confirmation) in [
        ("a thumbprint in hexadecimal", json!({"jkt": "07".repeat(32)})),
        ("a thumbprint that is a list", json!({"jkt": [1]})),
        ("something else besides", json!({"jkt": thumbprint(&P256), "kid": "a"})),
        ("a certificate besides", json!({"jkt": thumbprint(&P256), "x5t#S256": base64url([7; 32])})),
    ] {
        let token = crate::tokens::P256.token(&claims_with(json!({"cnf": confirmation})));
        assert_refused(&stage, &ask(&stage, &token, &[&proof(&P256, &token)]), INVALID_TOKEN, wrong);
    }
    // Without credentials callers learn of both schemes.
    let answer = stage.ask(&[]);
    let offers: Vec<_> = answer.headers_of("www-authenticate");
    assert_eq!(offers, ["Bearer realm=\"api\"", "DPoP realm=\"api\", algs=\"PS256 ES256 EdDSA\""]);
    // Where it is not configured nothing of it is taken.
    let plain = Stage::with("", "", "");
    for authorization in [headers("DPoP", &bound), headers("Bearer", &bound), headers("DPoP", &unbound)] {
        let answer = plain.ask(&[("Authorization", &authorization), ("DPoP", &proof(&P256, &bound))]);
        assert_eq!((answer.status, plain.calls()), (401, 0), "{authorization}");
    }
}

#[test]
fn an_rpc_can_require_dpop_bound_tokens() {
    let stage = Stage::with("", DPOP, "rpcs: {talk.Talk.Ask: {require: {bound_to: dpop}}}\n");
    let unbound = crate::tokens::P256.token(&claims());
    assert_refused(&stage, &stage.ask_with(&unbound), INVALID_TOKEN, "not bound");
    let answer = stage.ask(&[]);
    assert_refused(&stage, &answer, "DPoP realm=\"api\", algs=\"PS256 ES256 EdDSA\"", "nothing");
    assert!(answer.body.contains("send it as `Authorization: DPoP TOKEN`"), "{answer:?}");
    let bound = token(&P256);
    assert_eq!((ask(&stage, &bound, &[&proof(&P256, &bound)]).status, stage.calls()), (200, 1));
}

#[test]
fn a_proof_without_a_required_nonce_is_refused_with_a_nonce_to_use() {
    let more = "  dpop: {url: 'https://api.bank.test/ob', nonce: true}\n";
    let (stage, other) = (Stage::with("", more, ""), Stage::with("", more, ""));
    let token = token(&P256);
    let use_nonce = "DPoP realm=\"api\", error=\"use_dpop_nonce\", error_description=\"the DPoP proof needs the nonce in the header \
                     `DPoP-Nonce`: make a new one with it\", algs=\"PS256 ES256 EdDSA\"";
    let nonce_of = |stage: &Stage, proof: &str| {
        let answer = ask(stage, &token, &[proof]);
        assert_refused(stage, &answer, use_nonce, "no nonce");
        assert!(answer.body.contains("DPOP_NONCE_REQUIRED"), "{answer:?}");
        answer.header("dpop-nonce").unwrap().to_owned()
    };
    let nonce = nonce_of(&stage, &proof(&P256, &token));
    let others = nonce_of(&other, &proof(&P256, &token));
    for wrong in [json!(""), json!("a"), json!([nonce]), json!(others), json!(format!("{nonce}A"))] {
        nonce_of(&stage, &proof_with(&P256, &token, &json!({"nonce": wrong})));
    }
    // Whoever cannot make a proof learns no nonce.
    let answer = ask(&stage, &token, &[&proof(&Key::p256("other"), &token)]);
    assert_refused(&stage, &answer, INVALID_PROOF, "another key");
    assert_eq!(answer.header("dpop-nonce"), None);
    let good = proof_with(&P256, &token, &json!({"nonce": nonce}));
    assert_eq!((ask(&stage, &token, &[&good]).status, stage.calls()), (200, 1));
    assert_refused(&stage, &ask(&stage, &token, &[&good]), INVALID_PROOF, "used before");
}

/// Every single byte counts: of header, claims and signature, and the dots between them.
#[test]
fn a_proof_with_one_byte_flipped_is_refused() {
    use crate::support::http;
    let stage = stage();
    let token = token(&ED25519);
    let authorization = format!("DPoP {token}");
    let proof = proof(&ED25519, &token);
    let mut stream = http::connect(stage.gateway.address);
    for place in 0..proof.len() {
        let mut bytes = proof.clone().into_bytes();
        // To the neighbour in the alphabet, and to something that is in none.
        for flipped in [bytes[place] ^ 1, b'~'] {
            bytes[place] = flipped;
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let headers = [
                ("Content-Type", "application/json"),
                ("Authorization", authorization.as_str()),
                ("DPoP", text.as_str()),
            ];
            http::write(&mut stream, "POST", "/ask", &headers, Some(b"{}"));
            let answer = http::read(&mut stream);
            // A comma would join two proofs, which no request may have.
            let expected = if flipped == b',' { 400 } else { 401 };
            assert_eq!((answer.status, stage.calls()), (expected, 0), "{place}: {text}");
        }
    }
    assert_eq!((ask(&stage, &token, &[&proof]).status, stage.calls()), (200, 1));
}
