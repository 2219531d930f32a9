//! Tests a backend with the connections and calls that the gateway would make.

use std::time::Duration;

use prost::Message as _;
use tokio_rustls::TlsConnector;
use tonic::Code;

use super::answer::Answer;
use super::http2::{Http2, NoHttp2, Origin};
use super::reach::{self, Broken, Ends};
use super::report::{Report, Stop, listed};
use super::settings;
use super::way::{self, Server, Way};
use crate::tls::{self, Seen};
use crate::upstream::{Address, ProxyConfig, TlsFiles};

/// A backend to test.
#[derive(Debug, Clone)]
pub struct Backend {
    pub address: Address,
    /// The certificate, key and trust anchors to use.
    pub tls: TlsFiles,
    /// The HTTP proxy to connect through; `None` for a direct connection.
    pub proxy: Option<ProxyConfig>,
    /// The timeout of each step.
    pub patience: Duration,
}

/// The steps in the order in which they run.
const STEPS: &[&str] = &[
    "files",
    "proxy",
    "resolve",
    "connect",
    "tls",
    "alpn",
    "certificate",
    "pins",
    "trust",
    "mtls",
    "http2",
    "grpc",
    "trailers",
];
const OF_TLS: &[&str] = &["tls", "alpn", "certificate", "pins", "trust", "mtls"];
const HEALTH: &str = "/grpc.health.v1.Health/Check";
const REFLECTION: [&str; 2] = [
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];
/// An encoded `ServerReflectionRequest` with an empty `list_services`.
const LIST_SERVICES: &[u8] = &[7 << 3 | 2, 0];
const OWNER: &str = "gRPC needs HTTP/2; ask the backend's owner to enable it, or use the port that serves gRPC";
const NO_TRAILERS: &str = "something in between drops them: pass TCP or TLS through there, or put Towbar beside the bank, \
                           behind it, and call that over REST, which needs none";

/// `grpc.health.v1.HealthCheckResponse`.
#[derive(Clone, PartialEq, prost::Message)]
struct Health {
    #[prost(int32, tag = "1")]
    status: i32,
}

/// Runs every step and reports it.
pub async fn backend(backend: &Backend, report: &mut Report<'_>) {
    if tried(backend, report).await.is_err() {
        report.skip_rest(STEPS);
    }
}

async fn tried(backend: &Backend, report: &mut Report<'_>) -> Result<(), Stop> {
    let Backend { address, tls: files, proxy, patience } = backend;
    let server = Server { host: address.host.clone(), port: address.port, proxy: proxy.clone(), patience: *patience };
    let origin = |scheme| Origin { scheme, authority: address.authority() };
    if !address.tls {
        report.skipped("files", "an `http://` backend needs none");
        let way = way::find(report, &server).await?;
        for name in OF_TLS {
            report.skipped(name, "an `http://` backend has no TLS");
        }
        let tcp = way.open(*patience).await.map_err(|reason| lost(report, &reason))?;
        let http2 = match Http2::begin(tcp, *patience).await {
            Ok(http2) => http2,
            Err(_) if reach::is_tls(&way, &address.host, *patience).await => {
                return Err(report.failed("http2", "the server speaks TLS on this port", "use `https://`"));
            }
            Err(error) => return Err(no_http2(report, &error)),
        };
        return calls(report, http2, &origin("http")).await;
    }
    let ends = reach::files(report, &address.host, files)?;
    let way = way::find(report, &server).await?;
    let approach = Approach { way: &way, ends: &ends, patience: *patience };
    let (seen, speaks) = look(report, &approach).await?;
    reach::certificate(report, &seen, &ends)?;
    speaks?;
    let http2 = connected(report, &approach, &seen).await?;
    calls(report, http2, &origin("https")).await
}

/// How to reach the server, the TLS settings, and the timeout of each step.
struct Approach<'a> {
    way: &'a Way,
    ends: &'a Ends,
    patience: Duration,
}

/// A TLS handshake without our certificate, which also shows whether the server selects HTTP/2.
async fn look(report: &mut Report<'_>, approach: &Approach<'_>) -> Result<(Seen, Result<(), Stop>), Stop> {
    let Approach { way, ends, patience } = *approach;
    let (mut seen, mut ended) = reach::look(way, ends, &[b"h2", b"http/1.1"], patience).await;
    let is_unknown = matches!(
        ended,
        Err(Broken::Tls(rustls::Error::AlertReceived(rustls::AlertDescription::NoApplicationProtocol)))
    );
    if is_unknown {
        (seen, ended) = reach::look(way, ends, &[], patience).await;
    }
    reach::handshake(report, &seen, &ended)?;
    let speaks = match seen.alpn.as_deref() {
        _ if is_unknown => Err(report.failed("alpn", "the server accepts neither h2 nor http/1.1", OWNER)),
        Some(b"h2") => {
            report.passed("alpn", "the server selects h2 (offered: h2, http/1.1)");
            Ok(())
        }
        Some(other) => {
            let other = String::from_utf8_lossy(other);
            Err(report.failed("alpn", format!("the server accepts {other} but not h2"), OWNER))
        }
        None => {
            Err(report.failed("alpn", "the server selects no protocol (no ALPN), so HTTP/2 is not available", OWNER))
        }
    };
    Ok((seen, speaks))
}

/// The connection that the gateway would make: with its certificate, and only to a trusted server.
async fn connected(report: &mut Report<'_>, approach: &Approach<'_>, seen: &Seen) -> Result<Http2, Stop> {
    let Approach { way, ends, patience } = *approach;
    let config = ends
        .identity()
        .and_then(|identity| tls::client(identity, &ends.servers, &[b"h2"]).map_err(|problem| vec![problem]));
    let config = config.map_err(|problems| report.failed("mtls", listed(problems), "fix what `files` reports"))?;
    let tcp = way.open(patience).await.map_err(|reason| lost(report, &reason))?;
    let connecting = TlsConnector::from(config).connect(ends.name.clone(), tcp);
    let begun = match tokio::time::timeout(patience, connecting).await {
        Err(_) => Err(NoHttp2::Late),
        Ok(Err(error)) => {
            let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
            Err(inner.map_or_else(|| NoHttp2::Lost(error.to_string()), |error| NoHttp2::Alert(error.clone())))
        }
        Ok(Ok(tls)) => Http2::begin(tls, patience).await,
    };
    match begun {
        Ok(http2) => {
            reach::accepted(report, ends, seen);
            Ok(http2)
        }
        // A server that asks for a certificate and then closes has most likely rejected it, even without saying so.
        Err(NoHttp2::Alert(rustls::Error::AlertReceived(alert))) => {
            Err(reach::refused(report, ends, seen, &format!("alert {alert:?}")))
        }
        Err(NoHttp2::Lost(reason)) if seen.asked.is_some() => Err(reach::refused(report, ends, seen, &reason)),
        Err(error) => {
            reach::accepted(report, ends, seen);
            Err(no_http2(report, &error))
        }
    }
}

fn lost(report: &mut Report<'_>, reason: &str) -> Stop {
    report.failed("http2", format!("a second connection: {reason}"), "ask the operators of the firewall in between")
}

fn no_http2(report: &mut Report<'_>, error: &NoHttp2) -> Stop {
    report.failed("http2", error, OWNER)
}

/// Makes calls that change nothing: health, then reflection.
async fn calls(report: &mut Report<'_>, mut http2: Http2, origin: &Origin) -> Result<(), Stop> {
    report.passed("http2", settings::described(&http2.settings));
    let health = http2.call(origin, HEALTH, &[]).await;
    let health = health.map_err(|reason| no_grpc(report, &format!("{HEALTH}: {reason}")))?;
    let code = grpc_code(report, &health)?;
    if code != Some(Code::Unimplemented) {
        answered(report, &health, code)?;
        return trailers(report, &[health]);
    }
    let mut all = vec![health];
    for path in REFLECTION {
        let called = http2.call(origin, path, LIST_SERVICES).await;
        let called = called.map_err(|reason| no_grpc(report, &format!("{path}: {reason}")))?;
        let code = grpc_code(report, &called)?;
        let told = code != Some(Code::Unimplemented);
        all.push(called);
        if told {
            let code = code.map_or_else(|| "no status".to_owned(), |code| format!("{code:?}"));
            report.passed("grpc", format!("no {}; reflection answers {code}", rpc(HEALTH)));
            return trailers(report, &all);
        }
    }
    report.passed("grpc", format!("no {} and no reflection: UNIMPLEMENTED, which only gRPC answers", rpc(HEALTH)));
    trailers(report, &all)
}

fn rpc(path: &str) -> &str {
    path.trim_start_matches('/')
}

fn no_grpc(report: &mut Report<'_>, reason: &str) -> Stop {
    report.failed(
        "grpc",
        reason,
        "this is not a gRPC server, or something in between blocks gRPC; ask the backend's owner",
    )
}

/// The status of a gRPC response, or `None` if it has none. A response that is not gRPC fails the step.
fn grpc_code(report: &mut Report<'_>, called: &Answer) -> Result<Option<Code>, Stop> {
    if called.is_grpc() { Ok(called.grpc_status()) } else { Err(no_grpc(report, &called.described())) }
}

/// Reports the result of the health call.
fn answered(report: &mut Report<'_>, health: &Answer, code: Option<Code>) -> Result<(), Stop> {
    let serving = health.message().and_then(|message| Health::decode(message).ok()).map(|health| health.status);
    let path = rpc(HEALTH);
    match (code, serving) {
        (Some(Code::Ok) | None, Some(1)) => report.passed("grpc", format!("{path} answers SERVING")),
        (Some(Code::Ok) | None, Some(_)) => {
            return Err(report.failed(
                "grpc",
                format!("{path} answers that the backend is not serving"),
                "ask its owner",
            ));
        }
        (Some(code), _) => report.passed("grpc", format!("{path} answers {code:?}")),
        (None, None) => return Err(no_grpc(report, &format!("{path} answers neither a message nor a status"))),
    }
    Ok(())
}

/// Only a response with a message has its status in trailers. A response without one has it in its headers.
fn trailers(report: &mut Report<'_>, called: &[Answer]) -> Result<(), Stop> {
    if called.iter().any(|called| called.grpc_status().is_none()) {
        return Err(report.failed("trailers", "the answer has no grpc-status", NO_TRAILERS));
    }
    match called.iter().any(Answer::has_trailers) {
        true => report.passed("trailers", "grpc-status arrived after the body"),
        false => report.skipped("trailers", "no answer had a body; each status was in the headers"),
    }
    Ok(())
}
