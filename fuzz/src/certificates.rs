//! Certificate chains of callers. Each certificate is preceded by its length in two bytes.

use std::sync::OnceLock;

use rustls::pki_types::CertificateDer;
use towbar::cli::demo::bank::certificates::Authority;
use towbar::tls::certs::Shown;
use towbar::tls::{Clients, LONGEST_CERTIFICATE, MOST_CERTIFICATES, Pin, PinnedClient, Server, Trust, sha256};

/// The accepted authority; its key is not stored anywhere.
const AUTHORITY: &[u8] = include_bytes!("certificates/callers.der");
/// The certificate accepted because it is pinned.
const PINNED: &[u8] = include_bytes!("certificates/pinned.der");

/// Every accepted chain is within the limits and is pinned or issued by the authority; checking it again gives the same
/// result.
pub fn certificates(data: &[u8]) {
    let chain: Vec<CertificateDer<'_>> = split(data).into_iter().map(CertificateDer::from).collect();
    for certificate in &chain {
        let _ = Shown::read(certificate);
    }
    let accepted = [by_authority(), by_pin(), by_either()].map(|server| {
        let verdict = server.verify(Some(&chain)).map_err(|error| error.to_string());
        assert_eq!(verdict, server.verify(Some(&chain)).map_err(|error| error.to_string()), "another time");
        if let Err(message) = &verdict {
            assert!(!message.is_empty());
        }
        verdict.is_ok()
    });
    let [by_authority, by_pin, by_either] = accepted;
    assert_eq!(by_either, by_authority || by_pin);
    if by_either {
        assert!((1..=MOST_CERTIFICATES).contains(&chain.len()), "{} certificates", chain.len());
        assert!(chain.iter().all(|one| one.len() <= LONGEST_CERTIFICATE));
        let end = self::by_either().next_end(&chain);
        assert!(end.is_some(), "it is valid, so its end is to come");
    }
    assert!(!by_pin || chain.first().is_some_and(|own| **own == *PINNED), "another one than the pinned");
}

/// Splits the input into certificates; incomplete data at the end is one more.
fn split(mut data: &[u8]) -> Vec<&[u8]> {
    let mut chain = Vec::new();
    while let Some((length, rest)) = data.split_first_chunk::<2>() {
        let (one, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length))).unwrap_or((rest, &[]));
        chain.push(one);
        data = rest;
    }
    chain
}

fn by_authority() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| server(true, false))
}

fn by_pin() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| server(false, true))
}

fn by_either() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| server(true, true))
}

fn server(has_authority: bool, has_pin: bool) -> Server {
    let trust = || Trust::new(vec![CertificateDer::from(AUTHORITY)]).expect("it is a certificate");
    let digest: String = sha256(PINNED).iter().map(|byte| format!("{byte:02x}")).collect();
    let pin: Pin = format!("cert-sha256:{digest}").parse().expect("it is a pin");
    let pinned = vec![PinnedClient { name: "pinned".to_owned(), pins: vec![pin] }];
    let clients = Clients {
        optional: false,
        trust: has_authority.then(trust),
        pinned: if has_pin { pinned } else { Vec::new() },
    };
    let own = Authority::new("fuzz").and_then(|authority| authority.issue("gateway.test")).expect("it is made");
    Server::new(own.identity(), Some(&clients), &[]).expect("certificate and key fit")
}
