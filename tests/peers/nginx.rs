//! A real nginx as HTTP/1.1 reverse proxy: what passes it with the gateway, and what it loses without.
//!
//! With the gateway behind it, every answer is the same as without nginx, byte for byte: nginx adds `Server` and
//! `Connection` and changes nothing else.
//!
//! Without the gateway, `proxy_pass` speaks HTTP/1.1 to the bank, and a native gRPC call through it is lost in one of
//! two ways:
//!
//! - The bank speaks HTTP/2 only, as gRPC servers do. nginx sends it a request of HTTP/1.1 and cannot read what comes
//!   back ("upstream sent no valid HTTP/1.0 header"). The caller has an error of its own library in place of the bank's
//!   answer: neither reply, nor `grpc-status`, nor details, and whether the account exists makes no difference.
//! - The bank takes HTTP/1.1 besides and sends its trailers there. nginx passes the message on and drops the trailers
//!   without a word: HTTP 200, the whole reply, and no `grpc-status`. A careful client takes that for a truncation
//!   (UNKNOWN); a careless one takes any failure after the first byte for a success.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use axum::Router;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use prost::Message as _;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};
use towbar::cli::demo::bank::SampleBank;
use towbar::cli::demo::generated::io::token::proto::bankapi::GetBalanceRequest;
use towbar::cli::demo::generated::io::token::proto::bankapi::account_service_client::AccountServiceClient;
use towbar::cli::demo::generated::io::token::proto::common::account::{
    BankAccount,
    bank_account::{Account, Swift},
};
use towbar::schema::generated::google::rpc;
use towbar::server::{Listener, Plain};
use tower::{Service as _, ServiceExt as _};
use tower_http::set_header::SetResponseHeaderLayer;

use crate::support::http;
use crate::support::http::Answer;
use crate::support::nginx::{EACH_ITS_CONNECTION, KEPT_CONNECTIONS, Nginx};
use crate::support::ports;
use crate::support::process::Gateway;

/// A call over REST: method, target, headers, body.
type Call<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a str);

const JSON: &[(&str, &str)] = &[("Content-Type", "application/json")];
const BALANCE: &str = "/accounts/balance?account.swift.bic=IRONUSCA000&account.swift.account=iban%3A3814827";
const STORED: &str = "/storage/m:88Enz2:5zKtXEAq%2Fa:UP4PwzxDuKbK:5zKcENpV";
const TRANSFER: &str = concat!(
    r#"{"transferId":"t:1","transactionAmount":{"currency":"EUR","value":"10.00"},"#,
    r#""source":{"swift":{"bic":"IRONUSCA000","account":"iban:3814827"}}}"#
);

fn answer(to: SocketAddr, (method, target, headers, body): Call) -> Answer {
    let body = Some(body.as_bytes()).filter(|body| !body.is_empty());
    let mut answer = http::send(to, method, target, headers, body);
    // What nginx puts in or rewrites as any proxy does, and the clock.
    answer.headers.retain(|(name, _)| !["server", "connection", "date"].contains(&name.as_str()));
    answer.headers.sort();
    answer
}

fn demo() -> Gateway {
    Gateway::start(&["demo", "--listen", "127.0.0.1:0"])
}

#[test]
fn answers_through_nginx_equal_those_without_it() {
    let large = format!(r#"{{"value":"{}"}}"#, "QUJD".repeat(20_000));
    let calls: &[(Call, u16)] = &[
        (("GET", BALANCE, &[], ""), 200),
        (("GET", "/accounts/transactions?limit=10&account.iban.iban=DE89370400440532013000", &[], ""), 200),
        (("POST", "/transfers", JSON, TRANSFER), 200),
        (("PUT", STORED, JSON, r#"{"value":"QUJD","category":"ACCOUNT_INFO"}"#), 200),
        (("GET", STORED, &[], ""), 200),
        (("PUT", "/storage/large", JSON, &large), 200),
        (("GET", "/storage/large", &[], ""), 200),
        (("DELETE", STORED, &[], ""), 200),
        // The bank's refusals and ours.
        (("GET", STORED, &[], ""), 404),
        (("GET", "/accounts/balance?account.swift.bic=NONEUSCA000&account.swift.account=1", &[], ""), 404),
        (("GET", "/accounts/balance?account.swift.bic=NONE&account.swift.account=1", &[], ""), 400),
        (("GET", &format!("{BALANCE}&colour=red"), &[], ""), 400),
        (("POST", "/transfers", JSON, r#"{"transferId":1.5}"#), 400),
        (("GET", "/no/such/path", &[], ""), 404),
        (("PATCH", "/transfers", JSON, "{}"), 405),
        (("POST", "/transfers", &[("Content-Type", "text/plain")], "{}"), 415),
    ];
    for proxy in [EACH_ITS_CONNECTION, KEPT_CONNECTIONS] {
        // Two gateways, each with a bank of its own: what one call changes, the next sees on both sides.
        let (direct, behind) = (demo(), demo());
        let Some(nginx) = Nginx::start("", proxy, behind.address) else { return };
        for (call, status) in calls {
            let expected = answer(direct.address, *call);
            assert_eq!(expected.status, *status, "{} {}", call.0, call.1);
            assert!(expected.json().is_object(), "{} {}", call.0, call.1);
            assert_eq!(answer(nginx.address, *call), expected, "{} {}", call.0, call.1);
        }
    }
}

#[test]
fn through_nginx_an_unreachable_backend_is_still_reported_as_json() {
    let free = ports::free();
    let proto = concat!(env!("CARGO_MANIFEST_DIR"), "/proto");
    let backend = format!("http://{free}");
    let gateway = Gateway::start(&["serve", "--proto", proto, "--backend", &backend, "--listen", "127.0.0.1:0"]);
    let Some(nginx) = Nginx::start("", EACH_ITS_CONNECTION, gateway.address) else { return };
    let direct = answer(gateway.address, ("GET", BALANCE, &[], ""));
    assert_eq!((direct.status, direct.refusal().0), (503, i64::from(i32::from(Code::Unavailable))));
    assert_eq!(answer(nginx.address, ("GET", BALANCE, &[], "")), direct);
}

const KNOWN: &str = "IRONUSCA000";
const UNKNOWN: &str = "NONE";

fn balance_of(bic: &str) -> GetBalanceRequest {
    let swift = Swift { bic: bic.to_owned(), account: "iban:3814827".to_owned() };
    #[allow(deprecated, reason = "the document's samples use it")]
    let account = BankAccount { account: Some(Account::Swift(swift)), ..Default::default() };
    GetBalanceRequest { account: Some(account) }
}

/// HTTP/2 with prior knowledge.
fn channel(to: SocketAddr) -> Channel {
    Endpoint::from_shared(format!("http://{to}")).unwrap().connect_lazy()
}

/// What a gRPC client says of the call: its code, its message and the reason in the bank's details, if they came.
async fn balance(to: SocketAddr, bic: &str) -> (Code, String, Option<String>) {
    match AccountServiceClient::new(channel(to)).get_balance(balance_of(bic)).await {
        Ok(reply) => (Code::Ok, reply.into_inner().current.unwrap_or_default().value, None),
        Err(status) => {
            let carried = rpc::Status::decode(status.details()).unwrap();
            let reason = carried.details.first().map(|any| rpc::ErrorInfo::decode(any.value.clone()).unwrap().reason);
            (status.code(), status.message().to_owned(), reason)
        }
    }
}

/// A bank without TLS, in this test's runtime.
async fn bank(plain: Plain, service: Router) -> SocketAddr {
    let listener = Listener::bind("127.0.0.1:0", None, plain).await.unwrap();
    let address = listener.address().unwrap();
    tokio::spawn(listener.serve(service, std::future::pending()));
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_gateway_nginx_cannot_call_an_http2_only_backend() {
    let bank = bank(Plain::Http2, SampleBank::new().routes().into_axum_router()).await;
    assert_eq!(balance(bank, KNOWN).await, (Code::Ok, "123.45".to_owned(), None));
    let refusal = (Code::NotFound, "no such account".to_owned(), Some("ACCOUNT_NOT_FOUND".to_owned()));
    assert_eq!(balance(bank, UNKNOWN).await, refusal);

    let Some(nginx) = Nginx::start("http2", EACH_ITS_CONNECTION, bank) else { return };
    for bic in [KNOWN, UNKNOWN] {
        let (code, message, reason) = balance(nginx.address, bic).await;
        // The code is the client's own guess at what broke, and not the bank's.
        assert!(!matches!(code, Code::Ok | Code::NotFound), "{bic}: {code:?} {message}");
        assert!(!message.contains("no such account"), "{bic}: {code:?} {message}");
        assert_eq!(reason, None, "{bic}: {code:?} {message}");
    }
    let log = nginx.stop();
    assert_eq!(log.matches("upstream sent no valid HTTP").count(), 2, "{log}");
}

/// An answer as it stands in HTTP/2, before any client interprets it.
#[derive(Debug, PartialEq, Eq)]
struct Raw {
    http: u16,
    message: Bytes,
    /// `grpc-status` among the headers and among the trailers.
    in_headers: Option<String>,
    in_trailers: Option<String>,
}

async fn raw_balance(to: SocketAddr, bic: &str) -> Raw {
    let request = tonic::codegen::http::Request::post("/io.token.proto.bankapi.AccountService/GetBalance")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(tonic::body::Body::new(Full::new(frame(&balance_of(bic)))));
    let mut channel = channel(to);
    let (head, body) = channel.ready().await.unwrap().call(request.unwrap()).await.unwrap().into_parts();
    let collected = body.collect().await.unwrap();
    let status = |headers: &tonic::codegen::http::HeaderMap| {
        headers.get("grpc-status").map(|value| value.to_str().unwrap().to_owned())
    };
    Raw {
        http: head.status.as_u16(),
        in_headers: status(&head.headers),
        in_trailers: collected.trailers().and_then(status),
        message: collected.to_bytes(),
    }
}

/// gRPC over HTTP/2, "Length-Prefixed-Message".
fn frame(message: &GetBalanceRequest) -> Bytes {
    let message = message.encode_to_vec();
    let length = u32::try_from(message.len()).unwrap();
    [&[0], &length.to_be_bytes()[..], &message].concat().into()
}

/// The call in HTTP/1.1, as nginx makes it, and all that comes back.
fn over_http1(to: SocketAddr, bic: &str) -> String {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let body = frame(&balance_of(bic));
    let head = format!(
        "POST /io.token.proto.bankapi.AccountService/GetBalance HTTP/1.1\r\nHost: bank\r\nTE: trailers\r\n\
         Connection: TE, close\r\nContent-Type: application/grpc\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body)).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_gateway_nginx_drops_the_grpc_status_and_keeps_the_message() {
    let routes = SampleBank::new().routes().into_axum_router();
    // Who sends trailers in HTTP/1.1 announces them (RFC 9110, section 6.6.2).
    let announced = tonic::codegen::http::HeaderValue::from_static("grpc-status, grpc-message");
    let trailer = tonic::codegen::http::HeaderName::from_static("trailer");
    let http1 = routes.clone().layer(SetResponseHeaderLayer::overriding(trailer, announced));
    let (http2, http1) = (bank(Plain::Http2, routes).await, bank(Plain::Http1, http1).await);
    let sent = tokio::task::spawn_blocking(move || over_http1(http1, KNOWN)).await.unwrap();
    assert!(sent.starts_with("HTTP/1.1 200 OK\r\n") && sent.ends_with("0\r\ngrpc-status: 0\r\n\r\n"), "{sent:?}");
    let direct = raw_balance(http2, KNOWN).await;
    assert_eq!((direct.http, direct.in_headers.clone(), direct.in_trailers.as_deref()), (200, None, Some("0")));
    assert!(direct.message.len() > 5);

    let proxy = format!("{EACH_ITS_CONNECTION} proxy_set_header TE trailers;");
    let Some(nginx) = Nginx::start("http2", &proxy, http1) else { return };
    let through = raw_balance(nginx.address, KNOWN).await;
    assert_eq!(through, Raw { in_trailers: None, ..direct });
    let (code, message, _) = balance(nginx.address, KNOWN).await;
    assert_eq!(code, Code::Unknown, "{message}");
    assert!(message.contains("missing grpc-status"), "{message}");
}
