//! Options for printing JSON.

/// Options for printing a response as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Print {
    /// `always_print_fields_with_no_presence`: prints defaults and empty lists.
    pub defaults: bool,
    /// `always_print_enums_as_ints`: prints enums as numbers.
    pub enums_as_ints: bool,
    /// `preserve_proto_field_names`: uses the field names of the proto file.
    pub proto_names: bool,
    /// How 64-bit integers are printed.
    pub int64: Int64,
    /// Whether the JSON is indented for people to read.
    pub indent: bool,
    /// Whether an Any of an unknown type is printed with its bytes in base64. Otherwise it is an error.
    pub unknown_any: bool,
    /// Largest JSON in bytes. There is a limit because two bytes of wire format can become a large object of defaults.
    pub limit: usize,
}

impl Default for Print {
    fn default() -> Self {
        let (defaults, enums_as_ints, proto_names, indent) = (false, false, false, false);
        let (int64, unknown_any, limit) = (Int64::Text, false, usize::MAX);
        Self { defaults, enums_as_ints, proto_names, int64, indent, unknown_any, limit }
    }
}

/// How 64-bit integers are printed. ProtoJSON uses strings, because many readers, such as JavaScript, parse every
/// number as a double, which is exact only up to 53 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Int64 {
    /// Always a string: `"1"`.
    #[default]
    Text,
    /// A number: `1`. Beyond 2^53 - 1, where a double is no longer exact (RFC 8259, section 6), a string.
    SafeNumber,
    /// Always a number: `1`, even if readers lose digits.
    Number,
}
