//! `towbar doctor --url`: what it finds out about real boxes in front of a gateway. What is expected of each is what the box
//! does, in the version that is installed; docs/doctor.md has it as a table.

use std::net::SocketAddr;

use towbar::cli::demo::bank::certificates::Authority;

use crate::support::boxes::Between;
use crate::support::folder;
use crate::support::folder::{Folder, NOBODY};
use crate::support::masked::{masked, sample};
use crate::support::process::{Ended, Gateway};

/// A gateway with a probe, plain and with TLS, and the certificate of whatever stands in front.
struct Stage {
    folder: Folder,
    plain: Gateway,
    secure: Gateway,
    pem: String,
}

impl Stage {
    fn new() -> Self {
        let (folder, authority) = (Folder::new(), Authority::new("the public's").unwrap());
        let between = authority.issue("public.test").unwrap();
        let shop = folder::get_with("get: \"/v1/orders/{id}\"");
        let head = format!("schema: shop.proto\nupstream: {NOBODY}\nprobe: /towbar-probe\n");
        folder.write("shop.proto", shop).write("ca.pem", authority.pem());
        folder.write_identity("gw.pem", "gw.key", &authority.issue("gateway.test").unwrap());
        folder.write("plain.yaml", format!("listen: 127.0.0.1:0\n{head}"));
        let tls = "listen:\n  address: 127.0.0.1:0\n  tls: {cert: gw.pem, key: gw.key}\n";
        folder.write("secure.yaml", format!("{tls}{head}"));
        let (plain, secure) =
            (folder.start(&["serve", "--config", "plain.yaml"]), folder.start(&["serve", "--config", "secure.yaml"]));
        Self { folder, plain, secure, pem: between.certificate_pem() + &between.key_pem() }
    }

    fn pem(&self) -> Option<&str> {
        Some(&self.pem)
    }

    /// What is not as it might be, of the steps that were tried.
    fn found(&self, to: SocketAddr, is_tls: bool) -> (Option<i32>, Vec<String>) {
        let (code, told) = self.told(to, is_tls);
        let is_of_note = |line: &String| {
            !line.starts_with("passed") && !line.contains("`http://`") && line != "skipped proxy: no proxy is set"
        };
        (code, told.into_iter().filter(is_of_note).collect())
    }

    /// Every step.
    fn told(&self, to: SocketAddr, is_tls: bool) -> (Option<i32>, Vec<String>) {
        let url = format!("{}://{to}/", if is_tls { "https" } else { "http" });
        let more: &[&str] = if is_tls { &["--ca", "ca.pem"] } else { &[] };
        let Ended { code, stdout, stderr } = self.folder.run(&[&["doctor", "--url", &url][..], more].concat());
        assert_eq!(stderr, "");
        let told: Vec<String> = stdout.lines().map(masked).collect();
        assert_eq!(told.len(), 26, "{told:?}");
        (code, told)
    }
}

/// The steps of a box, which is skipped where it cannot be had.
fn assert_found(stage: &Stage, between: Option<Between>, is_tls: bool, code: i32, expected: &[&str]) {
    let Some(between) = between else { return };
    let (ended, found) = stage.found(between.address, is_tls);
    assert_eq!(found, expected);
    assert_eq!(ended, Some(code));
}

const HTTP1: &str = "skipped http2: not offered";
const NO_TRAILERS2: &str = "skipped trailers2: HTTP/2 does not reach the gateway";
const FORGED: &str = "noted   headers: a forged Client-Cert header passes; no server behind may trust it";
const FORGED_NO_: &str = "noted   headers: headers with `_` in their names are dropped, a forged Client-Cert header passes; no server behind may \
     trust it";
const HEADER_SIZE: &str = "noted   header-size: a header of N bytes arrives, one of N is answered HTTP 400; raise the limit \
                           if tokens and signatures are longer (nginx: `large_client_header_buffers`, HAProxy: `tune.bufsize`, Apache: \
                           `LimitRequestFieldSize`)";
const NO_TE1: &str = "noted   trailers1: over HTTP/1.1 trailers do not arrive: `TE: trailers` is not forwarded, so no \
                      trailers come back; REST does not need them";
const NO_TE2: &str = "noted   trailers2: over HTTP/2 trailers do not arrive: `TE: trailers` is not forwarded, so no \
                      trailers come back; REST does not need them";
const DROPPED1: &str =
    "noted   trailers1: over HTTP/1.1 trailers do not arrive: they are dropped; REST does not need them";
const DROPPED2: &str =
    "noted   trailers2: over HTTP/2 trailers do not arrive: they are dropped; REST does not need them";
const GRPC_NOT_OFFERED: &str = "noted   grpc: native gRPC does not work: HTTP/2 does not reach the gateway; REST does not \
                                need it";
const GRPC_IS_HTTP1: &str = "noted   grpc: native gRPC does not work: something in between turns HTTP/2 into HTTP/1.1; REST \
                             does not need it";

#[test]
fn with_no_proxy_in_between_no_step_fails() {
    let stage = Stage::new();
    let expected = [HTTP1, FORGED, NO_TRAILERS2, GRPC_NOT_OFFERED].map(str::to_owned).to_vec();
    assert_eq!(stage.found(stage.plain.address, false), (Some(0), expected));
    assert_eq!(stage.found(stage.secure.address, true), (Some(0), vec![FORGED.to_owned()]));
}

#[test]
fn nginx_drops_trailers_and_speaks_http_1_1_to_the_gateway() {
    let stage = Stage::new();
    let pass = "proxy_pass http://BEHIND; proxy_http_version 1.1;";
    let between = Between::nginx(stage.plain.address, None, pass);
    let expected = [HTTP1, FORGED_NO_, HEADER_SIZE, NO_TE1, NO_TRAILERS2, GRPC_NOT_OFFERED];
    assert_found(&stage, between, false, 0, &expected);
    let between = Between::nginx(stage.plain.address, stage.pem(), pass);
    if let Some(between) = &between {
        // The document's, line by line.
        assert_eq!(stage.told(between.address, true), (Some(0), sample(2)));
    }
    assert_found(&stage, between, true, 0, &[FORGED_NO_, HEADER_SIZE, NO_TE1, NO_TE2, GRPC_IS_HTTP1]);
}

#[test]
fn nginx_with_grpc_pass_lets_native_grpc_through() {
    let stage = Stage::new();
    let between = Between::nginx(stage.secure.address, stage.pem(), "grpc_pass grpcs://BEHIND;");
    assert_found(&stage, between, true, 0, &[FORGED_NO_, HEADER_SIZE]);
}

#[test]
fn side_effects_of_common_nginx_settings_are_reported() {
    const SLASH: &str = "FAILED  slash: /a%2Fb becomes /a/b; pass the path on as it came (nginx: `proxy_pass` without a path; \
                         Apache: `AllowEncodedSlashes NoDecode` and `nocanon`; Envoy: no `path_with_escaped_slashes_action`), \
                         or bind names with `/` in them by `**`";
    const PATHS: &str = "noted   paths: /a//b becomes /a/b, /a/./b becomes /a/b, /a/../b becomes /b, /a%7Eb becomes /a~b, \
                         /a%3Ab becomes /a:b";
    const METHODS: &str = "FAILED  methods: PUT is answered HTTP 403, PATCH is answered HTTP 403, DELETE is answered HTTP 403, \
                           OPTIONS is answered HTTP 403; allow these methods in the proxy or WAF in between, or use POST in the rules of these rpcs";
    const AUTHORIZATION: &str = "FAILED  headers: Authorization does not arrive unchanged; let the proxy in between forward \
                                 it (Squid: \
                                 `login=PASSTHRU` of its `cache_peer`)";
    const BODY: &str = "FAILED  body: a body of 1 MiB is answered HTTP 413; raise the limit of the proxy in between (nginx: \
                        `client_max_body_size`)";
    let stage = Stage::new();
    for (location, found) in [
        ("proxy_pass http://BEHIND/;", &[SLASH, PATHS][..]),
        ("limit_except GET POST { deny all; } proxy_pass http://BEHIND;", &[METHODS]),
        ("proxy_set_header Authorization ''; proxy_pass http://BEHIND;", &[AUTHORIZATION]),
        ("client_max_body_size 100k; proxy_pass http://BEHIND;", &[BODY]),
        (
            "gzip on; gzip_min_length 1; gzip_types application/json; gzip_http_version 1.0; proxy_pass http://BEHIND;",
            &["noted   compression: something in between compresses answers (gzip)"],
        ),
        (
            "if ($content_type ~ merge-patch) { return 403; } proxy_pass http://BEHIND;",
            &["noted   content-types: application/merge-patch+json is answered HTTP 403"],
        ),
        (
            "if ($http_transfer_encoding) { return 411; } proxy_pass http://BEHIND;",
            &["noted   chunked: a chunked body is answered HTTP 411; send a Content-Length"],
        ),
    ] {
        let location = format!("proxy_http_version 1.1; {location}");
        let Some(between) = Between::nginx(stage.plain.address, None, &location) else { return };
        let (code, lines) = stage.found(between.address, false);
        for line in found {
            assert!(lines.iter().any(|told| told == line), "{location}: {line}\n{lines:#?}");
        }
        let is_broken = found[0].starts_with("FAILED");
        assert_eq!(code, Some(i32::from(is_broken)), "{location}: {lines:#?}");
        let verdict: Vec<&String> = lines.iter().filter(|line| line.starts_with("FAILED  verdict")).collect();
        assert_eq!(verdict.len(), usize::from(is_broken), "{location}: {lines:#?}");
    }
}

#[test]
fn haproxy_keeps_trailers_and_native_grpc_where_it_speaks_http_2_to_the_gateway() {
    let stage = Stage::new();
    // Its plain port takes HTTP/2 too.
    let between = Between::haproxy(stage.plain.address, None, "", "");
    assert_found(&stage, between, false, 0, &[FORGED, HEADER_SIZE, GRPC_IS_HTTP1]);
    let between = Between::haproxy(stage.secure.address, stage.pem(), "ssl verify none alpn h2", "");
    assert_found(&stage, between, true, 0, &[FORGED, HEADER_SIZE]);
}

#[test]
fn a_proxy_may_strip_a_path_prefix() {
    let stage = Stage::new();
    let rule = r"http-request replace-path /bank/v1(/.*)? \1";
    let Some(between) = Between::haproxy(stage.plain.address, None, "", rule) else { return };
    let url = format!("http://{}/bank/v1/", between.address);
    let Ended { code, stdout, .. } = stage.folder.run(&["doctor", "--url", &url]);
    let told: Vec<&str> = stdout.lines().collect();
    assert_eq!(code, Some(0), "{told:#?}");
    for line in [
        "passed  probe: /bank/v1/towbar-probe is answered",
        "passed  slash: %2F stays as it is",
        "passed  paths: //, dot segments, %7E, %3A and ; stay as they are",
        "passed  verdict: REST works over HTTP/1.1 and HTTP/2; native gRPC does not work",
    ] {
        assert!(told.contains(&line), "{line}\n{told:#?}");
    }
}

#[test]
fn squid_drops_authorization_without_login_passthru() {
    let stage = Stage::new();
    let lost = "FAILED  headers: Authorization does not arrive unchanged; let the proxy in between forward it (Squid: \
                `login=PASSTHRU` of its \
                `cache_peer`)";
    let verdict = "FAILED  verdict: REST works only partly over HTTP/1.1: headers; native gRPC does not work; fix what those \
                   steps report";
    let between = Between::squid(stage.plain.address, "");
    let expected = [HTTP1, lost, NO_TE1, NO_TRAILERS2, GRPC_NOT_OFFERED, verdict];
    assert_found(&stage, between, false, 1, &expected);
    let between = Between::squid(stage.plain.address, "login=PASSTHRU");
    assert_found(&stage, between, false, 0, &[HTTP1, FORGED, NO_TE1, NO_TRAILERS2, GRPC_NOT_OFFERED]);
}

#[test]
fn envoy_drops_trailers_of_http_1_1_and_keeps_those_of_http_2() {
    let stage = Stage::new();
    let between = Between::envoy(stage.plain.address, None);
    assert_found(&stage, between, false, 0, &[FORGED, DROPPED1, DROPPED2, GRPC_IS_HTTP1]);
    let between = Between::envoy(stage.secure.address, stage.pem());
    assert_found(&stage, between, true, 0, &[FORGED, DROPPED1]);
}

#[test]
fn without_a_probe_the_doctor_says_how_to_configure_one() {
    let stage = Stage::new();
    let url = format!("http://{}/", stage.plain.address);
    let Ended { code, stdout, .. } = stage.folder.run(&["doctor", "--url", &url, "--probe", "/elsewhere"]);
    let told: Vec<&str> = stdout.lines().skip(10).collect();
    assert_eq!(
        told[..3],
        [
            "noted   http1: a request of HTTP/1.1 is answered HTTP 404",
            HTTP1,
            "FAILED  probe: GET /elsewhere was not answered by a gateway: HTTP 404; set `probe` in the gateway's \
             configuration for this test, and let every proxy forward that path",
        ]
    );
    assert!(
        told[3..].iter().all(|line| line.starts_with("skipped ") && line.ends_with(": `probe` failed")),
        "{told:#?}"
    );
    assert_eq!((code, told.len()), (Some(1), 16));
}

#[test]
fn the_doctor_tests_client_certificates() {
    let stage = Stage::new();
    let clients = Authority::new("the clients'").unwrap();
    stage.folder.write("clients.pem", clients.pem());
    stage.folder.write_identity("caller.pem", "caller.key", &clients.issue("caller.test").unwrap());
    let config = format!(
        "listen:\n  address: 127.0.0.1:0\n  tls: {{cert: gw.pem, key: gw.key, client_ca: clients.pem}}\nschema: \
         shop.proto\nupstream: {NOBODY}\nprobe: /towbar-probe\n"
    );
    stage.folder.write("mutual.yaml", config);
    let gateway = stage.folder.start(&["serve", "--config", "mutual.yaml"]);
    let url = format!("https://{}/", gateway.address);
    for (more, code, line) in [
        (&["--cert", "caller.pem", "--key", "caller.key"][..], 0, "passed  mtls: CN=caller.test was sent and accepted"),
        (
            &[],
            1,
            "FAILED  mtls: the server requires a client certificate (alert CertificateRequired); it trusts CN=the \
             clients'; set `cert` and `key`",
        ),
    ] {
        let arguments = [&["doctor", "--url", &url, "--ca", "ca.pem"][..], more].concat();
        let Ended { code: ended, stdout, .. } = stage.folder.run(&arguments);
        assert!(stdout.lines().any(|told| told == line), "{stdout}");
        assert_eq!(ended, Some(code), "{stdout}");
    }
}
