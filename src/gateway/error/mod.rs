//! Every refusal as the caller sees it: an HTTP status and a body in one of several forms.
//!
//! One table maps gRPC codes to HTTP statuses (google/rpc/code.proto, "HTTP Mapping", or the operator's own table). One
//! module decides which details callers may see, and another one what a body looks like. No error names an address, a
//! file or our code.

mod backend;
mod body;
mod buf;
mod call;
mod connect;
mod context;
mod defect;
mod denied;
mod detail;
mod grpc;
mod idempotency;
mod rate;
mod reason;
mod refusal;
mod request;
mod response;
mod statuses;
mod timer;
mod validation;
mod visible;

pub(crate) use connect::connect_end;
pub use context::{CallContext, Exposure};
pub(crate) use grpc::{NotBase64, put_grpc_ok};
pub(crate) use rate::put_quotas;
pub use reason::{DOMAIN, Party, Reason, ReasonFacts};
pub use refusal::Refusal;
pub use response::{StatusHeaders, status_headers};
pub use statuses::{ERRORS, code_name, http_status};
pub use timer::{Timer, Whose};
