//! Reads options of the descriptors that document an API: `google.api.field_behavior`, `google.api.resource_reference`,
//! and those of grpc-gateway's `protoc-gen-openapiv2/options`.
//!
//! Options are found by their field numbers, which are registered for all of protobuf.

use prost::Message;
use serde_json::{Map, Value, json};

use crate::schema::{FileRemark, Remark};

/// google/api/field_behavior.proto
const FIELD_BEHAVIOR: u32 = 1052;
/// google/api/resource.proto
const RESOURCE_REFERENCE: u32 = 1055;
/// protoc-gen-openapiv2/options/annotations.proto: the same number for all kinds of declarations.
const OPENAPIV2: u32 = 1042;

/// The values of `google.api.field_behavior` that matter for a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behavior {
    Required = 2,
    OutputOnly = 3,
    InputOnly = 4,
    Immutable = 5,
}

impl Behavior {
    pub(super) fn is_of(self, remark: Option<&Remark>) -> bool {
        remark.is_some_and(|remark| remark.numbers(FIELD_BEHAVIOR).contains(&(self as u64)))
    }
}

/// The documentation of a declaration, from its comments and options.
#[derive(Debug, Clone, Default)]
pub(super) struct Text {
    pub(super) title: String,
    pub(super) description: String,
    pub(super) example: Option<Value>,
    pub(super) deprecated: bool,
}

impl Text {
    /// The documentation of a message or an enum.
    pub(super) fn of_type(remark: Option<&Remark>) -> Self {
        let schema: Schema = option(remark);
        let Schema { json_schema, example } = schema;
        let inner = json_schema.unwrap_or_default();
        Self::joined(remark, inner.title, inner.description, [example, inner.example])
    }

    pub(super) fn of_field(remark: Option<&Remark>) -> Self {
        let JsonSchema { title, description, example } = option(remark);
        Self::joined(remark, title, description, [example, String::new()])
    }

    fn joined(remark: Option<&Remark>, title: String, description: String, examples: [String; 2]) -> Self {
        let comment = remark.map(|remark| remark.comment.clone()).unwrap_or_default();
        let example = examples.into_iter().find(|example| !example.is_empty());
        Self {
            title,
            description: if description.is_empty() { comment } else { description },
            // The example is JSON, or else plain text.
            example: example.map(|text| serde_json::from_str(&text).unwrap_or(Value::String(text))),
            deprecated: remark.is_some_and(|remark| remark.deprecated),
        }
    }

    /// Adds the documentation to a schema.
    pub(super) fn put(self, schema: &mut Map<String, Value>) {
        let texts = [("title", self.title), ("description", self.description)];
        for (name, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
            schema.insert(name.to_owned(), json!(text));
        }
        if let Some(example) = self.example {
            schema.insert("examples".to_owned(), json!([example]));
        }
        if self.deprecated {
            schema.insert("deprecated".to_owned(), json!(true));
        }
    }
}

/// The resource type that `google.api.resource_reference` gives for a field.
pub(super) fn resource(remark: Option<&Remark>) -> Option<String> {
    let encoded = remark?.messages(RESOURCE_REFERENCE);
    let reference = ResourceReference::decode(*encoded.last()?).ok()?;
    [reference.of, reference.child].into_iter().find(|name| !name.is_empty())
}

/// The option of an rpc.
pub(super) fn operation(remark: Option<&Remark>) -> Operation {
    option(remark)
}

/// The option of a service.
pub(super) fn tag(remark: Option<&Remark>) -> Tag {
    option(remark)
}

/// The option for the whole API, from the first file that has one.
pub(super) fn swagger(files: &[FileRemark]) -> Swagger {
    let said = files.iter().find(|file| !file.remark.messages(OPENAPIV2).is_empty());
    option(said.map(|file| &file.remark))
}

/// The option of grpc-gateway. One that cannot be decoded counts as empty.
fn option<M: Message + Default>(remark: Option<&Remark>) -> M {
    let encoded = remark.map(|remark| remark.messages(OPENAPIV2).concat()).unwrap_or_default();
    M::decode(encoded.as_slice()).unwrap_or_default()
}

#[derive(Clone, PartialEq, Message)]
struct ResourceReference {
    #[prost(string, tag = "1")]
    of: String,
    #[prost(string, tag = "2")]
    child: String,
}

#[derive(Clone, PartialEq, Message)]
struct Schema {
    #[prost(message, optional, tag = "1")]
    json_schema: Option<JsonSchema>,
    #[prost(string, tag = "6")]
    example: String,
}

#[derive(Clone, PartialEq, Message)]
struct JsonSchema {
    #[prost(string, tag = "5")]
    title: String,
    #[prost(string, tag = "6")]
    description: String,
    #[prost(string, tag = "9")]
    example: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Operation {
    #[prost(string, repeated, tag = "1")]
    pub(super) tags: Vec<String>,
    #[prost(string, tag = "2")]
    pub(super) summary: String,
    #[prost(string, tag = "3")]
    pub(super) description: String,
    #[prost(string, tag = "5")]
    pub(super) operation_id: String,
    #[prost(bool, tag = "11")]
    pub(super) deprecated: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Tag {
    #[prost(string, tag = "2")]
    pub(super) description: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Swagger {
    #[prost(message, optional, tag = "2")]
    pub(super) info: Option<SwaggerInfo>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SwaggerInfo {
    #[prost(string, tag = "1")]
    pub(super) title: String,
    #[prost(string, tag = "2")]
    pub(super) description: String,
    #[prost(string, tag = "3")]
    pub(super) terms_of_service: String,
    #[prost(message, optional, tag = "4")]
    pub(super) contact: Option<Contact>,
    #[prost(message, optional, tag = "5")]
    pub(super) license: Option<License>,
    #[prost(string, tag = "6")]
    pub(super) version: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Contact {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) url: String,
    #[prost(string, tag = "3")]
    pub(super) email: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct License {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) url: String,
}
