//! Connects the codec to the official protobuf conformance suite; `tests/conformance/run` runs the suite with this
//! program.
//!
//! Reads requests from standard input and writes responses to standard output, each preceded by its length (four bytes,
//! little-endian). Every request that involves JSON as input or output is answered. Text format, JSPB and wire to wire
//! are not the task of a gateway and are skipped. Nothing else is skipped, so a type that cannot be loaded fails its
//! tests.

use std::io::{self, ErrorKind, Read, Write};

use prost::Message as _;
use towbar::codec::{self, Body, DecodeProblem, Ignored, Print, Request};
use towbar::schema::{Message, Schema};

/// All files that declare messages of the suite, with their imports.
const MESSAGES: &[u8] = include_bytes!("../tests/conformance/messages.binpb");

fn main() -> io::Result<()> {
    let schema = schema();
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    while let Some(question) = next_question(&mut input)? {
        let outcome = outcome(&schema, &question).unwrap_or_else(|error| error);
        let answer = Answer { outcome: Some(outcome) }.encode_to_vec();
        let length = u32::try_from(answer.len()).expect("an answer is shorter than 4 GiB");
        output.write_all(&length.to_le_bytes())?;
        output.write_all(&answer)?;
        output.flush()?;
    }
    Ok(())
}

fn schema() -> Schema {
    Schema::decode("messages.binpb", MESSAGES).expect("its files are sound")
}

fn json_to_wire(message: &Message, json: &[u8], ignore_unknown: bool) -> Result<Vec<u8>, String> {
    let ignored = if ignore_unknown { Ignored::all() } else { Ignored::default() };
    let body = Body { text: json, field: None, ignored: &ignored };
    Request::new(message).encode(Some(body)).map_err(|error| format!("{error:?}"))
}

fn wire_to_json(message: &Message, wire: &[u8]) -> Result<Vec<u8>, Outcome> {
    codec::reply(message, wire, &Print::default()).map_err(|error| match error.problem {
        DecodeProblem::NoForm { .. } | DecodeProblem::AnyType { .. } => Outcome::SerializeError(error.to_string()),
        _ => Outcome::ParseError(error.to_string()),
    })
}

/// The next request; `None` at the end of the suite.
fn next_question(input: &mut impl Read) -> io::Result<Option<Question>> {
    let mut length = [0; 4];
    match input.read_exact(&mut length) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        outcome => outcome?,
    }
    let mut question = vec![0; u32::from_le_bytes(length) as usize];
    input.read_exact(&mut question)?;
    Ok(Some(Question::decode(question.as_slice())?))
}

fn outcome(schema: &Schema, question: &Question) -> Result<Outcome, Outcome> {
    if question.message_type == FAILURE_SET {
        // The list of tests that are known to fail is empty, and so is the message.
        return Ok(Outcome::Wire(Vec::new()));
    }
    let wanted = question.wanted();
    match (&question.payload, wanted) {
        (Some(Payload::Jspb(_) | Payload::Text(_)), _) | (_, Format::Jspb | Format::Text) => {
            return Ok(Outcome::Skipped("JSPB or text format".to_owned()));
        }
        (Some(Payload::Wire(_)), Format::Wire) => return Ok(Outcome::Skipped("wire to wire".to_owned())),
        (None, _) | (_, Format::Unspecified) => return Err(Outcome::RuntimeError("half a request".to_owned())),
        (Some(Payload::Json(_)), Format::Wire | Format::Json) | (Some(Payload::Wire(_)), Format::Json) => {}
    }
    let message = schema.message(&question.message_type);
    let message = message.ok_or_else(|| Outcome::RuntimeError(format!("{} is not loaded", question.message_type)))?;
    let wire = match &question.payload {
        Some(Payload::Json(json)) => {
            let ignore_unknown = question.category() == Category::JsonIgnoreUnknown;
            json_to_wire(&message, json, ignore_unknown).map_err(Outcome::ParseError)?
        }
        Some(Payload::Wire(wire)) => wire.clone(),
        _ => unreachable!("every other payload is skipped"),
    };
    match wanted {
        Format::Json => wire_to_json(&message, &wire).map(Outcome::Json),
        _ => Ok(Outcome::Wire(wire)),
    }
}

/// The message type with which the suite asks for the tests that are known to fail.
const FAILURE_SET: &str = "conformance.FailureSet";

/// `conformance.ConformanceRequest`.
#[derive(Clone, PartialEq, prost::Message)]
struct Question {
    #[prost(oneof = "Payload", tags = "1, 2, 7, 8")]
    payload: Option<Payload>,
    #[prost(enumeration = "Format", tag = "3")]
    wanted: i32,
    #[prost(string, tag = "4")]
    message_type: String,
    #[prost(enumeration = "Category", tag = "5")]
    category: i32,
}

/// JSON is declared as bytes here, which is the same in wire format: the codec decides whether it is UTF-8.
#[derive(Clone, PartialEq, prost::Oneof)]
enum Payload {
    #[prost(bytes, tag = "1")]
    Wire(Vec<u8>),
    #[prost(bytes, tag = "2")]
    Json(Vec<u8>),
    #[prost(bytes, tag = "7")]
    Jspb(Vec<u8>),
    #[prost(bytes, tag = "8")]
    Text(Vec<u8>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
enum Format {
    Unspecified = 0,
    Wire = 1,
    Json = 2,
    Jspb = 3,
    Text = 4,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
enum Category {
    Unspecified = 0,
    Wire = 1,
    Json = 2,
    /// JSON whose unknown members are ignored.
    JsonIgnoreUnknown = 3,
    Jspb = 4,
    Text = 5,
}

/// `conformance.ConformanceResponse`.
#[derive(Clone, PartialEq, prost::Message)]
struct Answer {
    #[prost(oneof = "Outcome", tags = "1, 2, 3, 4, 5, 6")]
    outcome: Option<Outcome>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Outcome {
    /// The payload is invalid, as some tests require.
    #[prost(string, tag = "1")]
    ParseError(String),
    /// An error that no test expects.
    #[prost(string, tag = "2")]
    RuntimeError(String),
    #[prost(bytes, tag = "3")]
    Wire(Vec<u8>),
    #[prost(bytes, tag = "4")]
    Json(Vec<u8>),
    #[prost(string, tag = "5")]
    Skipped(String),
    /// The payload was read but has no such form.
    #[prost(string, tag = "6")]
    SerializeError(String),
}
