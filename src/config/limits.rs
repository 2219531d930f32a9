//! How much the process and its listener may have, and how slow a body may come.

use super::input::Input;
use super::reader::{Read, Value};
use crate::format::quantity;
use crate::limits::pace::Rate;
use crate::server::BACKLOG;

/// More than a process can have files on any system that there is.
const MOST_CONNECTIONS: usize = 10_000_000;

impl Input<'_> {
    /// The memory of the process.
    pub(super) fn memory(&self) -> Option<usize> {
        self.value("memory")?.parsed("a size", quantity::memory).ok()
    }
}

/// The rate at which bodies have to come.
pub(super) fn rate(bytes: Option<Value>, over: Option<Value>) -> Option<Rate> {
    let over = over.map_or(Ok(Rate::DEFAULT.over), |value| value.duration());
    let bytes =
        bytes.map_or(Ok(Some(Rate::DEFAULT.bytes)), |value| value.parsed("a size or `off`", quantity::size_or_off));
    match (bytes, over) {
        (Ok(Some(bytes)), Ok(over)) => Some(Rate { bytes, over }),
        _ => None,
    }
}

/// The most connections of callers.
pub(super) fn connections(value: Value) -> Read<usize> {
    value.parsed("a number", |text| quantity::number(text, MOST_CONNECTIONS))
}

/// How many connections may wait to be accepted: what the system call takes.
pub(super) fn backlog(value: Value) -> Read<u32> {
    let number = value.parsed("a number", |text| quantity::number(text, u16::MAX.into()))?;
    Ok(u32::try_from(number).unwrap_or(BACKLOG))
}
