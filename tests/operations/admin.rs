//! The admin port as an operator reads it: what is served, how the log is filtered, and that no page tells a secret.

use std::net::SocketAddr;

use crate::support::folder::{Folder, NOBODY, get_with};
use crate::support::http::{self, Answer};
use crate::support::process::Gateway;

const SERVE: [&str; 3] = ["serve", "--config", "towbar.yaml"];

/// A gateway with one route and an admin port, in front of nobody.
fn gateway(upstream: &str, more: &str) -> (Folder, Gateway, SocketAddr) {
    let folder = Folder::new();
    folder.write("shop/orders.proto", get_with(r#"get: "/v1/{id}""#));
    let config = format!(
        "listen: 127.0.0.1:0\nschema: shop\nupstream: {upstream}\nadmin: 127.0.0.1:0\nreload: {{interval: 50ms}}\n{more}"
    );
    folder.write("towbar.yaml", config);
    let mut gateway = folder.start(&SERVE);
    let admin = gateway.process.read_until("metrics on http://");
    let admin = admin.strip_suffix("/metrics").unwrap().parse().unwrap();
    (folder, gateway, admin)
}

#[test]
fn the_index_links_every_page_and_no_page_may_be_cached() {
    let (_folder, _gateway, admin) = gateway(NOBODY, "");
    let index = http::get(admin, "/");
    let links: Vec<&str> = index.body.split("<a href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    for page in [
        "/ready",
        "/live",
        "/metrics",
        "/routes",
        "/upstreams",
        "/config",
        "/docs/",
        "/openapi.json",
        "/openapi.yaml",
        "/log",
    ] {
        assert!(links.contains(&page), "{page}: {}", index.body);
    }
    for page in links.iter().chain(&["/", "/nowhere", "/docs/nowhere", "/docs/start.js"]) {
        let answer = http::get(admin, page);
        assert_eq!(answer.status, if page.ends_with("/nowhere") { 404 } else { 200 }, "{page}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{page}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{page}");
        assert!(answer.header("content-security-policy").unwrap().starts_with("default-src 'none'"), "{page}");
        assert_eq!(http::send(admin, "HEAD", page, &[], None).body, "", "{page}");
    }
}

#[test]
fn unsupported_requests_are_refused_with_an_explanation() {
    let (_folder, _gateway, admin) = gateway(NOBODY, "");
    let long = "x".repeat(5000);
    for (method, target, body, status, text) in [
        ("GET", "/nowhere", "", 404, "no such page; GET / lists the pages of this port\n"),
        ("POST", "/metrics", "", 405, "only GET and HEAD are answered here\n"),
        ("DELETE", "/config", "", 405, "only GET and HEAD are answered here\n"),
        ("POST", "/log", "debug", 405, "only GET, HEAD and PUT are answered here\n"),
        ("PUT", "/log", long.as_str(), 413, "length limit exceeded"),
        ("PUT", "/log", "", 400, "expected a filter such as `error,towbar=info`, got nothing; nothing was changed\n"),
        (
            "PUT",
            "/log",
            "towbar=loud",
            400,
            "expected a filter such as `error,towbar=info`: error parsing level filter: expected one of \"off\", \"error\", \
             \"warn\", \"info\", \"debug\", \"trace\", or a number 0-5; nothing was changed\n",
        ),
    ] {
        let answer = http::send(admin, method, target, &[], Some(body.as_bytes()));
        assert_eq!((answer.status, answer.body.as_str()), (status, text), "{method} {target}");
    }
    let allowed = |target| http::send(admin, "PATCH", target, &[], None).header("allow").map(str::to_owned);
    assert_eq!(allowed("/live").as_deref(), Some("GET,HEAD"));
    assert_eq!(http::get(admin, "/log").body, "towbar=info,error\n");
}

#[test]
fn the_log_filter_can_be_changed_while_the_gateway_runs() {
    let (_folder, gateway, admin) = gateway(NOBODY, "");
    let call = || http::get(gateway.address, "/v1/7").status;
    assert_eq!(call(), 503);
    let put = |filter: &str| http::send(admin, "PUT", "/log", &[], Some(filter.as_bytes()));
    let Answer { status, body, .. } = put("towbar=trace");
    assert_eq!((status, body.as_str()), (200, "towbar=trace\n"));
    assert_eq!(call(), 503);
    assert_eq!(put("off").status, 200);
    assert_eq!(call(), 503);
    let stderr = gateway.stop().stderr;
    let lines = |text: &str| stderr.lines().filter(|line| line.contains(text)).count();
    assert_eq!(lines("an exchange has ended"), 1, "{stderr}");
    assert_eq!(lines("the filter of the log is now towbar=trace, as the admin port was asked"), 1, "{stderr}");
    assert_eq!(lines("GET"), 3, "the first call's failure, and two lines of the second: {stderr}");
}

#[test]
fn routes_and_upstreams_are_shown_and_a_reload_updates_the_routes() {
    let (folder, _gateway, admin) = gateway(NOBODY, "");
    let routes = http::get(admin, "/routes");
    assert_eq!(routes.header("content-type"), Some("application/json"));
    let expected = serde_json::json!({ "routes": [{
        "method": "GET", "path": "/v1/{id}", "rpc": "shop.v1.Orders.Get", "upstream": "default", "body": null,
        "queryKeys": [], "clientStreaming": false, "serverStreaming": false, "idempotent": false,
    }]});
    assert_eq!(routes.json(), expected);
    let expected = serde_json::json!({ "upstreams": [{
        "name": "default", "configured": NOBODY, "problem": null,
        "addresses": [{ "address": "127.0.0.1:1", "healthy": true, "ejected": false, "connections": 0 }],
    }]});
    assert_eq!(http::get(admin, "/upstreams").json(), expected);
    folder.write("shop/orders.proto", get_with(r#"get: "/v2/{id}""#));
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while http::get(admin, "/routes").json()["routes"][0]["path"] != "/v2/{id}" {
        assert!(std::time::Instant::now() < end, "the reload is not shown");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn the_openapi_document_is_shown_and_follows_a_reload() {
    let (folder, _gateway, admin) = gateway(NOBODY, "");
    let answer = http::get(admin, "/openapi.json");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let document = answer.json();
    assert_eq!(document["paths"]["/v1/{id}"]["get"]["operationId"], "Orders_Get");
    let yaml = http::get(admin, "/openapi.yaml");
    assert_eq!(yaml.header("content-type"), Some("application/yaml"));
    assert_eq!(towbar::app::openapi::from_yaml(&yaml.body), Ok(document));
    // The same as that of the command.
    let printed = folder.run(&["openapi", "--config", "towbar.yaml"]);
    assert_eq!((printed.stdout.as_str(), printed.code), (yaml.body.as_str(), Some(0)));
    folder.write("shop/orders.proto", get_with(r#"get: "/v2/{id}""#));
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while http::get(admin, "/openapi.json").json()["paths"]["/v2/{id}"].is_null() {
        assert!(std::time::Instant::now() < end, "the reload is not shown");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn the_configuration_is_shown_without_passwords() {
    let upstream = format!("\n  address: {NOBODY}\n  proxy: http://canary-user:canary-pass@127.0.0.1:2");
    let (_folder, _gateway, admin) = gateway(&upstream, "compatibility: envoy\n");
    let config = http::get(admin, "/config").body;
    assert!(config.contains("proxy: \"http://***@127.0.0.1:2\"\n"), "{config}");
    assert!(config.contains("compatibility: envoy\n") && config.contains("empty_body: object\n"), "{config}");
    for page in [
        "/",
        "/ready",
        "/live",
        "/metrics",
        "/routes",
        "/upstreams",
        "/config",
        "/openapi.json",
        "/openapi.yaml",
        "/log",
    ] {
        let text = http::get(admin, page).body;
        assert!(!text.contains("canary"), "{page}: {text}");
    }
}
