//! Options of fields, oneofs and messages about valid values: `google.api.field_behavior` and `buf.validate`.
//!
//! They are found by their published extension numbers and kept as bytes. What they mean is not known here.

use super::descriptor::{FieldType, File, MessageType};
use crate::format::wire::{LENGTH, Reader, VARINT, WireError};

/// google/api/field_behavior.proto: `repeated FieldBehavior field_behavior = 1052`.
const FIELD_BEHAVIOR: u32 = 1052;
const REQUIRED: u64 = 2;
const OUTPUT_ONLY: u64 = 3;
const INPUT_ONLY: u64 = 4;
/// buf/validate/validate.proto: the extension of the options of messages, oneofs and fields.
const VALIDATE: u32 = 1159;
/// buf/validate/validate.proto: `PredefinedRules predefined = 1160`, an option of extensions of the messages of rules.
const PREDEFINED: u32 = 1160;

/// Options about the values of a message type, a field or a oneof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation {
    /// The full name of the message type.
    pub message: String,
    /// What has the options: the name of a field or a oneof; `None` for the message itself.
    pub of: Option<Annotated>,
    /// Whether `google.api.field_behavior` has REQUIRED.
    pub is_required: bool,
    /// Whether it has OUTPUT_ONLY: callers do not set the field.
    pub is_output_only: bool,
    /// Whether it has INPUT_ONLY: replies do not have the field.
    pub is_input_only: bool,
    /// The value of the option of `buf.validate` in wire format; empty if there is none.
    pub rules: Vec<u8>,
}

/// What has options inside a message type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Annotated {
    Field(String),
    Oneof(String),
}

/// A rule of somebody's own: an extension of a message of `buf.validate`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Predefined {
    /// The full name of the message that it extends.
    pub extends: String,
    pub number: u32,
    /// The name of the extension.
    pub name: String,
    /// `buf.validate.PredefinedRules` in wire format.
    pub rules: Vec<u8>,
}

/// The predefined rules of all files.
pub(super) fn predefined<'f>(files: impl IntoIterator<Item = &'f File>) -> Vec<Predefined> {
    let mut found = Vec::new();
    for file in files {
        file.extensions.iter().for_each(|extension| add_predefined(extension, &mut found));
        file.messages.iter().for_each(|message| predefined_inside(message, &mut found));
    }
    found
}

fn predefined_inside(message: &MessageType, found: &mut Vec<Predefined>) {
    message.extensions.iter().for_each(|extension| add_predefined(extension, found));
    message.messages.iter().for_each(|nested| predefined_inside(nested, found));
}

fn add_predefined(extension: &FieldType, found: &mut Vec<Predefined>) {
    let mut rules = Vec::new();
    let mut reader = Reader::new(&extension.options);
    while let Ok((number, wire_type)) = reader.tag() {
        let read = match (number, wire_type) {
            (PREDEFINED, LENGTH) => reader.bytes().map(|piece| rules.extend_from_slice(piece)),
            _ => reader.skip(number, wire_type),
        };
        if read.is_err() {
            return;
        }
    }
    if let (false, Ok(number)) = (rules.is_empty(), u32::try_from(extension.number)) {
        let extends = extension.extendee.trim_start_matches('.').to_owned();
        found.push(Predefined { extends, number, name: extension.name.clone(), rules });
    }
}

/// The options of all message types.
pub(super) fn annotations<'f>(files: impl IntoIterator<Item = &'f File>) -> Vec<Annotation> {
    let mut found = Vec::new();
    for file in files {
        let scope = if file.package.is_empty() { String::new() } else { format!("{}.", file.package) };
        file.messages.iter().for_each(|message| of_message(&scope, message, &mut found));
    }
    found
}

fn of_message(scope: &str, message: &MessageType, found: &mut Vec<Annotation>) {
    let name = format!("{scope}{}", message.name);
    let fields = message.fields.iter().map(|field| (Some(Annotated::Field(field.name.clone())), &field.options));
    let oneofs = message.oneofs.iter().map(|oneof| (Some(Annotated::Oneof(oneof.name.clone())), &oneof.options));
    for (of, options) in std::iter::once((None, &message.options)).chain(oneofs).chain(fields) {
        // Malformed options have no meaning for anybody.
        let Ok((behavior, rules)) = read(options) else { continue };
        if !behavior.is_empty() || !rules.is_empty() {
            let [is_required, is_output_only, is_input_only] =
                [REQUIRED, OUTPUT_ONLY, INPUT_ONLY].map(|value| behavior.contains(&value));
            found.push(Annotation { message: name.clone(), of, is_required, is_output_only, is_input_only, rules });
        }
    }
    let inner = format!("{name}.");
    message.messages.iter().for_each(|nested| of_message(&inner, nested, found));
}

/// The values of `google.api.field_behavior`, and the rules. Occurrences of an option are joined, which merges them.
fn read(options: &[u8]) -> Result<(Vec<u64>, Vec<u8>), WireError> {
    let (mut behavior, mut rules) = (Vec::new(), Vec::new());
    let mut reader = Reader::new(options);
    while !reader.is_empty() {
        match reader.tag()? {
            (FIELD_BEHAVIOR, VARINT) => behavior.push(reader.varint()?),
            (FIELD_BEHAVIOR, LENGTH) => {
                let mut packed = Reader::new(reader.bytes()?);
                while !packed.is_empty() {
                    behavior.push(packed.varint()?);
                }
            }
            (VALIDATE, LENGTH) => rules.extend_from_slice(reader.bytes()?),
            (number, wire_type) => reader.skip(number, wire_type)?,
        }
    }
    Ok((behavior, rules))
}
