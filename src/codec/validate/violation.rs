//! What a message violates.

use crate::format::wire::WireError;

/// The most violations that are reported of one message.
pub const MOST_VIOLATIONS: usize = 32;

/// The most characters of a reason (google/rpc/error_details.proto).
const LONGEST_REASON: usize = 63;

/// A field that violates a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The path of the field, in the names of the `.proto` file: `destinations[0].iban`, `labels["a"]`. Empty for the
    /// message as a whole.
    pub field: String,
    /// The rule as `buf.validate` names it: `string.min_len`.
    pub rule: String,
    /// What was expected. It does not quote the value.
    pub expected: String,
}

/// All violations of a message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Violations {
    /// At most [`MOST_VIOLATIONS`].
    pub list: Vec<Violation>,
    /// Whether the message was not checked further, because there are as many as can be reported.
    pub is_cut: bool,
    /// A rule that could not be evaluated, so that nobody knows whether the message is valid.
    pub failed: Option<Failure>,
}

/// A rule that could not be evaluated for a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The path of the field, as in [`Violation`].
    pub field: String,
    /// The rule as it is named.
    pub rule: String,
}

impl Violations {
    /// Those of a message that is not in wire format.
    #[must_use]
    pub fn malformed(error: WireError) -> Self {
        Self { list: vec![Violation::malformed(String::new(), error)], ..Self::default() }
    }
}

impl Violation {
    /// That of a message that is not in wire format.
    pub(super) fn malformed(field: String, error: WireError) -> Self {
        let expected = format!("not a message of its type: {error}");
        Self { field, rule: "message.malformed".to_owned(), expected }
    }

    /// Whether a value is missing.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.rule == REQUIRED
    }

    /// The path without keys of maps, which callers choose.
    #[must_use]
    pub fn field_without_keys(&self) -> String {
        let mut text = String::with_capacity(self.field.len());
        let mut rest = self.field.as_str();
        while let Some((before, key)) = rest.split_once("[\"") {
            text.push_str(before);
            text.push_str("[...]");
            // Keys have no quotes in them: see `Path`.
            rest = key.split_once("\"]").map_or("", |(_, rest)| rest);
        }
        text.push_str(rest);
        text
    }

    /// The rule as a reason of `google.rpc.BadRequest`: `STRING_MIN_LEN`. A name that cannot be one, such as an expression,
    /// is `CEL_EXPRESSION`.
    #[must_use]
    pub fn reason(&self) -> String {
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let is_short = self.rule.len() <= LONGEST_REASON;
        if !is_short || !self.rule.chars().all(is_name) || !self.rule.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return "CEL_EXPRESSION".to_owned();
        }
        self.rule.replace(['.', '-'], "_").to_ascii_uppercase()
    }
}

pub(super) const REQUIRED: &str = "required";

/// The place of a value, from the inside out. It becomes text only for a violation.
#[derive(Clone, Copy)]
pub(super) struct Path<'p> {
    pub(super) above: Option<&'p Self>,
    pub(super) step: Step<'p>,
}

/// A step of a path.
#[derive(Clone, Copy)]
pub(super) enum Step<'p> {
    Field(&'p str),
    Index(u64),
    /// The key of a map, as its bytes or number.
    Key(Key<'p>),
}

/// The key of a map.
#[derive(Clone, Copy)]
pub(super) enum Key<'p> {
    Text(&'p [u8]),
    Number(i128),
    Truth(bool),
}

/// The most characters of a key that a path shows.
const MOST_OF_KEY: usize = 64;
/// The most bytes of a path.
const MOST_OF_PATH: usize = 512;

impl Path<'_> {
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        self.put(&mut text);
        text
    }

    fn put(&self, text: &mut String) {
        if let Some(above) = self.above {
            above.put(text);
        }
        if text.len() > MOST_OF_PATH {
            return;
        }
        match self.step {
            Step::Field(name) => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(name);
            }
            Step::Index(index) => text.push_str(&format!("[{index}]")),
            Step::Key(Key::Number(number)) => text.push_str(&format!("[{number}]")),
            Step::Key(Key::Truth(truth)) => text.push_str(&format!("[{truth}]")),
            Step::Key(Key::Text(key)) => {
                let key = String::from_utf8_lossy(key);
                let is_plain = |c: char| !c.is_control() && !matches!(c, '"' | '\\' | '[' | ']');
                let plain = key.chars().take(MOST_OF_KEY).map(|c| if is_plain(c) { c } else { '?' });
                text.push_str("[\"");
                text.extend(plain);
                text.push_str("\"]");
            }
        }
    }
}
