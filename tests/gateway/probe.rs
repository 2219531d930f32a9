//! The gateway's `probe`: what it tells, what it never repeats, and that it is not there unless it is configured.

use std::net::SocketAddr;

use serde_json::json;

use crate::support::folder;
use crate::support::folder::{Folder, NOBODY};
use crate::support::http::send;
use crate::support::process::Gateway;

const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const LETTERS: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

fn gateway(folder: &Folder, probe: &str) -> Gateway {
    folder.write("towbar.yaml", config(probe)).write("shop.proto", folder::get_with("get: \"/v1/orders/{id}\""));
    folder.start(&["serve", "--config", "towbar.yaml"])
}

fn config(probe: &str) -> String {
    format!("listen: 127.0.0.1:0\nschema: shop.proto\nupstream: {NOBODY}\n{probe}\n")
}

fn told(
    to: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: Option<&[u8]>,
) -> serde_json::Value {
    let answer = send(to, method, target, headers, body);
    assert_eq!((answer.status, answer.header("towbar-probe")), (200, Some("1")), "{method} {target}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{method} {target}");
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{method} {target}");
    answer.json()
}

#[test]
fn the_probe_describes_a_request_without_repeating_secrets() {
    let folder = Folder::new();
    let gateway = gateway(&folder, "probe: /towbar-probe");
    let headers =
        [("Authorization", "Bearer secret"), ("X-Added", "one"), ("X-Added", "three"), ("Towbar-Probe-Nonce", "0a1F")];
    let target = "/towbar-probe/a%2Fb//c/../d;e?access_token=secret";
    let told = told(gateway.address, "PUT", target, &headers, Some(b"abc"));
    assert!(!told.to_string().contains("secret"), "{told}");
    let expected = json!({
        "version": "HTTP/1.1",
        "method": "PUT",
        "path": "/towbar-probe/a%2Fb//c/../d;e",
        "headers": [
            { "name": "host", "length": 12 },
            { "name": "authorization", "length": 13 },
            { "name": "x-added", "length": 3 },
            { "name": "x-added", "length": 5 },
            { "name": "towbar-probe-nonce", "length": 4 },
            { "name": "content-length", "length": 1 },
        ],
        "nonce": "0a1F",
        "body": { "length": 3, "sha256": LETTERS, "trailers": [] },
    });
    assert_eq!(told, expected);
    for nonce in ["secret", "0x12", &"a".repeat(65), ""] {
        let told = self::told(gateway.address, "GET", "/towbar-probe", &[("towbar-probe-nonce", nonce)], None);
        let empty = nonce.is_empty();
        assert_eq!(told["nonce"].as_str(), empty.then_some(""), "{nonce}");
        assert_eq!(told["body"]["sha256"], EMPTY, "{nonce}");
    }
}

#[test]
fn the_probe_answers_head_without_a_body_and_refuses_bodies_over_its_limit() {
    let folder = Folder::new();
    let gateway = gateway(&folder, "probe: /towbar-probe");
    let head = send(gateway.address, "HEAD", "/towbar-probe", &[], None);
    assert_eq!((head.status, head.body.as_str(), head.header("towbar-probe")), (200, "", Some("1")));
    let long = vec![b'x'; (2 << 20) + 1];
    let answer = send(gateway.address, "POST", "/towbar-probe", &[], Some(&long));
    assert_eq!((answer.status, &answer.json()["body"]), (413, &json!(null)));
    let most = told(gateway.address, "POST", "/towbar-probe", &[], Some(&long[1..]));
    assert_eq!(most["body"]["length"], 2 << 20);
}

#[test]
fn the_probe_answers_only_under_its_configured_path() {
    let folder = Folder::new();
    let without = gateway(&folder, "");
    for target in ["/towbar-probe", "/towbar-probe/trailers"] {
        assert_eq!(send(without.address, "GET", target, &[], None).status, 404, "{target}");
    }
    let other = Folder::new();
    let with = gateway(&other, "probe: /ops/probe");
    for (target, status) in [
        ("/ops/probe", 200),
        ("/ops/probe/x", 200),
        ("/ops/probes", 404),
        ("/ops", 404),
        ("/x/ops/probe", 404),
        ("/ops%2Fprobe", 404),
        ("/ops/x/../probe", 400),
        ("/towbar-probe", 404),
    ] {
        assert_eq!(send(with.address, "GET", target, &[], None).status, status, "{target}");
    }
}

#[test]
fn an_invalid_or_already_routed_probe_path_stops_the_start() {
    let folder = Folder::new();
    folder.write("shop.proto", folder::get_with("get: \"/v1/orders/{id}\""));
    let form = "expected a path such as `/towbar-probe`, of letters, digits, `-`, `_` and `.`, found";
    let clash = "is also a path of shop.v1.Orders.Get (`/v1/orders/{id}`); choose another path";
    for (path, problem) in [
        ("towbar-probe", format!("towbar.yaml:4:8: probe: {form} `towbar-probe`")),
        ("/", format!("towbar.yaml:4:8: probe: {form} `/`")),
        ("/a/../b", format!("towbar.yaml:4:8: probe: {form} `/a/../b`")),
        ("/v1/orders", format!("probe: `/v1/orders` {clash}")),
        ("/v1/orders/probe", format!("probe: `/v1/orders/probe` {clash}")),
        ("/v1", format!("probe: `/v1` {clash}")),
    ] {
        folder.write("towbar.yaml", config(&format!("probe: {path}")));
        assert_eq!(folder.refusal(&["check", "--config", "towbar.yaml"]), [problem], "{path}");
    }
}
