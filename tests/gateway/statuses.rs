//! What the backend's gRPC status becomes: HTTP status, JSON body with details, headers.

use axum::Router;
use prost::Message;
use tonic::{Code, Status};
use towbar::cli::demo::generated::io::token::proto::common::money::Money;
use towbar::schema::generated::google::rpc;

use crate::support;
use crate::support::talk;
use crate::support::{Backend, Gateway, Stage, assert_complete, assert_refused, health};

/// A backend that answers with the status of its `bank_id`.
fn refusing(statuses: Vec<(&'static str, Status)>) -> Router {
    health(move |request| {
        let found = statuses.iter().find(|(name, _)| *name == request.get_ref().bank_id);
        let status = found.map_or_else(|| Status::internal("no such case"), |(_, status)| status.clone());
        async { Err(status) }
    })
}

fn any(name: &str, message: &impl Message) -> pbjson_types::Any {
    pbjson_types::Any { type_url: format!("type.googleapis.com/{name}"), value: message.encode_to_vec().into() }
}

fn with_details(details: Vec<pbjson_types::Any>) -> Status {
    let status = rpc::Status { code: Code::Aborted.into(), message: "no".to_owned(), details };
    Status::with_details(Code::Aborted, "no", status.encode_to_vec().into())
}

/// google/rpc/code.proto, "HTTP Mapping".
const CODES: [(&str, Code, u16); 16] = [
    ("1", Code::Cancelled, 499),
    ("2", Code::Unknown, 500),
    ("3", Code::InvalidArgument, 400),
    ("4", Code::DeadlineExceeded, 504),
    ("5", Code::NotFound, 404),
    ("6", Code::AlreadyExists, 409),
    ("7", Code::PermissionDenied, 403),
    ("8", Code::ResourceExhausted, 429),
    ("9", Code::FailedPrecondition, 400),
    ("10", Code::Aborted, 409),
    ("11", Code::OutOfRange, 400),
    ("12", Code::Unimplemented, 501),
    ("13", Code::Internal, 500),
    ("14", Code::Unavailable, 503),
    ("15", Code::DataLoss, 500),
    ("16", Code::Unauthenticated, 401),
];

#[test]
fn every_grpc_error_code_maps_to_its_http_status_body_and_headers() {
    let statuses = CODES.iter().map(|&(number, code, _)| (number, Status::new(code, "the bank's reason"))).collect();
    let stage = Stage::of(refusing(statuses));
    for (number, _, status) in CODES {
        let answer = stage.get(&format!("/health-check?bank_id={number}"));
        // A 504 says whose time was over.
        let message = match number {
            "4" => "the backend answered DEADLINE_EXCEEDED: the bank's reason",
            // The bank deployment hides the texts of these.
            "2" => "the backend answered UNKNOWN",
            "13" => "the backend answered INTERNAL",
            "15" => "the backend answered DATA_LOSS",
            _ => "the bank's reason",
        };
        let body = format!(r#"{{"code":{number},"message":"{message}"}}"#);
        assert_refused(&answer, status, &body, number);
        assert_eq!(answer.header("token-grpc-status"), Some(number), "{number}");
        assert_eq!(answer.header("token-grpc-message"), Some(message), "{number}");
    }
}

#[test]
fn the_error_body_for_a_status_without_a_message_has_only_a_code() {
    let stage = Stage::of(refusing(vec![("silent", Status::new(Code::NotFound, ""))]));
    let answer = stage.get("/health-check?bank_id=silent");
    assert_eq!((answer.status, answer.body.as_str()), (404, r#"{"code":5}"#));
    assert_complete(&answer, 5, "silent");
    assert_eq!(answer.header("token-grpc-message"), None);
}

#[test]
fn a_status_message_is_plain_in_the_body_and_percent_encoded_in_the_header() {
    for (message, header) in [
        ("Konto für Zoë nicht gefunden", "Konto f%C3%BCr Zo%C3%AB nicht gefunden"),
        ("100% of it", "100%25 of it"),
        ("not%20decoded", "not%2520decoded"),
        ("two\r\nlines\tof \"text\"", "two%0D%0Alines%09of \"text\""),
        ("日本", "%E6%97%A5%E6%9C%AC"),
        ("x-injected: 1\r\n\r\n<html>", "x-injected: 1%0D%0A%0D%0A<html>"),
    ] {
        let stage = Stage::of(refusing(vec![("case", Status::new(Code::NotFound, message))]));
        let answer = stage.get("/health-check?bank_id=case");
        assert_eq!(answer.refusal(), (5, message.to_owned()));
        assert_eq!(answer.header("token-grpc-message"), Some(header), "{message}");
        assert_complete(&answer, 5, message);
    }
}

#[test]
fn details_of_known_types_are_printed_as_json() {
    let cases = [
        (
            any(
                "google.rpc.ErrorInfo",
                &rpc::ErrorInfo {
                    reason: "LIMIT".to_owned(),
                    domain: "bank.test".to_owned(),
                    metadata: [("limit".to_owned(), "100".to_owned())].into(),
                },
            ),
            r#"{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"LIMIT","domain":"bank.test","metadata":{"limit":"100"}}"#,
        ),
        (
            any(
                "google.rpc.BadRequest",
                &rpc::BadRequest {
                    field_violations: vec![rpc::bad_request::FieldViolation {
                        field: "account.iban.iban".to_owned(),
                        description: "its check digits are wrong".to_owned(),
                        ..Default::default()
                    }],
                },
            ),
            r#"{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":"account.iban.iban","description":"its check digits are wrong"}]}"#,
        ),
        (
            any(
                "google.rpc.RetryInfo",
                &rpc::RetryInfo { retry_delay: Some(pbjson_types::Duration { seconds: 1, nanos: 500_000_000 }) },
            ),
            r#"{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"1.500s"}"#,
        ),
        (
            any(
                "google.rpc.PreconditionFailure",
                &rpc::PreconditionFailure {
                    violations: vec![rpc::precondition_failure::Violation {
                        r#type: "TOS".to_owned(),
                        subject: "customer".to_owned(),
                        description: "not accepted".to_owned(),
                    }],
                },
            ),
            r#"{"@type":"type.googleapis.com/google.rpc.PreconditionFailure","violations":[{"type":"TOS","subject":"customer","description":"not accepted"}]}"#,
        ),
        (
            any(
                "google.rpc.QuotaFailure",
                &rpc::QuotaFailure {
                    violations: vec![rpc::quota_failure::Violation {
                        subject: "member".to_owned(),
                        description: "calls a day".to_owned(),
                        quota_value: 4,
                        ..Default::default()
                    }],
                },
            ),
            r#"{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"subject":"member","description":"calls a day","quotaValue":"4"}]}"#,
        ),
        (
            any("google.rpc.RequestInfo", &rpc::RequestInfo { request_id: "r-1".to_owned(), ..Default::default() }),
            r#"{"@type":"type.googleapis.com/google.rpc.RequestInfo","requestId":"r-1"}"#,
        ),
        (
            any(
                "google.rpc.ResourceInfo",
                &rpc::ResourceInfo { resource_type: "account".to_owned(), ..Default::default() },
            ),
            r#"{"@type":"type.googleapis.com/google.rpc.ResourceInfo","resourceType":"account"}"#,
        ),
        (
            any(
                "google.rpc.Help",
                &rpc::Help {
                    links: vec![rpc::help::Link { url: "https://bank.test/help".to_owned(), ..Default::default() }],
                },
            ),
            r#"{"@type":"type.googleapis.com/google.rpc.Help","links":[{"url":"https://bank.test/help"}]}"#,
        ),
        (
            any(
                "google.rpc.LocalizedMessage",
                &rpc::LocalizedMessage { locale: "de".to_owned(), message: "Nein".to_owned() },
            ),
            r#"{"@type":"type.googleapis.com/google.rpc.LocalizedMessage","locale":"de","message":"Nein"}"#,
        ),
        // A type of the bank's own descriptors.
        (
            any("io.token.proto.common.money.Money", &Money { currency: "EUR".to_owned(), value: "1.00".to_owned() }),
            r#"{"@type":"type.googleapis.com/io.token.proto.common.money.Money","currency":"EUR","value":"1.00"}"#,
        ),
        // google/protobuf/any.proto: a type with a JSON form of its own stands in a member `value`.
        (
            any("google.protobuf.Duration", &pbjson_types::Duration { seconds: 3, nanos: 0 }),
            r#"{"@type":"type.googleapis.com/google.protobuf.Duration","value":"3s"}"#,
        ),
    ];
    for (detail, json) in cases {
        assert_details(vec![detail], json);
    }
}

#[test]
fn details_of_unknown_types_are_left_out_unless_configured() {
    let unknown = pbjson_types::Any {
        type_url: "type.googleapis.com/bank.internal.Trouble".to_owned(),
        value: vec![8, 0xff, 1].into(),
    };
    // A known type whose bytes are none of it is not shown at all.
    let broken = pbjson_types::Any { value: vec![0x0a, 0xff].into(), ..any("google.rpc.ErrorInfo", &()) };
    let known = any("google.rpc.RequestInfo", &rpc::RequestInfo { request_id: "r".to_owned(), ..Default::default() });
    let status = || refusing(vec![("case", with_details(vec![unknown.clone(), known.clone(), broken.clone()]))]);
    let shown = r#"{"@type":"type.googleapis.com/google.rpc.RequestInfo","requestId":"r"}"#;
    let trouble = r#"{"@type":"type.googleapis.com/bank.internal.Trouble","value":"CP8B"}"#;
    for (stage, details) in [
        (Stage::of(status()), shown.to_owned()),
        (
            Stage::altered(status(), |config| {
                support::replaced(config, "\nerrors:\n", "\nerrors:\n  show_unknown_details: true\n")
            }),
            format!("{trouble},{shown}"),
        ),
    ] {
        let body = format!(r#"{{"code":10,"message":"no","details":[{details}]}}"#);
        assert_refused(&stage.get("/health-check?bank_id=case"), 409, &body, &details);
    }
    let stage = Stage::of(refusing(vec![("case", with_details(vec![unknown, broken]))]));
    assert_refused(&stage.get("/health-check?bank_id=case"), 409, r#"{"code":10,"message":"no"}"#, "no detail");
}

fn assert_details(details: Vec<pbjson_types::Any>, json: &str) {
    let stage = Stage::of(refusing(vec![("case", with_details(details))]));
    let body = format!(r#"{{"code":10,"message":"no","details":[{json}]}}"#);
    assert_refused(&stage.get("/health-check?bank_id=case"), 409, &body, json);
}

#[test]
fn debug_info_never_reaches_the_caller() {
    let debug = rpc::DebugInfo { stack_entries: vec!["canary at bank.rs:1".to_owned()], detail: "canary".to_owned() };
    let debug = any("google.rpc.DebugInfo", &debug);
    let elsewhere = pbjson_types::Any { type_url: "bank.test/types/google.rpc.DebugInfo".to_owned(), ..debug.clone() };
    let info = any("google.rpc.RequestInfo", &rpc::RequestInfo { request_id: "r".to_owned(), ..Default::default() });
    let bare = r#"{"code":10,"message":"no"}"#;
    let with_info = concat!(
        r#"{"code":10,"message":"no","details":[{"@type":"type.googleapis.com/google.rpc.RequestInfo","#,
        r#""requestId":"r"}]}"#
    );
    for (details, body) in [
        (vec![debug.clone()], bare),
        (vec![elsewhere], bare),
        (vec![debug.clone(), info.clone()], with_info),
        (vec![info, debug], with_info),
    ] {
        let stage = Stage::of(refusing(vec![("case", with_details(details))]));
        let answer = stage.get("/health-check?bank_id=case");
        assert_refused(&answer, 409, body, body);
        assert!(!format!("{answer:?}").contains("canary"), "{answer:?}");
    }
}

#[test]
fn debug_info_nested_in_another_detail_never_reaches_the_caller() {
    let debug = any("google.rpc.DebugInfo", &rpc::DebugInfo { detail: "canary".to_owned(), ..Default::default() });
    let status = rpc::Status { code: 13, message: "inner".to_owned(), details: vec![debug.clone()] };
    for carrier in [any("google.rpc.Status", &status), any("google.protobuf.Any", &debug)] {
        let carrier_type = carrier.type_url.clone();
        let stage = Stage::of(refusing(vec![("case", with_details(vec![carrier]))]));
        let answer = stage.get("/health-check?bank_id=case");
        assert_refused(&answer, 409, r#"{"code":10,"message":"no"}"#, &carrier_type);
    }
}

#[test]
fn details_that_are_not_a_valid_status_are_left_out() {
    let status = Status::with_details(Code::Aborted, "no", vec![0xff, 0xff].into());
    let stage = Stage::of(refusing(vec![("case", status)]));
    assert_refused(&stage.get("/health-check?bank_id=case"), 409, r#"{"code":10,"message":"no"}"#, "0xffff");
}

#[test]
fn listed_metadata_of_an_error_becomes_headers() {
    let mut status = Status::new(Code::ResourceExhausted, "slow down");
    status.metadata_mut().insert("x-ratelimit-remaining", "0".parse().unwrap());
    status.metadata_mut().insert("x-bank-node", "core-7.internal".parse().unwrap());
    let stage = Stage::altered(refusing(vec![("case", status)]), |config| {
        config + "\nmetadata:\n  reply: [x-ratelimit-remaining]\n"
    });
    let answer = stage.get("/health-check?bank_id=case");
    assert_refused(&answer, 429, r#"{"code":8,"message":"slow down"}"#, "listed");
    assert_eq!(answer.header("x-ratelimit-remaining"), Some("0"));
    assert!(!format!("{answer:?}").contains("core-7"), "{answer:?}");
    assert!(answer.headers.iter().all(|(name, _)| !name.starts_with("grpc-")), "{answer:?}");
}

#[test]
fn status_headers_have_the_configured_names_or_are_not_sent() {
    let refusing = || refusing(vec![("case", Status::new(Code::NotFound, "gone"))]);
    let stage = Stage::altered(refusing(), |config| {
        let config = support::replaced(config, "status: token-grpc-status", "status: x-status");
        support::replaced(config, "message: token-grpc-message", "message: x-message")
    });
    let answer = stage.get("/health-check?bank_id=case");
    assert_eq!((answer.header("x-status"), answer.header("x-message")), (Some("5"), Some("gone")));
    assert_eq!((answer.header("token-grpc-status"), answer.header("token-grpc-message")), (None, None));

    let stage = Stage::altered(refusing(), |config| {
        let section = "status_headers:\n  status: token-grpc-status\n  message: token-grpc-message\n";
        support::replaced(config, section, "")
    });
    let answer = stage.get("/health-check?bank_id=case");
    assert_eq!((answer.status, answer.body.as_str()), (404, r#"{"code":5,"message":"gone"}"#));
    assert!(!format!("{:?}", answer.headers).contains("grpc"), "{answer:?}");
}

/// Both without TLS: there are many of them.
fn gateway(backend: &Backend, more: &str) -> Gateway {
    Gateway::start(&format!("schema: proto\nupstream: http://{}\n{more}", backend.address), None)
}

#[test]
fn a_configured_http_status_for_a_grpc_code_applies_in_every_error_form() {
    let statuses = CODES.iter().map(|&(number, code, _)| (number, Status::new(code, "why"))).collect();
    let backend = Backend::start(refusing(statuses), None);
    // Number and name; HTTP status and its phrase; words of the bank standards.
    for (number, name, http, title, obie, berlin) in [
        ("5", "NOT_FOUND", 410, "Gone", "UK.OBIE.Resource.NotFound", "FORMAT_ERROR"),
        ("9", "FAILED_PRECONDITION", 422, "Unprocessable Entity", "UK.OBIE.UnexpectedError", "FORMAT_ERROR"),
        ("10", "ABORTED", 400, "Bad Request", "UK.OBIE.UnexpectedError", "FORMAT_ERROR"),
        // Statuses that no standard has a phrase for.
        ("11", "OUT_OF_RANGE", 499, "Client Closed Request", "UK.OBIE.Field.Invalid", "INTERNAL_SERVER_ERROR"),
        ("12", "UNIMPLEMENTED", 498, "Client Error", "UK.OBIE.UnexpectedError", "FORMAT_ERROR"),
        ("13", "INTERNAL", 599, "Server Error", "UK.OBIE.UnexpectedError", "INTERNAL_SERVER_ERROR"),
        // What is not in the table is as ever.
        ("6", "ALREADY_EXISTS", 409, "Conflict", "UK.OBIE.Rules.ResourceAlreadyExists", "STATUS_INVALID"),
    ] {
        let bare_title = title.replace(' ', "");
        for (form, body) in [
            ("status", format!(r#"{{"code":{number},"message":"why"}}"#)),
            ("google", format!(r#"{{"error":{{"code":{http},"message":"why","status":"{name}"}}}}"#)),
            (
                "problem",
                format!(r#"{{"type":"about:blank","title":"{title}","status":{http},"detail":"why","code":"{name}"}}"#),
            ),
            (
                "open_banking_uk",
                format!(
                    r#"{{"Code":"{http} {bare_title}","Message":"why","Errors":[{{"ErrorCode":"{obie}","Message":"why"}}]}}"#
                ),
            ),
            ("berlin_group", format!(r#"{{"tppMessages":[{{"category":"ERROR","code":"{berlin}","text":"why"}}]}}"#)),
        ] {
            let table = "{NOT_FOUND: 410, FAILED_PRECONDITION: 422, ABORTED: 400, OUT_OF_RANGE: 499, UNIMPLEMENTED: 498, INTERNAL: 599}";
            let config = format!("errors: {{form: {form}, statuses: {table}}}\nstatus_headers: {{}}\n");
            let gateway = gateway(&backend, &config);
            let answer = support::http::get(gateway.address, &format!("/health-check?bank_id={number}"));
            assert_eq!((answer.status, answer.body.as_str()), (http, body.as_str()), "{name} {form}");
            assert_eq!(answer.header("token-grpc-status"), Some(number), "{name} {form}");
        }
    }
}

#[test]
fn the_status_table_of_an_rpc_overrides_the_global_table() {
    let answering = |code: &'static str| {
        let headers = [("content-type", "application/grpc"), ("grpc-status", code)];
        Backend::start(Router::new().fallback(move || async move { (headers, "") }), None)
    };
    let rpc = "rpcs:\n  io.token.proto.bankapi.HealthCheckService.HealthCheck:\n    errors: ";
    let all = "errors:\n  statuses:\n    NOT_FOUND: 410\n    ALREADY_EXISTS: 422\n";
    let own = "{statuses: {NOT_FOUND: 404, ABORTED: 423}}";
    for (code, all, own, of_rpc, of_others) in [
        ("5", all, own, 404, 410),
        ("6", all, own, 422, 422),
        ("10", all, own, 423, 409),
        ("8", all, own, 429, 429),
        // A form alone says nothing of statuses, nor does a table of forms.
        ("5", all, "problem", 410, 410),
        ("5", all, "{form: problem}", 410, 410),
        ("5", "errors: problem\n", "{statuses: {NOT_FOUND: 410}}", 410, 404),
        ("5", "", "{statuses: {}}", 404, 404),
        // A code that there is not is UNKNOWN.
        ("99", "errors: {statuses: {UNKNOWN: 502}}\n", own, 502, 502),
    ] {
        let backend = answering(code);
        let gateway = gateway(&backend, &format!("{all}{rpc}{own}\n"));
        for (target, status) in [("/health-check?bank_id=a", of_rpc), ("/storage/a", of_others)] {
            let answer = support::http::get(gateway.address, target);
            assert_eq!(answer.status, status, "{code} {all}{own} {target}: {}", answer.body);
            let is_problem = answer.header("content-type") == Some("application/problem+json");
            let form = if target == "/storage/a" { all } else { own };
            assert_eq!(is_problem, form.contains("problem") || all.contains("problem"), "{form}");
        }
    }
}

#[test]
fn the_configured_status_table_does_not_apply_to_towbars_own_errors() {
    let names = "CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED RESOURCE_EXHAUSTED \
                 FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS UNAUTHENTICATED";
    let table: String = names.split_whitespace().map(|name| format!("    {name}: 418\n")).collect();
    let table = format!("errors:\n  statuses:\n{table}");
    // A backend that never answers, one whose answers have no grpc-status, one that refuses, and none.
    let silent = Backend::start(Router::new().fallback(|| async { std::future::pending::<()>().await }), None);
    let wordless = Router::new().fallback(|| async { ([("content-type", "application/grpc")], "") });
    let wordless = Backend::start(wordless, None);
    let refused = refusing(vec![("late", Status::deadline_exceeded(""))]);
    let refused = Backend::start(refused, None);
    let nobody = format!(
        "http://127.0.0.1:{}",
        std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
    );
    let at = |backend: &Backend| format!("http://{}", backend.address);
    let json = ("Content-Type", "application/json");
    for (upstream, method, target, header, body, status, code) in [
        (at(&refused), "GET", "/health-check?bank_id=late", json, None, 418, 4),
        (at(&refused), "GET", "/health-check?bank_id=other", json, None, 418, 13),
        (at(&silent), "GET", "/health-check?bank_id=a", json, None, 504, 4),
        // http-grpc-status-mapping.md has UNKNOWN for 200.
        (at(&wordless), "GET", "/health-check?bank_id=a", json, None, 502, 2),
        (nobody, "GET", "/health-check?bank_id=a", json, None, 503, 14),
        (at(&refused), "GET", "/nothing", json, None, 404, 5),
        (at(&refused), "DELETE", "/health-check", json, None, 405, 12),
        (at(&refused), "GET", "/health-check?bank=a", json, None, 400, 3),
        (at(&refused), "POST", "/transfers", json, Some(&b"{"[..]), 400, 3),
        (at(&refused), "POST", "/transfers", json, Some(b"{\"transfer_id\": \"too long for it\"}"), 413, 8),
        (at(&refused), "POST", "/transfers", ("Content-Type", "text/html"), Some(b"{}"), 415, 3),
    ] {
        let more = "requests: {body_limit: 16}\n";
        let config = format!("schema: proto\nupstream: {{address: {upstream}, deadline: 700ms}}\n{table}{more}");
        let gateway = Gateway::start(&config, None);
        let answer = support::http::send(gateway.address, method, target, &[header], body);
        assert_eq!((answer.status, answer.refusal().0), (status, code), "{method} {target}: {}", answer.body);
    }
}

#[test]
fn a_stream_failing_before_its_first_message_gets_the_table_status_and_retry_after() {
    // A `google.rpc.Status` with a `RetryInfo` of three seconds.
    const DETAILS: &str = "CAgSCXNsb3cgZG93bho0Cih0eXBlLmdvb2dsZWFwaXMuY29tL2dvb2dsZS5ycGMuUmV0cnlJbmZvEggKBggDEAAQAA";
    let backend = talk::backend(|_, mut requests, replies| async move {
        if requests.next().await.unwrap().ends_with(b"half") {
            replies.send(&talk::note("one", 1)).await;
        }
        replies.end_with("8", "slow down", &[("grpc-status-details-bin", DETAILS)]).await;
    });
    let gateway = talk::gateway(&backend, "errors: {form: google, statuses: {RESOURCE_EXHAUSTED: 503}}\n");
    let details = r#""details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"3s"}]"#;
    let refused =
        format!(r#"{{"error":{{"code":503,"message":"slow down","status":"RESOURCE_EXHAUSTED",{details}}}}}"#);
    // What a stream tells of its end has the gRPC code, in every form.
    let told = format!(
        "{{\"result\":{{\"text\":\"one\",\"number\":1}}}}\n{{\"error\":{{\"code\":8,\"message\":\"slow down\",{details}}}}}\n"
    );
    for (target, status, retry_after, body) in
        [("/notes/none", 503, Some("3"), refused), ("/notes/half", 200, None, told)]
    {
        let answer = talk::send(&gateway, "GET", target, &[], None).answer;
        let found = (answer.status, answer.header("retry-after"), &answer.body);
        assert_eq!(found, (status, retry_after, &body), "{target}");
    }
}

#[test]
fn an_invalid_status_table_stops_the_start_and_reports_every_mistake() {
    let text = "\
schema: a.proto
upstream: http://127.0.0.1:1
errors:
  form: json
  statuses:
    OK: 200
    not_found: 410
    ABORTED: 399
    ABORTED: 423
    INTERNAL: 600
    DATA_LOSS: teapot
    CANCELLED: [400]
    9: 422
  status: {}
rpcs:
  a.B.C: {errors: {statuses: [410], forms: google}}
  a.B.D: {errors: {statuses: {UNKNOWN: '0500', UNAVAILABLE: 4e2, UNIMPLEMENTED: 405 }}}
";
    let file = std::path::Path::new("t.yaml");
    let (_, problems) = towbar::config::load_text(text, file, &towbar::config::Overrides::default());
    let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
    let known = "known here: `CANCELLED`, `UNKNOWN`, `INVALID_ARGUMENT`, `DEADLINE_EXCEEDED`, `NOT_FOUND`, `ALREADY_EXISTS`, \
                 `PERMISSION_DENIED`, `RESOURCE_EXHAUSTED`, `FAILED_PRECONDITION`, `ABORTED`, `OUT_OF_RANGE`, `UNIMPLEMENTED`, \
                 `INTERNAL`, `UNAVAILABLE`, `DATA_LOSS`, `UNAUTHENTICATED`";
    let forms =
        "`status`, `google`, `problem`, `open_banking_uk`, `berlin_group`, `grpc_gateway_v1` or `grpc_gateway_v2`";
    assert_eq!(
        problems,
        [
            &format!("t.yaml:4:9: form: expected {forms}, found `json`"),
            &format!("t.yaml:6:5: unknown key `OK`; {known}"),
            "t.yaml:7:5: unknown key `not_found`; did you mean `NOT_FOUND`?",
            "t.yaml:8:14: ABORTED: expected an HTTP status from 400 to 599, found `399`",
            "t.yaml:9:5: key `ABORTED` is given twice, first on line 8",
            "t.yaml:10:15: INTERNAL: expected an HTTP status from 400 to 599, found `600`",
            "t.yaml:11:16: DATA_LOSS: expected an HTTP status from 400 to 599, found `teapot`",
            "t.yaml:12:5: CANCELLED: expected an HTTP status, found a list",
            &format!("t.yaml:13:5: unknown key `9`; {known}"),
            "t.yaml:14:3: unknown key `status`; did you mean `statuses`?",
            "t.yaml:16:20: statuses: expected a map, found a list",
            "t.yaml:16:37: unknown key `forms`; did you mean `form`?",
            "t.yaml:17:40: UNKNOWN: expected an HTTP status from 400 to 599, found `0500`",
            "t.yaml:17:61: UNAVAILABLE: expected an HTTP status from 400 to 599, found `4e2`",
        ]
    );
}
