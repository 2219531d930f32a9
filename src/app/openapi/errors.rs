//! Error bodies: a schema and examples for each error form.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use crate::gateway::error::{Refusal, Timer, Whose};
use crate::route::policy::Form;
use crate::route::{EncodeError, QueryProblem};

/// The name of a form under `components`.
pub(super) fn name(form: Form) -> &'static str {
    match form {
        Form::Status => "Error-Status",
        Form::Google => "Error-Google",
        Form::Problem => "Error-Problem",
        Form::OpenBankingUk => "Error-OpenBankingUk",
        Form::BerlinGroup => "Error-BerlinGroup",
        Form::GrpcGatewayV1 => "Error-GrpcGatewayV1",
        Form::GrpcGatewayV2 => "Error-GrpcGatewayV2",
    }
}

/// The class of HTTP statuses that a response stands for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Class {
    /// 4XX: a client error.
    Client,
    /// 5XX: a server error.
    Server,
}

impl Class {
    pub(super) const ALL: [Self; 2] = [Self::Client, Self::Server];

    /// The key of this class in an operation's `responses`.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Client => "4XX",
            Self::Server => "5XX",
        }
    }
}

/// The name of a response under `components/responses`.
pub(super) fn response_name(form: Form, class: Class) -> String {
    format!("{}-{}", name(form), class.key())
}

/// The response of this class in this form, for `components/responses`.
pub(super) fn response(form: Form, class: Class) -> Value {
    let example = |refusal: Refusal| {
        let response = refusal.into_text(form, None);
        let value: Value = serde_json::from_str(response.body()).unwrap_or_default();
        json!({ "summary": summary(response.status()), "value": value })
    };
    let (description, examples) = match class {
        Class::Client => {
            let problem = QueryProblem::Unknown { near: Some("limit".to_owned()) };
            let key = EncodeError::Query { key: "limt".to_owned(), problem };
            ("The request was rejected.", json!({ "wrongRequest": example(Refusal::encode(&key)) }))
        }
        Class::Server => {
            let timer = Timer { whose: Whose::Gateway, length: Duration::from_secs(25) };
            let examples = json!({
                "overloaded": example(Refusal::no_memory()),
                "outcomeUnknown": example(Refusal::unanswered(&timer)),
            });
            ("The call failed. The message says whether the backend may have executed it.", examples)
        }
    };
    let schema = json!({ "$ref": format!("#/components/schemas/{}", name(form)) });
    json!({
        "description": description,
        "content": { form.content_type(): { "schema": schema, "examples": examples } },
    })
}

fn summary(status: StatusCode) -> String {
    status.to_string()
}

/// The schema of the error at the end of a stream that has begun; usually `google.rpc.Status`.
pub(super) fn of_stream(form: Form) -> Value {
    match form {
        Form::GrpcGatewayV1 => json!({
            "type": "object",
            "properties": {
                "grpc_code": code(),
                "http_code": { "type": "integer" },
                "message": { "type": "string" },
                "http_status": { "type": "string" },
                "details": details(),
            },
            "required": ["grpc_code", "http_code"],
        }),
        _ => schema(Form::Status),
    }
}

/// The schema of an error body in this form.
pub(super) fn schema(form: Form) -> Value {
    let text = || json!({ "type": "string" });
    match form {
        Form::Status => json!({
            "type": "object",
            "description": "google.rpc.Status",
            "properties": { "code": code(), "message": text(), "details": details() },
            "required": ["code"],
        }),
        Form::GrpcGatewayV2 => json!({
            "type": "object",
            "description": "google.rpc.Status",
            "properties": { "code": code(), "message": text(), "details": details() },
            "required": ["code", "message", "details"],
        }),
        Form::GrpcGatewayV1 => json!({
            "type": "object",
            "properties": { "error": text(), "message": text(), "code": code(), "details": details() },
            "required": ["error", "message", "code"],
        }),
        Form::Google => json!({
            "type": "object",
            "description": "An error as Google's REST clients read it (AIP-193).",
            "properties": { "error": {
                "type": "object",
                "properties": {
                    "code": { "type": "integer", "description": "The HTTP status." },
                    "message": text(),
                    "status": { "type": "string", "description": "The name of the gRPC code." },
                    "details": details(),
                },
                "required": ["code", "status"],
            } },
            "required": ["error"],
        }),
        Form::Problem => json!({
            "type": "object",
            "description": "Problem details (RFC 9457).",
            "properties": {
                "type": { "type": "string", "format": "uri-reference" },
                "title": text(),
                "status": { "type": "integer" },
                "detail": text(),
                "instance": { "type": "string", "format": "uri-reference" },
                "code": { "type": "string", "description": "The name of the gRPC code." },
                "violations": {
                    "type": "array",
                    "items": { "type": "object", "properties": { "field": text(), "description": text() } },
                },
                "details": details(),
            },
            "required": ["type", "title", "status", "code"],
        }),
        Form::OpenBankingUk => json!({
            "type": "object",
            "description": "OBErrorResponse1 of the UK's Open Banking Read/Write API.",
            "properties": {
                "Code": { "type": "string", "maxLength": 40 },
                "Id": { "type": "string", "maxLength": 40 },
                "Message": { "type": "string", "maxLength": 500 },
                "Errors": {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "type": "object",
                        "properties": {
                            "ErrorCode": text(),
                            "Message": { "type": "string", "maxLength": 500 },
                            "Path": { "type": "string", "maxLength": 500 },
                            "Url": text(),
                        },
                        "required": ["ErrorCode", "Message"],
                    },
                },
            },
            "required": ["Code", "Message", "Errors"],
        }),
        Form::BerlinGroup => json!({
            "type": "object",
            "description": "tppMessages of the Berlin Group's NextGenPSD2.",
            "properties": { "tppMessages": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "category": { "const": "ERROR" },
                        "code": text(),
                        "path": { "type": "string", "maxLength": 500 },
                        "text": { "type": "string", "maxLength": 500 },
                    },
                    "required": ["category", "code", "text"],
                },
            } },
            "required": ["tppMessages"],
        }),
    }
}

fn code() -> Value {
    json!({ "type": "integer", "description": "The gRPC code (google/rpc/code.proto)." })
}

fn details() -> Value {
    json!({
        "type": "array",
        "description": "Messages of google/rpc/error_details.proto and of the backend, each with its `@type`.",
        "items": { "type": "object", "properties": { "@type": { "type": "string" } }, "additionalProperties": true },
    })
}
