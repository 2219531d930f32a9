//! Prints a single field of a response, for a rule's `response_body`.

use std::borrow::Cow;

use super::decoder::{Decoder, finish};
use super::error::{DecodeError, DecodeProblem, Outcome};
use super::place;
use super::print::Print;
use super::scattered::{Occurrence, WireValue, WireValues};
use crate::codec::http_body::HttpBody;
use crate::schema::{Field, FieldPath, FieldTable, Message};

/// The value of one field as ProtoJSON. A field that is not set has its default: `""`, `0`, `false`, the first name of
/// an enum, `[]` or `{}`. A field with presence, such as any message, is `null` then.
///
/// # Errors
/// The bytes do not match the descriptors.
pub fn reply_field(path: &FieldPath, wire: &[u8], print: &Print) -> Result<Vec<u8>, DecodeError> {
    let tables = path.leaf().tables();
    let out = Vec::with_capacity(wire.len() * 2 + 256);
    let mut decoder = Decoder::new(tables, print, out, 1);
    let made = decoder.part(path.fields(), wire);
    finish(decoder, made).map_err(|(problem, out)| {
        let message = tables.message(path.fields()[0].owner()).name.to_string();
        DecodeError { message, field: place::within_field(path, &out), problem }
    })
}

/// Calls `take` with the content type and data of the HttpBody in a response of type `output`: the response itself, or
/// the field at `path`.
///
/// # Errors
/// The bytes do not match the descriptors.
pub fn http_body<T>(
    output: &Message,
    path: Option<&FieldPath>,
    reply: &[u8],
    take: impl FnOnce(HttpBody<'_>) -> T,
) -> Result<T, DecodeError> {
    let bytes = path.map_or(Ok(Cow::Borrowed(reply)), |path| message_at(path, reply));
    let taken = bytes.and_then(|bytes| HttpBody::decode(&bytes).map(take));
    taken.map_err(|problem| DecodeError { message: output.name().to_owned(), field: String::new(), problem })
}

/// The bytes of the singular message at `path`; empty if it is not set.
fn message_at<'w>(path: &FieldPath, wire: &'w [u8]) -> Result<Cow<'w, [u8]>, DecodeProblem> {
    let print = Print::default();
    let decoder = Decoder::new(path.leaf().tables(), &print, Vec::new(), 0);
    path.fields().iter().try_fold(Cow::Borrowed(wire), |here, field| {
        Ok(match here {
            Cow::Borrowed(bytes) => decoder.message_in(field, bytes)?,
            Cow::Owned(bytes) => Cow::Owned(decoder.message_in(field, &bytes)?.into_owned()),
        })
    })
}

impl<'a> Decoder<'a> {
    fn message_in<'w>(&self, field: &Field, wire: &'w [u8]) -> Result<Cow<'w, [u8]>, DecodeProblem> {
        let table = self.tables.message(field.owner());
        let these = self.index(table, wire)?.into_iter().filter(|one| one.index == field.index());
        let values: WireValues<'_> = these.map(|one| WireValue(one.at)).collect();
        Ok(values.joined(field.table())?)
    }

    fn part(&mut self, path: &[Field], wire: &[u8]) -> Outcome<()> {
        let (here, inside) = path.split_first().expect("a path is not empty");
        let table = self.tables.message(here.owner());
        let field = &table.fields[here.index()];
        let mut these = self.index(table, wire)?;
        these.retain(|one| one.index == here.index());
        if inside.is_empty() {
            return self.only(field, &these);
        }
        let values: WireValues<'_> = these.iter().map(|one| WireValue(one.at)).collect();
        let joined = values.joined(field)?;
        self.nested(|this| this.part(inside, &joined))
    }

    fn only(&mut self, field: &'a FieldTable, these: &[Occurrence<'_>]) -> Outcome<()> {
        self.key(field);
        let key = self.out.len();
        self.out.clear();
        if self.collected(field, these)? {
            // Removes the comma after the member, and its key.
            self.out.pop();
            self.out.drain(..key);
        } else if !self.put_default(field) {
            self.out.extend_from_slice(b"null");
        }
        self.check_size()
    }
}
