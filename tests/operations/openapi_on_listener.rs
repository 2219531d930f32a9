//! The OpenAPI document and its page on the listener, as a caller gets them.

use std::io::Read as _;
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;

use crate::support::folder::{Folder, NOBODY, get_with};
use crate::support::http::{self, Answer};
use crate::support::process::Gateway;
use crate::support::tokens::{Key, key_set};

const SERVE: [&str; 3] = ["serve", "--config", "towbar.yaml"];

fn folder(more: &str) -> Folder {
    let folder = Folder::new();
    folder.write("shop/orders.proto", get_with(r#"get: "/v1/{id}""#));
    let config = format!("listen: 127.0.0.1:0\nschema: shop\nupstream: {NOBODY}\nreload: {{interval: 50ms}}\n{more}");
    folder.write("towbar.yaml", config);
    folder
}

fn gateway(more: &str) -> (Folder, Gateway) {
    let folder = folder(more);
    let gateway = folder.start(&SERVE);
    (folder, gateway)
}

#[test]
fn the_document_and_its_page_are_served_at_the_configured_path_with_etags() {
    let (folder, gateway) = gateway("openapi: {path: /api/docs}\nlog: {access: access.log}\n");
    let get = |target: &str, headers: &[(&str, &str)]| http::send(gateway.address, "GET", target, headers, None);
    let moved = get("/api/docs", &[]);
    assert_eq!((moved.status, moved.header("location")), (308, Some("docs/")));
    for (file, media_type, encoding, start) in [
        ("", "text/html; charset=utf-8", None, "<!doctype html>\n"),
        ("start.js", "text/javascript; charset=utf-8", None, "// Shows the OpenAPI document"),
        ("openapi.json", "application/json", None, "{\n  \"openapi\": \"3.1.0\""),
        ("openapi.yaml", "application/yaml", None, "openapi: \"3.1.0\"\n"),
    ] {
        let target = format!("/api/docs/{file}");
        let answer = get(&target, &[]);
        assert_eq!(answer.status, 200, "{target}");
        assert_eq!(answer.header("content-type"), Some(media_type), "{target}");
        assert_eq!(answer.header("content-encoding"), encoding, "{target}");
        assert_eq!(answer.header("cache-control"), Some("no-cache"), "{target}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{target}");
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"), "{policy}");
        assert!(answer.body.starts_with(start), "{target}: {}", answer.body);
        let tag = answer.header("etag").unwrap();
        let Answer { status, body, .. } = get(&target, &[("If-None-Match", tag)]);
        assert_eq!((status, body.as_str()), (304, ""), "{target}");
        assert_eq!(get(&target, &[("If-None-Match", "\"other\"")]).status, 200, "{target}");
        let head = http::send(gateway.address, "HEAD", &target, &[], None);
        let length = answer.body.len().to_string();
        assert_eq!((head.status, head.header("content-length"), head.body.as_str()), (200, Some(&*length), ""));
    }
    let printed = folder.run(&["openapi", "--config", "towbar.yaml"]);
    assert_eq!(printed.stdout, get("/api/docs/openapi.yaml", &[]).body);
    for (method, target, status, reason) in [
        ("GET", "/api/docs/nothing", 404, "ROUTE_NOT_FOUND"),
        ("GET", "/api/docs/openapi.json/", 404, "ROUTE_NOT_FOUND"),
        ("POST", "/api/docs/", 405, "METHOD_NOT_ALLOWED"),
        ("DELETE", "/api/docs/openapi.json", 405, "METHOD_NOT_ALLOWED"),
    ] {
        let answer = http::send(gateway.address, method, target, &[], None);
        assert_eq!((answer.status, answer.body_and_reason().1.as_deref()), (status, Some(reason)), "{method} {target}");
    }
    let options = http::send(gateway.address, "OPTIONS", "/api/docs/", &[], None);
    assert_eq!((options.status, options.header("allow")), (204, Some("GET, HEAD, OPTIONS")));
    drop(gateway.stop());
    let log = std::fs::read_to_string(folder.path("access.log")).unwrap();
    let lines = |part: &str| log.lines().filter(|line| line.contains(part)).count();
    assert_eq!((lines("\"status\":308"), lines("\"status\":304"), lines("\"status\":405")), (1, 4, 2), "{log}");
    assert!(!log.contains("docs"), "{log}");
}

#[test]
fn the_scripts_and_styles_of_the_page_are_served_compressed_and_complete() {
    let (_folder, gateway) = gateway("openapi: {path: /docs}\n");
    for (file, start) in [("swagger-ui-bundle.js", "/*! For license"), ("swagger-ui.css", ".swagger-ui")] {
        let mut stream = http::connect(gateway.address);
        http::write(&mut stream, "GET", &format!("/docs/{file}"), &[], None);
        let head = http::head(&mut stream);
        assert_eq!((head.status, head.header("content-encoding")), (200, Some("gzip")), "{file}");
        let length = head.header("content-length").unwrap().parse().unwrap();
        let mut text = String::new();
        GzDecoder::new(stream.take(length)).read_to_string(&mut text).unwrap();
        assert!(text.starts_with(start), "{file}");
    }
}

#[test]
fn the_document_is_served_only_if_configured_and_follows_reloads() {
    let (_folder, without) = gateway("");
    assert_eq!(http::get(without.address, "/docs/").status, 404);
    let (folder, gateway) = gateway("openapi: {path: /docs}\n");
    let paths = || http::get(gateway.address, "/docs/openapi.json").json()["paths"].clone();
    assert!(paths()["/v1/{id}"].is_object());
    folder.write("shop/orders.proto", get_with(r#"get: "/v2/{id}""#));
    let end = Instant::now() + Duration::from_secs(20);
    while paths()["/v2/{id}"].is_null() {
        assert!(Instant::now() < end, "the reload is not shown");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn an_invalid_or_already_used_path_stops_the_start() {
    for (lines, problem) in [
        (
            "openapi:\n",
            "towbar.yaml:5:1: openapi: `path` is missing: set it to a path of the listener, for example `/docs`",
        ),
        (
            "openapi: {path: docs}\n",
            "towbar.yaml:5:17: path: expected a path such as `/docs`, of letters, digits, `-`, `_` and `.`, found `docs`",
        ),
        ("openapi: {paht: /docs}\n", "towbar.yaml:5:11: unknown key `paht`; known here: `path`"),
        (
            "openapi: {path: /v1/docs}\n",
            "openapi.path: `/v1/docs` is also a path of shop.v1.Orders.Get (`/v1/{id}`); choose another path",
        ),
        (
            "openapi: {path: /docs}\nprobe: /docs/probe\n",
            "openapi.path: `/docs` and `probe` overlap; choose another path",
        ),
    ] {
        let refusal = folder(lines).refusal(&SERVE);
        assert!(refusal.iter().any(|line| line == problem), "{lines}: {refusal:?}");
    }
}

#[test]
fn the_document_says_which_operations_need_an_access_token() {
    let folder = folder("");
    folder.write("keys.json", key_set(&[&Key::ed25519("e")]));
    let callers = "callers: {issuers: {bank: {issuer: 'https://id', audience: a, keys: keys.json}}, require: {scopes: [accounts]}}\n";
    let config = std::fs::read_to_string(folder.path("towbar.yaml")).unwrap() + callers;
    folder.write("towbar.yaml", config);
    let printed = folder.run(&["openapi", "--format", "json", "--config", "towbar.yaml"]);
    let document: serde_json::Value =
        serde_json::from_str(&printed.stdout).unwrap_or_else(|_| panic!("{}", printed.stderr));
    let security = &document["paths"]["/v1/{id}"]["get"]["security"];
    assert_eq!(*security, serde_json::json!([{ "accessToken": ["accounts"] }]));
    let scheme = &document["components"]["securitySchemes"]["accessToken"];
    assert_eq!((&scheme["type"], &scheme["scheme"]), (&"http".into(), &"bearer".into()));
}
