//! The access log: a line for each request, whatever became of it, and no secret in any.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tonic::{Response, Status};
use towbar::cli::demo::generated::io::token::proto::bankapi::HealthCheckResponse;

use crate::support::folder::{Folder, NOBODY};
use crate::support::process::Gateway;
use crate::support::{Backend, grpc, health, http};

const SERVE: [&str; 3] = ["serve", "--config", "towbar.yaml"];
const TARGET: &str = "/health-check?bank_id=iron";
const PATIENCE: Duration = Duration::from_secs(20);

fn bank() -> Backend {
    let answer = |_| async { Ok::<_, Status>(Response::new(HealthCheckResponse { status: 1 })) };
    Backend::start(health(answer), None)
}

/// A gateway of the bank API in front of `url`, with this `log` section.
fn gateway(url: &str, log: &str) -> (Folder, Gateway) {
    gateway_at("127.0.0.1:0", url, log)
}

fn gateway_at(listen: &str, url: &str, log: &str) -> (Folder, Gateway) {
    let folder = Folder::new();
    folder.copy("proto", "proto");
    folder.write(
        "towbar.yaml",
        format!("listen: {listen}\nschema: proto\nupstream: {url}\nreload: {{watch: false}}\nlog: {log}\n"),
    );
    let gateway = folder.start(&SERVE);
    (folder, gateway)
}

fn url(backend: &Backend) -> String {
    format!("http://{}", backend.address)
}

/// The lines of a file, once there are so many.
fn lines(folder: &Folder, file: &str, count: usize) -> Vec<String> {
    let end = Instant::now() + PATIENCE;
    loop {
        let text = fs::read_to_string(folder.path(file)).unwrap_or_default();
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        if lines.len() >= count {
            return lines;
        }
        assert!(Instant::now() < end, "{file}: {text}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A line without what differs from run to run.
fn stable(line: &str) -> Value {
    let mut line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let fields = line.as_object_mut().unwrap();
    for name in ["time", "total_ms", "called_ms", "call_ended_ms", "first_byte_ms", "read_ms", "bytes_out", "address"] {
        fields.remove(name);
    }
    line
}

#[test]
fn every_request_is_logged_including_unroutable_and_malformed_ones() {
    let backend = bank();
    let (folder, gateway) = gateway(&url(&backend), "{access: access.log, request_id: x-request-id}");
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let headers = [("X-Request-Id", "r-1"), ("traceparent", parent)];
    let answered = http::send(gateway.address, "GET", TARGET, &headers, None);
    assert_eq!((answered.status, answered.header("x-request-id")), (200, Some("r-1")));
    let refused = http::send(gateway.address, "GET", "/nowhere", &[("X-Request-Id", "r-2")], None);
    assert_eq!((refused.status, refused.header("x-request-id")), (404, Some("r-2")));
    http::send(gateway.address, "BREW", TARGET, &[("X-Request-Id", "r-3")], None);
    http::send(gateway.address, "GET", "/storage/none", &[("X-Request-Id", "r-4")], None);
    let made = http::get(gateway.address, "/nowhere").header("x-request-id").unwrap().to_owned();
    let mut malformed = http::connect(gateway.address);
    malformed.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").unwrap();
    assert_eq!(http::read(&mut malformed).status, 400);

    let lines: Vec<Value> = lines(&folder, "access.log", 6).iter().map(|line| stable(line)).collect();
    let line =
        |id: &str| lines.iter().find(|line| line["request_id"] == id).unwrap_or_else(|| panic!("{id}: {lines:#?}"));
    assert_eq!(
        *line("r-1"),
        json!({
            "level": "info", "request_id": "r-1", "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "peer": "127.0.0.1",
            "http": "1.1", "protocol": "rest", "method": "GET", "route": "/health-check",
            "rpc": "io.token.proto.bankapi.HealthCheckService.HealthCheck", "upstream": "default", "attempts": 1,
            "outcome": "answered", "status": 200, "grpc_code": 0, "fate": "answered", "end": "whole", "bytes_in": 0,
        })
    );
    let refused = line("r-2");
    assert_eq!(
        (&refused["status"], &refused["outcome"], &refused["refused_by"], &refused["fate"], refused.get("route")),
        (&json!(404), &json!("refused"), &json!("gateway"), &json!("not_sent"), None)
    );
    assert_eq!((&line("r-3")["method"], &line("r-3")["status"]), (&json!("OTHER"), &json!(405)));
    let failed = line("r-4");
    assert_eq!(
        (&failed["status"], &failed["refused_by"], &failed["level"]),
        (&json!(501), &json!("backend"), &json!("error"))
    );
    assert_eq!(line(&made)["status"], json!(404));
    let malformed = lines.iter().find(|line| line.get("method").is_none()).unwrap();
    assert_eq!((&malformed["status"], &malformed["outcome"]), (&json!(400), &json!("refused")));
}

#[test]
fn the_line_of_a_request_names_its_protocol() {
    let backend = bank();
    let listen = "{address: '127.0.0.1:0', protocols: [rest, grpc, grpc_web, connect]}";
    let (folder, gateway) = gateway_at(listen, &url(&backend), "{access: access.log}");
    let path = "/io.token.proto.bankapi.HealthCheckService/HealthCheck";
    for (target, media, body, protocol) in [
        (TARGET, "", "", Some("rest")),
        (path, "application/json", "{}", Some("connect")),
        (path, "application/grpc-web-text+proto", "AAAAAAA=", Some("grpc-web")),
        (path, "application/grpc", "\0\0\0\0\0", Some("grpc")),
        ("/nowhere", "", "", Some("rest")),
    ] {
        let before = fs::read_to_string(folder.path("access.log")).unwrap_or_default().lines().count();
        if media == "application/grpc" {
            grpc::call(gateway.address, target, &[], body.as_bytes());
        } else if media.is_empty() {
            http::get(gateway.address, target);
        } else {
            http::send(gateway.address, "POST", target, &[("Content-Type", media)], Some(body.as_bytes()));
        }
        let line: Value = serde_json::from_str(&lines(&folder, "access.log", before + 1)[before]).unwrap();
        assert_eq!(line.get("protocol").and_then(Value::as_str), protocol, "{target} {media}: {line}");
    }
}

#[test]
fn a_call_that_never_reached_the_backend_is_logged_as_not_sent_with_its_timings() {
    let (folder, gateway) = gateway(NOBODY, "{access: access.log}");
    assert_eq!(http::get(gateway.address, TARGET).status, 503);
    let line: Value = serde_json::from_str(&lines(&folder, "access.log", 1)[0]).unwrap();
    assert_eq!(
        (&line["fate"], &line["refused_by"], &line["outcome"]),
        (&json!("not_sent"), &json!("upstream"), &json!("failed"))
    );
    let ms = |name: &str| line[name].as_f64().unwrap_or_else(|| panic!("{name}: {line}"));
    assert!(ms("called_ms") <= ms("call_ended_ms") && ms("call_ended_ms") <= ms("total_ms"), "{line}");
    assert!(line.get("attempts").is_none() && line.get("first_byte_ms").is_none(), "{line}");
}

#[test]
fn logs_contain_no_text_from_callers_or_backends() {
    let answer =
        |_| async { Err::<Response<HealthCheckResponse>, _>(Status::invalid_argument("CANARY from the bank")) };
    let backend = Backend::start(health(answer), None);
    for format in ["json", "ecs", "logfmt", "text"] {
        let log = format!("{{access: {{to: access.log, format: {format}}}, request_id: x-request-id}}");
        let (folder, gateway) = gateway(&url(&backend), &log);
        let headers: [(&str, &str); 5] = [
            ("Authorization", "Bearer CANARY"),
            ("Cookie", "CANARY=CANARY"),
            ("X-Request-Id", "CANARY \"of a caller\""),
            ("Content-Type", "application/json"),
            ("User-Agent", "CANARY"),
        ];
        let cases: [(&str, &str, Option<&[u8]>); 7] = [
            ("GET", "/health-check?bank_id=CANARY", None),
            ("GET", "/health-check?CANARY=CANARY", None),
            ("GET", "/storage/CANARY", None),
            ("GET", "/CANARY/CANARY", None),
            ("CANARY", "/health-check", None),
            ("POST", "/transfers", Some(b"{\"CANARY\":\"CANARY\"}")),
            ("POST", "/transfers", Some(b"{\"transferId\":\"CANARY\"}")),
        ];
        for (method, target, body) in cases {
            http::send(gateway.address, method, target, &headers, body);
        }
        let written = lines(&folder, "access.log", cases.len()).join("\n");
        assert!(!written.contains("CANARY"), "{format}: {written}");
        let stderr = gateway.stop().stderr;
        assert!(!stderr.contains("CANARY"), "{format}: {stderr}");
    }
}

#[test]
fn a_rotated_access_log_is_reopened_on_sigusr1_and_on_sighup() {
    let (folder, gateway) = gateway(NOBODY, "{access: {to: access.log, format: text}}");
    for (signal, moved) in [("USR1", "access.1"), ("HUP", "access.2")] {
        http::get(gateway.address, TARGET);
        lines(&folder, "access.log", 1);
        fs::rename(folder.path("access.log"), folder.path(moved)).unwrap();
        gateway.process.signal(signal);
        let end = Instant::now() + PATIENCE;
        while !folder.path("access.log").exists() {
            assert!(Instant::now() < end, "{signal}");
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(lines(&folder, moved, 1).len(), 1, "{signal}");
    }
    http::get(gateway.address, TARGET);
    // What waits is written before the process ends.
    gateway.stop();
    assert_eq!(lines(&folder, "access.log", 1).len(), 1);
}

#[test]
fn sampling_and_log_level_depend_on_the_outcome() {
    let log = "{access: {to: access.log, sample: {failed: 0%}, levels: {refused: debug}}}";
    let (folder, gateway) = gateway(NOBODY, log);
    for _ in 0..20 {
        http::get(gateway.address, TARGET);
    }
    http::get(gateway.address, "/nowhere");
    gateway.stop();
    let lines: Vec<Value> = lines(&folder, "access.log", 1).iter().map(|line| stable(line)).collect();
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert_eq!((&lines[0]["level"], &lines[0]["status"]), (&json!("debug"), &json!(404)));
}

#[test]
fn an_unread_access_log_pipe_does_not_block_calls() {
    let (folder, gateway) = gateway(NOBODY, "{access: stdout}");
    let first = Instant::now();
    for _ in 0..600 {
        assert_eq!(http::get(gateway.address, "/nowhere").status, 404);
    }
    // 600 lines fill the pipe, which has 64 KiB.
    assert!(first.elapsed() < PATIENCE, "{:?}", first.elapsed());
    drop((folder, gateway));
}

#[test]
fn every_problem_in_the_log_section_is_reported() {
    let folder = Folder::new();
    folder.copy("proto", "proto");
    let log = "log:\n  request_id: 'a b'\n  access:\n    format: xml\n    sample: {answered: 5}\n    levels: {failed: loud}\n    more: 1\n";
    folder.write("towbar.yaml", format!("listen: 127.0.0.1:0\nschema: proto\nupstream: {NOBODY}\n{log}"));
    let problems = folder.refusal(&SERVE);
    let expected =
        ["towbar.yaml:5:15: ", "towbar.yaml:7:13: ", "towbar.yaml:8:24: ", "towbar.yaml:9:22: ", "towbar.yaml:10:5: "];
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
    for (problem, start) in problems.iter().zip(expected) {
        assert!(problem.starts_with(start), "{problem}");
    }
    folder.write(
        "towbar.yaml",
        format!("listen: 127.0.0.1:0\nschema: proto\nupstream: {NOBODY}\nlog: {{access: nowhere/access.log}}\n"),
    );
    let path = "nowhere/access.log: `log.access.to`: No such file or directory (os error 2)";
    assert_eq!(folder.refusal(&SERVE), [path]);
}

/// Where nobody asked for it, nothing is echoed.
#[test]
fn request_ids_are_not_echoed_unless_configured() {
    let (_folder, gateway) = gateway(NOBODY, "{access: access.log}");
    let address: SocketAddr = gateway.address;
    let answer = http::send(address, "GET", "/nowhere", &[("X-Request-Id", "r-1")], None);
    assert_eq!(answer.header("x-request-id"), None);
}
