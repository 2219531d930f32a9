//! The command line: one file per command.

mod arguments;
mod certs;
mod check;
mod completions;
mod config;
mod config_file;
mod curl;
#[cfg(feature = "demo")]
pub mod demo;
pub mod doctor;
mod dumps;
mod explain;
mod loaded;
mod log;
mod manual;
mod openapi;
mod outcome;
mod routes;
mod run;
mod runtime;
mod serve;
mod settings;
mod shell;
mod signals;
mod supervised;

pub use curl::{line as curl_line, written as curl_words};
pub use run::run;
