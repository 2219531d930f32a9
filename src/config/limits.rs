//! How much a request may have: for all rpcs, and for one.

use super::reader::{Read, Value};
use super::{Source, value};
use crate::gateway::HEADER_LIMIT;
use crate::limits::pace::Rate;
use crate::route::Limits;
use crate::server::BACKLOG;

/// Protobuf readers go no deeper, and every level of JSON but a list's is one of theirs.
const DEEPEST: usize = 100;
/// One for every other byte of the longest query.
const MOST_PAIRS: usize = 32 << 10;
/// More than a process can have files on any system that there is.
const MOST_CONNECTIONS: usize = 10_000_000;

impl Source<'_> {
    /// The memory of the process.
    pub(super) fn memory(&self) -> Option<usize> {
        self.value("memory")?.parsed("a size", value::memory).ok()
    }

    /// Those of all rpcs.
    pub(super) fn limits(&self) -> Limits {
        let base = Limits::default();
        self.value("requests").filter(Value::is_map).map_or(base, |section| read(&section, base))
    }

    /// The largest size of all headers.
    pub(super) fn header_limit(&self) -> usize {
        self.value("requests").and_then(|section| headers(&section)).unwrap_or(HEADER_LIMIT)
    }
}

fn headers(section: &Value) -> Option<usize> {
    section.get("header_limit")?.parsed("a size", |text| value::size_to(text, 1 << 20, "1MiB")).ok()
}

/// The rate at which bodies have to come.
pub(super) fn rate(bytes: Option<Value>, over: Option<Value>) -> Option<Rate> {
    let over = over.map_or(Ok(Rate::DEFAULT.over), |value| value.duration());
    let bytes =
        bytes.map_or(Ok(Some(Rate::DEFAULT.bytes)), |value| value.parsed("a size or `off`", value::size_or_off));
    match (bytes, over) {
        (Ok(Some(bytes)), Ok(over)) => Some(Rate { bytes, over }),
        _ => None,
    }
}

/// The most connections of callers.
pub(super) fn connections(value: Value) -> Read<usize> {
    value.parsed("a number", |text| value::number(text, MOST_CONNECTIONS))
}

/// How many connections may wait to be accepted: what the system call takes.
pub(super) fn backlog(value: Value) -> Read<u32> {
    let number = value.parsed("a number", |text| value::number(text, u16::MAX.into()))?;
    Ok(u32::try_from(number).unwrap_or(BACKLOG))
}

/// Those of one rpc. What is read before the rpc is known cannot be more than for all.
pub(super) fn of_rpc(section: &Value, all: Limits) -> Limits {
    let limits = read(section, all);
    let told = |key: &str, limit: usize, most: usize| {
        let value = section.get(key).filter(|_| limit > most);
        value.map(|value| value.wrong(format!("expected at most the {most} of `requests.{key}`, found {limit}")))
    };
    told("query_pairs", limits.query_pairs, all.query_pairs);
    told("query_length", limits.query_length, all.query_length);
    limits
}

/// The largest size of all headers for one rpc. They too are read before the rpc is known.
pub(super) fn headers_of_rpc(section: &Value, all: usize) -> Option<usize> {
    let limit = headers(section)?;
    if limit > all
        && let Some(value) = section.get("header_limit")
    {
        value.wrong(format!("expected at most the {all} of `requests.header_limit`, found {limit}"));
    }
    Some(limit)
}

fn read(section: &Value, base: Limits) -> Limits {
    let of = |key: &str, what: &str, parse: fn(&str) -> Result<usize, String>, base| {
        let value: Option<Read<usize>> = section.get(key).map(|value| value.parsed(what, parse));
        value.and_then(Result::ok).unwrap_or(base)
    };
    Limits {
        json_depth: of("json_depth", "a number", |text| value::number(text, DEEPEST), base.json_depth),
        query_pairs: of("query_pairs", "a number", |text| value::number(text, MOST_PAIRS), base.query_pairs),
        query_length: of("query_length", "a size", |text| value::size_to(text, 64 << 10, "64KiB"), base.query_length),
    }
}
