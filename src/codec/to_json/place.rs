//! Finds out where printing a response failed. The position is derived afterwards from the JSON printed so far, so it
//! costs nothing for valid responses.
//!
//! Field names and list indices are shown. Keys of maps and of a Struct are data from the backend and are not shown.

use crate::schema::{self, FieldPath, FieldTable, MessageId, Shape, Tables, WellKnown};

/// Longest position that is shown, in bytes.
const LONGEST: usize = 200;

/// The field at which the JSON of such a message ends; empty at its beginning and between its members.
pub(super) fn within_message(tables: &Tables, id: MessageId, json: &[u8]) -> String {
    told(&Walk::new(tables, Slot::Message(tables, id)).place(json))
}

/// The field at which the JSON of this field's value ends, for a rule with `response_body`.
pub(super) fn within_field(path: &FieldPath, json: &[u8]) -> String {
    let (tables, leaf) = (path.leaf().tables(), path.leaf().table());
    told(&format!("{path}{}", Walk::new(tables, Slot::of(tables, leaf)).place(json)))
}

fn told(place: &str) -> String {
    let place = place.strip_prefix('.').unwrap_or(place);
    match place.len() {
        0..=LONGEST => place.to_owned(),
        _ => format!("{}...", &place[..place.floor_char_boundary(LONGEST)]),
    }
}

/// The type of a value.
#[derive(Clone, Copy)]
enum Slot<'a> {
    Message(&'a Tables, MessageId),
    /// A list with elements of this type.
    List(&'a Tables, Option<MessageId>),
    /// A map with entries of this type.
    Map(&'a Tables, MessageId),
    /// A value without fields.
    Other,
}

/// An open object or array around the position.
struct Level<'a> {
    is: Slot<'a>,
    /// The current member.
    key: Option<String>,
    index: usize,
    /// For an Any, the message type that it holds.
    any: Option<(&'a Tables, MessageId)>,
}

struct Walk<'a> {
    descriptors: &'a Tables,
    root: Slot<'a>,
    levels: Vec<Level<'a>>,
}

impl<'a> Slot<'a> {
    fn of(tables: &'a Tables, field: &FieldTable) -> Self {
        let message = field.kind.message();
        match (field.shape, message) {
            (Shape::Map, Some(entry)) => Self::Map(tables, entry),
            (Shape::Repeated | Shape::Packed, message) => Self::List(tables, message),
            (_, message) => Self::of_message(tables, message),
        }
    }

    fn of_message(tables: &'a Tables, message: Option<MessageId>) -> Self {
        message.map_or(Self::Other, |id| Self::Message(tables, id))
    }
}

impl<'a> Walk<'a> {
    fn new(descriptors: &'a Tables, root: Slot<'a>) -> Self {
        Self { descriptors, root, levels: Vec::new() }
    }

    fn place(mut self, json: &[u8]) -> String {
        let mut rest = json;
        while let Some((&byte, behind)) = rest.split_first() {
            rest = behind;
            match byte {
                b'{' | b'[' => {
                    let is = self.slot();
                    self.levels.push(Level { is, key: None, index: 0, any: None });
                }
                b'}' | b']' => drop(self.levels.pop()),
                b',' => {
                    if let Some(level) = self.levels.last_mut() {
                        (level.key, level.index) = (None, level.index + 1);
                    }
                }
                b'"' => {
                    let end = end_of_string(rest);
                    let text = &rest[..end];
                    rest = rest.get(end + 1..).unwrap_or_default();
                    self.text(text, rest.first() == Some(&b':'));
                }
                _ => {}
            }
        }
        self.levels.iter().map_while(Level::shown).collect()
    }

    /// The type of the next value.
    fn slot(&self) -> Slot<'a> {
        let Some(level) = self.levels.last() else { return self.root };
        let Some(key) = &level.key else {
            return match level.is {
                Slot::List(tables, message) => Slot::of_message(tables, message),
                _ => Slot::Other,
            };
        };
        let of_field = |tables: &'a Tables, id: MessageId, name: &str| {
            let table = tables.message(id);
            table.by_name(name).map_or(Slot::Other, |index| Slot::of(tables, &table.fields[index]))
        };
        match (level.is, level.any) {
            (_, Some((tables, id))) if tables.message(id).known != WellKnown::No => Slot::Message(tables, id),
            (_, Some((tables, id))) => of_field(tables, id, key),
            (Slot::Message(tables, id), None) => of_field(tables, id, key),
            (Slot::Map(tables, entry), None) => of_field(tables, entry, "value"),
            _ => Slot::Other,
        }
    }

    /// Handles a key or a string value.
    fn text(&mut self, text: &[u8], is_key: bool) {
        let descriptors = self.descriptors;
        let Some(level) = self.levels.last_mut() else { return };
        if is_key {
            level.key = Some(String::from_utf8_lossy(text).into_owned());
        } else if level.is_any() && level.key.as_deref() == Some("@type") {
            let text = String::from_utf8_lossy(text);
            let name = text.rsplit('/').next().unwrap_or_default();
            level.any = schema::find_any(descriptors, name);
        }
    }
}

impl Level<'_> {
    fn is_any(&self) -> bool {
        matches!(self.is, Slot::Message(tables, id) if tables.message(id).known == WellKnown::Any)
    }

    /// How this level appears in the position; `None` if nothing more may be shown.
    fn shown(&self) -> Option<String> {
        match self.is {
            Slot::Message(tables, id) if self.is_any() || tables.message(id).known == WellKnown::No => {
                self.key.as_ref().map(|key| format!(".{key}"))
            }
            Slot::List(..) => Some(format!("[{}]", self.index)),
            Slot::Map(..) => self.key.as_ref().map(|_| "[...]".to_owned()),
            Slot::Message(..) | Slot::Other => None,
        }
    }
}

/// Where the string ends whose opening quote comes before these bytes.
fn end_of_string(json: &[u8]) -> usize {
    let mut is_escaped = false;
    let end = json.iter().position(|&byte| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    });
    end.unwrap_or(json.len())
}

#[cfg(test)]
mod tests {
    use crate::codec::{Print, reply};
    use crate::format::wire::{LENGTH, put_bytes, put_tag};
    use crate::schema::schema_of;

    const PROTO: &str = r#"
syntax = "proto3";
package t;
import "google/protobuf/any.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/struct.proto";
message Node {
  string name = 1; Node next = 2; repeated Node list = 3; map<string, Node> by_name = 4; google.protobuf.Any any = 5;
  repeated google.protobuf.Any more_any = 6; google.protobuf.Timestamp at = 7; google.protobuf.Struct all = 8; repeated string tags = 9;
}
"#;

    fn field(number: u32, value: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        put_tag(&mut out, number, LENGTH);
        put_bytes(&mut out, value);
        out
    }

    fn any(url: &str, value: &[u8]) -> Vec<u8> {
        [field(1, url.as_bytes()), field(2, value)].concat()
    }

    #[test]
    fn the_error_for_a_reply_that_cannot_be_printed_names_the_field() {
        let schema = schema_of(PROTO).unwrap();
        let node = schema.message("t.Node").unwrap();
        let (named, wrong) = (field(1, b"a"), field(1, b"\xff"));
        let unknown = any("x/t.Nobody", b"");
        let cut = [0x0a, 5];
        let entry = |key: &[u8], value: &[u8]| [field(1, key), field(2, value)].concat();
        let late = [8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
        for (wire, place) in [
            (cut.to_vec(), ""),
            (wrong.clone(), "name"),
            (field(2, &field(2, &wrong)), "next.next.name"),
            ([named.clone(), vec![0x80]].concat(), ""),
            ([named.clone(), field(2, &[0x80])].concat(), "next"),
            ([field(3, &named), field(3, &[]), field(3, &wrong)].concat(), "list[2].name"),
            (field(9, b"\xff"), "tags[0]"),
            (field(4, &entry(b"secret", &field(3, &wrong))), "byName[...].list[0].name"),
            (field(5, &unknown), "any"),
            (field(2, &[field(6, &any("x/t.Node", &named)), field(6, &unknown)].concat()), "next.moreAny[1]"),
            (field(5, &any("x/t.Node", &field(2, &field(5, &unknown)))), "any.next.any"),
            (field(5, &any("x/google.rpc.Status", &field(3, &unknown))), "any.details[0]"),
            (field(5, &any("x/google.protobuf.Any", &any("x/t.Node", &wrong))), "any.value.name"),
            (field(7, &late), "at"),
            (field(8, &field(1, &entry(b"secret", &field(3, b"\xff")))), "all"),
            // Not in the order of the fields.
            ([field(2, &field(3, &wrong)), named].concat(), "next.list[0].name"),
        ] {
            let error = reply(&node, &wire, &Print::default()).unwrap_err();
            assert_eq!(error.field, place, "{error}");
            assert!(!format!("{error:?}").contains("secret"), "{error:?}");
        }
        let deep = (0..60).fold(wrong, |inner, _| field(2, &inner));
        let error = reply(&node, &deep, &Print::default()).unwrap_err();
        assert_eq!(error.field, format!("{}...", "next.".repeat(40)));
    }
}
