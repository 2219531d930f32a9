//! The deadline of a call: what the caller asks for, capped by the configuration.
//!
//! A caller sets it with `grpc-timeout` (gRPC over HTTP/2, `Timeout`) or with a header that the configuration names.
//! Both are upper bounds, so the shorter of the two applies.

use std::time::Duration;

use http::header::{HeaderMap, HeaderName};
use tokio::time::Instant;

use crate::gateway::error::{Refusal, Timer, Whose};

const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// The deadline of a call.
#[derive(Debug)]
pub(crate) struct Deadline {
    pub(crate) at: Instant,
    /// The timeout behind this deadline, and who set it.
    pub(crate) timer: Timer,
}

impl Deadline {
    /// The deadline of a request with these headers that arrived at `started`. The route caps the timeout; `own` is the
    /// header that the configuration names.
    ///
    /// # Errors
    /// 400 if a header is not a valid time, or occurs twice.
    pub(crate) fn of(
        headers: &HeaderMap,
        own: Option<&HeaderName>,
        cap: &Timer,
        started: Instant,
    ) -> Result<Self, Refusal> {
        let mut timer = cap.clone();
        let readers = [(Some(&GRPC_TIMEOUT), GRPC), (own, PLAIN)];
        for (name, format) in readers.into_iter().filter_map(|(name, format)| Some((name?, format))) {
            let Some(length) = said(headers, name, &format)? else { continue };
            if length < timer.length {
                timer = Timer { whose: Whose::Caller(name.clone()), length };
            }
        }
        Ok(Self { at: started + timer.length, timer })
    }
}

/// A notation for durations.
struct Format {
    expected: &'static str,
    read: fn(&str) -> Option<Duration>,
}

const GRPC: Format =
    Format { expected: "1 to 8 digits and a unit (H, M, S, m, u or n), greater than zero", read: grpc_timeout };
const PLAIN: Format =
    Format { expected: "a duration such as 500ms, 25s, 1m or 2.5 (seconds), greater than zero", read: plain };

fn said(headers: &HeaderMap, name: &HeaderName, format: &Format) -> Result<Option<Duration>, Refusal> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Refusal::header(format!("header {name}: repeated, but it takes only one value")));
    }
    let length = value.to_str().ok().and_then(format.read).filter(|length| !length.is_zero());
    length.map(Some).ok_or_else(|| {
        let found: String = String::from_utf8_lossy(value.as_bytes()).chars().take(40).collect();
        Refusal::header(format!("header {name}: expected {}, got {found:?}", format.expected))
    })
}

/// Parses `TimeoutValue TimeoutUnit` of gRPC over HTTP/2.
fn grpc_timeout(text: &str) -> Option<Duration> {
    const MOST_DIGITS: usize = 8;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > MOST_DIGITS || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(value * 60 * 60),
        "M" => Duration::from_secs(value * 60),
        "S" => Duration::from_secs(value),
        "m" => Duration::from_millis(value),
        "u" => Duration::from_micros(value),
        "n" => Duration::from_nanos(value),
        _ => return None,
    })
}

/// Parses a duration as in the configuration, or a number of seconds that may have decimals.
fn plain(text: &str) -> Option<Duration> {
    const MOST_DIGITS: usize = 9;
    let (number, unit) = text.split_at(text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len()));
    let (whole, decimals) = number.split_once('.').map_or((number, None), |(whole, decimals)| (whole, Some(decimals)));
    let is_number =
        |text: &str| (1..=MOST_DIGITS).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !decimals.is_none_or(is_number) || (decimals.is_some() && !unit.is_empty()) {
        return None;
    }
    let value: u64 = whole.parse().ok()?;
    let nanos = decimals.map_or(Some(0), |decimals| format!("{decimals:0<9}").parse().ok())?;
    Some(match unit {
        "" => Duration::new(value, nanos),
        "ms" => Duration::from_millis(value),
        "s" => Duration::from_secs(value),
        "m" => Duration::from_secs(value * 60),
        "h" => Duration::from_secs(value * 60 * 60),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grpc_timeout_is_digits_and_a_unit() {
        for (text, length) in [
            ("1H", Some(Duration::from_secs(3600))),
            ("99999999H", Some(Duration::from_secs(99_999_999 * 3600))),
            ("2M", Some(Duration::from_secs(120))),
            ("00000030S", Some(Duration::from_secs(30))),
            ("500m", Some(Duration::from_millis(500))),
            ("20u", Some(Duration::from_micros(20))),
            ("1n", Some(Duration::from_nanos(1))),
            ("0m", Some(Duration::ZERO)),
            ("", None),
            ("S", None),
            ("5", None),
            ("5s", None),
            ("5 S", None),
            ("-5S", None),
            ("+5S", None),
            ("1.5S", None),
            ("123456789S", None),
            ("18446744073709551616n", None),
            ("5S,6S", None),
            ("5µ", None),
            ("µ", None),
        ] {
            assert_eq!(grpc_timeout(text), length, "{text}");
        }
    }

    #[test]
    fn a_plain_timeout_is_a_duration_or_seconds() {
        for (text, length) in [
            ("500ms", Some(Duration::from_millis(500))),
            ("25s", Some(Duration::from_secs(25))),
            ("1m", Some(Duration::from_secs(60))),
            ("2h", Some(Duration::from_secs(7200))),
            ("999999999h", Some(Duration::from_secs(999_999_999 * 3600))),
            ("5", Some(Duration::from_secs(5))),
            ("2.5", Some(Duration::from_millis(2500))),
            ("0.000000001", Some(Duration::from_nanos(1))),
            ("0", Some(Duration::ZERO)),
            ("", None),
            ("ms", None),
            ("1.5s", None),
            (".5", None),
            ("5.", None),
            ("1e3", None),
            ("1,5", None),
            ("-1", None),
            ("+1", None),
            (" 1", None),
            ("1d", None),
            ("1S", None),
            ("1234567890", None),
            ("0.1234567891", None),
            ("infinity", None),
        ] {
            assert_eq!(plain(text), length, "{text}");
        }
    }
}
