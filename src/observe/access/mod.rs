//! The access log: a line for each request, whatever became of it.
//!
//! ```text
//! config    where the lines go, their form, and which of them are written
//! line      what is known of one request
//! format    a line as JSON, in names of the Elastic Common Schema, as logfmt, or as text
//! queue     lines that wait for the writer: bounded, a buffer for each worker
//! writer    the thread that writes them, and opens the file again when asked
//! ```
//!
//! A worker formats a line into its own buffer and never waits. Where lines come faster than they are written, they are dropped and
//! counted. What a line holds is for `gateway` to say; it holds nothing that a caller chose, except a checked request id.

mod config;
mod format;
mod line;
mod queue;
mod writer;

pub use config::{Config, Format, Output, PerOutcome, Share};
pub use line::{Line, Outcome};
pub use queue::{AccessLog, WorkerLog};
pub use writer::{Writing, start};
