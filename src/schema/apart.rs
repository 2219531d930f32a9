//! Renames fields for the descriptor pool that it would reject although protoc accepts them: `name` beside `Name`, and
//! in proto2 `event_type` beside `eventType`. They pass through the pool under other names and are renamed back
//! afterwards.
//!
//! Whether JSON can tell the fields apart is decided in `check`.

use std::collections::HashMap;

use prost_types::{DescriptorProto, FileDescriptorProto};

use super::compile::lower_camel;
use super::descriptor;

/// A field that was renamed temporarily.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Renamed {
    /// The indices of the messages around it, from the file inwards.
    messages: Vec<usize>,
    field: usize,
    name: String,
    json_name: String,
}

/// Renames the fields whose names the pool would reject.
pub(super) fn rename(file: &mut FileDescriptorProto) -> Vec<Renamed> {
    let mut renamed = Vec::new();
    for (place, message) in file.message_type.iter_mut().enumerate() {
        in_message(message, &mut vec![place], &mut renamed);
    }
    renamed
}

/// Gives renamed fields their own names back.
pub(super) fn restore(file: &mut descriptor::File, renamed: Vec<Renamed>) {
    for Renamed { messages, field, name, json_name } in renamed {
        let mut places = messages.into_iter();
        let Some(mut message) = places.next().and_then(|place| file.messages.get_mut(place)) else { continue };
        for place in places {
            message = &mut message.messages[place];
        }
        let field = &mut message.fields[field];
        (field.name, field.json_name) = (name, Some(json_name));
    }
}

fn in_message(message: &mut DescriptorProto, places: &mut Vec<usize>, renamed: &mut Vec<Renamed>) {
    let (mut plain, mut json) = (HashMap::<String, String>::new(), HashMap::<String, String>::new());
    let mut taken = Vec::new();
    for (index, field) in message.field.iter().enumerate() {
        let name = field.name().to_owned();
        let json_name = field.json_name.clone().unwrap_or_else(|| lower_camel(&name));
        let same = [plain.get(&as_pool_compares(&name)), json.get(&json_name)];
        // Exactly the same name twice is left to the pool, which rejects it.
        if same.iter().flatten().any(|other| **other != name) && !same.iter().flatten().any(|other| **other == name) {
            taken.push((index, name, json_name));
        } else {
            plain.entry(as_pool_compares(&name)).or_insert_with(|| name.clone());
            json.entry(json_name).or_insert(name);
        }
    }
    for (index, name, json_name) in taken {
        let field = &mut message.field[index];
        // Not an ASCII letter, so no field in a `.proto` file can have this name.
        (field.name, field.json_name) = (Some(format!("\u{b7}{index}")), None);
        renamed.push(Renamed { messages: places.clone(), field: index, name, json_name });
    }
    for (place, nested) in message.nested_type.iter_mut().enumerate() {
        places.push(place);
        in_message(nested, places, renamed);
        places.pop();
    }
}

fn as_pool_compares(name: &str) -> String {
    name.chars().filter(|c| *c != '_').map(|c| c.to_ascii_lowercase()).collect()
}
