//! Checks descriptors that no compiler has checked, because the descriptor pool of our libraries does not support
//! editions.
//!
//! Takes a file and returns every problem with its declaration. The rules are those of protoc, as far as the tables and
//! the codec rely on them. Without them, a field could silently take another field's number or name.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use prost::Message as _;

use super::compile::lower_camel;
use super::descriptor::{EnumType, FieldType, File, MessageOptions, MessageType, Service};
use super::features::Features;

/// The value of `label` in descriptor.proto for repeated fields.
const REPEATED: i32 = 3;

/// The names of the values of `type` in descriptor.proto. Three of those values follow as constants, because their
/// fields name a type.
const KINDS: [&str; 19] = [
    "no type", "double", "float", "int64", "uint64", "int32", "fixed64", "fixed32", "bool", "string", "group",
    "message", "bytes", "uint32", "enum", "sfixed32", "sfixed64", "sint32", "sint64",
];
const GROUP: i32 = 10;
const MESSAGE: i32 = 11;
const ENUM: i32 = 14;

/// What is wrong with a declaration.
#[derive(Debug)]
pub(super) struct Violation {
    /// Full name of the declaration, such as `package.Message.field`.
    pub(super) declaration: String,
    pub(super) message: String,
}

/// The names that all files declare together.
pub(super) struct Names<'a> {
    messages: HashMap<String, &'a MessageType>,
    enums: HashSet<String>,
    twice: HashSet<String>,
    /// For a message and a number: the extension that was declared first.
    extensions: HashMap<(&'a str, i32), String>,
}

/// The messages of a file in which JSON cannot tell two fields apart, each with its problems. The check applies to
/// every syntax. descriptor.proto lets `json_format = LEGACY_BEST_EFFORT`, and therefore proto2, use one name for two
/// fields.
pub(super) fn clashes(file: &File) -> Vec<(String, Vec<Violation>)> {
    let mut clashes = Vec::new();
    let mut messages: Vec<(String, &MessageType)> = Vec::new();
    let scope = scope_of(file);
    messages.extend(file.messages.iter().rev().map(|message| (format!("{scope}{}", message.name), message)));
    while let Some((name, message)) = messages.pop() {
        let mut check = Check { names: None, found: Vec::new() };
        check.json_names_apart(&name, message);
        let nested = message.messages.iter().rev();
        messages.extend(nested.map(|nested| (format!("{name}.{}", nested.name), nested)));
        if !check.found.is_empty() {
            clashes.push((name, check.found));
        }
    }
    clashes
}

/// Everything wrong with one file. What it refers to is checked only if `names` are given.
pub(super) fn violations(file: &File, names: Option<&Names<'_>>) -> Vec<Violation> {
    let mut check = Check { names, found: Vec::new() };
    if let Some(features) = Features::of_file(file) {
        let scope = scope_of(file);
        file.messages.iter().for_each(|message| check.message(&scope, message, features));
        file.enums.iter().for_each(|declared| check.enumeration(&scope, declared, features));
        file.extensions.iter().for_each(|extension| check.extension(&scope, extension));
        file.services.iter().for_each(|service| check.service(&scope, service));
    }
    check.found
}

fn scope_of(file: &File) -> String {
    if file.package.is_empty() { String::new() } else { format!("{}.", file.package) }
}

impl<'a> Names<'a> {
    pub(super) fn of(files: &'a [File]) -> Self {
        let mut names =
            Self { messages: HashMap::new(), enums: HashSet::new(), twice: HashSet::new(), extensions: HashMap::new() };
        for file in files {
            names.declare(&scope_of(file), &file.messages, &file.enums, &file.extensions);
        }
        names
    }

    fn declare(&mut self, scope: &str, messages: &'a [MessageType], enums: &[EnumType], extensions: &'a [FieldType]) {
        for declared in enums {
            let name = format!("{scope}{}", declared.name);
            if !self.enums.insert(name.clone()) || self.messages.contains_key(&name) {
                self.twice.insert(name);
            }
        }
        for field in extensions {
            let place = (field.extendee.trim_start_matches('.'), field.number);
            self.extensions.entry(place).or_insert_with(|| format!("{scope}{}", field.name));
        }
        for message in messages {
            let name = format!("{scope}{}", message.name);
            if self.messages.insert(name.clone(), message).is_some() || self.enums.contains(&name) {
                self.twice.insert(name.clone());
            }
            self.declare(&format!("{name}."), &message.messages, &message.enums, &message.extensions);
        }
    }

    fn has_message(&self, name: &str) -> bool {
        self.messages.contains_key(name.trim_start_matches('.'))
    }

    fn has_enum(&self, name: &str) -> bool {
        self.enums.contains(name.trim_start_matches('.'))
    }
}

struct Check<'a> {
    names: Option<&'a Names<'a>>,
    found: Vec<Violation>,
}

impl Check<'_> {
    fn refuse(&mut self, declaration: &str, message: impl Into<String>) {
        self.found.push(Violation { declaration: declaration.to_owned(), message: message.into() });
    }

    fn message(&mut self, scope: &str, message: &MessageType, features: Features) {
        let name = format!("{scope}{}", message.name);
        let options = MessageOptions::decode(message.options.as_slice()).unwrap_or_default();
        let features = features.with(options.features);
        self.declared_once(&name);
        if options.map_entry {
            self.map_entry(&name, message);
        }
        for field in &message.fields {
            self.field(&format!("{name}.{}", field.name), message, field);
        }
        self.fields_apart(&name, message);
        let inner = format!("{name}.");
        message.messages.iter().for_each(|nested| self.message(&inner, nested, features));
        message.enums.iter().for_each(|nested| self.enumeration(&inner, nested, features));
        message.extensions.iter().for_each(|extension| self.extension(&inner, extension));
    }

    fn declared_once(&mut self, name: &str) {
        if self.names.is_some_and(|names| names.twice.contains(name)) {
            self.refuse(name, "expected one declaration of this name, found two");
        }
    }

    /// Checks a map entry, the message that `map<key, value>` stands for.
    fn map_entry(&mut self, name: &str, message: &MessageType) {
        let [key, value] = &message.fields[..] else {
            let found = message.fields.len();
            return self.refuse(name, format!("expected a map entry with two fields, found {found}"));
        };
        if (key.number, value.number) != (1, 2) {
            let found = format!("{} and {}", key.number, value.number);
            self.refuse(name, format!("expected a map entry with the fields 1 and 2, found {found}"));
        }
        if matches!(kind_name(key.kind), "double" | "float" | "bytes" | "enum" | "message" | "group") {
            let found = kind_name(key.kind);
            let message = format!("expected an integer, bool or string as the key of a map, found {found}");
            self.refuse(&format!("{name}.{}", key.name), message);
        }
    }

    /// Checks a field on its own.
    fn field(&mut self, name: &str, message: &MessageType, field: &FieldType) {
        let number = field.number;
        self.number(name, number);
        if message.reserved_ranges.iter().any(|range| range.holds(number)) {
            self.refuse(name, format!("expected a number that is not reserved, found {number}"));
        }
        if message.extension_ranges.iter().any(|range| range.holds(number)) {
            self.refuse(name, format!("expected a number outside the extension ranges, found {number}"));
        }
        if let Some(index) = field.oneof_index {
            let oneofs = message.oneofs.len();
            if usize::try_from(index).is_ok_and(|index| index < oneofs) {
                if field.label == REPEATED {
                    self.refuse(name, "expected a single value in a oneof, found a list");
                }
            } else {
                self.refuse(name, format!("expected one of the {oneofs} oneofs of its message, found number {index}"));
            }
        }
        self.kind(name, field);
    }

    fn number(&mut self, name: &str, number: i32) {
        if !(1..1 << 29).contains(&number) || (19_000..20_000).contains(&number) {
            let range = "from 1 to 536870911, except 19000 to 19999";
            self.refuse(name, format!("expected a number {range}, found {number}"));
        }
    }

    fn kind(&mut self, name: &str, field: &FieldType) {
        let Some(names) = self.names else { return };
        let type_name = &field.type_name;
        let (expected, is_there) = match field.kind {
            MESSAGE | GROUP => ("a message", names.has_message(type_name)),
            ENUM => ("an enum", names.has_enum(type_name)),
            _ => return,
        };
        if !is_there {
            self.refuse(name, format!("expected {expected} that is declared in the descriptors, found `{type_name}`"));
        }
    }

    /// Checks that no two fields of a message share a number or a name.
    fn fields_apart(&mut self, message: &str, declared: &MessageType) {
        let (mut numbers, mut names) = (HashMap::new(), HashMap::new());
        for field in &declared.fields {
            let name = format!("{message}.{}", field.name);
            if let Some(other) = other(&mut numbers, field.number, &field.name) {
                self.refuse(&name, format!("number {} is already used by `{other}`", field.number));
            }
            if other(&mut names, &field.name, &field.name).is_some() {
                self.refuse(&name, "this name is declared twice");
            }
        }
    }

    /// Checks that each name means one field. JSON readers accept the names of the proto file as well. If the JSON name
    /// of one field is the proto name of another, some readers take the one and some the other; protoc accepts that.
    fn json_names_apart(&mut self, message: &str, declared: &MessageType) {
        let (mut names, mut json_names) = (HashMap::new(), HashMap::new());
        for field in &declared.fields {
            names.entry(field.name.as_str()).or_insert(field);
        }
        for field in &declared.fields {
            let (name, json_name) = (format!("{message}.{}", field.name), json_name(field));
            let same = other(&mut json_names, json_name.clone(), &field.name).filter(|other| *other != field.name);
            if let Some(same) = same {
                self.refuse(&name, format!("JSON name `{json_name}` is already used by `{same}`"));
            } else if let Some(named) = names.get(json_name.as_str()).filter(|named| named.name != field.name) {
                // If the other field has that JSON name too, that is reported separately.
                if self::json_name(named) != json_name {
                    let other = self::json_name(named);
                    let message =
                        format!("JSON name `{json_name}` is the name of another field, whose JSON name is `{other}`");
                    self.refuse(&name, message);
                }
            }
            if json_name.starts_with('[') && json_name.ends_with(']') {
                self.refuse(&name, format!("JSON name `{json_name}` has the form of an extension's"));
            }
        }
    }

    fn enumeration(&mut self, scope: &str, declared: &EnumType, features: Features) {
        let name = format!("{scope}{}", declared.name);
        let options = declared.options.unwrap_or_default();
        self.declared_once(&name);
        match declared.values.first() {
            None => self.refuse(&name, "expected at least one value, found none"),
            Some(first) if first.number != 0 && features.with(options.features).open_enums => {
                let found = format!("{} = {}", first.name, first.number);
                self.refuse(&name, format!("expected 0 as the first value of an open enum, found {found}"));
            }
            Some(_) => {}
        }
        let (mut numbers, mut names) = (HashMap::new(), HashMap::new());
        for value in &declared.values {
            let place = format!("{name}.{}", value.name);
            if other(&mut names, &value.name, &value.name).is_some() {
                self.refuse(&place, "this name is declared twice");
            }
            let same = other(&mut numbers, value.number, &value.name);
            if let Some(same) = same.filter(|_| !options.allow_alias) {
                let used = format!("number {} is already used by `{same}`", value.number);
                self.refuse(&place, format!("{used}; use another, or set allow_alias"));
            }
        }
    }

    fn extension(&mut self, scope: &str, field: &FieldType) {
        let (name, number) = (format!("{scope}{}", field.name), field.number);
        self.number(&name, number);
        self.kind(&name, field);
        let Some(names) = self.names else { return };
        let extendee = field.extendee.trim_start_matches('.');
        let Some(message) = names.messages.get(extendee) else {
            let expected = "a message that is declared in the descriptors";
            return self.refuse(&name, format!("expected to extend {expected}, found `{extendee}`"));
        };
        if !message.extension_ranges.iter().any(|range| range.holds(number)) {
            self.refuse(&name, format!("expected a number in the extension ranges of `{extendee}`, found {number}"));
        }
        if let Some(other) = names.extensions.get(&(extendee, number)).filter(|other| **other != name) {
            self.refuse(&name, format!("number {number} is already used by `{other}`"));
        }
    }

    fn service(&mut self, scope: &str, service: &Service) {
        let Some(names) = self.names else { return };
        for method in &service.methods {
            for message in [&method.input, &method.output] {
                if !names.has_message(message) {
                    let name = format!("{scope}{}.{}", service.name, method.name);
                    self.refuse(
                        &name,
                        format!("expected a message that is declared in the descriptors, found `{message}`"),
                    );
                }
            }
        }
    }
}

fn json_name(field: &FieldType) -> String {
    field.json_name.clone().unwrap_or_else(|| lower_camel(&field.name))
}

/// The previous owner of the key. If there is none, `name` becomes its owner.
fn other<'n, K: Hash + Eq>(known: &mut HashMap<K, &'n str>, key: K, name: &'n str) -> Option<&'n str> {
    let mut is_new = false;
    let first = *known.entry(key).or_insert_with(|| {
        is_new = true;
        name
    });
    (!is_new).then_some(first)
}

fn kind_name(kind: i32) -> &'static str {
    usize::try_from(kind).ok().and_then(|kind| KINDS.get(kind)).unwrap_or(&KINDS[0])
}
