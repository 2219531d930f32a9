//! JSON, path and query text to protobuf wire bytes, and wire bytes to JSON, as ProtoJSON has it.
//!
//! Everything runs on the schema's tables, with no tree of a message between. A [`Request`] takes single texts, then
//! becomes wire bytes, with a JSON body or without; [`reply`] turns wire bytes into JSON, [`reply_field`] one field of them,
//! [`values()`] each value into the text of a path or a query.
//! Input is strict: what another
//! reader could read otherwise is refused. Knows no HTTP and no routes.

mod depth;
mod filling;
mod float;
mod from_json;
mod http_body;
mod indent;
mod number;
mod problem;
mod scalar;
#[cfg(test)]
mod tests;
mod time;
mod to_json;

pub use filling::{Filling, filling, takes_entries, takes_json, takes_text};
pub use from_json::{
    Body, Ignored, Mask, MaskTooLong, Origin, Request, RequestError, Texts, Value, add_members, longest,
};
pub use http_body::{HttpBody, is_http_body};
pub use problem::{BodyError, FieldProblem, Found};
pub use to_json::{DecodeError, DecodeProblem, FieldText, Int64, LeafValue, NoText, Print};
pub use to_json::{field_text, http_body, reply, reply_field, values, without};
