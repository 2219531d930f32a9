//! `log`: the access log and request ids.

use http::HeaderName;

use super::input::Input;
use super::reader::{Read, Value};
use crate::format::header_name;
use crate::observe::access::{Config, Format, Output, PerOutcome, Share};

const OUTCOMES: &[&str] = &["answered", "refused", "failed", "abandoned"];

impl Input<'_> {
    /// The access log; `None` if it is not configured.
    pub(super) fn access_log(&self) -> Option<Config> {
        let value = self.section("log", &["access", "request_id"])?.value("access")?;
        if !value.is_map() {
            return self.output(value).ok().map(Config::to);
        }
        let section = value.section(&["to", "format", "sample", "levels"]).ok()?;
        let to = section.value("to").map_or(Ok(Output::Stdout), |value| self.output(value));
        let format = section.value("format").map_or(Ok(Format::Json), |value| value.parsed("a form of lines", format));
        let sample = section
            .value("sample")
            .map_or(Ok(PerOutcome::default()), |value| per_outcome(value, "a percentage", share));
        let levels =
            section.value("levels").map_or(Ok(PerOutcome::default()), |value| per_outcome(value, "a level", level));
        Some(Config { to: to.ok()?, format: format.ok()?, sample: sample.ok()?, levels: levels.ok()? })
    }

    /// The header that carries the request id.
    pub(super) fn request_id(&self) -> Option<HeaderName> {
        let value = self.section("log", &["access", "request_id"])?.value("request_id")?;
        value.parsed("the name of a header", header_name::text_metadata_name).ok()
    }

    fn output(&self, value: Value) -> Read<Output> {
        match value.parsed("`stdout`, `stderr` or a file", |text| Ok(text.to_owned()))?.as_str() {
            "stdout" => Ok(Output::Stdout),
            "stderr" => Ok(Output::Stderr),
            _ => value.path(self.folder).map(Output::File),
        }
    }
}

fn per_outcome<T: Copy>(value: Value, expected: &str, parse: fn(&str) -> Result<T, String>) -> Read<PerOutcome<T>>
where
    PerOutcome<T>: Default,
{
    let section = value.section(OUTCOMES)?;
    let default = PerOutcome::<T>::default();
    let read = |key, default| section.value(key).map_or(Ok(default), |value| value.parsed(expected, parse));
    let (answered, refused) = (read("answered", default.answered), read("refused", default.refused));
    let (failed, abandoned) = (read("failed", default.failed), read("abandoned", default.abandoned));
    Ok(PerOutcome { answered: answered?, refused: refused?, failed: failed?, abandoned: abandoned? })
}

fn format(text: &str) -> Result<Format, String> {
    match text {
        "json" => Ok(Format::Json),
        "ecs" => Ok(Format::Ecs),
        "logfmt" => Ok(Format::Logfmt),
        "text" => Ok(Format::Text),
        _ => Err(format!("expected `json`, `ecs`, `logfmt` or `text`, found `{text}`")),
    }
}

fn level(text: &str) -> Result<&'static str, String> {
    let found = ["debug", "info", "warn", "error"].into_iter().find(|level| *level == text);
    found.ok_or_else(|| format!("expected `debug`, `info`, `warn` or `error`, found `{text}`"))
}

/// A percentage such as `10%`, with up to two decimals: `0.05%`.
pub(super) fn share(text: &str) -> Result<Share, String> {
    let parsed = || {
        let number = text.strip_suffix('%')?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !is_digits(whole) || !is_digits(fraction) || fraction.len() > 2 {
            return None;
        }
        let hundredths = format!("{whole}{fraction:0<2}").parse::<u16>().ok()?;
        (hundredths <= Share::ALL.0).then_some(Share(hundredths))
    };
    parsed().ok_or_else(|| format!("expected a percentage from 0% to 100%, such as `10%` or `0.05%`, found `{text}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_sample_is_a_percentage_with_at_most_two_decimals() {
        for (text, expected) in
            [("0%", 0), ("0.05%", 5), ("0.5%", 50), ("1%", 100), ("10%", 1000), ("99.99%", 9999), ("100%", 10_000)]
        {
            assert_eq!(share(text), Ok(Share(expected)), "{text}");
        }
        for text in ["", "%", "10", "0.001%", "101%", "-1%", "1.%", ".5%", "+1%", "655361%"] {
            let message = format!("expected a percentage from 0% to 100%, such as `10%` or `0.05%`, found `{text}`");
            assert_eq!(share(text), Err(message), "{text}");
        }
    }
}
