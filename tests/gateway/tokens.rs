//! Access tokens: which are taken, which are refused before the backend hears of the call, and what it is told of those that are taken.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::http::{self, Answer};
use crate::support::talk::{backend, gateway, note};
use crate::support::tokens::{AUDIENCE, ISSUER, Key, base64url, claims, claims_with, key_set, now};
use crate::support::{Backend, Gateway, socket};

/// The issuer's keys: made once, since an RSA key takes its time.
pub(crate) static P256: LazyLock<Key> = LazyLock::new(|| Key::p256("p"));
static ED25519: LazyLock<Key> = LazyLock::new(|| Key::ed25519("e"));
static RSA: LazyLock<Key> = LazyLock::new(|| Key::rsa("r"));

/// A gateway whose calls need tokens, and a backend that counts them.
pub(crate) struct Stage {
    pub(crate) gateway: Gateway,
    calls: Arc<AtomicUsize>,
    /// The metadata of the last call.
    metadata: Arc<Mutex<Vec<(String, String)>>>,
    _backend: Backend,
    _folder: TempDir,
}

impl Stage {
    /// `issuer` are lines of the issuer, `more` of `callers`, and `rest` of the file.
    pub(crate) fn with(issuer: &str, more: &str, rest: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys = folder.path().join("keys.json");
        std::fs::write(&keys, key_set(&[&P256, &ED25519, &RSA])).unwrap();
        let calls = Arc::<AtomicUsize>::default();
        let metadata = Arc::<Mutex<Vec<(String, String)>>>::default();
        let (counted, noted) = (calls.clone(), metadata.clone());
        let backend = backend(move |_, mut requests, replies| {
            counted.fetch_add(1, Ordering::SeqCst);
            let text = |value: &::http::HeaderValue| value.to_str().unwrap_or_default().to_owned();
            *noted.lock().unwrap() =
                requests.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
            async move {
                requests.all().await;
                replies.send(&note("got", 1)).await;
                replies.end("0", "").await;
            }
        });
        let config = format!(
            "callers:\n  issuers:\n    bank:\n      issuer: {ISSUER}\n      audience: {AUDIENCE}\n      keys: {}\n{issuer}{more}{rest}",
            keys.display()
        );
        let gateway = gateway(&backend, &config);
        Self { gateway, calls, metadata, _backend: backend, _folder: folder }
    }

    fn new() -> Self {
        Self::with("", "", "")
    }

    pub(crate) fn ask(&self, headers: &[(&str, &str)]) -> Answer {
        let headers = [&[("Content-Type", "application/json")], headers].concat();
        http::send(self.gateway.address, "POST", "/ask", &headers, Some(b"{}"))
    }

    pub(crate) fn ask_with(&self, token: &str) -> Answer {
        self.ask(&[("Authorization", &format!("Bearer {token}"))])
    }

    /// How many calls the backend has seen since this was asked last.
    pub(crate) fn calls(&self) -> usize {
        self.calls.swap(0, Ordering::SeqCst)
    }

    fn told(&self, name: &str) -> Option<String> {
        let metadata = self.metadata.lock().unwrap();
        metadata.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }
}

const INVALID: &str = "Bearer realm=\"api\", error=\"invalid_token\", \
                       error_description=\"the access token is not valid for this call\"";

fn assert_denied(answer: &Answer, status: u16, challenge: &str, input: &str) {
    assert_eq!((answer.status, answer.header("www-authenticate")), (status, Some(challenge)), "{input}: {answer:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{input}");
}

#[test]
fn a_valid_token_of_each_algorithm_is_accepted_repeatedly() {
    let stage = Stage::new();
    for key in [&*P256, &*ED25519, &*RSA] {
        let token = key.token(&claims());
        for _ in 0..3 {
            let answer = stage.ask_with(&token);
            assert_eq!(answer.status, 200, "{}: {answer:?}", key.algorithm());
        }
        assert_eq!(stage.calls(), 3, "{}", key.algorithm());
    }
    // RFC 9864 has another name for it, and scheme and `typ` are in any case.
    let header = ED25519.header().to_string().replace("EdDSA", "Ed25519").replace("at+jwt", "application/AT+JWT");
    let token = ED25519.token_of(&header, &claims().to_string());
    assert_eq!(stage.ask(&[("Authorization", &format!("bearer {token}"))]).status, 200);
    // Without `kid` where one key alone is for the algorithm, and with an audience among several.
    let header = json!({"alg": "ES256", "typ": "at+jwt"}).to_string();
    let several = claims_with(json!({"aud": ["https://other.test", AUDIENCE], "nbf": null, "iat": null}));
    assert_eq!(stage.ask_with(&P256.token_of(&header, &several.to_string())).status, 200);
}

/// What is wrong with a token, as a token.
fn forged() -> Vec<(&'static str, String)> {
    let (good, header) = (claims().to_string(), P256.header());
    let other = Key::p256("p");
    let with = |others: Value| {
        let mut header = header.clone();
        others.as_object().unwrap().iter().for_each(|(name, value)| header[name] = value.clone());
        P256.token_of(&header.to_string(), &claims().to_string())
    };
    let signed = P256.token(&claims());
    let (head, signature) = signed.rsplit_once('.').unwrap();
    let unsigned = |header: Value| format!("{}.{}.", base64url(header.to_string()), base64url(&good));
    // HMAC with the public key as its secret (RFC 8725, section 2.1).
    let hmac = {
        let signed = format!(
            "{}.{}",
            base64url(json!({"alg": "HS256", "kid": "p", "typ": "at+jwt"}).to_string()),
            base64url(&good)
        );
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, P256.jwk().to_string().as_bytes());
        format!("{signed}.{}", base64url(aws_lc_rs::hmac::sign(&key, signed.as_bytes())))
    };
    vec![
        ("no token", "a".to_owned()),
        ("four parts", format!("{signed}.a")),
        ("an encrypted token", "a.b.c.d.e".to_owned()),
        ("padding", format!("{signed}==")),
        ("no signature", format!("{head}.")),
        ("alg none", unsigned(json!({"alg": "none", "typ": "at+jwt"}))),
        ("alg none with a signature", with(json!({"alg": "none"}))),
        ("alg HS256 with the public key", hmac),
        ("the algorithm of another key", with(json!({"alg": "PS256"}))),
        ("no algorithm", P256.token_of(r#"{"kid":"p","typ":"at+jwt"}"#, &good)),
        ("a key that is not there", with(json!({"kid": "q"}))),
        ("another key of that name", other.token(&claims())),
        ("a key in the token", {
            let header = json!({"alg": "ES256", "typ": "at+jwt", "jwk": other.jwk(), "kid": "p"}).to_string();
            other.token_of(&header, &good)
        }),
        ("an extension", with(json!({"crit": ["exp"], "exp": 1}))),
        ("b64", with(json!({"crit": ["b64"], "b64": false}))),
        ("RS256, which is not listed", RSA.token_of(r#"{"alg":"RS256","kid":"r","typ":"at+jwt"}"#, &good)),
        ("an ID token", with(json!({"typ": "JWT"}))),
        ("no typ", P256.token_of(r#"{"alg":"ES256","kid":"p"}"#, &good)),
        ("a signature of zeros", format!("{head}.{}", base64url([0; 64]))),
        ("a signature that is cut", format!("{head}.{}", &signature[..84])),
        ("two members of one name", P256.token_of(&header.to_string(), &good.replacen('{', "{\"sub\":\"admin\",", 1))),
        ("two headers of one name", P256.token_of(&header.to_string().replacen('{', "{\"alg\":\"ES256\",", 1), &good)),
        ("a payload that is no object", P256.token_of(&header.to_string(), "[]")),
        ("something behind the payload", P256.token_of(&header.to_string(), &format!("{good}{{}}"))),
        ("another issuer", P256.token(&claims_with(json!({"iss": "https://id.evil.test"})))),
        ("an issuer that only looks like it", P256.token(&claims_with(json!({"iss": format!("{ISSUER}/")})))),
        ("no issuer", P256.token(&claims_with(json!({"iss": null})))),
        ("another audience", P256.token(&claims_with(json!({"aud": "https://other.test"})))),
        ("no audience", P256.token(&claims_with(json!({"aud": null})))),
        ("an audience that is an object", P256.token(&claims_with(json!({"aud": {"a": AUDIENCE}})))),
        ("no end", P256.token(&claims_with(json!({"exp": null})))),
        ("an end that is a text", P256.token(&claims_with(json!({"exp": (now() + 300).to_string()})))),
        ("an end that no clock has", P256.token(&claims_with(json!({"exp": 1e300})))),
        ("made in the future", P256.token(&claims_with(json!({"iat": now() + 60})))),
        ("scopes that are a number", P256.token(&claims_with(json!({"scope": 7})))),
        ("bound to a certificate", P256.token(&claims_with(json!({"cnf": {"x5t#S256": base64url([7; 32])}})))),
        ("bound by a digest in hexadecimal", P256.token(&claims_with(json!({"cnf": {"x5t#S256": "07".repeat(32)}})))),
        ("bound to a key of DPoP", P256.token(&claims_with(json!({"cnf": {"jkt": base64url([7; 32])}})))),
        ("bound in two ways", {
            P256.token(&claims_with(json!({"cnf": {"x5t#S256": base64url([7; 32]), "jkt": base64url([7; 32])}})))
        }),
        ("bound by nothing", P256.token(&claims_with(json!({"cnf": {}})))),
        ("bound by a text", P256.token(&claims_with(json!({"cnf": "x"})))),
    ]
}

#[test]
fn every_invalid_token_gets_the_same_answer_and_never_reaches_the_backend() {
    let stage = Stage::new();
    let body = r#"{"code":16,"message":"the access token is not valid for this call","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"ACCESS_TOKEN_INVALID","domain":"towbar"}]}"#;
    for (wrong, token) in forged() {
        let answer = stage.ask_with(&token);
        assert_denied(&answer, 401, INVALID, wrong);
        assert_eq!(answer.body, body, "{wrong}");
        assert_eq!(stage.calls(), 0, "{wrong}");
    }
}

#[test]
fn only_a_genuine_token_is_reported_as_expired_or_not_yet_valid() {
    let stage = Stage::with("", "  leeway: 2s\n", "");
    let invalid = |text: &str| format!("Bearer realm=\"api\", error=\"invalid_token\", error_description=\"{text}\"");
    let expired = invalid("the access token has expired: get a new one");
    let early = invalid("the access token is not valid yet");
    for (times, challenge) in [
        (json!({"exp": now() - 60}), &expired),
        (json!({"exp": now() - 3}), &expired),
        (json!({"exp": 0}), &expired),
        (json!({"nbf": now() + 60}), &early),
        (json!({"nbf": now() + 30, "iat": null}), &early),
    ] {
        let token = P256.token(&claims_with(times.clone()));
        assert_denied(&stage.ask_with(&token), 401, challenge, &times.to_string());
        // A forger does not learn that much.
        let other = Key::p256("p").token(&claims_with(times.clone()));
        assert_denied(&stage.ask_with(&other), 401, INVALID, &times.to_string());
        assert_eq!(stage.calls(), 0, "{times}");
    }
    // Within the leeway.
    let token = P256.token(&claims_with(json!({"nbf": now() + 1, "iat": now() + 1})));
    assert_eq!(stage.ask_with(&token).status, 200);
    // One that was taken is taken no longer than it is valid.
    let token = P256.token(&claims_with(json!({"exp": now() - 1})));
    assert_eq!(stage.ask_with(&token).status, 200);
    std::thread::sleep(std::time::Duration::from_millis(2100));
    assert_denied(&stage.ask_with(&token), 401, &expired, "after its end");
}

#[test]
fn a_token_is_accepted_only_in_a_single_authorization_header() {
    let stage = Stage::new();
    let token = P256.token(&claims());
    let bearer = format!("Bearer {token}");
    let missing = "Bearer realm=\"api\"";
    for (headers, status, challenge) in [
        (vec![], 401, Some(missing)),
        (vec![("Authorization", "")], 401, Some(missing)),
        (vec![("Authorization", "Basic YTpi")], 401, Some(missing)),
        (vec![("Authorization", token.as_str())], 401, Some(missing)),
        (vec![("Authorization", "Bearer")], 401, Some(INVALID)),
        (vec![("Authorization", "Bearer ")], 401, Some(INVALID)),
        (vec![("Authorization", "Bearer null")], 401, Some(INVALID)),
        (vec![("Proxy-Authorization", bearer.as_str())], 401, Some(missing)),
        (vec![("Grpc-Metadata-Authorization", bearer.as_str())], 401, Some(missing)),
        (vec![("Cookie", "access_token=a")], 401, Some(missing)),
        (vec![("Authorization", &bearer), ("Authorization", &bearer)], 400, None),
        (vec![("Authorization", &bearer), ("Connection", "close, Authorization")], 400, None),
    ] {
        let answer = stage.ask(&headers);
        assert_eq!((answer.status, answer.header("www-authenticate")), (status, challenge), "{headers:?}");
        assert_eq!(stage.calls(), 0, "{headers:?}");
    }
    let joined = format!("{bearer}, {bearer}");
    assert_eq!((stage.ask(&[("Authorization", &joined)]).status, stage.calls()), (400, 0));
    // In the query it is refused, beside a good one too, and where unknown keys are passed over.
    let lax = Stage::with("", "", "requests: {ignore_query: all}\n");
    for (target, stage) in
        [("/ask?access_token=", &stage), ("/ask?access_token=", &lax), ("/ask?access%5ftoken=", &lax)]
    {
        let target = format!("{target}{token}");
        let headers = [("Content-Type", "application/json"), ("Authorization", &bearer)];
        for headers in [&headers[..1], &headers] {
            let answer = http::send(stage.gateway.address, "POST", &target, headers, Some(b"{}"));
            let challenge = answer.header("www-authenticate").unwrap_or_default();
            assert!(answer.status == 400 && challenge.contains("invalid_request"), "{target}: {answer:?}");
            assert!(!answer.body.contains(&token[..20]), "{answer:?}");
            assert_eq!(stage.calls(), 0, "{target}");
        }
    }
}

/// Every single byte counts: of header, payload and signature, and the dots between them.
#[test]
fn a_token_with_one_byte_flipped_is_refused() {
    let stage = Stage::new();
    let token = P256.token(&claims());
    assert_eq!((stage.ask_with(&token).status, stage.calls()), (200, 1));
    let mut stream = http::connect(stage.gateway.address);
    for place in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        // To the neighbour in the alphabet, and to something that is in none.
        for flipped in [bytes[place] ^ 1, b'~'] {
            bytes[place] = flipped;
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let headers = [("Content-Type", "application/json"), ("Authorization", &format!("Bearer {text}"))];
            http::write(&mut stream, "POST", "/ask", &headers, Some(b"{}"));
            let answer = http::read(&mut stream);
            // A comma would join two credentials, which no request may have.
            let expected = if flipped == b',' { 400 } else { 401 };
            assert_eq!((answer.status, stage.calls()), (expected, 0), "{place}: {text}");
        }
    }
    assert_eq!((stage.ask_with(&token).status, stage.calls()), (200, 1));
}

#[test]
fn an_rpc_requires_the_scopes_and_claims_of_its_policy() {
    let rest = "rpcs:\n  talk.Talk.Ask:\n    require:\n      scopes: [payments, accounts]\n      claims: {acr: [high, highest], level: 3}\n      \
                authorization_details: payment_initiation\n      issuers: bank\n  talk.Talk.Read: {require: none}\n";
    let stage = Stage::with("", "", rest);
    let enough = json!({
        "acr": "high", "level": [1, 3], "authorization_details": [{"type": "other"}, {"type": "payment_initiation"}],
    });
    let with = |others: Value| {
        let mut all = claims_with(enough.clone());
        others.as_object().unwrap().iter().for_each(|(name, value)| all[name] = value.clone());
        P256.token(&all)
    };
    assert_eq!((stage.ask_with(&with(json!({}))).status, stage.calls()), (200, 1));
    let scopes = "Bearer realm=\"api\", error=\"insufficient_scope\", error_description=\"this call needs an access token with the scopes: \
                  payments accounts\", scope=\"payments accounts\"";
    let other = "Bearer realm=\"api\", error=\"insufficient_scope\", error_description=\"the access token does not permit this call\"";
    for (claims, challenge) in [
        (json!({"scope": "payments"}), scopes),
        (json!({"scope": ""}), scopes),
        (json!({"scope": "payments accounts_all"}), scopes),
        (json!({"scope": "payments,accounts"}), scopes),
        (json!({"acr": "low"}), other),
        (json!({"acr": ["low", "lower"]}), other),
        (json!({"acr": null}), other),
        (json!({"level": 30}), other),
        (json!({"authorization_details": []}), other),
        (json!({"authorization_details": [{"type": "account_information"}]}), other),
        (json!({"authorization_details": {"type": "payment_initiation"}}), other),
    ] {
        assert_denied(&stage.ask_with(&with(claims.clone())), 403, challenge, &claims.to_string());
        assert_eq!(stage.calls(), 0, "{claims}");
    }
    // One that is open asks nobody, and believes nobody.
    for headers in [&[][..], &[("Authorization", "Bearer a")]] {
        let answer = http::send(stage.gateway.address, "GET", "/files/a", headers, None);
        assert_ne!(answer.status, 401, "{answer:?}");
        assert_eq!(stage.calls(), 1);
    }
}

#[test]
fn every_kind_of_rest_call_and_websocket_requires_a_token() {
    let rest = "rpcs: {talk.Talk.Chat: {websocket: {}}}\n";
    let stage = Stage::with("", "", rest);
    let bearer = format!("Bearer {}", P256.token(&claims()));
    for (method, target, body) in [
        ("POST", "/ask", Some(&b"{}"[..])),
        ("GET", "/notes/t", None),
        ("POST", "/notes/t", Some(b"{}")),
        ("POST", "/chat", Some(b"{}")),
        ("PUT", "/files/a", Some(b"{}")),
        ("GET", "/downloads/t", None),
        ("POST", "/echo", Some(b"a")),
        ("HEAD", "/files/a", None),
    ] {
        let json = ("Content-Type", "application/json");
        let answer = http::send(stage.gateway.address, method, target, &[json], body);
        assert_denied(&answer, 401, "Bearer realm=\"api\"", target);
        assert_eq!(stage.calls(), 0, "{target}");
    }
    let refused = socket::open(stage.gateway.address, "/chat", &[]).err().unwrap();
    assert_denied(&refused, 401, "Bearer realm=\"api\"", "a WebSocket");
    assert_eq!(stage.calls(), 0);
    let mut opened = socket::open(stage.gateway.address, "/chat", &[("Authorization", &bearer)]).ok().unwrap();
    opened.send("");
    opened.rest();
    assert_eq!(stage.calls(), 1);
}

#[test]
fn the_backend_gets_verified_claims_and_not_headers_forged_by_the_caller() {
    let more = "  metadata: {sub: x-caller, client_id: x-client, roles: x-roles, name: x-name-bin}\n";
    let stage = Stage::with("", more, "rpcs: {talk.Talk.Read: {require: none}}\n");
    let token = P256.token(&claims_with(json!({"roles": ["a", "b c"], "name": "Zo\u{eb}"})));
    let lies = [
        ("Authorization", format!("Bearer {token}")),
        ("X-Caller", "admin".to_owned()),
        ("Grpc-Metadata-X-Caller", "admin".to_owned()),
        ("X-Client", "admin".to_owned()),
    ];
    let lies: Vec<_> = lies.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(stage.ask(&lies).status, 200);
    for (name, value) in [
        ("x-caller", Some("user-7")),
        ("x-client", Some("tpp-1")),
        ("x-roles", Some(r#"["a","b c"]"#)),
        ("x-name-bin", Some("Wm/Dqw==")),
    ] {
        assert_eq!(
            stage.told(name).map(|told| told.trim_end_matches('=').to_owned()),
            value.map(|value| value.trim_end_matches('=').to_owned()),
            "{name}"
        );
    }
    http::send(stage.gateway.address, "GET", "/files/a", &lies, None);
    for name in ["x-caller", "x-client", "x-roles", "x-name-bin"] {
        assert_eq!(stage.told(name), None, "{name}");
    }
    // What metadata cannot carry is not half told.
    let token = P256.token(&claims_with(json!({"sub": "a\nb"})));
    stage.calls();
    assert_denied(&stage.ask_with(&token), 401, INVALID, "a line break");
    assert_eq!(stage.calls(), 0);
}

#[test]
fn rs256_and_tokens_without_typ_are_accepted_only_where_configured() {
    let lines = "      algorithms: [RS256, ES256]\n      types: [JWT, none]\n      scope_claim: scp\n";
    let stage = Stage::with(lines, "", "rpcs: {talk.Talk.Ask: {require: {scopes: a}}}\n");
    let scoped = claims_with(json!({"scp": ["a", "b"]})).to_string();
    for (key, header, status) in [
        (&*RSA, r#"{"alg":"RS256","kid":"r"}"#, 200),
        (&*P256, r#"{"alg":"ES256","kid":"p","typ":"jwt"}"#, 200),
        (&*RSA, r#"{"alg":"PS256","kid":"r"}"#, 401),
        (&*P256, r#"{"alg":"ES256","kid":"p","typ":"at+jwt"}"#, 401),
    ] {
        let answer = stage.ask_with(&key.token_of(header, &scoped));
        assert_eq!((answer.status, stage.calls()), (status, usize::from(status == 200)), "{header}");
    }
}

#[test]
fn every_error_form_has_the_www_authenticate_challenge() {
    for form in ["status", "google", "problem", "open_banking_uk", "berlin_group", "grpc_gateway_v1", "grpc_gateway_v2"]
    {
        let stage = Stage::with("", "  realm: the bank\n", &format!("errors: {form}\n"));
        let answer = stage.ask(&[]);
        assert_denied(&answer, 401, "Bearer realm=\"the bank\"", form);
        assert!(answer.body.contains("needs an access token"), "{form}: {}", answer.body);
    }
}
