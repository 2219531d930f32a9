//! Tests a connection step by step: what each step finds, what is wrong, and what to change.
//!
//! [`backend`] tests a backend as the gateway would call it, `keys` the URL of an issuer's keys. [`url`] tests a gateway as its callers reach it, through
//! any proxies in between. Each step is reported on one line as soon as its result is known. Steps that depend on a
//! failed one are skipped, and the report says so. Nothing is changed anywhere, and only rpcs of health and reflection
//! are called.

mod answer;
mod backend;
mod command;
mod connection;
mod findings;
mod http1;
mod http2;
mod keys;
mod reach;
mod report;
mod request;
mod settings;
mod site;
mod store;
mod tap;
mod url;
mod way;

pub(crate) use command::{DoctorArguments, run};

pub use backend::{Backend, backend};
pub use report::{Report, Step, Verdict};
pub use url::{Public, public_url, url};
