//! The forms of errors, and what of a backend's status reaches the caller in each of them.

use std::io::Write as _;
use std::sync::Arc;

use axum::Router;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue};
use prost::Message;
use tokio::sync::Notify;
use towbar::cli::demo::bank::SampleBank;
use towbar::gateway::error::{Reason, code_name};
use towbar::schema::generated::google::rpc;

use crate::support;
use crate::support::http::{Answer, connect, read};
use crate::support::process;
use crate::support::{Stage, replaced};

const UUID: &str = "0b6a7f2e-6f5c-4f3e-9d2a-0e6c5b1f7a11";

/// A backend that answers every call with these headers and nothing else.
fn trailers_only(headers: &[(&'static str, String)]) -> Router {
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
        .chain([(HeaderName::from_static("content-type"), HeaderValue::from_static("application/grpc"))])
        .collect();
    Router::new().fallback(move || async { (headers, "") })
}

/// A backend that answers every call with this status.
fn refusing(code: i32, message: &str, details: Vec<pbjson_types::Any>) -> Router {
    let status = rpc::Status { code, message: message.to_owned(), details };
    trailers_only(&[
        ("grpc-status", code.to_string()),
        ("grpc-message", message.to_owned()),
        ("grpc-status-details-bin", STANDARD_NO_PAD.encode(status.encode_to_vec())),
    ])
}

fn any(name: &str, message: &impl Message) -> pbjson_types::Any {
    pbjson_types::Any { type_url: format!("type.googleapis.com/{name}"), value: message.encode_to_vec().into() }
}

fn violating(fields: &[(&str, &str, &str)]) -> pbjson_types::Any {
    let violation = |(field, description, reason): &(&str, &str, &str)| rpc::bad_request::FieldViolation {
        field: (*field).to_owned(),
        description: (*description).to_owned(),
        reason: (*reason).to_owned(),
        ..Default::default()
    };
    any("google.rpc.BadRequest", &rpc::BadRequest { field_violations: fields.iter().map(violation).collect() })
}

fn retry_after(seconds: i64, nanos: i32) -> pbjson_types::Any {
    any("google.rpc.RetryInfo", &rpc::RetryInfo { retry_delay: Some(pbjson_types::Duration { seconds, nanos }) })
}

fn request_id(id: &str) -> pbjson_types::Any {
    any("google.rpc.RequestInfo", &rpc::RequestInfo { request_id: id.to_owned(), ..Default::default() })
}

fn stage_of(service: Router, form: &str) -> Stage {
    Stage::altered(service, |config| replaced(config, "\nerrors:\n", &format!("\nerrors:\n  form: {form}\n")))
}

fn sample(form: &str) -> Stage {
    stage_of(SampleBank::new().routes().into_axum_router(), form)
}

/// An error of this form, complete, with exactly this body.
fn assert_error(answer: &Answer, form: &str, status: u16, body: &str) {
    assert_eq!((answer.status, answer.body.as_str()), (status, body), "{form}");
    let content_type = if form == "problem" { "application/problem+json" } else { "application/json" };
    assert_eq!(answer.header("content-type"), Some(content_type), "{form}: {body}");
    assert_eq!(answer.header("content-length"), Some(body.len().to_string().as_str()), "{form}: {body}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{form}: {body}");
    assert!(answer.header("token-grpc-status").is_some(), "{form}: {body}");
}

/// Method, target, body; the status, and the body in each form.
type Case = (&'static str, &'static str, Option<&'static str>, u16, [&'static str; 5]);

#[test]
fn the_gateways_own_errors_have_the_configured_form() {
    let forms = ["status", "google", "problem", "open_banking_uk", "berlin_group"];
    let stages = forms.map(sample);
    let cases: [Case; 7] = [
        (
            "GET",
            "/nothing",
            None,
            404,
            [
                r#"{"code":5,"message":"no route matches GET /nothing","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"ROUTE_NOT_FOUND","domain":"towbar"}]}"#,
                r#"{"error":{"code":404,"message":"no route matches GET /nothing","status":"NOT_FOUND","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"ROUTE_NOT_FOUND","domain":"towbar"}]}}"#,
                r#"{"type":"about:blank","title":"Not Found","status":404,"detail":"no route matches GET /nothing","code":"NOT_FOUND","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"ROUTE_NOT_FOUND","domain":"towbar"}]}"#,
                r#"{"Code":"404 NotFound","Message":"no route matches GET /nothing","Errors":[{"ErrorCode":"UK.OBIE.Resource.NotFound","Message":"no route matches GET /nothing"}]}"#,
                r#"{"tppMessages":[{"category":"ERROR","code":"RESOURCE_UNKNOWN","text":"no route matches GET /nothing"}]}"#,
            ],
        ),
        (
            "PUT",
            "/transfers",
            Some("{}"),
            405,
            [
                r#"{"code":12,"message":"method PUT is not allowed for /transfers; allowed: GET, HEAD, OPTIONS, POST","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"METHOD_NOT_ALLOWED","domain":"towbar"}]}"#,
                r#"{"error":{"code":405,"message":"method PUT is not allowed for /transfers; allowed: GET, HEAD, OPTIONS, POST","status":"UNIMPLEMENTED","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"METHOD_NOT_ALLOWED","domain":"towbar"}]}}"#,
                r#"{"type":"about:blank","title":"Method Not Allowed","status":405,"detail":"method PUT is not allowed for /transfers; allowed: GET, HEAD, OPTIONS, POST","code":"UNIMPLEMENTED","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"METHOD_NOT_ALLOWED","domain":"towbar"}]}"#,
                r#"{"Code":"405 MethodNotAllowed","Message":"method PUT is not allowed for /transfers; allowed: GET, HEAD, OPTIONS, POST","Errors":[{"ErrorCode":"UK.OBIE.UnexpectedError","Message":"method PUT is not allowed for /transfers; allowed: GET, HEAD, OPTIONS, POST"}]}"#,
                r#"{"tppMessages":[{"category":"ERROR","code":"SERVICE_INVALID","text":"method PUT is not allowed for /transfers; allowed: GET, HEAD, OPTIONS, POST"}]}"#,
            ],
        ),
        (
            "POST",
            "/transfers",
            Some(r#"{"confirmFunds":1}"#),
            400,
            [
                r#"{"code":3,"message":"field \"confirmFunds\": expected true or false, got 1 (line 1, column 17)","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"INVALID_FIELD","domain":"towbar"},{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":"confirmFunds","description":"expected true or false, got 1"}]}]}"#,
                r#"{"error":{"code":400,"message":"field \"confirmFunds\": expected true or false, got 1 (line 1, column 17)","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"INVALID_FIELD","domain":"towbar"},{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":"confirmFunds","description":"expected true or false, got 1"}]}]}}"#,
                r#"{"type":"about:blank","title":"Bad Request","status":400,"detail":"field \"confirmFunds\": expected true or false, got 1 (line 1, column 17)","code":"INVALID_ARGUMENT","violations":[{"field":"confirmFunds","description":"expected true or false, got 1"}],"details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"INVALID_FIELD","domain":"towbar"}]}"#,
                r#"{"Code":"400 BadRequest","Message":"field \"confirmFunds\": expected true or false, got 1 (line 1, column 17)","Errors":[{"ErrorCode":"UK.OBIE.Field.Invalid","Message":"expected true or false, got 1","Path":"confirmFunds"}]}"#,
                r#"{"tppMessages":[{"category":"ERROR","code":"FORMAT_ERROR","path":"confirmFunds","text":"expected true or false, got 1"}]}"#,
            ],
        ),
        (
            "POST",
            "/transfers",
            Some(r#"{"colour":1}"#),
            400,
            [
                r#"{"code":3,"message":"unknown field \"colour\" (line 1, column 11)","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"UNKNOWN_FIELD","domain":"towbar"},{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":"colour","description":"no such field"}]}]}"#,
                r#"{"error":{"code":400,"message":"unknown field \"colour\" (line 1, column 11)","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"UNKNOWN_FIELD","domain":"towbar"},{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":"colour","description":"no such field"}]}]}}"#,
                r#"{"type":"about:blank","title":"Bad Request","status":400,"detail":"unknown field \"colour\" (line 1, column 11)","code":"INVALID_ARGUMENT","violations":[{"field":"colour","description":"no such field"}],"details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"UNKNOWN_FIELD","domain":"towbar"}]}"#,
                r#"{"Code":"400 BadRequest","Message":"unknown field \"colour\" (line 1, column 11)","Errors":[{"ErrorCode":"UK.OBIE.Field.Unexpected","Message":"no such field","Path":"colour"}]}"#,
                r#"{"tppMessages":[{"category":"ERROR","code":"FORMAT_ERROR","path":"colour","text":"no such field"}]}"#,
            ],
        ),
        (
            "POST",
            "/transfers",
            Some("{"),
            400,
            [
                r#"{"code":3,"message":"the body: expected a member name in double quotes, got the end of the JSON (line 1, column 2)","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"MALFORMED_JSON","domain":"towbar"}]}"#,
                r#"{"error":{"code":400,"message":"the body: expected a member name in double quotes, got the end of the JSON (line 1, column 2)","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"MALFORMED_JSON","domain":"towbar"}]}}"#,
                r#"{"type":"about:blank","title":"Bad Request","status":400,"detail":"the body: expected a member name in double quotes, got the end of the JSON (line 1, column 2)","code":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"MALFORMED_JSON","domain":"towbar"}]}"#,
                r#"{"Code":"400 BadRequest","Message":"the body: expected a member name in double quotes, got the end of the JSON (line 1, column 2)","Errors":[{"ErrorCode":"UK.OBIE.Resource.InvalidFormat","Message":"the body: expected a member name in double quotes, got the end of the JSON (line 1, column 2)"}]}"#,
                r#"{"tppMessages":[{"category":"ERROR","code":"FORMAT_ERROR","text":"the body: expected a member name in double quotes, got the end of the JSON (line 1, column 2)"}]}"#,
            ],
        ),
        (
            "GET",
            "/health-check?bank_id=iron&%24alt=xml",
            None,
            400,
            [
                r#"{"code":3,"message":"query parameter \"$alt\": expected json or json;enum-encoding=int, got \"xml\"","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"INVALID_QUERY_PARAMETER","domain":"towbar"},{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":"$alt","description":"expected json or json;enum-encoding=int, got \"xml\""}]}]}"#,
                r#"{"error":{"code":400,"message":"query parameter \"$alt\": expected json or json;enum-encoding=int, got \"xml\"","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"INVALID_QUERY_PARAMETER","domain":"towbar"},{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":"$alt","description":"expected json or json;enum-encoding=int, got \"xml\""}]}]}}"#,
                r#"{"type":"about:blank","title":"Bad Request","status":400,"detail":"query parameter \"$alt\": expected json or json;enum-encoding=int, got \"xml\"","code":"INVALID_ARGUMENT","violations":[{"field":"$alt","description":"expected json or json;enum-encoding=int, got \"xml\""}],"details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"INVALID_QUERY_PARAMETER","domain":"towbar"}]}"#,
                r#"{"Code":"400 BadRequest","Message":"query parameter \"$alt\": expected json or json;enum-encoding=int, got \"xml\"","Errors":[{"ErrorCode":"UK.OBIE.Field.Invalid","Message":"expected json or json;enum-encoding=int, got \"xml\"","Path":"$alt"}]}"#,
                r#"{"tppMessages":[{"category":"ERROR","code":"FORMAT_ERROR","path":"$alt","text":"expected json or json;enum-encoding=int, got \"xml\""}]}"#,
            ],
        ),
        (
            "GET",
            "/bank-authorization?access_token=stolen",
            None,
            401,
            [
                r#"{"code":16,"message":"the access token is not known","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"ACCESS_TOKEN_UNKNOWN","domain":"bank.sample"}]}"#,
                r#"{"error":{"code":401,"message":"the access token is not known","status":"UNAUTHENTICATED","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"ACCESS_TOKEN_UNKNOWN","domain":"bank.sample"}]}}"#,
                r#"{"type":"about:blank","title":"Unauthorized","status":401,"detail":"the access token is not known","code":"UNAUTHENTICATED","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"ACCESS_TOKEN_UNKNOWN","domain":"bank.sample"}]}"#,
                r#"{"Code":"401 Unauthorized","Message":"the access token is not known","Errors":[{"ErrorCode":"UK.OBIE.UnexpectedError","Message":"the access token is not known"}]}"#,
                r#"{"tppMessages":[{"category":"ERROR","code":"TOKEN_INVALID","text":"the access token is not known"}]}"#,
            ],
        ),
    ];
    for (method, target, body, status, bodies) in cases {
        for ((form, stage), expected) in forms.iter().zip(&stages).zip(bodies) {
            let answer = match body {
                Some(body) => stage.send_json(method, target, body),
                None => stage.send(method, target, &[], None),
            };
            assert_error(&answer, form, status, expected);
        }
    }
    let answer = stages[3].send("GET", "/health-check?bank_id=iron", &[("X-Request-Id", "café")], None);
    let message = "header x-request-id: expected printable ASCII, got other bytes";
    let body = format!(
        r#"{{"Code":"400 BadRequest","Message":"{message}","Errors":[{{"ErrorCode":"UK.OBIE.Header.Invalid","Message":"{message}"}}]}}"#
    );
    assert_error(&answer, "open_banking_uk", 400, &body);
}

#[test]
fn every_grpc_code_has_its_standard_name_in_every_error_form() {
    let forms = ["google", "problem", "open_banking_uk", "berlin_group"];
    for (code, http, title, name, obie, berlin) in [
        (1, 499, "Client Closed Request", "CANCELLED", "UK.OBIE.UnexpectedError", "INTERNAL_SERVER_ERROR"),
        (2, 500, "Internal Server Error", "UNKNOWN", "UK.OBIE.UnexpectedError", "INTERNAL_SERVER_ERROR"),
        (3, 400, "Bad Request", "INVALID_ARGUMENT", "UK.OBIE.Field.Invalid", "FORMAT_ERROR"),
        (5, 404, "Not Found", "NOT_FOUND", "UK.OBIE.Resource.NotFound", "RESOURCE_UNKNOWN"),
        (6, 409, "Conflict", "ALREADY_EXISTS", "UK.OBIE.Rules.ResourceAlreadyExists", "STATUS_INVALID"),
        (7, 403, "Forbidden", "PERMISSION_DENIED", "UK.OBIE.UnexpectedError", "SERVICE_BLOCKED"),
        (8, 429, "Too Many Requests", "RESOURCE_EXHAUSTED", "UK.OBIE.UnexpectedError", "ACCESS_EXCEEDED"),
        (9, 400, "Bad Request", "FAILED_PRECONDITION", "UK.OBIE.UnexpectedError", "FORMAT_ERROR"),
        (10, 409, "Conflict", "ABORTED", "UK.OBIE.UnexpectedError", "STATUS_INVALID"),
        (11, 400, "Bad Request", "OUT_OF_RANGE", "UK.OBIE.Field.Invalid", "FORMAT_ERROR"),
        (12, 501, "Not Implemented", "UNIMPLEMENTED", "UK.OBIE.UnexpectedError", "INTERNAL_SERVER_ERROR"),
        (13, 500, "Internal Server Error", "INTERNAL", "UK.OBIE.UnexpectedError", "INTERNAL_SERVER_ERROR"),
        (14, 503, "Service Unavailable", "UNAVAILABLE", "UK.OBIE.UnexpectedError", "INTERNAL_SERVER_ERROR"),
        (15, 500, "Internal Server Error", "DATA_LOSS", "UK.OBIE.UnexpectedError", "INTERNAL_SERVER_ERROR"),
        (16, 401, "Unauthorized", "UNAUTHENTICATED", "UK.OBIE.UnexpectedError", "TOKEN_INVALID"),
    ] {
        let obie_title = title.replace(' ', "");
        let bodies = [
            format!(r#"{{"error":{{"code":{http},"message":"why","status":"{name}"}}}}"#),
            format!(r#"{{"type":"about:blank","title":"{title}","status":{http},"detail":"why","code":"{name}"}}"#),
            format!(
                r#"{{"Code":"{http} {obie_title}","Message":"why","Errors":[{{"ErrorCode":"{obie}","Message":"why"}}]}}"#
            ),
            format!(r#"{{"tppMessages":[{{"category":"ERROR","code":"{berlin}","text":"why"}}]}}"#),
        ];
        // Without the mutual TLS of the others: this makes many.
        let backend = support::Backend::start(refusing(code, "why", Vec::new()), None);
        for (form, body) in forms.iter().zip(bodies) {
            let config =
                format!("schema: proto\nupstream: http://{}\nerrors: {form}\nstatus_headers: {{}}\n", backend.address);
            let gateway = support::Gateway::start(&config, None);
            assert_error(&support::http::get(gateway.address, "/health-check?bank_id=a"), form, http, &body);
        }
    }
}

#[test]
fn error_details_of_the_backend_appear_in_every_error_form() {
    let help = rpc::help::Link { url: "https://bank.test/help".to_owned(), ..Default::default() };
    let details = || {
        vec![
            violating(&[("description", "too long", ""), ("token_ref_id", "", "FIELD_MISSING")]),
            request_id(UUID),
            any("google.rpc.Help", &rpc::Help { links: vec![help.clone()] }),
        ]
    };
    let violations =
        r#"[{"field":"description","description":"too long"},{"field":"tokenRefId","reason":"FIELD_MISSING"}]"#;
    let others = format!(
        r#"{{"@type":"type.googleapis.com/google.rpc.RequestInfo","requestId":"{UUID}"}},{{"@type":"type.googleapis.com/google.rpc.Help","links":[{{"url":"https://bank.test/help"}}]}}"#
    );
    for (form, body) in [
        (
            "google",
            format!(
                r#"{{"error":{{"code":400,"message":"no","status":"INVALID_ARGUMENT","details":[{{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":{violations}}},{others}]}}}}"#
            ),
        ),
        (
            "problem",
            format!(
                r#"{{"type":"about:blank","title":"Bad Request","status":400,"detail":"no","instance":"urn:uuid:{UUID}","code":"INVALID_ARGUMENT","violations":{violations},"details":[{others}]}}"#
            ),
        ),
        (
            "open_banking_uk",
            format!(
                r#"{{"Code":"400 BadRequest","Id":"{UUID}","Message":"no","Errors":[{{"ErrorCode":"UK.OBIE.Field.Invalid","Message":"too long","Path":"description","Url":"https://bank.test/help"}},{{"ErrorCode":"UK.OBIE.Field.Missing","Message":"no","Path":"tokenRefId","Url":"https://bank.test/help"}}]}}"#
            ),
        ),
        (
            "berlin_group",
            r#"{"tppMessages":[{"category":"ERROR","code":"FORMAT_ERROR","path":"description","text":"too long"},{"category":"ERROR","code":"FORMAT_ERROR","path":"tokenRefId","text":"no"}]}"#
                .to_owned(),
        ),
    ] {
        let stage = stage_of(refusing(3, "no", details()), form);
        assert_error(&stage.send_json("POST", "/transfers", "{}"), form, 400, &body);
    }
}

#[test]
fn banking_error_forms_cut_long_messages_and_fill_in_missing_ones() {
    let (long, cut) = ("ä".repeat(501), format!("{}...", "ä".repeat(497)));
    let encoded: String = "%C3%A4".repeat(501);
    let status = rpc::Status { code: 3, message: long, details: vec![request_id(&"r".repeat(41))] };
    let service = || {
        trailers_only(&[
            ("grpc-status", "3".to_owned()),
            ("grpc-message", encoded.clone()),
            ("grpc-status-details-bin", STANDARD_NO_PAD.encode(status.encode_to_vec())),
        ])
    };
    let answer = stage_of(service(), "open_banking_uk").get("/health-check?bank_id=a");
    let body = format!(
        r#"{{"Code":"400 BadRequest","Message":"{cut}","Errors":[{{"ErrorCode":"UK.OBIE.Field.Invalid","Message":"{cut}"}}]}}"#
    );
    assert_error(&answer, "open_banking_uk", 400, &body);
    let answer = stage_of(service(), "berlin_group").get("/health-check?bank_id=a");
    let body = format!(r#"{{"tppMessages":[{{"category":"ERROR","code":"FORMAT_ERROR","text":"{cut}"}}]}}"#);
    assert_error(&answer, "berlin_group", 400, &body);
    for (form, body) in [
        (
            "open_banking_uk",
            r#"{"Code":"404 NotFound","Message":"Not Found","Errors":[{"ErrorCode":"UK.OBIE.Resource.NotFound","Message":"Not Found"}]}"#,
        ),
        ("berlin_group", r#"{"tppMessages":[{"category":"ERROR","code":"RESOURCE_UNKNOWN","text":"Not Found"}]}"#),
        ("problem", r#"{"type":"about:blank","title":"Not Found","status":404,"code":"NOT_FOUND"}"#),
        ("google", r#"{"error":{"code":404,"status":"NOT_FOUND"}}"#),
    ] {
        assert_error(&stage_of(refusing(5, "", Vec::new()), form).get("/health-check?bank_id=a"), form, 404, body);
    }
}

#[test]
fn an_rpc_can_override_the_error_form() {
    let stage = Stage::altered(SampleBank::new().routes().into_axum_router(), |config| {
        let rpcs = "rpcs:\n  io.token.proto.bankapi.HealthCheckService.HealthCheck:\n    errors: berlin_group\n";
        replaced(replaced(config, "rpcs:\n", rpcs), "\nerrors:\n", "\nerrors:\n  form: problem\n")
    });
    let text = "bank_id: expected the id of a bank";
    let answer = stage.get("/health-check");
    let body = r#"{"tppMessages":[{"category":"ERROR","code":"FORMAT_ERROR","path":"bank_id","text":"expected the id of a bank"}]}"#;
    assert_error(&answer, "berlin_group", 400, body);
    assert_eq!(answer.header("token-grpc-message"), Some(text), "the headers are as ever");
    let problem = |title: &str, detail: &str, reason: Reason| {
        let (status, code, name) = (reason.facts().http, code_name(reason.code()), reason.name());
        let info =
            format!(r#"{{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"{name}","domain":"towbar"}}"#);
        let head = format!(r#"{{"type":"about:blank","title":"{title}","status":{status},"detail":"{detail}""#);
        format!(r#"{head},"code":"{code}","details":[{info}]}}"#)
    };
    let answer = stage.get("/storage/none");
    assert_eq!((answer.status, answer.header("content-type")), (404, Some("application/problem+json")));
    // Where no route is known, the form is that of all.
    let message = r#"no route matches GET /health-check/ (did you mean \"/health-check\"?)"#;
    let body = problem("Not Found", message, Reason::RouteNotFound);
    assert_error(&stage.get("/health-check/"), "problem", 404, &body);
    let message = r#"query parameter number 1: expected a name before \"=\", got none"#;
    let body = problem("Bad Request", message, Reason::InvalidQueryParameter);
    assert_error(&stage.get("/health-check?=a"), "problem", 400, &body);
    let mut stream = connect(stage.address());
    stream.write_all(b"GET / HTTP/1.1\r\nHost : x\r\n\r\n").unwrap();
    let message = "a header line is malformed: expected a name, a colon directly after it, and a value";
    let body = problem("Bad Request", message, Reason::MalformedRequest);
    assert_error(&read(&mut stream), "problem", 400, &body);
}

#[test]
fn fields_in_backend_errors_are_spelled_as_the_caller_spelled_them() {
    for (method, target, body, named, shown) in [
        ("POST", "/transfers", r#"{"transferId":"a"}"#, "transfer_id", "transferId"),
        ("POST", "/transfers", r#"{"transfer_id":"a"}"#, "transfer_id", "transfer_id"),
        ("POST", "/transfers", "{}", "transferId", "transferId"),
        ("POST", "/transfers", "{}", "destinations[0].customer_data", "destinations[0].customerData"),
        ("POST", "/transfers", "{}", "source.faster_payments.sort_code", "source.fasterPayments.sortCode"),
        (
            "POST",
            "/transfers",
            r#"{"source":{"faster_payments":{"sortCode":"1"}}}"#,
            "source.faster_payments.sort_code",
            "source.faster_payments.sortCode",
        ),
        ("GET", "/transfers?transfer_id=a", "", "transfer_id", "transfer_id"),
        ("GET", "/transfers?transferId=a", "", "transfer_id", "transferId"),
        ("GET", "/transfers", "", "transfer_id", "transfer_id"),
        ("GET", "/storage/k", "", "key", "key"),
        // What the message has not stays as it came.
        ("POST", "/transfers", "{}", "limits.daily_amount", "limits.daily_amount"),
        ("POST", "/transfers", "{}", "the amount", "the amount"),
        ("POST", "/transfers", "{}", "", ""),
    ] {
        let stage = Stage::of(refusing(3, "no", vec![violating(&[(named, "wrong", "")])]));
        let answer = match body {
            "" => stage.send(method, target, &[], None),
            body => stage.send_json(method, target, body),
        };
        let field = if shown.is_empty() { String::new() } else { format!(r#""field":"{shown}","#) };
        let expected = format!(
            r#"{{"code":3,"message":"no","details":[{{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{{{field}"description":"wrong"}}]}}]}}"#
        );
        support::assert_refused(&answer, 400, &expected, &format!("{method} {target} {body} {named}"));
    }
}

#[test]
fn the_search_for_the_callers_field_spelling_is_bounded() {
    let body = |length: usize| format!(r#"{{"description":"{}","transfer_id":"a"}}"#, "x".repeat(length));
    for (length, count, first, last) in [
        (10, 1, "transfer_id", "transfer_id"),
        (1_000_000, 4, "transfer_id", "transfer_id"),
        // A body of a megabyte is searched for no more than four; they have the names of JSON then.
        (1_000_000, 5, "transferId", "transferId"),
        (10, 256, "transfer_id", "transfer_id"),
        (10, 257, "transfer_id", "token_ref_id"),
    ] {
        let mut fields = vec![("transfer_id", "no", ""); count];
        if count > 256 {
            fields.push(("token_ref_id", "no", ""));
        }
        let stage = Stage::of(refusing(3, "no", vec![violating(&fields)]));
        let answer = stage.send_json("POST", "/transfers", &body(length)).json();
        let named = answer["details"][0]["fieldViolations"].as_array().unwrap();
        let name = |index: usize| named[index]["field"].as_str().unwrap();
        assert_eq!((name(0), name(named.len() - 1)), (first, last), "{length} bytes, {count} fields");
    }
}

#[test]
fn retry_info_becomes_retry_after_in_whole_seconds() {
    for (seconds, nanos, header) in [
        (1, 0, Some("1")),
        (1, 1, Some("2")),
        (0, 500_000_000, Some("1")),
        (0, 0, Some("0")),
        (315_576_000_000, 0, Some("315576000000")),
        (-1, 0, None),
        (0, -1, None),
    ] {
        let stage = Stage::of(refusing(14, "later", vec![retry_after(seconds, nanos)]));
        let answer = stage.get("/health-check?bank_id=a");
        assert_eq!((answer.status, answer.header("retry-after")), (503, header), "{seconds} s {nanos} ns");
    }
    for form in ["google", "problem", "open_banking_uk", "berlin_group"] {
        let answer = stage_of(refusing(8, "later", vec![retry_after(2, 1)]), form).get("/health-check?bank_id=a");
        assert_eq!((answer.status, answer.header("retry-after")), (429, Some("3")), "{form}");
    }
    // A header of the backend's own goes first, and there is one.
    let status = rpc::Status { code: 14, details: vec![retry_after(1, 0)], ..Default::default() };
    let headers = [
        ("grpc-status", "14".to_owned()),
        ("retry-after", "120".to_owned()),
        ("grpc-status-details-bin", STANDARD_NO_PAD.encode(status.encode_to_vec())),
    ];
    let alter = |config| config + "\nmetadata:\n  reply: [retry-after]\n";
    let answer = Stage::altered(trailers_only(&headers), alter).get("/health-check?bank_id=a");
    let values: Vec<_> = answer.headers.iter().filter(|(name, _)| name == "retry-after").collect();
    assert_eq!(values.iter().map(|(_, value)| value.as_str()).collect::<Vec<_>>(), ["120"]);
}

#[test]
fn an_answer_with_unknown_outcome_has_no_retry_after() {
    // A status of 200 and no grpc-status: what became of the call nobody can tell.
    let status = rpc::Status { code: 14, details: vec![retry_after(1, 0)], ..Default::default() };
    let headers = [("grpc-status-details-bin", STANDARD_NO_PAD.encode(status.encode_to_vec()))];
    let answer = Stage::of(trailers_only(&headers)).get("/health-check?bank_id=a");
    assert_eq!((answer.status, answer.header("retry-after")), (502, None), "{}", answer.body);
}

#[test]
fn a_grpc_message_is_percent_decoded_and_cut_but_never_dropped() {
    let long = "a".repeat(60_000);
    let shown = format!("{}... (cut: the first 4096 bytes of 60000)", &long[..4096]);
    for (encoded, message) in
        [("Konto f%C3%BCr Zo%C3%AB", "Konto für Zoë"), ("100%", "100%"), ("%zz%FF.", "%zz\u{fffd}."), (&long, &shown)]
    {
        let headers = [("grpc-status", "5".to_owned()), ("grpc-message", encoded.to_owned())];
        let answer = Stage::of(trailers_only(&headers)).get("/health-check?bank_id=a");
        assert_eq!((answer.status, answer.refusal()), (404, (5, message.to_owned())));
        let header = answer.header("token-grpc-message").unwrap();
        assert!(header.len() <= 3 << 10, "{} bytes", header.len());
        let decoded = percent_encoding::percent_decode_str(header).decode_utf8().unwrap();
        assert!(message.starts_with(&*decoded) && !decoded.is_empty(), "{decoded}");
    }
}

/// A backend that answers calls for `slow` when it is told to, and all others with a header of this length.
fn with_slow_calls(name: &'static str, length: usize) -> (Router, Arc<Notify>, Arc<Notify>) {
    let (arrived, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (told, waits) = (arrived.clone(), go_on.clone());
    let service = Router::new().fallback(move |body: Bytes| async move {
        let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/grpc"))]);
        let mut code = HeaderValue::from_static("5");
        if body.windows(4).any(|window| window == b"slow") {
            told.notify_one();
            waits.notified().await;
            code = HeaderValue::from_static("7");
        } else {
            headers.insert(name, HeaderValue::from_str(&"a".repeat(length)).unwrap());
        }
        headers.insert("grpc-status", code);
        (headers, "")
    });
    (service, arrived, go_on)
}

#[test]
fn oversized_backend_headers_affect_only_their_call_and_huge_ones_the_connection() {
    const UNREADABLE: &str = "the backend's answer cannot be read; the outcome of the call is unknown";
    const LOST: &str = "the connection to the backend was lost during the call; its outcome is unknown";
    let cut = |length: usize| format!("{}... (cut: the first 4096 bytes of {length})", "a".repeat(4096));
    for (name, length, status, code, message) in [
        // However long its message is, what the bank says of the call goes on.
        ("grpc-message", 66 << 10, 404, 5, &*cut(66 << 10)),
        ("grpc-message", 1 << 20, 404, 5, &cut(1 << 20)),
        ("x-note", 66 << 10, 502, 13, UNREADABLE),
        ("x-note", 1 << 20, 502, 13, UNREADABLE),
        // Of that many more CONTINUATION frames come than h2 puts up with: it ends the connection (CVE-2024-27316).
        ("grpc-message", 12 << 20, 502, 2, LOST),
    ] {
        let case = format!("{name}, {length} bytes");
        let (service, arrived, go_on) = with_slow_calls(name, length);
        let stage = Stage::of(service);
        let address = stage.address();
        // HTTP/1.1 connections go to the worker with the fewest; so many meet on one connection to the backend.
        let slow: Vec<_> = (0..8)
            .map(|_| std::thread::spawn(move || support::http::get(address, "/health-check?bank_id=slow")))
            .collect();
        let wait = tokio::runtime::Builder::new_current_thread().build().unwrap();
        wait.block_on(arrived.notified());
        for _ in 0..if message == LOST { 1 } else { 3 } {
            let answer = stage.get("/health-check?bank_id=a");
            assert_eq!((answer.status, answer.refusal()), (status, (code, message.to_owned())), "{case}");
            support::assert_complete(&answer, code, &case);
        }
        for call in slow {
            while !call.is_finished() {
                go_on.notify_waiters();
                std::thread::yield_now();
            }
            let status = call.join().unwrap().status;
            assert!(status == 403 || message == LOST && status == 502, "{case}: {status}");
        }
    }
}

#[test]
fn details_that_are_not_base64_are_left_out() {
    let headers = [
        ("grpc-status", "5".to_owned()),
        ("grpc-message", "gone".to_owned()),
        ("grpc-status-details-bin", "not base64!".to_owned()),
    ];
    let answer = Stage::of(trailers_only(&headers)).get("/health-check?bank_id=a");
    support::assert_refused(&answer, 404, r#"{"code":5,"message":"gone"}"#, "not base64");
}

const CANARY: &str = "CANARY: connection to core-7.internal:5432 failed";
const FORMS: [&str; 5] = ["status", "google", "problem", "open_banking_uk", "berlin_group"];

#[test]
fn hide_internal_messages_hides_messages_of_internal_unknown_and_data_loss() {
    for (code, name) in [
        (1, "CANCELLED"),
        (2, "UNKNOWN"),
        (3, "INVALID_ARGUMENT"),
        (4, "DEADLINE_EXCEEDED"),
        (5, "NOT_FOUND"),
        (6, "ALREADY_EXISTS"),
        (7, "PERMISSION_DENIED"),
        (8, "RESOURCE_EXHAUSTED"),
        (9, "FAILED_PRECONDITION"),
        (10, "ABORTED"),
        (11, "OUT_OF_RANGE"),
        (12, "UNIMPLEMENTED"),
        (13, "INTERNAL"),
        (14, "UNAVAILABLE"),
        (15, "DATA_LOSS"),
        (16, "UNAUTHENTICATED"),
        // A code that gRPC does not have.
        (99, "UNKNOWN"),
    ] {
        let is_internal = matches!(name, "INTERNAL" | "UNKNOWN" | "DATA_LOSS");
        let backend = support::Backend::start(refusing(code, CANARY, Vec::new()), None);
        // What is not hidden passes through the forms as any other text does.
        let forms = if is_internal { &FORMS[..] } else { &FORMS[..1] };
        for (form, hides) in forms.iter().map(|form| (form, true)).chain([(&"status", false)]) {
            let errors = format!("errors: {{form: {form}, hide_internal_messages: {hides}}}");
            let upstream = format!("http://{}", backend.address);
            let config = format!("schema: proto\nupstream: {upstream}\n{errors}\nstatus_headers: {{}}\n");
            let gateway = support::Gateway::start(&config, None);
            let answer = support::http::get(gateway.address, "/health-check?bank_id=a");
            let case = format!("{name}, {errors}: {answer:?}");
            let is_hidden = is_internal && hides;
            assert_eq!(answer.body.contains(CANARY), !is_hidden, "{case}");
            assert_eq!(format!("{answer:?}").contains("CANARY"), !is_hidden, "{case}");
            if is_hidden {
                let neutral = format!("the backend answered {name}");
                assert!(answer.body.contains(&neutral), "{case}");
                assert_eq!(answer.header("token-grpc-message"), Some(neutral.as_str()), "{case}");
            }
        }
    }
}

#[test]
fn an_rpc_can_override_which_messages_and_details_are_hidden() {
    let details = || vec![pbjson_types::Any { type_url: "bank.test/bank.Secret".to_owned(), value: Bytes::from("s") }];
    let backend = support::Backend::start(refusing(13, CANARY, details()), None);
    let rpc = "rpcs: {io.token.proto.bankapi.HealthCheckService.HealthCheck: {errors: ";
    let shown = format!(r#"{{"code":13,"message":"{CANARY}"}}"#);
    let hidden = r#"{"code":13,"message":"the backend answered INTERNAL"}"#;
    let whole =
        format!(r#"{{"code":13,"message":"{CANARY}","details":[{{"@type":"bank.test/bank.Secret","value":"cw=="}}]}}"#);
    for (all, one, expected) in [
        ("", "", shown.as_str()),
        ("{hide_internal_messages: true}", "", hidden),
        ("{hide_internal_messages: true}", "{hide_internal_messages: false}", &shown),
        ("", "{hide_internal_messages: true}", hidden),
        ("{show_unknown_details: true}", "", &whole),
        ("", "{show_unknown_details: true}", &whole),
        ("{show_unknown_details: true}", "{show_unknown_details: false}", &shown),
        (
            "{show_unknown_details: true, hide_internal_messages: true}",
            "status",
            &whole.replace(CANARY, "the backend answered INTERNAL"),
        ),
    ] {
        let all_errors = if all.is_empty() { String::new() } else { format!("errors: {all}\n") };
        let one_errors = if one.is_empty() { String::new() } else { format!("{rpc}{one}}}}}\n") };
        let config = format!("schema: proto\nupstream: http://{}\n{all_errors}{one_errors}", backend.address);
        let gateway = support::Gateway::start(&config, None);
        let answer = support::http::get(gateway.address, "/health-check?bank_id=a");
        assert_eq!(answer.body, expected, "{config}");
    }
}

#[test]
fn the_log_reports_a_hidden_message_and_shows_it_only_at_debug_level() {
    let backend = support::Backend::start(refusing(13, CANARY, Vec::new()), None);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("towbar.yaml");
    let proto = concat!(env!("CARGO_MANIFEST_DIR"), "/proto");
    let errors = "errors: {hide_internal_messages: true}";
    let text = format!("listen: 127.0.0.1:0\nschema: {proto}\nupstream: http://{}\n{errors}\n", backend.address);
    std::fs::write(&file, text).unwrap();
    for (level, is_there) in [(None, false), (Some("towbar=debug"), true)] {
        let mut command = process::towbar(&["serve", "--config", file.to_str().unwrap()]);
        if let Some(level) = level {
            command.env("TOWBAR_LOG", level);
        }
        let gateway = process::Gateway::of(&mut command);
        assert_eq!(support::http::get(gateway.address, "/health-check?bank_id=a").status, 500);
        let log = gateway.stop().stderr;
        let line = "the message of the backend's status is hidden from the caller \
                    rpc=\"io.token.proto.bankapi.HealthCheckService.HealthCheck\" code=\"INTERNAL\"";
        assert_eq!(log.matches(line).count(), 1, "{log}");
        assert_eq!(log.contains("CANARY"), is_there, "{level:?}: {log}");
    }
}

/// Rpcs of one message each way and of several, and details with secrets.
const SECRETS: &str = r#"
syntax = "proto3";
package talk;
import "google/api/annotations.proto";
import "google/protobuf/any.proto";
message Note { string topic = 1; string text = 2; int32 number = 3; }
message Card { string number = 1 [debug_redact = true]; string holder = 2; google.protobuf.Any more = 3; }
service Talk {
  rpc Ask(Note) returns (Note) { option (google.api.http) = { post: "/ask" body: "*" }; }
  rpc Watch(Note) returns (stream Note) { option (google.api.http) = { get: "/notes/{topic}" }; }
}
"#;

/// A status of INTERNAL with details that hold canaries.
fn canaries() -> &'static str {
    let card = b"\x0a\x06CANARY\x12\x03Zoe";
    let with = |name: &str, value: &[u8]| pbjson_types::Any {
        type_url: format!("type.googleapis.com/{name}"),
        value: Bytes::copy_from_slice(value),
    };
    let debug = any("google.rpc.DebugInfo", &rpc::DebugInfo { detail: "CANARY".to_owned(), ..Default::default() });
    let unknown = with("bank.internal.Trouble", b"CANARY");
    let nested =
        [&b"\x12\x03Zoe\x1a"[..], &[u8::try_from(unknown.encoded_len()).unwrap()], &unknown.encode_to_vec()].concat();
    let details = vec![
        with("talk.Card", card),
        debug,
        unknown,
        with("talk.Card", &nested),
        with("talk.Card", b"\x0a\x20CANARY, cut short"),
        with("talk.Card", b"\x7a\x06CANARY\x12\x03Zoe"),
        request_id("r-1"),
    ];
    let status = rpc::Status { code: 13, message: "CANARY".to_owned(), details };
    Box::leak(STANDARD_NO_PAD.encode(status.encode_to_vec()).into_boxed_str())
}

#[test]
fn no_kind_of_answer_reveals_secrets_of_a_backend_status() {
    use support::{socket, talk};
    let details = canaries();
    let backend = talk::backend(move |_, mut requests, replies| async move {
        if requests.next().await.unwrap().ends_with(b"half") {
            replies.send(&talk::note("one", 1)).await;
        }
        replies.end_with("13", "CANARY in bank.rs", &[("grpc-status-details-bin", details)]).await;
    });
    let card = r#"{"@type":"type.googleapis.com/talk.Card","holder":"Zoe"}"#;
    let id = r#"{"@type":"type.googleapis.com/google.rpc.RequestInfo","requestId":"r-1"}"#;
    let status = format!(r#"{{"code":13,"message":"the backend answered INTERNAL","details":[{card},{card},{id}]}}"#);
    let config = "errors: {hide_internal_messages: true}\nstatus_headers: {}\nstreams: {long_poll: 2s}\n\
                  rpcs: {talk.Talk.Watch: {websocket: {}}}\n";
    let gateway = talk::gateway_of(talk::schema_of(SECRETS), &backend, config);
    let one = r#"{"text":"one","number":1}"#;
    let (json, array) = (("Content-Type", "application/json"), ("Accept", "application/json"));
    for (method, target, headers, request, http, body) in [
        ("POST", "/ask", &[json][..], Some(&b"{}"[..]), 500, status.clone()),
        ("GET", "/notes/none", &[], None, 500, status.clone()),
        ("GET", "/notes/none", &[array, ("Prefer", "wait=2")], None, 500, status.clone()),
        ("GET", "/notes/half", &[], None, 200, format!("{{\"result\":{one}}}\n{{\"error\":{status}}}\n")),
        (
            "GET",
            "/notes/half",
            &[("Accept", "text/event-stream")],
            None,
            200,
            format!("id: 1\ndata: {one}\n\nevent: error\ndata: {status}\n\n"),
        ),
        // An array cannot say how it failed.
        ("GET", "/notes/half", &[array], None, 200, format!("[{one}")),
    ] {
        let answer = talk::send(&gateway, method, target, headers, request).answer;
        assert_eq!((answer.status, &answer.body), (http, &body), "{method} {target} {headers:?}");
        assert!(!format!("{answer:?}").contains("CANARY"), "{answer:?}");
    }
    for (target, frames) in
        [("/notes/none", vec![]), ("/notes/half", vec![socket::text(&format!("{{\"result\":{one}}}"))])]
    {
        let mut socket = socket::open(gateway.address, target, &[]).unwrap_or_else(|answer| panic!("{answer:?}"));
        let end = [socket::text(&format!("{{\"error\":{status}}}")), socket::closed(4013, "INTERNAL")];
        assert_eq!(socket.rest(), [frames, end.to_vec()].concat(), "{target}");
    }
}
