//! What the backend is told of who calls, by the connection itself, and that no caller says it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, StreamOwned};
use tempfile::TempDir;
use towbar::bank::certificates::{Authority, Issued};
use towbar::config::Overrides;
use towbar::tls;

use support::talk::{backend, note, schema, shared};
use support::{Backend, Gateway, http};

const NAMES: &str = "metadata:\n  request: [x-consent-id]\n  caller: {address: x-address, certificate_sha256: x-sha256, \
                     certificate: x-cert-bin}\n";
/// What a caller says of itself.
const LIES: [(&str, &str); 5] = [
    ("X-Address", "10.0.0.1"),
    ("X-Sha256", "00"),
    ("X-Cert-Bin", "AA=="),
    ("X-Consent-Id", "c-1"),
    ("Connection", "x-address, x-sha256"),
];

type Told = Arc<Mutex<Vec<String>>>;

/// A backend that notes the metadata of a call with names of the configuration.
fn noting() -> (Backend, Told) {
    let (got, seen) = shared::<Vec<String>>();
    let backend = backend(move |_, requests, replies| {
        let names = ["x-address", "x-sha256", "x-cert-bin", "x-consent-id"];
        let all = names.iter().flat_map(|name| requests.headers.get_all(*name).iter().map(move |value| (name, value)));
        *got.lock().unwrap() = all.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        async move {
            replies.send(&note("got", 0)).await;
            replies.end("0", "").await;
        }
    });
    (backend, seen)
}

/// A gateway with TLS that asks for certificates of `callers`.
fn gateway(folder: &TempDir, backend: &Backend, servers: &Authority, callers: &Authority, names: &str) -> Gateway {
    let path = |name: &str| folder.path().join(name);
    let issued = servers.issue("gateway.test").unwrap();
    fs::write(path("c.pem"), issued.certificate_pem()).unwrap();
    fs::write(path("k.pem"), issued.key_pem()).unwrap();
    fs::set_permissions(path("k.pem"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(path("callers.pem"), callers.pem()).unwrap();
    let config = format!(
        "upstream: http://{}\nschema: talk.proto\nlisten:\n  address: 127.0.0.1:0\n  tls:\n    cert: {folder}/c.pem\n    key: \
         {folder}/k.pem\n    client_ca: {folder}/callers.pem\n    client_auth: optional\n{names}",
        backend.address,
        folder = Path::new(folder.path()).display(),
    );
    Gateway::with(&config, &Overrides::default(), Ok(schema()), None)
}

fn client(servers: &Authority, own: Option<&Issued>) -> Arc<ClientConfig> {
    let trust = tls::Servers::Trusted(servers.trust().unwrap());
    tls::client(own.map(Issued::identity), &trust, &[b"http/1.1"]).unwrap()
}

/// How the handshake went.
fn call(to: SocketAddr, client: &Arc<ClientConfig>) -> HandshakeKind {
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let connection = ClientConnection::new(client.clone(), name).unwrap();
    let mut stream = StreamOwned::new(connection, http::connect(to));
    let lies: String = LIES.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    // On one connection more than once.
    for _ in 0..2 {
        stream.write_all(format!("POST /ask HTTP/1.1\r\nHost: gateway.test\r\nContent-Type: application/json\r\nContent-Length: 2\r\n{lies}\r\n{{}}").as_bytes()).unwrap();
        assert_eq!(http::read(&mut stream).status, 200);
    }
    stream.conn.handshake_kind().unwrap()
}

#[test]
fn the_backend_is_told_who_calls_by_the_connection_and_not_by_the_caller() {
    let folder = tempfile::tempdir().unwrap();
    let (servers, callers) = (Authority::new("servers").unwrap(), Authority::new("callers").unwrap());
    let (backend, told) = noting();
    let gateway = gateway(&folder, &backend, &servers, &callers, NAMES);
    let issued = callers.issue("acme.test").unwrap();
    let der = CertificateDer::from_pem_slice(issued.certificate_pem().as_bytes()).unwrap();
    let sha256: String = tls::sha256(&der).iter().map(|byte| format!("{byte:02x}")).collect();
    let known = vec![
        "x-address: 127.0.0.1".to_owned(),
        format!("x-sha256: {sha256}"),
        format!("x-cert-bin: {}", STANDARD.encode(&der)),
        "x-consent-id: c-1".to_owned(),
    ];
    let acme = client(&servers, Some(&issued));
    assert_eq!(call(gateway.address, &acme), HandshakeKind::Full);
    assert_eq!(*told.lock().unwrap(), known);
    // A session that goes on shows no certificate again, and is that of the one before.
    assert_eq!(call(gateway.address, &acme), HandshakeKind::Resumed);
    assert_eq!(*told.lock().unwrap(), known);
    // Without a certificate there is nothing to tell of one.
    call(gateway.address, &client(&servers, None));
    assert_eq!(*told.lock().unwrap(), ["x-address: 127.0.0.1", "x-consent-id: c-1"]);
}

#[test]
fn a_plain_connection_has_an_address_and_streams_tell_it_too() {
    let (backend, told) = noting();
    let gateway = support::talk::gateway(&backend, NAMES);
    for target in ["/files/a", "/notes/a"] {
        support::talk::send(&gateway, "GET", target, &LIES, None);
        assert_eq!(*told.lock().unwrap(), ["x-address: 127.0.0.1", "x-consent-id: c-1"], "{target}");
    }
}

#[test]
fn nothing_is_told_unless_it_is_configured() {
    let folder = tempfile::tempdir().unwrap();
    let (servers, callers) = (Authority::new("servers").unwrap(), Authority::new("callers").unwrap());
    let (backend, told) = noting();
    let gateway = gateway(&folder, &backend, &servers, &callers, "");
    call(gateway.address, &client(&servers, Some(&callers.issue("acme.test").unwrap())));
    assert_eq!(*told.lock().unwrap(), Vec::<String>::new());
}
