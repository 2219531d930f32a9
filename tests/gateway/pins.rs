//! Pinned certificates: banks whose certificates no standard verifier takes, and what the gateway says about them.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConnection, ServerConfig, ServerConnection};
use towbar::cli::demo::bank::SampleBank;
use towbar::cli::demo::bank::certificates::Authority;
use towbar::tls::{self, Identity, Pin, Servers};

use crate::support::http;
use crate::support::{Backend, Gateway, assert_refused, assert_reply, config_for};

const TARGET: &str = "/health-check?bank_id=iron";
const SERVING: &str = r#"{"status":"SERVING"}"#;
const UNREACHABLE: &str = r#"{"code":14,"message":"the backend cannot be reached; the call was not sent"}"#;
const FOREIGN: &str = "cert-sha256:2ffbd9c83b07035ff7011334bb3495113ff05c6faca058471ab7d6d521310ecf";

/// A certificate as banks make it: self-signed, an authority's, with a common name and no other.
struct Own {
    certificate: CertificateDer<'static>,
    key: KeyPair,
}

impl Own {
    fn of_years(first: i32, last: i32) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "bank.example.com");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        (params.not_before, params.not_after) = (date_time_ymd(first, 1, 1), date_time_ymd(last, 1, 1));
        let key = KeyPair::generate().unwrap();
        Self { certificate: params.self_signed(&key).unwrap().der().clone(), key }
    }

    fn server(&self) -> Arc<ServerConfig> {
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.key.serialize_der()));
        tls::server(Identity::new("own", vec![self.certificate.clone()], key), None, &[b"h2"]).unwrap()
    }

    /// By the certificate, and by the key.
    fn pins(&self) -> [String; 2] {
        let key = rcgen::PublicKeyData::subject_public_key_info(&self.key);
        [("cert", &*self.certificate), ("spki", &key)].map(|(of, der)| format!("{of}-sha256:{}", hex(der)))
    }
}

fn hex(der: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, der);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn pinned(texts: &[&str]) -> Servers {
    Servers::Pinned(texts.iter().map(|text| text.parse::<Pin>().unwrap()).collect())
}

#[test]
fn a_backend_with_a_self_signed_certificate_is_trusted_by_its_pin() {
    let own = Own::of_years(2020, 2999);
    let backend = Backend::start(SampleBank::new().routes().into_axum_router(), Some(own.server()));
    let config = config_for(&format!("https://{}", backend.address));
    let get = |servers: &Servers| {
        let gateway = Gateway::start(&config, Some(tls::client(None, servers, &[b"h2"]).unwrap()));
        http::get(gateway.address, TARGET)
    };
    let [certificate, key] = own.pins();
    for pins in [&[certificate.as_str()][..], &[&key], &[FOREIGN, &certificate]] {
        assert_reply(&get(&pinned(pins)), SERVING, &format!("{pins:?}"));
    }
    assert_refused(&get(&pinned(&[FOREIGN])), 503, UNREACHABLE, "foreign");
    // As an authority it is trusted, and is still no server's certificate.
    let trusted = tls::Trust::new(vec![own.certificate.clone()]).unwrap();
    assert_refused(&get(&Servers::Trusted(trusted)), 503, UNREACHABLE, "trusted");
}

#[test]
fn the_error_for_a_refused_certificate_says_which_pin_to_configure() {
    let (good, past, future) = (Own::of_years(2020, 2999), Own::of_years(2020, 2021), Own::of_years(2998, 2999));
    let trust = |own: &Own| Servers::Trusted(tls::Trust::new(vec![own.certificate.clone()]).unwrap());
    let peculiar = "is self-signed, is marked as an authority's (CA:TRUE), has no host name (no subjectAltName)";
    let other = Authority::new("another").unwrap();
    let advice = |own: &Own| {
        let advice = "if this is the backend's own certificate, set upstream.tls.pins";
        format!("the certificate {peculiar}: {advice}: [{}]", own.pins()[0])
    };
    for (case, own, servers, expected) in [
        ("by key", &good, pinned(&[&good.pins()[1]]), None),
        ("foreign", &good, pinned(&[FOREIGN]), Some(format!("matches none of the pins; it is {}", good.pins()[0]))),
        ("past", &past, pinned(&[&past.pins()[0]]), Some("Expired".to_owned())),
        ("future", &future, pinned(&[&future.pins()[0]]), Some("NotValidYet".to_owned())),
        ("trusted", &good, trust(&good), Some(format!("; {}", advice(&good)))),
        ("unknown", &good, Servers::Trusted(other.trust().unwrap()), Some(advice(&good))),
    ] {
        let error = handshake(own.server(), &servers);
        match expected {
            None => assert_eq!(error, None, "{case}"),
            Some(text) => assert!(error.as_ref().is_some_and(|error| error.contains(&text)), "{case}: {error:?}"),
        }
    }
}

#[test]
fn a_certificate_chain_that_is_too_costly_to_verify_is_refused() {
    let own = Own::of_years(2020, 2999);
    let trust = || tls::Trust::new(vec![own.certificate.clone()]).unwrap();
    for (others, expected) in [
        (7, "the peer shows more than 2 certificates of authorities with the same subject"),
        (40, "the peer shows 41 certificates; at most 8 are accepted"),
    ] {
        let chain = std::iter::once(own.certificate.clone());
        let chain = chain.chain((0..others).map(|_| Own::of_years(2020, 2999).certificate)).collect();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(own.key.serialize_der()));
        let server = tls::server(Identity::new("own", chain, key), None, &[b"h2"]).unwrap();
        for servers in [Servers::Trusted(trust()), pinned(&[&own.pins()[0]])] {
            assert_eq!(handshake(server.clone(), &servers).as_deref(), Some(expected));
        }
    }
}

/// Whoever has the certificate of another has not its key.
#[test]
fn a_pinned_peer_must_still_prove_that_it_holds_the_private_key() {
    let (bank, thief) = (Own::of_years(2020, 2999), Own::of_years(2020, 2999));
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(thief.key.serialize_der()));
    let key = aws_lc_rs_key(&key);
    let shown = rustls::sign::CertifiedKey::new(vec![bank.certificate.clone()], key);
    let shown = Arc::new(rustls::sign::SingleCertAndKey::from(shown));
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(shown.clone());
        let error = handshake(Arc::new(config), &pinned(&[&bank.pins()[0]])).unwrap();
        assert!(error.contains("BadSignature"), "{version:?}: {error}");
    }
}

fn aws_lc_rs_key(key: &PrivateKeyDer<'_>) -> Arc<dyn rustls::sign::SigningKey> {
    rustls::crypto::aws_lc_rs::sign::any_supported_type(key).unwrap()
}

/// A handshake in memory; the client's error, if it has one.
fn handshake(server: Arc<ServerConfig>, servers: &Servers) -> Option<String> {
    let client = tls::client(None, servers, &[b"h2"]).unwrap();
    let mut client = ClientConnection::new(client, ServerName::try_from("bank.example.com").unwrap()).unwrap();
    let mut server = ServerConnection::new(server).unwrap();
    for _ in 0..8 {
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).unwrap();
        server.read_tls(&mut bytes.as_slice()).unwrap();
        server.process_new_packets().unwrap();
        bytes.clear();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            if let Err(error) = client.process_new_packets() {
                return Some(tls::explain(&error));
            }
        }
        if !client.is_handshaking() && !server.is_handshaking() {
            return None;
        }
    }
    panic!("the handshake does not end");
}
