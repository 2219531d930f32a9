//! Violations as `buf.validate.Violations` (buf/validate/validate.proto), for clients that know protovalidate.

use prost::Message as _;
use serde_json::{Map, Value, json};

use super::detail::Detail;
use crate::codec::validate::{Violation, Violations};
use crate::schema::{Field, Kind, Message, Shape};

const TYPE_URL: &str = "type.googleapis.com/buf.validate.Violations";

/// The violations of a request of this type.
pub(super) fn detail(found: &Violations, input: &Message) -> Detail {
    let violations: Vec<ViolationDetail> = found.list.iter().map(|violation| of(violation, input)).collect();
    let json: Vec<Value> = violations.iter().map(ViolationDetail::json).collect();
    let json = json!({ "@type": TYPE_URL, "violations": json });
    Detail::new(json, TYPE_URL, ViolationsDetail { violations }.encode_to_vec())
}

fn of(violation: &Violation, input: &Message) -> ViolationDetail {
    let elements = elements(&violation.field, input);
    ViolationDetail {
        rule_id: violation.rule.clone(),
        message: violation.expected.clone(),
        field: (!elements.is_empty()).then_some(PathDetail { elements }),
    }
}

/// The elements of a path such as `destinations[0].labels["a"]`. Keys have no quotes in them.
fn elements(path: &str, input: &Message) -> Vec<ElementDetail> {
    let (mut elements, mut rest, mut message) = (Vec::new(), path, Some(input.clone()));
    while !rest.is_empty() {
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let field = message.as_ref().and_then(|message| message.fields().find(|field| field.name() == name));
        let (subscript, after) = match after.strip_prefix("[\"") {
            Some(after) => after.split_once("\"]").map_or((None, ""), |(key, after)| (Some(key), after)),
            None => match after.strip_prefix('[') {
                Some(after) => after.split_once(']').map_or((None, ""), |(key, after)| (Some(key), after)),
                None => (None, after),
            },
        };
        let entry = field.as_ref().filter(|field| field.table().shape == Shape::Map).and_then(Field::message);
        message = match &entry {
            Some(entry) => entry.fields().nth(1).and_then(|value| value.message()),
            None => field.as_ref().and_then(Field::message),
        };
        elements.push(ElementDetail::new(name, field.as_ref(), entry.as_ref(), subscript));
        rest = after.strip_prefix('.').unwrap_or(after);
    }
    elements
}

#[derive(Clone, PartialEq, prost::Message)]
struct ViolationsDetail {
    #[prost(message, repeated, tag = "1")]
    violations: Vec<ViolationDetail>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ViolationDetail {
    #[prost(message, optional, tag = "5")]
    field: Option<PathDetail>,
    #[prost(string, tag = "2")]
    rule_id: String,
    #[prost(string, tag = "3")]
    message: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct PathDetail {
    #[prost(message, repeated, tag = "1")]
    elements: Vec<ElementDetail>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ElementDetail {
    #[prost(int32, optional, tag = "1")]
    field_number: Option<i32>,
    #[prost(string, optional, tag = "2")]
    field_name: Option<String>,
    #[prost(int32, optional, tag = "3")]
    field_type: Option<i32>,
    #[prost(int32, optional, tag = "4")]
    key_type: Option<i32>,
    #[prost(int32, optional, tag = "5")]
    value_type: Option<i32>,
    #[prost(uint64, optional, tag = "6")]
    index: Option<u64>,
    #[prost(bool, optional, tag = "7")]
    bool_key: Option<bool>,
    #[prost(int64, optional, tag = "8")]
    int_key: Option<i64>,
    #[prost(uint64, optional, tag = "9")]
    uint_key: Option<u64>,
    #[prost(string, optional, tag = "10")]
    string_key: Option<String>,
}

impl ElementDetail {
    fn new(name: &str, field: Option<&Field>, entry: Option<&Message>, subscript: Option<&str>) -> Self {
        let mut element = Self { field_name: Some(name.to_owned()), ..Self::default() };
        let Some(field) = field else { return element };
        element.field_number = i32::try_from(field.table().number).ok();
        element.field_type = Some(type_number(field.table().kind));
        let kinds: Vec<Kind> = entry.into_iter().flat_map(Message::fields).map(|field| field.table().kind).collect();
        if let [key, value] = kinds[..] {
            element.key_type = Some(type_number(key));
            element.value_type = Some(type_number(value));
            let Some(text) = subscript else { return element };
            match key {
                Kind::String => element.string_key = Some(text.to_owned()),
                Kind::Bool => element.bool_key = text.parse().ok(),
                Kind::Uint32 | Kind::Uint64 | Kind::Fixed32 | Kind::Fixed64 => element.uint_key = text.parse().ok(),
                _ => element.int_key = text.parse().ok(),
            }
        } else {
            element.index = subscript.and_then(|text| text.parse().ok());
        }
        element
    }

    /// The element in ProtoJSON.
    fn json(&self) -> Value {
        let mut members = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            members.extend(value.map(|value| (name.to_owned(), value)));
        };
        let named = |number: Option<i32>| number.and_then(type_name).map(|name| json!(name));
        put("fieldNumber", self.field_number.map(|number| json!(number)));
        put("fieldName", self.field_name.as_ref().map(|name| json!(name)));
        put("fieldType", named(self.field_type));
        put("keyType", named(self.key_type));
        put("valueType", named(self.value_type));
        put("index", self.index.map(|index| json!(index.to_string())));
        put("boolKey", self.bool_key.map(|key| json!(key)));
        put("intKey", self.int_key.map(|key| json!(key.to_string())));
        put("uintKey", self.uint_key.map(|key| json!(key.to_string())));
        put("stringKey", self.string_key.as_ref().map(|key| json!(key)));
        Value::Object(members)
    }
}

impl ViolationDetail {
    /// The violation in ProtoJSON.
    fn json(&self) -> Value {
        let mut json = json!({ "ruleId": self.rule_id, "message": self.message });
        if let Some(path) = &self.field {
            json["field"] = json!({ "elements": path.elements.iter().map(ElementDetail::json).collect::<Vec<_>>() });
        }
        json
    }
}

/// The names of `google.protobuf.FieldDescriptorProto.Type`, by their numbers from 1.
const TYPES: [&str; 18] = [
    "TYPE_DOUBLE",
    "TYPE_FLOAT",
    "TYPE_INT64",
    "TYPE_UINT64",
    "TYPE_INT32",
    "TYPE_FIXED64",
    "TYPE_FIXED32",
    "TYPE_BOOL",
    "TYPE_STRING",
    "TYPE_GROUP",
    "TYPE_MESSAGE",
    "TYPE_BYTES",
    "TYPE_UINT32",
    "TYPE_ENUM",
    "TYPE_SFIXED32",
    "TYPE_SFIXED64",
    "TYPE_SINT32",
    "TYPE_SINT64",
];

/// The number of a type in `google.protobuf.FieldDescriptorProto.Type`.
fn type_number(kind: Kind) -> i32 {
    match kind {
        Kind::Double => 1,
        Kind::Float => 2,
        Kind::Int64 => 3,
        Kind::Uint64 => 4,
        Kind::Int32 => 5,
        Kind::Fixed64 => 6,
        Kind::Fixed32 => 7,
        Kind::Bool => 8,
        Kind::String => 9,
        Kind::Group(_) => 10,
        Kind::Message(_) => 11,
        Kind::Bytes => 12,
        Kind::Uint32 => 13,
        Kind::Enum(_) => 14,
        Kind::Sfixed32 => 15,
        Kind::Sfixed64 => 16,
        Kind::Sint32 => 17,
        Kind::Sint64 => 18,
    }
}

fn type_name(number: i32) -> Option<&'static str> {
    TYPES.get(usize::try_from(number).ok()?.checked_sub(1)?).copied()
}
