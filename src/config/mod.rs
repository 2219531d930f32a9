//! The configuration: a YAML file and the flags over it in, a typed [`Config`] and every [`Problem`](crate::format::problem::Problem) out.
//!
//! The keys, their meaning, defaults and ranges: `docs/configuration.md`. Reading never stops at a problem, and one
//! problem is enough to serve nothing, so whoever calls [`load`] checks what could be read, adds its own problems and
//! prints them all. No file named here is opened but the configuration itself and
//! the rules beside it. A part owns its `Config`; this module
//! fills it, and nothing below knows that there is a file.

mod admin;
mod caller;
mod callers;
mod compatibility;
mod connections;
mod drain;
mod file;
mod gateway;
mod input;
mod limits;
mod listen;
mod load;
mod log;
mod overrides;
mod policy;
mod reader;
mod reload;
mod rules;
mod service;
mod settings;
mod shown;
#[cfg(test)]
mod tests;
mod trusted;
mod upstream;
mod upstreams;
mod value;
mod yaml;

pub use compatibility::{Preset, PresetKey};
pub use load::{load, load_text};
pub use overrides::Overrides;
pub use settings::{Config, Reload};
pub use upstreams::{Reflection, Upstream};
