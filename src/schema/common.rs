//! Messages that are always known, whatever the descriptors import: the well-known types and those of google/rpc.
//!
//! A backend may put them into an `Any` without importing them in the files that it publishes.

use std::collections::HashSet;
use std::sync::LazyLock;

use prost::Message as _;

use super::table::{MessageId, Tables};
use super::{compile, descriptor, load};

const FILES: [&str; 6] = [
    "google/protobuf/empty.proto",
    "google/protobuf/field_mask.proto",
    "google/protobuf/struct.proto",
    "google/protobuf/timestamp.proto",
    "google/protobuf/wrappers.proto",
    // This file imports `duration.proto`.
    "google/rpc/error_details.proto",
];

/// Imports `any.proto`.
const STATUS: &str = "google/rpc/status.proto";

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let mut names = HashSet::new();
    let encoded = FILES.into_iter().chain([STATUS]).filter_map(load::bundled).flatten();
    let files = encoded.filter_map(|file| descriptor::File::decode(file.as_slice()).ok());
    let files: Vec<_> = files.filter(|file| names.insert(file.name.clone())).collect();
    compile::compile(&files).unwrap_or_default()
});

/// Finds a message that an `Any` may hold by its full name. It is declared in the descriptors or is one of the messages
/// that are always known, the well-known types and those of google/rpc.
#[must_use]
pub fn find_any<'a>(descriptors: &'a Tables, full_name: &str) -> Option<(&'a Tables, MessageId)> {
    let of = |tables: &'a Tables| tables.find(full_name).map(|id| (tables, id));
    of(descriptors).or_else(|| of(tables()))
}

/// The tables of the messages that are always known, built at first use.
fn tables() -> &'static Tables {
    &TABLES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_google_types_are_built_in() {
        for name in [
            "google.protobuf.Any",
            "google.protobuf.Duration",
            "google.protobuf.Empty",
            "google.protobuf.FieldMask",
            "google.protobuf.Int64Value",
            "google.protobuf.Struct",
            "google.protobuf.Timestamp",
            "google.rpc.BadRequest",
            "google.rpc.ErrorInfo",
            "google.rpc.RetryInfo",
            "google.rpc.Status",
        ] {
            assert!(tables().find(name).is_some(), "{name}");
        }
    }
}
