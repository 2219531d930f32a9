//! `limits`: how often callers may call.

use std::time::Duration;

use super::input::Input;
use super::reader::{Read, Value, or_default};
use crate::format::quantity;
use crate::gateway::rate::{By, Limit, Mode};
use crate::limits::rate::Quota;

/// More requests than a process serves in a second.
const MOST: usize = 10_000_000;
const LIMIT_KEYS: &[&str] = &["by", "rate", "burst", "mode", "ipv4_prefix", "ipv6_prefix"];
const IPV4_PREFIX: usize = 32;
/// RFC 6177: a site has at least so much, and whoever has one has every address in it.
const IPV6_PREFIX: usize = 64;

/// A rate as it is written.
#[derive(Clone, Copy)]
struct Rate {
    count: usize,
    period: Duration,
}

impl Input<'_> {
    /// Every limit, in the order of the file.
    pub(super) fn limits(&self) -> Vec<Limit> {
        let Some(Ok(named)) = self.value("limits").map(|value| value.named()) else { return Vec::new() };
        named.filter_map(|(_, value)| limit(value).ok()).collect()
    }
}

fn limit(value: Value) -> Read<Limit> {
    let name = name_of(&value);
    let section = value.section(LIMIT_KEYS)?;
    let rate = match section.value("rate") {
        Some(rate) => rate.parsed("a rate", rate_of),
        None => Err(value.wrong("`rate` is missing: how often, such as `10/s`")),
    };
    let number = |most: usize| move |value: &Value| value.parsed("a number", |text| quantity::number(text, most));
    let prefix = |key, most, default| or_default(section.value(key), number(most), default);
    let (ipv4_prefix, ipv6_prefix) = (prefix("ipv4_prefix", 32, IPV4_PREFIX), prefix("ipv6_prefix", 128, IPV6_PREFIX));
    let burst = section.value("burst").map(|value| number(MOST)(&value));
    let mode = |value: &Value| value.parsed("`enforce` or `report`", str::parse::<Mode>);
    let mode = or_default(section.value("mode"), mode, Mode::Enforce);
    let by = |item: Value| item.parsed("`caller`, `certificate`, `address` or `rpc`", str::parse::<By>);
    let by = section.value("by").map_or(Vec::new(), |value| value.one_or_more("a word", by));
    let (name, Rate { count, period }) = (name?, rate?);
    let burst = burst.transpose()?.unwrap_or(count);
    Ok(Limit {
        name,
        by,
        quota: Quota::new(count as u64, period, burst as u64).map_err(|message| value.wrong(message))?,
        mode,
        ipv4_prefix: u8::try_from(ipv4_prefix).unwrap_or(u8::MAX),
        ipv6_prefix: u8::try_from(ipv6_prefix).unwrap_or(u8::MAX),
    })
}

fn name_of(value: &Value) -> Read<String> {
    let name = value.name();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if name.is_empty() || !name.bytes().all(is_plain) {
        return Err(value.wrong("expected a name of letters, digits, `-` and `_`, because callers see it in a header"));
    }
    Ok(name.to_owned())
}

/// `10/s`, `600/m`, `5000/h` or `100000/d`.
fn rate_of(text: &str) -> Result<Rate, String> {
    let wrong = || format!("expected a rate such as `10/s`, `600/m`, `5000/h` or `100000/d`, found `{text}`");
    let (count, unit) = text.split_once('/').ok_or_else(wrong)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return Err(wrong()),
    };
    let count = quantity::number(count, MOST).map_err(|_| wrong())?;
    Ok(Rate { count, period: Duration::from_secs(seconds) })
}
