//! Attacks, faults by the thousand and processes that are killed under load: what takes all of a machine runs beside nothing else.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod chaos;
mod faults;
mod memory;
mod overload;
mod trouble_kill;
mod turns;

#[path = "../support/mod.rs"]
mod support;
