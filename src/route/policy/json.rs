//! How messages are printed as JSON, and how names in JSON are read.

use std::str::FromStr;

use super::layer::{Part, keys, whole};
use super::read::{size, truth, word};
use super::setting::Setting;
use crate::codec::{Int64, Print};
use crate::schema::AnyCase;

keys! {
    /// The keys of `json`, for all rpcs or for one.
    pub struct Json;
    /// The keys of `json` that one layer of the configuration sets.
    pub struct OwnJson;

    /// Whether default values and empty lists are printed.
    always_print_fields_with_no_presence: bool = false, { Group: truth };
    /// Whether enum values are printed as numbers.
    always_print_enums_as_ints: bool = false, { Group: truth };
    /// Whether fields are printed with their names in the proto file.
    preserve_proto_field_names: bool = false, { Group: truth };
    /// Whether the names of enum values have the enum's prefix.
    enum_prefix: EnumPrefix = EnumPrefix::Keep, { Group: word("`keep` or `strip`") };
    /// How 64-bit integers are printed.
    int64: Int64 = Int64::Text, { Group: int64 };
    /// Whether JSON is indented.
    indent: bool = false, { Group: truth };
    /// Whether an Any of an unknown type is printed as its bytes, in base64.
    show_unknown_any: bool = false, { Group: truth };
    /// The largest JSON of a reply, in bytes. The limit of the message does not bound it: two bytes in wire format can
    /// become a large JSON object.
    limit: usize = 16 << 20, { Group: size };
    /// Whether the names of enum values are read in any case.
    case_insensitive_enum_parsing: bool = false, { Group: truth };
    /// Whether field names are read in any case.
    case_insensitive_field_parsing: bool = false, { Group: truth };
    /// Whether base64 in a body may have line breaks.
    base64_line_breaks: bool = false, { Group: truth };
}

whole!(EnumPrefix, Int64);

/// How enum values are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnumPrefix {
    /// As in the descriptors.
    Keep,
    /// Without the enum's prefix: see [`Schema::without_enum_prefixes`](crate::schema::Schema::without_enum_prefixes).
    Strip,
}

impl FromStr for EnumPrefix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "keep" => Ok(Self::Keep),
            "strip" => Ok(Self::Strip),
            _ => Err(format!("expected `keep` or `strip`, found `{text}`")),
        }
    }
}

impl Json {
    /// How replies are printed.
    #[must_use]
    pub fn print(&self) -> Print {
        Print {
            defaults: self.always_print_fields_with_no_presence,
            enums_as_ints: self.always_print_enums_as_ints,
            proto_names: self.preserve_proto_field_names,
            int64: self.int64,
            indent: self.indent,
            unknown_any: self.show_unknown_any,
            limit: self.limit,
        }
    }

    /// Which names of a request are read in any case.
    #[must_use]
    pub fn any_case(&self) -> AnyCase {
        AnyCase { fields: self.case_insensitive_field_parsing, enums: self.case_insensitive_enum_parsing }
    }
}

/// Reads the whole group.
pub(super) fn json<S: Setting>(setting: &S, all: &Json) -> OwnJson {
    let keys = setting.map(&Json::keys_of(Part::Group));
    keys.map_or_else(OwnJson::default, |keys| OwnJson::read(&keys, Part::Group, all))
}

fn int64<S: Setting, A>(setting: &S, _: &A) -> Option<Int64> {
    setting.parsed("a form of integers", |text| match text {
        "string" => Ok(Int64::Text),
        "safe_number" => Ok(Int64::SafeNumber),
        "number" => Ok(Int64::Number),
        _ => Err(format!("expected `string`, `safe_number` or `number`, found `{text}`")),
    })
}
