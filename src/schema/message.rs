//! Messages and fields, as references into the tables.

use std::fmt;
use std::sync::Arc;

use super::table::{FieldTable, MessageId, MessageTable, Shape, Tables};

/// A message type.
#[derive(Clone)]
pub struct Message {
    pub(super) tables: Arc<Tables>,
    pub(super) id: MessageId,
}

/// A field of a message type.
#[derive(Clone)]
pub struct Field {
    pub(super) tables: Arc<Tables>,
    pub(super) message: MessageId,
    pub(super) index: usize,
}

impl Message {
    /// The full name: `package.Message`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.table().name
    }

    #[must_use]
    pub fn id(&self) -> MessageId {
        self.id
    }

    /// The tables that contain it.
    #[must_use]
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    /// Another message type of the same tables.
    #[must_use]
    pub fn sibling(&self, id: MessageId) -> Self {
        Self { tables: Arc::clone(&self.tables), id }
    }

    /// Its compiled form.
    #[must_use]
    pub fn table(&self) -> &MessageTable {
        self.tables.message(self.id)
    }

    /// The field with this name, as spelled in the proto file or in JSON, and in any case if that is configured.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<Field> {
        let index = self.table().by_name(name)?;
        Some(Field { tables: Arc::clone(&self.tables), message: self.id, index })
    }

    /// Its fields and extensions, ordered by number.
    pub fn fields(&self) -> impl Iterator<Item = Field> {
        let field = |index| Field { tables: Arc::clone(&self.tables), message: self.id, index };
        (0..self.table().fields.len()).map(field)
    }

    /// The field with exactly this name, even if case-insensitive names are configured.
    pub(super) fn exact_field(&self, name: &str) -> Option<Field> {
        let index = self.table().by_exact_name(name)?;
        Some(Field { tables: Arc::clone(&self.tables), message: self.id, index })
    }

    /// Whether it is a list message: one with exactly one repeated message field.
    #[must_use]
    pub fn is_list(&self) -> bool {
        let is_list = |field: &&FieldTable| field.shape == Shape::Repeated && field.kind.message().is_some();
        self.table().fields.iter().filter(is_list).count() == 1
    }
}

impl Field {
    /// Its compiled form.
    #[must_use]
    pub fn table(&self) -> &FieldTable {
        &self.tables.message(self.message).fields[self.index]
    }

    /// The tables that contain it.
    #[must_use]
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    /// The message that the field belongs to.
    #[must_use]
    pub fn owner(&self) -> MessageId {
        self.message
    }

    /// The message type that the field belongs to.
    #[must_use]
    pub fn declaring(&self) -> Message {
        Message { tables: Arc::clone(&self.tables), id: self.message }
    }

    /// Its index among the fields of its message.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// The name in the proto file.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.table().name
    }

    /// Whether it is a list or a map.
    #[must_use]
    pub fn is_repeated(&self) -> bool {
        self.table().is_repeated()
    }

    /// Its message type; `None` for scalars and enums.
    #[must_use]
    pub fn message(&self) -> Option<Message> {
        self.table().kind.message().map(|id| Message { tables: Arc::clone(&self.tables), id })
    }

    /// Whether its value must not be shown. That is the case if the field or a message type is marked
    /// `io.token.proto.extensions.{field,message}.redact`, or the field is marked `debug_redact` (descriptor.proto).
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
