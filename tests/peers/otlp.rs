//! A receiver of traces with the published messages of OTLP, on grpcio.

use std::process::Command;

use crate::support::folder::{Folder, NOBODY, get_with};
use crate::support::process::Process;
use crate::support::{http, python};

const PACKAGE: &str = "opentelemetry-proto==1.45.2";
const PACKAGES: [&str; 2] = [PACKAGE, "grpcio==1.85.1"];
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/otlp_receiver.py");

#[test]
fn a_receiver_with_the_published_messages_of_otlp_reads_the_spans() {
    let Some(python) = python::environment(PACKAGE, &[&PACKAGES]) else { return };
    let keys = ["http.route", "http.response.status_code", "rpc.grpc.status_code"];
    let mut receiver = Process::start(Command::new(python).arg(SCRIPT).args(keys));
    let port = receiver.read_until("port ");
    let folder = Folder::new();
    folder.write("shop.proto", get_with(r#"get: "/v1/{id}""#));
    let config = format!(
        "listen: 127.0.0.1:0\nschema: shop.proto\nupstream: {NOBODY}\n\
         traces: {{collector: 'http://127.0.0.1:{port}', interval: 20ms, service: shop}}\n"
    );
    folder.write("towbar.yaml", config);
    let gateway = folder.start(&["serve", "--config", "towbar.yaml"]);
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    assert_eq!(http::send(gateway.address, "GET", "/v1/7", &[("traceparent", parent)], None).status, 503);
    let resource = concat!("service.name: string shop, service.version: string ", env!("CARGO_PKG_VERSION"));
    let ids = "4bf92f3577b34da6a3ce929d0e0e4736";
    let request = receiver.read_until(&format!("{resource}; towbar; "));
    assert_eq!(
        request,
        format!(
            "SPAN_KIND_SERVER; GET /v1/{{id}}; {ids} 00f067aa0ba902b7 8; True; 0x301; STATUS_CODE_ERROR; \
             ['string /v1/{{id}}', 'int 503', None]"
        )
    );
    let call = receiver.read_until(&format!("{resource}; towbar; "));
    let (head, rest) = call.split_once(ids).unwrap();
    assert_eq!(head, "SPAN_KIND_CLIENT; shop.v1.Orders/Get; ");
    assert_eq!(rest[17..], *" 8; True; 0x101; STATUS_CODE_ERROR; [None, None, 'int 14']");
    assert!(!receiver.stdout.iter().any(|line| line == "unknown fields"), "{:?}", receiver.stdout);
}
