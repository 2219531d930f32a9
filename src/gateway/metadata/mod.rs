//! Which headers cross the gateway: an allow-list in each direction.
//!
//! Request headers become gRPC metadata, reply metadata becomes headers, and nothing that is not listed goes either way.
//! Values of `-bin` names are base64 on both sides (gRPC over HTTP/2, "Custom-Metadata"), so they cross as they are. With a
//! switch, metadata of a reply also says its HTTP status and its `Location`.

mod lists;
mod outcome;
mod trace;
mod value;

pub use lists::{Config, Metadata, REQUEST};
pub use outcome::Outcome;
pub use trace::{TraceContext, TraceId};
pub use value::NotMetadata;
