//! Dotted field paths, resolved once.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, OnceLock};

use super::message::{Field, Message};
use crate::format::names::Names;

/// A path from a message to a field inside it. Every field but the last is a singular message. Never empty. Cheap to
/// clone.
#[derive(Clone, PartialEq, Eq)]
pub struct FieldPath(Arc<[Field]>);

/// Why a dotted name cannot be resolved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// The message has no such field.
    #[error("expected a field of `{message}`, found `{name}`")]
    Unknown { message: String, name: String },
    /// The path leads through a list, a map or a scalar.
    #[error("expected a single message before the dot, found `{name}`")]
    NotMessage { name: String },
}

/// Resolves field paths that start at one message. Short paths, which callers use most, are cached.
#[derive(Debug, Clone)]
pub struct Paths {
    message: Message,
    /// Filled at first use, because most routes are never called.
    at_hand: OnceLock<Names<FieldPath>>,
}

/// How many paths are cached. Fields of the message itself come before those inside them. There is a limit because
/// messages may contain each other.
const AT_HAND: usize = 64;

impl Paths {
    /// Creates a resolver for paths that start at `message`.
    #[must_use]
    pub fn from(message: &Message) -> Self {
        Self { message: message.clone(), at_hand: OnceLock::new() }
    }

    fn at_hand(&self) -> &Names<FieldPath> {
        self.at_hand.get_or_init(|| {
            let mut at_hand = Names::default();
            let mut messages = VecDeque::from([(self.message.clone(), [String::new(), String::new()])]);
            let mut left = AT_HAND;
            while let Some((inner, before)) = messages.pop_front() {
                for field in inner.fields().take(left) {
                    left -= 1;
                    let [name, json_name] = &before;
                    let names = [format!("{name}{}", field.name()), format!("{json_name}{}", field.table().json_name)];
                    for name in &names {
                        if let Ok(path) = FieldPath::resolve(&self.message, name) {
                            at_hand.insert(name.as_str().into(), path);
                        }
                    }
                    if let Some(inner) = field.message().filter(|_| !field.is_repeated()) {
                        messages.push_back((inner, names.map(|name| name + ".")));
                    }
                }
            }
            at_hand
        })
    }

    /// Resolves a dotted name, like [`FieldPath::resolve`].
    ///
    /// # Errors
    /// The first name that cannot be resolved.
    pub fn resolve(&self, dotted: &str) -> Result<FieldPath, PathError> {
        match self.at_hand().get(dotted) {
            Some(path) => Ok(path.clone()),
            None => FieldPath::resolve(&self.message, dotted),
        }
    }
}

impl Paths {
    /// The shortest cached path to a field inside another message that has this name, in any case, and that `fits`.
    #[must_use]
    pub fn leading_to(&self, name: &str, fits: impl Fn(&Field) -> bool) -> Option<&str> {
        let is_named = |path: &str| path.rsplit_once('.').is_some_and(|(_, last)| last.eq_ignore_ascii_case(name));
        let paths = self.at_hand().iter().filter(|(text, path)| is_named(text) && fits(path.leaf()));
        paths.map(|(text, _)| &**text).min_by_key(|text| (text.len(), *text))
    }
}

impl FieldPath {
    /// Resolves `dotted`, starting at `message`. Each name may be spelled as in the proto file or as in JSON.
    ///
    /// # Errors
    /// The first name that cannot be resolved.
    pub fn resolve(message: &Message, dotted: &str) -> Result<Self, PathError> {
        Self::resolve_by(message, dotted, Message::field)
    }

    /// Resolves a dotted name from the configuration. Its case matters even if callers may spell names in any case.
    ///
    /// # Errors
    /// The first name that cannot be resolved.
    pub fn resolve_exactly(message: &Message, dotted: &str) -> Result<Self, PathError> {
        Self::resolve_by(message, dotted, Message::exact_field)
    }

    fn resolve_by(
        message: &Message,
        dotted: &str,
        field: impl Fn(&Message, &str) -> Option<Field>,
    ) -> Result<Self, PathError> {
        let mut fields: Vec<Field> = Vec::new();
        let mut here = message.clone();
        for name in dotted.split('.') {
            if let Some(last) = fields.last() {
                here = last
                    .message()
                    .filter(|_| !last.is_repeated())
                    .ok_or_else(|| PathError::NotMessage { name: last.name().to_owned() })?;
            }
            let field = field(&here, name)
                .ok_or_else(|| PathError::Unknown { message: here.name().to_owned(), name: name.to_owned() })?;
            fields.push(field);
        }
        Ok(Self(fields.into()))
    }

    /// The last field of the path.
    #[must_use]
    pub fn leaf(&self) -> &Field {
        self.0.last().expect("a path is resolved from at least one name")
    }

    /// All fields of the path, including the last.
    #[must_use]
    pub fn fields(&self) -> &[Field] {
        &self.0
    }

    /// The dotted JSON names.
    #[must_use]
    pub fn json_name(&self) -> String {
        self.0.iter().map(|field| &*field.table().json_name).collect::<Vec<_>>().join(".")
    }

    /// Whether `self` is equal to `other` or lies inside it.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }

    /// Whether at most one of the two can be set: where the paths diverge, their fields belong to the same oneof.
    #[must_use]
    pub fn excludes(&self, other: &Self) -> bool {
        let parting = self.0.iter().zip(other.0.iter()).find(|(here, there)| here != there);
        parting.is_some_and(|(here, there)| here.table().oneof.is_some() && here.table().oneof == there.table().oneof)
    }

    /// Whether any field of the path is redacted.
    #[must_use]
    pub fn is_redacted(&self) -> bool {
        self.0.iter().any(Field::is_redacted)
    }
}

impl fmt::Debug for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FieldPath({self})")
    }
}

/// Writes the dotted names of the proto file.
impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, field) in self.0.iter().enumerate() {
            let dot = if index == 0 { "" } else { "." };
            write!(f, "{dot}{}", field.name())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::schema_of;

    #[test]
    fn field_paths_resolve_alike_whether_cached_or_not() {
        let wide: String = (100..200).map(|number| format!("string f{number} = {number};")).collect();
        let proto = format!(
            "syntax = \"proto3\"; package t; message Leaf {{ int32 size_of = 1; }} message Tree {{ Leaf leaf = 1; Tree tree = 2; }} \
             message Node {{ string a_name = 1; Node a_node = 2; repeated Node nodes = 3; map<string, Node> map = 4; {wide} }}"
        );
        let schema = schema_of(&proto).unwrap();
        for (message, names) in [
            ("t.Node", &["a_name", "aName", "a_node.aNode.a_name", "nodes", "map", "f199", "a_node.f199"][..]),
            ("t.Tree", &["leaf.size_of", "leaf.sizeOf", "tree.tree.tree.tree.leaf.sizeOf"]),
        ] {
            let message = schema.message(message).unwrap();
            let paths = Paths::from(&message);
            for name in names {
                assert_eq!(paths.resolve(name), FieldPath::resolve(&message, name), "{name}");
            }
            let names = paths.at_hand().iter();
            names.for_each(|(name, path)| assert_eq!(Ok(path), FieldPath::resolve(&message, name).as_ref(), "{name}"));
            // Each field has one or two names.
            assert!((AT_HAND..=2 * AT_HAND).contains(&paths.at_hand().len()), "{}", paths.at_hand().len());
            for none in ["", "a", "A_NAME", "nodes.a_name", "map.key", "a_name.x", "leaf.", ".leaf"] {
                assert_eq!(paths.resolve(none), FieldPath::resolve(&message, none), "{none}");
                assert!(paths.resolve(none).is_err(), "{none}");
            }
        }
    }
}
