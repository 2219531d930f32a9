//! Calendar days in UTC: converts the API's `YYYY-MM-DD` and millisecond timestamps to a comparable [`Day`].

use std::time::{SystemTime, UNIX_EPOCH};

use super::refusal::Refusal;

const MS_PER_DAY: i64 = 24 * 60 * 60 * 1000;

/// Days since 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Day(i64);

impl Day {
    pub(super) fn of_ms(ms: i64) -> Self {
        Self(ms.div_euclid(MS_PER_DAY))
    }

    pub(super) fn today() -> Self {
        Self::of_ms(now_ms())
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 10 || digits[4] != b'-' || digits[7] != b'-' {
            return None;
        }
        let year = number(&digits[..4])?;
        let month = number(&digits[5..7])?;
        let day = number(&digits[8..])?;
        let in_the_calendar = (1..=12).contains(&month) && (1..=days_of_month(year, month)).contains(&day);
        if !in_the_calendar {
            return None;
        }
        let months: i64 = (1..month).map(|month| days_of_month(year, month)).sum();
        Some(Self(days_before_year(year) - days_before_year(1970) + months + day - 1))
    }

    /// The day in a request's `field`, or `None` when it is empty.
    pub(super) fn of_field(text: &str, field: &str) -> Result<Option<Self>, Refusal> {
        if text.is_empty() {
            return Ok(None);
        }
        match Self::parse(text) {
            Some(day) => Ok(Some(day)),
            None => Err(Refusal::invalid(field, "a date as YYYY-MM-DD")),
        }
    }
}

pub(super) fn now_ms() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX)
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + i64::from(digit - b'0')))
}

/// The number of days from January 1st of year 0 to January 1st of `year`, in the Gregorian calendar.
fn days_before_year(year: i64) -> i64 {
    let leap_years = (year + 3) / 4 - (year + 99) / 100 + (year + 399) / 400;
    365 * year + leap_years
}

fn days_of_month(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_counted_in_days_from_1970() {
        for (text, days) in [
            ("1970-01-01", 0),
            ("1969-12-31", -1),
            ("2000-02-29", 11_016),
            ("2000-03-01", 11_017),
            ("2017-07-06", 17_353),
            ("2100-03-01", 47_541),
            ("0000-01-01", -719_528),
        ] {
            assert_eq!(Day::parse(text), Some(Day(days)), "{text}");
        }
        assert_eq!(Day::of_ms(1_499_301_354_256), Day(17_353));
        assert_eq!(Day::of_ms(-1), Day(-1));
    }

    #[test]
    fn an_invalid_date_is_refused() {
        for text in [
            "2017-7-6",
            "2017-07-06T00:00",
            "06-07-2017",
            "2017/07/06",
            "2017-13-01",
            "2017-00-01",
            "2017-02-29",
            "2100-02-29",
            "2017-04-31",
            "2017-01-00",
            "+017-01-01",
            "2017-01-1\u{661}",
        ] {
            assert_eq!(Day::parse(text), None, "{text}");
        }
    }
}
