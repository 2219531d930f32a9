//! Limits: memory, connections, and how slowly a request body may arrive.

use super::input::Input;
use super::reader::{Read, Value};
use crate::format::quantity;
use crate::limits::pace::Rate;
use crate::server::BACKLOG;

/// More open files than any operating system allows one process.
const MOST_CONNECTIONS: usize = 10_000_000;

impl Input<'_> {
    /// The memory budget in bytes; `None` if the file does not set it.
    pub(super) fn memory(&self) -> Option<usize> {
        self.value("memory")?.parsed("a size", quantity::memory).ok()
    }
}

/// The minimum rate at which request bodies must arrive.
pub(super) fn rate(bytes: Option<Value>, over: Option<Value>) -> Option<Rate> {
    let over = over.map_or(Ok(Rate::DEFAULT.over), |value| value.duration());
    let bytes =
        bytes.map_or(Ok(Some(Rate::DEFAULT.bytes)), |value| value.parsed("a size or `off`", quantity::size_or_off));
    match (bytes, over) {
        (Ok(Some(bytes)), Ok(over)) => Some(Rate { bytes, over }),
        _ => None,
    }
}

/// The largest number of connections from callers.
pub(super) fn connections(value: Value) -> Read<usize> {
    value.parsed("a number", |text| quantity::number(text, MOST_CONNECTIONS))
}

/// How many connections may wait to be accepted: the backlog of `listen(2)`.
pub(super) fn backlog(value: Value) -> Read<u32> {
    let number = value.parsed("a number", |text| quantity::number(text, u16::MAX.into()))?;
    Ok(u32::try_from(number).unwrap_or(BACKLOG))
}
