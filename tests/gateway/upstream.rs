//! The way to the bank: who is let in, what happens when nobody answers, and what becomes of calls in flight.

use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use tonic::{Response, Status};
use towbar::cli::demo::bank::SampleBank;
use towbar::cli::demo::bank::certificates::Authority;
use towbar::cli::demo::generated::io::token::proto::bankapi::HealthCheckResponse;

use crate::support::http::{self, Answer};
use crate::support::{
    Backend, Gateway, Stage, assert_refused, assert_reply, client_tls, config_for, health, replaced, server_tls,
    unfinished,
};

const TARGET: &str = "/health-check?bank_id=iron";
const SERVING: &str = r#"{"status":"SERVING"}"#;
const UNREACHABLE: &str = r#"{"code":14,"message":"the backend cannot be reached; the call was not sent"}"#;
const LOST: &str =
    r#"{"code":2,"message":"the connection to the backend was lost during the call; its outcome is unknown"}"#;
const LATE: &str = r#"{"code":4,"message":"the backend did not answer within the gateway's deadline of 300ms; the outcome of the call is unknown"}"#;

const UNSENT: &str = r#"{"code":4,"message":"there was no connection to the backend within the gateway's deadline of 300ms; the call was not sent"}"#;

/// Longest wait for what must happen.
const PATIENCE: Duration = Duration::from_secs(20);

type Health = Result<Response<HealthCheckResponse>, Status>;

fn sample_bank() -> Router {
    SampleBank::new().routes().into_axum_router()
}

fn secure(address: SocketAddr) -> String {
    config_for(&format!("https://{address}"))
}

/// A refusal that tells nothing of where the backend is.
fn assert_unreachable(answer: &Answer, backend: SocketAddr, case: &str) {
    assert_refused(answer, 503, UNREACHABLE, case);
    let port = backend.port().to_string();
    for secret in ["127.0.0.1", "bank.test", port.as_str()] {
        assert!(!format!("{answer:?}").contains(secret), "{case}: {secret} in {answer:?}");
    }
}

/// Repeats the call until `done`, for changes that the gateway learns of by itself.
fn get_until(gateway: SocketAddr, done: impl Fn(&Answer) -> bool) -> Answer {
    let started = Instant::now();
    loop {
        let answer = http::get(gateway, TARGET);
        if done(&answer) {
            return answer;
        }
        assert!(started.elapsed() < PATIENCE, "{answer:?}");
    }
}

/// [`server_tls`], with one version of TLS.
fn server_tls_of(version: &'static SupportedProtocolVersion, authority: &Authority) -> Arc<ServerConfig> {
    let issued = authority.issue("bank.test").unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
    let chain = vec![CertificateDer::from_pem_slice(issued.certificate_pem().as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(issued.key_pem().as_bytes()).unwrap();
    let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(&[version]).unwrap();
    let mut config = builder.with_client_cert_verifier(clients).with_single_cert(chain, key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}

#[test]
fn without_a_client_certificate_that_the_backend_trusts_it_is_unreachable() {
    let (bank, stranger) = (Authority::new("the bank's").unwrap(), Authority::new("a stranger's").unwrap());
    for version in [&TLS12, &TLS13] {
        let backend = Backend::start(sample_bank(), Some(server_tls_of(version, &bank)));
        for (own, case) in [(None, "no certificate"), (Some(&stranger), "a foreign certificate")] {
            let gateway = Gateway::start(&secure(backend.address), Some(client_tls(own, &bank)));
            // The refusal may come after the call was written (TLS 1.3), so once is not enough.
            for round in 0..10 {
                let case = format!("{case}, {version:?}, call {round}");
                assert_unreachable(&http::get(gateway.address, TARGET), backend.address, &case);
            }
        }
        let gateway = Gateway::start(&secure(backend.address), Some(client_tls(Some(&bank), &bank)));
        assert_reply(&http::get(gateway.address, TARGET), SERVING, "the right certificate");
    }
}

#[test]
fn the_gateway_sends_nothing_to_a_backend_that_it_does_not_trust() {
    let (bank, stranger) = (Authority::new("the bank's").unwrap(), Authority::new("a stranger's").unwrap());
    let (told, calls) = channel();
    let service = health(move |_| {
        told.send(()).unwrap();
        async { Ok(Response::new(HealthCheckResponse::default())) }
    });
    let backend = Backend::start(service, Some(server_tls(&stranger, &bank)));
    let gateway = Gateway::start(&secure(backend.address), Some(client_tls(Some(&bank), &bank)));
    for _ in 0..3 {
        assert_unreachable(&http::get(gateway.address, TARGET), backend.address, "another authority");
    }
    assert!(calls.try_recv().is_err(), "nothing was sent");
}

#[test]
fn the_backend_certificate_must_have_the_configured_server_name() {
    let authority = Authority::new("the bank's").unwrap();
    let backend = Backend::start(sample_bank(), Some(server_tls(&authority, &authority)));
    let url = format!("https://localhost:{}", backend.address.port());
    let named = |name: &str| {
        let line = "    # server_name: core.bank.example.com\n";
        replaced(config_for(&url), line, &format!("    server_name: {name}\n"))
    };
    for (config, reached) in [
        (config_for(&url), false),
        (named("other.example.com"), false),
        (named("test"), false),
        (named("bank.test"), true),
        (named("127.0.0.1"), true),
        (secure(backend.address), true),
    ] {
        let gateway = Gateway::start(&config, Some(client_tls(Some(&authority), &authority)));
        let answer = http::get(gateway.address, TARGET);
        match reached {
            true => assert_reply(&answer, SERVING, &config),
            false => assert_unreachable(&answer, backend.address, &config),
        }
    }
}

#[test]
fn a_backend_without_tls_is_called_over_plain_http2() {
    let backend = Backend::start(sample_bank(), None);
    let config =
        format!("schema: proto\nupstream: http://{}\nstatus_headers:\n  status: token-grpc-status\n", backend.address);
    let gateway = Gateway::start(&config, None);
    assert_reply(&http::get(gateway.address, TARGET), SERVING, &config);
}

#[test]
fn a_backend_that_does_not_speak_http2_is_unreachable() {
    let authority = Authority::new("the bank's").unwrap();
    let mut tls = Arc::unwrap_or_clone(server_tls(&authority, &authority));
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    let without = {
        let mut tls = tls.clone();
        tls.alpn_protocols.clear();
        tls
    };
    for (tls, case) in [(tls, "http/1.1"), (without, "no ALPN")] {
        let backend = Backend::start(sample_bank(), Some(Arc::new(tls)));
        let gateway = Gateway::start(&secure(backend.address), Some(client_tls(Some(&authority), &authority)));
        assert_unreachable(&http::get(gateway.address, TARGET), backend.address, case);
    }
}

#[test]
fn a_backend_that_comes_back_is_called_again() {
    let authority = Authority::new("the bank's").unwrap();
    let tls = || Some(server_tls(&authority, &authority));
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gateway = Gateway::start(&secure(address), Some(client_tls(Some(&authority), &authority)));
    for _ in 0..2 {
        for call in 0..3 {
            let answer = get_until(gateway.address, |answer| answer.status == 503);
            assert_unreachable(&answer, address, &format!("down, call {call}"));
        }
        let _backend = Backend::start_at(&address.to_string(), sample_bank(), tls());
        let answer = get_until(gateway.address, |answer| answer.status == 200);
        assert_reply(&answer, SERVING, "up");
        assert_reply(&http::get(gateway.address, TARGET), SERVING, "still up");
    }
}

/// Tells when a handler has ended, if only because nobody waits for it.
struct Ended(Sender<()>);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

/// A bank that never answers. Tells the `grpc-timeout` of each call that arrives, and when its handler is gone.
fn silent() -> (Router, Receiver<Option<String>>, Receiver<()>) {
    let (arrived, arrivals) = channel();
    let (ended, ends) = channel();
    let service = health(move |request| {
        let ended = Ended(ended.clone());
        let timeout = request.metadata().get("grpc-timeout").map(|timeout| timeout.to_str().unwrap().to_owned());
        arrived.send(timeout).unwrap();
        async move {
            let _ended = ended;
            std::future::pending::<Health>().await
        }
    });
    (service, arrivals, ends)
}

#[test]
fn at_the_deadline_the_caller_gets_504_and_the_backend_call_is_cancelled() {
    let (service, arrivals, ends) = silent();
    let stage = Stage::altered(service, |config| replaced(config, "deadline: 25s", "deadline: 300ms"));
    // Several clocks run for one deadline; whichever is first, the answer is the same.
    for call in 0..20 {
        let (started, case) = (Instant::now(), format!("call {call}"));
        assert_refused(&stage.get(TARGET), 504, LATE, &case);
        assert!(started.elapsed() >= Duration::from_millis(290), "{case}: {:?}", started.elapsed());
        let timeout = arrivals.recv_timeout(PATIENCE).unwrap().unwrap();
        let milliseconds: u32 = timeout.strip_suffix('m').unwrap().parse().unwrap();
        assert!((1..=300).contains(&milliseconds), "{case}: {timeout}");
        ends.recv_timeout(PATIENCE).unwrap();
        assert!(arrivals.try_recv().is_err(), "{case}: it was sent once");
    }
}

#[test]
fn the_deadline_covers_everything_from_connecting_to_the_last_byte() {
    let authority = Authority::new("the bank's").unwrap();
    let hasty = |address| replaced(secure(address), "deadline: 25s", "deadline: 300ms");
    // It takes connections, by the operating system's queue, and never says a word.
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let tls = client_tls(Some(&authority), &authority);
    let gateway = Gateway::start(&hasty(mute.local_addr().unwrap()), Some(tls));
    assert_refused(&http::get(gateway.address, TARGET), 504, UNSENT, "mute");

    let half = Router::new().fallback(|| async { unfinished(&[0, 0], false) });
    let stage = Stage::altered(half, |config| replaced(config, "deadline: 25s", "deadline: 300ms"));
    assert_refused(&stage.get(TARGET), 504, LATE, "half of an answer");
}

#[test]
fn a_caller_that_disconnects_cancels_its_call() {
    let (service, arrivals, ends) = silent();
    let stage = Stage::of(service);
    let mut caller = http::connect(stage.address());
    http::write(&mut caller, "GET", TARGET, &[], None);
    arrivals.recv_timeout(PATIENCE).unwrap();
    assert!(ends.try_recv().is_err(), "the caller waits");
    drop(caller);
    ends.recv_timeout(PATIENCE).unwrap();
}

/// Carries connections to a backend until they are cut.
struct Relay {
    address: SocketAddr,
    ends: Arc<Mutex<Vec<TcpStream>>>,
}

impl Relay {
    fn to(backend: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let ends = Arc::new(Mutex::new(Vec::new()));
        let known = Arc::clone(&ends);
        std::thread::spawn(move || {
            for near in listener.incoming() {
                let (near, far) = (near.unwrap(), TcpStream::connect(backend).unwrap());
                let mut both = known.lock().unwrap();
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    std::thread::spawn(move || std::io::copy(&mut from, &mut to));
                }
                both.extend([near, far]);
            }
        });
        Self { address, ends }
    }

    fn cut(&self) {
        for end in self.ends.lock().unwrap().drain(..) {
            let _ = end.shutdown(Shutdown::Both);
        }
    }
}

#[test]
fn a_call_whose_connection_breaks_is_not_sent_again() {
    let (arrived, arrivals) = channel();
    let (count, answers) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counted, answered) = (Arc::clone(&count), Arc::clone(&answers));
    // Answers from the second call on: were the first repeated, it would have a reply.
    let service = health(move |_| {
        let first = counted.fetch_add(1, Ordering::SeqCst) == 0;
        arrived.send(()).unwrap();
        let answered = Arc::clone(&answered);
        async move {
            if first {
                return std::future::pending::<Health>().await;
            }
            answered.fetch_add(1, Ordering::SeqCst);
            Ok(Response::new(HealthCheckResponse { status: 1 }))
        }
    });
    let authority = Authority::new("the bank's").unwrap();
    let backend = Backend::start(service, Some(server_tls(&authority, &authority)));
    let relay = Relay::to(backend.address);
    let gateway = Gateway::start(&secure(relay.address), Some(client_tls(Some(&authority), &authority)));

    let mut caller = http::connect(gateway.address);
    http::write(&mut caller, "GET", TARGET, &[], None);
    arrivals.recv_timeout(PATIENCE).unwrap();
    relay.cut();
    assert_refused(&http::read(&mut caller), 502, LOST, "cut");
    assert_eq!((count.load(Ordering::SeqCst), answers.load(Ordering::SeqCst)), (1, 0));

    let answer = get_until(gateway.address, |answer| answer.status == 200);
    assert_reply(&answer, SERVING, "over a new connection");
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

#[test]
fn a_backend_that_dies_during_a_call_leaves_its_outcome_unknown() {
    let (service, arrivals, _ends) = silent();
    let Stage { gateway, backend } = Stage::of(service);
    let mut caller = http::connect(gateway.address);
    http::write(&mut caller, "GET", TARGET, &[], None);
    arrivals.recv_timeout(PATIENCE).unwrap();
    let address = backend.address;
    drop(backend);
    assert_refused(&http::read(&mut caller), 502, LOST, "dead");
    assert_unreachable(&get_until(gateway.address, |answer| answer.status == 503), address, "gone");
}

#[test]
fn a_stopping_gateway_finishes_the_calls_in_flight() {
    let (arrived, arrivals) = channel();
    let go = Arc::new(tokio::sync::Notify::new());
    let gone = Arc::clone(&go);
    let service = health(move |_| {
        arrived.send(()).unwrap();
        let gone = Arc::clone(&gone);
        async move {
            gone.notified().await;
            Ok(Response::new(HealthCheckResponse { status: 1 }))
        }
    });
    let Stage { mut gateway, backend: _backend } = Stage::of(service);
    let mut caller = http::connect(gateway.address);
    http::write(&mut caller, "GET", TARGET, &[], None);
    arrivals.recv_timeout(PATIENCE).unwrap();

    gateway.stop();
    let started = Instant::now();
    while TcpStream::connect(gateway.address).is_ok() {
        assert!(started.elapsed() < PATIENCE, "it still takes connections");
    }
    go.notify_one();
    assert_reply(&http::read(&mut caller), SERVING, "in flight");
    gateway.join();
}
