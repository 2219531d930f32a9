//! The metrics of a running gateway: what is counted, what is documented, and that no request invents a label.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tonic::{Response, Status};
use towbar::cli::demo::generated::io::token::proto::bankapi::HealthCheckResponse;

use crate::support::folder::Folder;
use crate::support::process::Gateway;
use crate::support::{Backend, health, http};

const TARGET: &str = "/health-check?bank_id=iron";

/// A gateway with an admin port, in front of a bank that answers health checks.
fn stage() -> (Folder, Backend, Gateway, SocketAddr) {
    stage_with("")
}

/// [`stage`] with more keys, and with a file of validation rules beside the configuration.
fn stage_with(more: &str) -> (Folder, Backend, Gateway, SocketAddr) {
    let answer = |_| async { Ok::<_, Status>(Response::new(HealthCheckResponse { status: 1 })) };
    let backend = Backend::start(health(answer), None);
    let folder = Folder::new();
    folder.copy("proto", "proto");
    let config = format!(
        "listen: 127.0.0.1:0\nschema: proto\nupstream: http://{}\nadmin: 127.0.0.1:0\nreload: {{interval: 50ms}}\n{more}",
        backend.address
    );
    folder.write("rules.yaml", "io.token.proto.bankapi.HealthCheckRequest: {bank_id: {string: {max_len: 4}}}\n");
    folder.write_key("answers.key", "00".repeat(32));
    folder.write("towbar.yaml", config);
    let mut gateway = folder.start(&["serve", "--config", "towbar.yaml"]);
    let admin = gateway.process.read_until("metrics on http://");
    let admin = admin.strip_suffix("/metrics").unwrap().parse().unwrap();
    (folder, backend, gateway, admin)
}

/// Waits until a scrape has this line.
fn wait_for(admin: SocketAddr, line: &str) {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let text = http::get(admin, "/metrics").body;
        if text.lines().any(|shown| shown == line) {
            return;
        }
        assert!(Instant::now() < end, "{line}\n{text}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn requests_are_counted_by_route_rpc_status_and_code_and_a_reload_keeps_the_counts() {
    let (folder, _backend, gateway, admin) = stage();
    for _ in 0..3 {
        assert_eq!(http::get(gateway.address, TARGET).status, 200);
    }
    http::get(gateway.address, "/nowhere");
    http::get(gateway.address, "/storage/none");
    let rpc = "io.token.proto.bankapi.HealthCheckService.HealthCheck";
    let count = format!(
        "towbar_request_duration_seconds_count{{method=\"GET\",route=\"/health-check\",rpc=\"{rpc}\",status=\"200\",code=\"OK\"}}"
    );
    let lines = [
        "towbar_request_duration_seconds_count{method=\"\",route=\"\",rpc=\"\",status=\"404\",code=\"NOT_FOUND\"} 1",
        "towbar_upstream_calls_total{upstream=\"default\"} 4",
        "towbar_upstream_attempts_total{upstream=\"default\"} 4",
        "towbar_upstream_addresses{upstream=\"default\"} 1",
        "towbar_upstream_connects_total{upstream=\"default\",result=\"failed\"} 0",
        "towbar_requests_in_flight 0",
        "towbar_access_log_dropped_lines_total 0",
    ];
    wait_for(admin, &format!("{count} 3"));
    lines.iter().for_each(|line| wait_for(admin, line));
    let body = format!("towbar_response_body_bytes_total{{method=\"GET\",route=\"/health-check\",rpc=\"{rpc}\"}} 60");
    wait_for(admin, &body);
    folder.write("proto/more.proto", "syntax = \"proto3\";\npackage more;\n");
    wait_for(admin, "towbar_reloads_total{result=\"done\"} 1");
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(http::get(gateway.address, TARGET).status, 200);
    wait_for(admin, &format!("{count} 4"));
}

#[test]
fn requests_that_violate_rules_are_counted_by_rpc() {
    let more = "validation: {mode: report, rules: rules.yaml}\n";
    let (_folder, _backend, gateway, admin) = stage_with(more);
    for target in [TARGET, "/health-check?bank_id=irony", "/health-check?bank_id=ironic"] {
        assert_eq!(http::get(gateway.address, target).status, 200, "{target}");
    }
    wait_for(admin, "towbar_invalid_requests_total{rpc=\"io.token.proto.bankapi.HealthCheckService.HealthCheck\"} 2");
}

#[test]
fn requests_cannot_add_labels_or_put_their_data_into_metrics() {
    let (_folder, _backend, gateway, admin) = stage();
    http::get(gateway.address, TARGET);
    http::get(gateway.address, "/nowhere");
    http::send(gateway.address, "GET", "/storage/x", &[], None);
    http::send(gateway.address, "BREW", "/nowhere", &[], None);
    let series = || http::get(admin, "/metrics").body.lines().filter(|line| !line.starts_with('#')).count();
    let before = series();
    for number in 0..50 {
        http::get(gateway.address, &format!("/CANARY-{number}"));
        http::get(gateway.address, &format!("/storage/CANARY-{number}"));
        http::send(gateway.address, &format!("BREW{number}"), "/CANARY", &[("Authorization", "Bearer CANARY")], None);
    }
    let text = http::get(admin, "/metrics").body;
    assert!(!text.contains("CANARY") && !text.contains("BREW"), "{text}");
    assert_eq!(series(), before, "{text}");
}

#[test]
fn every_metric_is_documented_and_every_documented_metric_is_scraped() {
    // Some metrics are there only with a store, also while it is not reached.
    let store = "store: redis://127.0.0.1:1\nidempotency: {store: shared, encryption_keys: 'file:answers.key'}\n\
                 limits: {all: {rate: 1000/s, shared: true}}\n";
    let (_folder, _backend, gateway, admin) = stage_with(store);
    http::get(gateway.address, TARGET);
    let kinds: BTreeSet<String> = http::get(admin, "/metrics")
        .body
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .map(|line| {
            let (name, kind) = line.split_once(' ').unwrap();
            format!("{name}{} {kind}", if kind == "counter" { "_total" } else { "" })
        })
        .collect();
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/observability.md")).unwrap();
    let documented: BTreeSet<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `towbar_"))
        .map(|row| {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            format!("towbar_{} {}", cells[0].trim_end_matches('`'), cells[1])
        })
        .collect();
    assert_eq!(documented, kinds);
}

#[test]
fn accept_text_plain_selects_the_older_metrics_format() {
    let (_folder, _backend, _gateway, admin) = stage();
    for (accept, media_type, line) in [
        ("text/plain", "text/plain; version=0.0.4; charset=utf-8", "# TYPE towbar_reloads_total counter"),
        (
            "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            "# TYPE towbar_reloads counter",
        ),
    ] {
        let answer = http::send(admin, "GET", "/metrics", &[("Accept", accept)], None);
        assert_eq!(answer.header("content-type"), Some(media_type), "{accept}");
        assert!(answer.body.lines().any(|shown| shown == line), "{accept}: {}", answer.body);
        assert_eq!(answer.body.ends_with("# EOF\n"), media_type.starts_with("application"), "{accept}");
    }
}
