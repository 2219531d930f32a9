//! Handshakes of WebSockets: who may open one, what is refused before the protocol changes, and what is no handshake.

use std::path::Path;
use std::sync::{Arc, Mutex};

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use towbar::app::App;
use towbar::cli::demo::bank::certificates::{Authority, Issued};
use towbar::config::{self, Overrides};
use towbar::upstream::Upstream;

use crate::support::socket::{ASKING, Got, KEY, OK, Socket, closed, open, over, text};
use crate::support::talk::{backend, gateway, gateway_of, note, schema, schema_of, send, shared};
use crate::support::{Backend, Gateway, http};

const WATCH: &str = "rpcs: {talk.Talk.Watch: {websocket: {}}}";

/// Answers one message.
fn answering() -> Backend {
    backend(|_, _, replies| async move {
        replies.send(&note("one", 1)).await;
        replies.end("0", "").await;
    })
}

fn whole() -> [Got; 3] {
    [text(r#"{"result":{"text":"one","number":1}}"#), text(OK), closed(1000, "OK")]
}

#[test]
fn only_pages_of_listed_origins_can_open_a_websocket() {
    let backend = answering();
    let listed = "rpcs: {talk.Talk.Watch: {websocket: {origins: [https://app.bank.example, \"HTTP://LocalHost:80\"]}}}";
    let (listed, unlisted) = (gateway(&backend, listed), gateway(&backend, WATCH));
    let refused = r#"{"code":7,"message":"web pages of this origin may not open a WebSocket here","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"ORIGIN_NOT_ALLOWED","domain":"towbar"}]}"#;
    for (gateway, origins, is_open) in [
        (&listed, &["https://app.bank.example"][..], true),
        (&listed, &["http://localhost"], true),
        (&listed, &[], true),
        (&listed, &["https://app.bank.example:8443"], false),
        (&listed, &["http://app.bank.example"], false),
        (&listed, &["https://evil.example"], false),
        (&listed, &["https://app.bank.example.evil.example"], false),
        (&listed, &["https://app.bank.example", "https://evil.example"], false),
        (&listed, &["null"], false),
        (&listed, &[""], false),
        (&listed, &["*"], false),
        (&unlisted, &["https://app.bank.example"], false),
        (&unlisted, &["http://gateway.test"], false),
        (&unlisted, &["null"], false),
        (&unlisted, &[], true),
    ] {
        let headers: Vec<_> = origins.iter().map(|origin| ("Origin", *origin)).collect();
        match open(gateway.address, "/notes/t", &headers) {
            Ok(mut socket) => {
                assert!(is_open, "{origins:?}");
                assert_eq!(socket.rest(), whole(), "{origins:?}");
            }
            Err(answer) => {
                assert!(!is_open, "{origins:?}: {answer:?}");
                assert_eq!((answer.status, answer.body.as_str()), (403, refused), "{origins:?}");
            }
        }
    }
}

#[test]
fn an_invalid_websocket_handshake_gets_an_ordinary_http_error() {
    let backend = answering();
    let gateway = gateway(&backend, WATCH);
    let version = "header sec-websocket-version: expected 13, got another value or none";
    let key = "header sec-websocket-key: expected 16 bytes in base64, exactly once, got something else";
    let of = |key: &'static str, version: &'static str| {
        [
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Key", key),
            ("Sec-WebSocket-Version", version),
        ]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .collect::<Vec<_>>()
    };
    for (target, headers, status, message) in [
        ("/notes/t", of(KEY, ""), 426, version),
        ("/notes/t", of(KEY, "8"), 426, version),
        ("/notes/t", of(KEY, "13, 8"), 426, version),
        ("/notes/t", [of(KEY, "13"), vec![("Sec-WebSocket-Version", "8")]].concat(), 426, version),
        ("/notes/t", of("", "13"), 400, key),
        ("/notes/t", of("dGhlIHNhbXBsZQ==", "13"), 400, key),
        ("/notes/t", of("not Base64, not at all!!", "13"), 400, key),
        ("/notes/t", [of(KEY, "13"), vec![("Sec-WebSocket-Key", KEY)]].concat(), 400, key),
        ("/notes/t?number=x", ASKING.to_vec(), 400, "query parameter \"number\": expected an int32, got \"x\""),
        ("/notes/t?nope=1", ASKING.to_vec(), 400, "unknown query parameter \"nope\""),
        ("/notes/%ff", ASKING.to_vec(), 400, "path variable \"topic\": the percent-encoded bytes are not valid UTF-8"),
        (
            "/notes/t",
            [&ASKING[..], &[("grpc-timeout", "soon")]].concat(),
            400,
            "header grpc-timeout: expected 1 to 8 digits and a unit (H, M, S, m, u or n), greater than zero, got \"soon\"",
        ),
        ("/no/such/path", ASKING.to_vec(), 404, "no route matches GET /no/such/path"),
    ] {
        let answer = send(&gateway, "GET", target, &headers, None).answer;
        assert_eq!((answer.status, answer.refusal().1.as_str()), (status, message), "{target} {headers:?}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("sec-websocket-version"), (status == 426).then_some("13"), "{headers:?}");
    }
    let body = send(&gateway, "GET", "/notes/t", &ASKING, Some(b"{}")).answer;
    assert_eq!(
        (body.status, body.refusal().1.as_str()),
        (400, "a WebSocket handshake takes no body, but the request has one")
    );
    // Errors have the form of the rpc.
    let problems = gateway_in_form(&backend);
    let answer = send(&problems, "GET", "/notes/t", &of(KEY, "8"), None).answer;
    assert_eq!((answer.status, answer.header("content-type")), (426, Some("application/problem+json")));
}

fn gateway_in_form(backend: &Backend) -> Gateway {
    gateway(backend, "rpcs: {talk.Talk.Watch: {websocket: {}, errors: problem}}")
}

#[test]
fn an_unreachable_or_full_backend_is_answered_503_before_the_upgrade() {
    let gone = answering();
    let unreachable = gateway(&gone, WATCH);
    drop(gone);
    let answer = open(unreachable.address, "/notes/t", &[]).err().unwrap();
    assert_eq!((answer.status, answer.refusal().0), (503, 14));

    let busy = backend(|_, _, replies| async move {
        replies.send(&note("one", 1)).await;
        std::future::pending::<()>().await;
    });
    let config = format!(
        "upstream: {{address: \"http://{}\", limit: {{streams: 1, waiting: 0}}}}\nschema: talk.proto\n{WATCH}",
        busy.address
    );
    let overrides = Overrides { listen: Some("127.0.0.1:0".to_owned()), ..Overrides::default() };
    let limited = Gateway::with(&config, &overrides, Ok(schema()), None);
    let mut first = open(limited.address, "/notes/t", &[]).ok().unwrap();
    first.next();
    let answer = open(limited.address, "/notes/t", &[]).err().unwrap();
    let full = "the backend already has 1 calls in flight, the most that are allowed; the call was not sent";
    assert_eq!((answer.status, answer.refusal().1.as_str()), (503, full));
    assert_eq!(answer.header("retry-after"), Some("1"));
}

#[test]
fn requests_that_cannot_open_a_websocket_are_answered_as_plain_http() {
    let backend = answering();
    let gateway = gateway(&backend, "rpcs: {talk.Talk.Chat: {websocket: {}}}");
    let lines = "{\"result\":{\"text\":\"one\",\"number\":1}}\n{\"status\":{\"code\":0}}\n";
    // An rpc without the switch, a call of one message, and a wrong method.
    assert_eq!(send(&gateway, "GET", "/notes/t", &ASKING, None).answer.body, lines);
    assert_eq!(send(&gateway, "GET", "/files/a", &ASKING, None).answer.status, 200);
    let other = send(&gateway, "GET", "/ask", &ASKING, None).answer;
    assert_eq!((other.status, other.header("allow")), (405, Some("OPTIONS, POST")));
    // No handshake.
    for (method, headers) in [
        ("GET", &[][..]),
        ("GET", &[("Upgrade", "h2c"), ("Connection", "Upgrade")]),
        ("GET", &[("Upgrade", "websocket"), ("Connection", "keep-alive")]),
        ("HEAD", &ASKING),
    ] {
        let mut stream = http::connect(gateway.address);
        http::write(&mut stream, method, "/chat", headers, None);
        let answer = http::read_for(&mut stream, method);
        assert_eq!((answer.status, answer.header("allow")), (405, Some("OPTIONS, POST")), "{method} {headers:?}");
    }
    let posted = [&ASKING[..], &[("Content-Type", "application/x-ndjson")]].concat();
    assert_eq!(send(&gateway, "POST", "/chat", &posted, Some(b"")).answer.body, lines);
    let mut http_1_0 = http::connect(gateway.address);
    let head: String = ASKING.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    std::io::Write::write_all(&mut http_1_0, format!("GET /chat HTTP/1.0\r\n{head}\r\n").as_bytes()).unwrap();
    assert_eq!(http::read(&mut http_1_0).status, 405);
    // The connection goes on as one of HTTP.
    let mut kept = http::connect(gateway.address);
    for _ in 0..2 {
        http::write(&mut kept, "GET", "/ask", &ASKING, None);
        assert_eq!(http::read(&mut kept).status, 405);
    }
    http::write(&mut kept, "GET", "/chat", &ASKING, None);
    let mut socket = over(kept).ok().unwrap();
    assert_eq!(socket.rest(), whole());
}

#[test]
fn query_parameters_choose_the_rpc_of_a_websocket_on_a_shared_path() {
    let proto = r#"
syntax = "proto3";
package talk;
import "google/api/annotations.proto";
message Note { string topic = 1; string text = 2; int32 number = 3; }
message Notes { repeated Note notes = 1; }
service Talk {
  rpc ByTopic(Note) returns (stream Notes) { option (google.api.http) = { get: "/notes?topic={topic}" }; }
  rpc ByText(Note) returns (stream Note) { option (google.api.http) = { post: "/notes?text={text}" }; }
}
"#;
    let (got, seen) = shared::<Vec<String>>();
    let backend = backend(move |rpc, _, replies| {
        got.lock().unwrap().push(rpc);
        async move { replies.end("0", "").await }
    });
    let both = "rpcs: {talk.Talk.ByTopic: {websocket: {}}, talk.Talk.ByText: {websocket: {}}}";
    let gateway = gateway_of(schema_of(proto), &backend, both);
    for target in ["/notes?topic=a", "/notes?text=a", "/notes"] {
        open(gateway.address, target, &[]).ok().unwrap().rest();
    }
    assert_eq!(*seen.lock().unwrap(), ["ByTopic", "ByText", "ByTopic"]);
    let answer = open(gateway.address, "/notes?text=a&topic=b", &[]).err().unwrap();
    let message =
        "the query parameters \"text\", \"topic\" cannot be combined: they belong to different operations of this path";
    assert_eq!((answer.status, answer.refusal().1.as_str()), (400, message));
}

fn problems_of(rpcs: &str) -> Vec<String> {
    let text = format!("upstream: http://127.0.0.1:1\nschema: talk.proto\nrpcs:\n{rpcs}");
    let (mut config, problems) = config::load_text(&text, Path::new("towbar.yaml"), &Overrides::default());
    if !problems.is_empty() {
        return problems.iter().map(ToString::to_string).collect();
    }
    let upstream = Upstream::new(&config.upstream.take().unwrap()).ok();
    let app = App::with_parts(config, Some(Ok(schema())), upstream, Vec::new());
    app.err().unwrap().iter().map(ToString::to_string).collect()
}

#[test]
fn an_unusable_websocket_setting_stops_the_start() {
    for (rpcs, expected) in [
        (
            "  talk.Talk.Ask: {websocket: {}}\n",
            "talk.Talk.Ask: \"/ask\": towbar.yaml:4:3: websocket: the rpc does not stream; remove this key",
        ),
        (
            "  talk.Talk.Watch: {websocket: {}}\n  talk.Talk.Collect: {websocket:}\n",
            "talk.Talk.Watch: \"/notes/{topic}\": a WebSocket at this path also matches the rule \"/notes/{topic}\" of \
             talk.Talk.Collect, and no query parameter tells the two apart; exclude one of them with `expose: {except: \
             [talk.Talk.Collect]}`, or give it another path in a rules file (`rules.files`)",
        ),
        ("  talk.Talk.Watch: {websocket: true}\n", "towbar.yaml:4:32: websocket: expected a map, found `true`"),
        (
            "  talk.Talk.Watch: {websocket: {origin: []}}\n",
            "towbar.yaml:4:33: unknown key `origin`; did you mean `origins`?",
        ),
        (
            "  talk.Talk.Watch: {websocket: {origins: [\"*\"]}}\n",
            "towbar.yaml:4:43: origins: expected scheme, host and port of pages, such as `https://app.bank.example`, found `*`",
        ),
        (
            "  talk.Talk.Watch: {websocket: {origins: [\"https://a.example/\"]}}\n",
            "towbar.yaml:4:43: origins: expected scheme, host and port of pages, such as `https://app.bank.example`, \
             found `https://a.example/`",
        ),
        (
            "  talk.Talk.Watch: {websocket: {origins: [\"https://a.example\", \"https://A.example:443\"]}}\n",
            "towbar.yaml:4:64: origins: `https://A.example:443` is listed twice",
        ),
    ] {
        assert_eq!(problems_of(rpcs), [expected], "{rpcs}");
    }
}

#[test]
fn the_start_notes_list_websocket_rpcs_and_their_origins() {
    let text = "upstream: http://127.0.0.1:1\nschema: talk.proto\nrpcs:\n  talk.Talk.Watch: {websocket:}\n  talk.Talk.Chat: \
                {websocket: {origins: [\"https://app.bank.example:443\", \"http://localhost:3000\"]}}\n";
    let (mut config, problems) = config::load_text(text, Path::new("towbar.yaml"), &Overrides::default());
    assert_eq!(problems, []);
    let upstream = Upstream::new(&config.upstream.take().unwrap()).ok();
    let app = App::with_parts(config, Some(Ok(schema())), upstream, Vec::new()).ok().unwrap();
    let line = "WebSockets, with the origins that may open them: talk.Talk.Chat (https://app.bank.example \
                http://localhost:3000), talk.Talk.Watch (no origins)";
    assert_eq!(app.notes(), [line]);
}

#[test]
fn over_mutual_tls_the_backend_gets_the_certificate_hash_of_a_websocket_caller() {
    let (servers, callers) = (Authority::new("servers").unwrap(), Authority::new("callers").unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let own = servers.issue("gateway.test").unwrap();
    std::fs::write(path("c.pem"), own.certificate_pem()).unwrap();
    std::fs::write(path("k.pem"), own.key_pem()).unwrap();
    std::fs::write(path("callers.pem"), callers.pem()).unwrap();
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let got = told.clone();
    let backend = backend(move |_, mut requests, replies| {
        let header = |name: &str| requests.headers.get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
        *got.lock().unwrap() = ["x-sha256", "x-consent-id"].map(header).to_vec();
        async move {
            while let Some(message) = requests.next().await {
                replies.send(&message).await;
            }
            replies.end("0", "").await;
        }
    });
    let config = format!(
        "upstream: http://{}\nschema: talk.proto\nlisten: {{address: \"127.0.0.1:0\", tls: {{cert: {}, key: {}, client_ca: {}}}}}\n\
         metadata: {{request: [x-consent-id], caller: {{certificate_sha256: x-sha256}}}}\n\
         rpcs: {{talk.Talk.Chat: {{websocket: {{}}}}}}",
        backend.address,
        path("c.pem"),
        path("k.pem"),
        path("callers.pem"),
    );
    let gateway = Gateway::with(&config, &Overrides::default(), Ok(schema()), None);
    let issued = callers.issue("acme.test").unwrap();
    let mut socket = over_tls(&gateway, &servers, &issued);
    for number in 1..=3 {
        socket.send(&format!("{{\"number\":{number}}}"));
        assert_eq!(socket.next(), text(&format!("{{\"result\":{{\"number\":{number}}}}}")));
    }
    // Larger than one record of TLS, and than what is read at a time.
    let large = "x".repeat(100 << 10);
    socket.send(&format!("{{\"text\":\"{large}\"}}"));
    assert_eq!(socket.next(), text(&format!("{{\"result\":{{\"text\":\"{large}\"}}}}")));
    socket.send("");
    assert_eq!(socket.rest(), [text(OK), closed(1000, "OK")]);
    let told = told.lock().unwrap().clone();
    assert_eq!((told[0].len(), told[1].as_str()), (64, "c-1"));
}

fn over_tls(
    gateway: &Gateway,
    servers: &Authority,
    own: &Issued,
) -> Socket<StreamOwned<ClientConnection, std::net::TcpStream>> {
    let trust = towbar::tls::Servers::Trusted(servers.trust().unwrap());
    let client = towbar::tls::client(Some(own.identity()), &trust, &[b"http/1.1"]).unwrap();
    let name = ServerName::try_from("gateway.test").unwrap();
    let connection = ClientConnection::new(client, name).unwrap();
    let mut stream = StreamOwned::new(connection, http::connect(gateway.address));
    let head: String = ASKING.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!("GET /chat HTTP/1.1\r\nHost: gateway.test\r\nX-Consent-Id: c-1\r\n{head}\r\n");
    std::io::Write::write_all(&mut stream, head.as_bytes()).unwrap();
    over(stream).ok().unwrap()
}
