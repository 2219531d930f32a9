//! What the backend is told of who calls: by the connection itself and by trusted proxies in front, and that no caller says it.

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
use towbar::cli::demo::bank::certificates::{Authority, Issued};
use towbar::config::Overrides;
use towbar::tls;

use crate::support;
use crate::support::nginx::{KEPT_CONNECTIONS, Nginx};
use crate::support::talk::{Reader, backend, note, schema, shared};
use crate::support::{Backend, Gateway, http};

pub(crate) const NAMES: &str = "metadata:\n  request: [x-consent-id]\n  caller: {address: x-address, certificate_sha256: x-sha256, \
                     certificate: x-cert-bin}\n";
/// What a caller says of itself.
pub(crate) const LIES: [(&str, &str); 5] = [
    ("X-Address", "10.0.0.1"),
    ("X-Sha256", "00"),
    ("X-Cert-Bin", "AA=="),
    ("X-Consent-Id", "c-1"),
    ("Connection", "x-address, x-sha256"),
];

pub(crate) type Told = Arc<Mutex<Vec<String>>>;

/// A backend that notes the metadata of a call with names of the configuration.
pub(crate) fn noting() -> (Backend, Told) {
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

pub(crate) fn client(servers: &Authority, own: Option<&Issued>) -> Arc<ClientConfig> {
    let trust = tls::Servers::Trusted(servers.trust().unwrap());
    tls::client(own.map(Issued::identity), &trust, &[b"http/1.1"]).unwrap()
}

/// How the handshake went.
fn call(to: SocketAddr, client: &Arc<ClientConfig>) -> HandshakeKind {
    call_with(to, client, "")
}

/// The same with more lines in the head.
fn call_with(to: SocketAddr, client: &Arc<ClientConfig>, more: &str) -> HandshakeKind {
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let connection = ClientConnection::new(client.clone(), name).unwrap();
    let mut stream = StreamOwned::new(connection, http::connect(to));
    let lies: String = LIES.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    // On one connection more than once.
    for _ in 0..2 {
        stream.write_all(format!("POST /ask HTTP/1.1\r\nHost: gateway.test\r\nContent-Type: application/json\r\nContent-Length: 2\r\n{lies}{more}\r\n{{}}").as_bytes()).unwrap();
        assert_eq!(http::read(&mut stream).status, 200);
    }
    stream.conn.handshake_kind().unwrap()
}

#[test]
fn caller_metadata_comes_from_the_connection_and_not_from_request_headers() {
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
fn the_callers_address_is_sent_for_plain_connections_and_streams_too() {
    let (backend, told) = noting();
    let gateway = support::talk::gateway(&backend, NAMES);
    for target in ["/files/a", "/notes/a"] {
        support::talk::send(&gateway, "GET", target, &LIES, None);
        assert_eq!(*told.lock().unwrap(), ["x-address: 127.0.0.1", "x-consent-id: c-1"], "{target}");
    }
}

#[test]
fn caller_metadata_is_sent_only_if_configured() {
    let folder = tempfile::tempdir().unwrap();
    let (servers, callers) = (Authority::new("servers").unwrap(), Authority::new("callers").unwrap());
    let (backend, told) = noting();
    let gateway = gateway(&folder, &backend, &servers, &callers, "");
    call(gateway.address, &client(&servers, Some(&callers.issue("acme.test").unwrap())));
    assert_eq!(*told.lock().unwrap(), Vec::<String>::new());
}

/// A plain gateway with more keys of `listen`, that tells the address of its callers.
fn gateway_behind(backend: &Backend, listen: &str) -> Gateway {
    let config = format!(
        "upstream: http://{}\nschema: talk.proto\nlisten: {{address: 127.0.0.1:0, {listen}}}\n{NAMES}",
        backend.address
    );
    Gateway::with(&config, &Overrides::default(), Ok(schema()), None)
}

/// Calls from this address with these headers.
fn call_from(from: &str, to: SocketAddr, headers: &[(&str, &str)]) {
    let mut stream = http::connect_from(from, to);
    http::write(&mut stream, "GET", "/files/a", headers, None);
    assert_eq!(Reader::new(stream).whole().answer.status, 200);
}

/// Beside the one that is trusted, 127.0.0.1.
const CALLER: &str = "127.0.0.5";

#[test]
fn only_a_trusted_proxy_can_set_the_callers_address() {
    let (backend, told) = noting();
    let (x_forwarded_for, forwarded) = ("X-Forwarded-For", "Forwarded");
    let proxy = "127.0.0.1";
    for (listen, from, headers, address) in [
        ("trusted_proxies: 127.0.0.1", proxy, &[(x_forwarded_for, "6.6.6.6, 203.0.113.5")][..], "203.0.113.5"),
        (
            "trusted_proxies: 127.0.0.1",
            proxy,
            &[(x_forwarded_for, "6.6.6.6"), (x_forwarded_for, "[2001:db8::1]:80")],
            "2001:db8::1",
        ),
        ("trusted_proxies: 127.0.0.1", proxy, &[(x_forwarded_for, "203.0.113.5, unknown")], proxy),
        ("trusted_proxies: 127.0.0.1", proxy, &[(forwarded, "for=6.6.6.6"), ("X-Real-IP", "6.6.6.6")], proxy),
        ("trusted_proxies: 127.0.0.1", proxy, &[], proxy),
        ("trusted_proxies: 127.0.0.1", CALLER, &[(x_forwarded_for, "6.6.6.6")], CALLER),
        ("trusted_proxies: 127.0.0.1", CALLER, &[(x_forwarded_for, "127.0.0.1")], CALLER),
        (
            "trusted_proxies: [10.0.0.0/8, 127.0.0.0/29]",
            CALLER,
            &[(x_forwarded_for, "6.6.6.6, 127.0.0.8, 10.1.2.3")],
            "127.0.0.8",
        ),
        (
            "trusted_proxies: '::ffff:127.0.0.1', forwarded: forwarded",
            proxy,
            &[(forwarded, "for=6.6.6.6, for=\"203.0.113.5:80\"")],
            "203.0.113.5",
        ),
        ("trusted_proxies: 127.0.0.1, forwarded: forwarded", proxy, &[(x_forwarded_for, "6.6.6.6")], proxy),
    ] {
        let gateway = gateway_behind(&backend, listen);
        call_from(from, gateway.address, headers);
        assert_eq!(*told.lock().unwrap(), [format!("x-address: {address}")], "{listen} {from} {headers:?}");
        // The same connection with another word, and with none.
        let mut stream = http::connect_from(from, gateway.address);
        for (headers, address) in [(headers, address), (&[], from), (headers, address)] {
            http::write(&mut stream, "GET", "/files/a", headers, None);
            assert_eq!(http::read(&mut stream).status, 200);
            assert_eq!(*told.lock().unwrap(), [format!("x-address: {address}")], "{listen} {from} {headers:?}");
        }
    }
}

#[test]
fn through_nginx_a_forged_caller_address_is_ignored() {
    let (backend, told) = noting();
    let appends = format!("{KEPT_CONNECTIONS} proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;");
    let header = "X-Forwarded-For";
    let gateway = gateway_behind(&backend, "trusted_proxies: 127.0.0.1");
    let Some(inner) = Nginx::start("", &appends, gateway.address) else { return };
    let Some(outer) = Nginx::start("", &appends, inner.address) else { return };
    for headers in [
        &[][..],
        &[(header, "6.6.6.6")],
        &[(header, "127.0.0.1")],
        &[(header, "")],
        &[(header, "6.6.6.6,")],
        &[(header, "6.6.6.6"), (header, "127.0.0.1, 127.0.0.1")],
        &[("Connection", "x-forwarded-for"), (header, "6.6.6.6")],
        &[("Forwarded", "for=6.6.6.6"), ("X-Real-IP", "6.6.6.6")],
    ] {
        for nginx in [&inner, &outer] {
            call_from(CALLER, nginx.address, headers);
            assert_eq!(*told.lock().unwrap(), [format!("x-address: {CALLER}")], "{headers:?}");
        }
    }

    let appends =
        format!("{KEPT_CONNECTIONS} proxy_set_header Forwarded '$http_forwarded, for=\"$remote_addr:$remote_port\"';");
    let gateway = gateway_behind(&backend, "trusted_proxies: 127.0.0.1, forwarded: forwarded");
    let Some(inner) = Nginx::start("", &appends, gateway.address) else { return };
    let Some(outer) = Nginx::start("", &appends, inner.address) else { return };
    for forged in ["for=6.6.6.6", "for=127.0.0.1", "for=6.6.6.6;by=\"", "for=6.6.6.6;by=\"\\", "\"", "", ","] {
        for nginx in [&inner, &outer] {
            call_from(CALLER, nginx.address, &[("Forwarded", forged), (header, "6.6.6.6")]);
            assert_eq!(*told.lock().unwrap(), [format!("x-address: {CALLER}")], "{forged}");
        }
    }
}

#[test]
fn certificate_headers_from_a_trusted_proxy_are_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let (servers, callers) = (Authority::new("servers").unwrap(), Authority::new("callers").unwrap());
    let (backend, told) = noting();
    let gateway = gateway(&folder, &backend, &servers, &callers, &format!("  trusted_proxies: 127.0.0.1\n{NAMES}"));
    let issued = callers.issue("proxy.test").unwrap();
    let der = CertificateDer::from_pem_slice(issued.certificate_pem().as_bytes()).unwrap();
    let sha256: String = tls::sha256(&der).iter().map(|byte| format!("{byte:02x}")).collect();
    let says = "X-Forwarded-For: 203.0.113.5\r\nClient-Cert: :AA==:\r\nX-Forwarded-Client-Cert: Hash=00\r\n";
    call_with(gateway.address, &client(&servers, Some(&issued)), says);
    let known = [
        "x-address: 203.0.113.5".to_owned(),
        format!("x-sha256: {sha256}"),
        format!("x-cert-bin: {}", STANDARD.encode(&der)),
        "x-consent-id: c-1".to_owned(),
    ];
    assert_eq!(*told.lock().unwrap(), known);
}
