//! What was compiled from the descriptors: messages, fields, rpcs and their rules.
//!
//! `.proto` files, folders and descriptor sets in; a [`Schema`] out, or every [`Problem`] found. Everything is compiled
//! once into flat [`Tables`] that the codec runs on; a [`Message`] or a [`Field`] is a place in them. Knows no URLs, no
//! JSON text but the names of fields, no sockets.

mod apart;
mod case;
mod check;
mod clash;
mod common;
mod compile;
mod descriptor;
mod edition;
mod features;
pub mod generated;
mod load;
mod option_imports;
mod path;
mod prefix;
mod protos;
mod roots;
mod rule;
mod source;
mod table;
mod unit;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::format::problem::Problem;

pub use case::{Alike, AnyCase, Named};
pub use path::{FieldPath, PathError, Paths};
pub use prefix::{KeepsPrefix, PrefixProblem};
pub use rule::{Pattern, Rule, RuleError};
pub use table::{EnumId, EnumTable, FieldTable, Kind, Known, MessageId, MessageTable, Shape, Tables};

/// Every message and rpc of the descriptors.
#[derive(Debug, Clone)]
pub struct Schema {
    tables: Arc<Tables>,
    rpcs: Vec<RpcDescriptor>,
    files: Vec<PathBuf>,
    clashes: Arc<clash::Clashes>,
    uncompiled: Vec<Uncompiled>,
    warnings: Vec<String>,
}

/// A `.proto` file that does not compile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uncompiled {
    /// Why: what is wrong with it, or with what it imports.
    pub problems: Vec<Problem>,
    /// What it declares.
    pub rpcs: Vec<DeclaredRpc>,
}

/// An rpc of a file that does not compile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredRpc {
    /// `package.Service.Method`.
    pub name: String,
    /// Whether it seems to have a `google.api.http` rule.
    pub is_annotated: bool,
}

/// How imports of `.proto` files are found, besides in the sources themselves.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Imports {
    /// More folders that imports count from; they are searched before the sources.
    pub paths: Vec<PathBuf>,
    /// Whether well-known files that hold nothing but options for other tools may be absent. Their options are left out then.
    pub skips_missing_options: bool,
}

/// Where descriptors come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A `.proto` file, a folder of them or a descriptor set.
    Path(PathBuf),
    /// A descriptor set that is at hand.
    Set {
        /// What it is called in problems.
        name: String,
        /// An encoded `google.protobuf.FileDescriptorSet`.
        set: Vec<u8>,
    },
    /// The same, as a server gave it by reflection.
    Reflection {
        /// What it is called in problems.
        name: String,
        /// An encoded `google.protobuf.FileDescriptorSet`.
        set: Vec<u8>,
    },
}

/// The `.proto` files below a folder, sorted.
///
/// # Errors
/// A folder cannot be read.
pub fn proto_files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    roots::proto_files(folder)
}

/// A file of google/protobuf, google/api or google/rpc that everybody knows, encoded, with what it imports before it.
#[must_use]
pub fn bundled(name: &str) -> Option<Vec<Vec<u8>>> {
    load::bundled(name)
}

/// The message of this full name that an `Any` may hold: one of the descriptors, or one that everybody knows, whatever they import, as the
/// well-known types and those of google/rpc.
#[must_use]
pub fn find_any<'a>(descriptors: &'a Tables, full_name: &str) -> Option<(&'a Tables, MessageId)> {
    let of = |tables: &'a Tables| tables.find(full_name).map(|id| (tables, id));
    of(descriptors).or_else(|| of(common::tables()))
}

/// One method of a service.
#[derive(Debug, Clone)]
pub struct RpcDescriptor {
    /// `package.Service.Method`.
    pub name: String,
    /// `/package.Service/Method`, the `:path` of the gRPC call.
    pub path: String,
    /// The `.proto` file that declares it, as imports name it.
    pub file: String,
    /// What a request is made of.
    pub input: Message,
    /// What a reply is made of.
    pub output: Message,
    /// Whether the caller sends several messages.
    pub client_streams: bool,
    /// Whether the backend does.
    pub server_streams: bool,
    /// Whether its `idempotency_level` (descriptor.proto) is NO_SIDE_EFFECTS or IDEMPOTENT.
    pub is_idempotent: bool,
    /// Its `google.api.http` rule with the additional bindings, in order; empty without annotation.
    pub rules: Result<Vec<Rule>, RuleError>,
}

/// A message type.
#[derive(Clone)]
pub struct Message {
    tables: Arc<Tables>,
    id: MessageId,
}

/// A field of a message type.
#[derive(Clone)]
pub struct Field {
    tables: Arc<Tables>,
    message: MessageId,
    index: usize,
}

impl Schema {
    /// Loads `.proto` files, folders of them and descriptor sets.
    ///
    /// # Errors
    /// Everything wrong with them, in one list.
    pub fn load(paths: &[PathBuf]) -> Result<Self, Vec<Problem>> {
        Self::join(&paths.iter().cloned().map(Source::Path).collect::<Vec<_>>())
    }

    /// Loads several sources together. A file that two of them have must be the same in both.
    ///
    /// # Errors
    /// Everything wrong with them, in one list.
    pub fn join(sources: &[Source]) -> Result<Self, Vec<Problem>> {
        Self::join_with(sources, &Imports::default())
    }

    /// Loads several sources together as [`Schema::join`] does, with more folders in which imports are searched.
    ///
    /// # Errors
    /// Everything wrong with them, in one list.
    pub fn join_with(sources: &[Source], imports: &Imports) -> Result<Self, Vec<Problem>> {
        // On a thread of its own: what it allocates is many times what stays, and goes back to the system as a whole where
        // nothing that stays lies between. So all that stays is made here.
        let loaded = std::thread::scope(|scope| scope.spawn(|| load::files(sources, imports)).join());
        let loaded = loaded.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        let load::Loaded { files, origins, read, uncompiled, warnings } = &loaded;
        let mut tables = compile::compile(files)?;
        let clashes = Arc::new(clash::Clashes::of(files, origins, &mut tables));
        let tables = Arc::new(tables);
        let rpcs = rule::rpcs(files, &tables)?;
        let (files, uncompiled, warnings) = (read.clone(), uncompiled.clone(), warnings.clone());
        Ok(Self { tables, rpcs, files, clashes, uncompiled, warnings })
    }

    /// Loads one descriptor set that is at hand as bytes; `name` stands for it in problems.
    ///
    /// # Errors
    /// Everything wrong with it.
    pub fn decode(name: &str, descriptor_set: &[u8]) -> Result<Self, Vec<Problem>> {
        Self::join(&[Source::Set { name: name.to_owned(), set: descriptor_set.to_vec() }])
    }

    /// The same messages and rpcs with these tables, which have them in the same places.
    fn with_tables(&self, tables: Arc<Tables>) -> Self {
        let mut schema = self.clone();
        for rpc in &mut schema.rpcs {
            rpc.input.tables = Arc::clone(&tables);
            rpc.output.tables = Arc::clone(&tables);
        }
        Self { tables, ..schema }
    }

    /// All rpcs, in the order of the descriptors.
    #[must_use]
    pub fn rpcs(&self) -> &[RpcDescriptor] {
        &self.rpcs
    }

    /// The `.proto` files that were read, those that others import among them.
    #[must_use]
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// The `.proto` files that do not compile, of which it is not known yet whether anything served needs them.
    #[must_use]
    pub fn uncompiled(&self) -> &[Uncompiled] {
        &self.uncompiled
    }

    /// What is to be known of the descriptors, though they can be used.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// What is wrong with these messages, and with those in them: two fields that JSON cannot tell apart.
    #[must_use]
    pub fn clashes<'a>(&self, messages: impl Iterator<Item = &'a Message>) -> Vec<Problem> {
        self.clashes.reached(messages)
    }

    /// All messages, those within others too.
    pub fn messages(&self) -> impl Iterator<Item = Message> {
        let message = |index| Message { tables: Arc::clone(&self.tables), id: MessageId(index as u32) };
        (0..self.tables.messages.len()).map(message)
    }

    /// The message type of this full name.
    #[must_use]
    pub fn message(&self, full_name: &str) -> Option<Message> {
        self.tables.find(full_name).map(|id| Message { tables: Arc::clone(&self.tables), id })
    }
}

impl Message {
    /// `package.Message`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.table().name
    }

    /// Its place in the tables.
    #[must_use]
    pub fn id(&self) -> MessageId {
        self.id
    }

    /// The tables that it is in.
    #[must_use]
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    /// What is compiled of it.
    #[must_use]
    pub fn table(&self) -> &MessageTable {
        self.tables.message(self.id)
    }

    /// The field of this name, as the proto file or as JSON spells it; in any case, where that is read.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<Field> {
        let index = self.table().by_name(name)?;
        Some(Field { tables: Arc::clone(&self.tables), message: self.id, index })
    }

    fn fields(&self) -> impl Iterator<Item = Field> {
        let field = |index| Field { tables: Arc::clone(&self.tables), message: self.id, index };
        (0..self.table().fields.len()).map(field)
    }

    /// The field of exactly this name, where others read names in any case.
    fn exact_field(&self, name: &str) -> Option<Field> {
        let index = self.table().by_exact_name(name)?;
        Some(Field { tables: Arc::clone(&self.tables), message: self.id, index })
    }

    /// Whether it is a list: it has exactly one repeated message field.
    #[must_use]
    pub fn is_list(&self) -> bool {
        let is_list = |field: &&FieldTable| field.shape == Shape::Repeated && field.kind.message().is_some();
        self.table().fields.iter().filter(is_list).count() == 1
    }
}

impl Field {
    /// What is compiled of it.
    #[must_use]
    pub fn table(&self) -> &FieldTable {
        &self.tables.message(self.message).fields[self.index]
    }

    /// The tables that it is in.
    #[must_use]
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    /// The message that it is a field of.
    #[must_use]
    pub fn owner(&self) -> MessageId {
        self.message
    }

    /// Its place among the fields of its message.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// The name in the proto file.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.table().name
    }

    /// Whether it holds a list or a map.
    #[must_use]
    pub fn is_repeated(&self) -> bool {
        self.table().is_repeated()
    }

    /// Its message type, if it has one.
    #[must_use]
    pub fn message(&self) -> Option<Message> {
        self.table().kind.message().map(|id| Message { tables: Arc::clone(&self.tables), id })
    }

    /// Whether its value must not be shown: the field or a message type is marked
    /// `io.token.proto.extensions.{field,message}.redact`, or the field `debug_redact` (descriptor.proto).
    #[must_use]
    pub fn is_redacted(&self) -> bool {
        self.table().redacted
    }
}

impl PartialEq for Message {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && Arc::ptr_eq(&self.tables, &other.tables)
    }
}

impl Eq for Message {}

impl PartialEq for Field {
    fn eq(&self, other: &Self) -> bool {
        (self.message, self.index) == (other.message, other.index) && Arc::ptr_eq(&self.tables, &other.tables)
    }
}

impl Eq for Field {}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message({})", self.name())
    }
}

impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Field({}.{})", self.tables.message(self.message).name, self.name())
    }
}

/// For the unit tests of rows above: the schema of one `.proto` text.
#[cfg(test)]
pub(crate) fn schema_of(proto: &str) -> Result<Schema, Vec<Problem>> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("test.proto"), proto).unwrap();
    Schema::load(&[folder.path().to_owned()])
}
