//! What callers of grpc-gateway and of Envoy's transcoder expect, a key for each, and the presets of them.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use towbar::config::{self, Overrides, Preset};

use crate::etcd::{Etcd, Tools, VERSION_1, differences};
use crate::support;
use crate::support::process::run;
use crate::support::talk::{Replies, Requests, backend, gateway, gateway_of, note, schema_of, shared};
use crate::support::{Backend, http};

const PROTO: &str = r#"
syntax = "proto3";
package shop;
import "google/api/annotations.proto";
import "google/protobuf/wrappers.proto";
enum Colour { NONE = 0; RED = 1; }
message Item {
  string name = 1; bytes data = 2; Colour colour = 3; Item inner = 4; repeated bytes list = 5; map<string, bytes> map = 6;
  google.protobuf.BytesValue wrapped = 7;
}
message Put { string id = 1; Item item = 2; string text = 3; }
service Shop {
  rpc Whole(Item) returns (Item) { option (google.api.http) = { post: "/whole" body: "*" }; }
  rpc Field(Put) returns (Put) { option (google.api.http) = { post: "/items/{id}" body: "item" }; }
  rpc Text(Put) returns (Put) { option (google.api.http) = { post: "/texts/{id}" body: "text" }; }
  rpc Own(Item) returns (Item) { option (google.api.http) = { post: "/own" body: "*" }; }
}
"#;

/// A backend whose replies are its requests.
fn echo() -> Backend {
    backend(|_, mut requests: Requests, replies: Replies| async move {
        replies.send(&requests.next().await.unwrap()).await;
        replies.end("0", "").await;
    })
}

/// A request as it is refused without the key, and as it is answered with it.
struct Case {
    target: &'static str,
    content_type: Option<&'static str>,
    body: &'static str,
    strict: (u16, &'static str),
    lenient: (u16, &'static str),
}

fn check(key: &str, cases: &[Case]) {
    let backend = echo();
    let strict = gateway_of(schema_of(PROTO), &backend, "");
    let lenient = gateway_of(schema_of(PROTO), &backend, key);
    for Case { target, content_type, body, strict: (strict_status, refusal), lenient: (status, answer) } in cases {
        let headers: Vec<_> = content_type.iter().map(|value| ("Content-Type", *value)).collect();
        let send = |to| http::send(to, "POST", target, &headers, Some(body.as_bytes()));
        let input = format!("{key}: {target} {content_type:?} {body}");
        let refused = send(strict.address);
        let said = if refused.status == 200 { refused.body.clone() } else { refused.refusal().1 };
        assert_eq!((refused.status, said.as_str()), (*strict_status, *refusal), "{input}");
        let answered = send(lenient.address);
        let said = if answered.status == 200 { answered.body.clone() } else { answered.refusal().1 };
        assert_eq!((answered.status, said.as_str()), (*status, *answer), "{input}");
    }
}

const JSON: Option<&str> = Some("application/json");
const FORM: Option<&str> = Some("application/x-www-form-urlencoded");

#[test]
fn a_body_without_a_content_type_is_json_only_where_that_is_configured() {
    let untyped = "Content-Type is missing; send Content-Type: application/json";
    check(
        "requests: {json_without_type: true}",
        &[
            Case {
                target: "/whole",
                content_type: None,
                body: r#"{"name":"a"}"#,
                strict: (415, untyped),
                lenient: (200, r#"{"name":"a"}"#),
            },
            Case {
                target: "/whole",
                content_type: None,
                body: "name=a",
                strict: (415, untyped),
                lenient: (400, "the body: expected `null`, got `n` (line 1, column 1)"),
            },
            // A type that is none is still a type.
            Case {
                target: "/whole",
                content_type: Some(""),
                body: r#"{"name":"a"}"#,
                strict: (415, "Content-Type is missing; send Content-Type: application/json"),
                lenient: (415, "Content-Type is missing; send Content-Type: application/json"),
            },
        ],
    );
}

#[test]
fn json_is_accepted_under_listed_content_types_and_forms_stay_forms() {
    let form_expected = "the body looks like JSON, but Content-Type is application/x-www-form-urlencoded; send Content-Type: application/json";
    check(
        "requests: {json_types: [application/x-www-form-urlencoded, text/plain, application/octet-stream]}",
        &[
            Case {
                target: "/whole",
                content_type: FORM,
                body: r#"{"name":"a"}"#,
                strict: (400, form_expected),
                lenient: (200, r#"{"name":"a"}"#),
            },
            Case {
                target: "/whole",
                content_type: Some("application/x-www-form-urlencoded; charset=utf-8"),
                body: "\n {\"name\":\"a&b=c\"}",
                strict: (
                    400,
                    "the body looks like JSON, but Content-Type is application/x-www-form-urlencoded; send Content-Type: application/json",
                ),
                lenient: (200, r#"{"name":"a&b=c"}"#),
            },
            Case {
                target: "/whole",
                content_type: FORM,
                body: "name=a",
                strict: (200, r#"{"name":"a"}"#),
                lenient: (200, r#"{"name":"a"}"#),
            },
            // What the rule takes is a text, and no form has fields for it.
            Case {
                target: "/texts/7",
                content_type: FORM,
                body: r#""a""#,
                strict: (
                    415,
                    "Content-Type application/x-www-form-urlencoded (the default of curl -d) is not supported here; send Content-Type: application/json",
                ),
                lenient: (200, r#"{"id":"7","text":"a"}"#),
            },
            Case {
                target: "/whole",
                content_type: Some("text/plain;charset=UTF-8"),
                body: r#"{"name":"a"}"#,
                strict: (415, "Content-Type text/plain is not supported here; send Content-Type: application/json"),
                lenient: (200, r#"{"name":"a"}"#),
            },
            Case {
                target: "/whole",
                content_type: Some("application/octet-stream"),
                body: r#"{"name":"a"}"#,
                strict: (
                    415,
                    "Content-Type application/octet-stream is not supported here; send Content-Type: application/json",
                ),
                lenient: (200, r#"{"name":"a"}"#),
            },
            Case {
                target: "/whole",
                content_type: Some("text/plain; charset=utf-16"),
                body: r#"{"name":"a"}"#,
                strict: (415, "Content-Type text/plain is not supported here; send Content-Type: application/json"),
                lenient: (415, "Content-Type: expected charset=utf-8, or no charset, got `utf-16`"),
            },
        ],
    );
}

#[test]
fn an_empty_body_is_an_empty_object_only_where_that_is_configured() {
    let missing = "the request needs a JSON body; send {} to leave every field unset";
    let case =
        |target, answer| Case { target, content_type: None, body: "", strict: (400, missing), lenient: (200, answer) };
    check(
        "requests: {empty_body: object}",
        &[case("/whole", "{}"), case("/items/7", r#"{"id":"7"}"#), case("/texts/7", r#"{"id":"7"}"#)],
    );
}

#[test]
fn unknown_members_are_ignored_if_configured_and_unknown_enum_names_are_not() {
    let case =
        |target, body, problem, lenient| Case { target, content_type: JSON, body, strict: (400, problem), lenient };
    let nope = "unknown field \"nope\" (line 1, column 9)";
    let colour = r#"field "colour": expected one of NONE, RED, got "BLUE" (line 1, column 11)"#;
    check(
        "requests: {ignore_members: all}\nrpcs: {shop.Shop.Own: {ignore_members: [fee]}}",
        &[
            case("/whole", r#"{"nope":{"a":[1]},"name":"a"}"#, nope, (200, r#"{"name":"a"}"#)),
            case(
                "/items/7",
                r#"{"inner":{"nope":1}}"#,
                "unknown field \"inner.nope\" (line 1, column 18)",
                (200, r#"{"id":"7","item":{"inner":{}}}"#),
            ),
            case("/whole", r#"{"colour":"BLUE"}"#, colour, (400, colour)),
            case("/own", r#"{"nope":1}"#, nope, (400, nope)),
        ],
    );
    let own = "rpcs: {shop.Shop.Whole: {ignore_members: all}}";
    check(own, &[case("/whole", r#"{"nope":1}"#, nope, (200, "{}")), case("/own", r#"{"nope":1}"#, nope, (400, nope))]);
}

#[test]
fn base64_may_have_line_breaks_only_where_that_is_configured() {
    let case =
        |body, problem, lenient| Case { target: "/whole", content_type: JSON, body, strict: (400, problem), lenient };
    let blank = r#"field "data": expected base64, got "YW Jj" (line 1, column 9)"#;
    check(
        "json: {base64_line_breaks: true}",
        &[
            case(
                r#"{"data":"YWJj\r\nZGVm\n"}"#,
                r#"field "data": expected base64, got "YWJj\r\nZGVm\n" (line 1, column 9)"#,
                (200, r#"{"data":"YWJjZGVm"}"#),
            ),
            case(
                r#"{"list":["YQ==\n","\n"],"map":{"a":"Y\nQ"},"wrapped":"Y\nQ"}"#,
                r#"field "list[0]": expected base64, got "YQ==\n" (line 1, column 10)"#,
                (200, r#"{"list":["YQ==",""],"map":{"a":"YQ=="},"wrapped":"YQ=="}"#),
            ),
            case(r#"{"data":"YW Jj"}"#, blank, (400, blank)),
        ],
    );
}

#[test]
fn headers_with_the_grpc_metadata_prefix_become_metadata_if_listed() {
    let (got, heard) = shared::<Vec<String>>();
    let backend = backend(move |_, requests: Requests, replies| {
        let got = got.clone();
        async move {
            let own = ["te", "content-type", "grpc-timeout", "user-agent", "content-length"];
            let headers = requests.headers.iter().filter(|(name, _)| !own.contains(&name.as_str()));
            let mut headers: Vec<String> = headers.map(|(n, v)| format!("{n}: {}", v.to_str().unwrap())).collect();
            headers.sort();
            *got.lock().unwrap() = headers;
            replies.send(&note("one", 1)).await;
            replies.end("0", "").await;
        }
    });
    let off = gateway(&backend, "metadata: {request: [x-tenant, x-trace-bin]}");
    let on = gateway(&backend, "metadata: {request: [x-tenant, x-trace-bin], grpc_metadata_prefix: true}");
    for (headers, without, with) in [
        (&[("Grpc-Metadata-X-Tenant", "a"), ("Grpc-Metadata-X-Other", "b")][..], &[][..], &["x-tenant: a"][..]),
        (&[("grpc-metadata-authorization", "Bearer t")], &[], &[]),
        (&[("Grpc-Metadata-X-Trace-Bin", "AQI=")], &[], &["x-trace-bin: AQI="]),
        (&[("X-Tenant", "a"), ("Grpc-Metadata-Authorization", "b")], &["x-tenant: a"], &["x-tenant: a"]),
    ] {
        for (gateway, expected) in [(&off, without), (&on, with)] {
            let answer = http::send(
                gateway.address,
                "POST",
                "/ask",
                &[&[("Content-Type", "application/json")], headers].concat(),
                Some(b"{}"),
            );
            assert_eq!(
                (answer.status, heard.lock().unwrap().as_slice()),
                (200, &expected.iter().map(|&text| text.to_owned()).collect::<Vec<_>>()[..]),
                "{headers:?}"
            );
        }
    }
    let several =
        "header grpc-metadata-x-tenant: expected one value for x-tenant, with the prefix or without it, got several";
    for (headers, message) in [
        (&[("X-Tenant", "a"), ("Grpc-Metadata-X-Tenant", "a")][..], several),
        (&[("Grpc-Metadata-X-Tenant", "a"), ("Grpc-Metadata-X-Tenant", "b")], several),
        (&[("Grpc-Metadata-X-Trace-Bin", "%")], "header x-trace-bin: expected base64, got other text"),
    ] {
        let answer = http::send(
            on.address,
            "POST",
            "/ask",
            &[&[("Content-Type", "application/json")], headers].concat(),
            Some(b"{}"),
        );
        assert_eq!((answer.status, answer.refusal().1.as_str()), (400, message), "{headers:?}");
    }
}

/// Two messages and a failure, or a failure alone.
fn failing() -> Backend {
    backend(|_, mut requests: Requests, replies: Replies| async move {
        let request = requests.next().await.unwrap();
        if request == b"\x0a\x01t" {
            replies.send(&note("one", 1)).await;
            replies.send(&note("two", 2)).await;
        }
        replies.end("9", "the account is closed").await;
    })
}

#[test]
fn errors_have_the_body_of_the_chosen_grpc_gateway_version() {
    let backend = failing();
    for (errors, status, body) in [
        (
            "{form: grpc_gateway_v1, statuses: {FAILED_PRECONDITION: 412}}",
            412,
            r#"{"error":"the account is closed","message":"the account is closed","code":9}"#,
        ),
        ("grpc_gateway_v2", 400, r#"{"code":9,"message":"the account is closed","details":[]}"#),
    ] {
        let gateway = gateway(&backend, &format!("errors: {errors}"));
        let answer = http::send_json(gateway.address, "POST", "/ask", "{}");
        assert_eq!((answer.status, answer.body.as_str()), (status, body), "{errors}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
    let gateway = gateway(&backend, "errors: grpc_gateway_v1");
    let answer = http::send_json(gateway.address, "POST", "/ask", r#"{"number":"x"}"#);
    let message = r#"field \"number\": expected an int32, got \"x\" (line 1, column 11)"#;
    let info = r#"{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"INVALID_FIELD","domain":"towbar"}"#;
    let detail = r#"{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":"number","description":"expected an int32, got \"x\""}]}"#;
    let body = format!(r#"{{"error":"{message}","message":"{message}","code":3,"details":[{info},{detail}]}}"#);
    assert_eq!((answer.status, answer.body), (400, body));
}

#[test]
fn streams_in_grpc_gateway_format_have_one_chunk_per_message_and_no_status_line() {
    let backend = failing();
    let one = "{\"result\":{\"text\":\"one\",\"number\":1}}\n";
    let two = "{\"result\":{\"text\":\"two\",\"number\":2}}\n";
    let v1 = "{\"error\":{\"grpc_code\":9,\"http_code\":412,\"message\":\"the account is closed\",\"http_status\":\"Precondition Failed\"}}\n";
    let v2 = "{\"error\":{\"code\":9,\"message\":\"the account is closed\",\"details\":[]}}\n";
    for (errors, status, last) in
        [("{form: grpc_gateway_v1, statuses: {FAILED_PRECONDITION: 412}}", 412, v1), ("grpc_gateway_v2", 400, v2)]
    {
        let gateway = gateway(&backend, &format!("streams: {{format: grpc_gateway}}\nerrors: {errors}"));
        for accept in ["*/*", "application/json", "application/json, text/plain, */*", "text/html"] {
            let (head, chunks) = chunks(&gateway, "/notes/t", accept);
            assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
            assert!(head.contains("content-type: application/json\r\n"), "{head}");
            assert_eq!(chunks, [one, two, last], "{accept}");
        }
        // Nothing has come: the status says it too.
        let answer = http::get(gateway.address, "/notes/x");
        assert_eq!((answer.status, answer.body.as_str()), (status, last));
    }
    let ended = self::backend(|_, _, replies| async move {
        replies.send(&note("one", 1)).await;
        replies.end("0", "").await;
    });
    let gateway = gateway(&ended, "streams: {format: grpc_gateway}");
    assert_eq!(chunks(&gateway, "/notes/t", "*/*").1, [one]);
    assert_eq!(
        chunks(&gateway, "/notes/t", "application/x-ndjson").1.concat(),
        format!("{one}{{\"status\":{{\"code\":0}}}}\n")
    );
}

/// The head of an answer, and the chunks of HTTP/1.1 that its body comes in.
fn chunks(gateway: &support::Gateway, target: &str, accept: &str) -> (String, Vec<String>) {
    let mut stream = http::connect(gateway.address);
    http::write(&mut stream, "GET", target, &[("Accept", accept), ("Connection", "close")], None);
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, mut rest) = text.split_once("\r\n\r\n").unwrap();
    let mut chunks = Vec::new();
    loop {
        let (size, behind) = rest.split_once("\r\n").unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return (format!("{head}\r\n"), chunks);
        }
        chunks.push(behind[..size].to_owned());
        rest = &behind[size + 2..];
    }
}

/// The first block of YAML behind the heading of each preset.
fn documented(preset: Preset) -> String {
    let document = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md")).unwrap();
    let (_, behind) = document.split_once(&format!("### `compatibility: {}`\n", preset.name())).unwrap();
    behind.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap().to_owned()
}

#[test]
fn a_preset_sets_exactly_what_is_documented() {
    let load = |text: &str| {
        let rest = "schema: a.binpb\nupstream: http://127.0.0.1:1\n";
        let (config, problems) =
            config::load_text(&format!("{rest}{text}"), Path::new("towbar.yaml"), &Overrides::default());
        assert!(problems.is_empty(), "{text}: {problems:?}");
        config
    };
    for preset in Preset::ALL {
        assert_eq!(documented(preset), preset.text(), "{}", preset.name());
        let by_name = load(&format!("compatibility: {}\n", preset.name()));
        let by_keys = load(preset.text());
        let default = load("");
        assert_eq!(
            (&by_name.proxy, &by_name.routes, &by_name.metadata),
            (&by_keys.proxy, &by_keys.routes, &by_keys.metadata)
        );
        assert_ne!(by_name.proxy, default.proxy, "{}", preset.name());
    }
}

#[test]
fn a_key_in_the_file_overrides_the_preset() {
    let text = "schema: a.binpb\nupstream: http://127.0.0.1:1\ncompatibility: grpc_gateway\nerrors: problem\nrequests:\n  ignore_query: []\n  \
                body_limit: 1KiB\nstreams: {deadline: 1m}\nmetadata:\n";
    let (config, problems) = config::load_text(text, Path::new("towbar.yaml"), &Overrides::default());
    assert!(problems.is_empty(), "{problems:?}");
    let policy = &config.routes.policy;
    assert_eq!(policy.errors.form, towbar::route::policy::Form::Problem);
    assert_eq!(policy.ignore_query, towbar::route::policy::UnknownKeys::default());
    assert_eq!(policy.ignore_members, towbar::route::policy::UnknownKeys::All);
    assert_eq!((policy.body_limit, config.proxy.untyped_json), (1024, true));
    assert_eq!(config.proxy.streams.format, towbar::gateway::stream::Format::GrpcGateway);
    assert_eq!(config.proxy.streams.deadline.as_secs(), 60);
    assert!(config.metadata.prefixed);
    for (name, message) in [
        ("grpc-gateway", "towbar.yaml:1:16: compatibility: expected `grpc_gateway` or `envoy`, found `grpc-gateway`"),
        ("[envoy]", "towbar.yaml:1:1: compatibility: expected the name of a gateway, found a list"),
    ] {
        let text = format!("compatibility: {name}\nschema: a.binpb\nupstream: http://127.0.0.1:1\n");
        let (_, problems) = config::load_text(&text, Path::new("towbar.yaml"), &Overrides::default());
        assert_eq!(problems.iter().map(ToString::to_string).collect::<Vec<_>>(), [message]);
    }
}

#[test]
fn check_lists_what_the_preset_sets_and_what_the_file_overrides() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("shop.proto"), PROTO).unwrap();
    let config = folder.path().join("towbar.yaml");
    fs::write(
        &config,
        "schema: shop.proto\nupstream: http://127.0.0.1:1\ncompatibility: grpc_gateway\nerrors: problem\n",
    )
    .unwrap();
    let ended = run(&["check", "--config", config.to_str().unwrap()]);
    let lines = "\
compatibility grpc_gateway: requests.json_without_type: true
compatibility grpc_gateway: requests.json_types: [application/x-www-form-urlencoded, text/plain, application/octet-stream]
compatibility grpc_gateway: requests.empty_body: object
compatibility grpc_gateway: requests.ignore_members: all
compatibility grpc_gateway: requests.ignore_query: all
compatibility grpc_gateway: json.base64_line_breaks: true
compatibility grpc_gateway: metadata.grpc_metadata_prefix: true
compatibility grpc_gateway: streams.format: grpc_gateway
compatibility grpc_gateway: errors.form: grpc_gateway_v2, overridden by the file: problem
no problems found
";
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), lines), "{}", ended.stderr);
}

#[test]
fn etcd3gw_gets_the_same_answers_from_towbar_as_from_the_gateway_in_etcd() {
    let Some(tools) = Tools::installed() else { return };
    let own = tools.transcript(Etcd::start(&tools).address, &["bodies"]);
    let etcd = Etcd::start(&tools);
    let towbar = tools.towbar(&etcd, VERSION_1);
    let ours = tools.transcript(towbar.address, &["bodies"]);
    assert!(own.len() > 100, "{own:#?}");
    assert_eq!(differences(&own, &ours), [("", ""); 0]);
}

#[test]
fn etcd3gw_works_with_the_preset_alone() {
    let Some(tools) = Tools::installed() else { return };
    let own = tools.transcript(Etcd::start(&tools).address, &[]);
    let etcd = Etcd::start(&tools);
    let towbar = tools.towbar(&etcd, "");
    let ours = tools.transcript(towbar.address, &[]);
    // grpc-gateway 2 has 400 for it, and so does google/rpc/code.proto.
    assert_eq!(differences(&own, &ours), [("not enabled PreconditionFailedError", "not enabled Etcd3Exception")]);
}
