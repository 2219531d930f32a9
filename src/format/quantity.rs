//! Durations, sizes, numbers and booleans in configuration and arguments.
//!
//! An `Err` is a message without the name of the setting in front: "expected ..., found ...".

use std::time::Duration;

const LONGEST: Duration = Duration::from_secs(60 * 60);
const LARGEST: usize = 1 << 30;

/// Stands for "no timeout": longer than any process runs, and short enough to be added to an instant.
pub const ENDLESS: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// Parses `500ms`, `25s`, `1m`, `1h`: always with a unit, above zero, at most an hour.
pub fn duration(text: &str) -> Result<Duration, String> {
    let parsed = number_and_unit(text).and_then(|(number, unit)| match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        "h" => number.checked_mul(60 * 60).map(Duration::from_secs),
        _ => None,
    });
    let Some(duration) = parsed else {
        return Err(format!("expected a duration with a unit, such as `500ms`, `25s` or `1m`, found `{text}`"));
    };
    if duration.is_zero() || duration > LONGEST {
        return Err(format!("expected a duration above `0s` and up to `1h`, found `{text}`"));
    }
    Ok(duration)
}

/// Parses the timeout of a call that may run for days: up to a year, or `none` for no timeout.
pub fn deadline(text: &str) -> Result<Duration, String> {
    const MOST_DAYS: u64 = 365;
    if text == "none" {
        return Ok(ENDLESS);
    }
    let seconds = number_and_unit(text).and_then(|(number, unit)| match unit {
        "h" => number.checked_mul(60 * 60),
        "d" => number.checked_mul(24 * 60 * 60),
        _ => None,
    });
    let Some(seconds) = seconds else { return duration(text) };
    if seconds == 0 || seconds > MOST_DAYS * 24 * 60 * 60 {
        return Err(format!("expected a duration above `0s` and up to 365 days, or `none`, found `{text}`"));
    }
    Ok(Duration::from_secs(seconds))
}

/// Parses a duration of whole seconds, up to an hour.
pub fn whole_seconds(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        whole if whole.subsec_nanos() == 0 => Ok(whole),
        _ => Err(format!("expected whole seconds, such as `30s`, found `{text}`")),
    }
}

/// Parses `1048576`, `512KiB`, `1MiB`, `1GiB` into bytes: above zero, at most 1 GiB.
pub fn size(text: &str) -> Result<usize, String> {
    let size = bytes(text)?;
    if size == 0 || size > LARGEST {
        return Err(format!("expected a size above 0 and up to `1GiB`, found `{text}`"));
    }
    Ok(size)
}

/// Parses a size in bytes, above zero and at most 1 GiB, or `off`, which is `None`.
pub fn size_or_off(text: &str) -> Result<Option<usize>, String> {
    if text == "off" { Ok(None) } else { size(text).map(Some) }
}

/// Parses the memory limit of a process into bytes: 64 MiB to 1024 GiB.
pub fn memory(text: &str) -> Result<usize, String> {
    let size = bytes(text)?;
    if !(64 << 20..=1 << 40).contains(&size) {
        return Err(format!("expected `64MiB` to `1024GiB`, found `{text}`"));
    }
    Ok(size)
}

fn bytes(text: &str) -> Result<usize, String> {
    let parsed = number_and_unit(text).and_then(|(number, unit)| {
        let number = usize::try_from(number).ok()?;
        match unit {
            "" => Some(number),
            "KiB" => number.checked_mul(1 << 10),
            "MiB" => number.checked_mul(1 << 20),
            "GiB" => number.checked_mul(1 << 30),
            _ => None,
        }
    });
    parsed.ok_or_else(|| format!("expected a size such as `1MiB`, `512KiB` or `1048576`, found `{text}`"))
}

/// Parses a size from 1 to `most` bytes; error texts write that limit as `shown`.
pub fn size_to(text: &str, most: usize, shown: &str) -> Result<usize, String> {
    match size(text)? {
        size if size > most => Err(format!("expected at most `{shown}`, found `{text}`")),
        size => Ok(size),
    }
}

/// Parses a number from 1 to `most`.
pub fn number(text: &str, most: usize) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=most).contains(number) && !text.starts_with('+'));
    number.ok_or_else(|| format!("expected a number from 1 to {most}, found `{text}`"))
}

/// Parses a number from 0 to `most`.
pub fn number_or_none(text: &str, most: usize) -> Result<usize, String> {
    let number = if text == "0" { Ok(0) } else { number(text, most) };
    number.map_err(|_| format!("expected a number from 0 to {most}, found `{text}`"))
}

fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit))
}

pub fn truth(text: &str) -> Result<bool, String> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(format!("expected `true` or `false`, found `{text}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_may_be_days_long_or_none() {
        const DAY: u64 = 24 * 60 * 60;
        for (text, seconds) in [("30m", 1800), ("1h", 3600), ("36h", 36 * 3600), ("1d", DAY), ("365d", 365 * DAY)] {
            assert_eq!(deadline(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(deadline("none"), Ok(ENDLESS));
        for text in ["0d", "0h", "366d", "8761h"] {
            let message = format!("expected a duration above `0s` and up to 365 days, or `none`, found `{text}`");
            assert_eq!(deadline(text), Err(message), "{text}");
        }
        for text in ["1w", "d", "99999999999999999999d", "None", "off"] {
            let message = format!("expected a duration with a unit, such as `500ms`, `25s` or `1m`, found `{text}`");
            assert_eq!(deadline(text), Err(message), "{text}");
        }
    }

    #[test]
    fn durations_need_a_unit_and_are_limited_to_one_hour() {
        for (text, milliseconds) in
            [("1ms", 1), ("500ms", 500), ("25s", 25_000), ("1m", 60_000), ("60m", 3_600_000), ("1h", 3_600_000)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", "25", "s", "-1s", "+1s", "1.5s", "25 s", "1d", "1S", "99999999999999999999s"] {
            let message = format!("expected a duration with a unit, such as `500ms`, `25s` or `1m`, found `{text}`");
            assert_eq!(duration(text), Err(message), "{text}");
        }
        for text in ["0s", "61m", "2h", "3600001ms"] {
            let message = format!("expected a duration above `0s` and up to `1h`, found `{text}`");
            assert_eq!(duration(text), Err(message), "{text}");
        }
    }

    #[test]
    fn sizes_are_given_in_bytes_or_binary_units_up_to_one_gibibyte() {
        for (text, bytes) in
            [("1", 1), ("1048576", 1 << 20), ("512KiB", 512 << 10), ("1MiB", 1 << 20), ("1GiB", 1 << 30)]
        {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "1MB", "1 MiB", "MiB", "-1", "+1", "0x10", "1mib", "1_000", "99999999999999999999"] {
            let message = format!("expected a size such as `1MiB`, `512KiB` or `1048576`, found `{text}`");
            assert_eq!(size(text), Err(message), "{text}");
        }
        for text in ["0", "0MiB", "1073741825", "2GiB"] {
            let message = format!("expected a size above 0 and up to `1GiB`, found `{text}`");
            assert_eq!(size(text), Err(message), "{text}");
        }
    }
}
