//! Converts JSON to wire format in one pass over the text, writing directly into the message's bytes.
//!
//! The path to the current value is not tracked; an error collects it while it propagates.

mod body;
mod bound;
mod encoder;
mod error;

mod ignored;
mod inline;
mod known;
mod located;
mod mask;
mod request;
mod seen;
mod size;
mod value;

pub use body::Body;
pub use error::{Origin, RequestError};
pub use ignored::Ignored;
pub use mask::{Mask, MaskTooLong, add_members};
pub use request::{Request, Texts};
pub use size::longest;
pub use value::Value;
