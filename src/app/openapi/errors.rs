//! Error bodies: a schema and examples for each error form.

use http::StatusCode;
use serde_json::{Value, json};

use crate::gateway::error::Refusal;
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

/// The response in this form, for `components/responses`.
pub(super) fn response(form: Form) -> Value {
    let example = |refusal: Refusal| {
        let response = refusal.into_text(form, None);
        let value: Value = serde_json::from_str(response.body()).unwrap_or_default();
        json!({ "summary": summary(response.status()), "value": value })
    };
    let key = EncodeError::Query {
        key: "limt".to_owned(),
        problem: QueryProblem::Unknown { near: Some("limit".to_owned()) },
    };
    let schema = json!({ "$ref": format!("#/components/schemas/{}", name(form)) });
    let examples = json!({
        "wrongRequest": example(Refusal::encode(&key)),
        "overloaded": example(Refusal::no_memory()),
    });
    json!({
        "description": "The call failed, or the request was refused.",
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
