//! The details of a status in JSON: which leave, and how each looks.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost::Message as _;
use serde_json::{Value, json};

use crate::codec;
use crate::protos::google::rpc;
use crate::schema::Schema;

/// For the developers of the backend only.
const DEBUG_INFO: &str = "google.rpc.DebugInfo";

/// One detail in JSON; `None` for what must not leave.
pub(super) fn json(type_url: &str, value: &[u8], schema: &Schema) -> Option<Value> {
    let name = type_url.rsplit('/').next().unwrap_or_default();
    // A detail may carry others, each an Any whose type stands in the bytes as text.
    let carries = || value.windows(DEBUG_INFO.len()).any(|window| window == DEBUG_INFO.as_bytes());
    if name == DEBUG_INFO || carries() {
        return None;
    }
    let shown = known(name, value).or_else(|| of_schema(type_url, name, value, schema));
    Some(shown.unwrap_or_else(|| json!({ "@type": type_url, "value": STANDARD.encode(value) })))
}

/// The time after which a `google.rpc.RetryInfo` lets the caller try again, in whole seconds, rounded up.
pub(super) fn retry_delay(any: &pbjson_types::Any) -> Option<u64> {
    if any.type_url.rsplit('/').next() != Some("google.rpc.RetryInfo") {
        return None;
    }
    let delay = rpc::RetryInfo::decode(&*any.value).ok()?.retry_delay?;
    let seconds = u64::try_from(delay.seconds).ok().filter(|_| delay.nanos >= 0)?;
    seconds.checked_add(u64::from(delay.nanos > 0))
}

/// A detail of a type in google/rpc/error_details.proto.
pub(super) fn known(name: &str, value: &[u8]) -> Option<Value> {
    fn read<T: prost::Message + Default + serde::Serialize>(value: &[u8]) -> Option<Value> {
        serde_json::to_value(T::decode(value).ok()?).ok()
    }
    let json = match name.strip_prefix("google.rpc.")? {
        "BadRequest" => read::<rpc::BadRequest>(value),
        "ErrorInfo" => read::<rpc::ErrorInfo>(value),
        "Help" => read::<rpc::Help>(value),
        "LocalizedMessage" => read::<rpc::LocalizedMessage>(value),
        "PreconditionFailure" => read::<rpc::PreconditionFailure>(value),
        "QuotaFailure" => read::<rpc::QuotaFailure>(value),
        "RequestInfo" => read::<rpc::RequestInfo>(value),
        "ResourceInfo" => read::<rpc::ResourceInfo>(value),
        "RetryInfo" => read::<rpc::RetryInfo>(value),
        _ => None,
    };
    typed(&format!("type.googleapis.com/{name}"), json?)
}

/// A detail of a type that the descriptors have.
fn of_schema(type_url: &str, name: &str, value: &[u8], schema: &Schema) -> Option<Value> {
    let json = codec::reply(&schema.message(name)?, value, &codec::Print::default()).ok()?;
    let json = serde_json::from_slice(&json).ok()?;
    // google/protobuf/any.proto: a type with a JSON form of its own stands in a member `value`.
    if name.starts_with("google.protobuf.") {
        return Some(json!({ "@type": type_url, "value": json }));
    }
    typed(type_url, json)
}

fn typed(type_url: &str, json: Value) -> Option<Value> {
    let Value::Object(members) = json else { return None };
    // A field of that name would stand where the reader looks for the type.
    if members.contains_key("@type") {
        return None;
    }
    let typed = [("@type".to_owned(), json!(type_url))];
    Some(Value::Object(typed.into_iter().chain(members).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::schema_of;

    #[test]
    fn a_detail_with_a_type_of_its_own_is_shown_as_bytes() {
        let proto = r#"
syntax = "proto3";
package t;
message Plain { string kind = 1; }
message Typed { string kind = 1 [json_name = "@type"]; string note = 2; }
"#;
        let schema = schema_of(proto).unwrap();
        for (name, value, shown) in [
            ("t.Plain", &b"\x0a\x01a"[..], json!({ "@type": "x/t.Plain", "kind": "a" })),
            ("t.Typed", b"\x12\x01b", json!({ "@type": "x/t.Typed", "note": "b" })),
            ("t.Typed", b"\x0a\x01a", json!({ "@type": "x/t.Typed", "value": "CgFh" })),
            ("t.Nobody", b"\x0a\x01a", json!({ "@type": "x/t.Nobody", "value": "CgFh" })),
        ] {
            assert_eq!(json(&format!("x/{name}"), value, &schema), Some(shown), "{name}");
        }
    }
}
