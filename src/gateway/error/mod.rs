//! Every refusal as the caller sees it: an HTTP status and a body in one of several forms.
//!
//! One table from gRPC codes to HTTP statuses (google/rpc/code.proto, "HTTP Mapping", or the operator's own), one place that
//! says which details leave and which do not, one that says how a body looks. Nothing here names an address, a file or our code.

mod backend;
mod body;
mod call;
mod context;
mod defect;
mod denied;
mod detail;
mod reason;
mod refusal;
mod request;
mod response;
mod statuses;
mod timer;
mod visible;

pub use context::{CallContext, Exposure};
pub use reason::{DOMAIN, Party, Reason, ReasonFacts};
pub use refusal::Refusal;
pub use response::{StatusHeaders, status_headers};
pub use statuses::{ERRORS, code_name, http_status};
pub use timer::{Timer, Whose};
