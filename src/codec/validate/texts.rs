//! Reads the rules of strings and bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use regex::{Regex, RegexBuilder};

use super::formats::{self, Version, is_ip_prefix};
use super::reading::{Reading, truth, whole};
use super::rules::{BytesTest, MaskTest, Rule, Sizes, TextTest};
use super::tree::{Member, TreeValue};
use crate::format::quote;

/// The memory that a compiled pattern may take, in bytes.
const PATTERN_SIZE: usize = 1 << 20;

/// A format that `string` rules may demand: its key, what callers read, and how a text is tested.
struct Format {
    key: &'static str,
    expected: &'static str,
    is: fn(&str) -> bool,
    /// Whether the empty text has a rule name of its own, `KEY_empty`.
    names_empty: bool,
}

const fn format(key: &'static str, expected: &'static str, is: fn(&str) -> bool) -> Format {
    Format { key, expected, is, names_empty: true }
}

const FORMATS: &[Format] = &[
    format("email", "an email address", formats::is_email),
    format("hostname", "a host name", formats::is_hostname),
    format("ip", "an IP address", formats::is_ip),
    format("ipv4", "an IPv4 address", formats::is_ipv4),
    format("ipv6", "an IPv6 address", formats::is_ipv6),
    format("uri", "a URI", formats::is_uri),
    Format { key: "uri_ref", expected: "a URI or a relative reference", is: formats::is_uri_ref, names_empty: false },
    format("address", "a host name or an IP address", formats::is_address),
    format("uuid", "a UUID", formats::is_uuid),
    format("tuuid", "a UUID without hyphens", formats::is_tuuid),
    format("ulid", "a ULID", formats::is_ulid),
    format("host_and_port", "a host and a port", formats::is_host_and_port),
    format("ip_with_prefixlen", "an IP address with a prefix length", |text| is_ip_prefix(text, Version::Any, false)),
    format("ipv4_with_prefixlen", "an IPv4 address with a prefix length", |text| {
        is_ip_prefix(text, Version::Four, false)
    }),
    format("ipv6_with_prefixlen", "an IPv6 address with a prefix length", |text| {
        is_ip_prefix(text, Version::Six, false)
    }),
    format("ip_prefix", "an IP prefix", |text| is_ip_prefix(text, Version::Any, true)),
    format("ipv4_prefix", "an IPv4 prefix", |text| is_ip_prefix(text, Version::Four, true)),
    format("ipv6_prefix", "an IPv6 prefix", |text| is_ip_prefix(text, Version::Six, true)),
    format("protobuf_fqn", "a full name of protobuf", formats::is_protobuf_name),
    format("protobuf_dot_fqn", "a full name of protobuf with a dot before it", formats::is_dotted_protobuf_name),
];

/// A rule about a part of a value: its key, what callers read before the part, and the test.
struct Part<T: ?Sized, Test> {
    key: &'static str,
    expected: &'static str,
    make: fn(Box<T>) -> Test,
}

/// A format that `bytes` rules may demand: its key, what callers read, and the lengths that are right.
struct Binary {
    key: &'static str,
    expected: &'static str,
    sizes: &'static [usize],
}

const BINARY: [Binary; 4] = [
    Binary { key: "ip", expected: "the 4 or 16 bytes of an IP address", sizes: &[4, 16] },
    Binary { key: "ipv4", expected: "the 4 bytes of an IPv4 address", sizes: &[4] },
    Binary { key: "ipv6", expected: "the 16 bytes of an IPv6 address", sizes: &[16] },
    Binary { key: "uuid", expected: "the 16 bytes of a UUID", sizes: &[16] },
];

/// The rules of `string`.
pub(super) fn text_rules(reading: &mut Reading<'_>, rules: &Member) -> Vec<Rule<TextTest>> {
    const KEYS: &[&str] = &[
        "const",
        "len",
        "min_len",
        "max_len",
        "len_bytes",
        "min_bytes",
        "max_bytes",
        "pattern",
        "prefix",
        "suffix",
        "contains",
        "not_contains",
        "in",
        "not_in",
        "example",
        "well_known_regex",
        "strict",
    ];
    let known: Vec<&str> = KEYS.iter().copied().chain(FORMATS.iter().map(|format| format.key)).collect();
    let members = reading.members("string", &rules.value, &known);
    let mut list = Vec::new();
    let characters = sizes(reading, members, "string", "characters", rules);
    list.extend(characters.into_iter().map(|rule| mapped(rule, TextTest::Length)));
    let in_bytes = sizes(reading, members, "string", "bytes", rules);
    list.extend(in_bytes.into_iter().map(|rule| mapped(rule, TextTest::Bytes)));
    if let Some(pattern) = reading_pattern(reading, members) {
        list.push(rule("string.pattern", pattern_text(&pattern), TextTest::Matches(pattern)));
    }
    let parts: [Part<str, TextTest>; 4] = [
        Part { key: "prefix", expected: "text that begins with", make: TextTest::BeginsWith },
        Part { key: "suffix", expected: "text that ends with", make: TextTest::EndsWith },
        Part { key: "contains", expected: "text that contains", make: TextTest::Contains },
        Part { key: "not_contains", expected: "text without", make: TextTest::Lacks },
    ];
    for Part { key, expected, make } in parts {
        if let Some(part) = reading.value(members, key, "text", text) {
            list.push(rule(&format!("string.{key}"), format!("expected {expected} {part:?}"), make(part.into())));
        }
    }
    for format in FORMATS {
        if reading.is_set(members, format.key) {
            let names_empty = format.names_empty && !(format.is)("");
            list.extend(format_rules(&format!("string.{}", format.key), format.expected, (format.is, names_empty)));
        }
    }
    list.extend(header_rules(reading, members));
    if let Some(texts) = reading.list(members, "not_in", "text", text) {
        let test = TextTest::NotIn(texts.into_iter().map(Into::into).collect());
        list.push(rule("string.not_in", "this value is not allowed".to_owned(), test));
    }
    let only = reading.value(members, "const", "text", text);
    let all = reading.list(members, "in", "text", text);
    let passes = |text: &String| list.iter().all(|rule| rule.test.passes(text));
    check_candidates(reading, rules, (only.as_ref(), all.as_deref()), passes);
    if let Some(only) = only {
        list.push(rule("string.const", format!("expected {only:?}"), TextTest::Is(only.into())));
    }
    if let Some(all) = all {
        let expected = one_of(&all);
        list.push(rule("string.in", expected, TextTest::In(all.into_iter().map(Into::into).collect())));
    }
    list
}

/// The rules of a format. The empty text has a rule of its own if `names_empty`.
fn format_rules(id: &str, expected: &str, (is, names_empty): (fn(&str) -> bool, bool)) -> Vec<Rule<TextTest>> {
    let expected = format!("expected {expected}");
    if !names_empty {
        return vec![rule(id, expected, TextTest::Format(is))];
    }
    vec![
        rule(id, expected.clone(), TextTest::FormatUnlessEmpty(is)),
        rule(&format!("{id}_empty"), expected, TextTest::NotEmpty),
    ]
}

/// The rule `well_known_regex`, which is about HTTP headers.
fn header_rules(reading: &mut Reading<'_>, members: &[Member]) -> Vec<Rule<TextTest>> {
    const WHICH: [&str; 3] =
        ["KNOWN_REGEX_UNSPECIFIED", "KNOWN_REGEX_HTTP_HEADER_NAME", "KNOWN_REGEX_HTTP_HEADER_VALUE"];
    let strict = reading.value(members, "strict", "`true` or `false`", truth).unwrap_or(true);
    let parse = |text: &str| WHICH.iter().position(|which| *which == text);
    let expected = "`KNOWN_REGEX_HTTP_HEADER_NAME` or `KNOWN_REGEX_HTTP_HEADER_VALUE`";
    let id = |of: &str| format!("string.well_known_regex.header_{of}");
    match reading.value(members, "well_known_regex", expected, parse) {
        Some(1) => {
            let is = if strict { formats::is_header_name } else { formats::is_loose_header_name };
            format_rules(&id("name"), "the name of an HTTP header", (is, true))
        }
        Some(2) => {
            let is = if strict { formats::is_header_value } else { formats::is_loose_header_value };
            format_rules(&id("value"), "the value of an HTTP header", (is, false))
        }
        _ => Vec::new(),
    }
}

/// The rules of `any`: they are about its type URL.
pub(super) fn any_rules(reading: &mut Reading<'_>, rules: &Member) -> Vec<Rule<TextTest>> {
    let members = reading.members("any", &rules.value, &["in", "not_in"]);
    let mut list = Vec::new();
    if let Some(all) = reading.list(members, "in", "a type URL", text) {
        let expected = one_of(&all).replacen("expected", "expected a message whose type URL is", 1);
        list.push(rule("any.in", expected, TextTest::In(all.into_iter().map(Into::into).collect())));
    }
    if let Some(all) = reading.list(members, "not_in", "a type URL", text) {
        let test = TextTest::NotIn(all.into_iter().map(Into::into).collect());
        list.push(rule("any.not_in", "messages of this type are not allowed".to_owned(), test));
    }
    list
}

/// The rules of `field_mask`: they are about its paths.
pub(super) fn mask_rules(reading: &mut Reading<'_>, rules: &Member) -> Vec<Rule<MaskTest>> {
    let members = reading.members("field_mask", &rules.value, &["const", "in", "not_in", "example"]);
    let mut list = Vec::new();
    let boxed = |paths: Vec<String>| paths.into_iter().map(Into::into).collect();
    if let Some(paths) = reading.list(members, "const", "a path", text) {
        let expected = format!("expected the paths {}", quote::beginning(&paths.join(", "), quote::MOST));
        list.push(rule("field_mask.const", expected, MaskTest::Are(boxed(paths))));
    }
    if let Some(paths) = reading.list(members, "in", "a path", text) {
        let expected = format!("expected only paths in {}", quote::beginning(&paths.join(", "), quote::MOST));
        list.push(rule("field_mask.in", expected, MaskTest::In(boxed(paths))));
    }
    if let Some(paths) = reading.list(members, "not_in", "a path", text) {
        let expected = format!("expected no paths in {}", quote::beginning(&paths.join(", "), quote::MOST));
        list.push(rule("field_mask.not_in", expected, MaskTest::NotIn(boxed(paths))));
    }
    list
}

/// The rules of `bytes`. Values are written in base64, as in JSON.
pub(super) fn bytes_rules(reading: &mut Reading<'_>, rules: &Member) -> Vec<Rule<BytesTest>> {
    const KEYS: &[&str] = &[
        "const", "len", "min_len", "max_len", "pattern", "prefix", "suffix", "contains", "in", "not_in", "ip", "ipv4",
        "ipv6", "uuid", "example",
    ];
    let members = reading.members("bytes", &rules.value, KEYS);
    let mut list = Vec::new();
    let lengths = sizes(reading, members, "bytes", "characters", rules);
    let lengths =
        lengths.into_iter().map(|rule| Rule { expected: rule.expected.replace("character", "byte").into(), ..rule });
    list.extend(lengths.map(|rule| mapped(rule, BytesTest::Length)));
    if let Some(pattern) = reading_pattern(reading, members) {
        list.push(rule("bytes.pattern", pattern_text(&pattern), BytesTest::Matches(pattern)));
    }
    let parts: [Part<[u8], BytesTest>; 3] = [
        Part { key: "prefix", expected: "begin with", make: BytesTest::BeginsWith },
        Part { key: "suffix", expected: "end with", make: BytesTest::EndsWith },
        Part { key: "contains", expected: "contain", make: BytesTest::Contains },
    ];
    for Part { key, expected, make } in parts {
        if let Some(part) = reading.value(members, key, "base64", base64) {
            let expected = format!("expected bytes that {expected} {} in base64", STANDARD.encode(&part));
            list.push(rule(&format!("bytes.{key}"), expected, make(part.into())));
        }
    }
    for Binary { key, expected, sizes } in BINARY {
        if reading.is_set(members, key) {
            list.push(rule(&format!("bytes.{key}"), format!("expected {expected}"), BytesTest::Sizes(sizes)));
            list.push(rule(&format!("bytes.{key}_empty"), format!("expected {expected}"), BytesTest::NotEmpty));
        }
    }
    if let Some(all) = reading.list(members, "not_in", "base64", base64) {
        let test = BytesTest::NotIn(all.into_iter().map(Into::into).collect());
        list.push(rule("bytes.not_in", "this value is not allowed".to_owned(), test));
    }
    let only = reading.value(members, "const", "base64", base64);
    let all = reading.list(members, "in", "base64", base64);
    let passes = |bytes: &Vec<u8>| list.iter().all(|rule| rule.test.passes(bytes));
    check_candidates(reading, rules, (only.as_ref(), all.as_deref()), passes);
    if let Some(only) = only {
        let expected = format!("expected {} in base64", STANDARD.encode(&only));
        list.push(rule("bytes.const", expected, BytesTest::Is(only.into())));
    }
    if let Some(all) = all {
        let shown: Vec<String> = all.iter().map(|bytes| STANDARD.encode(bytes)).collect();
        let test = BytesTest::In(all.into_iter().map(Into::into).collect());
        list.push(rule("bytes.in", one_of(&shown), test));
    }
    list
}

/// Reports `const` and `in` if no value of theirs passes the other rules.
pub(super) fn check_candidates<T>(
    reading: &mut Reading<'_>,
    rules: &Member,
    (only, all): (Option<&T>, Option<&[T]>),
    passes: impl Fn(&T) -> bool,
) where
    T: PartialEq,
{
    let is_in = |value: &T| all.is_none_or(|all| all.contains(value));
    let can_be = match (only, all) {
        (Some(only), _) => passes(only) && is_in(only),
        (None, Some(all)) => all.is_empty() || all.iter().any(passes),
        (None, None) => true,
    };
    if !can_be {
        reading.wrong(&rules.place, &rules.name, NEVER);
    }
}

pub(super) const NEVER: &str = "these rules contradict each other: no value passes all of them";

/// The rules about the length, in characters or in bytes.
fn sizes(reading: &mut Reading<'_>, members: &[Member], of: &str, noun: &str, rules: &Member) -> Vec<Rule<Sizes>> {
    let [exact, least, most] = match noun {
        "bytes" => ["len_bytes", "min_bytes", "max_bytes"],
        _ => ["len", "min_len", "max_len"],
    };
    let [exact, least, most] = [exact, least, most]
        .map(|key| Given { key, size: reading.value(members, key, "a number of 0 or more", whole) });
    sizes_of(reading, of, noun, [exact, least, most], rules)
}

/// A key and its value, if it is there.
#[derive(Clone, Copy)]
pub(super) struct Given<'k> {
    pub(super) key: &'k str,
    pub(super) size: Option<u64>,
}

/// The rules about a length or a number of items: exactly, at least, at most.
pub(super) fn sizes_of(
    reading: &mut Reading<'_>,
    of: &str,
    noun: &str,
    [exact, least, most]: [Given<'_>; 3],
    rules: &Member,
) -> Vec<Rule<Sizes>> {
    let counted = |number: u64| if number == 1 { singular(noun) } else { noun.to_owned() };
    let made = |given: Given<'_>, words: &str, sizes: fn(u64) -> Sizes| {
        let size = given.size?;
        let expected = format!("expected {words}{size} {}", counted(size));
        Some(rule(&format!("{of}.{}", given.key), expected, sizes(size)))
    };
    let list = [
        made(exact, "", |size| Sizes { least: size, most: size }),
        made(least, "at least ", |size| Sizes { least: size, most: u64::MAX }),
        made(most, "at most ", |size| Sizes { least: 0, most: size }),
    ];
    let list: Vec<Rule<Sizes>> = list.into_iter().flatten().collect();
    let least = list.iter().map(|rule| rule.test.least).max();
    let most = list.iter().map(|rule| rule.test.most).min();
    if least.zip(most).is_some_and(|(least, most)| least > most) {
        reading.wrong(&rules.place, &rules.name, NEVER);
    }
    list
}

fn singular(noun: &str) -> String {
    match noun.strip_suffix("ies") {
        Some(stem) => format!("{stem}y"),
        None => noun.strip_suffix('s').unwrap_or(noun).to_owned(),
    }
}

fn reading_pattern(reading: &mut Reading<'_>, members: &[Member]) -> Option<Regex> {
    let member = members.iter().find(|member| member.name == "pattern")?;
    let pattern = reading.parsed("pattern", &member.value, "a regular expression", text)?;
    let compiled = RegexBuilder::new(&pattern).size_limit(PATTERN_SIZE).build();
    match compiled {
        Ok(pattern) => Some(pattern),
        Err(error) => {
            // The library shows the pattern on several lines, with a mark below the place.
            let error = error.to_string();
            let last = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
            let place = match &member.value.value {
                TreeValue::Text(_) => &member.value.place,
                _ => &member.place,
            };
            let message = format!("`{pattern}` is not a regular expression: {last}");
            reading.wrong(place, "pattern", &message);
            None
        }
    }
}

fn pattern_text(pattern: &Regex) -> String {
    format!("expected text that matches {}", quote::beginning(pattern.as_str(), quote::MOST))
}

/// What `in` expects.
pub(super) fn one_of(values: &[String]) -> String {
    let values = values.join(", ");
    format!("expected one of: {}", quote::beginning(&values, quote::MOST))
}

pub(super) fn rule<T>(id: &str, expected: String, test: T) -> Rule<T> {
    Rule { id: id.into(), expected: expected.into(), test }
}

fn mapped<A, B>(rule: Rule<A>, make: impl Fn(A) -> B) -> Rule<B> {
    Rule { id: rule.id, expected: rule.expected, test: make(rule.test) }
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}
