//! Compiles rules against the schema: tables for each message type that has rules or contains one that has.

use std::collections::{HashMap, HashSet};

use super::cel::Values;
use super::custom::WholeRules;
use super::options;
use super::reading::Reading;
use super::tables::{
    AllChecks, FieldChecks, Form, ListChecks, MapChecks, MessageChecks, OneofChecks, Validator, ValueChecks,
};
use super::tree::{Member, MessageRules, Sources, TreeValue};
use crate::format::problem::Problem;
use crate::format::suggestion::{nearest, nearest_dotted, or_meant};
use crate::schema::{
    Annotated, Annotation, FieldTable, Kind, Message, MessageId, MessageTable, Schema, Shape, Tables, WellKnown,
};

/// The rules of one message type.
#[derive(Default)]
struct OwnRules {
    /// By number; `None` if everything about the field is ignored.
    fields: HashMap<u32, Option<FieldChecks>>,
    oneofs: Vec<OneofChecks>,
    whole: WholeRules,
}

/// The key of the rules of a message as a whole, among the names of its fields.
const WHOLE: &str = "(message)";

impl Validator {
    /// Compiles these rules.
    ///
    /// # Errors
    /// Every problem, each with its place.
    pub fn compile(schema: &Schema, sources: &Sources) -> Result<Self, Vec<Problem>> {
        if sources.is_empty() {
            return Ok(Self::default());
        }
        let rules = &sources.rules;
        let messages: Vec<Message> = schema.messages().collect();
        let Some(types) = messages.first() else { return Ok(Self::default()) };
        let mut reading = Reading { predefined: schema.predefined(), ..Reading::new(types) };
        let mut own = annotated(&mut reading, schema, &messages, sources);
        for (index, rules_of) in rules.iter().enumerate() {
            let name = &rules_of.message;
            if let Some(first) = rules[..index].iter().find(|first| first.message == *name) {
                let message = format!("`{name}` already has rules, at {}", first.place);
                reading.problems.push(Problem::at(&rules_of.place, message));
                continue;
            }
            match messages.iter().find(|message| message.name() == name) {
                Some(message) => {
                    add_rules(&mut reading, message, rules_of, own.entry(message.id()).or_default());
                }
                None => {
                    let known: Vec<&str> = messages.iter().map(Message::name).collect();
                    let near = nearest_dotted(name, &known);
                    let message = format!("the schema has no message `{name}`{}", or_meant(near));
                    reading.problems.push(Problem::at(&rules_of.place, message));
                }
            }
        }
        if !reading.problems.is_empty() {
            return Err(reading.problems);
        }
        Ok(Self::join(types, &messages, own))
    }

    /// Joins the rules of message types: a field of a message type is checked if that type is.
    fn join(types: &Message, messages: &[Message], mut own: HashMap<MessageId, OwnRules>) -> Self {
        let tables = types.tables();
        let mut checked: HashSet<MessageId> = own.keys().copied().collect();
        let is_ignored = |own: &HashMap<MessageId, OwnRules>, id: MessageId, field: &FieldTable| {
            own.get(&id).and_then(|own| own.fields.get(&field.number)).is_some_and(Option::is_none)
        };
        loop {
            let reaches = |message: &&Message| {
                let is_checked = |field: &FieldTable| {
                    inner_message(tables, field).is_some_and(|inner| checked.contains(&inner))
                        && !is_ignored(&own, message.id(), field)
                };
                !checked.contains(&message.id()) && message.table().fields.iter().any(is_checked)
            };
            let more: Vec<MessageId> = messages.iter().filter(reaches).map(Message::id).collect();
            if more.is_empty() {
                break;
            }
            checked.extend(more);
        }
        // In the order of the schema, whatever the order of a map was.
        let checked: Vec<MessageId> = messages.iter().map(Message::id).filter(|id| checked.contains(id)).collect();
        let ids: HashMap<MessageId, usize> = checked.iter().enumerate().map(|(index, id)| (*id, index)).collect();
        let made = checked.iter().map(|id| {
            let own = own.remove(id).unwrap_or_default();
            joined(types, &ids, *id, own)
        });
        let messages: Vec<MessageChecks> = made.collect();
        let has_cel =
            |message: &MessageChecks| !message.cel.is_empty() || message.fields.iter().any(FieldChecks::has_cel);
        let has_cel = messages.iter().any(has_cel);
        Self { messages, ids, values: Some(Values::new(types.clone())), has_cel }
    }
}

/// The rules of all message types in the descriptors, where they are wanted.
fn annotated(
    reading: &mut Reading<'_>,
    schema: &Schema,
    messages: &[Message],
    sources: &Sources,
) -> HashMap<MessageId, OwnRules> {
    let mut own: HashMap<MessageId, OwnRules> = HashMap::new();
    if !sources.protovalidate && !sources.field_behavior {
        return own;
    }
    let by_name: HashMap<&str, &Message> = messages.iter().map(|message| (message.name(), message)).collect();
    let (mut rules, mut behaviors) = (0, 0);
    for annotation in schema.annotations() {
        let Some(message) = by_name.get(annotation.message.as_str()) else { continue };
        let rules_of = own.entry(message.id()).or_default();
        if sources.protovalidate && !annotation.rules.is_empty() {
            rules += 1;
            add_annotation(reading, message, annotation, rules_of);
        }
        let Annotation { is_required, is_output_only, is_input_only, .. } = *annotation;
        if sources.field_behavior && (is_output_only || is_input_only) {
            behaviors += 1;
        }
        // What callers set of a field with OUTPUT_ONLY is ignored, so nobody can be required to set it.
        if sources.field_behavior && is_required && !is_output_only {
            behaviors += 1;
            add_required(reading.types, message.table(), annotation, rules_of);
        }
    }
    // Options whose file was missing may have been left out of the descriptors.
    for (key, is_wanted, count, option) in [
        ("protovalidate", sources.protovalidate, rules, "buf.validate"),
        ("field_behavior", sources.field_behavior, behaviors, "google.api.field_behavior"),
    ] {
        if is_wanted && count == 0 {
            let message = format!("the descriptors have no `{option}` options; remove this key");
            reading.problems.push(Problem::at(format!("validation.{key}"), message));
        }
    }
    own
}

fn add_annotation(reading: &mut Reading<'_>, of_type: &Message, annotation: &Annotation, own: &mut OwnRules) {
    let Annotation { message, of, rules, .. } = annotation;
    let read = match of {
        None => options::of_message(rules, message).map(|tree| Member {
            name: WHOLE.to_owned(),
            place: message.clone(),
            value: tree,
        }),
        Some(Annotated::Field(name)) => {
            let place = format!("{message}.{name}");
            options::of_field(rules, &place).map(|tree| Member { name: name.clone(), place, value: tree })
        }
        Some(Annotated::Oneof(name)) => {
            let place = format!("{message}.{name}");
            options::of_oneof(rules, &place).map(|tree| Member { name: name.clone(), place, value: tree })
        }
    };
    match read {
        Ok(member) => add_member(reading, of_type, &member, own),
        Err(error) => {
            let place = match of {
                Some(Annotated::Field(name) | Annotated::Oneof(name)) => format!("{message}.{name}"),
                None => message.clone(),
            };
            reading.problems.push(Problem::at(place, error));
        }
    }
}

/// A field with REQUIRED must be set. A number or truth value without presence may be 0 or `false`: nobody can tell
/// whether it is set.
fn add_required(types: &Message, table: &MessageTable, annotation: &Annotation, own: &mut OwnRules) {
    let Some(Annotated::Field(name)) = &annotation.of else { return };
    let Some(field) = table.fields.iter().find(|field| *field.name == **name) else { return };
    let is_text = matches!(field.kind, Kind::String | Kind::Bytes | Kind::Enum(_));
    if field.shape == Shape::Implicit && !is_text {
        return;
    }
    let checks = own.fields.entry(field.number).or_insert_with(|| Some(unchecked(types, field)));
    if let Some(checks) = checks {
        checks.required = true;
    }
}

/// Adds the rules of a message type as they are written. Those of a field replace those in the descriptors.
fn add_rules(reading: &mut Reading<'_>, message: &Message, rules: &MessageRules, own: &mut OwnRules) {
    let TreeValue::Map(members) = &rules.fields.value else {
        let shown = rules.fields.value.shown();
        reading.wrong(&rules.place, &rules.message, &format!("expected a map of fields, found {shown}"));
        return;
    };
    for member in members {
        add_member(reading, message, member, own);
    }
}

/// Adds the rules of a field, a oneof or the message as a whole.
fn add_member(reading: &mut Reading<'_>, message: &Message, member: &Member, own: &mut OwnRules) {
    let table = message.table();
    if member.name == WHOLE {
        own.whole = reading.whole(message, &member.name, &member.value);
    } else if let Some(field) = table.fields.iter().find(|field| *field.name == *member.name) {
        let checks = reading.field(field, &member.name, &member.value);
        own.fields.insert(field.number, checks);
    } else if let Some(index) = oneof(table, &member.name) {
        let inside = reading.members(&member.name, &member.value, &["required"]);
        own.oneofs.retain(|oneof| oneof.index != index);
        if reading.is_set(inside, "required") {
            own.oneofs.push(OneofChecks { name: member.name.as_str().into(), index });
        }
    } else {
        unknown_field(reading, table, member);
    }
}

/// The index of a oneof. Those that stand for `optional` have no members.
fn oneof(table: &MessageTable, name: &str) -> Option<u16> {
    let index = u16::try_from(table.oneofs.iter().position(|oneof| **oneof == *name)?).ok()?;
    table.fields.iter().any(|field| field.oneof == Some(index)).then_some(index)
}

fn unknown_field(reading: &mut Reading<'_>, table: &MessageTable, member: &Member) {
    let known = table.fields.iter().map(|field| &*field.name).chain(table.oneofs.iter().map(|name| &**name));
    let near = nearest(&member.name, known);
    let message = format!("message {} has no field `{}`{}", table.name, member.name, or_meant(near));
    reading.problems.push(Problem::at(&member.place, message));
}

/// The message type of the values of a field: of a map, that of its values.
fn inner_message(tables: &Tables, field: &FieldTable) -> Option<MessageId> {
    let id = field.kind.message()?;
    if field.shape != Shape::Map {
        return Some(id);
    }
    let entry = tables.message(id);
    entry.fields[entry.by_number(2)?].kind.message()
}

/// What is checked of a message type: its own rules, and the messages in its fields.
fn joined(types: &Message, ids: &HashMap<MessageId, usize>, id: MessageId, mut own: OwnRules) -> MessageChecks {
    let (tables, table) = (types.tables(), types.tables().message(id));
    let mut fields = Vec::new();
    for field in &table.fields {
        let checks = match own.fields.remove(&field.number) {
            // Still a member of its oneof.
            Some(None) => {
                fields.push(unchecked(types, field));
                continue;
            }
            Some(Some(checks)) => checks,
            None => unchecked(types, field),
        };
        fields.push(with_inner(tables, ids, field, checks));
    }
    let WholeRules { cel, choices } = own.whole;
    let is_chosen = |field: &FieldChecks| choices.iter().any(|choice| choice.fields.contains(&field.number));
    // buf.validate, MessageRules.oneof: only the field that is set is checked, unless it says otherwise.
    fields.iter_mut().filter(|field| is_chosen(field) && !field.has_ignore).for_each(FieldChecks::ignore_zero);
    // Which member of a oneof is set depends on all of them.
    let oneofs: Vec<u16> = own.oneofs.iter().map(|oneof| oneof.index).collect();
    let busy: Vec<u16> = fields.iter().filter(|field| !field.is_idle()).filter_map(|field| field.oneof).collect();
    fields.retain(|field| {
        !field.is_idle()
            || is_chosen(field)
            || field.oneof.is_some_and(|oneof| busy.contains(&oneof) || oneofs.contains(&oneof))
    });
    MessageChecks::new(id, fields, own.oneofs, (cel, choices))
}

fn unchecked(types: &Message, field: &FieldTable) -> FieldChecks {
    let reading = Reading::new(types);
    let form = match field.shape {
        Shape::Repeated | Shape::Packed => {
            Form::List(ListChecks { all: AllChecks::default(), is_unique: false, items: ValueChecks::none(field.kind) })
        }
        Shape::Map => {
            let [key, value] = reading.entry(field);
            let (keys, values) = (ValueChecks::none(key), ValueChecks::none(value));
            Form::Map(MapChecks { all: AllChecks::default(), keys, values })
        }
        shape => Form::One { has_presence: shape != Shape::Implicit, value: ValueChecks::none(field.kind) },
    };
    FieldChecks {
        number: field.number,
        name: field.name.clone(),
        oneof: field.oneof,
        required: false,
        has_ignore: false,
        form,
    }
}

fn with_inner(
    tables: &Tables,
    ids: &HashMap<MessageId, usize>,
    field: &FieldTable,
    mut checks: FieldChecks,
) -> FieldChecks {
    // Members of `google.protobuf.Any` and its like are data, not fields.
    let is_plain = |id: &MessageId| tables.message(*id).known == WellKnown::No;
    let inner = inner_message(tables, field).filter(is_plain).and_then(|id| ids.get(&id).copied());
    match &mut checks.form {
        Form::One { value, .. } => value.inner = inner,
        Form::List(list) => list.items.inner = inner,
        Form::Map(map) => map.values.inner = inner,
    }
    checks
}
