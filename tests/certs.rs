//! `towbar certs`: what it makes, and what it finds in the certificates of others.
#![allow(clippy::unwrap_used, dead_code, reason = "a test may panic, and uses a part of its support")]

#[path = "support/folder.rs"]
mod folder;
#[path = "support/process.rs"]
mod process;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose as Use, IsCa, Issuer,
    KeyPair, PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA512, PKCS_ED25519, date_time_ymd,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConnection, ServerConnection};
use towbar::app::App;
use towbar::certs::{self, Asked, Profile, Usage};
use towbar::config::{self, Overrides};
use towbar::secret::Permissions;
use towbar::tls::{self, Identity, IdentityFiles, Servers, Trust};

use folder::Folder;
use process::installed;

/// The days of all these tests: 2026-11-22, noon.
const NOW: u64 = 1_795_348_800;

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(NOW)
}

/// A certificate that is right for both ends for a year, but for what a case says.
fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages = vec![Use::ServerAuth, Use::ClientAuth];
    (params.not_before, params.not_after) = (date_time_ymd(2026, 6, 1), date_time_ymd(2027, 6, 1));
    params
}

fn authority(name: &str) -> CertificateParams {
    let mut params = params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.extended_key_usages = Vec::new();
    params
}

fn self_signed(params: CertificateParams, key: &KeyPair) -> String {
    params.self_signed(key).unwrap().pem()
}

/// What is found in these files, which hold what is given.
fn found(files: &[(&str, String)], asked: Asked) -> Vec<String> {
    let folder = Folder::new();
    for (name, text) in files {
        folder.write_key(name, text);
    }
    let paths: Vec<PathBuf> = files.iter().map(|(name, _)| folder.path(name)).collect();
    let report = certs::check(&Asked { files: paths, ..asked }, now());
    let root = format!("{}/", folder.path("").display().to_string().trim_end_matches('/'));
    report.findings.iter().map(|finding| finding.to_string().replace(&root, "")).collect()
}

fn thales() -> Asked {
    Asked { profile: Some(Profile::Thales), name: Some("D1-42".to_owned()), ..Asked::default() }
}

fn of(usage: Usage) -> Asked {
    Asked { usage: Some(usage), ..Asked::default() }
}

#[test]
fn thales_takes_what_its_document_says_and_nothing_else() {
    type Alter = fn(&mut CertificateParams);
    let p256 = || KeyPair::generate().unwrap();
    let cases: [(&str, Alter, KeyPair, &[&str]); 9] = [
        ("as it should be", |_| {}, p256(), &[]),
        ("two years", |params| params.not_after = date_time_ymd(2028, 6, 1), p256(), &[]),
        (
            "825 days",
            |params| params.not_after = params.not_before + Duration::from_secs(825 * 86400),
            p256(),
            &["error: c.pem: Thales: expected at most 2 years, found 825 days"],
        ),
        (
            "P-384",
            |_| {},
            KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap(),
            &["warning: c.pem: Thales: expected a signature with SHA-256, found SHA-384"],
        ),
        (
            "P-521",
            |_| {},
            KeyPair::generate_for(&PKCS_ECDSA_P521_SHA512).unwrap(),
            &[
                "error: c.pem: Thales: expected EC P-256, EC P-384 or RSA 2048, found EC P-521",
                "warning: c.pem: Thales: expected a signature with SHA-256, found SHA-512",
            ],
        ),
        (
            "Ed25519",
            |_| {},
            KeyPair::generate_for(&PKCS_ED25519).unwrap(),
            &[
                "error: c.pem: Thales: expected EC P-256, EC P-384 or RSA 2048, found Ed25519",
                "error: c.pem: Thales: expected a signature with SHA-256, found Ed25519",
            ],
        ),
        (
            "another name",
            |params| params.distinguished_name.push(DnType::CommonName, "D1-42-prod"),
            p256(),
            &["error: c.pem: expected the common name `D1-42`, found `D1-42-prod`"],
        ),
        (
            "no name",
            |params| params.distinguished_name = DistinguishedName::new(),
            p256(),
            &[
                "error: c.pem: Thales: expected one common name, found 0",
                "error: c.pem: expected the common name `D1-42`, found none",
            ],
        ),
        (
            "over, and not begun",
            |params| params.not_after = date_time_ymd(2026, 11, 1),
            p256(),
            &["error: c.pem: is not valid any more since 2026-11-01"],
        ),
    ];
    for (case, alter, key, expected) in cases {
        let mut params = params("D1-42");
        alter(&mut params);
        let files = [("c.pem", self_signed(params, &key)), ("k.pem", key.serialize_pem())];
        assert_eq!(found(&files, thales()), expected, "{case}");
    }
    let (key, root) = (p256(), p256());
    let issuer = Issuer::new(authority("Some CA"), root);
    let issued = params("D1-42").signed_by(&key, &issuer).unwrap().pem();
    let expected = [
        "note: c.pem: its issuer is not there (CN=Some CA): if that is an intermediate authority, put its certificate behind \
         this one, or peers find no way to a root",
        "error: c.pem: Thales: expected a self-signed certificate, found one issued by CN=Some CA",
    ];
    assert_eq!(found(&[("c.pem", issued)], thales()), expected);
    // The name of the issuer is its own, the signature is not.
    let liar = Issuer::new(authority("D1-42"), p256());
    let signed = params("D1-42").signed_by(&key, &liar).unwrap().pem();
    let told = found(&[("c.pem", signed)], thales());
    let expected =
        "error: c.pem: Thales: expected a self-signed certificate, found one whose signature is another key's";
    assert!(told.contains(&expected.to_owned()), "{told:?}");
    let unnamed = Asked { name: None, ..thales() };
    let expected = ["note: c.pem: Thales: the common name is not checked: give the portal's with `--name`"];
    assert_eq!(found(&[("c.pem", self_signed(params("D1-42"), &key))], unnamed), expected);
}

#[test]
fn an_end_is_told_60_30_and_7_days_before() {
    for (left, expected) in [
        (-1_i32, Some("error: c.pem: is not valid any more since 2026-11-21")),
        (0, Some("warning: c.pem: ends in 0 days, on 2026-11-22: renew it now")),
        (1, Some("warning: c.pem: ends in 1 day, on 2026-11-23: renew it now")),
        (7, Some("warning: c.pem: ends in 7 days, on 2026-11-29: renew it now")),
        (8, Some("warning: c.pem: ends in 8 days, on 2026-11-30: renew it")),
        (30, Some("warning: c.pem: ends in 30 days, on 2026-12-22: renew it")),
        (31, Some("warning: c.pem: ends in 31 days, on 2026-12-23: plan its renewal")),
        (60, Some("warning: c.pem: ends in 60 days, on 2027-01-21: plan its renewal")),
        (61, None),
    ] {
        let mut params = params("bank.test");
        let end = date_time_ymd(2026, 11, 22) + Duration::from_secs(12 * 3600 + 60);
        let day = Duration::from_secs(24 * 3600);
        params.not_after = if left < 0 { end - day } else { end + day * left.unsigned_abs() };
        let told = found(&[("c.pem", self_signed(params, &KeyPair::generate().unwrap()))], Asked::default());
        assert_eq!(told, expected.into_iter().collect::<Vec<_>>(), "{left}");
    }
    let mut early = params("bank.test");
    early.not_before = date_time_ymd(2027, 1, 1);
    let told = found(&[("c.pem", self_signed(early, &KeyPair::generate().unwrap()))], Asked::default());
    assert_eq!(told, ["error: c.pem: is not valid before 2027-01-01"]);
}

/// A root, two intermediate authorities of one name (as Token has them), and a certificate of the second.
struct Tree {
    root: String,
    twin: String,
    intermediate: String,
    leaf: String,
    key: String,
}

fn tree() -> Tree {
    let new = || KeyPair::generate().unwrap();
    let (root_key, twin_key, intermediate_key, key) = (new(), new(), new(), new());
    // A handshake has the clock of its day.
    let long = |mut params: CertificateParams| {
        params.not_after = date_time_ymd(2999, 1, 1);
        params
    };
    let authority = |name: &str| long(authority(name));
    let root_pem = self_signed(authority("Root"), &root_key);
    let root = Issuer::new(authority("Root"), root_key);
    let twin = authority("Token").signed_by(&twin_key, &root).unwrap().pem();
    let intermediate = authority("Token").signed_by(&intermediate_key, &root).unwrap().pem();
    let issuer = Issuer::new(authority("Token"), intermediate_key);
    let leaf = long(params("bank.test")).signed_by(&key, &issuer).unwrap().pem();
    Tree { root: root_pem, twin, intermediate, leaf, key: key.serialize_pem() }
}

#[test]
fn a_chain_has_every_link_in_its_order_and_nothing_else() {
    let Tree { root, twin, intermediate, leaf, key } = tree();
    let missing = "note: c.pem: its issuer is not there (CN=Token): if that is an intermediate authority, put its \
                   certificate behind this one, or peers find no way to a root";
    let order = "warning: c.pem: expected each certificate before its issuer's, found another order: write CN=bank.test | \
                 CN=Token | CN=Root";
    let alien = "warning: c.pem, certificate 2: expected the chain of c.pem, certificate 1, found a certificate that has its \
                 issuer's name, and another key";
    let apart = "warning: c.pem, certificate 3: expected the chain of c.pem, certificate 1, found a certificate that is no \
                 part of it";
    let foreign = self_signed(params("other.test"), &KeyPair::generate().unwrap());
    for (chain, expected) in [
        (vec![&leaf, &intermediate, &root], &[][..]),
        (vec![&leaf, &intermediate], &[]),
        (vec![&leaf], &[missing]),
        (vec![&root, &intermediate, &leaf], &[order]),
        (vec![&leaf, &root, &intermediate], &[order]),
        (vec![&leaf, &twin], &[alien, &missing.replace("c.pem", "c.pem, certificate 1")]),
        (vec![&leaf, &intermediate, &foreign], &[apart]),
    ] {
        let text: String = chain.iter().map(|pem| pem.as_str()).collect();
        assert_eq!(found(&[("c.pem", text), ("k.pem", key.clone())], of(Usage::Server)), expected, "{}", chain.len());
    }
    // In files of their own they have no order.
    let files = [("r.pem", root), ("i.pem", intermediate), ("c.pem", leaf.clone()), ("k.pem", key)];
    assert_eq!(found(&files, of(Usage::Server)), Vec::<String>::new());
    let other = KeyPair::generate().unwrap().serialize_pem();
    let told = found(&[("c.pem", leaf), ("k.pem", other)], of(Usage::Client));
    assert_eq!(told, ["error: k.pem: the private key is of none of these certificates", missing]);
}

/// Whatever the file's order, the own certificate is shown first, and each after the one that it vouches for.
#[test]
fn a_chain_is_shown_in_its_order() {
    let Tree { root, intermediate, leaf, key, .. } = tree();
    let der = |pem: &String| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    for (file, shown) in [
        (vec![&leaf, &intermediate, &root], vec![&leaf, &intermediate, &root]),
        (vec![&root, &intermediate, &leaf], vec![&leaf, &intermediate, &root]),
        (vec![&intermediate, &leaf], vec![&leaf, &intermediate]),
    ] {
        let folder = Folder::new();
        let text: String = file.iter().map(|pem| pem.as_str()).collect();
        folder.write("c.pem", text).write_key("k.pem", &key);
        let files =
            IdentityFiles { cert: folder.path("c.pem"), key: folder.path("k.pem"), permissions: Permissions::Strict };
        let identity = Identity::load(&files).unwrap_or_else(|problems| panic!("{problems:?}"));
        let expected: Vec<_> = shown.into_iter().map(der).collect();
        assert_eq!(shown_by(identity, der(&root)), expected);
    }
}

/// What a client is shown that trusts `root`.
fn shown_by(identity: Identity, root: CertificateDer<'static>) -> Vec<CertificateDer<'static>> {
    let mut server = ServerConnection::new(tls::server(identity, None, &[b"h2"]).unwrap()).unwrap();
    let servers = Servers::Trusted(Trust::new(vec![root]).unwrap());
    let client = tls::client(None, &servers, &[b"h2"]).unwrap();
    let mut client = ClientConnection::new(client, ServerName::try_from("bank.test").unwrap()).unwrap();
    for _ in 0..4 {
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).unwrap();
        server.read_tls(&mut bytes.as_slice()).unwrap();
        server.process_new_packets().unwrap();
        bytes.clear();
        server.write_tls(&mut bytes).unwrap();
        client.read_tls(&mut bytes.as_slice()).unwrap();
        client.process_new_packets().unwrap();
    }
    client.peer_certificates().unwrap().to_vec()
}

#[test]
fn what_a_servers_certificate_lacks_is_told_with_the_pin() {
    let key = KeyPair::generate().unwrap();
    let mut banks = params("bank.test");
    banks.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    banks.subject_alt_names.clear();
    banks.extended_key_usages = vec![Use::ClientAuth];
    let pem = self_signed(banks, &key);
    let told = found(&[("c.pem", pem.clone())], Asked { name: Some("bank.test".to_owned()), ..of(Usage::Server) });
    assert_eq!(told.len(), 3, "{told:?}");
    assert_eq!(told[0], "warning: c.pem: its extendedKeyUsage has no serverAuth: callers that look refuse it");
    let peculiar = "warning: c.pem: is self-signed, is marked as an authority's (CA:TRUE), names no host (no \
                    subjectAltName): only callers that pin it take it, by spki-sha256:";
    assert!(told[1].starts_with(peculiar), "{told:?}");
    assert_eq!(told[2], "error: c.pem: expected the name `bank.test` in its subjectAltName, found none");
    assert_eq!(found(&[("c.pem", pem)], of(Usage::Client)), Vec::<String>::new());

    let Tree { intermediate, key, .. } = tree();
    let _ = key;
    let (key, issuer) = (KeyPair::generate().unwrap(), Issuer::new(authority("Token"), KeyPair::generate().unwrap()));
    let mut wild = params("*.bank.test");
    wild.extended_key_usages = vec![Use::ServerAuth];
    let chain = wild.signed_by(&key, &issuer).unwrap().pem();
    for (name, fits) in [("a.bank.test", true), ("A.BANK.TEST", true), ("bank.test", false), ("a.b.bank.test", false)] {
        let asked = Asked { name: Some(name.to_owned()), ..of(Usage::Server) };
        let told = found(&[("c.pem", chain.clone())], asked);
        let error = format!("error: c.pem: expected the name `{name}` in its subjectAltName, found `*.bank.test`");
        assert_eq!(told.contains(&error), !fits, "{name}: {told:?}");
    }
    let told = found(&[("c.pem", chain), ("i.pem", intermediate)], of(Usage::Client));
    assert!(told.iter().any(|told| told.contains("no clientAuth: servers that look refuse it")), "{told:?}");
}

#[test]
fn a_bundle_holds_authorities_that_are_not_over() {
    let Tree { root, twin, intermediate, leaf, key } = tree();
    assert_eq!(found(&[("b.pem", format!("{root}{twin}{intermediate}"))], of(Usage::Trust)), Vec::<String>::new());
    let mut over = authority("Old");
    over.not_after = date_time_ymd(2026, 7, 1);
    let over = self_signed(over, &KeyPair::generate().unwrap());
    let told = found(&[("b.pem", format!("{root}{leaf}{over}{root}{key}"))], of(Usage::Trust));
    let expected = [
        "error: b.pem: expected certificates of authorities, found a private key: take it out",
        "warning: b.pem, certificate 2: is no authority's (no CA:TRUE): if it is the peer's own, pin it in place of \
         trusting it, by spki-sha256:",
        "warning: b.pem, certificate 3: is not valid any more since 2026-07-01",
        "warning: b.pem, certificate 4: is there twice",
    ];
    assert_eq!(told.len(), expected.len(), "{told:?}");
    assert!(told.iter().zip(expected).all(|(told, expected)| told.starts_with(expected)), "{told:#?}");
}

#[test]
fn what_is_no_certificate_and_no_key_is_told() {
    let key = KeyPair::generate().unwrap();
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (text, expected) in [
        ("", "expected certificates or a private key (PEM), found none"),
        ("hello", "expected certificates or a private key (PEM), found none"),
        (broken, "certificate 1: expected an X.509 certificate, found something else"),
        (encrypted, "the private key is encrypted: `openssl pkey -in FILE -out NEW` writes it without a pass phrase"),
        (
            &broken.replace("CERTIFICATE", "PRIVATE KEY"),
            "expected an RSA (2048 bits or more), ECDSA or Ed25519 private key, found one that cannot be used",
        ),
    ] {
        assert_eq!(
            found(&[("f.pem", text.to_owned())], Asked::default()),
            [format!("error: f.pem: {expected}")],
            "{text}"
        );
    }
    assert_eq!(found(&[("f.pem", key.serialize_pem())], Asked::default()), Vec::<String>::new());
    let missing = certs::check(&Asked { files: vec!["none.pem".into()], ..Asked::default() }, now());
    assert_eq!(missing.findings[0].to_string(), "error: none.pem: No such file or directory (os error 2)");
}

/// Kinds of keys and signatures that only OpenSSL makes, and keys in all their forms.
#[test]
fn what_openssl_makes_is_read() {
    let Some(openssl) = installed("openssl", "apt-get install openssl") else { return };
    let folder = Folder::new();
    let run = |arguments: &str| {
        let mut command = Command::new(&openssl);
        let ended = command.current_dir(folder.path("")).args(arguments.split(' ')).output().unwrap();
        assert!(ended.status.success(), "{arguments}: {}", String::from_utf8_lossy(&ended.stderr));
    };
    let read = |name: &str| fs::read_to_string(folder.path(name)).unwrap();
    let expected = "expected EC P-256, EC P-384 or RSA 2048, found";
    for (make, findings) in [
        ("ec -pkeyopt ec_paramgen_curve:P-384 -sha256", vec![]),
        ("rsa:2048 -sha256", vec![]),
        ("rsa:3072 -sha256", vec![format!("warning: c.pem: Thales: {expected} RSA 3072")]),
        (
            "rsa:1024 -sha256",
            vec![
                "error: c.pem: expected an RSA key of 2048 bits or more, found 1024".to_owned(),
                format!("error: c.pem: Thales: {expected} RSA 1024"),
            ],
        ),
        (
            "ec -pkeyopt ec_paramgen_curve:secp256k1 -sha256",
            vec![format!("error: c.pem: Thales: {expected} EC secp256k1")],
        ),
        (
            "rsa:2048 -sha1",
            vec![
                "warning: c.pem: is signed with SHA-1, which verifiers refuse unless they know the certificate"
                    .to_owned(),
                "error: c.pem: Thales: expected a signature with SHA-256, found SHA-1".to_owned(),
            ],
        ),
    ] {
        run(&format!("req -x509 -newkey {make} -noenc -days 700 -subj /CN=D1-42 -keyout k.pem -out c.pem"));
        let report = found(&[("c.pem", read("c.pem"))], thales());
        let report: Vec<_> = report.into_iter().filter(|finding| !finding.contains("is not valid")).collect();
        assert_eq!(report, findings, "{make}");
    }
    let sdk = "warning: k.pem: Token's SDK reads PKCS#8 only: `openssl pkcs8 -topk8 -nocrypt -in FILE -out NEW`";
    for (make, forms) in [
        ("genrsa -out p8.pem 2048", "rsa"),
        ("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out p8.pem", "ec"),
    ] {
        run(make);
        run(&format!("{forms} -in p8.pem -out old.pem{}", if forms == "rsa" { " -traditional" } else { "" }));
        run("req -x509 -new -key p8.pem -days 700 -subj /CN=D1-42 -out c.pem");
        assert!(read("old.pem").starts_with(&format!("-----BEGIN {} PRIVATE KEY", forms.to_uppercase())));
        let token = || Asked { profile: Some(Profile::Token), ..Asked::default() };
        for (key, findings) in [("p8.pem", vec![]), ("old.pem", vec![sdk.to_owned()])] {
            let told = found(&[("c.pem", read("c.pem")), ("k.pem", read(key))], token());
            let told: Vec<_> = told.into_iter().filter(|finding| !finding.contains("is not valid")).collect();
            assert_eq!(told, findings, "{make} {key}");
        }
    }
}

/// Digits of digests and days as `#` and `D`.
fn without_chance(text: &str) -> String {
    let word = |word: &str| match word {
        word if word.contains("-sha256:") => word.split(':').next().unwrap().to_owned() + ":#",
        word if word.len() == 10 && word.starts_with("20") => "D".to_owned(),
        word => word.to_owned(),
    };
    text.lines().map(|line| line.split(' ').map(word).collect::<Vec<_>>().join(" ") + "\n").collect()
}

#[test]
fn new_makes_what_check_takes_and_writes_over_nothing() {
    let folder = Folder::new();
    let ended = folder.run(&["certs", "new", "bank.example.com"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let expected = "\
./cert.pem
  subject    CN=bank.example.com
  issuer     itself
  key        EC P-256, signed with SHA-256
  valid      D to D
  names      bank.example.com
  use        server, client; nobody's authority
  pins       cert-sha256:#
             spki-sha256:#
./key.pem
  private key, PKCS#8, of ./cert.pem

all is well
";
    assert_eq!(without_chance(&ended.stdout), expected);
    let mode = |name: &str| fs::metadata(folder.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("key.pem"), 0o600);
    let key = fs::read(folder.path("key.pem")).unwrap();
    assert_eq!(
        folder.refusal(&["certs", "new", "bank.example.com"]),
        ["./key.pem: is there already", "./cert.pem: is there already"]
    );
    assert_eq!(fs::read(folder.path("key.pem")).unwrap(), key);

    fs::create_dir(folder.path("thales")).unwrap();
    let made = folder.run(&["certs", "new", "D1 issuer/42", "--profile", "thales", "--out", "thales"]);
    assert!(made.code == Some(0) && made.stdout.ends_with("\nall is well\n"), "{made:?}");
    let check =
        ["certs", "check", "thales/cert.pem", "thales/key.pem", "--profile", "thales", "--for", "client", "--name"];
    let checked = folder.run(&[&check[..], &["D1 issuer/42"]].concat());
    assert!(checked.code == Some(0) && checked.stdout.ends_with("\nall is well\n"), "{checked:?}");
    fs::set_permissions(folder.path("thales/key.pem"), fs::Permissions::from_mode(0o644)).unwrap();
    let checked = folder.run(&[&check[..], &["another"]].concat());
    let findings = "
error: thales/key.pem: others can read this file (mode 0644): run `chmod 600 thales/key.pem`, or set `secret_files: any`
error: thales/cert.pem: expected the common name `another`, found `D1 issuer/42`
2 errors, 0 warnings
";
    assert!(checked.code == Some(2) && checked.stdout.ends_with(findings), "{}", checked.stdout);

    for (arguments, expected) in [
        (
            &["", "--out", "thales"][..],
            "expected a common name of 1 to 64 characters without control characters, found ``",
        ),
        (&["x", "--profile", "thales", "--days", "731"], "expected 1 to 730 days, found 731"),
        (&["x", "--days", "0"], "expected 1 to 3650 days, found 0"),
        (&["x", "--profile", "thales", "--key", "rsa4096"], "Thales takes EC P-256, EC P-384 and RSA 2048 only"),
        (&["x", "--out", "none"], "none/key.pem: No such file or directory (os error 2)"),
    ] {
        assert_eq!(folder.refusal(&[&["certs", "new"], arguments].concat()), [expected], "{arguments:?}");
    }
}

#[test]
fn the_start_asks_the_same_questions() {
    let folder = Folder::new();
    folder.copy("proto", "proto");
    let over = |last| {
        let (key, mut params) = (KeyPair::generate().unwrap(), params("gateway.test"));
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), last);
        (self_signed(params, &key), key.serialize_pem())
    };
    let (certificate, key) = over(date_time_ymd(2021, 1, 1));
    folder.write("c.pem", certificate).write_key("k.pem", key);
    let config = "listen: {address: '127.0.0.1:0', tls: {cert: c.pem, key: k.pem}}\nschema: proto\nupstream: http://127.0.0.1:1\n";
    folder.write("towbar.yaml", config);
    assert_eq!(
        folder.refusal(&["check", "--config", "towbar.yaml"]),
        ["c.pem: is not valid any more since 2021-01-01"]
    );
    let (certificate, key) = over(date_time_ymd(2999, 1, 1));
    folder.write("c.pem", certificate).write_key("k.pem", key);
    let pinned = "warning: c.pem: is self-signed: only callers that pin it take it, by spki-sha256:";
    let exposed = "k.pem: others can read this file (mode 0644): run `chmod 600 k.pem`, or set `secret_files: any`";
    for (mode, more, expected) in
        [(0o600, "", Ok(None)), (0o644, "", Err(exposed)), (0o644, "secret_files: any\n", Ok(Some(exposed)))]
    {
        fs::set_permissions(folder.path("k.pem"), fs::Permissions::from_mode(mode)).unwrap();
        folder.write("towbar.yaml", format!("{config}{more}"));
        match expected {
            Err(refused) => {
                for command in ["check", "serve"] {
                    assert_eq!(folder.refusal(&[command, "--config", "towbar.yaml"]), [refused], "{command}");
                }
            }
            Ok(warned) => {
                let checked = folder.run(&["check", "--config", "towbar.yaml"]);
                assert_eq!((checked.code, checked.stdout.as_str()), (Some(0), "all is well\n"), "{}", checked.stderr);
                let mut warnings: Vec<&str> = checked.stderr.lines().collect();
                assert!(warnings.pop().is_some_and(|last| last.starts_with(pinned)), "{warnings:?}");
                let warned: Vec<String> = warned.iter().map(|text| format!("warning: {text}")).collect();
                assert_eq!(warnings, warned, "{mode:o} {more}");
            }
        }
    }
}

/// Whoever serves for months is told in time, and of the end.
#[test]
fn as_time_passes_the_dates_are_told_again() {
    let folder = Folder::new();
    folder.copy("proto", "proto");
    let (key, mut params) = (KeyPair::generate().unwrap(), params("gateway.test"));
    (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2999, 1, 1));
    folder.write("c.pem", self_signed(params, &key)).write_key("k.pem", key.serialize_pem());
    let tls = "{address: 'https://127.0.0.1:1', tls: {cert: c.pem, key: k.pem, pins: 'cert-sha256:PIN'}}";
    folder.write("towbar.yaml", format!("schema: proto\nupstream: {}\n", tls.replace("PIN", &"00".repeat(32))));
    let (config, problems) = config::load(Some(&folder.path("towbar.yaml")), &Overrides::default());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let app = runtime.block_on(App::new(config, problems)).unwrap_or_else(|problems| panic!("{problems:?}"));
    assert_eq!(app.warnings(), Vec::<String>::new());
    let place = folder.path("c.pem").display().to_string();
    // Of 2999-01-01, as `date -u -d 2999-01-01 +%s` has it.
    let end = SystemTime::UNIX_EPOCH + Duration::from_secs(32_472_144_000);
    let days = |days: u64| Duration::from_secs(days * 86400);
    for (now, expected) in [
        (end - days(61), None),
        (end - days(6), Some("ends in 6 days, on 2999-01-01: renew it now")),
        (end + days(1), Some("is not valid any more since 2999-01-01")),
    ] {
        let expected: Vec<_> = expected.into_iter().map(|expected| format!("{place}: {expected}")).collect();
        assert_eq!(app.certificates_at(now), expected);
    }
}

/// The sample bank's key is in everybody's hands.
#[test]
fn the_published_key_is_refused() {
    let digest = "2ffbd9c83b07035ff7011334bb3495113ff05c6faca058471ab7d6d521310ecf";
    let bytes: Vec<u8> = (0..32).map(|at| u8::from_str_radix(&digest[2 * at..2 * at + 2], 16).unwrap()).collect();
    assert!(certs::sample_key_is(&bytes.try_into().unwrap()));
    assert!(!certs::sample_key_is(&[0; 32]));
    let folder = Folder::new();
    folder.copy("proto", "proto");
    let upstream = format!("upstream: {{address: 'https://127.0.0.1:1', tls: {{pins: 'spki-sha256:{digest}'}}}}");
    folder.write("towbar.yaml", format!("listen: 127.0.0.1:0\nschema: proto\n{upstream}\n"));
    let expected = "towbar.yaml:3:56: pins: the private key of this one is published with the sample bank: whoever has it may \
                    be anybody";
    assert_eq!(folder.refusal(&["check", "--config", "towbar.yaml"]), [expected]);
}
