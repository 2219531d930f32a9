//! The error details of a status as JSON: which details callers may see, and how each looks.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pbjson_types::Any;
use prost::Message as _;
use serde_json::{Value, json};

use super::visible::{Hidden, visible};
use crate::codec;
use crate::schema::generated::google::rpc;
use crate::schema::{Message, Schema};

/// The types of google/rpc/error_details.proto that are meant for callers.
const OF_GOOGLE: [&str; 9] = [
    "google.rpc.BadRequest",
    "google.rpc.ErrorInfo",
    "google.rpc.Help",
    "google.rpc.LocalizedMessage",
    "google.rpc.PreconditionFailure",
    "google.rpc.QuotaFailure",
    "google.rpc.RequestInfo",
    "google.rpc.ResourceInfo",
    "google.rpc.RetryInfo",
];

/// This detail is meant for the developers of the backend only.
const DEBUG_INFO: &str = "google.rpc.DebugInfo";

/// One detail as callers may see it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Detail {
    pub(super) json: Value,
    /// The same in wire format.
    pub(super) wire: Any,
}

impl Detail {
    pub(super) fn new(json: Value, type_url: &str, value: Vec<u8>) -> Self {
        Self { json, wire: Any { type_url: type_url.to_owned(), value: value.into() } }
    }
}

/// One detail as callers may see it; `None` if callers must not see it.
///
/// A type that neither Towbar nor the descriptors know is shown only with `shows_unknown`: nobody can tell what it
/// contains. Fields that are marked as secret are never shown.
pub(super) fn shown(type_url: &str, value: &[u8], schema: &Schema, shows_unknown: bool) -> Option<Detail> {
    let name = type_url.rsplit('/').next().unwrap_or_default();
    // A detail may contain others, as `Any` messages. Their type names appear as text in the bytes.
    let carries = || value.windows(DEBUG_INFO.len()).any(|window| window == DEBUG_INFO.as_bytes());
    if name == DEBUG_INFO || carries() {
        return None;
    }
    if OF_GOOGLE.contains(&name) {
        return known(type_url, value);
    }
    let as_bytes = |bytes: &[u8]| json!({ "@type": type_url, "value": STANDARD.encode(bytes) });
    let Some(message) = schema.message(name) else {
        return shows_unknown.then(|| Detail::new(as_bytes(value), type_url, value.to_owned()));
    };
    match visible(&message, value, shows_unknown) {
        Ok(shown) => {
            let json = of_schema(type_url, &message, &shown).unwrap_or_else(|| as_bytes(&shown));
            Some(Detail::new(json, type_url, shown))
        }
        Err(Hidden::Malformed | Hidden::UnknownType) => None,
    }
}

/// The delay in a `google.rpc.RetryInfo`, in whole seconds, rounded up.
pub(super) fn retry_delay(any: &Any) -> Option<u64> {
    if any.type_url.rsplit('/').next() != Some("google.rpc.RetryInfo") {
        return None;
    }
    let delay = rpc::RetryInfo::decode(&*any.value).ok()?.retry_delay?;
    let seconds = u64::try_from(delay.seconds).ok().filter(|_| delay.nanos >= 0)?;
    seconds.checked_add(u64::from(delay.nanos > 0))
}

/// A detail whose type is in google/rpc/error_details.proto. Fields that these types do not have are left out.
pub(super) fn known(type_url: &str, value: &[u8]) -> Option<Detail> {
    fn read<T: prost::Message + Default + serde::Serialize>(value: &[u8]) -> Option<(Value, Vec<u8>)> {
        let message = T::decode(value).ok()?;
        Some((serde_json::to_value(&message).ok()?, message.encode_to_vec()))
    }
    let name = type_url.rsplit('/').next()?;
    let (json, wire) = match name.strip_prefix("google.rpc.")? {
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
    }?;
    let type_url = format!("type.googleapis.com/{name}");
    Some(Detail::new(typed(&type_url, json)?, &type_url, wire))
}

/// A detail whose type is in the descriptors.
fn of_schema(type_url: &str, message: &Message, value: &[u8]) -> Option<Value> {
    let json = codec::reply(message, value, &codec::Print::default()).ok()?;
    let json = serde_json::from_slice(&json).ok()?;
    // google/protobuf/any.proto: a type with a special JSON form is put into a member `value`.
    if message.name().starts_with("google.protobuf.") {
        return Some(json!({ "@type": type_url, "value": json }));
    }
    typed(type_url, json)
}

fn typed(type_url: &str, json: Value) -> Option<Value> {
    let Value::Object(members) = json else { return None };
    // A field with this name would appear in the place of the type.
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

    const PROTO: &str = r#"
syntax = "proto3";
package t;
message Plain { string kind = 1; string pin = 2 [debug_redact = true]; }
message Typed { string kind = 1 [json_name = "@type"]; string note = 2; string pin = 3 [debug_redact = true]; }
"#;

    #[test]
    fn error_details_are_shown_without_secrets_and_by_default_only_for_known_types() {
        let schema = schema_of(PROTO).unwrap();
        let unknown = json!({ "@type": "x/t.Nobody", "value": "CgFh" });
        // Each case: the result by default, and with unknown types shown.
        for (name, value, shown, relaxed) in [
            ("t.Plain", &b"\x0a\x01a\x12\x06CANARY"[..], Some(json!({ "@type": "x/t.Plain", "kind": "a" })), None),
            ("t.Typed", b"\x12\x01b", Some(json!({ "@type": "x/t.Typed", "note": "b" })), None),
            // A field named `@type` would hide the type, so the detail is shown as bytes, without its secret fields.
            ("t.Typed", b"\x0a\x01a\x1a\x06CANARY", Some(json!({ "@type": "x/t.Typed", "value": "CgFh" })), None),
            ("t.Plain", b"\x0a\x05CANARY", None, None),
            ("t.Nobody", b"\x0a\x01a", None, Some(unknown)),
            ("google.rpc.ErrorInfo", b"\x0a\xff", None, None),
            ("google.rpc.DebugInfo", b"\x12\x06CANARY", None, None),
        ] {
            let url = format!("x/{name}");
            let json = |relaxed| super::shown(&url, value, &schema, relaxed).map(|detail| detail.json);
            assert_eq!(json(false), shown, "{name}");
            assert_eq!(json(true), relaxed.or(shown), "{name}, relaxed");
            // What is not shown in JSON is not in the bytes either.
            let wire = super::shown(&url, value, &schema, true).map(|detail| detail.wire.value.to_vec());
            assert!(!wire.unwrap_or_default().windows(6).any(|bytes| bytes == b"CANARY"), "{name}");
        }
    }
}
