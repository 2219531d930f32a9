//! Which headers cross the gateway: an allow-list in each direction.
//!
//! Request headers become gRPC metadata, and reply metadata becomes response headers. Names that are not listed do not
//! cross. Values of `-bin` names are base64 on both sides (gRPC over HTTP/2, "Custom-Metadata"), so they cross
//! unchanged. If the configuration allows it, reply metadata also sets the HTTP status and `Location` of the response.

mod lists;
mod outcome;
mod span;
mod trace;
mod value;

pub use lists::{Config, Metadata, REQUEST};
pub use outcome::Outcome;
pub(crate) use span::SpanIds;
pub use trace::{TraceContext, TraceId};
pub use value::NotMetadata;
