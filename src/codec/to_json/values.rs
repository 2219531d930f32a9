//! Lists the values of an encoded message one by one, each with the text that a path or a query has for it, or the
//! reason why there is none.

use std::borrow::Cow;
use std::ops::ControlFlow;

use super::decoder::Decoder;
use super::error::{DecodeError, DecodeProblem, Outcome};
use super::known::{last_bytes, mask_text};
use super::print::Print;
use super::scattered::{Occurrence, WireValue, WireValues};
use crate::codec::depth::DEPTH_LIMIT;
use crate::codec::filling::{entries_fill, json_fills, text_fills};
use crate::format::wire::{self, Reader, WireError};
use crate::schema::{Field, FieldPath, FieldTable, Kind, Message, MessageId, Shape, Tables, WellKnown};

/// One value of a message: a scalar, a well-known type or a message without any field set.
#[derive(Debug, Clone, Copy)]
pub struct LeafValue<'v> {
    /// Its path in names of the proto file: `account.iban`, `tags[2]`, `labels[key]`, `items[0].price`. A key that must
    /// not be shown is `...`.
    pub name: &'v str,
    /// The part of `name` that is a field path: up to and including the first list or map.
    pub field: &'v str,
    /// The query parameter for the value: the field path, and for a map entry also the key.
    pub key: &'v str,
    /// Whether the value must not be shown.
    pub redacted: bool,
    /// The value in JSON.
    pub json: &'v str,
    /// The value as text for a path or a query.
    pub text: Result<&'v str, NoText<'v>>,
}

/// Why a value cannot be written as text in a path or a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoText<'v> {
    /// It is a message without any field set.
    Empty,
    /// It is a message of this type, which has a special JSON form.
    Form(&'v str),
    /// It is inside a list or map of messages.
    Listed,
    /// It is inside an extension.
    Extension,
}

/// The text of a field for a path variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldText {
    /// The text of the value; the default if the field has no presence and is not set.
    Text(String),
    /// The field has presence and is not set.
    Unset,
    /// This many fields, from the start of the path, lead to a message that is not set.
    OuterUnset(usize),
    /// The field is inside a message of this type, which has a special JSON form.
    InForm(String),
}

/// Calls `visit` with each value of the message `wire`, in the order of the fields, until it breaks. Fields whose
/// dotted names are in `except` are left out. The JSON of a value may have at most `limit` bytes.
///
/// # Errors
/// The bytes do not match the descriptors, or have no JSON form.
pub fn values(
    message: &Message,
    wire: &[u8],
    except: &[String],
    limit: usize,
    visit: impl FnMut(LeafValue<'_>) -> ControlFlow<()>,
) -> Result<(), DecodeError> {
    let print = Print { limit, ..Print::default() };
    let decoder = Decoder::new(message.tables(), &print, Vec::new(), 0);
    let mut walk = Walk { decoder, except, name: String::new(), field: String::new(), count: 0, visit };
    match walk.root(message, wire) {
        Ok(()) | Err(Stop::Enough) => Ok(()),
        Err(Stop::Problem(problem)) => {
            Err(DecodeError { message: message.name().to_owned(), field: walk.field, problem: *problem })
        }
    }
}

/// The text of one field that is not inside a list or map. The field must [take text](crate::codec::takes_text) or
/// JSON.
///
/// # Errors
/// The bytes do not match the descriptors.
pub fn field_text(path: &FieldPath, wire: &[u8], limit: usize) -> Result<FieldText, DecodeError> {
    let tables = path.leaf().tables();
    let print = Print { limit, ..Print::default() };
    let found = Decoder::new(tables, &print, Vec::new(), 0).text_at(path.fields(), 0, wire);
    found.map_err(|problem| {
        let message = tables.message(path.fields()[0].owner()).name.to_string();
        DecodeError { message, field: path.to_string(), problem: *problem }
    })
}

/// Why the walk ended early.
enum Stop {
    Enough,
    Problem(Box<DecodeProblem>),
}

impl From<Box<DecodeProblem>> for Stop {
    fn from(problem: Box<DecodeProblem>) -> Self {
        Self::Problem(problem)
    }
}

impl From<WireError> for Stop {
    fn from(error: WireError) -> Self {
        Self::Problem(error.into())
    }
}

/// What applies to a value because of the fields around it.
#[derive(Clone, Copy, Default)]
struct Around {
    redacted: bool,
    /// Whether it is an element of a list or a map, where a default is a value too.
    is_item: bool,
    /// Why no query parameter can name it; `None` if one can.
    closed: Option<Closed>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Closed {
    Listed,
    Extension,
}

impl From<Closed> for NoText<'_> {
    fn from(closed: Closed) -> Self {
        match closed {
            Closed::Listed => Self::Listed,
            Closed::Extension => Self::Extension,
        }
    }
}

impl Around {
    fn listed(self) -> Self {
        Self { closed: self.closed.or(Some(Closed::Listed)), ..self }
    }
}

struct Walk<'a, 'e, V> {
    decoder: Decoder<'a>,
    except: &'e [String],
    name: String,
    field: String,
    /// How many values were visited or left out.
    count: usize,
    visit: V,
}

impl<'a, V: FnMut(LeafValue<'_>) -> ControlFlow<()>> Walk<'a, '_, V> {
    fn root(&mut self, message: &Message, wire: &[u8]) -> Result<(), Stop> {
        match message.table().known {
            WellKnown::No => self.message(message.id(), wire, Around::default()),
            _ if wire.is_empty() => Ok(()),
            _ => {
                self.decoder.whole(message.id(), wire.into())?;
                self.put(Around::default(), NoText::Form(message.name()))
            }
        }
    }

    fn message(&mut self, id: MessageId, wire: &[u8], around: Around) -> Result<(), Stop> {
        if self.decoder.depth == DEPTH_LIMIT {
            return Err(Stop::Problem(Box::new(DecodeProblem::Depth)));
        }
        self.decoder.depth += 1;
        let table = self.decoder.tables.message(id);
        let occurrences = self.decoder.index(table, wire)?;
        for these in occurrences.chunk_by(|one, other| one.index == other.index) {
            self.field(&table.fields[these[0].index], these, around)?;
        }
        self.decoder.depth -= 1;
        Ok(())
    }

    fn field(&mut self, field: &'a FieldTable, these: &[Occurrence<'_>], around: Around) -> Result<(), Stop> {
        let (name, outer) = (self.name.len(), self.field.len());
        push_dotted(&mut self.name, &field.name);
        // A field path does not lead into a list or a map.
        if around.closed != Some(Closed::Listed) {
            push_dotted(&mut self.field, &field.name);
        }
        if around.closed.is_none() && self.except.contains(&self.field) {
            self.count += 1;
        } else {
            let is_extension = field.name.starts_with('[');
            let around = Around {
                redacted: around.redacted || field.redacted,
                is_item: false,
                closed: around.closed.or(is_extension.then_some(Closed::Extension)),
            };
            match field.shape {
                Shape::Map => self.entries(field, these, around)?,
                Shape::Repeated | Shape::Packed => self.elements(field, these, around)?,
                Shape::Implicit | Shape::Explicit | Shape::Required => {
                    self.single(field, &these.iter().map(|one| WireValue(one.at)).collect(), around)?;
                }
            }
        }
        self.name.truncate(name);
        self.field.truncate(outer);
        Ok(())
    }

    fn elements(&mut self, field: &'a FieldTable, these: &[Occurrence<'_>], around: Around) -> Result<(), Stop> {
        let tables = self.decoder.tables;
        let around = Around { is_item: true, ..around };
        let around = if text_fills(tables, field) || json_fills(tables, field) { around } else { around.listed() };
        let (name, own) = (self.name.len(), field.kind.wire_type());
        let mut index = 0;
        for one in these {
            let mut packed = match one.wire_type {
                wire_type if wire_type == own => {
                    self.element(field, one.at, &mut index, around)?;
                    continue;
                }
                wire::LENGTH if own != wire::GROUP => Reader::new(Reader::new(one.at).bytes()?),
                _ => continue,
            };
            while !packed.is_empty() {
                self.element(field, packed.rest(), &mut index, around)?;
                packed.skip(field.number, own)?;
            }
        }
        self.name.truncate(name);
        Ok(())
    }

    fn element(&mut self, field: &'a FieldTable, at: &[u8], index: &mut usize, around: Around) -> Result<(), Stop> {
        if self.decoder.is_unknown(field, at)? {
            return Ok(());
        }
        let name = self.name.len();
        self.name.push_str(&format!("[{index}]"));
        self.single(field, &[WireValue(at)].into_iter().collect(), around)?;
        self.name.truncate(name);
        *index += 1;
        Ok(())
    }

    fn entries(&mut self, field: &'a FieldTable, these: &[Occurrence<'_>], around: Around) -> Result<(), Stop> {
        let around = Around { is_item: true, ..around };
        let entries = these.iter().filter(|entry| entry.wire_type == wire::LENGTH);
        let entries = entries.map(|entry| Reader::new(entry.at).bytes()).collect::<Result<Vec<&[u8]>, WireError>>()?;
        let Some((key_field, value_field)) = self.decoder.entry_fields(field) else { return Ok(()) };
        let (name, outer) = (self.name.len(), self.field.len());
        let is_open = entries_fill(self.decoder.tables, field);
        for (key, values) in self.decoder.read_entries(key_field, value_field, &entries)? {
            let key = self.decoder.key_text(key_field, &key)?;
            self.name.push_str(&format!("[{}]", if around.redacted { "..." } else { &key }));
            if is_open {
                self.value(value_field, &values, around, Some(&key))?;
            } else {
                self.single(value_field, &values, around.listed())?;
            }
            self.name.truncate(name);
            self.field.truncate(outer);
        }
        Ok(())
    }

    /// Visits one value: the value of the field, or an element of its list or map.
    fn single(&mut self, field: &'a FieldTable, values: &WireValues<'_>, around: Around) -> Result<(), Stop> {
        let Some(id) = field.kind.message().filter(|id| self.decoder.tables.message(*id).known == WellKnown::No) else {
            return self.value(field, values, around, None);
        };
        let before = self.count;
        self.message(id, &values.joined(field)?, Around { is_item: false, ..around })?;
        if self.count > before {
            return Ok(());
        }
        self.decoder.out.clear();
        self.decoder.out.extend_from_slice(b"{}");
        self.put(around, NoText::Empty)
    }

    /// Visits a value that is not an object of fields.
    fn value(
        &mut self,
        field: &'a FieldTable,
        values: &WireValues<'_>,
        around: Around,
        entry: Option<&str>,
    ) -> Result<(), Stop> {
        self.decoder.out.clear();
        let is_default = self.decoder.print_value(field, values)?;
        if self.decoder.out.is_empty() || is_default && !around.is_item && field.shape == Shape::Implicit {
            return Ok(());
        }
        let Self { decoder, name, field: path, count, visit, .. } = self;
        let text = text_of(decoder.tables, field, values, &decoder.out)?;
        let key = entry.map_or(Cow::Borrowed(path.as_str()), |key| Cow::Owned(format!("{path}[{key}]")));
        let text = around.closed.map_or(Ok(&*text), |closed| Err(closed.into()));
        let json = String::from_utf8_lossy(&decoder.out);
        *count += 1;
        proceed(visit(LeafValue { name, field: path, key: &key, redacted: around.redacted, json: &json, text }))
    }

    /// Visits the value printed last, which has no text for a path or query.
    fn put(&mut self, around: Around, reason: NoText<'_>) -> Result<(), Stop> {
        let (name, field, redacted) = (&*self.name, &*self.field, around.redacted);
        let json = String::from_utf8_lossy(&self.decoder.out);
        let text = Err(around.closed.map_or(reason, NoText::from));
        self.count += 1;
        proceed((self.visit)(LeafValue { name, field, key: field, redacted, json: &json, text }))
    }
}

impl<'a> Decoder<'a> {
    /// Prints the value of a singular field; true if it is the default of a scalar.
    fn print_value(&mut self, field: &'a FieldTable, values: &WireValues<'_>) -> Outcome<bool> {
        let is_default = match (&values.last, field.kind.message()) {
            (Some(last), None) => self.value(field, &mut Reader::new(last.0))?,
            _ => {
                self.last_value(field, values)?;
                false
            }
        };
        self.check_size()?;
        Ok(is_default)
    }

    /// The text of the field that the rest of a path leads to; `depth` fields of the path have been followed.
    fn text_at(&mut self, path: &[Field], depth: usize, wire: &[u8]) -> Outcome<FieldText> {
        let (here, inside) = path.split_first().expect("a path is not empty");
        let table = self.tables.message(here.owner());
        if table.known != WellKnown::No {
            return Ok(FieldText::InForm(table.name.to_string()));
        }
        let field = &table.fields[here.index()];
        let these = self.index(table, wire)?.into_iter().filter(|one| one.index == here.index());
        let values: WireValues<'_> = these.map(|one| WireValue(one.at)).collect();
        if !inside.is_empty() {
            return match values.last {
                None => Ok(FieldText::OuterUnset(depth + 1)),
                Some(_) => self.text_at(inside, depth + 1, &values.joined(field)?),
            };
        }
        let is_default = values.last.is_none() || self.print_value(field, &values)?;
        Ok(match (is_default, field.shape) {
            (true, Shape::Implicit) => FieldText::Text(default_text(field.kind).to_owned()),
            (true, _) if values.last.is_none() => FieldText::Unset,
            _ => FieldText::Text(text_of(self.tables, field, &values, &self.out)?.into_owned()),
        })
    }
}

/// The text of a value that is not an object of fields. `json` is the printed value.
fn text_of<'v>(tables: &Tables, field: &FieldTable, values: &WireValues<'v>, json: &'v [u8]) -> Outcome<Cow<'v, str>> {
    let not_utf8 = || Box::new(DecodeProblem::Utf8 { field: field.json_name.to_string() });
    let text = |bytes: &'v [u8]| std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| not_utf8());
    let Some(id) = field.kind.message() else {
        return match (&values.last, field.kind) {
            (Some(last), Kind::String) => text(Reader::new(last.0).bytes()?),
            _ => text(unquoted(json)),
        };
    };
    let message = tables.message(id);
    match message.known {
        WellKnown::Any | WellKnown::Struct | WellKnown::Value | WellKnown::ListValue => text(json),
        // These are quoted in JSON and may contain escapes.
        WellKnown::FieldMask => mask_text(&values.joined(field)?)?.map(Cow::Owned).ok_or_else(not_utf8),
        WellKnown::Wrapper if message.fields.first().is_some_and(|value| value.kind == Kind::String) => {
            let joined = values.joined(field)?;
            let bytes = last_bytes(&joined, 1)?.to_vec();
            String::from_utf8(bytes).map(Cow::Owned).map_err(|_| not_utf8())
        }
        WellKnown::No | WellKnown::Timestamp | WellKnown::Duration | WellKnown::Wrapper => text(unquoted(json)),
    }
}

/// The text of a value from its JSON: a number, an enum name, base64 or a time, never a string of the caller.
fn unquoted(json: &[u8]) -> &[u8] {
    match json {
        // Only google.protobuf.NullValue, an enum, is printed like this.
        b"null" => b"NULL_VALUE",
        [b'"', text @ .., b'"'] => text,
        _ => json,
    }
}

fn proceed(flow: ControlFlow<()>) -> Result<(), Stop> {
    if flow.is_break() { Err(Stop::Enough) } else { Ok(()) }
}

fn default_text(kind: Kind) -> &'static str {
    match kind {
        Kind::String | Kind::Bytes => "",
        Kind::Bool => "false",
        _ => "0",
    }
}

fn push_dotted(path: &mut String, name: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(name);
}
