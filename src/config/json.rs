//! What `json` says of replies, and of names in requests, for all rpcs or for one.

use super::reader::{Section, Value};
use super::{Source, or_default};
use crate::codec::{Int64, Print};
use crate::gateway;
use crate::schema::AnyCase;

/// The keys of `json`.
pub(super) const KEYS: &[&str] = &[
    "always_print_fields_with_no_presence",
    "always_print_enums_as_ints",
    "preserve_proto_field_names",
    "enum_prefix",
    "int64",
    "indent",
    "show_unknown_any",
    "limit",
    "case_insensitive_enum_parsing",
    "case_insensitive_field_parsing",
    "base64_line_breaks",
];

/// How messages look in JSON, and how the names in it are read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Json {
    pub(super) print: Print,
    /// Whether enums are named without their prefix.
    pub(super) strips_enums: bool,
    /// Which names of a request are read in any case.
    pub(super) any_case: AnyCase,
    /// Whether base64 in a body may have line breaks.
    pub(super) breaks_base64: bool,
}

impl Source<'_> {
    /// For all rpcs.
    pub(super) fn json(&self) -> Json {
        let print = Print { limit: gateway::JSON_LIMIT, ..Print::default() };
        let base = Json { print, strips_enums: false, any_case: AnyCase::default(), breaks_base64: false };
        base.with(self.section("json", KEYS))
    }
}

impl Json {
    /// The same, where this section does not say otherwise.
    pub(super) fn with(self, section: Option<Section>) -> Self {
        let value = |key| section.and_then(|section| section.value(key));
        let truth = |key, base| or_default(value(key), Value::truth, base);
        let Self { print, strips_enums, any_case, breaks_base64 } = self;
        Self {
            print: Print {
                defaults: truth("always_print_fields_with_no_presence", print.defaults),
                enums_as_ints: truth("always_print_enums_as_ints", print.enums_as_ints),
                proto_names: truth("preserve_proto_field_names", print.proto_names),
                int64: or_default(value("int64"), |value| value.parsed("a form of integers", int64), print.int64),
                indent: truth("indent", print.indent),
                unknown_any: truth("show_unknown_any", print.unknown_any),
                limit: or_default(value("limit"), Value::size, print.limit),
            },
            strips_enums: or_default(
                value("enum_prefix"),
                |value| value.parsed("`keep` or `strip`", is_strip),
                strips_enums,
            ),
            any_case: AnyCase {
                fields: truth("case_insensitive_field_parsing", any_case.fields),
                enums: truth("case_insensitive_enum_parsing", any_case.enums),
            },
            breaks_base64: truth("base64_line_breaks", breaks_base64),
        }
    }
}

fn int64(text: &str) -> Result<Int64, String> {
    match text {
        "string" => Ok(Int64::Text),
        "safe_number" => Ok(Int64::SafeNumber),
        "number" => Ok(Int64::Number),
        _ => Err(format!("expected `string`, `safe_number` or `number`, found `{text}`")),
    }
}

fn is_strip(text: &str) -> Result<bool, String> {
    match text {
        "keep" => Ok(false),
        "strip" => Ok(true),
        _ => Err(format!("expected `keep` or `strip`, found `{text}`")),
    }
}
