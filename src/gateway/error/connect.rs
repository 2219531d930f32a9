//! Writes a refusal as the Connect protocol does: an object with `code`, `message` and `details`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use http::StatusCode;
use http::header::HeaderMap;
use prost::Message as _;
use serde_json::{Map, Value, json};
use tonic::Code;

use super::reason::{DOMAIN, Reason};
use super::refusal::Refusal;
use super::statuses::{code_name, http_status};
use crate::schema::generated::google::rpc;

impl Refusal {
    /// The HTTP status of the answer to a unary call: that of the code in Connect's table, which is also google/rpc/code.proto's.
    /// What is no call of an rpc has a status of HTTP itself.
    pub(crate) fn connect_status(&self) -> StatusCode {
        match self.reason {
            Some(Reason::RpcNotFound) => self.http,
            _ if self.is_of_http() => self.http,
            _ => http_status(self.code),
        }
    }

    /// Whether HTTP has a status for this, so that also the answer to a stream has it.
    pub(crate) fn is_of_http(&self) -> bool {
        matches!(self.reason, Some(Reason::MethodNotAllowed | Reason::UnsupportedMediaType))
    }

    /// The body of the answer to a unary call.
    pub(crate) fn to_connect_json(&self) -> String {
        self.connect_error().to_string()
    }

    fn connect_error(&self) -> Value {
        let mut error = Map::new();
        error.insert("code".to_owned(), json!(connect_code(self.code)));
        if !self.message.is_empty() {
            error.insert("message".to_owned(), json!(self.message));
        }
        let info = self.reason.map(|reason| {
            let (reason, domain) = (reason.name().to_owned(), DOMAIN.to_owned());
            let info = rpc::ErrorInfo { reason, domain, ..rpc::ErrorInfo::default() };
            detail("google.rpc.ErrorInfo", &info.encode_to_vec())
        });
        let others = self.details.iter().map(|shown| {
            let name = shown.wire.type_url.rsplit('/').next().unwrap_or_default();
            detail(name, &shown.wire.value)
        });
        let details: Vec<Value> = info.into_iter().chain(others).collect();
        if !details.is_empty() {
            error.insert("details".to_owned(), json!(details));
        }
        Value::Object(error)
    }
}

/// The last message of a stream, `EndStreamResponse`: how the call ended, and its trailers.
pub(crate) fn connect_end(refusal: Option<&Refusal>, trailers: &HeaderMap) -> String {
    let mut end = Map::new();
    if let Some(refusal) = refusal {
        end.insert("error".to_owned(), refusal.connect_error());
    }
    if !trailers.is_empty() {
        let values = |name| {
            let values = trailers.get_all(name).iter();
            values.map(|value| json!(String::from_utf8_lossy(value.as_bytes()))).collect::<Vec<_>>()
        };
        let metadata: Map<String, Value> =
            trailers.keys().map(|name| (name.to_string(), json!(values(name)))).collect();
        end.insert("metadata".to_owned(), Value::Object(metadata));
    }
    Value::Object(end).to_string()
}

/// The name of a code: that of gRPC in lower case, but for one letter.
fn connect_code(code: Code) -> String {
    if code == Code::Cancelled { "canceled".to_owned() } else { code_name(code).to_ascii_lowercase() }
}

/// "Value is the unpadded base64 encoding of the message", and the type is a name without a host.
fn detail(name: &str, value: &[u8]) -> Value {
    json!({ "type": name, "value": STANDARD_NO_PAD.encode(value) })
}

#[cfg(test)]
mod tests {
    use super::super::statuses::ERRORS;
    use super::*;

    #[test]
    fn every_code_has_the_name_and_the_http_status_of_connects_table() {
        let table = [
            ("canceled", 499),
            ("unknown", 500),
            ("invalid_argument", 400),
            ("deadline_exceeded", 504),
            ("not_found", 404),
            ("already_exists", 409),
            ("permission_denied", 403),
            ("resource_exhausted", 429),
            ("failed_precondition", 400),
            ("aborted", 409),
            ("out_of_range", 400),
            ("unimplemented", 501),
            ("internal", 500),
            ("unavailable", 503),
            ("data_loss", 500),
            ("unauthenticated", 401),
        ];
        for (code, (name, status)) in ERRORS.into_iter().zip(table) {
            // The operator's own table is for REST.
            let refusal = Refusal::status_of(StatusCode::IM_A_TEAPOT, code, "");
            assert_eq!(refusal.to_connect_json(), format!("{{\"code\":\"{name}\"}}"));
            assert_eq!(refusal.connect_status().as_u16(), status, "{name}");
        }
        for (reason, status) in [
            (Reason::RpcNotFound, 404),
            (Reason::MethodNotAllowed, 405),
            (Reason::UnsupportedMediaType, 415),
            (Reason::BodyTooLarge, 429),
            (Reason::MessageEncodingNotSupported, 501),
        ] {
            assert_eq!(Refusal::new(reason, "").connect_status().as_u16(), status, "{reason:?}");
        }
    }

    #[test]
    fn the_last_message_of_a_stream_has_the_error_and_every_value_of_its_trailers() {
        let refusal = Refusal::status_of(StatusCode::OK, Code::Cancelled, "gone");
        let mut trailers = HeaderMap::new();
        assert_eq!(connect_end(None, &trailers), "{}");
        assert_eq!(connect_end(Some(&refusal), &trailers), r#"{"error":{"code":"canceled","message":"gone"}}"#);
        trailers.append("x-a", "1".parse().unwrap());
        trailers.append("x-a", "2".parse().unwrap());
        trailers.append("x-b", "3".parse().unwrap());
        assert_eq!(connect_end(None, &trailers), r#"{"metadata":{"x-a":["1","2"],"x-b":["3"]}}"#);
    }
}
