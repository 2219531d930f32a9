//! Reads the members of a JSON object into the wire format of a message.

use std::borrow::Cow;

use super::body::Body;
use super::bound::{BoundField, BoundFields, BoundText, BoundValue, leaf_of, put_bound, put_node, sibling_problem};
use super::error::RequestError;
use super::ignored::Ignored;
use super::located::{LocatedError, Outcome};
use super::seen::{Key, Keys, Open};
use crate::codec::depth::DEPTH_LIMIT;
use crate::codec::problem::{FieldProblem, Found, OTHER_TEXT, expectation, hint, quoted};
use crate::codec::scalar::{self, Write};
use crate::format::json::{self, JsonError, Scanner};
use crate::format::suggestion::nearest;
use crate::format::wire;
use crate::schema::{EnumId, FieldPath, FieldTable, Kind, Message, MessageId, MessageTable, Shape, Tables, WellKnown};

/// Builds a message from `body` and the bound texts.
pub(super) fn encode(
    input: &Message,
    root: &BoundFields,
    body: Body<'_>,
    json_depth: usize,
) -> Result<Vec<u8>, RequestError> {
    let scanner = Scanner::new(body.text, json_depth).map_err(|error| LocatedError::from(error).into_error())?;
    let out = Vec::with_capacity(body.text.len());
    let mut encoder = Encoder { breaks: body.ignored.breaks, ..Encoder::new(input.tables(), scanner, out, 1) };
    let context = Context { node: Some(root), ignored: Some(body.ignored).filter(|ignored| !ignored.is_empty()) };
    let encoded = match body.field {
        None => encoder.whole(input.id(), context),
        Some(path) => encoder.field_body(input.id(), path, context),
    };
    let ended = encoded.and_then(|()| encoder.scanner.end().map_err(LocatedError::from));
    ended.map_err(LocatedError::into_error)?;
    Ok(encoder.out)
}

/// What applies to the message that is being read.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    /// Its bound fields, if any.
    pub(super) node: Option<&'a BoundFields>,
    /// Its members that are ignored, if any.
    pub(super) ignored: Option<&'a Ignored>,
}

impl<'a> Context<'a> {
    fn within(self, name: &str, index: usize) -> Self {
        let bound = self.node.and_then(|node| node.find(index));
        let node = bound.and_then(|bound| match &bound.what {
            BoundValue::Message(node) => Some(node),
            BoundValue::Text(_) => None,
        });
        Self { node, ignored: self.ignored.and_then(|ignored| ignored.within(name)) }
    }

    /// The context inside a list or a map, where nothing is bound.
    pub(super) fn in_list(self) -> Self {
        Self { node: None, ..self }
    }

    #[inline]
    pub(super) fn is_empty(self) -> bool {
        self.node.is_none() && self.ignored.is_none()
    }

    pub(super) fn ignores_unknown_names(self) -> bool {
        self.ignored.is_some_and(|ignored| ignored.names)
    }
}

/// Builds a message in wire format from JSON.
pub(super) struct Encoder<'a> {
    /// The tables of the message that is being read; those of an `Any`'s content may differ.
    pub(super) tables: &'a Tables,
    /// The tables of the request.
    pub(super) descriptors: &'a Tables,
    pub(super) scanner: Scanner<'a>,
    pub(super) out: Vec<u8>,
    /// How many messages are open, counting the outermost.
    pub(super) depth: usize,
    /// Whether base64 may contain line breaks.
    pub(super) breaks: bool,
}

impl<'a> Encoder<'a> {
    pub(super) fn new(tables: &'a Tables, scanner: Scanner<'a>, out: Vec<u8>, depth: usize) -> Self {
        Self { tables, descriptors: tables, scanner, out, depth, breaks: false }
    }

    fn whole(&mut self, id: MessageId, context: Context<'_>) -> Outcome<()> {
        match self.tables.message(id).known {
            WellKnown::No => self.message(id, context),
            known => self.known_around(id, known, context),
        }
    }

    /// Reads a body that is the value of a field. As for a member, `null` leaves the field unset.
    fn field_body(&mut self, id: MessageId, path: &FieldPath, context: Context<'_>) -> Outcome<()> {
        if self.scanner.peek()? != json::JsonKind::Null || self.takes_null(path.leaf().table()) {
            return self.at_field(id, path, 0, context);
        }
        if let Some(node) = context.node {
            put_node(&mut self.out, self.tables, id, node);
        }
        Ok(self.scanner.null()?)
    }

    /// Writes the value of the field, with the bound texts of the messages around it.
    fn at_field(&mut self, id: MessageId, path: &FieldPath, depth: usize, context: Context<'_>) -> Outcome<()> {
        let tables = self.tables;
        let here = &path.fields()[depth];
        let field = here.table();
        let others = context.node.map_or(&[][..], |node| &node.fields);
        for bound in others.iter().filter(|bound| bound.index != here.index()) {
            if field.oneof.is_some() && tables.message(id).fields[bound.index].oneof == field.oneof {
                return Err(beside(bound, tables.message(id), here.index()));
            }
            put_bound(&mut self.out, tables, &tables.message(id).fields[bound.index], bound);
        }
        let inner = Context { node: context.within("", here.index()).node, ..context };
        if depth + 1 == path.fields().len() {
            return self.field(field, inner).map_err(|fault| fault.through(field));
        }
        field.tag.put(&mut self.out);
        let start = wire::open(&mut self.out);
        let id = field.kind.message().expect("only messages lie on a path");
        self.enter()?;
        self.at_field(id, path, depth + 1, inner)?;
        wire::close(&mut self.out, start);
        Ok(())
    }

    /// Reads an object as a message. Writes neither the tag nor the length of the message itself.
    pub(super) fn message(&mut self, id: MessageId, context: Context<'_>) -> Outcome<()> {
        if self.scanner.peek()? != json::JsonKind::Object {
            return Err(self.unexpected(Kind::Message(id)));
        }
        self.scanner.begin_object()?;
        self.members(id, context, false)
    }

    /// Reads the members of an object as a message; with `in_any`, `@type` is skipped.
    pub(super) fn members(&mut self, id: MessageId, context: Context<'_>, in_any: bool) -> Outcome<()> {
        let table = self.tables.message(id);
        let mut open = Open::new(table);
        let mut first = true;
        loop {
            // Most writers use the order of the fields and their JSON names.
            while let Some(field) =
                table.fields.get(open.next).filter(|f| self.scanner.member_is(&mut first, &f.json_key))
            {
                let index = open.next;
                open.next += 1;
                self.member(&mut open, index, &field.json_name, context)?;
            }
            let Some(name) = self.scanner.member(&mut first)? else { break };
            if in_any && name == "@type" {
                self.scanner.skip()?;
                continue;
            }
            match open.find(&name) {
                Some(index) => self.member(&mut open, index, &name, context)?,
                None => self.unknown(table, name, context)?,
            }
        }
        if let Some(node) = context.node {
            self.weave(&open, node)?;
        }
        if table.has_required {
            self.check_required(&open, context.node)?;
        }
        Ok(())
    }

    #[inline]
    pub(super) fn member(
        &mut self,
        open: &mut Open<'_>,
        index: usize,
        name: &str,
        context: Context<'_>,
    ) -> Outcome<()> {
        let field = &open.table.fields[index];
        if !open.seen.insert(index) {
            return Err(self.error(FieldProblem::Twice).within(field, name));
        }
        // The most common member: a string without escapes, with nothing bound or ignored.
        if field.is_lone_string()
            && context.is_empty()
            && let Some(text) = self.scanner.plain_piece()
        {
            scalar::put_string(&mut self.out, field, Write::of(field.shape), text);
            return Ok(());
        }
        let kind = self.scanner.peek().map_err(|error| LocatedError::from(error).within(field, name))?;
        if kind == json::JsonKind::Null && !self.takes_null(field) {
            self.scanner.null().map_err(|error| LocatedError::from(error).within(field, name))?;
            open.nulls.insert(index);
            return Ok(());
        }
        if let Some(other) = field.oneof.and_then(|oneof| open.sibling(index, oneof)) {
            return Err(self.error(sibling_problem(open.table, other)).within(field, name));
        }
        let context = if context.is_empty() {
            context
        } else if let Some(leaf) = context.node.and_then(|node| node.find(index)).and_then(BoundValue::as_leaf) {
            return self.bound_member(field, name, leaf);
        } else {
            context.within(name, index)
        };
        self.field(field, context).map_err(|fault| fault.within(field, name))
    }

    /// Reads a member that a text is bound to; it must have the same value.
    fn bound_member(&mut self, field: &FieldTable, name: &str, leaf: &BoundText) -> Outcome<()> {
        let start = self.out.len();
        let nothing = Context { node: None, ignored: None };
        self.field(field, nothing).map_err(|fault| fault.within(field, name))?;
        if leaf.is_written_as(field, &self.out[start..]) {
            return Ok(());
        }
        Err(LocatedError::new(RequestError::Conflict { field: leaf.path.to_string(), origin: leaf.origin }))
    }

    fn unknown(&mut self, table: &MessageTable, name: Cow<'_, str>, context: Context<'_>) -> Outcome<()> {
        if context.ignored.is_some_and(|ignored| ignored.covers(&name)) {
            self.scanner.skip()?;
            return Ok(());
        }
        Err(self.error(FieldProblem::Unknown { near: near(table, &name) }).member(&name))
    }

    /// Appends what is bound but was not in the object.
    fn weave(&mut self, open: &Open<'_>, node: &BoundFields) -> Outcome<()> {
        for bound in &node.fields {
            let field = &open.table.fields[bound.index];
            if open.seen.contains(bound.index) && !open.nulls.contains(bound.index) {
                continue;
            }
            if let Some(other) = field.oneof.and_then(|oneof| open.sibling(bound.index, oneof)) {
                return Err(beside(bound, open.table, other));
            }
            put_bound(&mut self.out, self.tables, field, bound);
        }
        Ok(())
    }

    fn check_required(&self, open: &Open<'_>, node: Option<&BoundFields>) -> Outcome<()> {
        let missing = open.table.fields.iter().enumerate().find(|(index, field)| {
            let given = open.seen.contains(*index) && !open.nulls.contains(*index);
            field.shape == Shape::Required && !given && node.is_none_or(|node| node.find(*index).is_none())
        });
        match missing {
            Some((_, field)) => Err(self.error(FieldProblem::Required).within(field, &field.json_name)),
            None => Ok(()),
        }
    }

    /// Reads one or more values of a field and appends them with tags.
    fn field(&mut self, field: &FieldTable, context: Context<'_>) -> Outcome<()> {
        match field.shape {
            Shape::Repeated => self.list(field, context),
            Shape::Packed => self.packed(field, context),
            Shape::Map => self.map(field, context),
            Shape::Implicit => self.value(field, Write::UnlessDefault, context),
            Shape::Explicit | Shape::Required => self.value(field, Write::Tagged, context),
        }
    }

    fn list(&mut self, field: &FieldTable, context: Context<'_>) -> Outcome<()> {
        self.begin_list(field)?;
        let (mut first, mut index) = (true, 0);
        while self.scanner.element(&mut first)? {
            self.value(field, Write::Tagged, context.in_list()).map_err(|fault| fault.element(index))?;
            index += 1;
        }
        Ok(())
    }

    fn packed(&mut self, field: &FieldTable, context: Context<'_>) -> Outcome<()> {
        self.begin_list(field)?;
        let before = self.out.len();
        wire::put_tag(&mut self.out, field.number, wire::LENGTH);
        let start = wire::open(&mut self.out);
        let (mut first, mut index) = (true, 0);
        while self.scanner.element(&mut first)? {
            self.value(field, Write::Bare, context.in_list()).map_err(|fault| fault.element(index))?;
            index += 1;
        }
        if self.out.len() == start {
            self.out.truncate(before);
        } else {
            wire::close(&mut self.out, start);
        }
        Ok(())
    }

    fn begin_list(&mut self, field: &FieldTable) -> Outcome<()> {
        if self.scanner.peek()? != json::JsonKind::Array {
            let expected = format!("an array, each element {}", expectation(self.tables, field.kind));
            return Err(self.unexpected_text(expected));
        }
        Ok(self.scanner.begin_array()?)
    }

    fn map(&mut self, field: &FieldTable, context: Context<'_>) -> Outcome<()> {
        let tables = self.tables;
        let entry = field.kind.message().map(|id| tables.message(id)).expect("a map has entries");
        let [key_field, value_field] = &entry.fields[..] else { return Err(self.unexpected(field.kind)) };
        if self.scanner.peek()? != json::JsonKind::Object {
            let expected = format!("an object, each value {}", expectation(tables, value_field.kind));
            return Err(self.unexpected_text(expected));
        }
        self.scanner.begin_object()?;
        let mut keys = Keys::default();
        let mut first = true;
        while let Some(name) = self.scanner.member(&mut first)? {
            let before = self.out.len();
            // Other readers count an entry as a message.
            self.enter().map_err(|fault| fault.key(&name))?;
            field.tag.put(&mut self.out);
            let start = wire::open(&mut self.out);
            if !scalar::put_text(&mut self.out, tables, key_field, Write::Tagged, &name) {
                let expected = format!("a key that is {}", expectation(tables, key_field.kind));
                let found = Found::new(quoted(&name), OTHER_TEXT);
                return Err(self.error(FieldProblem::Unexpected { expected, found }).key(&name));
            }
            let key = match key_field.kind {
                Kind::String => Key::Text(name.clone()),
                _ => {
                    let (mut number, written) = ([0; 16], &self.out[start..]);
                    number[..written.len()].copy_from_slice(written);
                    Key::Number(number)
                }
            };
            if !keys.insert(key) {
                return Err(self.error(FieldProblem::Twice).key(&name));
            }
            let value_start = self.out.len();
            self.value(value_field, Write::Tagged, context.in_list()).map_err(|fault| fault.key(&name))?;
            self.depth -= 1;
            if self.out.len() == value_start {
                // The value was an unknown enum name, which is ignored.
                self.out.truncate(before);
            } else {
                wire::close(&mut self.out, start);
            }
        }
        Ok(())
    }

    /// Reads one value and appends it.
    pub(super) fn value(&mut self, field: &FieldTable, write: Write, context: Context<'_>) -> Outcome<()> {
        match field.kind {
            Kind::String => {
                if let Some(text) = self.scanner.plain_piece() {
                    scalar::put_string(&mut self.out, field, write, text);
                    return Ok(());
                }
                if self.scanner.peek()? != json::JsonKind::String {
                    return Err(self.unexpected(field.kind));
                }
                // A string with escapes is never empty.
                scalar::put_tag(&mut self.out, field, write, false);
                let start = wire::open(&mut self.out);
                self.scanner.unescape(&mut self.out)?;
                wire::close(&mut self.out, start);
                Ok(())
            }
            Kind::Message(id) | Kind::Group(id) => self.message_value(field, id, context),
            Kind::Enum(id) => self.enum_value(field, id, write, context),
            Kind::Bool => {
                if self.scanner.peek()? != json::JsonKind::Bool {
                    return Err(self.unexpected(field.kind));
                }
                let value = self.scanner.boolean()?;
                scalar::put_varint(&mut self.out, field, write, u64::from(value));
                Ok(())
            }
            Kind::Bytes => {
                let breaks = self.breaks;
                self.text_value(field, |out, text| {
                    scalar::put_base64(out, field, write, text)
                        || breaks && scalar::put_broken_base64(out, field, write, text)
                })
            }
            _ => self.number_value(field, write),
        }
    }

    fn number_value(&mut self, field: &FieldTable, write: Write) -> Outcome<()> {
        if self.scanner.peek()? == json::JsonKind::Number {
            let before = self.scanner.clone();
            let text = self.scanner.number()?;
            if scalar::put_number(&mut self.out, field, write, text) {
                return Ok(());
            }
            self.scanner = before;
            return Err(self.unexpected(field.kind));
        }
        self.text_value(field, |out, text| scalar::put_number(out, field, write, text))
    }

    /// Reads a value that is written as a string.
    fn text_value(&mut self, field: &FieldTable, put: impl FnOnce(&mut Vec<u8>, &str) -> bool) -> Outcome<()> {
        if self.scanner.peek()? != json::JsonKind::String {
            return Err(self.unexpected(field.kind));
        }
        let before = self.scanner.clone();
        let text = self.scanner.string()?;
        if put(&mut self.out, &text) {
            return Ok(());
        }
        self.scanner = before;
        Err(self.unexpected(field.kind))
    }

    fn enum_value(&mut self, field: &FieldTable, id: EnumId, write: Write, context: Context<'_>) -> Outcome<()> {
        let table = self.tables.enumeration(id);
        let before = self.scanner.clone();
        let (number, is_name) = match self.scanner.peek()? {
            json::JsonKind::Null if table.is_null => {
                self.scanner.null()?;
                (Some(0), false)
            }
            json::JsonKind::String => (table.number(&self.scanner.string()?), true),
            json::JsonKind::Number => (scalar::enum_from_number(table, self.scanner.number()?), false),
            _ => (None, false),
        };
        match number {
            Some(number) => {
                scalar::put_varint(&mut self.out, field, write, i64::from(number) as u64);
                Ok(())
            }
            None if is_name && context.ignores_unknown_names() => Ok(()),
            None => {
                self.scanner = before;
                Err(self.unexpected(field.kind))
            }
        }
    }

    fn message_value(&mut self, field: &FieldTable, id: MessageId, context: Context<'_>) -> Outcome<()> {
        self.enter()?;
        field.tag.put(&mut self.out);
        if matches!(field.kind, Kind::Group(_)) {
            self.whole(id, context)?;
            wire::put_tag(&mut self.out, field.number, wire::END_GROUP);
        } else {
            let start = wire::open(&mut self.out);
            self.whole(id, context)?;
            wire::close(&mut self.out, start);
            field.put_end(&mut self.out);
        }
        self.depth -= 1;
        Ok(())
    }

    /// Enters a message, which adds one level. When the message is complete, the caller reduces the depth again.
    #[inline]
    pub(super) fn enter(&mut self) -> Outcome<()> {
        if self.depth == DEPTH_LIMIT {
            self.scanner.peek()?;
            return Err(self.error(FieldProblem::Depth));
        }
        self.depth += 1;
        Ok(())
    }

    fn takes_null(&self, field: &FieldTable) -> bool {
        // ProtoJSON: `null` stands for an unset field, but for these two it is a value.
        !field.is_repeated()
            && match field.kind {
                Kind::Message(id) | Kind::Group(id) => self.tables.message(id).known == WellKnown::Value,
                Kind::Enum(id) => self.tables.enumeration(id).is_null,
                _ => false,
            }
    }

    pub(super) fn error(&self, problem: FieldProblem) -> LocatedError {
        LocatedError::at(self.scanner.place(), problem)
    }

    /// The error if the next value does not have this kind.
    pub(super) fn unexpected(&self, kind: Kind) -> LocatedError {
        let expected = expectation(self.tables, kind);
        match self.found() {
            Ok(found) => {
                let hint = self.hint(kind, &found);
                self.error(FieldProblem::Unexpected { expected, found: found.with_hint(hint) })
            }
            Err(error) => LocatedError::from(error),
        }
    }

    /// What the caller could write instead of the next value.
    fn hint(&self, kind: Kind, found: &Found) -> String {
        let mut ahead = self.scanner.clone();
        match (kind, ahead.peek()) {
            (Kind::String, Ok(json::JsonKind::Number | json::JsonKind::Bool)) => {
                format!("; put it in quotes: \"{found}\"")
            }
            (_, Ok(json::JsonKind::String)) => {
                ahead.string().map_or_else(|_| String::new(), |text| hint(self.tables, kind, &text))
            }
            _ => String::new(),
        }
    }

    pub(super) fn unexpected_text(&self, expected: String) -> LocatedError {
        match self.found() {
            Ok(found) => self.error(FieldProblem::Unexpected { expected, found }),
            Err(error) => LocatedError::from(error),
        }
    }

    /// Describes the next value for an error text.
    fn found(&self) -> Result<Found, JsonError> {
        let mut ahead = self.scanner.clone();
        let (kind, content) = match ahead.peek()? {
            json::JsonKind::Object => ("an object", "an object".to_owned()),
            json::JsonKind::Array => ("an array", "an array".to_owned()),
            json::JsonKind::Null => ("null", ahead.null().map(|()| "null".to_owned())?),
            json::JsonKind::String => ("a string", quoted(&ahead.string()?)),
            json::JsonKind::Number => ("a number", ahead.number()?.chars().take(40).collect()),
            json::JsonKind::Bool => ("a boolean", ahead.boolean()?.to_string()),
        };
        Ok(Found::new(content, kind))
    }
}

/// The field that the caller may have meant by this name.
pub(super) fn near(table: &MessageTable, name: &str) -> Option<String> {
    nearest(name, table.fields.iter().map(|field| &*field.json_name)).map(str::to_owned)
}

/// The error if a bound field is set together with `other`, a field of the same oneof.
fn beside(bound: &BoundField, table: &MessageTable, other: usize) -> LocatedError {
    let leaf = leaf_of(bound);
    let (field, origin, problem) = (leaf.path.to_string(), leaf.origin, sibling_problem(table, other));
    LocatedError::new(RequestError::Bound { field, origin, problem })
}
