mod callers;
mod protocols;
mod proxies;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::HeaderName;

use super::*;
use crate::codec::Int64;
use crate::format::problem::Problem;
use crate::gateway::metadata::TraceContext;
use crate::route::policy::{EnumPrefix, Form, Layer as _, OwnJson, OwnPolicy, Policy, UnknownKeys};
use crate::schema::AnyCase;
use crate::upstream;

/// The result of `load` for this text, in a file `towbar.yaml`. The path of its folder is removed from the problems.
fn load_text(text: &str, overrides: &Overrides) -> (Config, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("towbar.yaml");
    fs::write(&file, text).unwrap();
    let (config, problems) = load(Some(&file), overrides);
    let folder = format!("{}/", folder.path().display());
    (config, problems.iter().map(|problem| problem.to_string().replace(&folder, "")).collect())
}

/// The configuration in this text, which must have no problems.
fn config(text: &str) -> Config {
    let (config, problems) = load_text(text, &Overrides::default());
    assert_eq!(problems, Vec::<String>::new(), "{text}");
    config
}

fn backend(url: &str) -> Overrides {
    Overrides { backend: Some(url.into()), ..Overrides::default() }
}

/// Names as text, to compare.
fn names(headers: &[HeaderName]) -> Vec<&str> {
    headers.iter().map(HeaderName::as_str).collect()
}

#[test]
fn every_problem_of_a_configuration_file_is_reported_with_its_position() {
    let rest = "schema: p\nupstream: http://bank\n";
    for (text, problems) in [
        (
            "",
            &[
                "towbar.yaml: no schema: set `schema` in the configuration file, or pass `--proto PATH`",
                "towbar.yaml: no upstream: set `upstream` in the configuration file, or pass `--backend URL`",
            ][..],
        ),
        ("- schema", &["towbar.yaml:1:1: expected a map of keys, found a list"]),
        ("schema: [p\nupstream: x", &["towbar.yaml:2:9: not valid YAML: illegal placement of ':' indicator"]),
        (
            "schema: p\nupstream: http://bank\nschema: q\nrpcs:\n  a.B: {}\n  a.B: {}\n",
            &[
                "towbar.yaml:3:1: key `schema` is given twice, first on line 1",
                "towbar.yaml:6:3: key `a.B` is given twice, first on line 5",
            ],
        ),
        (
            "lisen: a:1\nschema: p\nupstream:\n  adress: http://bank\n  port: 80\n",
            &[
                "towbar.yaml:1:1: unknown key `lisen`; did you mean `listen`?",
                "towbar.yaml:3:1: upstream: `address` is missing",
                "towbar.yaml:4:3: unknown key `adress`; did you mean `address`?",
                "towbar.yaml:5:3: unknown key `port`; known here: `address`, `tls`, `proxy`, `deadline`, `reply_limit`, `compression`, `limit`, `dns`, `connections`, `health`",
            ],
        ),
        (
            "schema: p\nupstream: {address: http://bank, limit: {in_flight: 0, waiting: -1, wait: 1, most: 2}}\n",
            &[
                "towbar.yaml:2:53: in_flight: expected a number from 1 to 1000000, found `0`",
                "towbar.yaml:2:65: waiting: expected a number from 0 to 1000000, found `-1`",
                "towbar.yaml:2:75: wait: expected a duration with a unit, such as `500ms`, `25s` or `1m`, found `1`",
                "towbar.yaml:2:78: unknown key `most`; known here: `in_flight`, `streams`, `waiting`, `wait`, `adaptive`",
            ],
        ),
        (
            "schema: p\nupstream:\n  address: [https://a, http://b]\n  dns: {min_ttl: 31s, servers: [8.8.8.8, bank:53, '[::1]:53']}\n  connections: {age: 2h, ttl: 1s}\n",
            &[
                "towbar.yaml:3:3: address: expected every address to start with `https://`, or every address with \
                 `http://`, found `https://a:443` and `http://b:80`",
                "towbar.yaml:4:3: dns: `min_ttl` (31s) must not be more than `max_ttl` (30s)",
                "towbar.yaml:4:33: servers: expected an IP address and a port, such as `10.0.0.2:53`, found `8.8.8.8`",
                "towbar.yaml:4:42: servers: expected an IP address and a port, such as `10.0.0.2:53`, found `bank:53`",
                "towbar.yaml:5:22: age: expected a duration above `0s` and up to `1h`, found `2h`",
                "towbar.yaml:5:26: unknown key `ttl`; known here: `connect_timeout`, `idle`, `age`, `ping_interval`, `ping_timeout`",
            ],
        ),
        (
            "schema: p\nupstream:\n  address: [http://a, http://a, grpc://b]\n  dns: 8.8.8.8\n  health: {service: '', interval: 5}\n",
            &[
                "towbar.yaml:3:23: address: `http://a` is listed twice",
                "towbar.yaml:3:33: address: `grpc://b`: expected http://HOST:PORT or https://HOST:PORT",
                "towbar.yaml:4:8: dns: expected a map, found `8.8.8.8`",
                "towbar.yaml:5:21: service: expected a service name, found empty text",
                "towbar.yaml:5:35: interval: expected a duration with a unit, such as `500ms`, `25s` or `1m`, found `5`",
            ],
        ),
        (
            "schema: p\nupstream: {address: []}\n",
            &["towbar.yaml:2:12: address: expected an address or a list of them, found an empty list"],
        ),
        (
            "upstream: {address: http://bank, deadline: 25, reply_limit: 4MB}\nschema: []\nlisten: 8080\n",
            &[
                "towbar.yaml:1:44: deadline: expected a duration with a unit, such as `500ms`, `25s` or `1m`, found `25`",
                "towbar.yaml:1:61: reply_limit: expected a size such as `1MiB`, `512KiB` or `1048576`, found `4MB`",
                "towbar.yaml:2:1: schema: expected a path or a list of them, found an empty list",
                "towbar.yaml:3:9: listen: expected `host:port`, found `8080`; use `127.0.0.1:8080` for this machine only, \
                 or `0.0.0.0:8080` for every network interface",
            ],
        ),
        (
            "schema: [p, '', [q], p]\nupstream: [a]\nlisten:\n",
            &[
                "towbar.yaml:1:13: schema: expected a path, found empty text",
                "towbar.yaml:1:17: schema: expected a path, found a list",
                "towbar.yaml:1:22: schema: `p` is listed twice",
                "towbar.yaml:2:1: upstream: expected an address, found a list",
                "towbar.yaml:3:1: listen: expected `host:port` or `systemd`, found nothing",
            ],
        ),
        (
            "schema: p\nupstream:\n  address: http://bank\n  tls:\n    ca: ca.pem\n    cert: cert.pem\n",
            &[
                "towbar.yaml:4:3: tls: an `http://` upstream has none; write `https://` or leave `tls` out",
                "towbar.yaml:6:11: cert: `key` is missing: set it to the file of the private key",
            ],
        ),
        (
            "schema: p\nupstream:\n  address: http://bank\n  tls: {ca: ca.pem}\n",
            &["towbar.yaml:4:3: tls: an `http://` upstream has none; write `https://` or leave `tls` out"],
        ),
        (
            "schema: p\nupstream:\n  address: https://bank\n  tls:\n    key: key.pem\n    server_name: https://bank\n    ca: |\n      one\n      two\n",
            &[
                "towbar.yaml:5:10: key: `cert` is missing: set it to the file of the certificate",
                "towbar.yaml:6:18: server_name: expected a host name without scheme and port, found `https://bank`",
                "towbar.yaml:8:7: ca: expected a path, found more than one line or a control character",
            ],
        ),
        (
            &format!("{rest}listen:\n  address: bank\n  tls:\n    client_ca: ca.pem\n"),
            &[
                "towbar.yaml:4:12: address: expected `host:port`, found `bank`",
                "towbar.yaml:5:3: tls: `cert` and `key` are missing",
            ],
        ),
        (
            &format!("{rest}listen: {{tls: on}}\nrequests: [a]\nmetadata: x\nrpcs: y\nstatus_headers: true\n"),
            &[
                "towbar.yaml:3:15: tls: expected a map, found `on`",
                "towbar.yaml:4:1: requests: expected a map, found a list",
                "towbar.yaml:5:11: metadata: expected a map, found `x`",
                "towbar.yaml:6:7: rpcs: expected a map, found `y`",
                "towbar.yaml:7:17: status_headers: expected a map, found `true`",
            ],
        ),
        (
            &format!(
                "{rest}requests:\n  body_limit: 0\n  json_types: [application/json; charset=utf-8, TEXT/json, a/b, a/b]\n"
            ),
            &[
                "towbar.yaml:4:15: body_limit: expected a size above 0 and up to `1GiB`, found `0`",
                "towbar.yaml:5:16: json_types: expected a lower-case `type/subtype` without parameters, found `application/json; charset=utf-8`",
                "towbar.yaml:5:49: json_types: expected a lower-case `type/subtype` without parameters, found `TEXT/json`",
                "towbar.yaml:5:65: json_types: `a/b` is listed twice",
            ],
        ),
        (
            &format!(
                "{rest}metadata:\n  request: [x a, TE, grpc-x, x-a, X-A, x-bin, Token-Grpc-Message]\n  reply: x-b\n  http_status: x-bin\n  location: token-grpc-status\nstatus_headers: {{}}\n"
            ),
            &[
                "towbar.yaml:4:13: request: expected a header name, found `x a`",
                "towbar.yaml:4:18: request: `te` is a hop-by-hop header and is never forwarded",
                "towbar.yaml:4:22: request: `grpc-x` is reserved by gRPC and is never forwarded",
                "towbar.yaml:4:35: request: `X-A` is listed twice",
                "towbar.yaml:4:47: request: `token-grpc-message` is already used by `status_headers`; choose another header",
                "towbar.yaml:5:10: reply: expected a list, found `x-b`",
                "towbar.yaml:6:16: http_status: `x-bin` ends with `-bin`, which gRPC reserves for binary values; choose \
                 another name",
                "towbar.yaml:7:13: location: `token-grpc-status` is already used by `status_headers`; choose another header",
            ],
        ),
        (
            &format!(
                "{rest}metadata:\n  request: [x-a]\n  caller: {{address: X-A, certificate_sha256: authorization, certificate: x-b-bin}}\n"
            ),
            &[
                "towbar.yaml:5:21: address: callers can send `x-a` themselves, so a backend cannot trust it; choose another header",
                "towbar.yaml:5:46: certificate_sha256: callers can send `authorization` themselves, so a backend cannot trust it; choose another header",
            ],
        ),
        (
            &format!(
                "{rest}metadata: {{caller: {{address: x-a-bin, certificate_sha256: x-c, certificate: X-C, subject: x-s}}, trace_context: true}}\n"
            ),
            &[
                "towbar.yaml:3:30: address: `x-a-bin` ends with `-bin`, which gRPC reserves for binary values; choose \
                 another name",
                "towbar.yaml:3:77: certificate: `x-c` is already used here; choose another header",
                "towbar.yaml:3:82: unknown key `subject`; known here: `address`, `certificate_sha256`, `certificate`",
                "towbar.yaml:3:112: trace_context: expected `pass` or `create`, found `true`",
            ],
        ),
        (
            &format!("{rest}status_headers: {{status: content-length, message: 'a b'}}\n"),
            &[
                "towbar.yaml:3:26: status: `content-length` is set by Towbar itself and is never forwarded",
                "towbar.yaml:3:51: message: expected a header name, found `a b`",
            ],
        ),
        (
            &format!("{rest}status_headers: {{status: token-grpc-message}}\n"),
            &[
                "towbar.yaml:3:1: status_headers: `status` and `message` are both `token-grpc-message`; use two different \
               headers",
            ],
        ),
        (
            &format!(
                "{rest}errors: json\nrpcs: {{a.B: {{errors: [google], deadline: 2}}}}\nrequests: {{timeout_header: te}}\n"
            ),
            &[
                "towbar.yaml:3:9: errors: expected `status`, `google`, `problem`, `open_banking_uk`, `berlin_group`, `grpc_gateway_v1` or `grpc_gateway_v2`, found `json`",
                "towbar.yaml:4:14: errors: expected the form of errors, found a list",
                "towbar.yaml:4:42: deadline: expected a duration with a unit, such as `500ms`, `25s` or `1m`, found `2`",
                "towbar.yaml:5:28: timeout_header: `te` is a hop-by-hop header and is never forwarded",
            ],
        ),
        (
            &format!(
                "{rest}json: {{int64: text, enum_prefix: true, case: 1}}\nrpcs: {{a.B: {{json: {{int64: []}}}}}}\n"
            ),
            &[
                "towbar.yaml:3:15: int64: expected `string`, `safe_number` or `number`, found `text`",
                "towbar.yaml:3:34: enum_prefix: expected `keep` or `strip`, found `true`",
                "towbar.yaml:3:40: unknown key `case`; known here: `always_print_fields_with_no_presence`, `always_print_enums_as_ints`, `preserve_proto_field_names`, `enum_prefix`, `int64`, `indent`, `show_unknown_any`, `limit`, `case_insensitive_enum_parsing`, `case_insensitive_field_parsing`, `base64_line_breaks`",
                "towbar.yaml:4:21: int64: expected a form of integers, found an empty list",
            ],
        ),
        (
            &format!(
                "{rest}requests:\n  json_depth: 101\n  query_pairs: 0\n  query_length: 65KiB\n  header_limit: 2MiB\n  gzip_ratio: 0\nreplies: {{compression: gzip}}\nrpcs:\n  a.B:\n    query_pairs: 513\n    query_length: 64KiB\n    json_depth: +1\n    body_limit: 0\n    header_limit: 33KiB\n"
            ),
            &[
                "towbar.yaml:4:15: json_depth: expected a number from 1 to 100, found `101`",
                "towbar.yaml:5:16: query_pairs: expected a number from 1 to 32768, found `0`",
                "towbar.yaml:6:17: query_length: expected at most `64KiB`, found `65KiB`",
                "towbar.yaml:7:17: header_limit: expected at most `1MiB`, found `2MiB`",
                "towbar.yaml:8:15: gzip_ratio: expected a number from 1 to 2000, found `0`",
                "towbar.yaml:9:24: compression: expected `true` or `false`, found `gzip`",
                "towbar.yaml:12:18: query_pairs: expected at most the 512 of `requests.query_pairs`, found 513",
                "towbar.yaml:13:19: query_length: expected at most the 16384 of `requests.query_length`, found 65536",
                "towbar.yaml:14:17: json_depth: expected a number from 1 to 100, found `+1`",
                "towbar.yaml:15:17: body_limit: expected a size above 0 and up to `1GiB`, found `0`",
                "towbar.yaml:16:19: header_limit: expected at most the 32768 of `requests.header_limit`, found 33792",
            ],
        ),
        (
            &format!("{rest}requests: {{ignore_query: some}}\nrpcs: {{a.B: {{ignore_query: [$alt, a, a]}}}}\n"),
            &[
                "towbar.yaml:3:26: ignore_query: expected `all` or a list of query keys, found `some`",
                "towbar.yaml:4:29: ignore_query: expected a query key without `$`, found `$alt`",
                "towbar.yaml:4:38: ignore_query: `a` is listed twice",
            ],
        ),
        (
            &format!(
                "{rest}rpcs:\n  /a.B/C: {{accept_body: yes}}\n  a.B.C: {{ignore_members: [a..b, x], accepts_body: true}}\n"
            ),
            &[
                "towbar.yaml:4:3: expected an rpc as `package.Service.Method`, found `/a.B/C`",
                "towbar.yaml:4:25: accept_body: expected `true` or `false`, found `yes`",
                "towbar.yaml:5:28: ignore_members: expected a member such as `fee` or `instructions.fee`, found `a..b`",
                "towbar.yaml:5:38: unknown key `accepts_body`; did you mean `accept_body`?",
            ],
        ),
    ] {
        assert_eq!(load_text(text, &Overrides::default()).1, problems, "{text}");
    }
}

#[test]
fn an_invalid_upstream_address_is_reported_with_the_message_of_its_parser() {
    let wrong = "ftp://bank".parse::<upstream::Address>().map(|_| ()).unwrap_err();
    for (text, place) in
        [("upstream: ftp://bank", "1:11: upstream"), ("upstream: {address: ftp://bank}", "1:21: address")]
    {
        let (config, problems) = load_text(&format!("{text}\nschema: p"), &Overrides::default());
        assert!(config.upstream.is_none());
        assert_eq!(problems, [format!("towbar.yaml:{place}: `ftp://bank`: {wrong}")], "{text}");
    }
    let (_, problems) = load_text("schema: p", &backend("ftp://bank"));
    assert_eq!(problems, [format!("--backend: `ftp://bank`: {wrong}")]);
}

#[test]
fn problems_of_flags_are_reported_last_and_by_flag_name() {
    let overrides = Overrides { listen: Some(":80".into()), ..backend("http://bank") };
    let (config, problems) = load_text("metadata: {request: [te]}", &overrides);
    assert!(config.listen.is_none() && config.upstream.is_some());
    assert_eq!(
        problems,
        [
            "towbar.yaml:1:22: request: `te` is a hop-by-hop header and is never forwarded",
            "towbar.yaml: no schema: set `schema` in the configuration file, or pass `--proto PATH`",
            "--listen: expected `host:port`, found `:80`; use `127.0.0.1:80` for this machine only, or `0.0.0.0:80` for \
             every network interface",
        ]
    );
}

#[test]
fn without_a_file_the_flags_must_give_schema_and_upstream() {
    let (_, problems) = load(None, &Overrides::default());
    assert_eq!(
        problems,
        [
            Problem::new("no schema: set `schema` in the configuration file, or pass `--proto PATH`"),
            Problem::new("no upstream: set `upstream` in the configuration file, or pass `--backend URL`"),
        ]
    );
    let overrides = Overrides { proto: vec!["bank.proto".into()], ..backend("http://127.0.0.1:9000") };
    let (config, problems) = load(None, &overrides);
    assert_eq!(problems, []);
    assert_eq!(config.schema, [PathBuf::from("bank.proto")]);
    assert_eq!(config.listen.unwrap().address, "127.0.0.1:8080");
}

#[test]
fn an_unreadable_configuration_file_is_the_only_problem_reported() {
    let file = Path::new("no/such/towbar.yaml");
    let (config, problems) = load(Some(file), &Overrides::default());
    let reason = "No such file or directory (os error 2)";
    assert_eq!(problems, [Problem::at("no/such/towbar.yaml", reason)]);
    assert!(config.listen.is_none() && config.upstream.is_none() && config.schema.is_empty());

    let (config, problems) = load(Some(file), &backend("http://bank"));
    assert_eq!(problems.len(), 1);
    assert!(config.upstream.is_some());
}

#[test]
fn omitted_keys_have_their_defaults() {
    for text in [
        "schema: p\nupstream: https://bank",
        "schema: p\nupstream: {address: https://bank}\nlisten: {}\nrequests:\nmetadata: {}\nrpcs:\n",
        "schema: p\nupstream: {address: https://bank, tls: {}}\nmetadata: {request: , reply: []}\nrequests: {json_types: }",
    ] {
        let config = config(text);
        let listen = config.listen.unwrap();
        assert_eq!((listen.address.as_str(), listen.tls.is_none()), ("127.0.0.1:8080", true), "{text}");
        let upstream = config.upstream.unwrap();
        assert_eq!((upstream.deadline, upstream.reply_limit), (Duration::from_secs(25), 4_194_304), "{text}");
        assert_eq!((upstream.limits, upstream.compression), (upstream::Limits::default(), false), "{text}");
        let upstream::TlsFiles { identity, ca, pins, server_name } = upstream.tls;
        assert!(identity.is_none() && ca.is_none() && pins.is_empty() && server_name.is_none(), "{text}");
        assert_eq!((config.proxy.policy.body_limit, config.proxy.json_types), (1_048_576, Vec::new()), "{text}");
        assert_eq!((config.proxy.gzip, config.proxy.policy.compression), (None, false), "{text}");
        assert_eq!(
            (config.proxy.policy.header_limit, config.proxy.policy.query_limits()),
            (32_768, Policy::default().query_limits()),
            "{text}"
        );
        assert_eq!((config.proxy.policy.errors.form, config.proxy.timeout_header), (Form::Status, None), "{text}");
        assert!(config.proxy.status_headers.is_none() && config.rpcs.is_empty(), "{text}");
        assert!(config.metadata.request.is_empty() && config.metadata.reply.is_empty(), "{text}");
    }
}

#[test]
fn every_key_of_the_file_is_read_into_the_configuration() {
    let config = config(
        "
listen: {address: '[::]:8443', tls: {cert: l.pem, key: l.key, client_ca: clients.pem}}
schema: [a.proto, /b]
upstream:
  address: https://bank:1234
  tls: {cert: u.pem, key: u.key, ca: ca.pem, server_name: core.bank}
  deadline: 500ms
  reply_limit: 8MiB
  compression: true
  limit: {in_flight: 7, streams: 8, waiting: 0, wait: 20ms, adaptive: {latency: 300ms}}
requests: {body_limit: 2048, json_types: [application/x-protobuf, text/x-json], timeout_header: X-Timeout, header_limit: 16KiB, json_depth: 32, query_pairs: 64, query_length: 4KiB, gzip: true}
replies: {compression: true}
json: {int64: safe_number, enum_prefix: strip, case_insensitive_enum_parsing: true}
metadata: {request: [X-Consent-Id, x-trace-bin], reply: [x-ratelimit-remaining], caller: {address: X-Address, certificate: x-cert-bin}, http_status: X-Http-Code, location: x-location, trace_context: create}
status_headers: {status: x-status}
errors: problem
rpcs:
  a.B.Put: {accept_body: true, errors: google, deadline: 2m, body_limit: 8MiB, reply_limit: 1GiB, compression: false, json_depth: 100, query_length: 1KiB}
  a.B.Pay: {last_event_id: X-After, ignore_members: [fee, 'order.fee'], json: {enum_prefix: keep, int64: number, case_insensitive_field_parsing: true}}
",
    );
    let listen = config.listen.unwrap();
    assert_eq!(listen.address, "[::]:8443");
    let tls = listen.tls.unwrap();
    assert!(tls.identity.cert.ends_with("l.pem") && tls.identity.key.ends_with("l.key"));
    assert!(tls.client_ca.unwrap().ends_with("clients.pem"));

    let upstream = config.upstream.unwrap();
    let upstream::Address { tls, host, port } = upstream.address.first();
    assert_eq!((*tls, host.as_str(), *port), (true, "bank", 1234));
    let identity = upstream.tls.identity.unwrap();
    assert!(identity.cert.ends_with("u.pem") && identity.key.ends_with("u.key"));
    assert!(upstream.tls.ca.unwrap().ends_with("ca.pem"));
    assert_eq!(upstream.tls.server_name.as_deref(), Some("core.bank"));
    assert_eq!((upstream.deadline, upstream.reply_limit), (Duration::from_millis(500), 8 << 20));
    let adaptive = Some(upstream::Adaptive { latency: Duration::from_millis(300), min: 10 });
    let limits = upstream::Limits { in_flight: 7, streams: 8, waiting: 0, wait: Duration::from_millis(20), adaptive };
    assert_eq!((upstream.limits, upstream.compression), (limits, true));

    assert_eq!(config.proxy.policy.body_limit, 2048);
    assert_eq!(config.proxy.json_types, ["application/x-protobuf", "text/x-json"]);
    let headers = config.proxy.status_headers.unwrap();
    assert_eq!(names(&[headers.status, headers.message]), ["x-status", "token-grpc-message"]);
    assert_eq!(names(&config.metadata.request), ["x-consent-id", "x-trace-bin"]);
    let (status, location) = (config.metadata.http_status.unwrap(), config.metadata.location.unwrap());
    assert_eq!(names(&[status, location]), ["x-http-code", "x-location"]);
    assert_eq!(names(&config.metadata.reply), ["x-ratelimit-remaining"]);
    let caller: Vec<_> = config.metadata.caller.all().cloned().collect();
    assert_eq!(
        (names(&caller), config.metadata.trace_context),
        (vec!["x-address", "x-cert-bin"], TraceContext::Create)
    );

    let all = &config.routes.policy;
    assert_eq!(config.proxy.policy, *all);
    let limits = |policy: &Policy| [policy.json_depth, policy.query_pairs, policy.query_length];
    assert_eq!((all.header_limit, limits(all)), (16 << 10, [32, 64, 4096]));
    let [put, pay] = &config.rpcs[..] else { panic!("expected two rpcs") };
    let own = &put.policy;
    assert_eq!((own.body_limit, own.reply_limit, own.compression), (Some(8 << 20), Some(1 << 30), Some(false)));
    assert_eq!((config.proxy.gzip, all.compression), (Some(100), true));
    let policies = [put, pay].map(|rpc| all.with(&rpc.policy));
    assert_eq!(policies.each_ref().map(limits), [[100, 64, 1024], [32, 64, 4096]]);
    assert_eq!(config.proxy.timeout_header.unwrap().as_str(), "x-timeout");
    assert_eq!(put.policy.deadline, Some(Duration::from_secs(120)));
    assert_eq!((all.errors.form, put.policy.errors.form), (Form::Problem, Some(Form::Google)));
    assert_eq!((put.rpc.as_str(), put.policy.accept_body), ("a.B.Put", Some(true)));
    assert!(put.place.ends_with("towbar.yaml:18:3"), "{}", put.place);
    assert_eq!(pay.rpc, "a.B.Pay");
    let members = UnknownKeys::Listed(vec!["fee".to_owned(), "order.fee".to_owned()]);
    let json = OwnJson {
        enum_prefix: Some(EnumPrefix::Keep),
        int64: Some(Int64::Number),
        case_insensitive_field_parsing: Some(true),
        ..OwnJson::default()
    };
    let last_event_id = Some(HeaderName::from_static("x-after"));
    let expected = OwnPolicy { ignore_members: Some(members), json, last_event_id, ..OwnPolicy::default() };
    assert_eq!(pay.policy, expected);

    let [put, pay] = policies.map(|policy| policy.json);
    assert_eq!((all.json.int64, all.json.enum_prefix), (Int64::SafeNumber, EnumPrefix::Strip));
    assert_eq!((put.int64, put.enum_prefix), (Int64::SafeNumber, EnumPrefix::Strip));
    assert_eq!((pay.int64, pay.enum_prefix), (Int64::Number, EnumPrefix::Keep));
    let (enums, both) = (AnyCase { fields: false, enums: true }, AnyCase { fields: true, enums: true });
    assert_eq!((all.json.any_case(), put.any_case(), pay.any_case()), (enums, enums, both));
}

#[test]
fn the_store_is_an_address_or_a_section_and_every_problem_of_it_is_reported() {
    let base = "schema: p\nupstream: http://bank\nstore: ";
    for (store, shown) in [
        ("redis://store", "redis://store:6379, database 0, within 500ms"),
        (
            "{address: 'rediss://store:7000', user: u, password: 'file:p', database: 3, timeout: 1s, tls: {ca: c}}",
            "rediss://store:7000, database 3, within 1s",
        ),
    ] {
        let store = config(&format!("{base}{store}")).store.unwrap();
        assert_eq!(store.described(), shown);
    }
    let literal =
        "expected `${NAME}` for an environment variable, or `file:PATH`; the secret itself does not belong here";
    for (store, problems) in [
        ("http://store", vec!["3:8: store: expected redis://HOST:PORT or rediss://HOST:PORT".to_owned()]),
        (
            "redis://u:secret@store",
            vec!["3:8: store: expected no user and password in the address; set `user` and `password`".to_owned()],
        ),
        ("{}", vec!["3:1: store: `address` is missing: set it to redis://HOST:PORT or rediss://HOST:PORT".to_owned()]),
        ("{address: redis://s, password: secret}", vec![format!("3:39: password: {literal}")]),
        (
            "{address: redis://s, user: u}",
            vec!["3:35: user: `password` is missing: set it to the password of this user".to_owned()],
        ),
        (
            "{address: redis://s, tls: {ca: c}}",
            vec!["3:29: tls: a `redis://` server has none; write `rediss://` or leave `tls` out".to_owned()],
        ),
        (
            "{address: redis://s, database: x, timeout: 0s}",
            vec![
                "3:39: database: expected a number from 0 to 65535, found `x`".to_owned(),
                "3:51: timeout: expected a duration above `0s` and up to `1h`, found `0s`".to_owned(),
            ],
        ),
    ] {
        let problems: Vec<String> = problems.iter().map(|problem| format!("towbar.yaml:{problem}")).collect();
        assert_eq!(load_text(&format!("{base}{store}"), &Overrides::default()).1, problems, "{store}");
    }
}

#[test]
fn a_flag_replaces_its_whole_section_without_validating_it() {
    let text = "listen: {nonsense: 1}\nschema: []\nupstream: {address: https://old, tls: {cert: only}}\n\
                requests: {body_limit: 7}";
    let overrides =
        Overrides { proto: vec!["new.proto".into()], listen: Some("0.0.0.0:80".into()), ..backend("http://new:9000") };
    let (config, problems) = load_text(text, &overrides);
    assert_eq!(problems, Vec::<String>::new());
    let listen = config.listen.unwrap();
    assert_eq!((listen.address.as_str(), listen.tls.is_none()), ("0.0.0.0:80", true));
    // A path in a flag is relative to the working folder.
    assert_eq!(config.schema, [PathBuf::from("new.proto")]);
    let upstream = config.upstream.unwrap();
    assert_eq!((upstream.address.first().host.as_str(), upstream.address.tls()), ("new", false));
    assert!(upstream.tls.identity.is_none());
    assert_eq!(config.proxy.policy.body_limit, 7);
}

#[test]
fn relative_paths_start_at_the_folder_of_the_configuration_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("towbar.yaml");
    let text = "schema: [../proto, /etc/bank.binpb]\nlisten: {tls: {cert: tls/cert.pem, key: /k.pem}}\n\
                upstream: {address: https://bank, tls: {ca: tls/ca.pem}}";
    fs::write(&file, text).unwrap();
    let (config, problems) = load(Some(&file), &Overrides::default());
    assert_eq!(problems, []);
    assert_eq!(config.schema, [folder.path().join("../proto"), PathBuf::from("/etc/bank.binpb")]);
    let identity = config.listen.unwrap().tls.unwrap().identity;
    assert_eq!(identity.cert, folder.path().join("tls/cert.pem"));
    assert_eq!(identity.key, PathBuf::from("/k.pem"));
    assert_eq!(config.upstream.unwrap().tls.ca.unwrap(), folder.path().join("tls/ca.pem"));
}
