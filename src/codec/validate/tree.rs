//! Rules as they are written: a tree of names and texts, each with its place.

/// Where rules come from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sources {
    /// Rules of files.
    pub rules: Vec<MessageRules>,
    /// Whether the options of `buf.validate` in the descriptors are rules.
    pub protovalidate: bool,
    /// Whether REQUIRED of `google.api.field_behavior` in the descriptors is a rule.
    pub field_behavior: bool,
    /// Whether violations are also told as `buf.validate.Violations`.
    pub tells_buf: bool,
}

impl Sources {
    /// Whether there are no rules.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty() && !self.protovalidate && !self.field_behavior
    }
}

/// The rules of one message type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageRules {
    /// The full name of the message type.
    pub message: String,
    /// Where they stand, for problems.
    pub place: String,
    /// A map from names of fields and oneofs to their rules.
    pub fields: Tree,
}

/// A value and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    pub place: String,
    pub value: TreeValue,
}

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TreeValue {
    Nothing,
    /// Text as it is written, also for numbers and truth values.
    Text(String),
    List(Vec<Tree>),
    Map(Vec<Member>),
    /// Rules that extend those of a type: only in descriptors.
    Predefined(Extended),
}

/// The rules of a type in wire format, with extensions among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extended {
    /// The full name of their message: `buf.validate.StringRules`.
    pub of: &'static str,
    /// The numbers of the extensions.
    pub numbers: Vec<u32>,
    pub rules: Vec<u8>,
}

/// A named value of a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub name: String,
    /// Where the name stands.
    pub place: String,
    pub value: Tree,
}

impl TreeValue {
    /// How a problem names it.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Nothing => "nothing".to_owned(),
            Self::Text(text) => format!("`{}`", text.trim_end()),
            Self::List(_) => "a list".to_owned(),
            Self::Map(_) => "a map".to_owned(),
            Self::Predefined(_) => "predefined rules".to_owned(),
        }
    }
}
