//! Which addresses may call: inline and from files, for every protocol, and after a reload.

use std::net::SocketAddr;

use towbar::cli::demo::generated::DESCRIPTORS;
use towbar::config::Overrides;
use towbar::schema::Schema;

use crate::support::bank::wait_until;
use crate::support::folder::Folder;
use crate::support::http;
use crate::support::raw::{Does, RawBank};
use crate::support::talk::{backend, note, schema};
use crate::support::{Gateway, connect};

const DENIED: &str = r#"{"code":7,"message":"the address of the caller may not call this API","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"ADDRESS_NOT_ALLOWED","domain":"towbar"}]}"#;

fn ask(from: &str, to: SocketAddr, headers: &[(&str, &str)]) -> http::Answer {
    let mut stream = http::connect_from(from, to);
    http::write(&mut stream, "GET", "/transfers?transfer_id=r", headers, None);
    http::read(&mut stream)
}

fn gateway(bank: &RawBank, listen: &str) -> Gateway {
    let config = format!("schema: proto\nupstream: {}\nlisten: {{address: '127.0.0.1:0', {listen}}}\n", bank.url());
    Gateway::with(&config, &Overrides::default(), Schema::decode("the bank API", DESCRIPTORS), None)
}

#[test]
fn only_addresses_that_are_allowed_and_not_denied_may_call() {
    let bank = RawBank::start(|_, _| Does::Answers);
    let gateway = gateway(&bank, "addresses: {allow: 127.0.0.0/29, deny: [127.0.0.3, '::/1']}");
    for (from, status) in [("127.0.0.1", 200), ("127.0.0.2", 200), ("127.0.0.3", 403), ("127.0.0.8", 403)] {
        assert_eq!(ask(from, gateway.address, &[]).status, status, "{from}");
    }
    assert_eq!(ask("127.0.0.3", gateway.address, &[]).body, DENIED);
    // A header changes nothing without trusted proxies.
    let headers = [("X-Forwarded-For", "127.0.0.1")];
    assert_eq!(ask("127.0.0.3", gateway.address, &headers).status, 403);
    assert_eq!(bank.total().seen, 2);
}

#[test]
fn the_address_that_a_trusted_proxy_reports_is_the_one_that_counts() {
    let bank = RawBank::start(|_, _| Does::Answers);
    let gateway =
        gateway(&bank, "trusted_proxies: 127.0.0.2, addresses: {allow: [192.0.2.0/24, 127.0.0.9], deny: 192.0.2.7}");
    for (from, reported, status) in [
        ("127.0.0.2", "192.0.2.1", 200),
        ("127.0.0.2", "192.0.2.7", 403),
        ("127.0.0.2", "198.51.100.1", 403),
        ("127.0.0.2", "::ffff:192.0.2.1", 200),
        // What a client writes itself stands further left.
        ("127.0.0.2", "192.0.2.1, 192.0.2.7", 403),
        // Not the proxy.
        ("127.0.0.3", "192.0.2.1", 403),
        ("127.0.0.9", "192.0.2.7", 200),
    ] {
        assert_eq!(ask(from, gateway.address, &[("X-Forwarded-For", reported)]).status, status, "{from} {reported}");
    }
}

#[test]
fn an_address_that_is_not_allowed_gets_403_in_every_protocol_before_its_body_is_read() {
    let backend = backend(|_, mut requests, replies| async move {
        requests.all().await;
        replies.send(&note("ok", 1)).await;
        replies.end("0", "").await;
    });
    let config = format!(
        "listen: {{address: '127.0.0.1:0', protocols: [rest, grpc, grpc_web, connect], addresses: {{deny: 127.0.0.0/8}}}}\n\
         upstream: http://{}\nschema: talk.proto\nprobe: /probe\ncors: {{origins: ['https://a.example']}}\n\
         rpcs: {{talk.Talk.Chat: {{websocket: {{}}}}}}\n",
        backend.address
    );
    let gateway = Gateway::with(&config, &Overrides::default(), Ok(schema()), None);
    let json = ("Content-Type", "application/json");
    // Of the body nothing is sent, and nothing is waited for.
    let length = ("Content-Length", "5");
    let preflight = [("Origin", "https://a.example"), ("Access-Control-Request-Method", "POST")];
    for (method, path, headers, denied) in [
        ("POST", "/ask", &[json, length][..], (Some(403), None)),
        ("POST", "/chat", &[json, length], (Some(403), None)),
        ("GET", "/nowhere", &[], (Some(403), None)),
        ("GET", "/probe", &[], (Some(403), None)),
        ("OPTIONS", "/ask", &preflight, (Some(403), None)),
        ("POST", "/talk.Talk/Ask", &[("Content-Type", "application/grpc-web"), length], (Some(200), Some("7"))),
        ("POST", "/talk.Talk/Ask", &[("Content-Type", "application/json"), length], (Some(403), None)),
    ] {
        let mut stream = http::connect(gateway.address);
        http::write(&mut stream, method, path, headers, None);
        let answer = http::read(&mut stream);
        assert_eq!((Some(answer.status), answer.header("grpc-status")), denied, "{method} {path}: {answer:?}");
    }
    let answer = crate::support::grpc::call(gateway.address, "/talk.Talk/Ask", &[], b"");
    assert_eq!((answer.told().0, answer.reason().as_deref()), (7, Some("ADDRESS_NOT_ALLOWED")));
    let told = connect::told(&connect::post(&gateway, "/talk.Talk/Ask", &[connect::JSON], b"{}").json());
    let message = "the address of the caller may not call this API";
    assert_eq!(told, connect::is("permission_denied", message, "ADDRESS_NOT_ALLOWED"));
}

#[test]
fn a_changed_list_applies_after_a_reload_and_wrong_lines_are_listed() {
    let (bank, folder) = (RawBank::start(|_, _| Does::Answers), Folder::new());
    let page = include_str!("../../docs/limits.md");
    let example = |mark: &str, with: &str| {
        let blocks = page.split(mark).skip(1).map(|block| block.split("```").next().unwrap());
        blocks.into_iter().find(|block| block.contains(with)).unwrap().to_owned()
    };
    let config = example("```yaml\n", "deny_files");
    let config = config.replace("http://127.0.0.1:9000", &bank.url()).replace("127.0.0.1:8080", "127.0.0.1:0");
    let list = example("```text\n", "denied.txt");
    folder.copy("proto", "proto").write("towbar.yaml", format!("{config}reload: {{watch: false}}\n"));
    folder.write("denied.txt", &list);
    let gateway = folder.start(&["serve", "--config", "towbar.yaml"]);
    let status = |from| ask(from, gateway.address, &[]).status;
    assert_eq!((status("127.0.0.1"), status("127.0.0.9"), status("127.0.0.10")), (200, 403, 200));
    folder.write("denied.txt", format!("{list}127.0.0.10\n"));
    gateway.process.signal("HUP");
    wait_until("a reload", || status("127.0.0.10") == 403);
    assert_eq!((status("127.0.0.1"), status("127.0.0.9")), (200, 403));
    let wrong = "127.0.0.1\n\n; a comment\n  10.0.0.1/8 ; host bits\nbank.example\n0.0.0.0/0\n";
    folder.write("denied.txt", wrong);
    gateway.process.signal("HUP");
    let place = |line: &str| format!("denied.txt:{line}: ");
    let problems = [
        place("4:3")
            + "`10.0.0.1/8` has bits set after its prefix; write `10.0.0.0/8` for the network, or `10.0.0.1` for the address",
        place("5:1")
            + "expected an IP address, or a network such as `10.0.0.0/8` or `2001:db8::/32`, found `bank.example`",
        place("6:1")
            + "`0.0.0.0/0` has every address, so the list has no effect or nobody may call; list smaller blocks",
    ];
    assert_eq!(folder.refusal(&["check", "--config", "towbar.yaml"]), problems);
    // The lists that were valid stay in use.
    assert_eq!((status("127.0.0.1"), status("127.0.0.10")), (200, 403));
    let many = (0..30).map(|_| "no\n").collect::<String>();
    folder.write("denied.txt", many);
    let refusal = folder.refusal(&["check", "--config", "towbar.yaml"]);
    assert_eq!((refusal.len(), refusal.last().map(String::as_str)), (21, Some("denied.txt: 10 more lines are wrong")));
    drop(gateway.stop());
}
