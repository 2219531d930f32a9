//! The access log: one line per request, however it ended.
//!
//! ```text
//! config    where the lines go, in which format, and which of them are written
//! line      what is known about one request
//! format    writes a line as JSON, as JSON of the Elastic Common Schema, as logfmt, or as text
//! queue     lines waiting for the writer: bounded, with one buffer per worker
//! writer    the thread that writes the lines, and reopens the file when asked to
//! ```
//!
//! A worker formats a line into its own buffer and never waits. If lines come faster than they are written, they are
//! dropped and counted. `gateway` decides what a line holds: nothing that a caller chose, except a checked request id.

mod config;
mod format;
mod line;
mod queue;
mod writer;

pub use config::{Config, Format, Output, PerOutcome, Share};
pub use line::{Line, Outcome};
pub use queue::{AccessLog, WorkerLog};
pub use writer::{Writing, start};
