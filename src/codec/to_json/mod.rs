//! Converts wire format to JSON. Fields are printed directly as long as they come in order and once each.
//!
//! All usual encoders write messages that way. Bytes in another order, or with a repeated field, are valid wire format
//! too. Such a message is printed again from an index of its fields: the last value wins, split messages are merged and
//! scattered lists are collected.

mod decoder;
pub(super) mod error;
mod field;
mod known;
mod map;
mod place;
mod print;
mod reply;
mod scattered;
mod values;
mod without;

pub use error::{DecodeError, DecodeProblem};
pub use field::{http_body, reply_field};
pub use print::{Int64, Print};
pub use reply::reply;
pub use values::{FieldText, LeafValue, NoText, field_text, values};
pub use without::without;
