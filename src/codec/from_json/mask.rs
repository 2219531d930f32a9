//! Which fields a body gives: the `update_mask` of a PATCH that does not name them.
//!
//! Each field has its whole path in a mask, so one that is made of a body can become many times as long as that. It is counted while
//! it is made. A shorter mask that means the same there is not: to name a message in place of all the fields that are given in it
//! would have some backends clear its other fields, and others keep those that are given as their default (field_mask.proto,
//! "Field Masks in Update Operations", lets an API do either).

use crate::format::json::{JsonKind, Scanner};
use crate::format::wire;
use crate::schema::{Kind, Message, MessageTable, Tables, WellKnown};

/// The number of `paths` in google/protobuf/field_mask.proto.
const PATHS: u32 = 1;

/// A tag of one byte, and a length.
const AROUND: usize = 1 + 5;

/// A `google.protobuf.FieldMask` in the making, in wire format.
#[derive(Debug)]
pub struct Mask {
    wire: Vec<u8>,
    most: usize,
}

/// A mask would be longer than it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaskTooLong;

impl Mask {
    /// One without paths, which may become so many bytes long.
    #[must_use]
    pub fn of_at_most(most: usize) -> Self {
        Self { wire: Vec::new(), most }
    }

    /// Takes one more path.
    ///
    /// # Errors
    /// There is no room for it.
    pub fn push(&mut self, path: &str) -> Result<(), MaskTooLong> {
        if self.wire.len() + AROUND + path.len() > self.most {
            return Err(MaskTooLong);
        }
        wire::put_tag(&mut self.wire, PATHS, wire::LENGTH);
        wire::put_bytes(&mut self.wire, path.as_bytes());
        Ok(())
    }

    /// The message in wire format.
    #[must_use]
    pub fn into_wire(self) -> Vec<u8> {
        self.wire
    }
}

/// Adds the members of `text`, a JSON object of type `message`, but for those in `besides`. A single message is gone into, unless it
/// is empty; a list, a map and a well-known type are named whole.
///
/// What is no JSON, and members that the message has not, are left out: the reader of the body tells them.
///
/// # Errors
/// There is no room for all of them.
pub fn add_members(
    mask: &mut Mask,
    message: &Message,
    (text, depth): (&[u8], usize),
    besides: &[String],
) -> Result<(), MaskTooLong> {
    let mut found = MaskWalk { tables: message.tables(), path: String::new(), mask, besides };
    let Ok(mut scanner) = Scanner::new(text, depth) else { return Ok(()) };
    match found.members(&mut scanner, message.table()) {
        Err(Stop::TooLong) => Err(MaskTooLong),
        Ok(_) | Err(Stop::NoJson) => Ok(()),
    }
}

struct MaskWalk<'t> {
    tables: &'t Tables,
    /// The way to the object that is read, with a dot behind it.
    path: String,
    mask: &'t mut Mask,
    besides: &'t [String],
}

/// Why no more members are taken.
enum Stop {
    NoJson,
    TooLong,
}

impl From<crate::format::json::JsonError> for Stop {
    fn from(_: crate::format::json::JsonError) -> Self {
        Self::NoJson
    }
}

impl MaskWalk<'_> {
    /// Takes one object; how many members it has.
    fn members(&mut self, scanner: &mut Scanner<'_>, table: &MessageTable) -> Result<usize, Stop> {
        if scanner.peek()? != JsonKind::Object {
            return Err(Stop::NoJson);
        }
        scanner.begin_object()?;
        let (mut first, mut count) = (true, 0);
        while let Some(name) = scanner.member(&mut first)? {
            count += 1;
            let Some(index) = table.by_name(&name) else {
                scanner.skip()?;
                continue;
            };
            let (field, before) = (&table.fields[index], self.path.len());
            self.path.push_str(&field.name);
            let inside = match field.kind {
                Kind::Message(id) | Kind::Group(id) if !field.is_repeated() => Some(self.tables.message(id)),
                _ => None,
            };
            let length = self.path.len();
            let members = match inside.filter(|inside| inside.known == WellKnown::No) {
                Some(inside) if scanner.peek()? == JsonKind::Object => {
                    self.path.push('.');
                    self.members(scanner, inside)?
                }
                _ => {
                    scanner.skip()?;
                    0
                }
            };
            self.path.truncate(length);
            if members == 0 && !self.besides.contains(&self.path) {
                self.mask.push(&self.path).map_err(|MaskTooLong| Stop::TooLong)?;
            }
            self.path.truncate(before);
        }
        Ok(count)
    }
}
