//! Reads the rules of numbers, enums, timestamps and durations.

use std::ops::{Bound, RangeInclusive};

use super::reading::{Reading, scalar_name};
use super::rules::{Number, NumberTest, Rule};
use super::texts::{NEVER, check_candidates, one_of, rule};
use super::tree::Member;
use crate::codec::{number, time};
use crate::schema::{EnumId, Kind};

/// The keys of bounds, with their words for each kind of value.
struct Words {
    /// The name of the rules: `int32`.
    of: &'static str,
    /// What a value must be, for problems.
    what: &'static str,
    noun: &'static str,
    gt: &'static str,
    gte: &'static str,
    lt: &'static str,
    lte: &'static str,
}

impl Words {
    fn number(of: &'static str, what: &'static str) -> Self {
        Self { of, what, noun: "a number", gt: "greater than", gte: "of at least", lt: "less than", lte: "of at most" }
    }
}

const BOUNDS: [&str; 7] = ["const", "lt", "lte", "gt", "gte", "in", "not_in"];

/// How the values of a kind are read.
struct Values<'v, N> {
    parse: &'v dyn Fn(&str) -> Option<N>,
    /// The smallest and the largest value.
    range: RangeInclusive<N>,
    /// The difference between neighbours, if values are counted.
    step: Option<N>,
}

/// The rules of integers.
pub(super) fn integer_rules(reading: &mut Reading<'_>, kind: Kind, rules: &Member) -> Vec<Rule<NumberTest<i128>>> {
    let (range, what) = match kind {
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => (i128::from(i32::MIN)..=i128::from(i32::MAX), "an int32"),
        Kind::Uint32 | Kind::Fixed32 => (0..=i128::from(u32::MAX), "a uint32"),
        Kind::Uint64 | Kind::Fixed64 => (0..=i128::from(u64::MAX), "a uint64"),
        _ => (i128::from(i64::MIN)..=i128::from(i64::MAX), "an int64"),
    };
    let parse = |text: &str| number::integer(text).filter(|number| range.contains(number));
    let values = Values { parse: &parse, range: range.clone(), step: Some(1) };
    let members = reading.members(scalar_name(kind), &rules.value, &[&BOUNDS[..], &["example"]].concat());
    ordered(reading, &Words::number(scalar_name(kind), what), &values, (members, rules))
}

/// The rules of floating-point numbers.
pub(super) fn float_rules(reading: &mut Reading<'_>, kind: Kind, rules: &Member) -> Vec<Rule<NumberTest<f64>>> {
    let parse = |text: &str| match kind {
        Kind::Float => number::float(text).map(f64::from),
        _ => number::double(text),
    };
    let values = Values { parse: &parse, range: f64::NEG_INFINITY..=f64::INFINITY, step: None };
    let name = scalar_name(kind);
    let members = reading.members(name, &rules.value, &[&BOUNDS[..], &["finite", "example"]].concat());
    let mut list = ordered(reading, &Words::number(name, "a number"), &values, (members, rules));
    if reading.is_set(members, "finite") {
        list.push(rule(&format!("{name}.finite"), "expected a finite number".to_owned(), NumberTest::Finite));
    }
    list
}

/// The rules of an enum. Values may be names or numbers.
pub(super) fn enum_rules(reading: &mut Reading<'_>, id: EnumId, rules: &Member) -> Vec<Rule<NumberTest<i128>>> {
    let members = reading.members("enum", &rules.value, &["const", "defined_only", "in", "not_in", "example"]);
    let tables = reading.tables;
    let table = tables.enumeration(id);
    let parse = |text: &str| {
        let number = number::integer(text).filter(|number| i32::try_from(*number).is_ok());
        table.number(text).map(i128::from).or(number)
    };
    let name = |number: &i128| {
        let named = i32::try_from(*number).ok().and_then(|number| table.quoted(number));
        let named = named.and_then(|quoted| std::str::from_utf8(quoted.text()).ok());
        named.map_or_else(|| number.to_string(), |quoted| quoted.trim_matches('"').to_owned())
    };
    let what = format!("a value of {}", table.name);
    let names = |all: &[i128]| one_of(&all.iter().map(name).collect::<Vec<_>>());
    let mut list = Vec::new();
    if reading.is_set(members, "defined_only") {
        let all: Box<[i128]> = table.values().into_iter().map(|(_, number)| number.into()).collect();
        list.push(rule("enum.defined_only", names(&all), NumberTest::In(all)));
    }
    if let Some(all) = reading.list(members, "not_in", &what, parse) {
        list.push(rule("enum.not_in", "this value is not allowed".to_owned(), NumberTest::NotIn(all.into())));
    }
    let only = reading.value(members, "const", &what, parse);
    let all = reading.list(members, "in", &what, parse);
    let passes = |number: &i128| list.iter().all(|rule| rule.test.passes(*number));
    check_candidates(reading, rules, (only.as_ref(), all.as_deref()), passes);
    if let Some(only) = only {
        list.push(rule("enum.const", format!("expected {}", name(&only)), NumberTest::Is(only)));
    }
    if let Some(all) = all {
        list.push(rule("enum.in", names(&all), NumberTest::In(all.into())));
    }
    list
}

/// The rules of a `Timestamp`.
pub(super) fn timestamp_rules(reading: &mut Reading<'_>, rules: &Member) -> Vec<Rule<NumberTest<i128>>> {
    let parse = |text: &str| time::timestamp(text).map(nanos);
    let words = Words {
        of: "timestamp",
        what: "a time such as `2026-01-31T11:00:00Z`",
        noun: "a time",
        gt: "after",
        gte: "not before",
        lt: "before",
        lte: "not after",
    };
    let known = ["const", "lt", "lte", "gt", "gte", "lt_now", "gt_now", "within", "example"];
    let members = reading.members("timestamp", &rules.value, &known);
    let values = Values { parse: &parse, range: i128::MIN..=i128::MAX, step: Some(1) };
    let mut list = ordered(reading, &words, &values, (members, rules));
    let (past, future) = (reading.is_set(members, "lt_now"), reading.is_set(members, "gt_now"));
    if past {
        list.push(rule("timestamp.lt_now", "expected a time in the past".to_owned(), NumberTest::Past));
    }
    if future {
        list.push(rule("timestamp.gt_now", "expected a time in the future".to_owned(), NumberTest::Future));
    }
    if past && future {
        reading.wrong(&rules.place, &rules.name, NEVER);
    }
    let within = |text: &str| time::duration(text).map(nanos).filter(|nanos| *nanos > 0);
    if let Some(most) = reading.value(members, "within", "a duration such as `1.5s`", within) {
        let shown = shown(members, "within");
        list.push(rule(
            "timestamp.within",
            format!("expected a time at most {shown} from now"),
            NumberTest::Near(most),
        ));
    }
    list
}

/// The rules of a `Duration`.
pub(super) fn duration_rules(reading: &mut Reading<'_>, rules: &Member) -> Vec<Rule<NumberTest<i128>>> {
    let parse = |text: &str| time::duration(text).map(nanos);
    let words = Words {
        of: "duration",
        what: "a duration such as `1.5s`",
        noun: "a duration",
        gt: "of more than",
        gte: "of at least",
        lt: "of less than",
        lte: "of at most",
    };
    let members = reading.members("duration", &rules.value, &[&BOUNDS[..], &["example"]].concat());
    let values = Values { parse: &parse, range: i128::MIN..=i128::MAX, step: Some(1) };
    ordered(reading, &words, &values, (members, rules))
}

pub(super) fn nanos(span: time::Span) -> i128 {
    i128::from(span.seconds) * 1_000_000_000 + i128::from(span.nanos)
}

/// The rules that all ordered values share: bounds, `const`, `in` and `not_in`.
fn ordered<N: Number + std::ops::Add<Output = N> + std::ops::Sub<Output = N>>(
    reading: &mut Reading<'_>,
    words: &Words,
    values: &Values<'_, N>,
    (members, rules): (&[Member], &Member),
) -> Vec<Rule<NumberTest<N>>> {
    let mut list: Vec<Rule<NumberTest<N>>> = bounds(reading, words, values, (members, rules)).into_iter().collect();
    if let Some(all) = reading.list(members, "not_in", words.what, values.parse) {
        let id = format!("{}.not_in", words.of);
        list.push(rule(&id, "this value is not allowed".to_owned(), NumberTest::NotIn(all.into())));
    }
    let only = reading.value(members, "const", words.what, values.parse);
    let all = reading.list(members, "in", words.what, values.parse);
    let passes = |number: &N| list.iter().all(|rule| rule.test.passes(*number));
    check_candidates(reading, rules, (only.as_ref(), all.as_deref()), passes);
    if let Some(only) = only {
        let expected = format!("expected {}", shown(members, "const"));
        list.push(rule(&format!("{}.const", words.of), expected, NumberTest::Is(only)));
    }
    if let Some(all) = all {
        let texts = members.iter().find(|member| member.name == "in").map(|member| texts(&member.value.value));
        let expected = one_of(&texts.unwrap_or_default());
        list.push(rule(&format!("{}.in", words.of), expected, NumberTest::In(all.into())));
    }
    list
}

/// The rule of the bounds. As in `buf.validate`, a lower bound above the upper one means the values outside of both.
fn bounds<N: Number + std::ops::Add<Output = N> + std::ops::Sub<Output = N>>(
    reading: &mut Reading<'_>,
    words: &Words,
    values: &Values<'_, N>,
    (members, rules): (&[Member], &Member),
) -> Option<Rule<NumberTest<N>>> {
    let mut bound = |key: &'static str| reading.value(members, key, words.what, values.parse).map(|it| (key, it));
    let low = [bound("gt"), bound("gte")];
    let high = [bound("lt"), bound("lte")];
    if low.iter().all(Option::is_some) || high.iter().all(Option::is_some) {
        reading.wrong(&rules.place, &rules.name, "expected only one of `gt` and `gte`, and one of `lt` and `lte`");
        return None;
    }
    let (low, high) = (low.into_iter().flatten().next(), high.into_iter().flatten().next());
    let word = |key: &str| match key {
        "gt" => words.gt,
        "gte" => words.gte,
        "lt" => words.lt,
        _ => words.lte,
    };
    let said = |(key, _): (&str, N)| format!("{} {}", word(key), shown(members, key));
    let bound =
        |(key, value): (&str, N)| if key.ends_with('e') { Bound::Included(value) } else { Bound::Excluded(value) };
    let (of, noun) = (words.of, words.noun);
    match (low, high) {
        (None, None) => None,
        (Some(low), Some(high)) if high.1 < low.1 => {
            let id = format!("{of}.{}_{}_exclusive", low.0, high.0);
            let expected = format!("expected {noun} {} or {}", said(high), said(low));
            Some(rule(&id, expected, NumberTest::Outside(bound(low), bound(high))))
        }
        (low, high) => {
            let given: Vec<(&str, N)> = low.into_iter().chain(high).collect();
            let keys: Vec<&str> = given.iter().map(|(key, _)| *key).collect();
            let expected: Vec<String> = given.iter().map(|given| said(*given)).collect();
            let ends = (low.map_or(Bound::Unbounded, bound), high.map_or(Bound::Unbounded, bound));
            if is_empty(ends, values) {
                reading.wrong(&rules.place, &rules.name, NEVER);
            }
            let expected = format!("expected {noun} {}", expected.join(" and "));
            Some(rule(&format!("{of}.{}", keys.join("_")), expected, NumberTest::Within(ends.0, ends.1)))
        }
    }
}

/// Whether no value lies between the bounds.
fn is_empty<N: Number + std::ops::Add<Output = N> + std::ops::Sub<Output = N>>(
    (low, high): (Bound<N>, Bound<N>),
    values: &Values<'_, N>,
) -> bool {
    let least = match (low, values.step) {
        (Bound::Excluded(low), Some(step)) => low + step,
        (Bound::Excluded(low) | Bound::Included(low), _) => low,
        (Bound::Unbounded, _) => *values.range.start(),
    };
    let most = match (high, values.step) {
        (Bound::Excluded(high), Some(step)) => high - step,
        (Bound::Excluded(high) | Bound::Included(high), _) => high,
        (Bound::Unbounded, _) => *values.range.end(),
    };
    let is_open = matches!(low, Bound::Excluded(_)) || matches!(high, Bound::Excluded(_));
    least > most
        || most < *values.range.start()
        || least > *values.range.end()
        || (is_open && values.step.is_none() && least == most)
}

/// A value as it is written.
fn shown(members: &[Member], key: &str) -> String {
    let member = members.iter().find(|member| member.name == key);
    member.map(|member| texts(&member.value.value).concat()).unwrap_or_default()
}

fn texts(value: &super::tree::TreeValue) -> Vec<String> {
    use super::tree::TreeValue;
    match value {
        TreeValue::Text(text) => vec![text.clone()],
        TreeValue::List(items) => items.iter().flat_map(|item| texts(&item.value)).collect(),
        TreeValue::Nothing | TreeValue::Map(_) | TreeValue::Predefined(_) => Vec::new(),
    }
}
