//! Reads the rules of a field: those of its type, of its items, or of its keys and values.

use super::cel::{Known, samples};
use super::custom::{About, CEL};
use super::numbers::{duration_rules, enum_rules, float_rules, integer_rules, timestamp_rules};
use super::raw::default;
use super::reading::{Reading, scalar_name, truth, whole};
use super::rules::{Rule, Sizes};
use super::tables::{AllChecks, CelRule, FieldChecks, Form, ListChecks, MapChecks, ValueChecks, ValueRules};
use super::texts::{Given, any_rules, bytes_rules, mask_rules, sizes_of, text_rules};
use super::tree::{Member, Tree, TreeValue};
use crate::schema::{FieldTable, Kind, Shape, WellKnown};

/// The keys of the rules of a field, besides the name of its type.
const KEYS: &[&str] = &["required", "ignore", CEL[0], CEL[1], CEL[2]];
/// The keys of the rules of an item, a key or a value, besides the name of its type. It is always set.
const ELEMENT_KEYS: &[&str] = &["required", "ignore", CEL[0], CEL[1], CEL[2]];
/// The names of the types in `buf.validate.FieldRules`.
const TYPES: &[&str] = &[
    "float",
    "double",
    "int32",
    "int64",
    "uint32",
    "uint64",
    "sint32",
    "sint64",
    "fixed32",
    "fixed64",
    "sfixed32",
    "sfixed64",
    "bool",
    "string",
    "bytes",
    "enum",
    "repeated",
    "map",
    "any",
    "duration",
    "timestamp",
    "field_mask",
];
/// Whether rules of a field apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ignore {
    Never,
    IfZero,
    Always,
}

impl Reading<'_> {
    /// The rules of a field of a message; `None` if they are all ignored.
    pub(super) fn field(&mut self, field: &FieldTable, name: &str, tree: &Tree) -> Option<FieldChecks> {
        let type_name = self.type_name(field);
        let members = self.field_members(name, tree, type_name, KEYS)?;
        let required = self.is_set(members, "required");
        let ignore = self.ignore(members);
        let rules = members.iter().find(|member| member.name == type_name);
        let cel = self.cel_of_field(field, members);
        // buf.validate, IGNORE_IF_ZERO_VALUE: for fields with presence, it changes nothing.
        let has_presence = matches!(field.shape, Shape::Explicit | Shape::Required);
        let ignores_zero = ignore == Some(Ignore::IfZero) && !has_presence;
        let form = match field.shape {
            Shape::Repeated | Shape::Packed => Form::List(self.list_checks(field, rules, (cel, ignores_zero))),
            Shape::Map => Form::Map(self.map_checks(field, rules, (cel, ignores_zero))),
            Shape::Implicit | Shape::Explicit | Shape::Required => {
                let rules = rules.map_or(ValueRules::None, |rules| self.value_rules(field.kind, rules));
                let value = ValueChecks { kind: field.kind, ignores_zero, rules, cel, inner: None };
                Form::One { has_presence: field.shape != Shape::Implicit, value }
            }
        };
        let (name, has_ignore) = (field.name.clone(), ignore.is_some());
        let checks = FieldChecks { number: field.number, name, oneof: field.oneof, required, has_ignore, form };
        (ignore != Some(Ignore::Always)).then_some(checks)
    }

    /// The expressions about a field: about its value, or about its list or map.
    fn cel_of_field(&mut self, field: &FieldTable, members: &[Member]) -> Vec<CelRule> {
        let (types, values) = (self.types, self.values());
        let one = || values.value(field.kind, default(field.kind), 0).unwrap_or_else(|_| samples::null());
        let sample = || match field.shape {
            Shape::Repeated | Shape::Packed => samples::list_with(one()),
            Shape::Map => samples::empty_map(),
            Shape::Implicit | Shape::Explicit | Shape::Required => one(),
        };
        self.cel_rules(members, &About { known: Known::of_field(types, field), sample: &sample })
    }

    /// The rules of an item of a list, or of a key or a value of a map.
    fn element(&mut self, (kind, known): (Kind, Known), members: &[Member], name: &str) -> ValueChecks {
        let Some(member) = members.iter().find(|member| member.name == name) else { return ValueChecks::none(kind) };
        let type_name = self.value_type(kind);
        let Some(inside) = self.field_members(name, &member.value, type_name, ELEMENT_KEYS) else {
            return ValueChecks::none(kind);
        };
        let ignore = self.ignore(inside);
        let rules = inside.iter().find(|member| member.name == type_name);
        let rules = rules.map_or(ValueRules::None, |rules| self.value_rules(kind, rules));
        let values = self.values();
        let sample = || values.value(kind, default(kind), 0).unwrap_or_else(|_| samples::null());
        let cel = self.cel_rules(inside, &About { known, sample: &sample });
        if ignore == Some(Ignore::Always) {
            return ValueChecks::none(kind);
        }
        ValueChecks { kind, ignores_zero: ignore == Some(Ignore::IfZero), rules, cel, inner: None }
    }

    /// The members of the rules of a field. Rules for another type are reported.
    fn field_members<'m>(
        &mut self,
        name: &str,
        tree: &'m Tree,
        type_name: &str,
        keys: &[&str],
    ) -> Option<&'m [Member]> {
        let TreeValue::Map(members) = &tree.value else {
            self.expected(name, tree, "a map of rules");
            return None;
        };
        let others = |member: &Member| TYPES.contains(&member.name.as_str()) && member.name != type_name;
        let (others, own): (Vec<&Member>, Vec<&Member>) = members.iter().partition(|member| others(member));
        for other in others {
            let expected =
                if type_name.is_empty() { "no rules of a type".to_owned() } else { format!("`{type_name}`") };
            let message = format!("these rules are for another type of field; for {name}, expected {expected}");
            self.wrong(&other.place, &other.name, &message);
        }
        let known: Vec<&str> = keys.iter().copied().chain([type_name]).collect();
        for member in own.iter().filter(|member| !known.contains(&member.name.as_str())) {
            let only = Tree { place: tree.place.clone(), value: TreeValue::Map(vec![(*member).clone()]) };
            self.members(name, &only, &known);
        }
        Some(members)
    }

    /// What is ignored; `None` if the rules do not say.
    fn ignore(&mut self, members: &[Member]) -> Option<Ignore> {
        let parse = |text: &str| match text {
            "IGNORE_UNSPECIFIED" => Some(Ignore::Never),
            "IGNORE_IF_ZERO_VALUE" => Some(Ignore::IfZero),
            "IGNORE_ALWAYS" => Some(Ignore::Always),
            _ => None,
        };
        let what = "`IGNORE_UNSPECIFIED`, `IGNORE_IF_ZERO_VALUE` or `IGNORE_ALWAYS`";
        self.value(members, "ignore", what, parse)
    }

    fn list_checks(
        &mut self,
        field: &FieldTable,
        rules: Option<&Member>,
        (cel, ignores_zero): (Vec<CelRule>, bool),
    ) -> ListChecks {
        const RULES: &[&str] = &["min_items", "max_items", "unique", "items"];
        let Some(rules) = rules else {
            let all = AllChecks { sizes: Vec::new(), cel, ignores_zero };
            return ListChecks { all, is_unique: false, items: ValueChecks::none(field.kind) };
        };
        let members = self.members("repeated", &rules.value, RULES);
        let sizes = self.counts(members, "repeated", ["min_items", "max_items", "items"], rules);
        let is_unique = self.is_set(members, "unique");
        if is_unique && field.kind.message().is_some() {
            self.wrong(&rules.place, "unique", "messages cannot be compared; this rule is for lists of single values");
        }
        let items = self.element((field.kind, Known::of_value(self.types, field)), members, "items");
        ListChecks { all: AllChecks { sizes, cel, ignores_zero }, is_unique, items }
    }

    fn map_checks(
        &mut self,
        field: &FieldTable,
        rules: Option<&Member>,
        (cel, ignores_zero): (Vec<CelRule>, bool),
    ) -> MapChecks {
        const RULES: &[&str] = &["min_pairs", "max_pairs", "keys", "values"];
        let [key, value] = self.entry(field);
        let Some(rules) = rules else {
            let all = AllChecks { sizes: Vec::new(), cel, ignores_zero };
            return MapChecks { all, keys: ValueChecks::none(key), values: ValueChecks::none(value) };
        };
        let members = self.members("map", &rules.value, RULES);
        let sizes = self.counts(members, "map", ["min_pairs", "max_pairs", "entries"], rules);
        let keys = self.element((key, Known::Other), members, "keys");
        let values = self.element((value, Known::of_map_value(self.types, field)), members, "values");
        MapChecks { all: AllChecks { sizes, cel, ignores_zero }, keys, values }
    }

    /// The types of key and value of a map.
    pub(super) fn entry(&self, field: &FieldTable) -> [Kind; 2] {
        let entry = field.kind.message().map(|id| self.tables.message(id));
        let kind = |number: u32| {
            let entry = entry?;
            Some(entry.fields[entry.by_number(number)?].kind)
        };
        [1, 2].map(|number| kind(number).unwrap_or(Kind::String))
    }

    fn counts(
        &mut self,
        members: &[Member],
        of: &str,
        [least, most, noun]: [&str; 3],
        rules: &Member,
    ) -> Vec<Rule<Sizes>> {
        let what = "a number of 0 or more";
        let [least, most] = [least, most].map(|key| Given { key, size: self.value(members, key, what, whole) });
        sizes_of(self, of, noun, [Given { key: "", size: None }, least, most], rules)
    }

    /// The rules of one value of a type.
    fn value_rules(&mut self, kind: Kind, rules: &Member) -> ValueRules {
        if let Some(wrapped) = self.wrapped(kind) {
            let rules = self.value_rules(wrapped, rules);
            let cel = Vec::new();
            let value = ValueChecks { kind: wrapped, ignores_zero: false, rules, cel, inner: None };
            return ValueRules::Wrapped(Box::new(value));
        }
        match kind {
            Kind::String => ValueRules::Text(text_rules(self, rules)),
            Kind::Bytes => ValueRules::Bytes(bytes_rules(self, rules)),
            Kind::Float | Kind::Double => ValueRules::Float(float_rules(self, kind, rules)),
            Kind::Enum(id) => ValueRules::Integer(enum_rules(self, id, rules)),
            Kind::Bool => ValueRules::Truth(self.truth_rules(rules)),
            Kind::Message(id) | Kind::Group(id) => match self.tables.message(id).known {
                WellKnown::Timestamp => ValueRules::Time(timestamp_rules(self, rules)),
                WellKnown::Duration => ValueRules::Time(duration_rules(self, rules)),
                WellKnown::Any => ValueRules::AnyType(any_rules(self, rules)),
                WellKnown::FieldMask => ValueRules::Mask(mask_rules(self, rules)),
                // Never: the rules of other types have no name.
                _ => ValueRules::None,
            },
            _ => ValueRules::Integer(integer_rules(self, kind, rules)),
        }
    }

    fn truth_rules(&mut self, rules: &Member) -> Vec<Rule<bool>> {
        let members = self.members("bool", &rules.value, &["const"]);
        let only = self.value(members, "const", "`true` or `false`", truth);
        let rule = |test| Rule { id: "bool.const".into(), expected: format!("expected {test}").into(), test };
        only.map(rule).into_iter().collect()
    }

    /// The type of the only field of a wrapper.
    fn wrapped(&self, kind: Kind) -> Option<Kind> {
        let message = self.tables.message(kind.message()?);
        (message.known == WellKnown::Wrapper).then(|| message.fields.first().map(|field| field.kind)).flatten()
    }

    /// The name of the rules for a field; empty if there are none for its type.
    fn type_name(&self, field: &FieldTable) -> &'static str {
        match field.shape {
            Shape::Repeated | Shape::Packed => "repeated",
            Shape::Map => "map",
            Shape::Implicit | Shape::Explicit | Shape::Required => self.value_type(field.kind),
        }
    }

    fn value_type(&self, kind: Kind) -> &'static str {
        if let Some(wrapped) = self.wrapped(kind) {
            return self.value_type(wrapped);
        }
        match kind {
            Kind::Enum(_) => "enum",
            Kind::Message(id) | Kind::Group(id) => match self.tables.message(id).known {
                WellKnown::Timestamp => "timestamp",
                WellKnown::Duration => "duration",
                WellKnown::Any => "any",
                WellKnown::FieldMask => "field_mask",
                _ => "",
            },
            scalar => scalar_name(scalar),
        }
    }
}
