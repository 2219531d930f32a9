//! Converts JSON to wire format for messages with a special ProtoJSON form.

use std::collections::HashSet;

use super::bound::{BoundField, BoundText, BoundValue, leaf_of};
use super::encoder::{Context, Encoder};
use super::error::RequestError;
use super::located::{LocatedError, Outcome};
use crate::codec::number;
use crate::codec::problem::{FieldProblem, Found};
use crate::codec::scalar::{self, Write};
use crate::format::json::{self, JsonProblem};
use crate::format::wire::{self, FIXED64, LENGTH, VARINT};
use crate::schema::{self, Kind, MessageId, WellKnown};

/// google/protobuf/struct.proto, `message Value`: the field numbers of its oneof.
const NULL: u32 = 1;
const NUMBER: u32 = 2;
const STRING: u32 = 3;
const BOOL: u32 = 4;
const STRUCT: u32 = 5;
const LIST: u32 = 6;

impl Encoder<'_> {
    /// Reads the content of a message with a special form that may have bound texts; it must agree with them.
    pub(super) fn known_around(&mut self, id: MessageId, known: WellKnown, context: Context<'_>) -> Outcome<()> {
        let start = self.out.len();
        self.known(id, known, context.in_list())?;
        let Some(node) = context.node else { return Ok(()) };
        for bound in &node.fields {
            let field = &self.tables.message(id).fields[bound.index];
            let is_same = |leaf: &BoundText| of_number(field.number, &self.out[start..]) == leaf.wire;
            if !BoundValue::as_leaf(bound).is_some_and(is_same) {
                return Err(differs(bound));
            }
        }
        Ok(())
    }

    /// Reads the content of a message by its special form.
    pub(super) fn known(&mut self, id: MessageId, known: WellKnown, context: Context<'_>) -> Outcome<()> {
        match known {
            WellKnown::No => self.message(id, context),
            WellKnown::Any => self.any(id, context),
            WellKnown::Struct => self.struct_members(id),
            WellKnown::Value => self.any_value(),
            WellKnown::ListValue => self.list_value(id),
            WellKnown::Timestamp | WellKnown::Duration | WellKnown::FieldMask => {
                if self.scanner.peek()? != json::JsonKind::String {
                    return Err(self.unexpected(Kind::Message(id)));
                }
                let before = self.scanner.clone();
                let text = self.scanner.string()?;
                if scalar::put_known_text(&mut self.out, self.tables, id, &text) {
                    return Ok(());
                }
                self.scanner = before;
                Err(self.unexpected(Kind::Message(id)))
            }
            WellKnown::Wrapper => match self.tables.message(id).fields.first() {
                Some(field) => self.value(field, Write::UnlessDefault, context),
                None => Err(self.unexpected(Kind::Message(id))),
            },
        }
    }

    /// any.proto: `@type`, which may be anywhere in the object, determines the other members.
    fn any(&mut self, id: MessageId, context: Context<'_>) -> Outcome<()> {
        if self.scanner.peek()? != json::JsonKind::Object {
            return Err(self.unexpected(Kind::Message(id)));
        }
        let Some(url) = self.type_url(id)? else {
            // An empty object is an empty Any.
            self.scanner.skip()?;
            return Ok(());
        };
        let name = url.split_once('/').and_then(|_| url.rsplit('/').next());
        let Some((tables, inner)) = name.and_then(|name| schema::find_any(self.descriptors, name)) else {
            return Err(self.unexpected_text("an @type of a known message type".to_owned()));
        };
        if tables.message(inner).by_name("@type").is_some() {
            return Err(self.unexpected_text("an @type of a message that has no field named @type".to_owned()));
        }
        wire::put_tag(&mut self.out, 1, LENGTH);
        wire::put_bytes(&mut self.out, url.as_bytes());
        let before = self.out.len();
        wire::put_tag(&mut self.out, 2, LENGTH);
        let start = wire::open(&mut self.out);
        // To other readers the content is bytes until they decode it.
        self.enter()?;
        let around = std::mem::replace(&mut self.tables, tables);
        match tables.message(inner).known {
            WellKnown::No => {
                self.scanner.begin_object()?;
                self.members(inner, context, true)?;
            }
            known => self.any_known(inner, known, context)?,
        }
        self.tables = around;
        self.depth -= 1;
        if self.out.len() == start {
            self.out.truncate(before);
        } else {
            wire::close(&mut self.out, start);
        }
        Ok(())
    }

    /// The `@type` of the next object; `None` if the object is empty.
    fn type_url(&self, id: MessageId) -> Outcome<Option<String>> {
        let mut ahead = self.scanner.clone();
        ahead.begin_object()?;
        let (mut first, mut url) = (true, None);
        let mut is_empty = true;
        while let Some(name) = ahead.member(&mut first)? {
            is_empty = false;
            if name != "@type" {
                ahead.skip()?;
            } else if url.is_some() {
                return Err(self.error(FieldProblem::Json(JsonProblem::Twice { name: "@type".to_owned() })));
            } else if ahead.peek()? == json::JsonKind::String {
                url = Some(ahead.string()?.into_owned());
            } else {
                break;
            }
        }
        if url.is_none() && !is_empty {
            let expected = format!("an object ({}) with a string @type", self.tables.message(id).name);
            return Err(self.unexpected_text(expected));
        }
        Ok(url)
    }

    /// A message with a special form is in the member `value`, which ProtoJSON requires.
    fn any_known(&mut self, inner: MessageId, known: WellKnown, context: Context<'_>) -> Outcome<()> {
        self.scanner.begin_object()?;
        let (mut first, mut has_value) = (true, false);
        while let Some(name) = self.scanner.member(&mut first)? {
            match &*name {
                "@type" => drop(self.scanner.skip()?),
                "value" if has_value => return Err(self.error(FieldProblem::Twice).member("value")),
                "value" => {
                    has_value = true;
                    self.known(inner, known, context).map_err(|fault| fault.member("value"))?;
                }
                _ if context.ignores_unknown_names() => drop(self.scanner.skip()?),
                _ => {
                    return Err(self.error(FieldProblem::Unknown { near: None }).member(&name));
                }
            }
        }
        if !has_value {
            let found = Found::new("none".to_owned(), "none");
            return Err(self.error(FieldProblem::Unexpected { expected: "a member `value`".to_owned(), found }));
        }
        Ok(())
    }

    /// struct.proto: `map<string, Value> fields = 1`.
    fn struct_members(&mut self, id: MessageId) -> Outcome<()> {
        if self.scanner.peek()? != json::JsonKind::Object {
            return Err(self.unexpected(Kind::Message(id)));
        }
        self.struct_object()
    }

    fn struct_object(&mut self) -> Outcome<()> {
        self.scanner.begin_object()?;
        let mut names = HashSet::new();
        let mut first = true;
        while let Some(name) = self.scanner.member(&mut first)? {
            if !names.insert(name.clone()) {
                return Err(self.error(FieldProblem::Json(JsonProblem::twice(&name))));
            }
            let entry = |this: &mut Self| {
                wire::put_tag(&mut this.out, 1, LENGTH);
                wire::put_bytes(&mut this.out, name.as_bytes());
                this.nested(2, Self::any_value)
            };
            self.nested(1, entry).map_err(|fault| fault.key(&name))?;
        }
        Ok(())
    }

    /// struct.proto: `repeated Value values = 1`.
    fn list_value(&mut self, id: MessageId) -> Outcome<()> {
        if self.scanner.peek()? != json::JsonKind::Array {
            return Err(self.unexpected(Kind::Message(id)));
        }
        self.list_elements()
    }

    fn list_elements(&mut self) -> Outcome<()> {
        self.scanner.begin_array()?;
        let (mut first, mut index) = (true, 0);
        while self.scanner.element(&mut first)? {
            self.nested(1, Self::any_value).map_err(|fault| fault.element(index))?;
            index += 1;
        }
        Ok(())
    }

    /// struct.proto: a Value is any JSON value.
    fn any_value(&mut self) -> Outcome<()> {
        match self.scanner.peek()? {
            json::JsonKind::Null => {
                self.scanner.null()?;
                wire::put_tag(&mut self.out, NULL, VARINT);
                self.out.push(0);
            }
            json::JsonKind::Number => {
                let before = self.scanner.clone();
                let Some(value) = number::double(self.scanner.number()?) else {
                    self.scanner = before;
                    return Err(self.unexpected(Kind::Double));
                };
                wire::put_tag(&mut self.out, NUMBER, FIXED64);
                self.out.extend_from_slice(&value.to_bits().to_le_bytes());
            }
            json::JsonKind::String => {
                let text = self.scanner.string()?;
                wire::put_tag(&mut self.out, STRING, LENGTH);
                wire::put_bytes(&mut self.out, text.as_bytes());
            }
            json::JsonKind::Bool => {
                let value = self.scanner.boolean()?;
                wire::put_tag(&mut self.out, BOOL, VARINT);
                self.out.push(u8::from(value));
            }
            json::JsonKind::Object => self.nested(STRUCT, Self::struct_object)?,
            json::JsonKind::Array => self.nested(LIST, Self::list_elements)?,
        }
        Ok(())
    }

    fn nested(&mut self, number: u32, inside: impl FnOnce(&mut Self) -> Outcome<()>) -> Outcome<()> {
        self.enter()?;
        wire::put_tag(&mut self.out, number, LENGTH);
        let start = wire::open(&mut self.out);
        inside(self)?;
        wire::close(&mut self.out, start);
        self.depth -= 1;
        Ok(())
    }
}

/// The error if the body differs from a bound text.
fn differs(bound: &BoundField) -> LocatedError {
    let leaf = leaf_of(bound);
    LocatedError::new(RequestError::Conflict { field: leaf.path.to_string(), origin: leaf.origin })
}

/// The values of one field in an encoded message, with their tags.
fn of_number(number: u32, mut wire: &[u8]) -> Vec<u8> {
    let mut values = Vec::new();
    while !wire.is_empty() {
        let mut reader = wire::Reader::new(wire);
        let Ok((found, wire_type)) = reader.tag() else { break };
        if reader.skip(found, wire_type).is_err() {
            break;
        }
        let (value, rest) = wire.split_at(wire.len() - reader.rest().len());
        if found == number {
            values.extend_from_slice(value);
        }
        wire = rest;
    }
    values
}
