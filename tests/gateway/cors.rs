//! CORS: which web pages may call and read, in every protocol that browsers speak, and that a preflight calls nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::grpc::frame;
use crate::support::http::{self, Answer};
use crate::support::talk::{backend, note};
use crate::support::{Backend, Gateway, talk};

const PAGE: &str = "https://app.bank.example";
const ALLOW: [&str; 6] = [
    "access-control-allow-origin",
    "access-control-allow-credentials",
    "access-control-allow-methods",
    "access-control-allow-headers",
    "access-control-max-age",
    "access-control-expose-headers",
];

struct Stage {
    gateway: Gateway,
    calls: Arc<AtomicUsize>,
    _backend: Backend,
}

impl Stage {
    fn new(cors: &str) -> Self {
        let calls = Arc::<AtomicUsize>::default();
        let counted = calls.clone();
        let backend = backend(move |_, mut requests, replies| {
            counted.fetch_add(1, Ordering::SeqCst);
            async move {
                requests.all().await;
                replies.send(&note("a", 0)).await;
                replies.end("0", "").await;
            }
        });
        let config = format!(
            "listen: {{address: \"127.0.0.1:0\", protocols: [rest, grpc_web, connect]}}\nupstream: http://{}\nschema: talk.proto\n{cors}",
            backend.address
        );
        let overrides = towbar::config::Overrides::default();
        Self { gateway: Gateway::with(&config, &overrides, Ok(talk::schema()), None), calls, _backend: backend }
    }

    fn preflight(&self, path: &str, origin: &str) -> Answer {
        let headers = [("Origin", origin), ("Access-Control-Request-Method", "POST")];
        http::send(self.gateway.address, "OPTIONS", path, &headers, None)
    }

    fn ask(&self, path: &str, content_type: &str, body: &[u8], origin: &[(&str, &str)]) -> Answer {
        let headers = [&[("Content-Type", content_type)], origin].concat();
        let mut stream = http::connect(self.gateway.address);
        http::write(&mut stream, "POST", path, &headers, Some(body));
        http::head(&mut stream)
    }
}

fn told(answer: &Answer) -> Vec<Option<&str>> {
    ALLOW.iter().map(|name| answer.header(name)).collect()
}

#[test]
fn without_cors_configured_no_answer_has_cors_headers() {
    let stage = Stage::new("");
    let preflight = stage.preflight("/ask", PAGE);
    assert_eq!((preflight.status, told(&preflight)), (204, vec![None; 6]));
    assert_eq!(preflight.header("allow"), Some("OPTIONS, POST"), "the answer to any OPTIONS");
    let answer = stage.ask("/ask", "application/json", b"{}", &[("Origin", PAGE)]);
    assert_eq!((answer.status, told(&answer), answer.header("vary")), (200, vec![None; 6], None));
}

#[test]
fn only_pages_of_listed_origins_may_call_and_read_answers() {
    let stage = Stage::new(
        "metadata: {request: [x-consent-id], reply: [x-started]}\n\
         cors:\n  origins: [https://app.bank.example, https://*.shop.example]\n  headers: x-page\n  expose: etag\n  credentials: true\n  max_age: 1m\n",
    );
    let headers = "authorization, connect-protocol-version, connect-timeout-ms, content-type, grpc-timeout, x-grpc-web, x-user-agent, \
                   x-consent-id, x-page";
    let exposed = "grpc-status, grpc-message, grpc-status-details-bin, retry-after, www-authenticate, x-started, \
                   trailer-x-started, etag";
    for (origin, is_allowed) in [
        (PAGE, true),
        ("https://a.shop.example", true),
        ("https://shop.example", false),
        ("http://app.bank.example", false),
        ("https://app.bank.example.evil.example", false),
        ("null", false),
    ] {
        // Whatever the path is: which rpcs there are is none of the page's business yet.
        for path in ["/ask", "/nowhere", "/talk.Talk/Ask", "/files/a?x=1"] {
            let answer = stage.preflight(path, origin);
            let methods = "GET, HEAD, POST, PUT, PATCH, DELETE";
            let expected = match is_allowed {
                true => vec![Some(origin), Some("true"), Some(methods), Some(headers), Some("60"), None],
                false => vec![None; 6],
            };
            assert_eq!(
                (answer.status, told(&answer), answer.header("vary")),
                (204, expected, Some("origin")),
                "{origin} {path}"
            );
            assert_eq!(stage.calls.load(Ordering::SeqCst), 0, "{origin} {path}");
        }
    }
    for (path, content_type, body, status) in [
        ("/ask", "application/json", b"{}".to_vec(), 200),
        ("/ask", "application/json", b"{".to_vec(), 400),
        ("/nowhere", "application/json", b"{}".to_vec(), 404),
        ("/talk.Talk/Ask", "application/grpc-web", frame(b""), 200),
        ("/talk.Talk/Watch", "application/grpc-web", frame(b""), 200),
        ("/talk.Talk/None", "application/grpc-web", frame(b""), 200),
        ("/talk.Talk/Ask", "application/proto", b"".to_vec(), 200),
        ("/talk.Talk/Ask", "application/json", b"{}".to_vec(), 200),
        ("/talk.Talk/Ask", "application/json", b"{".to_vec(), 400),
        ("/talk.Talk/Watch", "application/connect+proto", frame(b""), 200),
        ("/talk.Talk/None", "application/proto", b"".to_vec(), 404),
    ] {
        let answer = stage.ask(path, content_type, &body, &[("Origin", PAGE)]);
        let expected = vec![Some(PAGE), Some("true"), None, None, None, Some(exposed)];
        assert_eq!((answer.status, told(&answer), answer.header("vary")), (status, expected, Some("origin")), "{path}");
        for origin in [&[("Origin", "https://evil.example")][..], &[], &[("Origin", PAGE), ("Origin", PAGE)]] {
            let answer = stage.ask(path, content_type, &body, origin);
            assert_eq!((told(&answer), answer.header("vary")), (vec![None; 6], Some("origin")), "{path} {origin:?}");
        }
    }
}

#[test]
fn with_a_wildcard_any_origin_may_call_but_without_credentials() {
    let stage = Stage::new("cors: {origins: \"*\", methods: [GET, POST]}\n");
    let answer = stage.preflight("/ask", "https://anyone.example");
    assert_eq!(
        (answer.header(ALLOW[0]), answer.header(ALLOW[1]), answer.header(ALLOW[2])),
        (Some("*"), None, Some("GET, POST"))
    );
    assert_eq!(answer.header("vary"), None);
    // OPTIONS that asks for nothing is answered as before.
    let answer = http::send(stage.gateway.address, "OPTIONS", "/ask", &[("Origin", PAGE)], None);
    assert_eq!((answer.status, answer.header("allow")), (204, Some("OPTIONS, POST")));
}
