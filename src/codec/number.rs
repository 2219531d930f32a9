//! Parses and writes numbers in JSON syntax.

use super::float;

/// Parses an integer. ProtoJSON also accepts `1e3` and `1.0`, as long as nothing is lost. The result type holds every
/// value of every integer field.
pub(super) fn integer(text: &str) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let plain = matches!(digits.as_bytes(), [b'1'..=b'9', ..] | [b'0']) && digits.len() <= 18;
    let value = match plain.then(|| plain_digits(digits)).flatten() {
        Some(value) => i128::from(value),
        None => other_form(digits)?,
    };
    Some(if negative { -value } else { value })
}

fn plain_digits(digits: &str) -> Option<u64> {
    digits.bytes().try_fold(0, |value, digit| digit.is_ascii_digit().then(|| value * 10 + u64::from(digit - b'0')))
}

/// Parses an integer in any other JSON notation.
fn other_form(text: &str) -> Option<i128> {
    if !is_json_number(text) {
        return None;
    }
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent),
        None => (text, "0"),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let fraction = fraction.trim_end_matches('0');
    // All digits as one number, and how far the decimal point must move to the right.
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return Some(0);
    }
    let kept = digits.trim_end_matches('0');
    let dropped = i64::try_from(digits.len() - kept.len()).ok()?;
    let shift = i64::from(exponent.parse::<i32>().ok()?) - i64::try_from(fraction.len()).ok()? + dropped;
    if !(0..=20).contains(&shift) || kept.len() > 20 {
        return None;
    }
    kept.parse::<i128>().ok()?.checked_mul(10_i128.pow(u32::try_from(shift).ok()?))
}

/// Parses a double; `None` if it is too large or not a number.
pub(super) fn double(text: &str) -> Option<f64> {
    match special(text) {
        Some(value) => Some(value),
        None if is_signed_json_number(text) => float::parse(text).filter(|value: &f64| value.is_finite()),
        None => None,
    }
}

/// Parses a float; `None` if it is too large or not a number.
pub(super) fn float(text: &str) -> Option<f32> {
    match special(text) {
        Some(value) => Some(value as f32),
        None if is_signed_json_number(text) => float::parse(text).filter(|value: &f32| value.is_finite()),
        None => None,
    }
}

fn special(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

fn is_signed_json_number(text: &str) -> bool {
    is_json_number(text.strip_prefix('-').unwrap_or(text))
}

/// Whether `text` is a number as in RFC 8259, section 6, without a sign.
fn is_json_number(text: &str) -> bool {
    let whole = match text.as_bytes() {
        [b'0', rest @ ..] => Some(rest),
        text => after_digits(text),
    };
    let fraction = whole.and_then(|rest| match rest {
        [b'.', rest @ ..] => after_digits(rest),
        rest => Some(rest),
    });
    let exponent = fraction.and_then(|rest| match rest {
        [b'e' | b'E', b'+' | b'-', rest @ ..] | [b'e' | b'E', rest @ ..] => after_digits(rest),
        rest => Some(rest),
    });
    exponent.is_some_and(<[u8]>::is_empty)
}

/// What follows one or more digits; `None` if there is none.
fn after_digits(text: &[u8]) -> Option<&[u8]> {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if count == 0 { None } else { text.get(count..) }
}

/// Appends a double: the shortest text that reads back as the same value, or the name of a value that is not a JSON
/// number.
pub(super) fn put_double(out: &mut Vec<u8>, value: f64) {
    if value.is_finite() {
        out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
    } else {
        put_special(out, value);
    }
}

/// Appends a float: the shortest text that reads back as the same value, or the name of a value that is not a JSON
/// number.
pub(super) fn put_float(out: &mut Vec<u8>, value: f32) {
    if value.is_finite() {
        out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
    } else {
        put_special(out, f64::from(value));
    }
}

fn put_special(out: &mut Vec<u8>, value: f64) {
    out.extend_from_slice(match value {
        f64::INFINITY => b"\"Infinity\"".as_slice(),
        f64::NEG_INFINITY => b"\"-Infinity\"",
        _ => b"\"NaN\"",
    });
}

/// Appends an integer in decimal.
#[inline]
pub(super) fn put_integer(out: &mut Vec<u8>, value: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_integer_may_be_written_with_a_decimal_point_or_an_exponent() {
        for (text, value) in [
            ("0", Some(0)),
            ("-0", Some(0)),
            ("42", Some(42)),
            ("-7", Some(-7)),
            ("1.0", Some(1)),
            ("1e3", Some(1000)),
            ("1.5E+1", Some(15)),
            ("1000e-3", Some(1)),
            ("0.0e99", Some(0)),
            ("0e99999999999", Some(0)),
            ("9007199254740993", Some(9_007_199_254_740_993)),
            ("18446744073709551615", Some(18_446_744_073_709_551_615)),
            ("1.8446744073709551615e19", Some(18_446_744_073_709_551_615)),
            ("1.5", None),
            ("1e-1", None),
            ("1e99", None),
            ("1e99999999999", None),
            ("01", None),
            ("+1", None),
            ("", None),
            ("-", None),
            ("--1", None),
            (" 1", None),
            ("1.", None),
            (".5", None),
            ("0x10", None),
            ("1_000", None),
            ("1a", None),
            ("NaN", None),
        ] {
            assert_eq!(integer(text), value, "{text}");
        }
    }

    #[test]
    fn a_float_out_of_range_is_refused() {
        assert_eq!(float("3.4028235e38"), Some(f32::MAX));
        assert_eq!(float("1e39"), None);
        assert_eq!(double("1.7976931348623157e308"), Some(f64::MAX));
        assert_eq!(double("1e309"), None);
        assert_eq!(double("5e-324"), Some(f64::from_bits(1)));
        assert_eq!(double("inf"), None);
        assert_eq!(double("nan"), None);
        assert_eq!(double("-Infinity"), Some(f64::NEG_INFINITY));
        assert_eq!(double("-0").map(f64::to_bits), Some((-0.0_f64).to_bits()));
    }
}
