//! Parses decimal numbers into floats, rounded to nearest, ties to even, in time proportional to the length of the
//! text.
//!
//! `str::parse` is fast for up to 19 significant digits, which fit into 64 bits. For longer numbers it tries these
//! digits first. If they do not decide which of two neighbouring floats is nearer, it shifts all digits bit by bit: ten
//! microseconds for a text of 24 bytes. This module instead compares such a number with the midpoint between the two
//! neighbours, using integers of a few words.

use std::cmp::Ordering;
use std::io::Write as _;

/// Any number with this many digits fits into a `u64`.
const SHORT: usize = 19;

/// The smallest number with more than [`SHORT`] digits.
const LONGER: u64 = 10_u64.pow(SHORT as u32);

/// A midpoint between two floats has at most 767 significant digits (reached by doubles). Digits beyond that can only
/// show that a number is larger than the digits before them.
const MOST_DIGITS: usize = 768;

/// Outside these powers of ten, every number of [`SHORT`] digits is zero or too large.
const EXPONENTS: std::ops::RangeInclusive<i64> = -400..=400;

/// `f32` or `f64`.
pub(super) trait Float: Copy + PartialEq + std::str::FromStr + std::ops::Neg<Output = Self> {
    /// A finite, non-negative value as an integer and a power of two to multiply it by.
    fn parts(self) -> (u64, i32);
}

impl Float for f64 {
    fn parts(self) -> (u64, i32) {
        parts(self.to_bits(), 52, 1075)
    }
}

impl Float for f32 {
    fn parts(self) -> (u64, i32) {
        parts(u64::from(self.to_bits()), 23, 150)
    }
}

/// IEEE 754, section 3.4: the exponent is stored above the digits. Subnormal numbers store exponent 0, which means 1.
fn parts(bits: u64, digits: u32, bias: i32) -> (u64, i32) {
    let (exponent, fraction) = ((bits >> digits) as i32, bits & ((1 << digits) - 1));
    match exponent {
        0 => (fraction, 1 - bias),
        _ => (fraction | 1 << digits, exponent - bias),
    }
}

/// The float nearest to `text`, a JSON number; infinity if it is too large.
pub(super) fn parse<F: Float>(text: &str) -> Option<F> {
    if text.len() <= SHORT || has_few_digits(text) {
        return text.parse().ok();
    }
    let (is_negative, unsigned) = match text.strip_prefix('-') {
        Some(unsigned) => (true, unsigned),
        None => (false, text),
    };
    let decimal = Decimal::read(unsigned);
    let nearest: F = if decimal.count <= SHORT { decimal.first() } else { decimal.nearest() }?;
    Some(if is_negative { -nearest } else { nearest })
}

/// Whether there are at most [`SHORT`] digits before the exponent, zeros included.
fn has_few_digits(text: &str) -> bool {
    let mut count = 0;
    for byte in text.bytes() {
        match byte {
            b'0'..=b'9' if count == SHORT => return false,
            b'0'..=b'9' => count += 1,
            b'e' | b'E' => break,
            _ => {}
        }
    }
    true
}

/// A number as its significant digits, the last of which is not zero, times a power of ten.
struct Decimal<'a> {
    /// The digits before and after the decimal point, starting with the first non-zero digit.
    digits: [&'a [u8]; 2],
    /// How many of the digits are significant.
    count: usize,
    /// The power of ten of the last significant digit.
    exponent: i64,
}

impl<'a> Decimal<'a> {
    fn read(text: &'a str) -> Self {
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let exponent = power(exponent).saturating_sub_unsigned(fraction.len() as u64);
        let zeros = |text: &[u8]| text.iter().take_while(|&&digit| digit == b'0').count();
        let (mut whole, mut fraction) = (whole.as_bytes(), fraction.as_bytes());
        whole = &whole[zeros(whole)..];
        if whole.is_empty() {
            fraction = &fraction[zeros(fraction)..];
        }
        let last_zeros = |text: &[u8]| text.iter().rev().take_while(|&&digit| digit == b'0').count();
        let mut dropped = last_zeros(fraction);
        fraction = &fraction[..fraction.len() - dropped];
        if fraction.is_empty() {
            let more = last_zeros(whole);
            whole = &whole[..whole.len() - more];
            dropped += more;
        }
        let exponent = exponent.saturating_add_unsigned(dropped as u64);
        Self { digits: [whole, fraction], count: whole.len() + fraction.len(), exponent }
    }

    fn digits(&self) -> impl Iterator<Item = u64> {
        self.digits.into_iter().flatten().map(|digit| u64::from(digit - b'0'))
    }

    /// The value of its first digits.
    fn first<F: Float>(&self) -> Option<F> {
        self.short(0)
    }

    /// The value of its first digits, with `more` added to the last of them.
    fn short<F: Float>(&self, more: u64) -> Option<F> {
        let value = self.digits().take(SHORT).fold(0, |value, digit| value * 10 + digit) + more;
        let behind = self.count.saturating_sub(SHORT) as u64;
        let exponent = self.exponent.saturating_add_unsigned(behind).clamp(*EXPONENTS.start(), *EXPONENTS.end());
        // The number after 99...9 has one more digit.
        let (value, exponent) = if value == LONGER { (value / 10, exponent + 1) } else { (value, exponent) };
        let (mut text, mut room) = ([0; 32], 32);
        {
            let mut rest = &mut text[..];
            write!(rest, "{value}e{exponent}").ok()?;
            room -= rest.len();
        }
        std::str::from_utf8(&text[..room]).ok()?.parse().ok()
    }

    fn nearest<F: Float>(&self) -> Option<F> {
        let (low, high) = (self.first::<F>()?, self.short::<F>(1)?);
        if low == high {
            return Some(low);
        }
        // The midpoint between the two is (2 m + 1) times this power of two.
        let (mantissa, power) = low.parts();
        Some(match self.compared(2 * mantissa + 1, power - 1) {
            Ordering::Less => low,
            Ordering::Greater => high,
            Ordering::Equal if mantissa.is_multiple_of(2) => low,
            Ordering::Equal => high,
        })
    }

    /// Compares it with `odd` times this power of two.
    fn compared(&self, odd: u64, power: i32) -> Ordering {
        let (mut ours, mut theirs) = (Whole::default(), Whole::default());
        theirs.add_times(1, odd);
        let taken = self.count.min(MOST_DIGITS);
        let mut digits = self.digits().take(taken);
        let mut left = taken;
        while left > 0 {
            let length = left.min(SHORT);
            let chunk = digits.by_ref().take(length).fold(0, |value, digit| value * 10 + digit);
            ours.add_times(10_u64.pow(length as u32), chunk);
            left -= length;
        }
        let mut exponent = self.exponent.saturating_add_unsigned((self.count - taken) as u64);
        if self.count > taken {
            // The last digit is not zero, so the number is larger than the digits that were taken.
            ours.add_times(10, 1);
            exponent = exponent.saturating_sub(1);
        }
        // 10^e is 5^e times 2^e; a division on one side is a multiplication on the other. The leading digits were in
        // range.
        let exponent = exponent.clamp(-2000, 2000) as i32;
        let fives = if exponent < 0 { &mut theirs } else { &mut ours };
        fives.multiply_by_fives(exponent.unsigned_abs());
        let twos = exponent - power;
        let shifted = if twos < 0 { &mut theirs } else { &mut ours };
        shifted.shift(twos.unsigned_abs());
        ours.compared(&theirs)
    }
}

/// The value of an exponent, saturated if it does not fit.
fn power(text: &str) -> i64 {
    let (sign, digits) = match text.as_bytes() {
        [b'-', digits @ ..] => (-1, digits),
        [b'+', digits @ ..] | digits => (1, digits),
    };
    let value =
        digits.iter().fold(0_i64, |value, digit| value.saturating_mul(10).saturating_add(i64::from(digit - b'0')));
    sign * value
}

/// How many words a [`Whole`] has. 769 digits need 40. A midpoint is an odd number of 54 bits times at most 5^1150 (the
/// last of 769 digits of the smallest numbers), which needs 43. The number that is then shifted is the smaller of two
/// that agree in their leading digits.
const WORDS: usize = 64;

/// A large integer, with the lowest word first.
struct Whole {
    words: [u64; WORDS],
    length: usize,
}

impl Default for Whole {
    fn default() -> Self {
        Self { words: [0; WORDS], length: 0 }
    }
}

impl Whole {
    /// Multiplies it by `factor` and adds `more`.
    fn add_times(&mut self, factor: u64, more: u64) {
        let mut carry = u128::from(more);
        for word in &mut self.words[..self.length] {
            let value = u128::from(*word) * u128::from(factor) + carry;
            (*word, carry) = (value as u64, value >> 64);
        }
        self.push(carry as u64);
    }

    fn push(&mut self, word: u64) {
        if word != 0 {
            self.words[self.length] = word;
            self.length += 1;
        }
    }

    fn multiply_by_fives(&mut self, mut count: u32) {
        /// The largest power of five that fits into a word.
        const STEP: u32 = 27;
        while count > 0 {
            let step = count.min(STEP);
            self.add_times(5_u64.pow(step), 0);
            count -= step;
        }
    }

    fn shift(&mut self, bits: u32) {
        self.add_times(1 << (bits % 64), 0);
        let words = (bits / 64) as usize;
        self.words.copy_within(..self.length, words);
        self.words[..words].fill(0);
        self.length += words;
    }

    fn compared(&self, other: &Self) -> Ordering {
        let (ours, theirs) = (&self.words[..self.length], &other.words[..other.length]);
        ours.len().cmp(&theirs.len()).then_with(|| ours.iter().rev().cmp(theirs.iter().rev()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Compares with the standard library, which is exact but slow in the worst case.
    fn check(text: &str) {
        for text in [text.to_owned(), format!("-{text}")] {
            let (ours, theirs) = (parse::<f64>(&text).map(f64::to_bits), text.parse().ok().map(f64::to_bits));
            assert_eq!(ours, theirs, "as a double: {text}");
            let (ours, theirs) = (parse::<f32>(&text).map(f32::to_bits), text.parse().ok().map(f32::to_bits));
            assert_eq!(ours, theirs, "as a float: {text}");
        }
    }

    /// All digits of an integer times a power of two.
    fn exact(mantissa: u64, power: i32) -> String {
        let mut whole = Whole::default();
        whole.add_times(1, mantissa);
        // m times 2^-p is m times 5^p times 10^-p.
        if power < 0 {
            whole.multiply_by_fives(power.unsigned_abs())
        } else {
            whole.shift(power.unsigned_abs())
        }
        let mut digits = Vec::new();
        while whole.length > 0 {
            let mut rest = 0;
            for word in whole.words[..whole.length].iter_mut().rev() {
                let value = u128::from(rest) << 64 | u128::from(*word);
                (*word, rest) = ((value / 10) as u64, (value % 10) as u64);
            }
            while whole.length > 0 && whole.words[whole.length - 1] == 0 {
                whole.length -= 1;
            }
            digits.push(char::from(b'0' + rest as u8));
        }
        let digits: String = digits.into_iter().rev().collect();
        if power < 0 { format!("{digits}e{power}") } else { digits }
    }

    /// The midpoint between a number and the next one, and texts slightly below it, slightly above it, or written
    /// differently.
    fn around_the_middle(mantissa: u64, power: i32) {
        let middle = exact(2 * mantissa + 1, power - 1);
        let (digits, exponent) = middle.split_once('e').unwrap_or((&middle, "0"));
        let exponent: i32 = exponent.parse().unwrap();
        let less = &digits[..digits.len() - 1];
        let last = digits.as_bytes()[digits.len() - 1] - b'0';
        for digits in [
            digits.to_owned(),
            format!("{digits}000000000000000000000000"),
            format!("{digits}0000000000000000000000001"),
            format!("{less}{}999999999999999999", last.saturating_sub(1)),
            format!("{digits}{}1", "0".repeat(900)),
            digits[..digits.len().min(19)].to_owned(),
            digits[..digits.len().min(20)].to_owned(),
            digits[..digits.len().min(25)].to_owned(),
        ] {
            let longer = digits.len() as i32 - middle.split('e').next().unwrap().len() as i32;
            check(&format!("{digits}e{}", exponent - longer));
            let power = exponent - longer + digits.len() as i32;
            check(&format!("{}.{}0e{}", &digits[..1], &digits[1..], power - 1));
            check(&format!("0.{}{digits}E{:+}", "0".repeat(30), power + 30));
        }
    }

    #[test]
    fn a_number_between_two_floats_is_rounded_as_the_standard_library_rounds_it() {
        for power in [
            -1074, -1073, -1000, -600, -350, -100, -75, -60, -53, -52, -20, -1, 0, 1, 10, 11, 23, 64, 100, 300, 700,
            970, 971,
        ] {
            for mantissa in
                [1 << 52, (1 << 52) + 1, (1 << 53) - 1, (1 << 53) - 2, 0x0015_5555_5555_5555, 0x001a_aaaa_aaaa_aaaa]
            {
                around_the_middle(mantissa, power);
            }
        }
        for mantissa in [0, 1, 2, 3, 12_345, (1 << 51) - 1, (1 << 52) - 1] {
            around_the_middle(mantissa, -1074);
        }
        for power in [-149, -148, -100, -50, -24, -23, -1, 0, 1, 30, 50, 80, 100, 103, 104] {
            for mantissa in [0, 1, 2, 3, 0x00aa_aaaa, 0x0055_5555, 1 << 23, (1 << 23) + 1, (1 << 24) - 1, (1 << 24) - 2]
            {
                around_the_middle(mantissa, power);
            }
        }
    }

    #[test]
    fn numbers_of_many_digits_and_odd_forms_are_read_as_the_standard_library_reads_them() {
        for text in [
            "17976931348623158079e289",
            "17976931348623158080e289",
            "179769313486231580793728971405301e276",
            "179769313486231580793728971405302e276",
            "17976931348623157081e289",
            "9007199254740993000000",
            "9007199254740993000000000000000000000001",
            "00000000000000000000000000000000001",
            "0.00000000000000000000000000000000000000000000000000000000000000000000001",
            "0.00000000000000000000000000000000000e-20",
            "0.00000000000000000000000000000000000e99999999999999999999999",
            "1000000000000000000000000000000e-30",
            "99999999999999999999999999999999999999",
            "9999999999999999999999999e-25",
            "24703282292062327208e-343",
            "24703282292062327209e-343",
            "2470328229206232720882843964341106861825299013071623822127928412503377536351043e-402",
            "123456789012345678901234567890e-99999999999999999999",
            "123456789012345678901234567890e99999999999999999999",
            "123456789012345678901234567890E+10",
            "340282356779733661637539395458142568447",
            "340282356779733661637539395458142568448",
            "340282356779733661637539395458142568449",
            "70064923216240853546186479164495806564013097093825788587853e-104",
        ] {
            check(text);
        }
        for length in [18, 19, 20, 21, 40, 767, 768, 769, 770, 5000] {
            for digit in ["1", "3", "5", "9"] {
                for exponent in [-5000, -1100, -400, -340, -320, -30, 0, 30, 280, 300] {
                    check(&format!("{}e{}", digit.repeat(length), exponent - length as i32 + 1));
                    check(&format!("0.{}{}e{exponent}", "0".repeat(20), digit.repeat(length)));
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_number_is_read_as_the_standard_library_reads_it(
            whole in "(0|[1-9][0-9]{0,40})", fraction in "(\\.[0-9]{1,60})?", exponent in "([eE][+-]?[0-9]{1,3})?",
        ) {
            check(&format!("{whole}{fraction}{exponent}"));
        }

        #[test]
        fn any_midpoint_of_two_floats_is_rounded_as_the_standard_library_rounds_it(
            mantissa in 0_u64..1 << 53, power in -1074..971, bits in any::<u32>(),
        ) {
            around_the_middle(mantissa, if mantissa < 1 << 52 { -1074 } else { power });
            let float = f32::from_bits(bits & 0x7fff_ffff);
            if float.is_finite() {
                let (mantissa, power) = float.parts();
                around_the_middle(mantissa, power);
            }
        }
    }
}
