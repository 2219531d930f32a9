//! A JSON body into a [`Request`].

use std::borrow::Cow;

use prost_reflect::{
    DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage as _, Value,
};

use super::{BodyError, FieldProblem, Request, expectation, quoted, refuse_sibling, scalar};
use crate::json::{self, JsonError, Scanner};
use crate::schema::{Field, FieldPath};

/// A body, and what is known of it before it is read.
#[derive(Debug, Clone, Copy)]
pub struct Body<'a> {
    /// The bytes as they came.
    pub text: &'a [u8],
    /// The field that the body is the value of; `None` for the whole message.
    pub field: Option<&'a FieldPath>,
    /// Members that are passed over though the message has no such field.
    pub ignored: &'a Ignored,
    /// Fields that are bound elsewhere.
    pub bound: &'a [FieldPath],
}

/// Unknown members that a configuration allows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ignored(Vec<String>);

impl Ignored {
    /// Members by name, dotted where nested; list indices are left out.
    #[must_use]
    pub fn new(members: Vec<String>) -> Self {
        Self(members)
    }

    fn covers(&self, path: &[Step<'_>], name: &str) -> bool {
        !self.0.is_empty() && {
            let parents = path.iter().filter_map(|step| match step {
                Step::Member(name) => Some(name.as_ref()),
                Step::Index(_) => None,
            });
            let dotted: Vec<&str> = parents.chain([name]).collect();
            self.0.iter().any(|ignored| ignored.split('.').eq(dotted.iter().copied()))
        }
    }
}

impl Request {
    /// Reads `body` and gives the indices of those `bound` fields that it has a value for.
    ///
    /// # Errors
    /// The first thing in the body that is wrong.
    pub fn read(&mut self, body: Body<'_>) -> Result<Vec<usize>, BodyError> {
        let scanner = Scanner::new(body.text, json::DEPTH_LIMIT).map_err(BodyError::from)?;
        let mut reader = Reader { scanner, steps: Vec::new(), fields: Vec::new(), body, seen: Vec::new() };
        match body.field {
            None => reader.message(&mut self.message)?,
            Some(path) => reader.at_field(&mut self.message, path.fields())?,
        }
        reader.scanner.end().map_err(|error| reader.json(error))?;
        Ok(reader.seen)
    }
}

enum Step<'a> {
    Member(Cow<'a, str>),
    Index(usize),
}

struct Reader<'a> {
    scanner: Scanner<'a>,
    /// The way to the current value as the body spells it.
    steps: Vec<Step<'a>>,
    /// The same way in fields, from the request message on.
    fields: Vec<FieldDescriptor>,
    body: Body<'a>,
    seen: Vec<usize>,
}

impl<'a> Reader<'a> {
    fn at_field(&mut self, message: &mut DynamicMessage, path: &[Field]) -> Result<(), BodyError> {
        let (field, rest) = path.split_first().expect("a path is not empty");
        self.fields.push(field.0.clone());
        if rest.is_empty() {
            self.field(message, &field.0)
        } else {
            let next = message.get_field_mut(&field.0).as_message_mut().expect("only messages lie on a path");
            self.at_field(next, rest)
        }
    }

    fn message(&mut self, message: &mut DynamicMessage) -> Result<(), BodyError> {
        let descriptor = message.descriptor();
        if self.peek()? != json::Kind::Object {
            return Err(self.unexpected(expectation(&Kind::Message(descriptor))));
        }
        self.take(Scanner::begin_object)?;
        let mut first = true;
        let mut given: Vec<u32> = Vec::new();
        while let Some(name) = self.take(|scanner| scanner.member(&mut first))? {
            let found = descriptor.get_field_by_json_name(&name).or_else(|| descriptor.get_field_by_name(&name));
            let Some(field) = found else {
                self.unknown(name, &descriptor)?;
                continue;
            };
            self.steps.push(Step::Member(name));
            if given.contains(&field.number()) {
                return Err(self.error(FieldProblem::Twice));
            }
            given.push(field.number());
            self.member(message, field)?;
            self.steps.pop();
        }
        Ok(())
    }

    fn unknown(&mut self, name: Cow<'a, str>, descriptor: &MessageDescriptor) -> Result<(), BodyError> {
        if self.body.ignored.covers(&self.steps, &name) {
            self.take(Scanner::skip)?;
            return Ok(());
        }
        self.steps.push(Step::Member(name));
        Err(self.error(FieldProblem::Unknown { message: descriptor.full_name().to_owned() }))
    }

    fn member(&mut self, message: &mut DynamicMessage, field: FieldDescriptor) -> Result<(), BodyError> {
        if self.peek()? == json::Kind::Null && !takes_null(&field) {
            return self.take(Scanner::null);
        }
        refuse_sibling(message, &field).map_err(|problem| self.error(problem))?;
        self.fields.push(field.clone());
        self.note_bound();
        self.field(message, &field)?;
        self.fields.pop();
        Ok(())
    }

    fn note_bound(&mut self) {
        let is_here = |path: &FieldPath| path.fields().iter().map(|field| &field.0).eq(&self.fields);
        self.seen.extend(self.body.bound.iter().position(is_here));
    }

    fn field(&mut self, message: &mut DynamicMessage, field: &FieldDescriptor) -> Result<(), BodyError> {
        if field.is_map() {
            return self.map(message, field);
        }
        if field.is_list() {
            return self.list(message, field);
        }
        match field.kind() {
            Kind::Message(descriptor) if !has_own_form(&descriptor) => {
                let next = message.get_field_mut(field);
                self.message(next.as_message_mut().expect("a message field holds a message"))
            }
            kind => {
                let value = self.value(&kind)?;
                message.set_field(field, value);
                Ok(())
            }
        }
    }

    fn list(&mut self, message: &mut DynamicMessage, field: &FieldDescriptor) -> Result<(), BodyError> {
        let kind = field.kind();
        if self.peek()? != json::Kind::Array {
            return Err(self.unexpected(format!("an array, each element {}", expectation(&kind))));
        }
        self.take(Scanner::begin_array)?;
        let list = message.get_field_mut(field).as_list_mut().expect("a list field holds a list");
        let mut first = true;
        while self.take(|scanner| scanner.element(&mut first))? {
            self.steps.push(Step::Index(list.len()));
            list.push(self.value(&kind)?);
            self.steps.pop();
        }
        Ok(())
    }

    fn map(&mut self, message: &mut DynamicMessage, field: &FieldDescriptor) -> Result<(), BodyError> {
        let Kind::Message(entry) = field.kind() else { unreachable!("a map field holds entries") };
        let (key_kind, value_kind) = (entry.map_entry_key_field().kind(), entry.map_entry_value_field().kind());
        if self.peek()? != json::Kind::Object {
            return Err(self.unexpected(format!("an object, each value {}", expectation(&value_kind))));
        }
        self.take(Scanner::begin_object)?;
        let map = message.get_field_mut(field).as_map_mut().expect("a map field holds a map");
        let mut first = true;
        while let Some(name) = self.take(|scanner| scanner.member(&mut first))? {
            let key = map_key(&key_kind, &name);
            let found = if self.shows() { quoted(&name) } else { "another text".to_owned() };
            // The keys of a redacted map are as secret as its values.
            self.steps.push(Step::Member(if self.shows() { name } else { "...".into() }));
            let expected = || format!("a key that is {}", expectation(&key_kind));
            let key = key.ok_or_else(|| self.error(FieldProblem::Unexpected { expected: expected(), found }))?;
            if map.contains_key(&key) {
                return Err(self.error(FieldProblem::Twice));
            }
            let value = self.value(&value_kind)?;
            map.insert(key, value);
            self.steps.pop();
        }
        Ok(())
    }

    /// One value that stands alone or in a list or a map.
    fn value(&mut self, kind: &Kind) -> Result<Value, BodyError> {
        match kind {
            Kind::Message(descriptor) => self.message_value(descriptor),
            Kind::Enum(descriptor) => self.enum_value(descriptor),
            Kind::Bool => match self.peek()? {
                json::Kind::Bool => self.take(Scanner::boolean).map(Value::Bool),
                _ => Err(self.unexpected(expectation(kind))),
            },
            Kind::String | Kind::Bytes => match self.peek()? {
                json::Kind::String => self.scalar(kind, |scanner| scanner.string(), scalar::from_text),
                _ => Err(self.unexpected(expectation(kind))),
            },
            _ => match self.peek()? {
                json::Kind::Number => self.scalar(kind, |scanner| scanner.number().map(Cow::Borrowed), scalar::number),
                json::Kind::String => self.scalar(kind, |scanner| scanner.string(), scalar::number),
                _ => Err(self.unexpected(expectation(kind))),
            },
        }
    }

    fn scalar(
        &mut self,
        kind: &Kind,
        take: impl FnOnce(&mut Scanner<'a>) -> Result<Cow<'a, str>, JsonError>,
        read: impl FnOnce(&Kind, &str) -> Option<Value>,
    ) -> Result<Value, BodyError> {
        let before = self.scanner.clone();
        let text = self.take(take)?;
        read(kind, &text).ok_or_else(|| {
            self.scanner = before;
            self.unexpected(expectation(kind))
        })
    }

    fn enum_value(&mut self, descriptor: &EnumDescriptor) -> Result<Value, BodyError> {
        let kind = Kind::Enum(descriptor.clone());
        match self.peek()? {
            json::Kind::Null if descriptor.full_name() == NULL_VALUE => {
                self.take(Scanner::null)?;
                Ok(Value::EnumNumber(0))
            }
            json::Kind::String => self.scalar(
                &kind,
                |scanner| scanner.string(),
                |_, name| descriptor.get_value_by_name(name).map(|value| Value::EnumNumber(value.number())),
            ),
            json::Kind::Number => self.scalar(
                &kind,
                |scanner| scanner.number().map(Cow::Borrowed),
                |_, number| scalar::enumeration(descriptor, number),
            ),
            _ => Err(self.unexpected(expectation(&kind))),
        }
    }

    fn message_value(&mut self, descriptor: &MessageDescriptor) -> Result<Value, BodyError> {
        if let Some(kind) = scalar::wrapped(descriptor) {
            return self.value(&kind).map(|value| scalar::wrap(descriptor, value));
        }
        if !has_own_form(descriptor) {
            let mut message = DynamicMessage::new(descriptor.clone());
            self.message(&mut message)?;
            return Ok(Value::Message(message));
        }
        let before = self.scanner.clone();
        let text = self.take(Scanner::skip)?;
        let mut json = serde_json::Deserializer::from_str(text);
        DynamicMessage::deserialize(descriptor.clone(), &mut json).map(Value::Message).map_err(|_| {
            self.scanner = before;
            self.unexpected(expectation(&Kind::Message(descriptor.clone())))
        })
    }

    fn peek(&mut self) -> Result<json::Kind, BodyError> {
        self.take(Scanner::peek)
    }

    fn take<T>(&mut self, take: impl FnOnce(&mut Scanner<'a>) -> Result<T, JsonError>) -> Result<T, BodyError> {
        take(&mut self.scanner).map_err(|error| self.json(error))
    }

    fn json(&self, error: JsonError) -> BodyError {
        BodyError { field: self.path(), place: error.place, problem: FieldProblem::Json(error.problem) }
    }

    fn error(&self, problem: FieldProblem) -> BodyError {
        BodyError { field: self.path(), place: self.scanner.place(), problem }
    }

    /// The error that the next value is not what was expected.
    fn unexpected(&self, expected: String) -> BodyError {
        match self.found() {
            Ok(found) => self.error(FieldProblem::Unexpected { expected, found }),
            Err(error) => self.json(error),
        }
    }

    /// The next value in words; in its own only where it may be shown.
    fn found(&self) -> Result<String, JsonError> {
        let mut ahead = self.scanner.clone();
        let (words, own) = match ahead.peek()? {
            json::Kind::Object => return Ok("an object".to_owned()),
            json::Kind::Array => return Ok("an array".to_owned()),
            json::Kind::String => ("a string", quoted(&ahead.string()?)),
            json::Kind::Number => ("a number", ahead.number()?.chars().take(40).collect()),
            json::Kind::Bool => ("a boolean", ahead.boolean()?.to_string()),
            json::Kind::Null => ("null", ahead.null().map(|()| "null".to_owned())?),
        };
        Ok(if self.shows() { own } else { words.to_owned() })
    }

    /// Whether the current value may be shown: no field on the way to it is redacted.
    fn shows(&self) -> bool {
        !self.fields.iter().any(|field| Field(field.clone()).is_redacted())
    }

    fn path(&self) -> String {
        let mut path = String::new();
        for step in &self.steps {
            match step {
                Step::Member(name) if path.is_empty() => path.push_str(name),
                Step::Member(name) => path.extend([".", name]),
                Step::Index(index) => path.push_str(&format!("[{index}]")),
            }
        }
        path
    }
}

const NULL_VALUE: &str = "google.protobuf.NullValue";

/// ProtoJSON: `null` stands for an unset field, but for these two it is a value.
fn takes_null(field: &FieldDescriptor) -> bool {
    if field.is_list() || field.is_map() {
        return false;
    }
    match field.kind() {
        Kind::Message(descriptor) => descriptor.full_name() == "google.protobuf.Value",
        Kind::Enum(descriptor) => descriptor.full_name() == NULL_VALUE,
        _ => false,
    }
}

/// Whether ProtoJSON gives the message a form of its own.
fn has_own_form(descriptor: &MessageDescriptor) -> bool {
    scalar::wrapped(descriptor).is_some()
        || matches!(
            descriptor.full_name(),
            "google.protobuf.Any"
                | "google.protobuf.Timestamp"
                | "google.protobuf.Duration"
                | "google.protobuf.FieldMask"
                | "google.protobuf.Struct"
                | "google.protobuf.Value"
                | "google.protobuf.ListValue"
        )
}

fn map_key(kind: &Kind, text: &str) -> Option<MapKey> {
    scalar::from_text(kind, text).and_then(Value::into_map_key)
}

impl From<JsonError> for BodyError {
    fn from(error: JsonError) -> Self {
        Self { field: String::new(), place: error.place, problem: FieldProblem::Json(error.problem) }
    }
}
