//! The body of an error response in each form.

use http::StatusCode;
use serde_json::{Map, Value, json};
use tonic::Code;

use super::defect::{Defect, WrongField};
use super::refusal::Refusal;
use super::statuses::code_name;
use crate::route::policy::Form;

/// The longest text in the bank standards, in characters: `Max500Text` of ISO 20022.
const MAX_500: usize = 500;
/// The longest name in the bank standards, in characters: `Max40Text` of ISO 20022.
const MAX_40: usize = 40;

impl Form {
    /// The media type of a body.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Problem => "application/problem+json",
            _ => "application/json",
        }
    }
}

/// The body of a refusal.
pub(super) fn body(form: Form, refusal: &Refusal) -> Value {
    match form {
        Form::Status => status(refusal),
        Form::Google => google(refusal),
        Form::Problem => problem(refusal),
        Form::OpenBankingUk => open_banking_uk(refusal),
        Form::BerlinGroup => berlin_group(refusal),
        Form::GrpcGatewayV1 => grpc_gateway_v1(refusal),
        Form::GrpcGatewayV2 => grpc_gateway_v2(refusal),
    }
}

/// The value of `error` in the last line of a stream with grpc-gateway's framing.
pub(super) fn of_stream(form: Form, refusal: &Refusal) -> Value {
    match form {
        Form::GrpcGatewayV1 => grpc_gateway_v1_of_stream(refusal),
        Form::GrpcGatewayV2 => grpc_gateway_v2(refusal),
        _ => status(refusal),
    }
}

fn status(refusal: &Refusal) -> Value {
    let mut body = Map::new();
    body.insert("code".to_owned(), json!(refusal.code as i32));
    put_text(&mut body, "message", &refusal.message);
    put_list(&mut body, "details", refusal.told_details());
    Value::Object(body)
}

/// `errorBody` of grpc-gateway 1, with its order of fields.
fn grpc_gateway_v1(refusal: &Refusal) -> Value {
    let mut body = Map::new();
    body.insert("error".to_owned(), json!(refusal.message));
    body.insert("message".to_owned(), json!(refusal.message));
    body.insert("code".to_owned(), json!(refusal.code as i32));
    put_list(&mut body, "details", refusal.told_details());
    Value::Object(body)
}

/// `StreamError` of grpc-gateway 1 (internal/stream_chunk.proto), which omits unset fields.
fn grpc_gateway_v1_of_stream(refusal: &Refusal) -> Value {
    let mut body = Map::new();
    body.insert("grpc_code".to_owned(), json!(refusal.code as i32));
    body.insert("http_code".to_owned(), json!(refusal.http.as_u16()));
    put_text(&mut body, "message", &refusal.message);
    body.insert("http_status".to_owned(), json!(phrase(refusal.http)));
    put_list(&mut body, "details", refusal.told_details());
    Value::Object(body)
}

/// `google.rpc.Status` as grpc-gateway 2 writes it: it omits no field.
fn grpc_gateway_v2(refusal: &Refusal) -> Value {
    json!({ "code": refusal.code as i32, "message": refusal.message, "details": refusal.told_details() })
}

fn google(refusal: &Refusal) -> Value {
    let mut error = Map::new();
    error.insert("code".to_owned(), json!(refusal.http.as_u16()));
    put_text(&mut error, "message", &refusal.message);
    error.insert("status".to_owned(), json!(code_name(refusal.code)));
    put_list(&mut error, "details", refusal.told_details());
    json!({ "error": error })
}

fn problem(refusal: &Refusal) -> Value {
    let mut body = Map::new();
    // RFC 9457, section 4.2.1: with the type `about:blank`, the title is the status phrase.
    body.insert("type".to_owned(), json!("about:blank"));
    body.insert("title".to_owned(), json!(phrase(refusal.http)));
    body.insert("status".to_owned(), json!(refusal.http.as_u16()));
    put_text(&mut body, "detail", &refusal.message);
    if let Some(id) = request_id(refusal).filter(|id| is_uuid(id)) {
        body.insert("instance".to_owned(), json!(format!("urn:uuid:{id}")));
    }
    body.insert("code".to_owned(), json!(code_name(refusal.code)));
    let (fields, others): (Vec<_>, Vec<_>) =
        refusal.told_details().into_iter().partition(|detail| is_of(detail, "google.rpc.BadRequest"));
    let violations = fields.iter().filter_map(|detail| detail["fieldViolations"].as_array()).flatten().cloned();
    put_list(&mut body, "violations", violations.collect());
    put_list(&mut body, "details", others);
    Value::Object(body)
}

fn open_banking_uk(refusal: &Refusal) -> Value {
    let code = format!("{} {}", refusal.http.as_u16(), phrase(refusal.http).replace([' ', '-'], ""));
    let message = text_or_phrase(refusal);
    let error = |violation: &WrongField| {
        let mut error = Map::new();
        error.insert("ErrorCode".to_owned(), json!(obie_code(refusal, violation.defect)));
        error.insert("Message".to_owned(), json!(cut(non_empty(&violation.description).unwrap_or(&message), MAX_500)));
        put_text(&mut error, "Path", &cut(&violation.field, MAX_500));
        put_text(&mut error, "Url", help_url(refusal).unwrap_or_default());
        Value::Object(error)
    };
    let whole = WrongField::new("", &message, refusal.defect());
    let violations = if refusal.violations.is_empty() { std::slice::from_ref(&whole) } else { &refusal.violations };
    let mut body = Map::new();
    body.insert("Code".to_owned(), json!(code));
    put_text(&mut body, "Id", request_id(refusal).filter(|id| id.chars().count() <= MAX_40).unwrap_or_default());
    body.insert("Message".to_owned(), json!(message));
    body.insert("Errors".to_owned(), violations.iter().map(error).collect());
    Value::Object(body)
}

/// The values are from the namespaced enumeration `OBErrorResponseError1Code`.
fn obie_code(refusal: &Refusal, defect: Defect) -> &'static str {
    match (defect, refusal.code) {
        (Defect::Invalid, _) => "UK.OBIE.Field.Invalid",
        (Defect::Missing, _) => "UK.OBIE.Field.Missing",
        (Defect::Unexpected, _) => "UK.OBIE.Field.Unexpected",
        (Defect::Body, _) => "UK.OBIE.Resource.InvalidFormat",
        (Defect::Header, _) => "UK.OBIE.Header.Invalid",
        (Defect::Other, Code::NotFound) => "UK.OBIE.Resource.NotFound",
        (Defect::Other, Code::AlreadyExists) => "UK.OBIE.Rules.ResourceAlreadyExists",
        (Defect::Other, Code::InvalidArgument | Code::OutOfRange) => "UK.OBIE.Field.Invalid",
        (Defect::Other, _) => "UK.OBIE.UnexpectedError",
    }
}

fn berlin_group(refusal: &Refusal) -> Value {
    let code = berlin_code(refusal.http);
    let message = text_or_phrase(refusal);
    let whole = WrongField::new("", &message, refusal.defect());
    let violations = if refusal.violations.is_empty() { std::slice::from_ref(&whole) } else { &refusal.violations };
    let told = |violation: &WrongField| {
        let mut told = Map::new();
        told.insert("category".to_owned(), json!("ERROR"));
        told.insert("code".to_owned(), json!(code));
        put_text(&mut told, "path", &cut(&violation.field, MAX_500));
        told.insert("text".to_owned(), json!(cut(non_empty(&violation.description).unwrap_or(&message), MAX_500)));
        Value::Object(told)
    };
    json!({ "tppMessages": violations.iter().map(told).collect::<Vec<_>>() })
}

/// Implementation guidelines, "Message Code": the codes that apply to every service.
fn berlin_code(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "TOKEN_INVALID",
        403 => "SERVICE_BLOCKED",
        404 => "RESOURCE_UNKNOWN",
        405 => "SERVICE_INVALID",
        406 => "REQUESTED_FORMATS_INVALID",
        409 => "STATUS_INVALID",
        429 => "ACCESS_EXCEEDED",
        499.. => "INTERNAL_SERVER_ERROR",
        _ => "FORMAT_ERROR",
    }
}

fn put_text(object: &mut Map<String, Value>, name: &str, text: &str) {
    if !text.is_empty() {
        object.insert(name.to_owned(), json!(text));
    }
}

fn put_list(object: &mut Map<String, Value>, name: &str, list: Vec<Value>) {
    if !list.is_empty() {
        object.insert(name.to_owned(), Value::Array(list));
    }
}

/// The message or, if it is empty, the status phrase; cut to [`MAX_500`]. The bank standards require a text.
fn text_or_phrase(refusal: &Refusal) -> String {
    cut(non_empty(&refusal.message).unwrap_or(phrase(refusal.http)), MAX_500)
}

fn non_empty(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

fn cut(text: &str, most: usize) -> String {
    const MARK: &str = "...";
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => text.chars().take(most - MARK.len()).chain(MARK.chars()).collect(),
    }
}

fn phrase(status: StatusCode) -> &'static str {
    // No standard phrase exists for one status of google/rpc/code.proto, and for some that the configuration can set.
    status.canonical_reason().unwrap_or(match status.as_u16() {
        499 => "Client Closed Request",
        ..499 => "Client Error",
        500.. => "Server Error",
    })
}

fn is_of(detail: &Value, name: &str) -> bool {
    detail["@type"].as_str().and_then(|url| url.rsplit('/').next()) == Some(name)
}

/// The id that the backend gave the request, for use with its support.
fn request_id(refusal: &Refusal) -> Option<&str> {
    let detail =
        refusal.details.iter().map(|detail| &detail.json).find(|detail| is_of(detail, "google.rpc.RequestInfo"))?;
    detail["requestId"].as_str()
}

/// The URL of the backend's help page.
fn help_url(refusal: &Refusal) -> Option<&str> {
    let detail = refusal.details.iter().map(|detail| &detail.json).find(|detail| is_of(detail, "google.rpc.Help"))?;
    detail["links"].get(0)?["url"].as_str()
}

/// Whether the text has the form of a UUID (RFC 9562, section 4).
fn is_uuid(text: &str) -> bool {
    let hyphens = [8, 13, 18, 23];
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match hyphens.contains(&at) {
            true => byte == b'-',
            false => byte.is_ascii_hexdigit(),
        })
}
