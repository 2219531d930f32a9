//! The parts of google/protobuf/descriptor.proto that Towbar reads, by their published field numbers.
//!
//! Options are kept as bytes: their meaning is known only when the extensions of all files are. Unlike the descriptors
//! of our libraries, these also cover editions.

use prost::Message;

#[derive(Clone, PartialEq, Message)]
pub(super) struct File {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) package: String,
    #[prost(string, repeated, tag = "3")]
    pub(super) dependency: Vec<String>,
    #[prost(message, repeated, tag = "4")]
    pub(super) messages: Vec<MessageType>,
    #[prost(message, repeated, tag = "5")]
    pub(super) enums: Vec<EnumType>,
    #[prost(message, repeated, tag = "6")]
    pub(super) services: Vec<Service>,
    #[prost(message, repeated, tag = "7")]
    pub(super) extensions: Vec<FieldType>,
    #[prost(message, optional, tag = "8")]
    pub(super) options: Option<FileOptions>,
    #[prost(string, tag = "12")]
    pub(super) syntax: String,
    #[prost(int32, tag = "14")]
    pub(super) edition: i32,
}

impl File {
    /// Whether it consists of a name and nothing else.
    pub(super) fn is_placeholder(&self) -> bool {
        self.dependency.is_empty() && self.extensions.is_empty() && self.symbols().next().is_none()
    }

    /// The full names of its top-level declarations.
    pub(super) fn symbols(&self) -> impl Iterator<Item = String> {
        let messages = self.messages.iter().map(|declared| &declared.name);
        let enums = self.enums.iter().map(|declared| &declared.name);
        let services = self.services.iter().map(|declared| &declared.name);
        let extensions = self.extensions.iter().map(|declared| &declared.name);
        let dot = if self.package.is_empty() { "" } else { "." };
        let full = move |name: &String| format!("{}{dot}{name}", self.package);
        messages.chain(enums).chain(services).chain(extensions).map(full)
    }
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct FileOptions {
    #[prost(message, optional, tag = "50")]
    pub(super) features: Option<FeatureSet>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct MessageType {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(message, repeated, tag = "2")]
    pub(super) fields: Vec<FieldType>,
    #[prost(message, repeated, tag = "3")]
    pub(super) messages: Vec<Self>,
    #[prost(message, repeated, tag = "4")]
    pub(super) enums: Vec<EnumType>,
    #[prost(message, repeated, tag = "5")]
    pub(super) extension_ranges: Vec<Range>,
    #[prost(message, repeated, tag = "6")]
    pub(super) extensions: Vec<FieldType>,
    #[prost(message, repeated, tag = "8")]
    pub(super) oneofs: Vec<Oneof>,
    #[prost(bytes = "vec", tag = "7")]
    pub(super) options: Vec<u8>,
    #[prost(message, repeated, tag = "9")]
    pub(super) reserved_ranges: Vec<Range>,
}

/// A range of field numbers, for extensions or reserved.
#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Range {
    #[prost(int32, tag = "1")]
    start: i32,
    /// The end of the range; not part of it.
    #[prost(int32, tag = "2")]
    end: i32,
}

impl Range {
    pub(super) fn holds(&self, number: i32) -> bool {
        (self.start..self.end).contains(&number)
    }
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct MessageOptions {
    #[prost(bool, tag = "1")]
    pub(super) message_set_wire_format: bool,
    #[prost(bool, tag = "7")]
    pub(super) map_entry: bool,
    #[prost(message, optional, tag = "12")]
    pub(super) features: Option<FeatureSet>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Oneof {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) options: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct FieldType {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) extendee: String,
    #[prost(int32, tag = "3")]
    pub(super) number: i32,
    /// 1 optional, 2 required, 3 repeated.
    #[prost(int32, tag = "4")]
    pub(super) label: i32,
    #[prost(int32, tag = "5")]
    pub(super) kind: i32,
    #[prost(string, tag = "6")]
    pub(super) type_name: String,
    #[prost(bytes = "vec", tag = "8")]
    pub(super) options: Vec<u8>,
    #[prost(int32, optional, tag = "9")]
    pub(super) oneof_index: Option<i32>,
    #[prost(string, optional, tag = "10")]
    pub(super) json_name: Option<String>,
    #[prost(bool, tag = "17")]
    pub(super) proto3_optional: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct FieldOptions {
    #[prost(bool, optional, tag = "2")]
    pub(super) packed: Option<bool>,
    #[prost(bool, tag = "16")]
    pub(super) debug_redact: bool,
    #[prost(message, optional, tag = "21")]
    pub(super) features: Option<FeatureSet>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct EnumType {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(message, repeated, tag = "2")]
    pub(super) values: Vec<EnumValue>,
    #[prost(message, optional, tag = "3")]
    pub(super) options: Option<EnumOptions>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct EnumOptions {
    #[prost(bool, tag = "2")]
    pub(super) allow_alias: bool,
    #[prost(message, optional, tag = "7")]
    pub(super) features: Option<FeatureSet>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct EnumValue {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(int32, tag = "2")]
    pub(super) number: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Service {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(message, repeated, tag = "2")]
    pub(super) methods: Vec<Method>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Method {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) input: String,
    #[prost(string, tag = "3")]
    pub(super) output: String,
    #[prost(bytes = "vec", tag = "4")]
    pub(super) options: Vec<u8>,
    #[prost(bool, tag = "5")]
    pub(super) client_streaming: bool,
    #[prost(bool, tag = "6")]
    pub(super) server_streaming: bool,
}

/// Editions: the features that a file, message, enum or field sets itself.
#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct FeatureSet {
    /// 1 explicit, 2 implicit, 3 legacy required.
    #[prost(int32, optional, tag = "1")]
    pub(super) field_presence: Option<i32>,
    /// 1 open, 2 closed.
    #[prost(int32, optional, tag = "2")]
    pub(super) enum_type: Option<i32>,
    /// 1 packed, 2 expanded.
    #[prost(int32, optional, tag = "3")]
    pub(super) repeated_field_encoding: Option<i32>,
    /// 1 length-prefixed, 2 delimited.
    #[prost(int32, optional, tag = "5")]
    pub(super) message_encoding: Option<i32>,
}
