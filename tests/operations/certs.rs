//! `towbar certs`: what it makes, and what it finds in the certificates of others.

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
use towbar::config::{self, Overrides};
use towbar::format::secret::Permissions;
use towbar::tls::certs::{self, Inspection, Profile, Usage};
use towbar::tls::pem;
use towbar::tls::{self, Identity, IdentityFiles, Servers, Trust};

use crate::support::folder;
use crate::support::folder::Folder;
use crate::support::http;
use crate::support::programs::{Package, installed};

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
fn found(files: &[(&str, String)], asked: Inspection) -> Vec<String> {
    let folder = Folder::new();
    for (name, text) in files {
        folder.write_key(name, text);
    }
    let paths: Vec<PathBuf> = files.iter().map(|(name, _)| folder.path(name)).collect();
    let report = certs::check(&Inspection { files: paths, ..asked }, now());
    let root = format!("{}/", folder.path("").display().to_string().trim_end_matches('/'));
    report.findings.iter().map(|finding| finding.to_string().replace(&root, "")).collect()
}

fn thales() -> Inspection {
    Inspection { profile: Some(Profile::Thales), name: Some("D1-42".to_owned()), ..Inspection::default() }
}

fn of(usage: Usage) -> Inspection {
    Inspection { usage: Some(usage), ..Inspection::default() }
}

#[test]
fn deviations_from_the_rules_of_thales_are_reported() {
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
            &["error: c.pem: expired on 2026-11-01"],
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
    let unnamed = Inspection { name: None, ..thales() };
    let expected = ["note: c.pem: Thales: the common name was not checked; pass the portal's with `--name`"];
    assert_eq!(found(&[("c.pem", self_signed(params("D1-42"), &key))], unnamed), expected);
}

#[test]
fn certificate_expiry_is_reported_60_30_and_7_days_ahead() {
    for (left, expected) in [
        (-1_i32, Some("error: c.pem: expired on 2026-11-21")),
        (0, Some("warning: c.pem: expires in 0 days, on 2026-11-22: renew it now")),
        (1, Some("warning: c.pem: expires in 1 day, on 2026-11-23: renew it now")),
        (7, Some("warning: c.pem: expires in 7 days, on 2026-11-29: renew it now")),
        (8, Some("warning: c.pem: expires in 8 days, on 2026-11-30: renew it")),
        (30, Some("warning: c.pem: expires in 30 days, on 2026-12-22: renew it")),
        (31, Some("warning: c.pem: expires in 31 days, on 2026-12-23: plan its renewal")),
        (60, Some("warning: c.pem: expires in 60 days, on 2027-01-21: plan its renewal")),
        (61, None),
    ] {
        let mut params = params("bank.test");
        let end = date_time_ymd(2026, 11, 22) + Duration::from_secs(12 * 3600 + 60);
        let day = Duration::from_secs(24 * 3600);
        params.not_after = if left < 0 { end - day } else { end + day * left.unsigned_abs() };
        let told = found(&[("c.pem", self_signed(params, &KeyPair::generate().unwrap()))], Inspection::default());
        assert_eq!(told, expected.into_iter().collect::<Vec<_>>(), "{left}");
    }
    let mut early = params("bank.test");
    early.not_before = date_time_ymd(2027, 1, 1);
    let told = found(&[("c.pem", self_signed(early, &KeyPair::generate().unwrap()))], Inspection::default());
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
fn missing_misordered_and_unrelated_certificates_in_a_chain_are_reported() {
    let Tree { root, twin, intermediate, leaf, key } = tree();
    let missing = "note: c.pem: its issuer is not there (CN=Token): if that is an intermediate authority, put its \
                   certificate behind this one, or peers find no way to a root";
    let order = "warning: c.pem: expected each certificate before its issuer's; change the order to CN=bank.test | \
                 CN=Token | CN=Root";
    let alien = "warning: c.pem, certificate 2: expected the chain of c.pem, certificate 1, found a certificate that has its \
                 issuer's name, and another key";
    let apart = "warning: c.pem, certificate 3: expected the chain of c.pem, certificate 1, found a certificate that is not \
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
    assert_eq!(told, ["error: k.pem: the private key does not match any of these certificates", missing]);
}

/// Whatever the file's order, the own certificate is shown first, and each after the one that it vouches for.
#[test]
fn the_chain_is_sent_in_order_whatever_the_order_in_the_file() {
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
fn problems_of_a_server_certificate_are_reported_with_its_pin() {
    let key = KeyPair::generate().unwrap();
    let mut banks = params("bank.test");
    banks.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    banks.subject_alt_names.clear();
    banks.extended_key_usages = vec![Use::ClientAuth];
    let pem = self_signed(banks, &key);
    let told = found(&[("c.pem", pem.clone())], Inspection { name: Some("bank.test".to_owned()), ..of(Usage::Server) });
    assert_eq!(told.len(), 3, "{told:?}");
    assert_eq!(told[0], "warning: c.pem: its extendedKeyUsage has no serverAuth, so strict callers reject it");
    let peculiar = "warning: c.pem: is self-signed, is marked as an authority's (CA:TRUE), has no host name (no \
                    subjectAltName); only callers that pin it accept it: spki-sha256:";
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
        let asked = Inspection { name: Some(name.to_owned()), ..of(Usage::Server) };
        let told = found(&[("c.pem", chain.clone())], asked);
        let error = format!("error: c.pem: expected the name `{name}` in its subjectAltName, found `*.bank.test`");
        assert_eq!(told.contains(&error), !fits, "{name}: {told:?}");
    }
    let told = found(&[("c.pem", chain), ("i.pem", intermediate)], of(Usage::Client));
    assert!(told.iter().any(|told| told.contains("no clientAuth, so strict servers reject it")), "{told:?}");
}

#[test]
fn a_trust_bundle_is_checked_for_keys_leaves_expiry_and_duplicates() {
    let Tree { root, twin, intermediate, leaf, key } = tree();
    assert_eq!(found(&[("b.pem", format!("{root}{twin}{intermediate}"))], of(Usage::Trust)), Vec::<String>::new());
    let mut over = authority("Old");
    over.not_after = date_time_ymd(2026, 7, 1);
    let over = self_signed(over, &KeyPair::generate().unwrap());
    let told = found(&[("b.pem", format!("{root}{leaf}{over}{root}{key}"))], of(Usage::Trust));
    let expected = [
        "error: b.pem: expected certificates of authorities, found a private key; remove it",
        "warning: b.pem, certificate 2: is no authority's (no CA:TRUE): if it is the peer's own, pin it in place of \
         trusting it, by spki-sha256:",
        "warning: b.pem, certificate 3: expired on 2026-07-01",
        "warning: b.pem, certificate 4: appears twice",
    ];
    assert_eq!(told.len(), expected.len(), "{told:?}");
    assert!(told.iter().zip(expected).all(|(told, expected)| told.starts_with(expected)), "{told:#?}");
}

#[test]
fn files_without_a_usable_certificate_or_key_are_reported() {
    let key = KeyPair::generate().unwrap();
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (text, expected) in [
        ("", "expected certificates or a private key (PEM), found an empty file"),
        ("hello", "expected certificates or a private key (PEM), found none"),
        (broken, "certificate 1: expected an X.509 certificate, found something else"),
        (
            encrypted,
            "expected certificates or a private key (PEM), found an encrypted private key: `openssl pkey -in FILE -out NEW` writes it \
             without a pass phrase",
        ),
        (
            &broken.replace("CERTIFICATE", "PRIVATE KEY"),
            "expected an RSA (2048 bits or more), ECDSA or Ed25519 private key, found one that cannot be used",
        ),
    ] {
        assert_eq!(
            found(&[("f.pem", text.to_owned())], Inspection::default()),
            [format!("error: f.pem: {expected}")],
            "{text}"
        );
    }
    assert_eq!(found(&[("f.pem", key.serialize_pem())], Inspection::default()), Vec::<String>::new());
    let missing = certs::check(&Inspection { files: vec!["none.pem".into()], ..Inspection::default() }, now());
    assert_eq!(missing.findings[0].to_string(), "error: none.pem: No such file or directory (os error 2)");
}

/// Kinds of keys and signatures that only OpenSSL makes, and keys in all their forms.
#[test]
fn certificates_and_keys_made_by_openssl_are_read() {
    let Some(openssl) = installed("openssl", Package::Debian("openssl")) else { return };
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
                "warning: c.pem: is signed with SHA-1, which is rejected unless the certificate itself is trusted"
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
        let token = || Inspection { profile: Some(Profile::Token), ..Inspection::default() };
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
fn certs_new_creates_files_that_pass_certs_check_and_overwrites_nothing() {
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
  use        server, client; not an authority
  pins       cert-sha256:#
             spki-sha256:#
./key.pem
  private key, PKCS#8, of ./cert.pem

no problems found
";
    assert_eq!(without_chance(&ended.stdout), expected);
    let mode = |name: &str| fs::metadata(folder.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("key.pem"), 0o600);
    let key = fs::read(folder.path("key.pem")).unwrap();
    assert_eq!(
        folder.refusal(&["certs", "new", "bank.example.com"]),
        [
            "./key.pem: already exists; remove it, or choose another folder with `--out`",
            "./cert.pem: already exists; remove \
          it, or choose another folder with `--out`"
        ]
    );
    assert_eq!(fs::read(folder.path("key.pem")).unwrap(), key);

    fs::create_dir(folder.path("thales")).unwrap();
    let made = folder.run(&["certs", "new", "D1 issuer/42", "--profile", "thales", "--out", "thales"]);
    assert!(made.code == Some(0) && made.stdout.ends_with("\nno problems found\n"), "{made:?}");
    let check =
        ["certs", "check", "thales/cert.pem", "thales/key.pem", "--profile", "thales", "--for", "client", "--name"];
    let checked = folder.run(&[&check[..], &["D1 issuer/42"]].concat());
    assert!(checked.code == Some(0) && checked.stdout.ends_with("\nno problems found\n"), "{checked:?}");
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
        (&["x", "--profile", "thales", "--key", "rsa4096"], "Thales supports only EC P-256, EC P-384 and RSA 2048"),
        (&["x", "--out", "none"], "none/key.pem: No such file or directory (os error 2)"),
    ] {
        assert_eq!(folder.refusal(&[&["certs", "new"], arguments].concat()), [expected], "{arguments:?}");
    }
}

#[test]
fn expired_certificates_and_keys_that_others_can_read_stop_the_start() {
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
    assert_eq!(folder.refusal(&["check", "--config", "towbar.yaml"]), ["c.pem: expired on 2021-01-01"]);
    let (certificate, key) = over(date_time_ymd(2999, 1, 1));
    folder.write("c.pem", certificate).write_key("k.pem", key);
    let pinned = "warning: c.pem: is self-signed; only callers that pin it accept it: spki-sha256:";
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
                assert_eq!(
                    (checked.code, checked.stdout.as_str()),
                    (Some(0), "no problems found\n"),
                    "{}",
                    checked.stderr
                );
                // Others are about the rpcs.
                let mut warnings: Vec<&str> = checked.stderr.lines().filter(|line| line.contains(".pem: ")).collect();
                assert!(warnings.pop().is_some_and(|last| last.starts_with(pinned)), "{warnings:?}");
                let warned: Vec<String> = warned.iter().map(|text| format!("warning: {text}")).collect();
                assert_eq!(warnings, warned, "{mode:o} {more}");
            }
        }
    }
}

/// Whoever serves for months is told in time, and of the end.
#[test]
fn a_running_gateway_warns_when_its_certificates_are_about_to_expire() {
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
        (end - days(6), Some("expires in 6 days, on 2999-01-01: renew it now")),
        (end + days(1), Some("expired on 2999-01-01")),
    ] {
        let expected: Vec<_> = expected.into_iter().map(|expected| format!("{place}: {expected}")).collect();
        assert_eq!(app.certificates_at(now), expected);
    }
}

/// The sample bank's key is in everybody's hands.
#[test]
fn a_pin_of_the_sample_banks_published_key_is_refused() {
    let digest = "2ffbd9c83b07035ff7011334bb3495113ff05c6faca058471ab7d6d521310ecf";
    let bytes: Vec<u8> = (0..32).map(|at| u8::from_str_radix(&digest[2 * at..2 * at + 2], 16).unwrap()).collect();
    assert!(certs::sample_key_is(&bytes.try_into().unwrap()));
    assert!(!certs::sample_key_is(&[0; 32]));
    let folder = Folder::new();
    folder.copy("proto", "proto");
    let upstream = format!("upstream: {{address: 'https://127.0.0.1:1', tls: {{pins: 'spki-sha256:{digest}'}}}}");
    folder.write("towbar.yaml", format!("listen: 127.0.0.1:0\nschema: proto\n{upstream}\n"));
    let expected = "towbar.yaml:3:56: pins: this pin belongs to the sample bank's certificate, whose private key is public; \
                    anyone could use it";
    assert_eq!(folder.refusal(&["check", "--config", "towbar.yaml"]), [expected]);
}

/// A key's file as people have damaged it, and what is said of it.
fn damaged(pem: &str) -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let again =
        r"s/-----END [A-Z0-9 ]+-----/\n&\n/g; s/-----BEGIN [A-Z0-9 ]+-----/&\n/g' FILE | grep . >NEW` puts them back";
    let again: &'static str = Box::leak(again.to_owned().into_boxed_str());
    let lost = format!("PEM whose line breaks are lost: `sed -E '{again}");
    let blank = format!("PEM with blanks in place of line breaks: `sed -E '{again}");
    let escaped = format!(r"PEM with `\n` in place of line breaks: `sed -E 's/(\\r)?\\n/\n/g; {again}");
    let [lost, blank, escaped] = [lost, blank, escaped].map(|text| &*Box::leak(text.into_boxed_str()));
    let dashes = |line: u8| -> &'static str {
        Box::leak(
            format!(
                "PEM whose line {line} lacks its dashes: BEGIN and END lines begin and end with five each, such as \
                 -----BEGIN PRIVATE KEY-----"
            )
            .into_boxed_str(),
        )
    };
    let lines: Vec<&str> = pem.lines().collect();
    let body = lines[1..lines.len() - 1].join("\n");
    let der = base64(&body.replace('\n', ""));
    let base64_of = "base64 of a private key (PKCS#8) without its BEGIN and END lines: `openssl base64 -d -A -in FILE \
                     >NEW.der`, then `openssl pkey -inform DER -in NEW.der -out NEW` converts it";
    let utf16: Vec<u8> = "\u{feff}".encode_utf16().chain(pem.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let whole = "PEM whose block on line 1 is not whole: lines of it are missing, copy the file again";
    let bytes = |text: String| text.into_bytes();
    vec![
        ("line breaks lost", bytes(pem.replace('\n', "")), lost),
        ("line breaks escaped", bytes(pem.replace('\n', "\\n")), escaped),
        ("line breaks of Windows escaped", bytes(pem.replace('\n', "\\r\\n")), escaped),
        ("blanks", bytes(pem.replace('\n', " ")), blank),
        ("no dashes", bytes(pem.replace("-----", "")), dashes(1)),
        ("no dashes and no line breaks", bytes(pem.replace("-----", "").replace('\n', " ")), dashes(1)),
        (
            "BEGIN without its dashes",
            bytes(pem.replacen("-----BEGIN PRIVATE KEY-----", "BEGIN PRIVATE KEY", 1)),
            dashes(1),
        ),
        ("four dashes", bytes(pem.replacen("-----BEGIN", "----BEGIN", 1)), dashes(1)),
        (
            "END without its dashes",
            bytes(pem.replace("-----END PRIVATE KEY-----", "END PRIVATE KEY")),
            dashes(lines.len() as u8),
        ),
        (
            "the first half",
            bytes(pem[..pem.len() / 2].to_owned()),
            "PEM whose block on line 1 has no END line: a part of the file is missing, copy it again",
        ),
        (
            "the second half",
            bytes(lines[1..].join("\n")),
            Box::leak(
                format!(
                    "PEM whose END line {} has no BEGIN line of its kind: a part of the file is missing, copy it again",
                    lines.len() - 1
                )
                .into_boxed_str(),
            ),
        ),
        ("a line lost", bytes(pem.replacen(&format!("{}\n", lines[2]), "", 1)), whole),
        ("base64 alone", bytes(body.clone()), base64_of),
        ("base64 on one line", bytes(body.replace('\n', "")), base64_of),
        (
            "another character",
            bytes(pem.replacen(lines[1], &lines[1].replacen('M', "!", 1), 1)),
            "PEM whose line 2 is not base64: the file is damaged, copy it again",
        ),
        (
            "quotes around it",
            bytes(format!("\"{pem}\"")),
            "PEM whose line 1 has other text before -----BEGIN: put a line break \
             between the two",
        ),
        ("in JSON", bytes(format!("{{\"key\":\"{}\"}}", pem.replace('\n', "\\n"))), escaped),
        ("UTF-16", utf16, "text in UTF-16: convert it with `iconv -f UTF-16 -t UTF-8 FILE >NEW`"),
        ("DER", der, "a private key (PKCS#8), not in PEM: `openssl pkey -inform DER -in FILE -out NEW` converts it"),
        (
            "labelled as a certificate",
            bytes(pem.replace("PRIVATE KEY", "CERTIFICATE")),
            "a private key (PKCS#8) that line 1 calls a certificate: write PRIVATE KEY in place of CERTIFICATE there and in its \
             END line",
        ),
        (
            "labelled as RSA",
            bytes(pem.replace("PRIVATE KEY", "RSA PRIVATE KEY")),
            "a private key (PKCS#8) that line 1 calls a private key (PKCS#1): write PRIVATE KEY in place of RSA PRIVATE KEY \
             there and in its END line",
        ),
    ]
}

fn base64(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(text).unwrap()
}

/// Eight bytes of the key that stand in a text, as they are, in hex or as numbers.
fn leaked(pem: &str, text: &str) -> Option<String> {
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let der = base64(&body);
    let numbers = |bytes: &[u8]| bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let of_body = body
        .as_bytes()
        .windows(8)
        .flat_map(|part| [String::from_utf8_lossy(part).into_owned(), numbers(part), hex(part)]);
    let of_der = der.windows(8).flat_map(|part| [numbers(part), hex(part), hex(part).to_uppercase()]);
    let found = of_body.chain(of_der).find(|part| text.contains(part));
    found.or_else(|| String::from_utf8(der).ok().filter(|der| text.contains(der)))
}

const PROTO: &str = r#"get: "/v1/{id}""#;

#[test]
fn no_output_quotes_a_private_key_however_its_file_is_damaged() {
    let issued = folder::authority("a").issue("gate.test").unwrap();
    let pem = issued.key_pem();
    let folder = Folder::new();
    folder.write("api/orders.proto", folder::get_with(PROTO)).write_identity("cert.pem", "good.pem", &issued);
    let config = |tls: &str| {
        format!(
            "listen: {{address: '127.0.0.1:0', tls: {tls}}}\nschema: api\nupstream: {}\nadmin: 127.0.0.1:0\nreload: {{watch: false}}\n",
            folder::NOBODY
        )
    };
    folder
        .write("t.yaml", config("{cert: cert.pem, key: key.pem}"))
        .write("cert.yaml", config("{cert: key.pem, key: good.pem}"));
    folder.write("ca.yaml", config("{cert: cert.pem, key: good.pem, client_ca: key.pem}"));
    folder.write(
        "password.yaml",
        "schema: api\nupstream: {address: http://bank.test, proxy: {address: 'http://127.0.0.1:1', username: u, password_file: key.pem}}\n",
    );
    let check = |text: &str, what: &str| assert_eq!(leaked(&pem, text), None, "{what}: {text}");
    folder.write_key("key.pem", &pem);
    let mut gateway = folder.start(&["serve", "--config", "t.yaml"]);
    let metrics: std::net::SocketAddr =
        gateway.process.read_until("metrics on http://").trim_end_matches("/metrics").parse().unwrap();
    for (count, (form, bytes, expected)) in (1..).zip(damaged(&pem)) {
        folder.write_key("key.pem", &bytes);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        // In place of the file's name, as an environment variable may have it.
        let inline = format!("{{cert: cert.pem, key: {}}}", serde_json::to_string(&text).unwrap());
        folder.write("inline.yaml", config(&inline));
        for arguments in [
            &["check", "--config", "t.yaml"][..],
            &["serve", "--config", "t.yaml"],
            &["certs", "check", "key.pem"],
            &["doctor", "--backend", "https://127.0.0.1:1", "--timeout", "1", "--cert", "cert.pem", "--key", "key.pem"],
            &["check", "--config", "cert.yaml"],
            &["check", "--config", "ca.yaml"],
            &["check", "--config", "password.yaml"],
            &["check", "--config", "inline.yaml"],
            &["check", "--config", "key.pem", "--proto", "api", "--backend", folder::NOBODY],
            &[
                "doctor",
                "--backend",
                "https://127.0.0.1:1",
                "--timeout",
                "1",
                "--cert",
                "cert.pem",
                "--key",
                &text.replace('\0', ""),
            ],
        ] {
            let ended = folder.run(arguments);
            check(&format!("{}{}", ended.stdout, ended.stderr), &format!("{form}, {arguments:?}"));
            let is_key_due = arguments.last() == Some(&"t.yaml");
            if is_key_due && !expected.is_empty() {
                let line = format!("key.pem: expected a private key (-----BEGIN PRIVATE KEY-----), found {expected}");
                assert_eq!(ended.stderr.lines().next(), Some(line.as_str()), "{form}, {arguments:?}");
            }
            // Any line may be a password.
            assert!(ended.code != Some(0) || arguments.last() == Some(&"password.yaml"), "{form}, {arguments:?}");
        }
        gateway.process.signal("HUP");
        let refused = format!("towbar_reloads_total{{result=\"refused\"}} {count}\n");
        let end = std::time::Instant::now() + Duration::from_secs(20);
        while !http::get(metrics, "/metrics").body.contains(&refused) {
            assert!(
                std::time::Instant::now() < end,
                "{form}: no reload was refused: {}",
                http::get(metrics, "/metrics").body
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    let ended = gateway.stop();
    check(&ended.stderr, "the log");
    assert!(
        ended.stderr.contains("key.pem: expected a private key (-----BEGIN PRIVATE KEY-----), found PEM whose"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_private_key_given_as_a_proto_file_is_not_quoted() {
    let pem = folder::authority("a").issue("gate.test").unwrap().key_pem();
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let folder = Folder::new();
    folder.write("api/orders.proto", folder::get_with(PROTO));
    let mut forms: Vec<(&str, Vec<u8>)> = damaged(&pem).into_iter().map(|(form, bytes, _)| (form, bytes)).collect();
    for (form, text) in [
        ("whole", pem.clone()),
        ("behind a syntax", format!("syntax = \"proto3\";\n{}", pem.replacen("-----BEGIN PRIVATE KEY-----\n", "", 1))),
        ("as an import", format!("import \"{body}\";")),
        ("as an import, and no more", format!("import \"{body}\"; {body}")),
        ("as an edition", format!("edition = \"{body}\";")),
        ("as a message", format!("message {body} {{}}")),
    ] {
        forms.push((form, text.into_bytes()));
    }
    for (form, bytes) in forms {
        folder.write("key.proto", &bytes).write("keys/key.proto", &bytes);
        for arguments in [
            &["check", "--proto", "key.proto", "--backend", folder::NOBODY][..],
            &["check", "--proto", "api", "--proto", "keys", "--backend", folder::NOBODY],
            &["serve", "--proto", "key.proto", "--backend", folder::NOBODY, "--listen", "127.0.0.1:0"],
        ] {
            let ended = folder.run(arguments);
            let told = format!("{}{}", ended.stdout, ended.stderr);
            assert_eq!(leaked(&pem, &told), None, "{form}, {arguments:?}: {told}");
        }
    }
}

#[test]
fn a_file_in_another_format_is_refused_with_a_working_conversion_command() {
    let Some(openssl) = installed("openssl", Package::Debian("openssl")) else { return };
    let _ = openssl;
    let folder = Folder::new();
    let run = |line: &str| {
        let ended = Command::new("sh").current_dir(folder.path("")).args(["-c", line]).output().unwrap();
        assert!(ended.status.success(), "{line}: {}", String::from_utf8_lossy(&ended.stderr));
    };
    let pass = "-passout pass:secret";
    for line in [
        "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out k.pem",
        "openssl req -x509 -new -key k.pem -days 700 -subj /CN=a -out c.pem",
        "openssl genrsa -out rsa.pem 2048",
        &format!("openssl pkcs8 -topk8 -in k.pem {pass} -out encrypted.pem"),
        &format!("openssl rsa -in rsa.pem -traditional -aes128 {pass} -out old.pem"),
        &format!("openssl pkcs8 -topk8 -in k.pem {pass} -outform DER -out encrypted.der"),
        "openssl pkcs8 -topk8 -nocrypt -in k.pem -outform DER -out k.der",
        "openssl rsa -in rsa.pem -traditional -outform DER -out rsa.der",
        "openssl ec -in k.pem -outform DER -out ec.der",
        "openssl x509 -in c.pem -outform DER -out c.der",
        &format!("openssl pkcs12 -export -in c.pem -inkey k.pem {pass} -out both.p12"),
        "openssl crl2pkcs7 -nocrl -certfile c.pem -out c.p7b",
        "openssl crl2pkcs7 -nocrl -certfile c.pem -outform DER -out c.p7c",
        "openssl x509 -in c.pem -trustout -out trusted.pem",
        "openssl req -new -key k.pem -subj /CN=a -out request.pem",
        "openssl pkey -in k.pem -pubout -out public.pem",
        "openssl base64 -A -in c.der -out c.b64",
        "tr -d '\\n' <c.pem >c.line",
        "sed ':a;N;$!ba;s/\\n/\\\\n/g' k.pem >k.escaped",
        "tr '\\n' ' ' <k.pem >k.blank",
        "cat c.pem c.pem | tr -d '\\n' >chain.line",
    ] {
        run(line);
    }
    let again =
        r"s/-----END [A-Z0-9 ]+-----/\n&\n/g; s/-----BEGIN [A-Z0-9 ]+-----/&\n/g' FILE | grep . >NEW` puts them back";
    let cases = [
        ("encrypted.pem", true, "an encrypted private key: `openssl pkey -in FILE -out NEW` writes it without a pass phrase".to_owned()),
        ("old.pem", true, "an encrypted private key: `openssl pkey -in FILE -out NEW` writes it without a pass phrase".to_owned()),
        (
            "encrypted.der",
            true,
            "an encrypted private key, not in PEM: `openssl pkcs8 -inform DER -in FILE -out NEW` writes it without a pass phrase"
                .to_owned(),
        ),
        ("k.der", true, "a private key (PKCS#8), not in PEM: `openssl pkey -inform DER -in FILE -out NEW` converts it".to_owned()),
        ("rsa.der", true, "a private key (PKCS#1), not in PEM: `openssl pkey -inform DER -in FILE -out NEW` converts it".to_owned()),
        ("ec.der", true, "a private key (SEC1), not in PEM: `openssl pkey -inform DER -in FILE -out NEW` converts it".to_owned()),
        ("c.der", false, "a certificate, not in PEM: `openssl x509 -inform DER -in FILE -out NEW` converts it".to_owned()),
        (
            "both.p12",
            true,
            "a PKCS#12 file, not in PEM: `openssl pkcs12 -in FILE -nocerts -noenc -out NEW` takes the key out".to_owned(),
        ),
        (
            "both.p12",
            false,
            "a PKCS#12 file, not in PEM: `openssl pkcs12 -in FILE -nokeys -out NEW` takes the certificates out".to_owned(),
        ),
        ("c.p7b", false, "certificates in PKCS#7: `openssl pkcs7 -in FILE -print_certs -out NEW` converts it".to_owned()),
        (
            "c.p7c",
            false,
            "certificates in PKCS#7, not in PEM: `openssl pkcs7 -inform DER -in FILE -print_certs -out NEW` converts it".to_owned(),
        ),
        (
            "trusted.pem",
            false,
            "a certificate in OpenSSL's own form: `openssl x509 -in FILE -out NEW` converts it, one file for each certificate".to_owned(),
        ),
        (
            "c.b64",
            false,
            "base64 of a certificate without its BEGIN and END lines: `openssl base64 -d -A -in FILE >NEW.der`, then \
             `openssl x509 -inform DER -in NEW.der -out NEW` converts it"
                .to_owned(),
        ),
        ("c.line", false, format!("PEM whose line breaks are lost: `sed -E '{again}")),
        ("chain.line", false, format!("PEM whose line breaks are lost: `sed -E '{again}")),
        ("k.blank", true, format!("PEM with blanks in place of line breaks: `sed -E '{again}")),
        ("k.escaped", true, format!(r"PEM with `\n` in place of line breaks: `sed -E 's/(\\r)?\\n/\n/g; {again}")),
        ("k.pem", false, "a private key (PKCS#8): use the file of its certificate here".to_owned()),
        ("c.pem", true, "a certificate: use the file of its private key here".to_owned()),
        (
            "request.pem",
            false,
            "a certificate request: send it to the certificate authority, and use the certificate that it returns".to_owned(),
        ),
        ("public.pem", true, "a public key: use the file of the private key instead".to_owned()),
    ];
    for (file, is_key, expected) in cases {
        let path = folder.path(file);
        let told = if is_key { pem::key(&path).err() } else { pem::certificates(&path).err() };
        let what = if is_key {
            "a private key (-----BEGIN PRIVATE KEY-----)"
        } else {
            "at least one certificate (-----BEGIN CERTIFICATE-----)"
        };
        let told = told.unwrap().to_string();
        assert_eq!(told, format!("expected {what}, found {expected}"), "{file}");
        for line in told.split('`').skip(1).step_by(2).filter(|line| line.contains("NEW")) {
            let line = line.replace("FILE", file).replace("NEW", &format!("new-{file}"));
            let pass = if line.starts_with("openssl p") && !line.contains("base64") && !line.contains("pkcs7") {
                " -passin pass:secret"
            } else {
                ""
            };
            run(&format!("{line}{pass}"));
        }
        let new = folder.path(&format!("new-{file}"));
        if new.exists() {
            let count = if is_key { pem::key(&new).map(|_| 1) } else { pem::certificates(&new).map(|all| all.len()) };
            assert_eq!(count.unwrap(), if file.starts_with("chain") { 2 } else { 1 }, "{file}");
        } else {
            assert!(!expected.contains("NEW"), "{file}");
        }
    }
}

#[test]
fn a_bundle_is_read_completely_or_refused_even_with_a_byte_order_mark() {
    let own = folder::authority("a").pem();
    let other = folder::authority("b").pem();
    let folder = Folder::new();
    let read = |text: String| {
        folder.write("bundle.pem", text);
        pem::certificates(&folder.path("bundle.pem")).map(|all| all.len()).map_err(|refusal| refusal.to_string())
    };
    let expected = "expected at least one certificate (-----BEGIN CERTIFICATE-----), found";
    for (text, found) in [
        (format!("\u{feff}{own}{other}"), Ok(2)),
        (format!("{own}\u{feff}{other}"), Ok(2)),
        (format!("\u{feff}{own}{other}").replace('\n', "\r\n"), Ok(2)),
        (format!("{own}{other}").replace('\n', "\r"), Ok(2)),
        (format!("{own}{other}").replace('\n', "\n    "), Ok(2)),
        (
            // Two files put together, of which the first has no line break at its end.
            format!("{}{other}", own.trim_end()),
            Err(format!(
                "{expected} PEM whose line {} has other text before -----BEGIN: put a line break between the two",
                own.lines().count()
            )),
        ),
        (
            format!("{own}{}", other.replace("CERTIFICATE", "TRUSTED CERTIFICATE")),
            Err(format!(
                "{expected} a certificate in OpenSSL's own form: `openssl x509 -in FILE -out NEW` converts it, one file for each \
                 certificate"
            )),
        ),
        (
            format!("{own}{}", &other[..other.len() / 2]),
            Err(format!(
                "{expected} PEM whose block on line {} has no END line: a part of the file is missing, copy it again",
                own.lines().count() + 1
            )),
        ),
    ] {
        assert_eq!(read(text.clone()), found, "{text}");
    }
}
