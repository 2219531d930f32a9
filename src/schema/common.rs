//! Messages that everybody knows, whatever the descriptors import: the well-known types, and those of google/rpc.
//!
//! A backend puts them into an `Any` without a word of them in its own files: what it imports, it need not have told its callers.

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
    // It imports `duration.proto`.
    "google/rpc/error_details.proto",
];

/// It imports `any.proto`.
const STATUS: &str = "google/rpc/status.proto";

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let mut names = HashSet::new();
    let encoded = FILES.into_iter().chain([STATUS]).filter_map(load::bundled).flatten();
    let files = encoded.filter_map(|file| descriptor::File::decode(file.as_slice()).ok());
    let files: Vec<_> = files.filter(|file| names.insert(file.name.clone())).collect();
    compile::compile(&files).unwrap_or_default()
});

/// The message of this full name that an `Any` may hold: one of the descriptors, or one that everybody knows, whatever they import, as the
/// well-known types and those of google/rpc.
#[must_use]
pub fn find_any<'a>(descriptors: &'a Tables, full_name: &str) -> Option<(&'a Tables, MessageId)> {
    let of = |tables: &'a Tables| tables.find(full_name).map(|id| (tables, id));
    of(descriptors).or_else(|| of(tables()))
}

/// Their tables. They are made when they are first asked for.
fn tables() -> &'static Tables {
    &TABLES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_that_everybody_knows_are_there() {
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
