//! The cases of `tests/cases/`: one corpus for tests, for the seeds of fuzzing and for benchmarks.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "a test may panic, and uses a part of its support")]

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use towbar::codec::{Body, Ignored, Print, Request, RequestError, reply};
use towbar::schema::{Message, Schema};

/// A message that is read or written, and what becomes of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What is true of it.
    pub name: String,
    /// The type of the message; by default that of the file.
    #[serde(rename = "type")]
    pub message: Option<String>,
    #[serde(default)]
    json: Option<String>,
    /// JSON that is no text.
    #[serde(default)]
    json_bytes: Option<Hex>,
    /// Wire format.
    #[serde(default)]
    wire: Option<Hex>,
    /// `ok` if the JSON is read as that wire format; else the error.
    #[serde(default)]
    json_to_wire: Option<String>,
    /// What the wire format is printed as: `same` for the JSON above, other JSON, or the error.
    #[serde(default)]
    wire_to_json: Option<String>,
    #[serde(default)]
    print: Printing,
    /// Members that are passed over; `*` for all.
    #[serde(default)]
    ignored: Vec<String>,
}

/// Options of [`Print`].
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Printing {
    defaults: bool,
    enums_as_ints: bool,
    proto_names: bool,
    indent: bool,
    limit: Option<usize>,
}

/// Bytes, written in hexadecimal with white space as it pleases; `#` and what follows it in the line is a remark.
#[derive(Debug, Deserialize)]
#[serde(from = "String")]
struct Hex(Vec<u8>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "type")]
    message: String,
    cases: Vec<Case>,
}

/// The schema of the cases' messages.
pub fn schema() -> Schema {
    Schema::load(&[folder()]).unwrap()
}

/// Every case, by file.
pub fn all() -> Vec<Case> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    files.iter().flat_map(|file| cases_of(file)).collect()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases")
}

fn cases_of(path: &Path) -> Vec<Case> {
    let text = fs::read_to_string(path).unwrap();
    let File { message, mut cases } =
        serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    for case in &mut cases {
        case.message.get_or_insert_with(|| message.clone());
        case.name = format!("{}: {}", path.file_name().unwrap().display(), case.name);
    }
    cases
}

impl Case {
    pub fn message(&self, schema: &Schema) -> Message {
        let name = self.message.as_deref().unwrap();
        schema.message(name).unwrap_or_else(|| panic!("{}: no message {name}", self.name))
    }

    /// The body, if the case has one.
    pub fn json(&self) -> Option<&[u8]> {
        match &self.json_bytes {
            Some(Hex(bytes)) => Some(bytes),
            None => self.json.as_deref().map(str::as_bytes),
        }
    }

    /// The wire format, if the case has it.
    pub fn wire(&self) -> Option<&[u8]> {
        self.wire.as_ref().map(|Hex(bytes)| bytes.as_slice())
    }

    /// What the body must become, if the case says so.
    pub fn expected_wire(&self) -> Option<Result<&[u8], &str>> {
        match self.json_to_wire.as_deref()? {
            "ok" => Some(Ok(self.wire().unwrap_or_else(|| panic!("{}: no wire format", self.name)))),
            error => Some(Err(error)),
        }
    }

    /// What the wire format must become, if the case says so: JSON or an error.
    pub fn expected_json(&self) -> Option<&str> {
        match self.wire_to_json.as_deref()? {
            "same" => self.json.as_deref(),
            other => Some(other),
        }
    }

    /// The body, read.
    pub fn encode(&self, message: &Message) -> Result<Vec<u8>, String> {
        let ignored = match self.ignored.as_slice() {
            [all] if all == "*" => Ignored::all(),
            members => Ignored::new(members),
        };
        let body = Body { text: self.json().unwrap_or_default(), field: None, ignored: &ignored };
        Request::new(message).encode(Some(body)).map_err(|error| match error {
            RequestError::Body(error) => error.to_string(),
            other => format!("{other:?}"),
        })
    }

    /// The wire format, printed.
    pub fn decode(&self, message: &Message) -> Result<Vec<u8>, String> {
        reply(message, self.wire().unwrap_or_default(), &self.print()).map_err(|error| error.to_string())
    }

    pub fn print(&self) -> Print {
        let Printing { defaults, enums_as_ints, proto_names, indent, limit } = self.print;
        let limit = limit.unwrap_or(usize::MAX);
        Print { defaults, enums_as_ints, proto_names, indent, limit, ..Print::default() }
    }
}

impl From<String> for Hex {
    fn from(text: String) -> Self {
        let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
        let digits: Vec<u8> = lines.flat_map(str::bytes).filter(|byte| !byte.is_ascii_whitespace()).collect();
        let (pairs, rest) = digits.as_chunks::<2>();
        assert!(rest.is_empty(), "an odd number of digits: {text}");
        let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16);
        Self(pairs.iter().map(|pair| byte(pair).unwrap_or_else(|_| panic!("no hexadecimal: {text}"))).collect())
    }
}
