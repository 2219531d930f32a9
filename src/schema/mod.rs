//! What was compiled from the descriptors: messages, fields, rpcs and their rules.
//!
//! `.proto` files, folders and descriptor sets in; a [`Schema`] out, or every [`Problem`] found. The one place that
//! loads descriptors and reads their options. Knows no URLs, no JSON text, no sockets.

mod load;
mod path;
mod rule;

use std::path::PathBuf;

use prost_reflect::{DescriptorPool, FieldDescriptor, Kind, MessageDescriptor};

use crate::problem::Problem;

pub use path::{FieldPath, PathError};
pub use rule::{Pattern, Rule, RuleError};

/// Every message and rpc of the descriptors.
#[derive(Debug, Clone)]
pub struct Schema {
    pool: DescriptorPool,
    rpcs: Vec<Rpc>,
}

/// One method of a service.
#[derive(Debug, Clone)]
pub struct Rpc {
    /// `package.Service.Method`.
    pub name: String,
    /// `/package.Service/Method`, the `:path` of the gRPC call.
    pub path: String,
    /// What a request is made of.
    pub input: Message,
    /// What a reply is made of.
    pub output: Message,
    /// Whether either side streams.
    pub streams: bool,
    /// Its `google.api.http` rule with the additional bindings, in order; empty without annotation.
    pub rules: Result<Vec<Rule>, RuleError>,
}

/// A message type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message(pub(crate) MessageDescriptor);

/// A field of a message type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field(pub(crate) FieldDescriptor);

impl Schema {
    /// Loads `.proto` files, folders of them and descriptor sets.
    ///
    /// # Errors
    /// Everything wrong with them, in one list.
    pub fn load(paths: &[PathBuf]) -> Result<Self, Vec<Problem>> {
        load::pool(paths).map(Self::from_pool)
    }

    /// Loads one descriptor set that is at hand as bytes; `name` stands for it in problems.
    ///
    /// # Errors
    /// Everything wrong with it.
    pub fn decode(name: &str, descriptor_set: &[u8]) -> Result<Self, Vec<Problem>> {
        load::pool_from_set(name, descriptor_set).map(Self::from_pool)
    }

    fn from_pool(pool: DescriptorPool) -> Self {
        let rpcs = rule::rpcs(&pool);
        Self { pool, rpcs }
    }

    /// All rpcs, in the order of the descriptors.
    #[must_use]
    pub fn rpcs(&self) -> &[Rpc] {
        &self.rpcs
    }

    /// The message type of this full name.
    #[must_use]
    pub fn message(&self, full_name: &str) -> Option<Message> {
        self.pool.get_message_by_name(full_name).map(Message)
    }
}

impl Message {
    /// `package.Message`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.full_name()
    }

    /// The field of this name, as the proto file or as JSON spells it.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<Field> {
        self.0.get_field_by_name(name).or_else(|| self.0.get_field_by_json_name(name)).map(Field)
    }

    /// Its fields, by number.
    pub fn fields(&self) -> impl Iterator<Item = Field> + '_ {
        self.0.fields().map(Field)
    }

    /// Whether it is a list: it has exactly one repeated message field.
    #[must_use]
    pub fn is_list(&self) -> bool {
        self.0.fields().filter(|field| field.is_list() && matches!(field.kind(), Kind::Message(_))).count() == 1
    }
}

impl Field {
    /// The name in the proto file.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// Whether it holds a list or a map.
    #[must_use]
    pub fn is_repeated(&self) -> bool {
        self.0.is_list() || self.0.is_map()
    }

    /// Its message type, if it has one.
    #[must_use]
    pub fn message(&self) -> Option<Message> {
        match self.0.kind() {
            Kind::Message(message) => Some(Message(message)),
            _ => None,
        }
    }

    /// Whether its value must not be shown: the field or its message type is marked
    /// `io.token.proto.extensions.{field,message}.redact`, or the field `debug_redact` (descriptor.proto).
    #[must_use]
    pub fn is_redacted(&self) -> bool {
        let options = self.0.options();
        let debug = options.get_field_by_name("debug_redact").and_then(|value| value.as_bool()) == Some(true);
        let pool = self.0.parent_pool();
        let holder = self.message().is_some_and(|m| marked(pool, &m.0.options(), MESSAGE_REDACT));
        let owner = marked(pool, &self.0.parent_message().options(), MESSAGE_REDACT);
        debug || holder || owner || marked(pool, &options, FIELD_REDACT)
    }
}

const FIELD_REDACT: &str = "io.token.proto.extensions.field.redact";
const MESSAGE_REDACT: &str = "io.token.proto.extensions.message.redact";

fn marked(pool: &DescriptorPool, options: &prost_reflect::DynamicMessage, extension: &str) -> bool {
    let Some(extension) = pool.get_extension_by_name(extension) else { return false };
    options.has_extension(&extension) && options.get_extension(&extension).as_bool() == Some(true)
}

/// For the unit tests of rows above: the schema of one `.proto` text.
#[cfg(test)]
pub(crate) fn schema_of(proto: &str) -> Result<Schema, Vec<Problem>> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("test.proto"), proto).unwrap();
    Schema::load(&[folder.path().to_owned()])
}
