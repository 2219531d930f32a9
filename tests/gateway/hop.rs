//! Client certificates that a proxy in front passes on: which count, and that a forged or faulty one reaches no backend.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::json;
use tempfile::TempDir;
use towbar::cli::demo::bank::certificates::{Authority, Issued};
use towbar::config::Overrides;
use towbar::tls;

use crate::support::http::{self, Answer};
use crate::support::talk::{backend, note, schema};
use crate::support::tokens::{AUDIENCE, ISSUER, base64url, claims_with, key_set};
use crate::support::{Backend, Gateway};
use crate::tokens::P256;

/// The proxy, and somebody else who can reach the gateway.
const PROXY: &str = "127.0.0.1";
const OTHER: &str = "127.0.0.5";

/// What the backend hears of a call.
const NAMES: &str = "metadata:\n  request: [x-consent-id]\n  caller: {address: x-address, certificate_sha256: x-sha256, certificate: x-cert-bin}\n";

/// A plain gateway behind a proxy at [`PROXY`], that accepts callers of one authority.
struct Stage {
    gateway: Gateway,
    callers: Authority,
    calls: Arc<AtomicUsize>,
    metadata: Arc<Mutex<Vec<String>>>,
    _backend: Backend,
    _folder: TempDir,
}

impl Stage {
    /// `hop` are more keys of `listen.hop`, `rest` of the file.
    fn new(hop: &str, rest: &str) -> Self {
        let (folder, callers) = (tempfile::tempdir().unwrap(), Authority::new("callers").unwrap());
        std::fs::write(folder.path().join("ca.pem"), callers.pem()).unwrap();
        std::fs::write(folder.path().join("keys.json"), key_set(&[&P256])).unwrap();
        let (calls, metadata) = (Arc::<AtomicUsize>::default(), Arc::<Mutex<Vec<String>>>::default());
        let (counted, noted) = (calls.clone(), metadata.clone());
        let backend = backend(move |_, mut requests, replies| {
            counted.fetch_add(1, Ordering::SeqCst);
            let names = ["x-address", "x-sha256", "x-cert-bin"];
            let of = |name: &str| {
                let values = requests.headers.get_all(name).iter();
                values.map(|value| format!("{name}: {}", value.to_str().unwrap())).collect::<Vec<_>>()
            };
            *noted.lock().unwrap() = names.into_iter().flat_map(of).collect();
            async move {
                requests.all().await;
                replies.send(&note("got", 1)).await;
                replies.end("0", "").await;
            }
        });
        let path = folder.path().display();
        let config = format!(
            "upstream: http://{}\nschema: talk.proto\nlisten:\n  address: 127.0.0.1:0\n  hop: {{from: {PROXY}, client_ca: \
             {path}/ca.pem, {hop}}}\n{NAMES}{}",
            backend.address,
            rest.replace("FOLDER", &path.to_string()),
        );
        let gateway = Gateway::with(&config, &Overrides::default(), Ok(schema()), None);
        Self { gateway, callers, calls, metadata, _backend: backend, _folder: folder }
    }

    fn ask(&self, from: &str, headers: &[(&str, &str)]) -> Answer {
        let mut stream = http::connect_from(from, self.gateway.address);
        let headers = [&[("Content-Type", "application/json")], headers].concat();
        http::write(&mut stream, "POST", "/ask", &headers, Some(b"{}"));
        http::read(&mut stream)
    }

    /// How many calls the backend has seen since this was asked last.
    fn calls(&self) -> usize {
        self.calls.swap(0, Ordering::SeqCst)
    }
}

fn der(issued: &Issued) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(issued.certificate_pem().as_bytes()).unwrap()
}

/// As nginx writes `$ssl_client_escaped_cert`.
fn escaped(issued: &Issued) -> String {
    let escape =
        |c: char| if c.is_ascii_alphanumeric() || c == '-' { c.to_string() } else { format!("%{:02X}", c as u32) };
    issued.certificate_pem().chars().map(escape).collect()
}

fn sequence(der: &[u8]) -> String {
    format!(":{}:", STANDARD.encode(der))
}

#[test]
fn a_certificate_in_each_format_reaches_the_backend_as_that_of_the_caller() {
    for (hop, header, write) in [
        ("certificate_header: client-cert", "Client-Cert", (|issued| sequence(&der(issued))) as fn(&Issued) -> String),
        ("certificate_header: x-ssl-cert, format: pem", "X-SSL-Cert", escaped),
        ("certificate_header: x-ssl-cert, format: pem", "X-SSL-Cert", |issued| {
            issued.certificate_pem().replace("\r\n", "\n").replace('\n', " ")
        }),
        ("certificate_header: x-forwarded-client-cert", "X-Forwarded-Client-Cert", |issued| {
            format!("Hash=00;Cert=\"{}\";Subject=\"CN=acme\"", escaped(issued))
        }),
        ("certificate_header: x-forwarded-tls-client-cert", "X-Forwarded-Tls-Client-Cert", |issued| {
            STANDARD.encode(der(issued))
        }),
    ] {
        let stage = Stage::new(hop, "");
        let (acme, initech) = (stage.callers.issue("acme.test").unwrap(), stage.callers.issue("initech.test").unwrap());
        // Two callers, and the first once more: nothing stays from the request before.
        for issued in [&acme, &initech, &acme] {
            let answer = stage.ask(PROXY, &[(header, &write(issued)), ("X-Sha256", "00"), ("X-Cert-Bin", "AA==")]);
            assert_eq!(answer.status, 200, "{header}: {answer:?}");
            let sha256: String = tls::sha256(&der(issued)).iter().map(|byte| format!("{byte:02x}")).collect();
            let told = [
                format!("x-address: {PROXY}"),
                format!("x-sha256: {sha256}"),
                format!("x-cert-bin: {}", STANDARD.encode(der(issued))),
            ];
            assert_eq!(*stage.metadata.lock().unwrap(), told, "{header}");
        }
        assert_eq!(stage.calls(), 3, "{header}");
    }
}

/// Every header in which some proxy passes on a certificate, as security reviews list them.
const FORGED: [&str; 12] = [
    "Client-Cert",
    "Client-Cert-Chain",
    "Client_Cert",
    "X-Forwarded-Client-Cert",
    "X-SSL-Cert",
    "X-SSL-Client-Cert",
    "X-Forwarded-Tls-Client-Cert",
    "X-Forwarded-Tls-Client-Cert-Info",
    "X-Amzn-Mtls-Clientcert",
    "X-Amzn-Mtls-Clientcert-Leaf",
    "X-ARR-ClientCert",
    "CF-Client-Cert-Der-Base64",
];

#[test]
fn a_forged_certificate_header_gives_nobody_an_identity() {
    let stage = Stage::new("certificate_header: client-cert", "");
    let optional = Stage::new("certificate_header: client-cert, client_auth: optional", "");
    let issued = stage.callers.issue("acme.test").unwrap();
    let by_optional = sequence(&der(&optional.callers.issue("acme.test").unwrap()));
    let value = sequence(&der(&issued));
    for name in FORGED {
        // Not from the proxy: refused, whatever the header is called.
        let answer = stage.ask(OTHER, &[(name, &value)]);
        assert_eq!((answer.status, reason(&answer)), (403, "PROXY_NOT_TRUSTED".to_owned()), "{name}");
        // From the proxy, which passes on what its client sent: only the configured header counts.
        let answer = stage.ask(PROXY, &[(name, &value)]);
        let expected = if name == "Client-Cert" { 200 } else { 403 };
        assert_eq!(answer.status, expected, "{name}: {answer:?}");
        assert_eq!(stage.calls(), usize::from(name == "Client-Cert"), "{name}");
        // Where certificates are optional, it is refused or not looked at.
        let answer = optional.ask(OTHER, &[(name, &by_optional)]);
        let expected = if name == "Client-Cert" { 403 } else { 200 };
        assert_eq!((answer.status, optional.calls()), (expected, usize::from(expected == 200)), "{name}");
        assert_eq!(*optional.metadata.lock().unwrap(), address_only(expected, OTHER), "{name}");
    }
}

fn address_only(status: u16, address: &str) -> Vec<String> {
    if status == 200 { vec![format!("x-address: {address}")] } else { Vec::new() }
}

fn reason(answer: &Answer) -> String {
    answer.json()["details"][0]["reason"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_missing_repeated_or_faulty_certificate_is_refused_and_never_anonymous() {
    let (required, optional) =
        ("certificate_header: client-cert", "certificate_header: client-cert, client_auth: optional");
    for (hop, is_required) in [(required, true), (optional, false)] {
        let stage = Stage::new(hop, "");
        let good = sequence(&der(&stage.callers.issue("acme.test").unwrap()));
        let stranger = sequence(&der(&Authority::new("others").unwrap().issue("acme.test").unwrap()));
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
        let ended = sequence(params.self_signed(&KeyPair::generate().unwrap()).unwrap().der());
        let joined = format!("{good}, {good}");
        let eaten = &good[1..];
        let (missing, invalid) = ("CLIENT_CERTIFICATE_MISSING", "CLIENT_CERTIFICATE_INVALID");
        for (values, expected) in [
            (&[][..], missing),
            (&[""], missing),
            (&["::"], missing),
            (&["(null)"], missing),
            (&[":AA==:"], invalid),
            (&["null"], invalid),
            (&[eaten], invalid),
            (&[&joined], invalid),
            (&[&good, &good], invalid),
            (&[&good, ""], invalid),
            (&["", ""], invalid),
            (&[&stranger], invalid),
            (&[&ended], invalid),
        ] {
            let headers: Vec<(&str, &str)> = values.iter().map(|value| ("Client-Cert", *value)).collect();
            let answer = stage.ask(PROXY, &headers);
            if expected == missing && !is_required {
                assert_eq!((answer.status, stage.calls()), (200, 1), "{values:?}: {answer:?}");
                assert_eq!(*stage.metadata.lock().unwrap(), [format!("x-address: {PROXY}")], "{values:?}");
                continue;
            }
            assert_eq!((answer.status, reason(&answer)), (403, expected.to_owned()), "{values:?}: {answer:?}");
            assert_eq!(answer.header("www-authenticate"), None, "{values:?}");
            // A client that could take the header away by naming it would be anonymous.
            let answer = stage.ask(PROXY, &[&headers[..], &[("Connection", "client-cert")]].concat());
            assert!(matches!(answer.status, 400 | 403), "{values:?}: {answer:?}");
            assert_eq!(stage.calls(), 0, "{values:?}");
        }
        assert_eq!(stage.ask(PROXY, &[("Client-Cert", &good)]).status, 200);
    }
}

#[test]
fn tokens_limits_and_routes_see_the_certificate_of_the_caller_behind_the_proxy() {
    let callers = format!(
        "callers:\n  issuers:\n    bank:\n      issuer: {ISSUER}\n      audience: {AUDIENCE}\n      keys: FOLDER/keys.json\n  \
         require:\n    bound_to: certificate\nlimits:\n  each:\n    rate: 2/h\n    by: certificate\n"
    );
    let stage = Stage::new("certificate_header: client-cert", &callers);
    let (acme, initech) = (stage.callers.issue("acme.test").unwrap(), stage.callers.issue("initech.test").unwrap());
    let bound = |issued: &Issued| {
        let digest = base64url(tls::sha256(&der(issued)));
        format!("Bearer {}", P256.token(&claims_with(json!({"cnf": {"x5t#S256": digest}}))))
    };
    let ask = |shown: &Issued, token: &Issued| {
        let headers = [("Client-Cert", sequence(&der(shown))), ("Authorization", bound(token))];
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        stage.ask(PROXY, &headers).status
    };
    // The token of another caller, then the own one, until the certificate's calls are used up.
    assert_eq!((ask(&acme, &initech), stage.calls()), (401, 0));
    assert_eq!((ask(&acme, &acme), stage.calls()), (200, 1));
    assert_eq!((ask(&acme, &acme), stage.calls()), (429, 0));
    assert_eq!((ask(&initech, &initech), stage.calls()), (200, 1));
}
