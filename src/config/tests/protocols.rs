//! `listen.protocols` and `cors`.

use super::*;
use crate::gateway::Protocols;

const REST: &str = "schema: p\nupstream: http://bank\n";

#[test]
fn the_listener_serves_the_protocols_of_its_list() {
    let only_rest = Protocols::default();
    for (listen, protocols, by_path, prior_knowledge) in [
        ("", only_rest, false, false),
        ("listen: 127.0.0.1:1\n", only_rest, false, false),
        ("listen: {protocols: rest}\n", only_rest, false, false),
        ("listen: {protocols: [rest, grpc]}\n", Protocols { grpc: true, ..only_rest }, true, true),
        ("listen: {protocols: grpc_web}\n", Protocols { rest: false, grpc_web: true, ..only_rest }, true, false),
        ("listen: {protocols: [rest, connect]}\n", Protocols { connect: true, ..only_rest }, true, true),
    ] {
        let config = config(&format!("{REST}{listen}"));
        assert_eq!(config.proxy.protocols, protocols, "{listen}");
        assert_eq!(config.routes.serving.by_path, by_path, "{listen}");
        assert_eq!(config.listen.unwrap().prior_knowledge, prior_knowledge, "{listen}");
    }
}

#[test]
fn invalid_protocols_and_cors_settings_are_reported_with_their_position() {
    let origin = "expected an origin such as `https://app.bank.example` or `https://*.bank.example`, found";
    for (lines, problem) in [
        (
            "listen: {protocols: []}",
            "3:10: protocols: expected a protocol or a list of them, found an empty list".to_owned(),
        ),
        (
            "listen: {protocols: [rest, soap]}",
            "3:28: protocols: expected `rest`, `grpc`, `grpc_web` or `connect`, found `soap`".to_owned(),
        ),
        ("listen: {protocols: [rest, rest]}", "3:28: protocols: `rest` is listed twice".to_owned()),
        (
            "cors: {headers: x-a}",
            "3:1: cors: `origins` is missing: list the pages that may call, such as `https://app.bank.example`"
                .to_owned(),
        ),
        ("cors: {origins: bank.example}", format!("3:17: origins: {origin} `bank.example`")),
        ("cors: {origins: [\"https://*.com\"]}", format!("3:18: origins: {origin} `https://*.com`")),
        ("cors: {origins: [\"*\"]}", format!("3:18: origins: {origin} `*`")),
        (
            "cors: {origins: \"*\", credentials: true}",
            "3:1: cors: `credentials: true` needs a list of `origins`; with `*`, every page could act for its visitor"
                .to_owned(),
        ),
        (
            "cors: {origins: \"*\", methods: [get]}",
            "3:32: methods: expected one of GET, HEAD, POST, PUT, PATCH, DELETE, found `get`".to_owned(),
        ),
    ] {
        let (_, problems) = load_text(&format!("{REST}{lines}\n"), &Overrides::default());
        assert_eq!(problems, [format!("towbar.yaml:{problem}")], "{lines}");
    }
}
