//! Prometheus: its linter reads the metrics, its parser the alert rules and the expressions of the dashboard, and its server scrapes a
//! running gateway.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::folder::{Folder, NOBODY, get_with};
use crate::support::http;
use crate::support::ports;
use crate::support::process::{Gateway, Process};
use crate::support::programs::{Package, installed};

const DEBIAN: Package = Package::Debian("prometheus");
const RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/prometheus/alerts.yaml");
const DASHBOARD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/prometheus/dashboard.json");

/// A gateway with an admin port that has refused and failed a request.
fn gateway() -> (Folder, Gateway, SocketAddr) {
    let folder = Folder::new();
    folder.write("shop/orders.proto", get_with(r#"get: "/v1/{id}""#));
    folder.write_key("answers.key", "00".repeat(32));
    let config = format!(
        "listen: 127.0.0.1:0\nschema: shop\nupstream: {NOBODY}\nadmin: 127.0.0.1:0\nstore: redis://127.0.0.1:1\n\
         idempotency: {{store: shared, encryption_keys: 'file:answers.key'}}\n"
    );
    folder.write("towbar.yaml", config);
    let mut gateway = folder.start(&["serve", "--config", "towbar.yaml"]);
    let admin = gateway.process.read_until("metrics on http://");
    let admin = admin.strip_suffix("/metrics").unwrap().parse().unwrap();
    assert_eq!(http::get(gateway.address, "/v1/7").status, 503);
    assert_eq!(http::get(gateway.address, "/nowhere").status, 404);
    (folder, gateway, admin)
}

fn checked(promtool: &Path, arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(promtool);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn assert_fine(output: &Output, what: &str) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{what}: {}{}", text(&output.stdout), text(&output.stderr));
}

/// Every expression of the dashboard, with what Grafana would put in place of its variables.
fn expressions() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&fs::read_to_string(DASHBOARD).unwrap()).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    targets.map(|target| target["expr"].as_str().unwrap().replace("$instance", ".*")).collect()
}

/// The metrics that a text names.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("towbar_")).map(str::to_owned).collect()
}

#[test]
fn promtool_accepts_metrics_alert_rules_and_dashboard() {
    let Some(promtool) = installed("promtool", DEBIAN) else { return };
    let (_folder, _gateway, admin) = gateway();
    let metrics = http::send(admin, "GET", "/metrics", &[("Accept", "text/plain")], None).body;
    assert_fine(&checked(&promtool, &["check", "metrics"], &metrics), &metrics);
    assert_fine(&checked(&promtool, &["check", "rules", RULES], ""), RULES);
    let expressions = expressions();
    let rules: String = expressions
        .iter()
        .enumerate()
        .map(|(place, expression)| format!("- {{record: 'dashboard:{place}', expr: '{expression}'}}\n"))
        .collect();
    let folder = Folder::new();
    let indented = rules.replace("- {", "    - {");
    folder.write("dashboard.yaml", format!("groups:\n- name: dashboard\n  rules:\n{indented}"));
    let file = folder.path("dashboard.yaml");
    assert_fine(&checked(&promtool, &["check", "rules", file.to_str().unwrap()], ""), &rules);
    // What they name is there.
    let types = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let known: BTreeSet<String> = types
        .flat_map(|(name, kind)| match kind {
            "histogram" => vec![format!("{name}_bucket"), format!("{name}_count"), format!("{name}_sum")],
            _ => vec![name.to_owned()],
        })
        .collect();
    let used = named(&(fs::read_to_string(RULES).unwrap() + &expressions.join("\n")));
    let unknown: Vec<&String> = used.difference(&known).collect();
    assert!(unknown.is_empty(), "{unknown:?}\n{metrics}");
}

#[test]
fn prometheus_scrapes_a_running_gateway() {
    let Some(prometheus) = installed("prometheus", DEBIAN) else { return };
    let (folder, _gateway, admin) = gateway();
    let target = format!("static_configs: [{{targets: ['{admin}']}}]");
    let config =
        format!("scrape_configs: [{{job_name: towbar, scrape_interval: 200ms, scrape_timeout: 200ms, {target}}}]\n");
    folder.write("prometheus.yml", config);
    let own = ports::free();
    let mut command = Command::new(prometheus);
    let data = folder.path("data");
    command.current_dir(folder.path(""));
    command.args(["--config.file=prometheus.yml", "--log.level=error"]);
    command.arg(format!("--storage.tsdb.path={}", data.display()));
    command.arg(format!("--web.listen-address={own}"));
    let _process = Process::start(&mut command);
    let end = Instant::now() + Duration::from_secs(30);
    let query = "/api/v1/query?query=towbar_refusals_total%7Bby%3D%22gateway%22%7D";
    loop {
        if std::net::TcpStream::connect(own).is_ok() {
            // Until it is ready, it answers 503.
            let answer = http::get(own, query);
            if answer.status == 200 && answer.json()["data"]["result"][0]["value"][1] == "1" {
                return;
            }
        }
        assert!(Instant::now() < end, "nothing was scraped");
        std::thread::sleep(Duration::from_millis(100));
    }
}
