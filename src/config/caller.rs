//! `metadata.caller`: the metadata names under which the backend learns who the caller is.

use http::HeaderName;

use super::reader::{Read, Value};
use crate::caller::CallerNames;
use crate::format::header_name;
use crate::gateway::metadata;

/// The metadata names. A name that callers can send themselves is refused: the backend could not trust it.
pub(super) fn names(value: &Value, passed: &[HeaderName]) -> CallerNames {
    let Ok(section) = value.section(&["address", "certificate_sha256", "certificate"]) else {
        return CallerNames::default();
    };
    let mut known: Vec<HeaderName> = Vec::new();
    let mut name = |key, parse: fn(&Value) -> Read<HeaderName>| {
        let item = section.value(key)?;
        let name = parse(&item).ok()?;
        if passed.contains(&name) || metadata::REQUEST.contains(&name) {
            item.wrong(format!(
                "callers can send `{name}` themselves, so a backend cannot trust it; choose another header"
            ));
            return None;
        }
        if known.contains(&name) {
            item.wrong(format!("`{name}` is already used here; choose another header"));
            return None;
        }
        known.push(name.clone());
        Some(name)
    };
    let text = |item: &Value| item.parsed("a header name", header_name::text_metadata_name);
    CallerNames {
        address: name("address", text),
        certificate_sha256: name("certificate_sha256", text),
        certificate: name("certificate", |item| item.metadata_name()),
    }
}
