//! `towbar doctor --backend` with a certificate that an intermediate authority has issued, and a bank that trusts the root alone.

use axum::Router;
use axum::routing::post;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use towbar::cli::demo::bank::certificates::Authority;
use towbar::tls::{self, Trust};

use crate::support::Backend;
use crate::support::folder::Folder;
use crate::support::masked::masked;
use crate::support::process::Ended;

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn authority(name: &str) -> CertificateParams {
    let mut params = params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

#[test]
fn the_advice_to_append_an_intermediate_certificate_works() {
    let root = CertifiedIssuer::self_signed(authority("the root"), KeyPair::generate().unwrap()).unwrap();
    let between =
        CertifiedIssuer::signed_by(authority("the intermediate"), KeyPair::generate().unwrap(), &root).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut own = params("gateway.test");
    own.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let own = own.signed_by(&key, &between).unwrap().pem();

    let banks = Authority::new("the bank's").unwrap();
    let trusted = Trust::new(vec![root.der().clone()]).unwrap();
    let identity = banks.issue("bank.test").unwrap().identity();
    // Anything but UNIMPLEMENTED will do: what counts is that the call comes in.
    let service = Router::new().route(
        "/grpc.health.v1.Health/Check",
        post(|| async { [("content-type", "application/grpc"), ("grpc-status", "16")] }),
    );
    let bank = Backend::start(service, Some(tls::server(identity, Some(&trusted), &[b"h2"]).unwrap()));

    let folder = Folder::new();
    folder.write("ca.pem", banks.pem()).write("own.pem", &own).write_key("own.key", key.serialize_pem());
    let run = || {
        let url = format!("https://{}", bank.address);
        let Ended { code, stdout, stderr } =
            folder.run(&["doctor", "--backend", &url, "--cert", "own.pem", "--key", "own.key", "--ca", "ca.pem"]);
        assert_eq!(stderr, "");
        let mtls = stdout.lines().find(|line| line[8..].starts_with("mtls: ")).map(masked);
        (code, mtls.unwrap())
    };
    let refused = "FAILED  mtls: the server rejects CN=gateway.test, issued by CN=the intermediate (alert UnknownCA); it \
                   trusts \
                   CN=the root; own.pem does not contain the certificate of CN=the intermediate; if that is an intermediate authority, append its certificate to the file; otherwise ask the server's owner to trust this certificate (spki-sha256:HASH), or use one that the server trusts";
    assert_eq!(run(), (Some(1), refused.to_owned()));
    folder.write("own.pem", own.clone() + &between.pem());
    assert_eq!(run(), (Some(0), "passed  mtls: CN=gateway.test was sent and accepted".to_owned()));
    // The intermediate is at hand, and another one is missing: it is not that file any more.
    let stranger = CertifiedIssuer::self_signed(authority("a stranger"), KeyPair::generate().unwrap()).unwrap();
    folder.write("own.pem", own + &stranger.pem());
    let (code, mtls) = run();
    assert_eq!(code, Some(1));
    assert!(!mtls.contains("append"), "{mtls}");
}
