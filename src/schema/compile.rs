//! Compiles descriptors into [`Tables`]. Written for clarity rather than speed, because it runs once.

use std::collections::{HashMap, HashSet};

use prost::Message as _;

use super::descriptor::{EnumType, FieldOptions, FieldType, File, MessageOptions, MessageType};
use super::features::{Features, Presence};
use super::table::{EnumId, EnumTable, FieldTable, Kind, MessageId, MessageTable, Shape, Tables, Tag, WellKnown};
use crate::format::block::Padded;
use crate::format::problem::Problem;
use crate::format::wire;

/// Fields with numbers below this are found by index.
const DENSE: u32 = 256;

/// The maximum number of fields and of oneofs: their indices have 16 bits, and one value means "none".
const MOST: usize = u16::MAX as usize;

const FIELD_REDACT: &str = "io.token.proto.extensions.field.redact";
const MESSAGE_REDACT: &str = "io.token.proto.extensions.message.redact";

/// The tables of all `files`, or every problem found.
pub(super) fn compile(files: &[File]) -> Result<Tables, Vec<Problem>> {
    let mut compiler = TableCompiler::default();
    for file in files {
        match Features::of_file(file) {
            Some(features) => compiler.declare_file(file, features),
            None => {
                let message = "expected syntax proto2 or proto3, or edition 2023 or 2024, found another";
                compiler.problems.push(Problem::at(&file.name, message));
            }
        }
    }
    compiler.field_redact = compiler.option_number(FIELD_REDACT, ".google.protobuf.FieldOptions");
    compiler.message_redact = compiler.option_number(MESSAGE_REDACT, ".google.protobuf.MessageOptions");
    compiler.tables()
}

/// A declared message with the options and features that apply to it.
struct Declared<'a> {
    full_name: String,
    message: &'a MessageType,
    options: MessageOptions,
    features: Features,
}

/// A declared extension with the features that apply to it.
struct Extension<'a> {
    full_name: String,
    field: &'a FieldType,
    features: Features,
}

#[derive(Default)]
struct TableCompiler<'a> {
    messages: Vec<Declared<'a>>,
    enums: Vec<EnumTable>,
    message_ids: HashMap<String, MessageId>,
    enum_ids: HashMap<String, EnumId>,
    extensions: Vec<Extension<'a>>,
    /// Numbers of the options that mark fields and messages as redacted, if the files declare them.
    field_redact: Option<u32>,
    message_redact: Option<u32>,
    problems: Vec<Problem>,
}

impl<'a> TableCompiler<'a> {
    fn declare_file(&mut self, file: &'a File, features: Features) {
        let scope = if file.package.is_empty() { String::new() } else { format!("{}.", file.package) };
        file.messages.iter().for_each(|message| self.declare_message(&scope, message, features));
        file.enums.iter().for_each(|declared| self.declare_enum(&scope, declared, features));
        self.declare_extensions(&scope, &file.extensions, features);
    }

    fn declare_message(&mut self, scope: &str, message: &'a MessageType, features: Features) {
        let full_name = format!("{scope}{}", message.name);
        let options = MessageOptions::decode(message.options.as_slice()).unwrap_or_default();
        let features = features.with(options.features);
        let inner = format!("{full_name}.");
        let id = MessageId(self.messages.len() as u32);
        if self.message_ids.insert(full_name.clone(), id).is_some() {
            self.problems.push(Problem::at(&full_name, "is declared twice"));
        }
        self.messages.push(Declared { full_name, message, options, features });
        message.messages.iter().for_each(|nested| self.declare_message(&inner, nested, features));
        message.enums.iter().for_each(|nested| self.declare_enum(&inner, nested, features));
        self.declare_extensions(&inner, &message.extensions, features);
    }

    fn declare_extensions(&mut self, scope: &str, fields: &'a [FieldType], features: Features) {
        let extension =
            |field: &'a FieldType| Extension { full_name: format!("{scope}{}", field.name), field, features };
        self.extensions.extend(fields.iter().map(extension));
    }

    fn declare_enum(&mut self, scope: &str, declared: &EnumType, features: Features) {
        let full_name = format!("{scope}{}", declared.name);
        let own = declared.options.as_ref().and_then(|options| options.features);
        let mut by_number: Vec<(i32, Padded)> = Vec::new();
        for value in &declared.values {
            if !by_number.iter().any(|(number, _)| *number == value.number) {
                by_number.push((value.number, Padded::new(format!("\"{}\"", value.name).as_bytes())));
            }
        }
        by_number.sort_by_key(|(number, _)| *number);
        self.enum_ids.insert(full_name.clone(), EnumId(self.enums.len() as u32));
        self.enums.push(EnumTable {
            closed: !features.with(own).open_enums,
            is_null: full_name == "google.protobuf.NullValue",
            name: full_name.into(),
            by_number: by_number.into(),
            by_name: declared.values.iter().map(|value| (value.name.as_str().into(), value.number)).collect(),
            any_case: HashMap::default(),
        });
    }

    fn option_number(&self, full_name: &str, extendee: &str) -> Option<u32> {
        let found = self.extensions.iter().find(|e| e.full_name == full_name && e.field.extendee == extendee)?;
        u32::try_from(found.field.number).ok()
    }

    fn tables(mut self) -> Result<Tables, Vec<Problem>> {
        let redacted: Vec<bool> =
            self.messages.iter().map(|declared| is_marked(&declared.message.options, self.message_redact)).collect();
        let mut extensions: HashMap<&str, Vec<&Extension<'a>>> = HashMap::new();
        for extension in &self.extensions {
            extensions.entry(extension.field.extendee.trim_start_matches('.')).or_default().push(extension);
        }
        let mut messages = Vec::with_capacity(self.messages.len());
        let mut problems = Vec::new();
        for (index, declared) in self.messages.iter().enumerate() {
            let extensions = extensions.get(declared.full_name.as_str()).map_or(&[][..], Vec::as_slice);
            match self.message(declared, extensions, &redacted, redacted[index]) {
                Ok(table) => messages.push(table),
                Err(wrong) => problems.extend(wrong),
            }
        }
        self.problems.extend(problems);
        if self.problems.is_empty() {
            Ok(Tables { messages, enums: self.enums, names: self.message_ids, unclear: HashSet::new() })
        } else {
            Err(self.problems)
        }
    }

    fn message(
        &self,
        declared: &Declared<'a>,
        extensions: &[&Extension<'a>],
        redacted_messages: &[bool],
        redacted: bool,
    ) -> Result<MessageTable, Vec<Problem>> {
        for (things, count) in [
            ("fields and extensions", declared.message.fields.len() + extensions.len()),
            ("oneofs", declared.message.oneofs.len()),
        ] {
            if count > MOST {
                let message = format!("expected at most {MOST} {things}, found {count}");
                return Err(vec![Problem::at(&declared.full_name, message)]);
            }
        }
        // Keys and values of a map are length-prefixed whatever the features say, and so are its entries.
        let features =
            Features { delimited: declared.features.delimited && !declared.options.map_entry, ..declared.features };
        let own = declared.message.fields.iter().map(|field| (field, None, features));
        let foreign = extensions.iter().map(|e| (e.field, Some(e.full_name.as_str()), e.features));
        let (mut fields, mut problems) = (Vec::new(), Vec::new());
        for (field, extension, features) in own.chain(foreign) {
            match self.field(field, extension, features) {
                Ok(mut table) => {
                    let inner = table.kind.message().is_some_and(|id| redacted_messages[id.0 as usize]);
                    table.redacted |= redacted || inner;
                    if declared.options.message_set_wire_format {
                        make_item(&mut table);
                    }
                    fields.push(table);
                }
                Err(message) => problems.push(Problem::at(format!("{}.{}", declared.full_name, field.name), message)),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        fields.sort_by_key(|field| field.number);
        Ok(MessageTable {
            known: known(&declared.full_name, &fields),
            name: declared.full_name.as_str().into(),
            oneofs: declared.message.oneofs.iter().map(|oneof| oneof.name.as_str().into()).collect(),
            has_required: fields.iter().any(|field| field.shape == Shape::Required),
            message_set: declared.options.message_set_wire_format,
            dense: dense(&fields),
            by_name: by_name(&fields),
            any_case: HashMap::default(),
            fields: fields.into(),
        })
    }

    fn field(&self, field: &FieldType, extension: Option<&str>, features: Features) -> Result<FieldTable, String> {
        let options = FieldOptions::decode(field.options.as_slice()).unwrap_or_default();
        let features = features.with(options.features);
        let number = u32::try_from(field.number).ok().filter(|number| (1..1 << 29).contains(number));
        let number = number.ok_or_else(|| format!("expected a field number, found {}", field.number))?;
        let kind = self.kind(field, features)?;
        let is_oneof = field.oneof_index.is_some() && !field.proto3_optional;
        let name = extension.map_or_else(|| field.name.clone(), |full_name| format!("[{full_name}]"));
        let json_name = match (extension, &field.json_name) {
            (Some(_), _) => name.clone(),
            (None, Some(json_name)) => json_name.clone(),
            (None, None) => lower_camel(&field.name),
        };
        let shape = self.shape(field, kind, &options, features, is_oneof || extension.is_some());
        let is_repeated = matches!(shape, Shape::Repeated | Shape::Packed | Shape::Map);
        Ok(FieldTable {
            number,
            json_key: key(&json_name),
            proto_key: key(&name),
            name: name.into(),
            json_name: json_name.into(),
            tag: Tag::new(number, kind.wire_type()),
            is_item: false,
            kind,
            shape,
            oneof: field.oneof_index.filter(|_| is_oneof).and_then(|index| u16::try_from(index).ok()),
            redacted: options.debug_redact || is_marked(&field.options, self.field_redact),
            lone_string: kind == Kind::String && !is_oneof && !is_repeated,
        })
    }

    fn kind(&self, field: &FieldType, features: Features) -> Result<Kind, String> {
        let name = field.type_name.trim_start_matches('.');
        let message = || self.message_ids.get(name).copied().ok_or_else(|| format!("there is no message `{name}`"));
        Ok(match field.kind {
            1 => Kind::Double,
            2 => Kind::Float,
            3 => Kind::Int64,
            4 => Kind::Uint64,
            5 => Kind::Int32,
            6 => Kind::Fixed64,
            7 => Kind::Fixed32,
            8 => Kind::Bool,
            9 => Kind::String,
            10 => Kind::Group(message()?),
            11 if features.delimited && !self.is_map_entry(message()?) => Kind::Group(message()?),
            11 => Kind::Message(message()?),
            12 => Kind::Bytes,
            13 => Kind::Uint32,
            14 => Kind::Enum(self.enum_ids.get(name).copied().ok_or_else(|| format!("there is no enum `{name}`"))?),
            15 => Kind::Sfixed32,
            16 => Kind::Sfixed64,
            17 => Kind::Sint32,
            18 => Kind::Sint64,
            other => return Err(format!("expected a type of descriptor.proto, found {other}")),
        })
    }

    fn shape(
        &self,
        field: &FieldType,
        kind: Kind,
        options: &FieldOptions,
        features: Features,
        always_explicit: bool,
    ) -> Shape {
        const REQUIRED: i32 = 2;
        const REPEATED: i32 = 3;
        let packable = !matches!(kind, Kind::String | Kind::Bytes | Kind::Message(_) | Kind::Group(_));
        match field.label {
            REPEATED if kind.message().is_some_and(|id| self.is_map_entry(id)) => Shape::Map,
            REPEATED if packable && options.packed.unwrap_or(features.packed) => Shape::Packed,
            REPEATED => Shape::Repeated,
            REQUIRED => Shape::Required,
            _ if always_explicit || field.proto3_optional || kind.message().is_some() => Shape::Explicit,
            _ => match features.presence {
                Presence::Implicit => Shape::Implicit,
                Presence::Explicit => Shape::Explicit,
                Presence::Required => Shape::Required,
            },
        }
    }

    fn is_map_entry(&self, id: MessageId) -> bool {
        self.messages[id.0 as usize].options.map_entry
    }
}

/// Turns a field into an item of a MessageSet. `message_set_wire_format` in descriptor.proto: `repeated group Item = 1
/// { int32 type_id = 2; bytes message = 3; }`, where the type id is the number of the extension.
fn make_item(field: &mut FieldTable) {
    if !matches!(field.kind, Kind::Message(_)) || field.is_repeated() {
        return;
    }
    let mut tag = Vec::new();
    wire::put_tag(&mut tag, 1, wire::GROUP);
    wire::put_tag(&mut tag, 2, wire::VARINT);
    wire::put_varint(&mut tag, u64::from(field.number));
    wire::put_tag(&mut tag, 3, wire::LENGTH);
    field.tag = Tag::of(&tag);
    field.is_item = true;
}

fn dense(fields: &[FieldTable]) -> Box<[u16]> {
    let length = fields.iter().map(|field| field.number + 1).filter(|&number| number <= DENSE).max().unwrap_or(0);
    let mut dense = vec![0; length as usize];
    for (index, field) in fields.iter().enumerate() {
        if let Some(slot) = dense.get_mut(field.number as usize) {
            *slot = index as u16 + 1;
        }
    }
    dense.into()
}

/// Maps every name that a reader accepts to its field. If two fields share a name, no served rpc has the message: see
/// `clash`.
fn by_name<S: std::hash::BuildHasher + Default>(fields: &[FieldTable]) -> HashMap<Box<str>, u16, S> {
    let mut names = HashMap::default();
    for (index, field) in fields.iter().enumerate() {
        names.entry(field.json_name.clone()).or_insert(index as u16);
    }
    for (index, field) in fields.iter().enumerate() {
        names.entry(field.name.clone()).or_insert(index as u16);
    }
    names
}

fn known(full_name: &str, fields: &[FieldTable]) -> WellKnown {
    match full_name.strip_prefix("google.protobuf.").unwrap_or_default() {
        "Any" => WellKnown::Any,
        "Timestamp" => WellKnown::Timestamp,
        "Duration" => WellKnown::Duration,
        "FieldMask" => WellKnown::FieldMask,
        "Struct" => WellKnown::Struct,
        "Value" => WellKnown::Value,
        "ListValue" => WellKnown::ListValue,
        "DoubleValue" | "FloatValue" | "Int64Value" | "UInt64Value" | "Int32Value" | "UInt32Value" | "BoolValue"
        | "StringValue" | "BytesValue"
            // A wrapper that holds a message is not the well-known type. If it held itself, its JSON form would be
            // infinite.
            if matches!(fields, [field] if field.kind.message().is_none()) =>
        {
            WellKnown::Wrapper
        }
        _ => WellKnown::No,
    }
}

/// Whether `options` set the boolean option with this number to true.
fn is_marked(options: &[u8], extension: Option<u32>) -> bool {
    let Some(extension) = extension else { return false };
    let mut reader = wire::Reader::new(options);
    let mut marked = false;
    while !reader.is_empty() {
        let Ok((number, wire_type)) = reader.tag() else { return marked };
        if number == extension && wire_type == wire::VARINT {
            marked = reader.varint() == Ok(1);
        } else if reader.skip(number, wire_type).is_err() {
            return marked;
        }
    }
    marked
}

/// `"name":` with JSON escapes; a `json_name` may contain any character.
fn key(name: &str) -> Padded {
    let mut key = Vec::new();
    crate::format::json::put_string(&mut key, name);
    key.push(b':');
    Padded::new(&key)
}

/// The JSON name that protoc derives if a file has no `json_name` (descriptor.proto).
pub(super) fn lower_camel(name: &str) -> String {
    let mut camel = String::with_capacity(name.len());
    let mut upper = false;
    for c in name.chars() {
        match c {
            '_' => upper = true,
            c => {
                camel.push(if std::mem::take(&mut upper) { c.to_ascii_uppercase() } else { c });
            }
        }
    }
    camel
}
