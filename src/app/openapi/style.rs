//! What of the options of an rpc the schemas of its messages depend on.

use crate::codec::Int64;
use crate::route::policy::{EnumPrefix, Policy, UnknownKeys};

/// How the JSON of messages is read, or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Read(Reading),
    Written(Writing),
}

/// How bodies are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reading {
    /// Which of the two names of a field a caller is shown: that of the proto file. The other one is read too.
    pub(super) proto_names: bool,
    /// Whether the values of enums are named without the enum's prefix.
    pub(super) strips_prefix: bool,
    /// Whether names of fields are read in any case.
    pub(super) any_case: bool,
    /// Whether names of enums are.
    pub(super) any_case_enums: bool,
    /// Whether some unknown members are passed over.
    pub(super) unknown_members: bool,
    /// Whether unknown names of enums are.
    pub(super) unknown_enums: bool,
    /// Whether base64 may have line breaks.
    pub(super) line_breaks: bool,
}

/// How replies are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Writing {
    pub(super) proto_names: bool,
    pub(super) strips_prefix: bool,
    /// Whether defaults and empty lists are written.
    pub(super) defaults: bool,
    pub(super) enums_as_ints: bool,
    pub(super) int64: Int64,
}

impl Reading {
    pub(super) fn of(policy: &Policy) -> Self {
        let json = &policy.json;
        let some = passed_over(policy).is_none();
        Self {
            proto_names: json.preserve_proto_field_names,
            strips_prefix: json.enum_prefix == EnumPrefix::Strip,
            any_case: json.case_insensitive_field_parsing,
            any_case_enums: json.case_insensitive_enum_parsing,
            unknown_members: policy.ignore_unknown || some,
            unknown_enums: policy.ignore_unknown,
            line_breaks: json.base64_line_breaks,
        }
    }
}

/// The members of a body that are passed over, by name; nothing if these are more than can be named.
pub(super) fn passed_over(policy: &Policy) -> Option<&[String]> {
    match &policy.ignore_members {
        UnknownKeys::Listed(names) if !names.iter().any(|name| name.contains('.')) => Some(names),
        UnknownKeys::Listed(_) | UnknownKeys::All => None,
    }
}

impl Writing {
    pub(super) fn of(policy: &Policy) -> Self {
        let json = &policy.json;
        Self {
            proto_names: json.preserve_proto_field_names,
            strips_prefix: json.enum_prefix == EnumPrefix::Strip,
            defaults: json.always_print_fields_with_no_presence,
            enums_as_ints: json.always_print_enums_as_ints,
            int64: json.int64,
        }
    }
}

impl Style {
    pub(super) fn proto_names(self) -> bool {
        match self {
            Self::Read(reading) => reading.proto_names,
            Self::Written(writing) => writing.proto_names,
        }
    }
}
