//! A connection tried step by step: what is found at each, what is wrong with it, and what to change.
//!
//! [`backend`] looks at a bank as the gateway would call it, [`url`] at a gateway as its callers do, through what stands in
//! between. Each step is told as soon as it is known, in one line; what
//! cannot be tried because of one that failed is skipped, and says so. Nothing is changed anywhere, and no rpc but those of
//! health and reflection is called.

mod answer;
mod backend;
mod command;
mod connection;
mod findings;
mod http1;
mod http2;
mod reach;
mod report;
mod request;
mod settings;
mod site;
mod tap;
mod url;
mod way;

pub(crate) use command::{DoctorArguments, run};

pub use backend::{Backend, backend};
pub use report::{Report, Step, Verdict};
pub use url::{Public, public_url, url};
