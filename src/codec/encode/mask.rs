//! Which fields a body gives: the `update_mask` of a PATCH that does not name them.

use crate::json::{Kind as Json, Scanner};
use crate::schema::{Kind, Known, Message, MessageTable, Tables};
use crate::wire;

/// The number of `paths` in google/protobuf/field_mask.proto.
const PATHS: u32 = 1;

/// A `google.protobuf.FieldMask` in wire format with the members of `text`, a JSON object of type `message`, but for those
/// in `besides`. A single message is gone into, unless it is empty; a list, a map and a well-known type are named whole.
///
/// What is no JSON, and members that the message has not, are left out: the reader of the body tells them.
#[must_use]
pub fn field_mask(message: &Message, text: &[u8], depth: usize, besides: &[String]) -> Vec<u8> {
    let mut found = Found { tables: message.tables(), paths: Vec::new() };
    if let Ok(mut scanner) = Scanner::new(text, depth) {
        let _ = found.members(&mut scanner, message.table(), "");
    }
    mask_of(found.paths.iter().filter(|path| !besides.contains(path)))
}

/// A `google.protobuf.FieldMask` of these paths in wire format.
#[must_use]
pub fn mask_of<'p>(paths: impl Iterator<Item = &'p String>) -> Vec<u8> {
    let mut wire = Vec::new();
    for path in paths {
        wire::put_tag(&mut wire, PATHS, wire::LENGTH);
        wire::put_bytes(&mut wire, path.as_bytes());
    }
    wire
}

struct Found<'t> {
    tables: &'t Tables,
    paths: Vec<String>,
}

impl Found<'_> {
    /// Takes one object; how many members it has.
    fn members(&mut self, scanner: &mut Scanner<'_>, table: &MessageTable, before: &str) -> Option<usize> {
        if scanner.peek().ok()? != Json::Object {
            scanner.skip().ok()?;
            return None;
        }
        scanner.begin_object().ok()?;
        let (mut first, mut count) = (true, 0);
        while let Some(name) = scanner.member(&mut first).ok()? {
            count += 1;
            let Some(index) = table.by_name(&name) else {
                scanner.skip().ok()?;
                continue;
            };
            let field = &table.fields[index];
            let path = format!("{before}{}", field.name);
            let inside = match field.kind {
                Kind::Message(id) | Kind::Group(id) if !field.is_repeated() => Some(self.tables.message(id)),
                _ => None,
            };
            match inside.filter(|inside| inside.known == Known::No) {
                Some(inside) if scanner.peek().ok()? == Json::Object => {
                    if self.members(scanner, inside, &format!("{path}."))? == 0 {
                        self.paths.push(path);
                    }
                }
                _ => {
                    scanner.skip().ok()?;
                    self.paths.push(path);
                }
            }
        }
        Some(count)
    }
}
