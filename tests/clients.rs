//! Who comes in: callers by an authority, by pins of their own, or without a certificate where that is allowed.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "a test may panic, and uses a part of its support")]

#[path = "support/folder.rs"]
mod folder;
#[path = "support/http.rs"]
mod http;
#[path = "support/process.rs"]
mod process;

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};
use towbar::bank::certificates::Authority;

use folder::{Folder, NOBODY, get_with};
use process::Gateway;

/// A caller with a certificate that it made itself.
struct Own {
    certificate: CertificateDer<'static>,
    key: KeyPair,
}

impl Own {
    fn until(year: i32) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "a caller");
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(year, 1, 1));
        let key = KeyPair::generate().unwrap();
        Self { certificate: params.self_signed(&key).unwrap().der().clone(), key }
    }

    fn by_certificate(&self) -> String {
        format!("cert-sha256:{}", hex(&self.certificate))
    }

    fn by_key(&self) -> String {
        format!("spki-sha256:{}", hex(&rcgen::PublicKeyData::subject_public_key_info(&self.key)))
    }

    /// What it shows, with the key of `signer`.
    fn shown(&self, signer: &Self) -> CertifiedKey {
        shown(self.certificate.clone(), &signer.key.serialize_der())
    }
}

fn shown(certificate: CertificateDer<'static>, key: &[u8]) -> CertifiedKey {
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.to_vec()));
    CertifiedKey::new(vec![certificate], aws_lc_rs::sign::any_supported_type(&key).unwrap())
}

fn hex(der: &[u8]) -> String {
    let digest = ::aws_lc_rs::digest::digest(&::aws_lc_rs::digest::SHA256, der);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether a caller that shows this is answered.
fn is_in(
    to: SocketAddr,
    servers: &Authority,
    shown: Option<CertifiedKey>,
    version: &'static SupportedProtocolVersion,
) -> bool {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(servers.pem().as_bytes()).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots);
    let config = match shown {
        None => builder.with_no_client_auth(),
        Some(shown) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(shown))),
    };
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = StreamOwned::new(connection, http::connect(to));
    let _ = stream.write_all(b"GET /none HTTP/1.1\r\nHost: gateway.test\r\nConnection: close\r\n\r\n");
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer.starts_with("HTTP/1.1 404 ")
}

/// A gateway with these lines under `listen.tls`.
fn gateway(servers: &Authority, lines: &str) -> (Folder, Gateway) {
    let folder = Folder::new();
    folder.write("shop/orders.proto", get_with(r#"get: "/v1/{id}""#));
    folder.write_identity("c.pem", "k.pem", &servers.issue("gateway.test").unwrap());
    folder.write("clients.pem", servers.pem());
    folder.write("towbar.yaml", config(lines));
    let gateway = folder.start(&["serve", "--config", "towbar.yaml"]);
    (folder, gateway)
}

fn config(lines: &str) -> String {
    format!(
        "schema: shop\nupstream: {NOBODY}\nlisten:\n  address: 127.0.0.1:0\n  tls:\n    cert: c.pem\n    key: k.pem\n{lines}"
    )
}

#[test]
fn callers_come_in_by_pin_or_by_authority_and_prove_their_key() {
    let (ours, theirs) = (Authority::new("ours").unwrap(), Authority::new("theirs").unwrap());
    let (acme, renewed, initech) = (Own::until(2999), Own::until(2999), Own::until(2999));
    let (over, stranger) = (Own::until(2021), Own::until(2999));
    let clients = format!(
        "    clients:\n      acme: [{}, {}]\n      initech: {}\n      over: {}\n",
        acme.by_key(),
        renewed.by_certificate(),
        initech.by_certificate(),
        over.by_key()
    );
    let issued = |authority: &Authority| {
        let issued = authority.issue("caller.test").unwrap();
        let certificate = CertificateDer::from_pem_slice(issued.certificate_pem().as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(issued.key_pem().as_bytes()).unwrap();
        shown(certificate, key.secret_der())
    };
    let (by_ca, optional) = ("    client_ca: clients.pem\n", "    client_auth: optional\n");
    for (lines, asks, ca_counts, none_counts) in [
        (clients.clone(), "required", false, false),
        (format!("{clients}{by_ca}"), "required", true, false),
        (format!("{clients}{by_ca}{optional}"), "asked for", true, true),
    ] {
        let (_folder, gateway) = gateway(&ours, &lines);
        let summary = format!("{}, client certificate {asks}", gateway.address);
        assert!(gateway.process.stdout[0].ends_with(&summary), "{:?}", gateway.process.stdout);
        for version in [&TLS12, &TLS13] {
            for (case, shown, expected) in [
                ("acme", Some(acme.shown(&acme)), true),
                ("acme's next", Some(renewed.shown(&renewed)), true),
                ("initech", Some(initech.shown(&initech)), true),
                ("over", Some(over.shown(&over)), false),
                ("a stranger", Some(stranger.shown(&stranger)), false),
                ("acme's certificate with another key", Some(acme.shown(&stranger)), false),
                ("by our authority", Some(issued(&ours)), ca_counts),
                ("by another", Some(issued(&theirs)), false),
                ("without", None, none_counts),
            ] {
                assert_eq!(is_in(gateway.address, &ours, shown, version), expected, "{case}, {version:?}: {lines}");
            }
        }
        assert_eq!(gateway.stop().code, Some(0));
    }
}

#[test]
fn wrong_clients_are_told_with_their_place() {
    let pin = format!("cert-sha256:{}", "00".repeat(32));
    for (lines, expected) in [
        (
            format!("    clients:\n      acme: [{pin}]\n      initech: {pin}\n"),
            vec!["towbar.yaml:10:16: initech: this pin is that of `acme` already"],
        ),
        (
            "    clients:\n      acme: sha1:00\n      initech: []\n".to_owned(),
            vec![
                "towbar.yaml:9:13: acme: expected `cert-sha256:` or `spki-sha256:` and 32 bytes in hex or base64",
                "towbar.yaml:10:7: initech: expected pins or a list of them, found an empty list",
            ],
        ),
        ("    clients:\n".to_owned(), vec!["towbar.yaml:8:5: clients: expected clients by their names, found none"]),
        (
            "    client_auth: optional\n".to_owned(),
            vec![
                "towbar.yaml:8:18: client_auth: nobody is known by a certificate: set `client_ca` or `clients`, or leave it \
                 out",
            ],
        ),
        (
            format!("    client_auth: maybe\n    clients: {{acme: '{pin}'}}\n"),
            vec!["towbar.yaml:8:18: client_auth: expected `required` or `optional`, found `maybe`"],
        ),
    ] {
        let folder = Folder::new();
        folder.write("shop/orders.proto", get_with(r#"get: "/v1/{id}""#));
        folder.write_identity("c.pem", "k.pem", &Authority::new("ours").unwrap().issue("gateway.test").unwrap());
        folder.write("towbar.yaml", config(&lines));
        assert_eq!(folder.refusal(&["check", "--config", "towbar.yaml"]), expected, "{lines}");
    }
}
