//! The configuration: reads a YAML file, with flags that override it, into a typed [`Config`] and every
//! [`Problem`](crate::format::problem::Problem).
//!
//! `docs/configuration.md` lists the keys with their meaning, defaults and ranges. Reading does not stop at the first
//! problem, but one problem is enough not to serve. So a caller of [`load`] checks what could be read, adds its own
//! problems and prints them all. This module opens only the configuration file, the rule files and the lists of addresses; it does not open
//! any other file that they name. Each module below defines its own `Config`, which this module fills; none of them
//! knows that there is a file.

mod addresses;
mod admin;
mod caller;
mod callers;
mod compatibility;
mod connections;
mod cors;
mod describe;
mod drain;
mod file;
mod gateway;
mod hop;
mod idempotency;
mod input;
mod limits;
mod listen;
mod load;
mod log;
mod overrides;
mod policy;
mod rate;
mod reader;
mod reload;
mod rules;
mod secret;
mod service;
mod settings;
mod shown;
mod store;
#[cfg(test)]
mod tests;
mod traces;
mod trusted;
mod upstream;
mod upstreams;
mod validation;
mod value;
mod yaml;

pub use callers::{KeyPlace, KeyServer};
pub use compatibility::{Preset, PresetKey};
pub use describe::{effective, schema};
pub use idempotency::SharedIdempotency;
pub use load::{load, load_text};
pub use overrides::Overrides;
pub use settings::{Config, Reload};
pub use store::Store;
pub use traces::Traces;
pub use upstreams::{Reflection, Upstream};
pub use validation::rules_text;
