//! Timestamps, durations and field masks as in ProtoJSON.

use super::number::put_integer;
use crate::format::wire::{Reader, VARINT, WireError};

/// Seconds and nanoseconds: since 1970 for a timestamp, or of a duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Span {
    pub(super) seconds: i64,
    pub(super) nanos: i32,
}

impl Span {
    /// Reads a `google.protobuf.Timestamp` or `google.protobuf.Duration`: the fields 1, `int64 seconds`, and 2, `int32
    /// nanos`.
    pub(super) fn read(wire: &[u8]) -> Result<Self, WireError> {
        let mut span = Self::default();
        let mut reader = Reader::new(wire);
        while !reader.is_empty() {
            match reader.tag()? {
                (1, VARINT) => span.seconds = reader.varint()? as i64,
                (2, VARINT) => span.nanos = reader.varint()? as i32,
                (number, wire_type) => reader.skip(number, wire_type)?,
            }
        }
        Ok(span)
    }
}

/// google/protobuf/timestamp.proto: timestamps range from 0001-01-01T00:00:00Z to 9999-12-31T23:59:59.999999999Z.
const FIRST: i64 = -62_135_596_800;
const LAST: i64 = 253_402_300_799;

/// google/protobuf/duration.proto: about 10,000 years in either direction.
const LONGEST: i64 = 315_576_000_000;

const BILLION: i32 = 1_000_000_000;

/// Parses a timestamp as in RFC 3339, section 5.6, with `T` and `Z` in upper case as timestamp.proto requires.
pub(super) fn timestamp(text: &str) -> Option<Span> {
    let (date, rest) = text.split_at_checked(10)?;
    let (time, rest) = rest.strip_prefix('T')?.split_at_checked(8)?;
    let days = days(date)?;
    let [hours, minutes, seconds] = parts::<3>(time, ':', [2, 2, 2])?;
    if hours > 23 || minutes > 59 || seconds > 59 {
        return None;
    }
    let (nanos, zone) = match rest.strip_prefix('.') {
        Some(rest) => {
            let end = rest.find(|c: char| !c.is_ascii_digit())?;
            (nanos(&rest[..end])?, &rest[end..])
        }
        None => (0, rest),
    };
    let seconds = days * 86_400 + hours * 3600 + minutes * 60 + seconds - offset(zone)?;
    (FIRST..=LAST).contains(&seconds).then_some(Span { seconds, nanos })
}

/// Appends a timestamp; false if it is out of range.
pub(super) fn put_timestamp(out: &mut Vec<u8>, span: Span) -> bool {
    if !(FIRST..=LAST).contains(&span.seconds) || !(0..BILLION).contains(&span.nanos) {
        return false;
    }
    let (days, second) = (span.seconds.div_euclid(86_400), span.seconds.rem_euclid(86_400));
    let Date { year, month, day } = civil(days);
    let parts = [(b'"', year, 4), (b'-', month, 2), (b'-', day, 2)];
    let time = [(b'T', second / 3600, 2), (b':', second / 60 % 60, 2), (b':', second % 60, 2)];
    for (before, number, digits) in parts.into_iter().chain(time) {
        out.push(before);
        put_padded(out, number.unsigned_abs(), digits);
    }
    put_fraction(out, span.nanos.unsigned_abs());
    out.extend_from_slice(b"Z\"");
    true
}

/// Parses a duration as in duration.proto: seconds with up to nine decimals, then `s`.
pub(super) fn duration(text: &str) -> Option<Span> {
    let text = text.strip_suffix('s')?;
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |text| (true, text));
    let (seconds, nanos) = match text.split_once('.') {
        Some((seconds, fraction)) => (seconds, nanos(fraction)?),
        None => (text, 0),
    };
    if seconds.is_empty() || seconds.len() > 12 || !seconds.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let seconds: i64 = seconds.parse().ok()?;
    let sign = if negative { -1 } else { 1 };
    let whole = seconds <= LONGEST;
    whole.then_some(Span { seconds: seconds * i64::from(sign), nanos: nanos * sign })
}

/// Appends a duration; false if it is out of range or its parts differ in sign.
pub(super) fn put_duration(out: &mut Vec<u8>, span: Span) -> bool {
    let same_sign = span.seconds == 0 || span.nanos == 0 || (span.seconds < 0) == (span.nanos < 0);
    if !(-LONGEST..=LONGEST).contains(&span.seconds) || span.nanos.unsigned_abs() >= BILLION as u32 || !same_sign {
        return false;
    }
    out.push(b'"');
    if span.seconds < 0 || span.nanos < 0 {
        out.push(b'-');
    }
    put_integer(out, span.seconds.unsigned_abs());
    put_fraction(out, span.nanos.unsigned_abs());
    out.extend_from_slice(b"s\"");
    true
}

/// field_mask.proto: the paths in the text of a mask, each in lowerCamelCase.
pub(super) fn mask_paths(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').filter(move |_| !text.is_empty())
}

/// AIP-134, AIP-157 and AIP-161: `*` may only be a whole part of a path; it stands for all fields, elements or entries
/// there.
fn has_stars_alone(path: &str) -> bool {
    !path.contains('*') || path.split('.').all(|part| part == "*" || !part.contains('*'))
}

/// Converts a path to lowerCamelCase; `None` if converting it back would give a different path.
pub(super) fn camel(path: &str) -> Option<String> {
    if !has_stars_alone(path) {
        return None;
    }
    let mut camel = String::with_capacity(path.len());
    let mut characters = path.chars();
    while let Some(c) = characters.next() {
        match c {
            '_' => camel.push(characters.next().filter(char::is_ascii_lowercase)?.to_ascii_uppercase()),
            'a'..='z' | '0'..='9' | '.' | '*' => camel.push(c),
            _ => return None,
        }
    }
    (!camel.is_empty()).then_some(camel)
}

/// Converts a path from lowerCamelCase to the names of the proto file and appends it; false if it is not a path.
pub(super) fn put_snake(out: &mut Vec<u8>, path: &str) -> bool {
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' => out.extend([b'_', byte.to_ascii_lowercase()]),
            b'a'..=b'z' | b'0'..=b'9' | b'.' | b'*' => out.push(byte),
            _ => return false,
        }
    }
    !path.is_empty() && has_stars_alone(path)
}

/// Appends 3, 6 or 9 decimals, or none.
fn put_fraction(out: &mut Vec<u8>, nanos: u32) {
    let (value, digits) = match nanos {
        0 => return,
        n if n % 1_000_000 == 0 => (n / 1_000_000, 3),
        n if n % 1_000 == 0 => (n / 1_000, 6),
        n => (n, 9),
    };
    out.push(b'.');
    put_padded(out, u64::from(value), digits);
}

/// Appends the last `digits` digits of a number.
fn put_padded(out: &mut Vec<u8>, number: u64, digits: u32) {
    out.extend((0..digits).rev().map(|place| b'0' + (number / 10_u64.pow(place) % 10) as u8));
}

fn nanos(digits: &str) -> Option<i32> {
    if digits.is_empty() || digits.len() > 9 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse::<i32>().ok()? * 10_i32.pow(9 - digits.len() as u32))
}

fn offset(zone: &str) -> Option<i64> {
    if zone == "Z" {
        return Some(0);
    }
    let (sign, time) = zone.split_at_checked(1)?;
    let [hours, minutes] = parts::<2>(time, ':', [2, 2])?;
    let seconds = hours * 3600 + minutes * 60;
    match sign {
        _ if hours > 23 || minutes > 59 => None,
        "+" => Some(seconds),
        "-" => Some(-seconds),
        _ => None,
    }
}

/// The number of days from 1970-01-01 to the date `YYYY-MM-DD`.
fn days(date: &str) -> Option<i64> {
    let [year, month, day] = parts::<3>(date, '-', [4, 2, 2])?;
    if year == 0 || !(1..=12).contains(&month) || !(1..=days_in(year, month)).contains(&day) {
        return None;
    }
    // Years are counted from March here, so that the leap day is the last day of a year, and one formula gives the
    // lengths of the months before it.
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    Some(era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468)
}

/// A date of the Gregorian calendar.
pub(super) struct Date {
    pub(super) year: i64,
    pub(super) month: i64,
    pub(super) day: i64,
}

impl Date {
    /// The days of its year before it.
    pub(super) fn day_of_year(&self) -> i64 {
        (1..self.month).map(|month| days_in(self.year, month)).sum::<i64>() + self.day - 1
    }
}

pub(super) fn civil(days: i64) -> Date {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    Date { year: era * 400 + year_of_era + i64::from(month <= 2), month, day }
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Parses numbers with exactly these lengths, separated by `separator`.
fn parts<const N: usize>(text: &str, separator: char, lengths: [usize; N]) -> Option<[i64; N]> {
    let mut numbers = [0; N];
    let mut texts = text.split(separator);
    for (number, length) in numbers.iter_mut().zip(lengths) {
        let digits = texts.next().filter(|t| t.len() == length && t.bytes().all(|b| b.is_ascii_digit()))?;
        *number = digits.parse().ok()?;
    }
    texts.next().is_none().then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_round_trip_in_utc() {
        for (text, printed) in [
            ("1970-01-01T00:00:00Z", Some("1970-01-01T00:00:00Z")),
            ("0001-01-01T00:00:00Z", Some("0001-01-01T00:00:00Z")),
            ("9999-12-31T23:59:59.999999999Z", Some("9999-12-31T23:59:59.999999999Z")),
            ("2000-02-29T12:00:00.5+01:00", Some("2000-02-29T11:00:00.500Z")),
            ("2024-03-01T00:30:00-00:30", Some("2024-03-01T01:00:00Z")),
            ("1969-12-31T23:59:59.000001Z", Some("1969-12-31T23:59:59.000001Z")),
            ("2100-02-29T00:00:00Z", None),
            ("0000-12-31T23:59:59Z", None),
            ("0001-01-01T00:00:00+01:00", None),
            ("9999-12-31T23:59:59-00:01", None),
            ("2026-01-31t12:00:00Z", None),
            ("2026-01-31T12:00:00z", None),
            ("2026-01-31 12:00:00Z", None),
            ("2026-01-31T12:00:00", None),
            ("2026-01-31T24:00:00Z", None),
            ("2026-01-31T12:00:60Z", None),
            ("2026-01-31T12:00:00.Z", None),
            ("2026-01-31T12:00:00.1234567890Z", None),
            ("2026-1-31T12:00:00Z", None),
            ("2026-01-31T12:00:00+1:00", None),
            ("2026-01-31T12:00:00Zx", None),
            ("é026-01-31T12:00:00Z", None),
            ("", None),
        ] {
            let read = timestamp(text).map(|span| {
                let mut out = Vec::new();
                assert!(put_timestamp(&mut out, span), "{text}");
                String::from_utf8(out).unwrap()
            });
            assert_eq!(read, printed.map(|printed| format!("{printed:?}")), "{text}");
        }
    }

    #[test]
    fn durations_round_trip() {
        for (text, printed) in [
            ("0s", Some("0s")),
            ("1.5s", Some("1.500s")),
            ("-0.5s", Some("-0.500s")),
            ("315576000000s", Some("315576000000s")),
            ("-1.000000001s", Some("-1.000000001s")),
            ("315576000001s", None),
            ("1", None),
            ("s", None),
            (".5s", None),
            ("1.s", None),
            ("+1s", None),
            ("1e3s", None),
            ("--1s", None),
            ("1.0000000001s", None),
        ] {
            let read = duration(text).map(|span| {
                let mut out = Vec::new();
                assert!(put_duration(&mut out, span), "{text}");
                String::from_utf8(out).unwrap()
            });
            assert_eq!(read, printed.map(|printed| format!("{printed:?}")), "{text}");
        }
        for (seconds, nanos) in [(1, -1), (-1, 1), (LONGEST + 1, 0), (0, BILLION)] {
            assert!(!put_duration(&mut Vec::new(), Span { seconds, nanos }), "{seconds} {nanos}");
        }
    }

    #[test]
    fn every_day_of_four_centuries_round_trips() {
        for number in days("1600-01-01").unwrap()..days("2000-01-01").unwrap() {
            let Date { year, month, day } = civil(number);
            assert_eq!(days(&format!("{year:04}-{month:02}-{day:02}")), Some(number));
        }
    }

    #[test]
    fn field_mask_paths_round_trip_or_are_refused() {
        let snakes = |text: &str| -> Option<Vec<String>> {
            let snake = |path: &str| {
                let mut out = Vec::new();
                put_snake(&mut out, path).then(|| String::from_utf8(out).unwrap())
            };
            mask_paths(text).map(snake).collect()
        };
        for (path, camelled) in [
            ("a", Some("a")),
            ("foo_bar.baz_qux", Some("fooBar.bazQux")),
            ("a1.b2", Some("a1.b2")),
            ("*", Some("*")),
            ("a.*", Some("a.*")),
            ("foo_bar.*.baz_qux", Some("fooBar.*.bazQux")),
            ("*.a", Some("*.a")),
            ("a*", None),
            ("a.b*.c", None),
            ("**", None),
            ("a_*", None),
            ("fooBar", None),
            ("foo_", None),
            ("foo_1", None),
            ("foo__bar", None),
            ("", None),
            ("a,b", None),
            ("a b", None),
            ("é", None),
        ] {
            assert_eq!(camel(path).as_deref(), camelled, "{path}");
            if let Some(camelled) = camelled {
                assert_eq!(snakes(camelled), Some(vec![path.to_owned()]), "{path}");
            }
        }
        assert_eq!(snakes(""), Some(Vec::new()));
        assert_eq!(snakes("*,fooBar.*"), Some(vec!["*".to_owned(), "foo_bar.*".to_owned()]));
        for text in ["foo_bar", "a,,b", ",", "a b", "a*", "a.*b", "**"] {
            assert_eq!(snakes(text), None, "{text}");
        }
    }
}
