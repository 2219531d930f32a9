//! Who comes in: callers by an authority, by pins of their own, or without a certificate where that is allowed.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::client::ResolvesClientCert;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, RootCertStore, SignatureScheme, StreamOwned,
    SupportedProtocolVersion,
};
use towbar::cli::demo::bank::certificates::Authority;

use crate::support::folder::{Folder, NOBODY, get_with};
use crate::support::http;
use crate::support::process::Gateway;

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

/// What a gateway needs with these lines under `listen.tls`.
fn folder_with(servers: &Authority, lines: &str) -> Folder {
    let folder = Folder::new();
    folder.write("shop/orders.proto", get_with(r#"get: "/v1/{id}""#));
    folder.write_identity("c.pem", "k.pem", &servers.issue("gateway.test").unwrap());
    folder.write("towbar.yaml", config(lines));
    folder
}

/// A gateway with these lines under `listen.tls`.
fn gateway(servers: &Authority, lines: &str) -> (Folder, Gateway) {
    let folder = folder_with(servers, lines);
    folder.write("clients.pem", servers.pem());
    let gateway = folder.start(&["serve", "--config", "towbar.yaml"]);
    (folder, gateway)
}

fn config(lines: &str) -> String {
    format!(
        "schema: shop\nupstream: {NOBODY}\nlisten:\n  address: 127.0.0.1:0\n  tls:\n    cert: c.pem\n    key: k.pem\n{lines}"
    )
}

#[test]
fn callers_are_accepted_by_pin_or_authority_and_must_prove_their_key() {
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
fn wrong_client_settings_are_reported_with_line_and_column() {
    let pin = format!("cert-sha256:{}", "00".repeat(32));
    for (lines, expected) in [
        (
            format!("    clients:\n      acme: [{pin}]\n      initech: {pin}\n"),
            vec!["towbar.yaml:10:16: initech: this pin already belongs to client `acme`"],
        ),
        (
            "    clients:\n      acme: sha1:00\n      initech: []\n".to_owned(),
            vec![
                "towbar.yaml:9:13: acme: expected `cert-sha256:` or `spki-sha256:` and 32 bytes in hex or base64",
                "towbar.yaml:10:7: initech: expected pins or a list of them, found an empty list",
            ],
        ),
        (
            "    clients:\n".to_owned(),
            vec!["towbar.yaml:8:5: clients: expected at least one client by name, found none"],
        ),
        (
            "    client_auth: optional\n".to_owned(),
            vec![
                "towbar.yaml:8:18: client_auth: has no effect without `client_ca` or `clients`; set one of them, or remove \
                 this key",
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

/// An authority of callers that says how long its certificates last.
struct Ca(CertifiedIssuer<'static, KeyPair>);

impl Ca {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "callers");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    /// What a caller shows, until then.
    fn issue(&self, until: SystemTime) -> CertifiedKey {
        let key = KeyPair::generate().unwrap();
        let certificate = lasting(until).signed_by(&key, &self.0).unwrap();
        shown(certificate.der().clone(), &key.serialize_der())
    }
}

/// What a certificate says that lasts until then.
fn lasting(until: SystemTime) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, "a caller");
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(1970, 1, 1) + until.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    params
}

/// A certificate of a caller's own that lasts until then, and its pin.
fn own(until: SystemTime) -> (CertifiedKey, String) {
    let key = KeyPair::generate().unwrap();
    let certificate = lasting(until).self_signed(&key).unwrap().der().clone();
    let pin = format!("cert-sha256:{}", hex(&certificate));
    (shown(certificate, &key.serialize_der()), pin)
}

/// A caller that comes back with the sessions it was given, and may have another certificate by then.
struct Returning {
    config: Arc<ClientConfig>,
    shows: Arc<Shows>,
}

#[derive(Debug)]
struct Shows(Mutex<Arc<CertifiedKey>>);

impl ResolvesClientCert for Shows {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.lock().unwrap().clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl Returning {
    fn new(servers: &Authority, shown: CertifiedKey, version: &'static SupportedProtocolVersion) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(servers.pem().as_bytes()).unwrap()).unwrap();
        let shows = Arc::new(Shows(Mutex::new(Arc::new(shown))));
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_client_cert_resolver(shows.clone());
        Self { config: Arc::new(config), shows }
    }

    fn connect(&self, to: SocketAddr) -> StreamOwned<ClientConnection, TcpStream> {
        let connection =
            ClientConnection::new(self.config.clone(), ServerName::try_from("127.0.0.1").unwrap()).unwrap();
        StreamOwned::new(connection, http::connect(to))
    }

    /// Comes on a new connection: how its handshake was made if it is answered, `None` if it is refused.
    fn come(&self, to: SocketAddr) -> Option<HandshakeKind> {
        let mut stream = self.connect(to);
        let answer = ask(&mut stream, "close");
        (status(&answer) == Some(404)).then(|| stream.conn.handshake_kind().unwrap())
    }
}

/// Sends a request and gives all of what comes back.
fn ask(stream: &mut StreamOwned<ClientConnection, TcpStream>, connection: &str) -> String {
    let head = format!("GET /none HTTP/1.1\r\nHost: gateway.test\r\nConnection: {connection}\r\n\r\n");
    let _ = stream.write_all(head.as_bytes());
    let mut answer = Vec::new();
    if connection == "close" {
        let _ = stream.read_to_end(&mut answer);
    } else {
        let mut piece = [0; 4096];
        while !answer.ends_with(b"}") {
            match stream.read(&mut piece) {
                Ok(0) | Err(_) => break,
                Ok(read) => answer.extend_from_slice(&piece[..read]),
            }
        }
    }
    String::from_utf8(answer).unwrap()
}

fn status(answer: &str) -> Option<u16> {
    answer.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
}

const FULL: Option<HandshakeKind> = Some(HandshakeKind::Full);
const RESUMED: Option<HandshakeKind> = Some(HandshakeKind::Resumed);

fn in_seconds(seconds: u64) -> SystemTime {
    SystemTime::now() + Duration::from_secs(seconds)
}

/// Waits until this time is over, and what ends with it.
fn wait_until_over(time: SystemTime) {
    while SystemTime::now() < time + Duration::from_secs(2) {
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_tls_session_ends_when_its_client_certificate_expires_even_if_resumed() {
    let (servers, ca) = (Authority::new("servers").unwrap(), Ca::new());
    let end = in_seconds(8);
    let (pinned, pin) = own(end);
    let (renewed, renewed_pin) = own(in_seconds(1 << 20));
    let clients = format!("    client_ca: callers.pem\n    clients:\n      acme: [{pin}, {renewed_pin}]\n");
    let (_folder, gateway) = gateway_for(&servers, &ca, &clients);
    let to = gateway.address;
    let callers: Vec<(String, Returning)> = [&TLS12, &TLS13]
        .into_iter()
        .flat_map(|version| {
            [("pin", pinned.clone()), ("authority", ca.issue(end))]
                .map(|(known_by, shown)| (format!("{known_by}, {version:?}"), Returning::new(&servers, shown, version)))
        })
        .collect();
    for (case, caller) in &callers {
        let came: Vec<_> = (0..4).map(|_| caller.come(to)).collect();
        assert_eq!(came, [FULL, RESUMED, RESUMED, RESUMED], "{case}");
    }
    assert!(SystemTime::now() < end, "the machine is too slow for this test");
    wait_until_over(end);
    for (case, caller) in &callers {
        assert_eq!(caller.come(to), None, "{case}: over");
        // A new certificate is asked for, and not an old session's.
        *caller.shows.0.lock().unwrap() = Arc::new(renewed.clone());
        assert_eq!([caller.come(to), caller.come(to)], [FULL, RESUMED], "{case}: renewed");
    }
}

#[test]
fn an_open_connection_accepts_no_requests_after_its_client_certificate_expires() {
    let (servers, ca) = (Authority::new("servers").unwrap(), Ca::new());
    let end = in_seconds(6);
    let (_folder, gateway) = gateway_for(&servers, &ca, "    client_ca: callers.pem\n");
    for version in [&TLS12, &TLS13] {
        let shorter = Returning::new(&servers, ca.issue(end), version);
        let longer = Returning::new(&servers, ca.issue(in_seconds(1 << 20)), version);
        let mut open = [shorter.connect(gateway.address), longer.connect(gateway.address)];
        let mut ask_all = || open.each_mut().map(|stream| status(&ask(stream, "keep-alive")));
        if SystemTime::now() < end {
            assert_eq!(ask_all(), [Some(404), Some(404)], "{version:?}");
        }
        wait_until_over(end);
        assert_eq!(ask_all(), [None, Some(404)], "{version:?}");
    }
}

#[test]
fn a_reload_ends_sessions_and_connections_of_callers_it_no_longer_accepts() {
    let (servers, ca, other_ca) = (Authority::new("servers").unwrap(), Ca::new(), Ca::new());
    let later = in_seconds(1 << 20);
    let (acme, acme_pin) = own(later);
    let (initech, initech_pin) = own(later);
    let lines = |pins: &[&str]| {
        format!(
            "    client_ca: callers.pem\n    clients: {{pinned: [{}]}}\nreload: {{interval: 100ms}}\n",
            pins.join(", ")
        )
    };
    for version in [&TLS12, &TLS13] {
        let (folder, gateway) = gateway_for(&servers, &ca, &lines(&[&acme_pin, &initech_pin]));
        let to = gateway.address;
        let [acme, initech, ours] =
            [acme.clone(), initech.clone(), ca.issue(later)].map(|shown| Returning::new(&servers, shown, version));
        let all = [&acme, &initech, &ours];
        let mut open = all.map(|caller| caller.connect(to));
        let mut ask_all = || open.each_mut().map(|stream| ask(stream, "keep-alive"));
        assert_eq!(ask_all().map(|answer| status(&answer)), [Some(404); 3], "{version:?}");
        assert_eq!(all.map(|caller| [caller.come(to), caller.come(to)]), [[RESUMED; 2]; 3], "{version:?}");
        // One pin is taken out.
        folder.write("towbar.yaml", config(&lines(&[&acme_pin])));
        let end = Instant::now() + Duration::from_secs(20);
        while initech.come(to).is_some() {
            assert!(Instant::now() < end, "{version:?}: its pin still counts");
            std::thread::sleep(Duration::from_millis(50));
        }
        // No session of the old configuration is one of the new.
        assert_eq!(
            [&acme, &ours].map(|caller| [caller.come(to), caller.come(to)]),
            [[FULL, RESUMED]; 2],
            "{version:?}"
        );
        let answers = ask_all();
        assert_eq!(answers.each_ref().map(|answer| status(answer)), [Some(404), Some(421), Some(404)], "{version:?}");
        let [_, refused, _] = answers;
        let body = r#"{"code":16,"message":"the client certificate of this connection is not accepted any more; send the request again over a new connection, with a certificate that is","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"CLIENT_CERTIFICATE_NO_LONGER_ACCEPTED","domain":"towbar"}]}"#;
        assert!(refused.contains("connection: close\r\n") && refused.ends_with(body), "{refused}");
        // Another authority takes the place of the first.
        folder.write("callers.pem", other_ca.pem());
        let end = Instant::now() + Duration::from_secs(20);
        while ours.come(to).is_some() {
            assert!(Instant::now() < end, "{version:?}: its authority still counts");
            std::thread::sleep(Duration::from_millis(50));
        }
        let theirs = Returning::new(&servers, other_ca.issue(later), version);
        assert_eq!([theirs.come(to), theirs.come(to)], [FULL, RESUMED], "{version:?}");
        let stderr = gateway.stop().stderr;
        let told =
            "refused a request from 127.0.0.1: the client certificate of this connection is not accepted any more;";
        assert_eq!(stderr.lines().filter(|line| line.contains(told)).count(), 1, "{version:?}: {stderr}");
    }
}

/// RFC 9113, section 4.1.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

#[test]
fn malformed_http2_is_logged_without_quoting_it() {
    let servers = Authority::new("servers").unwrap();
    let folder = folder_with(&servers, "");
    let gateway = folder.start(&["serve", "--config", "towbar.yaml"]);
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(servers.pem().as_bytes()).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder.with_protocol_versions(&[&TLS13]).unwrap().with_root_certificates(roots);
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = StreamOwned::new(connection, http::connect(gateway.address));
    // A name in upper case, as a literal that is not indexed; and bytes of a stream that is none.
    let (head, data) = (frame(1, 5, 1, b"\0\x06Secret\x06secret"), frame(0, 0, 0, b"secret"));
    let settings = frame(4, 0, 0, b"");
    stream.write_all(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &settings[..], &head, &data].concat()).unwrap();
    let _ = stream.read_to_end(&mut Vec::new());
    let stderr = gateway.stop().stderr;
    let told: Vec<&str> = stderr.lines().filter_map(|line| line.split_once(" INFO ").map(|(_, text)| text)).collect();
    assert_eq!(
        told,
        [
            "towbar::observe::refused: refused a request from 127.0.0.1: the head has a field that RFC 9113, sections 8.2 and 8.3, \
             does not allow",
            "towbar::observe::refused: ended a connection from 127.0.0.1: what it sent is not HTTP/2 as RFC 9113 has it: unspecific \
             protocol error detected",
        ],
        "{stderr}"
    );
}

/// A gateway with these lines under `listen.tls`, and the authority as `callers.pem`.
fn gateway_for(servers: &Authority, ca: &Ca, lines: &str) -> (Folder, Gateway) {
    let folder = folder_with(servers, lines);
    folder.write("callers.pem", ca.pem());
    let gateway = folder.start(&["serve", "--config", "towbar.yaml"]);
    (folder, gateway)
}

#[test]
fn a_client_chain_that_is_costly_to_verify_is_refused_and_logged_once_a_second() {
    let (servers, ca) = (Authority::new("servers").unwrap(), Ca::new());
    let (_folder, mut gateway) = gateway_for(&servers, &ca, "    client_ca: callers.pem\nadmin: 127.0.0.1:0\n");
    let admin = gateway.process.read_until("metrics on http://");
    let admin: SocketAddr = admin.strip_suffix("/metrics").unwrap().parse().unwrap();
    // Each could be the issuer of each other: their names are one, and that of the authority.
    let cross = |name: &str| {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    };
    let shows = |chain: Vec<CertifiedIssuer<'static, KeyPair>>| {
        let key = KeyPair::generate().unwrap();
        let own = lasting(in_seconds(1 << 20)).signed_by(&key, &chain[0]).unwrap();
        let mut shown = shown(own.der().clone(), &key.serialize_der());
        shown.cert.extend(chain.iter().map(|one| one.der().clone()));
        shown
    };
    for (chain, expected) in [
        (vec!["callers"; 40], "the peer shows 41 certificates; at most 8 are accepted"),
        (vec!["a", "b", "c", "d", "e", "f", "g", "h"], "the peer shows 9 certificates; at most 8 are accepted"),
        (vec!["callers"; 3], "the peer shows more than 2 certificates of authorities with the same subject"),
        (vec!["callers"; 2], "invalid peer certificate: BadSignature"),
    ] {
        let shown = shows(chain.iter().map(|name| cross(name)).collect());
        for version in [&TLS12, &TLS13] {
            // More than a line a second is not told.
            std::thread::sleep(Duration::from_millis(1100));
            assert!(!is_in(gateway.address, &servers, Some(shown.clone()), version), "{expected}");
            assert!(!is_in(gateway.address, &servers, Some(shown.clone()), version), "{expected}");
        }
    }
    // A port that is only looked at is nobody's fault; one on which a handshake breaks off is.
    std::thread::sleep(Duration::from_millis(1100));
    drop(http::connect(gateway.address));
    http::connect(gateway.address).write_all(&[22, 3, 1]).unwrap();
    let failed = |reason: &str| {
        let text = http::get(admin, "/metrics").body;
        let name = format!("towbar_failed_handshakes_total{{reason=\"{reason}\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&name)).unwrap().to_owned()
    };
    let end = Instant::now() + Duration::from_secs(20);
    while failed("closed") == "0" {
        assert!(Instant::now() < end, "{}", http::get(admin, "/metrics").body);
        std::thread::sleep(Duration::from_millis(20));
    }
    let counts = ["certificate", "closed", "protocol", "timeout", "refused_by_caller"].map(failed);
    assert_eq!(counts, ["16", "1", "0", "0", "0"]);
    let stderr = gateway.stop().stderr;
    let told: Vec<&str> = stderr
        .lines()
        .filter_map(|line| line.split_once("a TLS handshake with 127.0.0.1 failed: "))
        .map(|(_, text)| text)
        .collect();
    for (count, expected) in [
        (2, "the peer shows 41 certificates; at most 8 are accepted"),
        (2, "the peer shows 9 certificates; at most 8 are accepted"),
        (2, "the peer shows more than 2 certificates of authorities with the same subject"),
        (2, "invalid peer certificate: BadSignature"),
        (1, "tls handshake eof"),
    ] {
        assert_eq!(told.iter().filter(|text| text.starts_with(expected)).count(), count, "{expected}: {stderr}");
    }
    assert_eq!(told.iter().filter(|text| text.ends_with("; 1 more since the last line")).count(), 8, "{stderr}");
    // Each refused certificate is named, and so can be found at its owner's.
    let named = |text: &&&str| {
        let certificate = text.split_once("; the caller's certificate: subject \"CN=a caller\", SHA-256 ");
        certificate.is_some_and(|(_, rest)| rest.bytes().take_while(u8::is_ascii_hexdigit).count() == 64)
    };
    assert_eq!(told.iter().filter(named).count(), 8, "{stderr}");
}
