//! Timestamps and durations as CEL values, and their functions.

use std::any::Any;
use std::cmp::Ordering;
use std::fmt;
use std::time::SystemTime;

use cel::common::traits::{Adder, Comparer, Subtractor};
use cel::common::types::{CelInt, CelString, DURATION_TYPE, INT_TYPE, STRING_TYPE, TIMESTAMP_TYPE, Type};
use cel::common::value::{CowVal, StaticVal, Val};
use cel::{DeclarationError, Env, ExecutionError};

use crate::codec::time::{self, Date, Span};

const SECOND: i128 = 1_000_000_000;
const DAY: i128 = 86_400 * SECOND;

/// The largest magnitude of a timestamp or duration: 10,000 years and a little more, in nanoseconds.
const LARGEST: i128 = 400_000_000_000 * SECOND;

/// Nanoseconds since 1970.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Timestamp(pub(super) i128);

/// Nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Duration(pub(super) i128);

/// The time of this moment.
pub(crate) fn now() -> Box<dyn Val> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Box::new(Timestamp(now.as_nanos() as i128))
}

/// The nanoseconds of seconds and nanoseconds.
pub(super) fn nanos(span: Span) -> i128 {
    i128::from(span.seconds) * SECOND + i128::from(span.nanos)
}

/// What both kinds of value have in common.
macro_rules! value_of_time {
    ($type:ident, $cel:expr) => {
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($type))
            }
        }

        impl Val for $type {
            fn get_type(&self) -> &Type {
                <Self as Val>::cel_type()
            }

            fn cel_type() -> &'static Type {
                static TYPE: Type = $cel;
                &TYPE
            }

            fn as_adder<'b, 'v>(&'b self) -> Option<&'b (dyn Adder + 'v)>
            where
                Self: 'v,
            {
                Some(self)
            }

            fn as_comparer(&self) -> Option<&dyn Comparer> {
                Some(self)
            }

            fn as_subtractor<'b, 'v>(&'b self) -> Option<&'b (dyn Subtractor + 'v)>
            where
                Self: 'v,
            {
                Some(self)
            }

            fn equals(&self, other: &dyn Val) -> bool {
                other.downcast_ref::<Self>() == Some(self)
            }

            fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
                Box::new(*self)
            }

            fn as_any(&self) -> Option<&dyn Any> {
                Some(self)
            }
        }

        impl StaticVal for $type {}

        impl Comparer for $type {
            fn compare(&self, other: &dyn Val) -> Result<Ordering, ExecutionError> {
                other.downcast_ref::<Self>().map(|other| self.0.cmp(&other.0)).ok_or_else(|| no_overload("_<_"))
            }
        }
    };
}

value_of_time!(Timestamp, TIMESTAMP_TYPE);
value_of_time!(Duration, DURATION_TYPE);

impl Adder for Timestamp {
    fn add<'b, 'v>(&'b self, other: &(dyn Val + 'v)) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let other = other.downcast_ref::<Duration>().ok_or_else(|| no_overload("_+_"))?;
        in_range(self.0 + other.0).map(|nanos| CowVal::owned(Self(nanos)))
    }
}

impl Subtractor for Timestamp {
    fn sub<'b, 'v>(&'b self, other: &(dyn Val + 'v)) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        if let Some(other) = other.downcast_ref::<Self>() {
            return in_range(self.0 - other.0).map(|nanos| CowVal::owned(Duration(nanos)));
        }
        let other = other.downcast_ref::<Duration>().ok_or_else(|| no_overload("_-_"))?;
        in_range(self.0 - other.0).map(|nanos| CowVal::owned(Self(nanos)))
    }
}

impl Adder for Duration {
    fn add<'b, 'v>(&'b self, other: &(dyn Val + 'v)) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        if let Some(other) = other.downcast_ref::<Timestamp>() {
            return in_range(self.0 + other.0).map(|nanos| CowVal::owned(Timestamp(nanos)));
        }
        let other = other.downcast_ref::<Self>().ok_or_else(|| no_overload("_+_"))?;
        in_range(self.0 + other.0).map(|nanos| CowVal::owned(Self(nanos)))
    }
}

impl Subtractor for Duration {
    fn sub<'b, 'v>(&'b self, other: &(dyn Val + 'v)) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let other = other.downcast_ref::<Self>().ok_or_else(|| no_overload("_-_"))?;
        in_range(self.0 - other.0).map(|nanos| CowVal::owned(Self(nanos)))
    }
}

fn no_overload(operator: &str) -> ExecutionError {
    ExecutionError::no_such_overload(operator, Vec::new())
}

fn in_range(nanos: i128) -> Result<i128, ExecutionError> {
    if nanos.abs() > LARGEST {
        return Err(ExecutionError::function_error("time", "out of range"));
    }
    Ok(nanos)
}

/// Declares the functions that make timestamps and durations, and those that read their parts in UTC.
pub(super) fn declare(env: &mut Env) -> Result<(), DeclarationError> {
    env.add_overload("timestamp", "string_to_timestamp", vec![STRING_TYPE], |args| {
        let parsed = text(&args[0]).and_then(time::timestamp).map(nanos);
        parsed.map(|nanos| CowVal::owned(Timestamp(nanos))).ok_or_else(|| failed("timestamp"))
    })?;
    env.add_overload("timestamp", "int64_to_timestamp", vec![INT_TYPE], |args| {
        let seconds = args[0].downcast_ref::<CelInt>().map_or(0, |seconds| *seconds.inner());
        in_range(i128::from(seconds) * SECOND).map(|nanos| CowVal::owned(Timestamp(nanos)))
    })?;
    env.add_overload("timestamp", "timestamp_to_timestamp", vec![TIMESTAMP_TYPE], first)?;
    env.add_overload("duration", "string_to_duration", vec![STRING_TYPE], |args| {
        let parsed = text(&args[0]).and_then(written_duration);
        parsed.map(|nanos| CowVal::owned(Duration(nanos))).ok_or_else(|| failed("duration"))
    })?;
    env.add_overload("duration", "duration_to_duration", vec![DURATION_TYPE], first)?;
    env.add_overload("int", "timestamp_to_int64", vec![TIMESTAMP_TYPE], |args| {
        Ok(CowVal::owned(CelInt::from(timestamp(&args[0])?.div_euclid(SECOND) as i64)))
    })?;
    env.add_overload("string", "timestamp_to_string", vec![TIMESTAMP_TYPE], |args| {
        let nanos = timestamp(&args[0])?;
        let span = Span { seconds: nanos.div_euclid(SECOND) as i64, nanos: nanos.rem_euclid(SECOND) as i32 };
        let mut written = Vec::new();
        let is_written = time::put_timestamp(&mut written, span);
        let shown = String::from_utf8(written).ok().filter(|_| is_written).ok_or_else(|| failed("string"))?;
        Ok(CowVal::owned(CelString::from(shown.trim_matches('"').to_owned())))
    })?;
    declare_parts(env)
}

/// Declares what reads one part. Times of day and dates are those of UTC.
fn declare_parts(env: &mut Env) -> Result<(), DeclarationError> {
    macro_rules! part {
        ($($name:literal, $of:ident, $part:expr;)*) => {
            $(env.add_member_overload($name, concat!(stringify!($of), "_", $name), part!(type $of), vec![], |args| {
                let part: fn(i128) -> i128 = $part;
                Ok(CowVal::owned(CelInt::from(part($of(&args[0])?) as i64)))
            })?;)*
        };
        (type timestamp) => { TIMESTAMP_TYPE };
        (type duration) => { DURATION_TYPE };
    }
    part! {
        "getFullYear", timestamp, |nanos| date(nanos).year.into();
        "getMonth", timestamp, |nanos| i128::from(date(nanos).month) - 1;
        "getDate", timestamp, |nanos| date(nanos).day.into();
        "getDayOfMonth", timestamp, |nanos| i128::from(date(nanos).day) - 1;
        "getDayOfYear", timestamp, |nanos| date(nanos).day_of_year().into();
        // 1970-01-01 was a Thursday; Sunday is 0.
        "getDayOfWeek", timestamp, |nanos| (nanos.div_euclid(DAY) + 4).rem_euclid(7);
        "getHours", timestamp, |nanos| nanos.rem_euclid(DAY) / (3600 * SECOND);
        "getMinutes", timestamp, |nanos| nanos.rem_euclid(3600 * SECOND) / (60 * SECOND);
        "getSeconds", timestamp, |nanos| nanos.rem_euclid(60 * SECOND) / SECOND;
        "getMilliseconds", timestamp, |nanos| nanos.rem_euclid(SECOND) / 1_000_000;
        "getHours", duration, |nanos| nanos / (3600 * SECOND);
        "getMinutes", duration, |nanos| nanos / (60 * SECOND);
        "getSeconds", duration, |nanos| nanos / SECOND;
        "getMilliseconds", duration, |nanos| nanos % SECOND / 1_000_000;
    }
    Ok(())
}

fn date(nanos: i128) -> Date {
    time::civil(nanos.div_euclid(DAY) as i64)
}

/// Parses a duration as CEL writes it: numbers with units from `h` to `ns`, such as `1h30m` or `-1.5s`.
fn written_duration(text: &str) -> Option<i128> {
    const UNITS: [(&str, i128); 7] = [
        ("h", 3600 * SECOND),
        ("ms", 1_000_000),
        ("us", 1_000),
        ("µs", 1_000),
        ("ns", 1),
        ("m", 60 * SECOND),
        ("s", SECOND),
    ];
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    let mut total: i128 = 0;
    loop {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').filter(|end| (1..=20).contains(end))?;
        let (number, after) = rest.split_at(end);
        let (unit, nanos) = UNITS.into_iter().find(|(unit, _)| after.starts_with(unit))?;
        rest = &after[unit.len()..];
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        let part: i128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
        total += whole * nanos + part * nanos / 10_i128.checked_pow(fraction.len() as u32)?;
        if rest.is_empty() {
            return Some(sign * total).filter(|nanos| nanos.abs() <= LARGEST);
        }
    }
}

fn first<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    args.into_iter().next().ok_or_else(|| failed("conversion"))
}

fn failed(function: &str) -> ExecutionError {
    ExecutionError::function_error(function, "not a value of its type")
}

fn text<'b>(value: &'b CowVal<'_, '_>) -> Option<&'b str> {
    value.downcast_ref::<CelString>().map(CelString::inner)
}

fn timestamp(value: &CowVal<'_, '_>) -> Result<i128, ExecutionError> {
    value.downcast_ref::<Timestamp>().map(|time| time.0).ok_or_else(|| failed("timestamp"))
}

fn duration(value: &CowVal<'_, '_>) -> Result<i128, ExecutionError> {
    value.downcast_ref::<Duration>().map(|time| time.0).ok_or_else(|| failed("duration"))
}
