//! `towbar doctor --backend`: what it says of banks as they should be, and of everything that is usually wrong with them.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use axum::Router;
use axum::routing::post;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response};
use http_body_util::{BodyExt as _, Full};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject as _};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use towbar::cli::demo::bank::SampleBank;
use towbar::cli::demo::bank::certificates::Authority;
use towbar::cli::demo::generated::DESCRIPTORS;
use towbar::gateway::probe::Probe;
use towbar::tls::{self, Identity};

use crate::support::folder;
use crate::support::folder::Folder;
use crate::support::masked::{masked, sample};
use crate::support::process::{Ended, Process};
use crate::support::{Backend, server_tls};

const OF_TLS: [&str; 6] = ["tls", "alpn", "certificate", "pins", "trust", "mtls"];
const STEPS: [&str; 13] = [
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
const CERTIFICATE: &str = "certificate: CN=bank.test, issued by CN=the bank's, EC P-256, 1975-01-01 to 4096-01-01, names \
                           bank.test, 127.0.0.1, cert-sha256:HASH";
const MUTUAL: &[&str] = &["--cert", "client.pem", "--key", "client.key", "--ca", "ca.pem"];
const SETTINGS: &str = "passed  http2: max_concurrent_streams 100, initial_window_size 262144, max_frame_size 16384, \
                        max_header_list_size 106496";
const NO_TRAILERS: &str = "something in between drops them: pass TCP or TLS through there, or put Towbar beside the bank, \
                           behind it, and call that over REST, which needs none";

/// Our files, as an operator has them, and the authorities of both sides.
struct Desk {
    folder: Folder,
    bank: Authority,
    clients: Authority,
}

impl Desk {
    fn new() -> Self {
        let (bank, clients) = (Authority::new("the bank's").unwrap(), Authority::new("the clients'").unwrap());
        let folder = Folder::new();
        let own = clients.issue("gateway.test").unwrap();
        let foreign = Authority::new("strangers").unwrap();
        folder.write_identity("client.pem", "client.key", &own).write("ca.pem", bank.pem());
        folder.write_identity("foreign.pem", "foreign.key", &foreign.issue("stranger.test").unwrap());
        folder.write("foreign-ca.pem", foreign.pem());
        Self { folder, bank, clients }
    }

    /// A bank that asks for a certificate.
    fn mutual(&self, service: Router) -> Backend {
        Backend::start(service, Some(server_tls(&self.bank, &self.clients)))
    }

    fn run(&self, url: &str, more: &[&str]) -> (Option<i32>, Vec<String>) {
        self.run_for("15", url, more)
    }

    /// The same with another `--timeout`.
    fn run_for(&self, seconds: &str, url: &str, more: &[&str]) -> (Option<i32>, Vec<String>) {
        let Ended { code, stdout, stderr } =
            self.folder.run(&[&["doctor", "--timeout", seconds, "--backend", url][..], more].concat());
        assert_eq!(stderr, "", "{url} {more:?}");
        (code, stdout.lines().map(masked).collect())
    }

    /// The steps that the doctor takes, from the first that is named on; those before have passed.
    fn assert(&self, to: SocketAddr, more: &[&str], code: i32, expected: &[&str]) {
        let (ended, lines) = self.run(&format!("https://{to}"), more);
        let first = expected[0].split(' ').find(|word| word.ends_with(':')).unwrap();
        let start = lines.iter().position(|line| line.contains(&format!(" {first}"))).unwrap();
        assert_eq!(lines[start..], *expected, "{more:?}");
        for line in &lines[..start] {
            assert!(line.starts_with("passed  ") || *line == "skipped proxy: no proxy is set", "{more:?}: {line}");
        }
        let names: Vec<&str> = lines.iter().map(|line| line[8..].split(':').next().unwrap()).collect();
        assert_eq!(names, STEPS, "{more:?}: every step has its line");
        assert_eq!(ended, Some(code), "{more:?}");
    }
}

fn skipped(names: &[&str], because: &str) -> Vec<String> {
    names.iter().map(|name| format!("skipped {name}: {because}")).collect()
}

/// A line for the step that fails, and those that are skipped then.
fn failed(line: &str) -> Vec<String> {
    let name = line.split([' ', ':']).find(|word| STEPS.contains(word)).unwrap();
    let rest = &STEPS[STEPS.iter().position(|step| *step == name).unwrap() + 1..];
    std::iter::once(line.to_owned()).chain(skipped(rest, &format!("`{name}` failed"))).collect()
}

fn strs(lines: &[String]) -> Vec<&str> {
    lines.iter().map(String::as_str).collect()
}

fn bank() -> Router {
    SampleBank::new().routes().into_axum_router()
}

/// A server with `grpc.health.v1` only, which answers with this status, or with no trailers.
fn health(status: u8, trailers: Option<&'static str>) -> Router {
    let answer = move || async move {
        let message = Full::new(Bytes::from(vec![0, 0, 0, 0, 2, 8, status]));
        let mut behind = HeaderMap::new();
        if let Some(trailers) = trailers {
            behind.insert("grpc-status", HeaderValue::from_static(trailers));
        }
        let behind = Some(behind).filter(|behind| !behind.is_empty());
        let body = axum::body::Body::new(message.with_trailers(async move { behind.map(Ok) }));
        Response::builder().header("content-type", "application/grpc").body(body).unwrap()
    };
    Router::new().route("/grpc.health.v1.Health/Check", post(answer))
}

#[test]
fn a_correct_backend_passes_every_step() {
    let desk = Desk::new();
    let bank = desk.mutual(health(1, Some("0")));
    // The document's, line by line.
    let sample = sample(1);
    desk.assert(bank.address, MUTUAL, 0, &strs(&sample));
    assert_eq!(sample[6..8], [format!("passed  {CERTIFICATE}"), "passed  pins: [spki-sha256:HASH]".to_owned()]);
    assert_eq!(sample[10], SETTINGS);
}

#[test]
fn a_backend_without_health_service_and_reflection_passes() {
    let desk = Desk::new();
    let bank = desk.mutual(bank());
    desk.assert(
        bank.address,
        MUTUAL,
        0,
        &[
            "passed  grpc: no grpc.health.v1.Health/Check and no reflection: UNIMPLEMENTED, which only gRPC answers",
            "skipped trailers: no answer had a body; each status was in the headers",
        ],
    );
}

#[test]
fn without_a_health_service_the_doctor_calls_reflection() {
    let desk = Desk::new();
    let build = || tonic_reflection::server::Builder::configure().register_encoded_file_descriptor_set(DESCRIPTORS);
    let (v1, v1alpha) = (build().build_v1().unwrap(), build().build_v1alpha().unwrap());
    for service in [SampleBank::new().routes().add_service(v1), SampleBank::new().routes().add_service(v1alpha)] {
        let bank = desk.mutual(service.into_axum_router());
        let expected = [
            "passed  grpc: no grpc.health.v1.Health/Check; reflection answers Ok",
            "passed  trailers: grpc-status arrived after the body",
        ];
        desk.assert(bank.address, MUTUAL, 0, &expected);
    }
}

#[test]
fn tls_1_2_backends_are_diagnosed_like_tls_1_3_backends() {
    let desk = Desk::new();
    let bank = Backend::start(bank(), Some(tls_1_2(&desk)));
    let tls = "passed  tls: TLSv1.2, TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384";
    let (code, lines) = desk.run(&format!("https://{}", bank.address), MUTUAL);
    assert_eq!((code, lines[4].as_str()), (Some(0), tls));
    assert_eq!(lines[9], "passed  mtls: CN=gateway.test was sent and accepted");
    // Here the handshake itself is refused, in TLS 1.3 what follows it.
    let expected = failed(
        "FAILED  mtls: the server requires a client certificate (alert CertificateRequired); it trusts CN=the \
         clients'; set `cert` and `key`",
    );
    desk.assert(bank.address, &["--ca", "ca.pem"], 1, &strs(&expected));
}

fn tls_1_2(desk: &Desk) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(desk.clients.pem().as_bytes()).unwrap()).unwrap();
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().unwrap();
    let own = desk.bank.issue("bank.test").unwrap();
    let certificate = CertificateDer::from_pem_slice(own.certificate_pem().as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(own.key_pem().as_bytes()).unwrap();
    let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&rustls::version::TLS12]);
    let builder = builder.unwrap().with_client_cert_verifier(clients);
    let mut config = builder.with_single_cert(vec![certificate], key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}

#[test]
fn certificate_problems_are_reported_with_what_to_change() {
    let desk = Desk::new();
    let bank = desk.mutual(bank());
    let foreign = ["--cert", "foreign.pem", "--key", "foreign.key", "--ca", "ca.pem"];
    for (more, line) in [
        (
            &["--ca", "foreign-ca.pem"][..],
            "FAILED  trust: issued by CN=the bank's, which foreign-ca.pem does not trust; give the certificate of that \
             authority (`ca`), or, if the server sends no intermediate ones, have its owner send them",
        ),
        (
            &["--ca", "ca.pem", "--server-name", "other.test"],
            "FAILED  trust: it is not valid for the name other.test; set the server name (`server_name`) to one that it is \
             valid for: \
             bank.test, 127.0.0.1",
        ),
        (
            &["--ca", "ca.pem"],
            "FAILED  mtls: the server requires a client certificate (alert CertificateRequired); it trusts CN=the \
             clients'; set `cert` and `key`",
        ),
        (
            &foreign,
            "FAILED  mtls: the server rejects CN=stranger.test, issued by CN=strangers (alert UnknownCA); it trusts CN=the \
             clients'; foreign.pem does not contain the certificate of CN=strangers; if that is an intermediate authority, append its certificate to the file; otherwise ask the server's owner to trust this certificate (spki-sha256:HASH), or use one that the server trusts",
        ),
        (
            &["--cert", "client.pem", "--key", "foreign.key"],
            "FAILED  files: client.pem: the private key in foreign.key does not match this certificate; run `towbar certs \
             check FILE...` for details",
        ),
        (
            &["--ca", "none.pem"],
            "FAILED  files: none.pem: No such file or directory (os error 2); run `towbar certs check FILE...` for details",
        ),
    ] {
        desk.assert(bank.address, more, 1, &strs(&failed(line)));
    }
    // The same bank for whoever it does not ask.
    let open = Backend::start(health(1, Some("0")), Some(tls::server(identity(&desk), None, &[b"h2"]).unwrap()));
    let (code, lines) = desk.run(&format!("https://{}", open.address), MUTUAL);
    assert_eq!(code, Some(0));
    assert_eq!(
        lines[9],
        "noted   mtls: the server does not ask for a client certificate; CN=gateway.test was not sent"
    );
}

fn identity(desk: &Desk) -> Identity {
    desk.bank.issue("bank.test").unwrap().identity()
}

/// A certificate as banks make it: self-signed, an authority's, with a common name and no other.
fn own(first: i32, last: i32) -> Arc<ServerConfig> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, "bank.example.com");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    (params.not_before, params.not_after) = (date_time_ymd(first, 1, 1), date_time_ymd(last, 1, 1));
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap().der().clone();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    tls::server(Identity::new("own", vec![certificate], key), None, &[b"h2"]).unwrap()
}

#[test]
fn the_printed_pin_works_in_a_configuration() {
    let desk = Desk::new();
    let bank = Backend::start(health(1, Some("0")), Some(own(2020, 2120)));
    let url = format!("https://{}", bank.address);
    let (code, lines) = desk.run(&url, &[]);
    let trust = &lines[8];
    assert_eq!(code, Some(1));
    assert!(
        trust.starts_with(
            "FAILED  trust: CaUsedAsEndEntity; the certificate is self-signed, is marked as an authority's"
        ) && trust.ends_with("; if its owner confirms this certificate, use the pin that `pins` shows"),
        "{trust}"
    );
    let Ended { stdout, .. } = desk.folder.run(&["doctor", "--backend", &url]);
    let line = stdout.lines().find_map(|line| line.strip_prefix("passed  pins: ")).unwrap();
    let config =
        format!("listen: 127.0.0.1:0\nschema: shop.proto\nupstream:\n  address: {url}\n  tls:\n    pins: {line}\n");
    let shop = folder::get_with("get: \"/v1/orders/{id}\"");
    desk.folder.write("towbar.yaml", config).write("shop.proto", shop);
    let Ended { code, stdout, stderr } = desk.folder.run(&["doctor", "--config", "towbar.yaml"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    assert!(stdout.contains("\npassed  trust: by a pin\n"), "{stdout}");
}

#[test]
fn an_expired_backend_certificate_fails_even_if_pinned() {
    let desk = Desk::new();
    let bank = Backend::start(health(1, Some("0")), Some(own(2001, 2002)));
    let expected = failed(
        "FAILED  trust: it expired on 2002-01-01; its owner must renew it; nothing on this side helps, not even a pin",
    );
    desk.assert(bank.address, &[], 1, &strs(&expected));
    let Ended { stdout, .. } = desk.folder.run(&["doctor", "--backend", &format!("https://{}", bank.address)]);
    let pin = stdout.lines().find_map(|line| line.strip_prefix("passed  pins: [")).unwrap().trim_end_matches(']');
    desk.assert(bank.address, &["--pin", pin], 1, &strs(&expected));
}

#[test]
fn an_error_names_the_protocol_of_a_backend_that_does_not_speak_http2() {
    const OWNER: &str = "gRPC needs HTTP/2; ask the backend's owner to enable it, or use the port that serves gRPC";
    let desk = Desk::new();
    for (alpn, found) in [
        (&[&b"http/1.1"[..]][..], "the server accepts http/1.1 but not h2"),
        (&[], "the server selects no protocol (no ALPN), so HTTP/2 is not available"),
        (&[&b"acme-tls/1"[..]], "the server accepts neither h2 nor http/1.1"),
    ] {
        let bank = Backend::start(bank(), Some(tls::server(identity(&desk), None, alpn).unwrap()));
        let (code, lines) = desk.run(&format!("https://{}", bank.address), &["--ca", "ca.pem"]);
        assert_eq!((code, &lines[5]), (Some(1), &format!("FAILED  alpn: {found}; {OWNER}")));
        assert_eq!(lines[8], "passed  trust: by ca.pem");
        assert_eq!(lines[9..], skipped(&STEPS[9..], "`alpn` failed"));
    }
}

#[test]
fn silent_plaintext_closed_and_unresolvable_targets_are_distinguished() {
    let desk = Desk::new();
    let (silent, plain) = (TcpListener::bind("127.0.0.1:0").unwrap(), Backend::start(bank(), None));
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let silent = silent.local_addr().map(|address| (silent, address)).unwrap();
    for (url, line) in [
        (
            format!("https://{}", silent.1),
            "FAILED  tls: the server did not answer the ClientHello; this port may not speak TLS; ask the server's owner",
        ),
        (
            format!("https://{}", plain.address),
            "FAILED  tls: the server does not speak TLS on this port; use `http://`, or the port that speaks TLS",
        ),
        (
            format!("http://{}", silent.1),
            "FAILED  http2: no answer; gRPC needs HTTP/2; ask the backend's owner to enable it, or use the port that serves \
             gRPC",
        ),
        (
            format!("https://{closed}"),
            "FAILED  connect: ADDRESS: Connection refused (os error 111); start the server, correct the port, or ask \
             the operators of the firewall in between",
        ),
    ] {
        let files: &[&str] = if url.starts_with("https") { &["--ca", "ca.pem"] } else { &[] };
        // Nobody waits longer than it takes to see that nothing comes.
        let patience = if url.ends_with(&silent.1.to_string()) { "1" } else { "15" };
        let (code, lines) = desk.run_for(patience, &url, files);
        let start = lines.iter().position(|line| line.starts_with("FAILED")).unwrap();
        assert_eq!((code, &lines[start..]), (Some(1), &failed(line)[..]), "{url}");
    }
    // Names below `invalid` are never resolved (RFC 6761, section 6.4); the reason is the operating system's.
    let (code, lines) = desk.run("https://bank.invalid", &["--ca", "ca.pem"]);
    assert_eq!(code, Some(1));
    assert!(lines[2].starts_with("FAILED  resolve: bank.invalid: "), "{}", lines[2]);
    assert!(lines[2].ends_with("; correct the name, or ask the operators of this machine's DNS"), "{}", lines[2]);
}

#[test]
fn without_tls_the_tls_steps_are_skipped() {
    let desk = Desk::new();
    let bank = Backend::start(health(1, Some("0")), None);
    let (code, lines) = desk.run(&format!("http://{}", bank.address), &[]);
    let mut expected = skipped(&["files"], "an `http://` backend needs none");
    expected.push("skipped proxy: no proxy is set".to_owned());
    expected.push("passed  resolve: 127.0.0.1 is 127.0.0.1".to_owned());
    expected.push("passed  connect: ADDRESS in N ms".to_owned());
    expected.extend(skipped(&OF_TLS, "an `http://` backend has no TLS"));
    expected.push(SETTINGS.to_owned());
    expected.push("passed  grpc: grpc.health.v1.Health/Check answers SERVING".to_owned());
    expected.push("passed  trailers: grpc-status arrived after the body".to_owned());
    assert_eq!((code, lines), (Some(0), expected));
    // A server of TLS on such a port.
    let secure = desk.mutual(self::bank());
    let (code, lines) = desk.run(&format!("http://{}", secure.address), &[]);
    let line = "FAILED  http2: the server speaks TLS on this port; use `https://`";
    assert_eq!((code, &lines[10..]), (Some(1), &failed(line)[..]));
    // A server of HTTP/1.1 on such a port.
    let old = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = old.local_addr().unwrap();
    let answering = std::thread::spawn(move || {
        for _ in 0..2 {
            let (mut stream, _) = old.accept().unwrap();
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
            let _ = stream.shutdown(Shutdown::Write);
            let _ = stream.read_to_end(&mut Vec::new());
        }
    });
    let (code, lines) = desk.run(&format!("http://{address}"), &[]);
    let line = "FAILED  http2: the server answers `HTTP/1.1 400 Bad Request`; gRPC needs HTTP/2; ask the backend's owner to \
                enable it, or use the port that serves gRPC";
    assert_eq!((code, &lines[10..]), (Some(1), &failed(line)[..]));
    answering.join().unwrap();
}

#[test]
fn lost_trailers_are_distinguished_from_other_answers() {
    let desk = Desk::new();
    let stripped = format!("FAILED  trailers: the answer has no grpc-status; {NO_TRAILERS}");
    let serving = "passed  grpc: grpc.health.v1.Health/Check answers SERVING";
    for (service, code, expected) in [
        (health(1, None), 1, vec![serving.to_owned(), stripped]),
        (
            health(2, Some("0")),
            1,
            failed("FAILED  grpc: grpc.health.v1.Health/Check answers that the backend is not serving; ask its owner"),
        ),
        (
            health(1, Some("16")),
            0,
            vec![
                "passed  grpc: grpc.health.v1.Health/Check answers Unauthenticated".to_owned(),
                "passed  trailers: grpc-status arrived after the body".to_owned(),
            ],
        ),
        (
            Router::new(),
            1,
            failed(
                "FAILED  grpc: HTTP 404, no content type; this is not a gRPC server, or something in between blocks gRPC; ask the backend's owner",
            ),
        ),
    ] {
        let bank = desk.mutual(service);
        desk.assert(bank.address, MUTUAL, code, &strs(&expected));
    }
}

/// A proxy for one program: it opens tunnels, or refuses them with this answer.
fn proxy(refusal: Option<&'static str>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut near = stream.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                near.read_exact(&mut byte).unwrap();
                head.push(byte[0]);
            }
            if let Some(refusal) = refusal {
                near.write_all(refusal.as_bytes()).unwrap();
                continue;
            }
            let target = String::from_utf8(head).unwrap().split(' ').nth(1).unwrap().to_owned();
            let far = TcpStream::connect(target).unwrap();
            near.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").unwrap();
            let ends = [(near.try_clone().unwrap(), far.try_clone().unwrap()), (far, near)];
            for (mut from, mut to) in ends {
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Write);
                });
            }
        }
    });
    address
}

#[test]
fn the_doctor_connects_through_the_configured_proxy() {
    let desk = Desk::new();
    let bank = desk.mutual(health(1, Some("0")));
    let through = format!("http://{}", proxy(None));
    let (code, lines) = desk.run(&format!("https://{}", bank.address), &[MUTUAL, &["--proxy", &through]].concat());
    assert_eq!(code, Some(0), "{lines:#?}");
    let expected = [
        "passed  files: client.pem, client.key, ca.pem",
        "passed  proxy: ADDRESS opens a tunnel in N ms",
        "skipped resolve: the proxy resolves the name",
        "skipped connect: the proxy connects",
        "passed  tls: TLSv1.3, TLS13_AES_256_GCM_SHA384",
    ];
    assert_eq!(lines[..5], expected);
    assert_eq!(lines[12], "passed  trailers: grpc-status arrived after the body");
    // One that refuses, named by the environment; what is on this machine needs none.
    let refusing = format!("http://ann:secret@{}", proxy(Some("HTTP/1.1 403 Forbidden\r\n\r\n")));
    let run = |url: &str, more: &[&str]| {
        let arguments = [&["doctor", "--ca", "ca.pem", "--backend", url][..], more].concat();
        let mut command = desk.folder.command(&arguments);
        Process::start(command.env("https_proxy", &refusing)).wait()
    };
    let Ended { code, stdout, stderr } = run("https://bank.test:1234", &[]);
    let told: Vec<String> = stdout.lines().skip(1).map(masked).collect();
    let line = "FAILED  proxy: ADDRESS (https_proxy): 403: the rules of the proxy do not allow bank.test:1234: have it allow \
                CONNECT to this host and port; it says: Forbidden; or bypass the proxy for this host (`proxy: none`, or `no_proxy`)";
    assert_eq!((code, told), (Some(1), failed(line)));
    assert!(!(stdout + &stderr).contains("secret"));
    for more in [&["--proxy", "none"][..], &[]] {
        let Ended { stdout, .. } = run(&format!("https://{}", bank.address), more);
        assert!(stdout.contains("\nskipped proxy: no proxy is set\n"), "{stdout}");
    }
}

#[test]
fn several_upstreams_of_a_configuration_are_tried_one_by_one() {
    let desk = Desk::new();
    let (well, ill) = (desk.mutual(health(1, Some("0"))), desk.mutual(health(1, None)));
    let upstream = |name: &str, to: SocketAddr, rpcs: &str| {
        format!(
            "  {name}:\n    address: https://{to}\n    rpcs: {rpcs}\n    tls: {{cert: client.pem, key: client.key, ca: \
             ca.pem}}\n"
        )
    };
    let config = format!(
        "schema: shop.proto\nupstreams:\n{}{}",
        upstream("orders", well.address, "shop.v1.*"),
        upstream("others", ill.address, "other.v1.*")
    );
    desk.folder.write("towbar.yaml", config).write("shop.proto", folder::get_with("get: \"/v1/orders/{id}\""));
    let Ended { code, stdout, stderr } = desk.folder.run(&["doctor", "--config", "towbar.yaml"]);
    assert_eq!((code, stderr.as_str()), (Some(1), ""));
    let heads = [format!("orders: https://{}", well.address), format!("others: https://{}", ill.address)];
    let found: Vec<&str> = stdout.lines().filter(|line| line.contains(": https://")).collect();
    assert_eq!(found, heads);
    assert_eq!(stdout.lines().filter(|line| line.starts_with("FAILED")).count(), 1, "{stdout}");
}

#[test]
fn several_addresses_of_an_upstream_are_tried_one_by_one() {
    let desk = Desk::new();
    let (well, ill) = (desk.mutual(health(1, Some("0"))), desk.mutual(health(1, None)));
    let (well, ill) = (format!("https://{}", well.address), format!("https://{}", ill.address));
    let tls = "tls: {cert: client.pem, key: client.key, ca: ca.pem}";
    let config = format!("schema: shop.proto\nupstream:\n  address: ['{well}', '{ill}']\n  {tls}\n");
    desk.folder.write("towbar.yaml", config).write("shop.proto", folder::get_with("get: \"/v1/orders/{id}\""));
    let Ended { code, stdout, stderr } = desk.folder.run(&["doctor", "--config", "towbar.yaml"]);
    assert_eq!((code, stderr.as_str()), (Some(1), ""));
    let found: Vec<&str> = stdout.lines().filter(|line| line.starts_with("https://")).collect();
    assert_eq!(found, [well, ill]);
    assert_eq!(stdout.lines().filter(|line| line.starts_with("FAILED")).count(), 1, "{stdout}");
}

#[test]
fn a_gateway_that_offers_only_http2_is_tested_over_http2() {
    let desk = Desk::new();
    let answer = |request: axum::extract::Request| async move {
        let probe: Probe = "/towbar-probe".parse().unwrap();
        probe.answer(request).await.map(axum::body::Body::new)
    };
    let gateway =
        Backend::start(Router::new().fallback(answer), Some(tls::server(identity(&desk), None, &[b"h2"]).unwrap()));
    let url = format!("https://{}/", gateway.address);
    let Ended { code, stdout, .. } = desk.folder.run(&["doctor", "--url", &url, "--ca", "ca.pem"]);
    let told: Vec<&str> = stdout.lines().filter(|line| !line.starts_with("passed ")).collect();
    let expected = [
        "skipped proxy: no proxy is set",
        "skipped http1: not offered",
        "noted   headers: a forged Client-Cert header passes; no server behind may trust it",
        "skipped chunked: HTTP/2 has no chunked bodies",
        "skipped trailers1: HTTP/1.1 does not reach the gateway",
    ];
    assert_eq!((code, told), (Some(0), expected.to_vec()), "{stdout}");
    assert!(stdout.ends_with("passed  verdict: REST works over HTTP/2; native gRPC works\n"), "{stdout}");
}

#[test]
fn wrong_usage_exits_with_code_2_before_any_step() {
    let desk = Desk::new();
    let published = "spki-sha256:2ffbd9c83b07035ff7011334bb3495113ff05c6faca058471ab7d6d521310ecf";
    for (arguments, told) in [
        (&["--backend", "bank:1"][..], "--backend: expected http://HOST:PORT or https://HOST:PORT\n"),
        (
            &["--backend", "https://bank", "--pin", published],
            "--pin: this pin belongs to the sample bank's certificate",
        ),
        (&["--backend", "http://bank", "--ca", "ca.pem"], "--backend: `http://` has no TLS; use `https://`"),
        (
            &["--backend", "https://bank", "--proxy", "socks5://p"],
            "--proxy: expected an HTTP proxy, http://HOST:PORT; `socks5://` proxies are not supported",
        ),
        (&["--config", "none.yaml"], "none.yaml: No such file or directory"),
        (&[], "error: the following required arguments were not provided"),
        (
            &["--backend", "https://bank", "--pin", "x"],
            "error: invalid value 'x' for '--pin <PIN>': expected `cert-sha256:`",
        ),
    ] {
        let Ended { code, stdout, stderr } = desk.folder.run(&[&["doctor"][..], arguments].concat());
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(stderr.starts_with(told), "{arguments:?}: {stderr}");
    }
}
