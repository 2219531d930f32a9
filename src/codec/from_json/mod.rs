//! JSON to wire format: one pass over the text, straight into the message's bytes.
//!
//! The way to a value is not kept while all is well; an error picks it up on its way out.

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
