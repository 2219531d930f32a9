//! YAML: parses text into a tree of [`Node`]s, each with its line and column.
//!
//! Only this module uses the YAML library. Every scalar keeps its text as written (`8080`, `true`, `25s`), and the
//! reader decides what it means. So YAML's own types never guess: `no` is not `false`, `1.10` is not `1.1`. YAML 1.2
//! forbids repeating a key in a map: each repetition is a [`YamlError`], and the first occurrence counts. Merge keys
//! (`<<`) are ordinary keys, and therefore unknown ones. This module knows no key by name.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, Error, Location, MergeKeyPolicy, NonFiniteFloatPolicy, Spanned};

use crate::tls::pem;

/// A place in the file. Line and column count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot {
    pub line: u64,
    pub column: u64,
}

#[derive(Debug, PartialEq)]
pub(super) struct Node {
    pub spot: Spot,
    pub shape: Shape,
}

#[derive(Debug, PartialEq)]
pub(super) enum Shape {
    /// An empty value, `~` or `null`.
    Nothing,
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

impl Node {
    /// The tree of an empty file.
    pub(super) fn nothing() -> Self {
        Self { spot: Spot { line: 1, column: 1 }, shape: Shape::Nothing }
    }
}

/// One key of a map and its value.
#[derive(Debug, PartialEq)]
pub(super) struct Entry {
    pub key: String,
    pub spot: Spot,
    pub value: Node,
}

/// An error in the text as YAML.
#[derive(Debug, PartialEq)]
pub(super) struct YamlError {
    pub spot: Spot,
    pub message: String,
}

/// Parses one document. Errors that leave a usable tree come with it; after a syntax error there is no tree.
pub(super) fn parse(text: &str) -> Result<(Node, Vec<YamlError>), YamlError> {
    let options = serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        merge_keys: MergeKeyPolicy::AsOrdinary,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        with_snippet: false,
    };
    let root = serde_saphyr::from_str_with_options::<Spanned<Raw>>(text, options).map_err(syntax_fault)?;
    let mut builder = Builder { text, faults: Vec::new() };
    let node = builder.node(root);
    Ok((node, builder.faults))
}

fn syntax_fault(error: Error) -> YamlError {
    let location = error.location().unwrap_or(Location::UNKNOWN);
    let found = match &error {
        Error::MultipleDocuments { .. } => "expected one document, found a second one".to_owned(),
        Error::UnknownAnchor { .. } => "this alias names no anchor above it".to_owned(),
        Error::RecursiveReferencesRequireWeakTypes { .. } => "this alias stands inside its own anchor".to_owned(),
        Error::UnsupportedTag { .. } => "this tag is not supported".to_owned(),
        // The scanner's messages quote at most one character. The library appends the place, which a `YamlError` has
        // already.
        Error::ExternalMessage { .. } | Error::Eof { .. } | Error::Unexpected { .. } | Error::Budget { .. } => {
            let message = error.to_string();
            let place = format!(" at line {}, column {}", location.line(), location.column());
            message.strip_suffix(&place).unwrap_or(&message).to_owned()
        }
        // Other messages may quote the file, which may contain a password.
        _ => "this cannot be read as YAML".to_owned(),
    };
    // An error without a location concerns the text as a whole.
    let spot = Spot { line: location.line().max(1), column: location.column().max(1) };
    YamlError { spot, message: format!("not valid YAML: {found}") }
}

/// A value from the library. A scalar that it took for a number or a boolean is `Typed`: its text is read from the
/// source.
enum Raw {
    Nothing,
    Typed,
    Text(String),
    List(Vec<Spanned<Self>>),
    Map(Vec<(Spanned<Self>, Spanned<Self>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Nothing)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Raw, E> {
        Ok(Raw::Typed)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Raw, E> {
        Ok(Raw::Typed)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Raw, E> {
        Ok(Raw::Typed)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Raw, E> {
        Ok(Raw::Typed)
    }

    fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Raw::Map(map))
    }
}

/// Turns the library's values into nodes, and records errors in maps.
struct Builder<'a> {
    text: &'a str,
    faults: Vec<YamlError>,
}

impl Builder<'_> {
    fn node(&mut self, raw: Spanned<Raw>) -> Node {
        let spot = spot(raw.referenced);
        let shape = match raw.value {
            Raw::Nothing => Shape::Nothing,
            Raw::Typed => Shape::Text(self.source(raw.defined).to_owned()),
            Raw::Text(text) => Shape::Text(text),
            Raw::List(items) => Shape::List(items.into_iter().map(|item| self.node(item)).collect()),
            Raw::Map(entries) => Shape::Map(self.map(entries)),
        };
        Node { spot, shape }
    }

    fn map(&mut self, entries: Vec<(Spanned<Raw>, Spanned<Raw>)>) -> Vec<Entry> {
        let mut map: Vec<Entry> = Vec::new();
        for (key, value) in entries {
            let Node { spot, shape } = self.node(key);
            let value = self.node(value);
            let Shape::Text(key) = shape else {
                self.faults.push(YamlError { spot, message: format!("expected a key, found {shape}") });
                continue;
            };
            if let Some(first) = map.iter().find(|entry| entry.key == key) {
                let line = first.spot.line;
                self.faults.push(YamlError {
                    spot,
                    message: format!("key {} is given twice, first on line {line}", quoted(&key)),
                });
                continue;
            }
            map.push(Entry { key, spot, value });
        }
        map
    }

    /// The scalar as written, without quotes; quotes are possible here after a tag such as `!!int`.
    fn source(&self, location: Location) -> &str {
        let span = location.span();
        let range =
            span.byte_offset().zip(span.byte_len()).map(|(start, length)| start as usize..(start + length) as usize);
        let written = range.and_then(|range| self.text.get(range)).unwrap_or_default();
        written.trim().trim_matches(['"', '\''])
    }
}

/// Text of the file as problems quote it. A private key or certificate that is there by mistake is not repeated.
pub(super) fn quoted(text: &str) -> Cow<'_, str> {
    if pem::is_secret(text) { Cow::Borrowed(SECRET) } else { Cow::Owned(format!("`{text}`")) }
}

/// Printed in place of text that looks like a secret.
pub(super) const SECRET: &str = "text that looks like a key or a certificate, not shown here";

fn spot(location: Location) -> Spot {
    Spot { line: location.line(), column: location.column() }
}

impl fmt::Display for Shape {
    /// How a message names this shape after "found".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::Text(text) => f.write_str(&quoted(text.trim_end())),
            Self::List(items) if items.is_empty() => f.write_str("an empty list"),
            Self::List(_) => f.write_str("a list"),
            Self::Map(_) => f.write_str("a map"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tree on one line: scalars in quotes, each node with its place.
    fn line(node: &Node) -> String {
        let Spot { line: row, column } = node.spot;
        let shape = match &node.shape {
            Shape::Nothing => "nothing".to_owned(),
            Shape::Text(text) => format!("{text:?}"),
            Shape::List(items) => {
                format!("[{}]", items.iter().map(line).collect::<Vec<_>>().join(" "))
            }
            Shape::Map(entries) => {
                let entry = |entry: &Entry| format!("{}: {}", entry.key, line(&entry.value));
                format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(" "))
            }
        };
        format!("{row}:{column} {shape}")
    }

    #[test]
    fn scalars_keep_their_text_and_every_node_its_position() {
        for (text, tree) in [
            ("", "1:1 nothing"),
            ("# only a comment\n", "2:1 nothing"),
            ("a: 8080\nb: 0x1F", r#"1:1 {a: 1:4 "8080" b: 2:4 "0x1F"}"#),
            (
                "a: [true, no, 1.10, 012, 1_000, -5]",
                r#"1:1 {a: 1:4 [1:5 "true" 1:11 "no" 1:15 "1.10" 1:21 "012" 1:26 "1_000" 1:33 "-5"]}"#,
            ),
            (
                "a: 1e999\nb: .nan\nc: 99999999999999999999",
                r#"1:1 {a: 1:4 "1e999" b: 2:4 ".nan" c: 3:4 "99999999999999999999"}"#,
            ),
            ("a: 'x y'\nb: \"é\\t\"", r#"1:1 {a: 1:4 "x y" b: 2:4 "é\t"}"#),
            ("a: ~\nb: ''\nc:", r#"1:1 {a: 1:4 nothing b: 2:4 "" c: 3:2 nothing}"#),
            ("\u{feff}é: 8080", r#"1:1 {é: 1:4 "8080"}"#),
            ("n: 1\n8080: 2", r#"1:1 {n: 1:4 "1" 8080: 2:7 "2"}"#),
            ("a: &one {k: 12}\nb: *one", r#"1:1 {a: 1:9 {k: 1:13 "12"} b: 2:4 {k: 2:4 "12"}}"#),
            ("a: !!int '13'", r#"1:1 {a: 1:10 "13"}"#),
        ] {
            let (node, faults) = parse(text).unwrap();
            assert_eq!((line(&node).as_str(), faults), (tree, Vec::new()), "{text}");
        }
    }

    #[test]
    fn invalid_yaml_is_reported_with_its_position() {
        for (text, place, message) in [
            ("a: [1\nb: 2", (2, 2), "illegal placement of ':' indicator"),
            ("a: b: c", (1, 5), "mapping values are not allowed in this context"),
            ("a: @x", (1, 4), "unexpected character: `@'"),
            ("a: 1\n---\nb: 2", (3, 1), "expected one document, found a second one"),
            ("a: *one", (1, 4), "this alias names no anchor above it"),
            ("a: &one [*one]", (1, 10), "this alias stands inside its own anchor"),
        ] {
            let fault = parse(text).unwrap_err();
            let spot = Spot { line: place.0, column: place.1 };
            assert_eq!(fault, YamlError { spot, message: format!("not valid YAML: {message}") }, "{text}");
        }
    }

    #[test]
    fn a_repeated_key_is_reported_and_its_first_value_is_kept() {
        let (node, faults) = parse("a: 1\nb: {c: 1, c: 2, c: 3}\na: 2\n[x]: 3").unwrap();
        assert_eq!(line(&node), r#"1:1 {a: 1:4 "1" b: 2:4 {c: 2:8 "1"}}"#);
        let faults: Vec<_> =
            faults.into_iter().map(|fault| (fault.spot.line, fault.spot.column, fault.message)).collect();
        let twice = |key, line| format!("key `{key}` is given twice, first on line {line}");
        let expected = [
            (2, 11, twice("c", 2)),
            (2, 17, twice("c", 2)),
            (3, 1, twice("a", 1)),
            (4, 1, "expected a key, found a list".into()),
        ];
        assert_eq!(faults, expected);
    }

    #[test]
    fn excessive_nesting_and_alias_expansion_are_refused() {
        let nested = "[".repeat(100_000);
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let below = format!("*a{}, ", level - 1).repeat(10);
            bomb.push_str(&format!("a{level}: &a{level} [{below}]\n"));
        }
        for text in [nested, bomb] {
            assert!(parse(&text).is_err());
        }
    }

    proptest::proptest! {
        #[test]
        fn random_yaml_never_panics(text in "([-a1:'\"#&*!?|>{}\\[\\], \n]|é|true){0,40}") {
            let _ = parse(&text);
        }
    }
}
