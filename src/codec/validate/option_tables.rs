//! The messages of buf/validate/validate.proto, as tables: the number of each rule, its name, and how its value is written.

use crate::format::wire::{FIXED32, FIXED64, LENGTH, VARINT};

/// A field of a message of rules.
pub(super) struct Rule {
    pub(super) number: u32,
    pub(super) name: &'static str,
    pub(super) value: Value,
}

/// How the value of a rule is written.
#[derive(Clone, Copy)]
pub(super) enum Value {
    /// A varint without sign.
    Number,
    Truth,
    Text,
    Bytes,
    Ignore,
    Regex,
    Int32,
    Int64,
    Sint,
    Fixed32,
    Fixed64,
    Sfixed32,
    Sfixed64,
    Float,
    Double,
    Duration,
    Timestamp,
    /// Rules of a type.
    Rules(&'static [Rule]),
    /// Bounds and lists of numbers.
    Numbers(&'static Self),
    /// The rules of a field again, for items, keys and values.
    Field,
    /// A list of messages of rules.
    Each(&'static [Rule]),
    /// A list of texts.
    Texts,
    /// A `FieldMask`: a list of paths.
    Mask,
    /// Without meaning for the check: the tree has its name only.
    Other,
}

const fn rule(number: u32, name: &'static str, value: Value) -> Rule {
    Rule { number, name, value }
}

pub(super) const FIELD: &[Rule] = &[
    rule(23, "cel", Value::Each(CEL)),
    rule(29, "cel_expression", Value::Texts),
    rule(25, "required", Value::Truth),
    rule(27, "ignore", Value::Ignore),
    rule(1, "float", Value::Numbers(&Value::Float)),
    rule(2, "double", Value::Numbers(&Value::Double)),
    rule(3, "int32", Value::Numbers(&Value::Int32)),
    rule(4, "int64", Value::Numbers(&Value::Int64)),
    rule(5, "uint32", Value::Numbers(&Value::Number)),
    rule(6, "uint64", Value::Numbers(&Value::Number)),
    rule(7, "sint32", Value::Numbers(&Value::Sint)),
    rule(8, "sint64", Value::Numbers(&Value::Sint)),
    rule(9, "fixed32", Value::Numbers(&Value::Fixed32)),
    rule(10, "fixed64", Value::Numbers(&Value::Fixed64)),
    rule(11, "sfixed32", Value::Numbers(&Value::Sfixed32)),
    rule(12, "sfixed64", Value::Numbers(&Value::Sfixed64)),
    rule(13, "bool", Value::Rules(BOOL)),
    rule(14, "string", Value::Rules(STRING)),
    rule(15, "bytes", Value::Rules(BYTES)),
    rule(16, "enum", Value::Rules(ENUM)),
    rule(18, "repeated", Value::Rules(REPEATED)),
    rule(19, "map", Value::Rules(MAP)),
    rule(20, "any", Value::Rules(ANY)),
    rule(21, "duration", Value::Rules(DURATION)),
    rule(22, "timestamp", Value::Rules(TIMESTAMP)),
    rule(28, "field_mask", Value::Rules(FIELD_MASK)),
];

const BOOL: &[Rule] = &[rule(1, "const", Value::Truth)];

const STRING: &[Rule] = &[
    rule(1, "const", Value::Text),
    rule(2, "min_len", Value::Number),
    rule(3, "max_len", Value::Number),
    rule(4, "min_bytes", Value::Number),
    rule(5, "max_bytes", Value::Number),
    rule(6, "pattern", Value::Text),
    rule(7, "prefix", Value::Text),
    rule(8, "suffix", Value::Text),
    rule(9, "contains", Value::Text),
    rule(10, "in", Value::Text),
    rule(11, "not_in", Value::Text),
    rule(12, "email", Value::Truth),
    rule(13, "hostname", Value::Truth),
    rule(14, "ip", Value::Truth),
    rule(15, "ipv4", Value::Truth),
    rule(16, "ipv6", Value::Truth),
    rule(17, "uri", Value::Truth),
    rule(18, "uri_ref", Value::Truth),
    rule(19, "len", Value::Number),
    rule(20, "len_bytes", Value::Number),
    rule(21, "address", Value::Truth),
    rule(22, "uuid", Value::Truth),
    rule(23, "not_contains", Value::Text),
    rule(24, "well_known_regex", Value::Regex),
    rule(25, "strict", Value::Truth),
    rule(26, "ip_with_prefixlen", Value::Truth),
    rule(27, "ipv4_with_prefixlen", Value::Truth),
    rule(28, "ipv6_with_prefixlen", Value::Truth),
    rule(29, "ip_prefix", Value::Truth),
    rule(30, "ipv4_prefix", Value::Truth),
    rule(31, "ipv6_prefix", Value::Truth),
    rule(32, "host_and_port", Value::Truth),
    rule(33, "tuuid", Value::Truth),
    rule(34, "example", Value::Other),
    rule(35, "ulid", Value::Truth),
    rule(37, "protobuf_fqn", Value::Truth),
    rule(38, "protobuf_dot_fqn", Value::Truth),
];

const BYTES: &[Rule] = &[
    rule(1, "const", Value::Bytes),
    rule(2, "min_len", Value::Number),
    rule(3, "max_len", Value::Number),
    rule(4, "pattern", Value::Text),
    rule(5, "prefix", Value::Bytes),
    rule(6, "suffix", Value::Bytes),
    rule(7, "contains", Value::Bytes),
    rule(8, "in", Value::Bytes),
    rule(9, "not_in", Value::Bytes),
    rule(10, "ip", Value::Truth),
    rule(11, "ipv4", Value::Truth),
    rule(12, "ipv6", Value::Truth),
    rule(13, "len", Value::Number),
    rule(14, "example", Value::Other),
    rule(15, "uuid", Value::Truth),
];

const ENUM: &[Rule] = &[
    rule(1, "const", Value::Int32),
    rule(2, "defined_only", Value::Truth),
    rule(3, "in", Value::Int32),
    rule(4, "not_in", Value::Int32),
    rule(5, "example", Value::Other),
];

const REPEATED: &[Rule] = &[
    rule(1, "min_items", Value::Number),
    rule(2, "max_items", Value::Number),
    rule(3, "unique", Value::Truth),
    rule(4, "items", Value::Field),
];

const MAP: &[Rule] = &[
    rule(1, "min_pairs", Value::Number),
    rule(2, "max_pairs", Value::Number),
    rule(4, "keys", Value::Field),
    rule(5, "values", Value::Field),
];

const DURATION: &[Rule] = &[
    rule(2, "const", Value::Duration),
    rule(3, "lt", Value::Duration),
    rule(4, "lte", Value::Duration),
    rule(5, "gt", Value::Duration),
    rule(6, "gte", Value::Duration),
    rule(7, "in", Value::Duration),
    rule(8, "not_in", Value::Duration),
    rule(9, "example", Value::Other),
];

const TIMESTAMP: &[Rule] = &[
    rule(2, "const", Value::Timestamp),
    rule(3, "lt", Value::Timestamp),
    rule(4, "lte", Value::Timestamp),
    rule(5, "gt", Value::Timestamp),
    rule(6, "gte", Value::Timestamp),
    rule(7, "lt_now", Value::Truth),
    rule(8, "gt_now", Value::Truth),
    rule(9, "within", Value::Duration),
    rule(10, "example", Value::Other),
];

/// The bounds and lists of numbers, by their numbers from 1.
pub(super) const NUMBERS: [&str; 7] = ["const", "lt", "lte", "gt", "gte", "in", "not_in"];

/// `buf.validate.Rule`.
const CEL: &[Rule] = &[rule(1, "id", Value::Text), rule(2, "message", Value::Text), rule(3, "expression", Value::Text)];

/// `buf.validate.PredefinedRules`.
pub(super) const PREDEFINED_RULES: &[Rule] = &[rule(1, "cel", Value::Each(CEL))];

/// `buf.validate.MessageRules`.
pub(super) const MESSAGE: &[Rule] = &[
    rule(3, "cel", Value::Each(CEL)),
    rule(4, "oneof", Value::Each(&[rule(1, "fields", Value::Texts), rule(2, "required", Value::Truth)])),
    rule(5, "cel_expression", Value::Texts),
];

const ANY: &[Rule] = &[rule(2, "in", Value::Text), rule(3, "not_in", Value::Text)];

const FIELD_MASK: &[Rule] = &[
    rule(1, "const", Value::Mask),
    rule(2, "in", Value::Text),
    rule(3, "not_in", Value::Text),
    rule(4, "example", Value::Other),
];

/// `buf.validate.OneofRules`.
pub(super) const ONEOF: &[Rule] = &[rule(1, "required", Value::Truth)];

/// The full name of the message of the rules of a type.
pub(super) fn message_of(name: &str) -> Option<&'static str> {
    Some(match name {
        "float" => "buf.validate.FloatRules",
        "double" => "buf.validate.DoubleRules",
        "int32" => "buf.validate.Int32Rules",
        "int64" => "buf.validate.Int64Rules",
        "uint32" => "buf.validate.UInt32Rules",
        "uint64" => "buf.validate.UInt64Rules",
        "sint32" => "buf.validate.SInt32Rules",
        "sint64" => "buf.validate.SInt64Rules",
        "fixed32" => "buf.validate.Fixed32Rules",
        "fixed64" => "buf.validate.Fixed64Rules",
        "sfixed32" => "buf.validate.SFixed32Rules",
        "sfixed64" => "buf.validate.SFixed64Rules",
        "bool" => "buf.validate.BoolRules",
        "string" => "buf.validate.StringRules",
        "bytes" => "buf.validate.BytesRules",
        "enum" => "buf.validate.EnumRules",
        "repeated" => "buf.validate.RepeatedRules",
        "map" => "buf.validate.MapRules",
        "duration" => "buf.validate.DurationRules",
        "field_mask" => "buf.validate.FieldMaskRules",
        "timestamp" => "buf.validate.TimestampRules",
        _ => return None,
    })
}

impl Value {
    pub(super) fn wire_type(self) -> u8 {
        match self {
            Self::Fixed32 | Self::Sfixed32 | Self::Float => FIXED32,
            Self::Fixed64 | Self::Sfixed64 | Self::Double => FIXED64,
            Self::Number | Self::Truth | Self::Ignore | Self::Regex | Self::Int32 | Self::Int64 | Self::Sint => VARINT,
            _ => LENGTH,
        }
    }
}
