//! The options of an rpc that change the schemas of its messages.

use crate::codec::Int64;
use crate::route::Rpc;
use crate::route::policy::{EnumPrefix, Policy, UnknownKeys, Validation};

/// How the JSON of messages is read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Read(Reading),
    Written(Writing),
}

/// How request bodies are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reading {
    /// Whether the document shows the proto name of a field instead of its JSON name. Both names are read.
    pub(super) proto_names: bool,
    /// Whether enum values are named without the prefix of their enum.
    pub(super) strips_prefix: bool,
    /// Whether field names are read in any case.
    pub(super) any_case: bool,
    /// Whether names of enum values are read in any case.
    pub(super) any_case_enums: bool,
    /// Whether some unknown members are ignored.
    pub(super) unknown_members: bool,
    /// Whether unknown names of enum values are ignored.
    pub(super) unknown_enums: bool,
    /// Whether base64 may contain line breaks.
    pub(super) line_breaks: bool,
    /// Whether validation rules are enforced.
    pub(super) enforces_rules: bool,
}

/// How replies are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Writing {
    pub(super) proto_names: bool,
    pub(super) strips_prefix: bool,
    /// Whether default values and empty lists are written.
    pub(super) defaults: bool,
    pub(super) enums_as_ints: bool,
    pub(super) int64: Int64,
}

impl Reading {
    pub(super) fn of(rpc: &Rpc) -> Self {
        let policy = &rpc.policy;
        let json = &policy.json;
        let enforces_rules = rpc.validation.as_ref().is_some_and(|validated| validated.mode == Validation::Enforce);
        let some = passed_over(policy).is_none();
        Self {
            proto_names: json.preserve_proto_field_names,
            strips_prefix: json.enum_prefix == EnumPrefix::Strip,
            any_case: json.case_insensitive_field_parsing,
            any_case_enums: json.case_insensitive_enum_parsing,
            unknown_members: policy.ignore_unknown || some,
            unknown_enums: policy.ignore_unknown,
            line_breaks: json.base64_line_breaks,
            enforces_rules,
        }
    }
}

/// The names of ignored members of a body; `None` if they cannot be listed by name.
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
