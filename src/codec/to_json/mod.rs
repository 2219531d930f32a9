//! Wire format to JSON: fields are printed as they come while they come in order, once each.
//!
//! That is how every writer writes. Bytes that are in another order, or that give a field twice, are in wire format too:
//! where they turn up, the message is printed again from an index of its fields, in which the last value wins, split
//! messages are joined and scattered lists collected.

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
