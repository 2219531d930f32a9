//! `towbar demo`: a sample bank behind a gateway, in one process.

pub mod bank;
mod command;
pub mod generated;

pub(crate) use command::{DemoArguments, run};
