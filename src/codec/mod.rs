//! ProtoJSON: converts JSON and the texts of paths and queries to protobuf wire format, and wire format to JSON.
//!
//! Everything runs on the schema's tables, without building a tree of the message. A [`Request`] collects single texts,
//! then becomes wire format, with or without a JSON body. [`reply`] turns wire format into JSON, [`reply_field`] a
//! single field of it, and [`values()`] turns each value into the text for a path or a query.
//!
//! [`validate`] checks wire format by rules. [`Omissions`] leave fields out of it.
//!
//! Input is strict: whatever another reader could read differently is rejected. Knows nothing of HTTP or routes.

mod depth;
mod filling;
mod float;
mod from_json;
mod http_body;
mod indent;
mod number;
mod omission;
mod problem;
mod scalar;
#[cfg(test)]
mod tests;
mod time;
mod to_json;
pub mod validate;

pub use filling::{Filling, filling, takes_entries, takes_json, takes_text};
pub use from_json::{
    Body, Ignored, Mask, MaskTooLong, Origin, Request, RequestError, Texts, Value, add_members, longest,
};
pub use http_body::{HttpBody, is_http_body};
pub use omission::{Omission, Omissions};
pub use problem::{BodyError, FieldProblem, Found};
pub use to_json::{DecodeError, DecodeProblem, FieldText, Int64, LeafValue, NoText, Print};
pub use to_json::{field_text, http_body, reply, reply_field, values, without};
