//! `limits`: how often callers may call, and how many of their requests are in progress.

use std::time::Duration;

use http::HeaderName;

use super::input::Input;
use super::reader::{Read, Section, Value, or_default};
use crate::format::quantity;
use crate::gateway::rate::{By, Limit, Mode, QuotaHeaders, Shared, StoreAway};
use crate::limits::rate::Quota;

/// More requests than a process serves in a second.
const MOST: usize = 10_000_000;
const LIMIT_KEYS: &[&str] = &[
    "by",
    "rate",
    "burst",
    "concurrent",
    "mode",
    "shared",
    "store_away",
    "store_timeout",
    "headers",
    "ipv4_prefix",
    "ipv6_prefix",
];
/// Requests wait for the store no longer.
const STORE_TIMEOUT: Duration = Duration::from_millis(50);
/// More requests than a process has in progress.
const MOST_CONCURRENT: usize = 1_000_000;
/// Longer names of claims are mistakes.
const LONGEST_CLAIM: usize = 128;
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
    let rate = section.value("rate").map(|rate| rate.parsed("a rate", rate_of)).transpose();
    let number = |most: usize| move |value: &Value| value.parsed("a number", |text| quantity::number(text, most));
    let prefix = |key, most, default| or_default(section.value(key), number(most), default);
    let (ipv4_prefix, ipv6_prefix) = (prefix("ipv4_prefix", 32, IPV4_PREFIX), prefix("ipv6_prefix", 128, IPV6_PREFIX));
    let burst = section.value("burst").map(|value| number(MOST)(&value)).transpose();
    let concurrent = section.value("concurrent").map(|value| number(MOST_CONCURRENT)(&value)).transpose();
    let mode = |value: &Value| value.parsed("`enforce` or `report`", str::parse::<Mode>);
    let mode = or_default(section.value("mode"), mode, Mode::Enforce);
    let headers = |value: &Value| value.parsed("`rejected` or `always`", str::parse::<QuotaHeaders>);
    let headers = or_default(section.value("headers"), headers, QuotaHeaders::Rejected);
    let by = section.value("by").map_or(Vec::new(), |value| match value.is_map() {
        true => by(value).into_iter().collect(),
        false => value.one_or_more("a word", by),
    });
    let shared = shared(section, rate.is_ok_and(|rate| rate.is_some()));
    let (name, rate, burst, concurrent, shared) = (name?, rate?, burst?, concurrent?, shared?);
    let quota = match (rate, burst) {
        (Some(Rate { count, period }), burst) => {
            let quota = Quota::new(count as u64, period, burst.unwrap_or(count) as u64);
            Some(quota.map_err(|message| value.wrong(message))?)
        }
        (None, Some(_)) => return Err(value.wrong("`burst` has no effect without `rate`: how often, such as `10/s`")),
        (None, None) if concurrent.is_none() => {
            return Err(
                value.wrong("`rate` or `concurrent` is missing: how often, such as `10/s`, or how many at one time")
            );
        }
        (None, None) => None,
    };
    Ok(Limit {
        name,
        by,
        quota,
        concurrent: concurrent.map(|most| u32::try_from(most).unwrap_or(u32::MAX)),
        mode,
        shared,
        headers,
        ipv4_prefix: u8::try_from(ipv4_prefix).unwrap_or(u8::MAX),
        ipv6_prefix: u8::try_from(ipv6_prefix).unwrap_or(u8::MAX),
    })
}

/// How the store counts, if it does.
fn shared(section: Section, has_rate: bool) -> Read<Option<Shared>> {
    let is_shared = or_default(section.value("shared"), Value::truth, false);
    let away = |value: &Value| value.parsed("`local`, `open` or `closed`", str::parse::<StoreAway>);
    let away = or_default(section.value("store_away"), away, StoreAway::Local);
    let timeout = or_default(section.value("store_timeout"), Value::duration, STORE_TIMEOUT);
    if !is_shared {
        let lone = ["store_away", "store_timeout"].into_iter().find_map(|key| section.value(key));
        return lone.map_or(Ok(None), |value| Err(value.wrong("has no effect without `shared: true`")));
    }
    match section.value("shared") {
        Some(value) if !has_rate => {
            Err(value.wrong("only a `rate` can be shared; each instance counts `concurrent` by itself"))
        }
        _ => Ok(Some(Shared { away, timeout })),
    }
}

/// A word, or a map with one of `claim` and `header`.
fn by(item: Value) -> Read<By> {
    if !item.is_map() {
        return item.parsed("a word", str::parse);
    }
    let section = item.section(&["claim", "header"])?;
    match (section.value("claim"), section.value("header")) {
        (Some(claim), None) => {
            let claim = claim.text("the name of a claim")?;
            match claim.len() {
                ..=LONGEST_CLAIM => Ok(By::Claim(claim.to_owned())),
                _ => Err(item.wrong(format!("expected a claim with a name of at most {LONGEST_CLAIM} bytes"))),
            }
        }
        (None, Some(header)) => {
            let name =
                |text: &str| HeaderName::try_from(text).map_err(|_| format!("expected a header name, found `{text}`"));
            header.parsed("a header name", name).map(By::Header)
        }
        (Some(_), Some(_)) => Err(item.wrong("`claim` and `header` are both set; write them as two items of a list")),
        (None, None) => Err(item.wrong("`claim` or `header` is missing")),
    }
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
