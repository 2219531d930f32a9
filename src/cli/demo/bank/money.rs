//! Exact money: converts the API's decimal strings to [`Amount`]s.
//!
//! Nothing is rounded and no float is involved: a [`Decimal`] keeps the digits it was read with.

use std::cmp::Ordering;
use std::fmt;
use std::ops::{Add, Sub};

use super::refusal::Refusal;
use crate::cli::demo::generated::io::token::proto::common::money::Money;

/// The most digits before and after the decimal point. Together they leave eleven of an `i128`'s digits free, so that a
/// sum of parsed values cannot overflow, however many fit into a request.
const WHOLE_DIGITS: usize = 15;
const FRACTION_DIGITS: usize = 12;

/// The number `digits` / 10^`scale`; `scale` is at most [`FRACTION_DIGITS`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Decimal {
    digits: i128,
    scale: u32,
}

impl Decimal {
    /// A number of hundredths.
    pub(super) const fn cents(cents: i64) -> Self {
        Self { digits: cents as i128, scale: 2 }
    }

    /// Parses `100`, `100.00` or `-0.5`: no `+`, no exponent, at least one digit on either side of the point.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (negative, number) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = match number.split_once('.') {
            Some((_, "")) => return None,
            Some(parts) => parts,
            None => (number, ""),
        };
        let in_range = (1..=WHOLE_DIGITS).contains(&whole.len()) && fraction.len() <= FRACTION_DIGITS;
        if !in_range {
            return None;
        }
        let mut digits = 0;
        for byte in whole.bytes().chain(fraction.bytes()) {
            if !byte.is_ascii_digit() {
                return None;
            }
            digits = digits * 10 + i128::from(byte - b'0');
        }
        Some(Self { digits: if negative { -digits } else { digits }, scale: fraction.len().try_into().ok()? })
    }

    pub(super) fn is_positive(self) -> bool {
        self.digits > 0
    }

    /// Both numbers with the larger scale of the two.
    fn aligned(self, other: Self) -> Aligned {
        let scale = self.scale.max(other.scale);
        let digits = |decimal: Self| decimal.digits * 10_i128.pow(scale - decimal.scale);
        Aligned { left: digits(self), right: digits(other), scale }
    }
}

/// The digits of two numbers with the same scale.
struct Aligned {
    left: i128,
    right: i128,
    scale: u32,
}

impl Add for Decimal {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let Aligned { left, right, scale } = self.aligned(other);
        Self { digits: left + right, scale }
    }
}

impl Sub for Decimal {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        let Aligned { left, right, scale } = self.aligned(other);
        Self { digits: left - right, scale }
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let Aligned { left, right, .. } = self.aligned(*other);
        left.cmp(&right)
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Decimal {}

impl fmt::Display for Decimal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.digits < 0 { "-" } else { "" };
        let unit = 10_u128.pow(self.scale);
        let digits = self.digits.unsigned_abs();
        let (whole, fraction) = (digits / unit, digits % unit);
        match self.scale as usize {
            0 => write!(formatter, "{sign}{whole}"),
            width => write!(formatter, "{sign}{whole}.{fraction:0width$}"),
        }
    }
}

/// An amount to pay: more than zero, in one currency.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Amount {
    pub(super) currency: String,
    pub(super) value: Decimal,
}

impl Amount {
    /// The amount in `field` of a request; errors name that field.
    pub(super) fn of(money: Option<&Money>, field: &str) -> Result<Self, Refusal> {
        let money = money.ok_or_else(|| Refusal::invalid(field, "an amount"))?;
        let iso_4217 = money.currency.len() == 3 && money.currency.bytes().all(|byte| byte.is_ascii_uppercase());
        if !iso_4217 {
            let field = format!("{field}.currency");
            return Err(Refusal::invalid(field, "a currency of three capital letters"));
        }
        match Decimal::parse(&money.value) {
            Some(value) if value.is_positive() => Ok(Self { currency: money.currency.clone(), value }),
            _ => {
                let field = format!("{field}.value");
                Err(Refusal::invalid(field, "a decimal number above zero"))
            }
        }
    }

    pub(super) fn to_money(&self) -> Money {
        money(&self.currency, self.value)
    }
}

pub(super) fn money(currency: &str, value: Decimal) -> Money {
    Money { currency: currency.to_owned(), value: value.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::parse(text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn a_decimal_is_printed_as_it_was_read() {
        for text in ["0", "7", "100.00", "-0.5", "0.000000000001", "999999999999999.999999999999"] {
            assert_eq!(decimal(text).to_string(), text, "{text}");
        }
    }

    #[test]
    fn a_number_that_is_not_a_plain_decimal_is_refused() {
        for text in [
            "",
            "-",
            ".",
            "1.",
            ".5",
            "+1",
            "1e2",
            "1,00",
            " 1",
            "1 ",
            "--1",
            "1.2.3",
            "0x1",
            "NaN",
            "١",
            "1000000000000000",
            "0.0000000000001",
        ] {
            assert!(Decimal::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn sums_and_differences_are_exact() {
        for (left, right, sum, difference) in [
            ("0.1", "0.2", "0.3", "-0.1"),
            ("123.45", "100", "223.45", "23.45"),
            ("1.00", "1", "2.00", "0.00"),
            ("-5", "0.005", "-4.995", "-5.005"),
            ("999999999999999", "0.000000000001", "999999999999999.000000000001", "999999999999998.999999999999"),
        ] {
            assert_eq!((decimal(left) + decimal(right)).to_string(), sum, "{left} + {right}");
            assert_eq!((decimal(left) - decimal(right)).to_string(), difference, "{left} - {right}");
        }
    }

    #[test]
    fn decimals_are_compared_regardless_of_their_scale() {
        assert_eq!(decimal("100"), decimal("100.00"));
        assert!(decimal("100.001") > decimal("100.00"));
        assert!(decimal("-2") < decimal("-1.999"));
    }

    #[test]
    fn the_error_for_a_malformed_amount_names_the_wrong_field() {
        let given = |currency: &str, value: &str| Money { currency: currency.to_owned(), value: value.to_owned() };
        for (money, message) in [
            (None, "amount: expected an amount"),
            (Some(given("", "1")), "amount.currency: expected a currency of three capital letters"),
            (Some(given("eur", "1")), "amount.currency: expected a currency of three capital letters"),
            (Some(given("EUR", "")), "amount.value: expected a decimal number above zero"),
            (Some(given("EUR", "0.00")), "amount.value: expected a decimal number above zero"),
            (Some(given("EUR", "-1")), "amount.value: expected a decimal number above zero"),
        ] {
            let refusal = Amount::of(money.as_ref(), "amount").expect_err(message);
            assert_eq!(refusal.to_string(), message);
        }
    }
}
