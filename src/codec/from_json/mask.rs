//! Derives the `update_mask` of a PATCH without one from the fields that its body sets.
//!
//! A mask names each field with its whole path, so it can become many times as long as the body. Its length is
//! therefore limited while it is built. There is no shorter mask with the same meaning. Naming a message instead of all
//! its given fields would make some backends clear its other fields. Others would leave fields unchanged that are given
//! with their default value. (field_mask.proto, "Field Masks in Update Operations", lets an API do either.)

use crate::format::json::{JsonKind, Scanner};
use crate::format::wire;
use crate::schema::{Kind, Message, MessageTable, Tables, WellKnown};

/// The number of the field `paths` in google/protobuf/field_mask.proto.
const PATHS: u32 = 1;

/// Most bytes that a path needs besides its text: one byte of tag, and a length.
const AROUND: usize = 1 + 5;

/// A `google.protobuf.FieldMask` in wire format, built path by path.
#[derive(Debug)]
pub struct Mask {
    wire: Vec<u8>,
    most: usize,
}

/// The mask would exceed its length limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaskTooLong;

impl Mask {
    /// An empty mask that may grow to `most` bytes.
    #[must_use]
    pub fn of_at_most(most: usize) -> Self {
        Self { wire: Vec::new(), most }
    }

    /// Adds a path.
    ///
    /// # Errors
    /// The mask would exceed its length limit.
    pub fn push(&mut self, path: &str) -> Result<(), MaskTooLong> {
        if self.wire.len() + AROUND + path.len() > self.most {
            return Err(MaskTooLong);
        }
        wire::put_tag(&mut self.wire, PATHS, wire::LENGTH);
        wire::put_bytes(&mut self.wire, path.as_bytes());
        Ok(())
    }

    /// The encoded message.
    #[must_use]
    pub fn into_wire(self) -> Vec<u8> {
        self.wire
    }
}

/// Adds the members of `text`, a JSON object of type `message`, except those in `besides`. Singular messages are
/// replaced by their members, unless they are empty. Lists, maps and well-known types are named as a whole.
///
/// Invalid JSON and unknown members are left out, because the reader of the body reports them.
///
/// # Errors
/// The mask would exceed its length limit.
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
    /// Path of the object that is being read, with a trailing dot.
    path: String,
    mask: &'t mut Mask,
    besides: &'t [String],
}

/// Why the walk ended early.
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
    /// Reads one object; returns how many members it has.
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
