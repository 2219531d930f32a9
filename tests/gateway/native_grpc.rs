//! Native gRPC: what passes as it is, what is refused and how, and that every rule of REST calls holds.

use std::io::{Read as _, Write as _};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::uri::PathAndQuery;
use rustls::pki_types::ServerName;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tonic::{Code, Request};
use towbar::cli::demo::bank::certificates::Authority;
use towbar::config::Overrides;
use towbar::tls;

use crate::support::bank::wait_until;
use crate::support::grpc::{Answer, Plain, call, flagged, frame, request, runtime, send, send_on, told, tonic_client};
use crate::support::http as http1;
use crate::support::talk::{self, Replies, Requests, backend, note, schema, schema_of};
use crate::support::tokens::{AUDIENCE, ISSUER, Key, claims, key_set};
use crate::support::{Backend, Gateway};

const ASK: &str = "/talk.Talk/Ask";

/// A gateway for REST and gRPC in front of it, with these lines in its configuration.
fn gateway(backend: &Backend, config: &str) -> Gateway {
    listening(backend, "address: \"127.0.0.1:0\", protocols: [rest, grpc]", config)
}

fn listening(backend: &Backend, listen: &str, config: &str) -> Gateway {
    let config = format!("listen: {{{listen}}}\nupstream: http://{}\nschema: talk.proto\n{config}", backend.address);
    Gateway::with(&config, &Overrides::default(), Ok(schema()), None)
}

/// Sends back every message, and notes the metadata and how many calls came.
struct Echo {
    backend: Backend,
    calls: Arc<AtomicUsize>,
    headers: Arc<Mutex<http::HeaderMap>>,
}

impl Echo {
    fn new() -> Self {
        let (calls, headers) = (Arc::<AtomicUsize>::default(), Arc::<Mutex<http::HeaderMap>>::default());
        let (counted, noted) = (calls.clone(), headers.clone());
        let backend = backend(move |_, mut requests, replies| {
            counted.fetch_add(1, Ordering::SeqCst);
            *noted.lock().unwrap() = requests.headers.clone();
            async move {
                while let Some(message) = requests.next().await {
                    replies.send(&message).await;
                }
                replies.end_with("0", "", &[("x-ended", "yes"), ("x-hidden", "yes")]).await;
            }
        });
        Self { backend, calls, headers }
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    fn header(&self, name: &str) -> Option<String> {
        self.headers.lock().unwrap().get(name).map(|value| value.to_str().unwrap().to_owned())
    }
}

/// Does this with every call.
fn does<F, R>(act: F) -> Backend
where
    F: Fn(Requests, Replies) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    backend(move |_, requests, replies| act(requests, replies))
}

fn assert_refused(answer: &Answer, code: Code, message: &str, reason: &str, input: &str) {
    assert_eq!(answer.told(), (code as i32, message.to_owned()), "{input}");
    assert_eq!(answer.reason().as_deref(), Some(reason), "{input}");
    assert_eq!((answer.status, answer.headers["content-type"].to_str().unwrap()), (200, "application/grpc"), "{input}");
    assert!(answer.trailers.is_none() && answer.data.is_empty(), "{input}: all stands in the head");
}

#[test]
fn messages_pass_unchanged_in_all_four_kinds_of_rpc() {
    let echo = Echo::new();
    let gateway = gateway(&echo.backend, "");
    // Nothing is decoded: neither of them is a message of its type.
    let (one, two) = (b"\xff\xff".to_vec(), vec![7; 70_000]);
    for (rpc, messages) in [
        ("Ask", vec![&one]),
        ("Ask", vec![&two]),
        ("Watch", vec![&two]),
        ("Collect", vec![&one]),
        ("Chat", vec![]),
        ("Chat", vec![&one, &two, &one]),
    ] {
        let body = messages.iter().flat_map(|message| frame(message)).collect::<Vec<_>>();
        let answer = call(gateway.address, &format!("/talk.Talk/{rpc}"), &[], &body);
        assert_eq!((answer.status, answer.told()), (200, (0, String::new())), "{rpc}: {answer:?}");
        assert_eq!(answer.messages().iter().collect::<Vec<_>>(), messages, "{rpc}");
        assert_eq!(answer.headers["content-type"], "application/grpc", "{rpc}");
        assert!(!answer.headers.contains_key("cache-control"), "{rpc}: metadata is the backend's");
    }
    assert_eq!(echo.calls(), 6);
    // A media type and its parameters.
    for content_type in ["application/grpc+proto", "application/grpc; charset=utf-8"] {
        let answer = send(gateway.address, "POST", ASK, &[("content-type", content_type)], &frame(&one));
        assert_eq!((answer.told().0, answer.messages()), (0, vec![one.clone()]), "{content_type}");
    }
}

#[test]
fn a_tonic_client_can_stream_in_both_directions() {
    let echo = Echo::new();
    let gateway = gateway(&echo.backend, "");
    runtime().block_on(async {
        let mut client = tonic_client(gateway.address).await;
        let (sender, mut receiver) = mpsc::channel::<Vec<u8>>(1);
        let messages = futures_util::stream::poll_fn(move |cx| receiver.poll_recv(cx));
        // It waits for the head before it sends anything.
        let path = PathAndQuery::from_static("/talk.Talk/Chat");
        let mut replies = client.streaming(Request::new(messages), path, Plain).await.unwrap().into_inner();
        for number in 0..3 {
            sender.send(note("n", number)).await.unwrap();
            assert_eq!(replies.message().await.unwrap().unwrap(), note("n", number));
        }
        drop(sender);
        assert_eq!(replies.message().await.unwrap(), None);
        client.ready().await.unwrap();
        let unknown = PathAndQuery::from_static("/talk.Talk/Nothing");
        let refused = client.unary(Request::new(Vec::new()), unknown, Plain).await.unwrap_err();
        assert_eq!(told(&refused), (Code::Unimplemented, "no rpc with this path is served"));
    });
}

#[test]
fn the_metadata_lists_of_rest_calls_also_apply_to_grpc_calls() {
    let echo = Echo::new();
    let config = "metadata: {request: [x-consent-id], reply: [x-started, x-ended]}\n";
    let gateway = gateway(&echo.backend, config);
    for rpc in ["Ask", "Chat"] {
        let headers = [("x-consent-id", "c1"), ("x-other", "o"), ("authorization", "Bearer t"), ("cookie", "a=b")];
        let answer = call(gateway.address, &format!("/talk.Talk/{rpc}"), &headers, &frame(b""));
        let passed = ["x-consent-id", "x-other", "authorization", "cookie"].map(|name| echo.header(name));
        assert_eq!(passed, [Some("c1".to_owned()), None, Some("Bearer t".to_owned()), None], "{rpc}");
        let trailers = answer.trailers.unwrap();
        let is_in = |name: &str| (answer.headers.contains_key(name), trailers.contains_key(name));
        assert_eq!(
            ["x-started", "x-ended", "x-hidden"].map(is_in),
            [(true, false), (false, true), (false, false)],
            "{rpc}"
        );
    }
}

#[test]
fn invalid_grpc_requests_and_unserved_rpcs_are_refused_without_a_backend_call() {
    let echo = Echo::new();
    let gateway = gateway(&echo.backend, "requests: {header_limit: 4KiB}\n");
    let long = "a".repeat(5000);
    let message = frame(b"");
    let grpc = ("content-type", "application/grpc");
    for (method, path, headers, code, text, reason) in [
        (
            "POST",
            "/talk.Talk/Nothing",
            &[grpc][..],
            Code::Unimplemented,
            "no rpc with this path is served",
            "RPC_NOT_FOUND",
        ),
        ("POST", "/talk.Talk/ask", &[grpc], Code::Unimplemented, "no rpc with this path is served", "RPC_NOT_FOUND"),
        ("POST", "/ask", &[grpc], Code::Unimplemented, "no rpc with this path is served", "RPC_NOT_FOUND"),
        ("POST", "/talk.Talk/Ask/", &[grpc], Code::Unimplemented, "no rpc with this path is served", "RPC_NOT_FOUND"),
        (
            "POST",
            "/talk.Talk/Ask?a=b",
            &[grpc],
            Code::Unimplemented,
            "no rpc with this path is served",
            "RPC_NOT_FOUND",
        ),
        ("POST", "/talk.Talk/%41sk", &[grpc], Code::Unimplemented, "no rpc with this path is served", "RPC_NOT_FOUND"),
        ("PUT", ASK, &[grpc], Code::Unimplemented, "gRPC calls need the method POST", "METHOD_NOT_ALLOWED"),
        (
            "POST",
            ASK,
            &[("content-type", "application/grpc+json")],
            Code::InvalidArgument,
            "this Content-Type of gRPC is not supported; send application/grpc or application/grpc+proto",
            "UNSUPPORTED_MEDIA_TYPE",
        ),
        (
            "POST",
            ASK,
            &[grpc, ("grpc-timeout", "soon")],
            Code::InvalidArgument,
            "header grpc-timeout: expected 1 to 8 digits and a unit (H, M, S, m, u or n), greater than zero, got \"soon\"",
            "INVALID_HEADER",
        ),
        (
            "POST",
            ASK,
            &[grpc, ("x-long", &long)],
            Code::ResourceExhausted,
            "the request head is too large: at most 100 headers, of at most 4096 bytes in all, are accepted",
            "HEADERS_TOO_LARGE",
        ),
    ] {
        let answer = send(gateway.address, method, path, headers, &message);
        assert_refused(&answer, code, text, reason, &format!("{method} {path} {headers:?}"));
    }
    assert_eq!(echo.calls(), 0);
}

#[test]
fn a_body_with_malformed_message_frames_is_refused() {
    let echo = Echo::new();
    let gateway = gateway(&echo.backend, "requests: {body_limit: 64}\n");
    let cut = |bytes| format!("the message is cut short after {bytes} bytes, its prefix included");
    let too_large = "the message is larger than the limit of 64 bytes".to_owned();
    let packed = "the message is compressed, and the header grpc-encoding does not say how".to_owned();
    let count = |found| format!("this call takes one request message, got {found}");
    let flag = "the flag before the message is 2; expected 0 or 1".to_owned();
    for (body, code, message, reason) in [
        (vec![], Code::Unimplemented, count("none"), "WRONG_MESSAGE_COUNT"),
        ([frame(b"a"), frame(b"b")].concat(), Code::Unimplemented, count("several"), "WRONG_MESSAGE_COUNT"),
        ([frame(b"a"), b"x".to_vec()].concat(), Code::Unimplemented, count("several"), "WRONG_MESSAGE_COUNT"),
        (b"\0\0\0".to_vec(), Code::Internal, cut(3), "MALFORMED_MESSAGE_FRAME"),
        (frame(b"abc")[..7].to_vec(), Code::Internal, cut(7), "MALFORMED_MESSAGE_FRAME"),
        (flagged(2, b"abc"), Code::Internal, flag, "MALFORMED_MESSAGE_FRAME"),
        (flagged(1, b"abc"), Code::Internal, packed, "MALFORMED_MESSAGE_FRAME"),
        (b"\0\x7f\xff\xff\xff".to_vec(), Code::ResourceExhausted, too_large.clone(), "BODY_TOO_LARGE"),
        (frame(&[0; 65])[..69].to_vec(), Code::ResourceExhausted, too_large, "BODY_TOO_LARGE"),
        (
            frame(&[0; 65]),
            Code::ResourceExhausted,
            "the body is larger than the limit of 64 bytes".to_owned(),
            "BODY_TOO_LARGE",
        ),
    ] {
        for rpc in ["Ask", "Watch"] {
            let answer = call(gateway.address, &format!("/talk.Talk/{rpc}"), &[], &body);
            assert_refused(&answer, code, &message, reason, &format!("{rpc} {body:?}"));
        }
    }
    assert_eq!(echo.calls(), 0);
    // At the limit.
    assert_eq!(call(gateway.address, ASK, &[], &frame(&[0; 64])).told().0, 0);
    // Behind messages that were sent, whatever is wrong is told with the place, and that the outcome is unknown.
    let behind = [frame(b"a"), flagged(3, b"b")].concat();
    let (code, message) = call(gateway.address, "/talk.Talk/Chat", &[], &behind).told();
    let expected = "message 2: the flag before the message is 3; expected 0 or 1; the call was cancelled after 1 message, \
                    and its outcome is unknown";
    assert_eq!((code, message.as_str()), (Code::Internal as i32, expected));
    let (code, message) = call(gateway.address, "/talk.Talk/Collect", &[], &frame(b"abc")[..6]).told();
    assert_eq!((code, message), (Code::Internal as i32, format!("message 1: {}", cut(6))));
}

#[test]
fn compressed_messages_are_read_only_where_gzip_is_allowed() {
    use flate2::Compression;
    use flate2::write::GzEncoder;
    let gzip = |message: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(message).unwrap();
        encoder.finish().unwrap()
    };
    let echo = Echo::new();
    let (plain, takes) =
        (gateway(&echo.backend, ""), gateway(&echo.backend, "requests: {gzip: true, body_limit: 100000}\n"));
    let body = [flagged(1, &gzip(b"packed")), frame(b"not packed")].concat();
    for (gateway, encoding, refused) in [
        (&plain, "gzip", Some("identity")),
        (&takes, "deflate", Some("identity,gzip")),
        (&takes, "snappy", Some("identity,gzip")),
        (&takes, "gzip", None),
    ] {
        let answer = call(gateway.address, "/talk.Talk/Chat", &[("grpc-encoding", encoding)], &body);
        let accepted = answer.headers["grpc-accept-encoding"].to_str().unwrap();
        match refused {
            Some(expected) => {
                let message = format!("header grpc-encoding: this compression is not supported; supported: {expected}");
                assert_refused(&answer, Code::Unimplemented, &message, "MESSAGE_ENCODING_NOT_SUPPORTED", encoding);
                assert_eq!(accepted, expected);
            }
            None => {
                assert_eq!(answer.messages(), [b"packed".to_vec(), b"not packed".to_vec()]);
                assert_eq!((answer.told().0, accepted), (0, "identity,gzip"));
            }
        }
    }
    // What a message becomes is limited, whatever it was.
    for rpc in ["Ask", "Watch"] {
        let path = format!("/talk.Talk/{rpc}");
        let long: Vec<u8> = (0_u32..90_000).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let packed = flagged(1, &gzip(&long));
        let answer = call(takes.address, &path, &[("grpc-encoding", "gzip")], &packed);
        assert_eq!(answer.told(), (0, String::new()), "{rpc}");
        assert!(answer.messages() == [long], "{rpc}");
        let bomb = flagged(1, &gzip(&[0; 100_001]));
        let answer = call(takes.address, &path, &[("grpc-encoding", "gzip")], &bomb);
        assert_eq!((answer.told().0, answer.reason().as_deref()), (8, Some("BODY_TOO_LARGE")), "{rpc}");
        let broken = flagged(1, b"abc");
        let answer = call(takes.address, &path, &[("grpc-encoding", "gzip")], &broken);
        assert_eq!((answer.told().0, answer.reason().as_deref()), (3, Some("MALFORMED_GZIP")), "{rpc}");
    }
}

#[test]
fn a_backend_status_passes_with_its_details_except_debug_info_and_unknown_types() {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
    use prost::Message as _;
    use towbar::schema::generated::google::rpc;
    let any = |name: &str, value: Vec<u8>| prost_types_any(format!("type.googleapis.com/{name}"), value);
    let info = rpc::ErrorInfo { reason: "NO_FUNDS".to_owned(), domain: "bank".to_owned(), ..rpc::ErrorInfo::default() };
    let debug = rpc::DebugInfo { detail: "CANARY".to_owned(), ..rpc::DebugInfo::default() };
    let status = rpc::Status {
        code: 9,
        message: "no funds".to_owned(),
        details: vec![
            any("google.rpc.ErrorInfo", info.encode_to_vec()),
            any("google.rpc.DebugInfo", debug.encode_to_vec()),
            any("bank.Unknown", b"\x0a\x01a".to_vec()),
        ],
    };
    let details: &'static str = BASE64.encode(status.encode_to_vec()).leak();
    let failing = does(move |mut requests: Requests, replies: Replies| async move {
        requests.all().await;
        replies.end_with("9", "no%20funds", &[("grpc-status-details-bin", details), ("x-ended", "yes")]).await;
    });
    let gateway = gateway(&failing, "metadata: {reply: [x-ended]}\n");
    for rpc in ["Ask", "Chat"] {
        let answer = call(gateway.address, &format!("/talk.Talk/{rpc}"), &[], &frame(b""));
        assert_eq!(answer.told(), (9, "no funds".to_owned()), "{rpc}");
        let told = answer.details().unwrap();
        assert_eq!((told.details, told.message), (status.details[..1].to_vec(), status.message.clone()), "{rpc}");
        assert_eq!(answer.last_header("x-ended"), Some("yes"), "{rpc}");
    }
}

fn prost_types_any(type_url: String, value: Vec<u8>) -> pbjson_types::Any {
    pbjson_types::Any { type_url, value: value.into() }
}

#[test]
fn a_callers_deadline_ends_the_call_and_is_sent_to_the_backend() {
    let told = Arc::<Mutex<Option<String>>>::default();
    let noted = told.clone();
    let silent = does(move |requests: Requests, replies: Replies| {
        *noted.lock().unwrap() = requests.headers.get("grpc-timeout").map(|value| value.to_str().unwrap().to_owned());
        async move { replies.given_up().await }
    });
    let gateway = gateway(&silent, "");
    for (rpc, message) in [
        (
            "Ask",
            "the backend did not answer within the caller's timeout of 200ms (grpc-timeout); the outcome of the call is unknown",
        ),
        (
            "Watch",
            "the backend did not answer within the caller's timeout of 200ms (grpc-timeout); the outcome of the call is unknown",
        ),
    ] {
        let begun = Instant::now();
        let answer = call(gateway.address, &format!("/talk.Talk/{rpc}"), &[("grpc-timeout", "200m")], &frame(b""));
        assert!(begun.elapsed() < Duration::from_secs(5), "{rpc}");
        assert_eq!(answer.told(), (Code::DeadlineExceeded as i32, message.to_owned()), "{rpc}");
        assert_eq!(answer.reason().as_deref(), Some("DEADLINE_EXCEEDED"), "{rpc}");
        let millis: u64 = told.lock().unwrap().take().unwrap().trim_end_matches('m').parse().unwrap();
        assert!((1..=200).contains(&millis), "{rpc}: {millis}");
    }
}

#[test]
fn a_reset_by_the_caller_cancels_the_call_at_the_backend() {
    let (begun, gone) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let (begins, goes) = (begun.clone(), gone.clone());
    let patient = does(move |_: Requests, replies: Replies| {
        begins.fetch_add(1, Ordering::SeqCst);
        let goes = goes.clone();
        async move {
            replies.given_up().await;
            goes.fetch_add(1, Ordering::SeqCst);
        }
    });
    let gateway = gateway(&patient, "");
    for (calls, rpc) in (1..).zip(["Ask", "Watch", "Collect", "Chat"]) {
        runtime().block_on(async {
            let stream = TcpStream::connect(gateway.address).await.unwrap();
            let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
            let connection = tokio::spawn(connection);
            let uri = format!("http://gateway.test/talk.Talk/{rpc}");
            let request = request("POST", &uri, &[("content-type", "application/grpc")]);
            let (answer, mut stream) = client.send_request(request, false).unwrap();
            stream.send_data(Bytes::from(frame(b"")), matches!(rpc, "Ask" | "Watch")).unwrap();
            while begun.load(Ordering::SeqCst) < calls {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            stream.send_reset(h2::Reason::CANCEL);
            drop(answer);
            let seen = gone.clone();
            tokio::task::spawn_blocking(move || {
                wait_until(rpc, || seen.load(Ordering::SeqCst) == calls);
            })
            .await
            .unwrap();
            connection.abort();
        });
    }
}

#[test]
fn a_call_whose_outcome_is_unknown_is_not_sent_again() {
    let calls = Arc::<AtomicUsize>::default();
    let counted = calls.clone();
    let breaks = does(move |mut requests: Requests, replies: Replies| {
        counted.fetch_add(1, Ordering::SeqCst);
        async move {
            requests.all().await;
            replies.cut().await;
        }
    });
    let gateway = gateway(&breaks, "");
    let answer = call(gateway.address, ASK, &[], &frame(b""));
    assert_eq!(answer.told().0, Code::Unknown as i32, "{answer:?}");
    assert_eq!(answer.reason().as_deref(), Some("CONNECTION_LOST"));
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    drop(breaks);
    let answer = call(gateway.address, ASK, &[], &frame(b""));
    let message = "the backend cannot be reached; the call was not sent";
    assert_refused(&answer, Code::Unavailable, message, "BACKEND_UNREACHABLE", "no backend");
}

#[test]
fn a_grpc_reply_larger_than_its_limit_is_refused() {
    let large = does(|mut requests: Requests, replies: Replies| async move {
        requests.all().await;
        replies.send(&[0; 101]).await;
        replies.end("0", "").await;
    });
    let gateway = gateway(&large, "rpcs: {talk.Talk.Ask: {reply_limit: 100}, talk.Talk.Watch: {reply_limit: 100}}\n");
    let message = "the backend's reply is larger than the limit of 100 bytes";
    for rpc in ["Ask", "Watch"] {
        let answer = call(gateway.address, &format!("/talk.Talk/{rpc}"), &[], &frame(b""));
        assert_eq!(answer.told(), (Code::ResourceExhausted as i32, message.to_owned()), "{rpc}");
        assert_eq!(answer.reason().as_deref(), Some("RESPONSE_TOO_LARGE"), "{rpc}");
    }
}

#[test]
fn a_grpc_call_without_its_required_token_is_refused_with_a_challenge_in_metadata() {
    let key = Key::p256("p");
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys.json");
    std::fs::write(&keys, key_set(&[&key])).unwrap();
    let echo = Echo::new();
    let config = format!(
        "callers:\n  issuers:\n    bank: {{issuer: {ISSUER}, audience: {AUDIENCE}, keys: {}}}\nrpcs: {{talk.Talk.Watch: {{require: none}}}}\n",
        keys.display()
    );
    let gateway = gateway(&echo.backend, &config);
    for rpc in ["Ask", "Collect", "Chat", "Post"] {
        let path = format!("/talk.Talk/{rpc}");
        let answer = call(gateway.address, &path, &[], &frame(b""));
        let message = "this call needs an access token: send it as `Authorization: Bearer TOKEN`";
        assert_refused(&answer, Code::Unauthenticated, message, "ACCESS_TOKEN_MISSING", rpc);
        assert_eq!(answer.headers["www-authenticate"], "Bearer realm=\"api\"", "{rpc}");
        let answer = call(gateway.address, &path, &[("authorization", "Bearer forged")], &frame(b""));
        assert_eq!(answer.reason().as_deref(), Some("ACCESS_TOKEN_INVALID"), "{rpc}");
        assert_eq!(echo.calls(), 0, "{rpc}");
    }
    let token = format!("Bearer {}", key.token(&claims()));
    assert_eq!(call(gateway.address, ASK, &[("authorization", &token)], &frame(b"")).told().0, 0);
    assert_eq!(call(gateway.address, "/talk.Talk/Watch", &[], &frame(b"")).told().0, 0);
    assert_eq!(echo.calls(), 2);
}

#[test]
fn over_tls_a_client_certificate_is_required_and_its_hash_reaches_the_backend() {
    let (servers, clients) = (Authority::new("the servers").unwrap(), Authority::new("the clients").unwrap());
    let folder = tempfile::tempdir().unwrap();
    let issued = servers.issue("gateway.test").unwrap();
    let write = |name: &str, text: String| private(&folder, name, &text);
    let (cert, key) = (write("c.pem", issued.certificate_pem()), write("k.pem", issued.key_pem()));
    let ca = write("ca.pem", clients.pem());
    let echo = Echo::new();
    let tls = format!("tls: {{cert: {cert}, key: {key}, client_ca: {ca}}}");
    let listen = format!("address: \"127.0.0.1:0\", protocols: [grpc], {tls}");
    let gateway = listening(&echo.backend, &listen, "metadata: {caller: {certificate_sha256: x-client}}\n");
    let connect = |identity| {
        let trust = tls::Servers::Trusted(servers.trust().unwrap());
        let config = tls::client(identity, &trust, &[b"h2"]).unwrap();
        async move {
            let stream = TcpStream::connect(gateway.address).await.unwrap();
            let name = ServerName::try_from("gateway.test").unwrap();
            tokio_rustls::TlsConnector::from(config).connect(name, stream).await
        }
    };
    let identity = clients.issue("a client").unwrap().identity();
    let request = request("POST", "https://gateway.test/talk.Talk/Ask", &[("content-type", "application/grpc")]);
    let answer = runtime().block_on(async {
        let stream = connect(Some(identity)).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        send_on(stream, &request, &frame(b"a")).await
    });
    assert_eq!((answer.told().0, answer.messages()), (0, vec![b"a".to_vec()]));
    assert_eq!(echo.header("x-client").unwrap().len(), 64);
    let refused = runtime().block_on(async {
        let Ok(stream) = connect(None).await else { return true };
        // TLS 1.3 tells it with the first bytes.
        let Ok((mut client, connection)) = h2::client::handshake(stream).await else { return true };
        let ended = tokio::spawn(connection);
        let is_answered = match client.send_request(request.clone(), true) {
            Ok((answer, _)) => answer.await.is_ok(),
            Err(_) => false,
        };
        ended.abort();
        !is_answered
    });
    assert!(refused);
    assert_eq!(echo.calls(), 1);
}

/// A file that only its owner reads.
fn private(folder: &TempDir, name: &str, text: &str) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path.display().to_string()
}

const UNANNOTATED: &str = r#"
syntax = "proto3";
package quiet;
import "google/api/annotations.proto";
message Note { string text = 1; }
service Quiet {
  rpc Open(Note) returns (Note) { option (google.api.http) = { post: "/open" body: "*" }; }
  rpc Hidden(Note) returns (Note);
}
"#;

#[test]
fn an_rpc_without_an_http_rule_is_served_only_if_expose_selects_it() {
    let echo = Echo::new();
    for (expose, open, hidden) in [
        ("", true, false),
        ("expose: quiet.Quiet.Open\n", true, false),
        ("expose: quiet.Quiet.Hidden\n", false, true),
        ("expose: quiet.Quiet\n", true, true),
        ("expose: {only: [quiet.*], except: [quiet.Quiet.Hidden]}\n", true, false),
    ] {
        let config = format!(
            "listen: {{address: \"127.0.0.1:0\", protocols: [rest, grpc]}}\nupstream: http://{}\nschema: t.proto\n{expose}",
            echo.backend.address
        );
        let gateway = Gateway::with(&config, &Overrides::default(), Ok(schema_of(UNANNOTATED)), None);
        for (rpc, is_served) in [("Open", open), ("Hidden", hidden)] {
            let answer = call(gateway.address, &format!("/quiet.Quiet/{rpc}"), &[], &frame(b""));
            let expected = if is_served { Code::Ok } else { Code::Unimplemented };
            assert_eq!(answer.told().0, expected as i32, "{expose}: {rpc}");
        }
        assert_eq!(http1::send_json(gateway.address, "POST", "/quiet.Quiet/Hidden", "{}").status, 404, "{expose}");
    }
}

#[test]
fn one_plain_port_serves_http_1_1_and_http_2_however_the_first_bytes_are_split() {
    let echo = Echo::new();
    let gateway = gateway(&echo.backend, "");
    let answer =
        talk::send(&gateway, "POST", "/ask", &[("Content-Type", "application/json")], Some(b"{\"text\":\"a\"}"));
    assert_eq!((answer.answer.status, answer.answer.body.as_str()), (200, "{\"text\":\"a\"}"));
    // A method that begins like the preface, and what begins with all but its end.
    let in_pieces = |pieces: &[&str]| {
        let mut stream = http1::connect(gateway.address);
        stream.set_nodelay(true).unwrap();
        for piece in pieces {
            stream.write_all(piece.as_bytes()).unwrap();
            std::thread::sleep(Duration::from_millis(20));
        }
        stream
    };
    let mut stream = in_pieces(&["P", "UT /files/a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n", "\r\n"]);
    assert_eq!(http1::read(&mut stream).status, 200);
    let mut told = [0; 9];
    in_pieces(&["PRI * HTTP/2.0\r\n", "\r\nno\r\n\r\n"]).read_exact(&mut told).unwrap();
    assert_eq!(told, [0, 0, 0, 4, 0, 0, 0, 0, 0], "the frame of HTTP/2 that this is no HTTP/2");
    // REST over HTTP/2 with prior knowledge.
    let headers = [("content-type", "application/json")];
    let answer = send(gateway.address, "POST", "/ask", &headers, b"{\"text\":\"a\"}");
    assert_eq!((answer.status, answer.data), (200, b"{\"text\":\"a\"}".to_vec()));
    assert_eq!(answer.headers["cache-control"], "no-store");
    // gRPC needs HTTP/2.
    let grpc = [("Content-Type", "application/grpc")];
    let answer = http1::send(gateway.address, "POST", ASK, &grpc, Some(&frame(b"")));
    assert_eq!(answer.header("grpc-status"), Some("12"));
    assert_eq!(
        answer.header("grpc-message"),
        Some("gRPC needs HTTP/2; call with HTTP/2, or use gRPC-Web or REST if they are enabled")
    );
}

#[test]
fn a_grpc_only_listener_serves_no_rest() {
    let echo = Echo::new();
    let gateway = listening(&echo.backend, "address: \"127.0.0.1:0\", protocols: grpc", "");
    let answer = http1::send_json(gateway.address, "POST", "/ask", "{}");
    let message = "header content-type: this port serves no REST; send the content type of a protocol that it serves";
    assert_eq!((answer.status, answer.refusal().1.as_str()), (415, message));
    assert_eq!(call(gateway.address, ASK, &[], &frame(b"")).told().0, 0);
    assert_eq!(echo.calls(), 1);
}
