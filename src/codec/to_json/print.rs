//! What the JSON of a reply looks like.

/// What the JSON looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Print {
    /// `always_print_fields_with_no_presence`: defaults and empty lists are printed.
    pub defaults: bool,
    /// `always_print_enums_as_ints`
    pub enums_as_ints: bool,
    /// `preserve_proto_field_names`
    pub proto_names: bool,
    /// What 64-bit integers look like.
    pub int64: Int64,
    /// Laid out for people.
    pub indent: bool,
    /// Whether an Any of a type that nobody knows is printed as its bytes, in base64. Otherwise it has no form.
    pub unknown_any: bool,
    /// Largest JSON, in bytes: two bytes of wire format can become a large object of defaults.
    pub limit: usize,
}

impl Default for Print {
    fn default() -> Self {
        let (defaults, enums_as_ints, proto_names, indent) = (false, false, false, false);
        let (int64, unknown_any, limit) = (Int64::Text, false, usize::MAX);
        Self { defaults, enums_as_ints, proto_names, int64, indent, unknown_any, limit }
    }
}

/// What 64-bit integers look like. ProtoJSON has strings: many readers, JavaScript's among them, take each number for a
/// double, which holds no more than 53 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Int64 {
    /// `"1"`
    #[default]
    Text,
    /// `1`, and a string where a double would not hold it: beyond 2^53 - 1 (RFC 8259, section 6).
    SafeNumber,
    /// `1`, whatever becomes of it.
    Number,
}
