//! A real nginx that ends the TLS of callers and passes their certificates on, and what the gateway makes of it.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use towbar::cli::demo::bank::certificates::{Authority, Issued};
use towbar::config::Overrides;
use towbar::tls;

use crate::callers::{LIES, NAMES, client, noting};
use crate::support::http::{self, Answer};
use crate::support::nginx::Nginx;
use crate::support::talk::schema;
use crate::support::{Backend, Gateway};

fn write(folder: &Path, name: &str, issued: &Issued) {
    fs::write(folder.join(format!("{name}.pem")), issued.certificate_pem()).unwrap();
    let key = folder.join(format!("{name}.key"));
    fs::write(&key, issued.key_pem()).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
}

fn der(issued: &Issued) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(issued.certificate_pem().as_bytes()).unwrap()
}

fn sha256(issued: &Issued) -> String {
    tls::sha256(&der(issued)).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The only block of `docs/callers.md` in this language that contains this text.
fn block(language: &str, text: &str) -> String {
    let document = fs::read_to_string("docs/callers.md").unwrap();
    let fence = format!("```{language}\n");
    let blocks = document.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap());
    let blocks: Vec<&str> = blocks.filter(|block| block.contains(text)).collect();
    let [block] = blocks.as_slice() else { panic!("{text}: {blocks:?}") };
    (*block).to_owned()
}

/// What the server of the recipe has in its location, and outside of it.
struct Recipe {
    server: String,
    location: String,
}

fn recipe(folder: &Path) -> Recipe {
    let files = ["front.pem", "front.key", "proxy.pem", "proxy.key", "servers.pem"];
    let text = files.iter().fold(block("nginx", "X-SSL-Cert"), |text, file| {
        text.replace(&format!(" {file};"), &format!(" {}/{file};", folder.display()))
    });
    let lines = |part: &str| {
        let own = |line: &&str| line.ends_with(';') && !line.starts_with("listen ") && !line.starts_with("proxy_pass ");
        part.lines().map(str::trim).filter(own).collect::<Vec<_>>().join(" ")
    };
    let (server, location) = text.split_once("location / {").unwrap();
    Recipe { server: lines(server), location: lines(location) }
}

/// A gateway of the recipe, that only `proxy` can reach, with these changes.
fn gateway(folder: &Path, backend: &Backend, proxy: &Issued, changes: &[(&str, &str)]) -> Gateway {
    let pin = "1ba23c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f80a";
    let (url, path) = (format!("http://{}", backend.address), |name: &str| format!(" {}/{name}\n", folder.display()));
    let own = [
        ("127.0.0.1:8443", "127.0.0.1:0"),
        ("http://127.0.0.1:9000", &url),
        (pin, &sha256(proxy)),
        (" cert.pem\n", &path("gateway.pem")),
        (" key.pem\n", &path("gateway.key")),
        (" callers.pem\n", &path("callers.pem")),
    ];
    let text = own.iter().chain(changes).fold(block("yaml", "hop:"), |text, (from, to)| {
        assert_eq!(text.matches(from).count(), 1, "{from}");
        text.replace(from, to)
    });
    Gateway::with(&format!("{text}{NAMES}"), &Overrides::default(), Ok(schema()), None)
}

fn ask(to: SocketAddr, config: &Arc<ClientConfig>, more: &str) -> Answer {
    let connection = ClientConnection::new(config.clone(), ServerName::try_from("127.0.0.1").unwrap()).unwrap();
    let mut stream = StreamOwned::new(connection, http::connect(to));
    let lies: String = LIES.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = "POST /ask HTTP/1.1\r\nHost: gateway.test\r\nContent-Type: application/json\r\nContent-Length: 2\r\n";
    stream.write_all(format!("{head}{lies}{more}\r\n{{}}").as_bytes()).unwrap();
    http::read(&mut stream)
}

#[test]
fn behind_nginx_each_caller_has_the_certificate_of_its_own_tls_connection() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let [servers, proxies, callers, others] =
        ["servers", "proxies", "callers", "others"].map(|name| Authority::new(name).unwrap());
    let proxy = proxies.issue("nginx.test").unwrap();
    write(folder, "gateway", &servers.issue("towbar.internal").unwrap());
    write(folder, "front", &servers.issue("front.test").unwrap());
    write(folder, "proxy", &proxy);
    fs::write(folder.join("callers.pem"), callers.pem()).unwrap();
    fs::write(folder.join("servers.pem"), servers.pem()).unwrap();
    let Recipe { server, location } = recipe(folder);
    let (acme, initech) = (callers.issue("acme.test").unwrap(), callers.issue("initech.test").unwrap());
    let stranger = others.issue("acme.test").unwrap();
    let told = |issued: &Issued| {
        vec![
            "x-address: 127.0.0.1".to_owned(),
            format!("x-sha256: {}", sha256(issued)),
            format!("x-cert-bin: {}", STANDARD.encode(der(issued))),
            "x-consent-id: c-1".to_owned(),
        ]
    };
    let forged =
        format!("X-SSL-Cert: {}\r\nClient-Cert: :{}:\r\n", STANDARD.encode(der(&acme)), STANDARD.encode(der(&acme)));
    // The second takes connections without a certificate, past nginx too.
    let optional = [
        ("    clients:\n", "    client_auth: optional\n    clients:\n"),
        ("  hop:\n", "  hop:\n    client_auth: optional\n"),
    ];
    for (changes, of_nobody) in [(&[][..], 403), (&optional, 200)] {
        let (backend, noted) = noting();
        let gateway = gateway(folder, &backend, &proxy, changes);
        let listen = format!("ssl; {}", server.trim_end_matches(';'));
        let Some(nginx) = Nginx::start_before_tls(&listen, &location, gateway.address) else { return };
        // One connection of nginx carries the requests of all.
        for issued in [&acme, &initech, &acme] {
            for more in ["", &forged, "Connection: x-ssl-cert\r\n"] {
                let answer = ask(nginx.address, &client(&servers, Some(issued)), more);
                assert_eq!(answer.status, 200, "{of_nobody} {more}: {answer:?}");
                assert_eq!(*noted.lock().unwrap(), told(issued), "{of_nobody} {more}");
            }
        }
        noted.lock().unwrap().clear();
        // Of another authority, or none, with and without a forged one.
        assert_eq!(ask(nginx.address, &client(&servers, Some(&stranger)), "").status, 403, "{of_nobody}");
        if of_nobody == 200 {
            assert_eq!(ask(gateway.address, &client(&servers, None), &forged).status, 403, "past nginx");
        }
        assert_eq!(*noted.lock().unwrap(), Vec::<String>::new(), "{of_nobody}");
        for more in ["", &forged] {
            let answer = ask(nginx.address, &client(&servers, None), more);
            assert_eq!(answer.status, of_nobody, "{of_nobody} {more}: {answer:?}");
            let nobody: &[&str] = if of_nobody == 200 { &["x-address: 127.0.0.1", "x-consent-id: c-1"] } else { &[] };
            assert_eq!(*noted.lock().unwrap(), nobody, "{of_nobody} {more}");
        }
    }
}
