//! Single values: texts of ProtoJSON to [`Value`]s.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use prost_reflect::{DynamicMessage, EnumDescriptor, Kind, MessageDescriptor, Value};

/// The value that `text` means for a field of this kind; `None` if it means none.
pub(super) fn from_text(kind: &Kind, text: &str) -> Option<Value> {
    match kind {
        Kind::String => Some(Value::String(text.to_owned())),
        Kind::Bool => match text {
            "true" => Some(Value::Bool(true)),
            "false" => Some(Value::Bool(false)),
            _ => None,
        },
        Kind::Bytes => bytes(text).map(|bytes| Value::Bytes(bytes.into())),
        Kind::Enum(descriptor) => enumeration(descriptor, text),
        Kind::Message(descriptor) => message(descriptor, text),
        _ => number(kind, text),
    }
}

/// Whether [`from_text`] can ever give a value for this kind.
pub(super) fn takes_text(kind: &Kind) -> bool {
    match kind {
        Kind::Message(descriptor) => wrapped(descriptor).is_some() || has_text_form(descriptor),
        _ => true,
    }
}

/// The value of a number field, from a JSON number or the text of a string.
pub(super) fn number(kind: &Kind, text: &str) -> Option<Value> {
    match kind {
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => integer(text)?.try_into().ok().map(Value::I32),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => integer(text)?.try_into().ok().map(Value::I64),
        Kind::Uint32 | Kind::Fixed32 => integer(text)?.try_into().ok().map(Value::U32),
        Kind::Uint64 | Kind::Fixed64 => integer(text)?.try_into().ok().map(Value::U64),
        Kind::Double => float(text).map(Value::F64),
        Kind::Float => single(text).map(Value::F32),
        _ => None,
    }
}

/// A value of the enum by its name or, where the name is none, by its number.
pub(super) fn enumeration(descriptor: &EnumDescriptor, text: &str) -> Option<Value> {
    if let Some(value) = descriptor.get_value_by_name(text) {
        return Some(Value::EnumNumber(value.number()));
    }
    let number = i32::try_from(integer(text)?).ok()?;
    let open = descriptor.parent_file().syntax() == prost_reflect::Syntax::Proto3;
    (open || descriptor.get_value(number).is_some()).then_some(Value::EnumNumber(number))
}

/// The kind that a wrapper of google/protobuf/wrappers.proto wraps.
pub(super) fn wrapped(descriptor: &MessageDescriptor) -> Option<Kind> {
    let name = descriptor.full_name().strip_prefix("google.protobuf.")?;
    let wrapper = matches!(
        name,
        "DoubleValue"
            | "FloatValue"
            | "Int64Value"
            | "UInt64Value"
            | "Int32Value"
            | "UInt32Value"
            | "BoolValue"
            | "StringValue"
            | "BytesValue"
    );
    if wrapper { descriptor.get_field(1).map(|field| field.kind()) } else { None }
}

/// Wraps the value of a wrapper.
pub(super) fn wrap(descriptor: &MessageDescriptor, value: Value) -> Value {
    let mut message = DynamicMessage::new(descriptor.clone());
    message.set_field_by_number(1, value);
    Value::Message(message)
}

fn has_text_form(descriptor: &MessageDescriptor) -> bool {
    matches!(
        descriptor.full_name(),
        "google.protobuf.Timestamp" | "google.protobuf.Duration" | "google.protobuf.FieldMask"
    )
}

fn message(descriptor: &MessageDescriptor, text: &str) -> Option<Value> {
    if let Some(kind) = wrapped(descriptor) {
        return from_text(&kind, text).map(|value| wrap(descriptor, value));
    }
    if !has_text_form(descriptor) {
        return None;
    }
    let json = serde_json::Value::String(text.to_owned());
    DynamicMessage::deserialize(descriptor.clone(), json).ok().map(Value::Message)
}

/// A whole number as JSON writes numbers; ProtoJSON takes `1e3` and `1.0` too, as long as nothing is lost.
fn integer(text: &str) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    if !is_json_number(digits) {
        return None;
    }
    let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (digits, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let fraction = fraction.trim_end_matches('0');
    // The digits as one number, and by how many places its point has to move to the right.
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    let shift = i64::from(exponent) - i64::try_from(fraction.len()).ok()?;
    if digits.is_empty() {
        return Some(0);
    }
    let kept = digits.trim_end_matches('0');
    let shift = shift + i64::try_from(digits.len() - kept.len()).ok()?;
    if !(0..=20).contains(&shift) || kept.len() > 20 {
        return None;
    }
    let value = kept.parse::<i128>().ok()? * 10_i128.checked_pow(u32::try_from(shift).ok()?)?;
    Some(if negative { -value } else { value })
}

fn float(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ if is_json_number(text.strip_prefix('-').unwrap_or(text)) => {
            text.parse().ok().filter(|value: &f64| value.is_finite())
        }
        _ => None,
    }
}

fn single(text: &str) -> Option<f32> {
    match text {
        "NaN" => Some(f32::NAN),
        "Infinity" => Some(f32::INFINITY),
        "-Infinity" => Some(f32::NEG_INFINITY),
        _ if is_json_number(text.strip_prefix('-').unwrap_or(text)) => {
            text.parse().ok().filter(|value: &f32| value.is_finite())
        }
        _ => None,
    }
}

/// RFC 8259, section 6, without the sign.
fn is_json_number(text: &str) -> bool {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|exponent| digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)))
}

/// ProtoJSON: "Either standard or URL-safe base64 encoding with/without paddings are accepted."
fn bytes(text: &str) -> Option<Vec<u8>> {
    const LENIENT: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
    const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);
    let engine = if text.contains(['-', '_']) { &URL_SAFE } else { &STANDARD };
    engine.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_number_may_be_written_with_a_point_or_an_exponent() {
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
            ("NaN", None),
        ] {
            assert_eq!(integer(text), value, "{text}");
        }
    }

    #[test]
    fn numbers_keep_to_their_range() {
        for (kind, text, value) in [
            (Kind::Int32, "2147483647", Some(Value::I32(i32::MAX))),
            (Kind::Int32, "2147483648", None),
            (Kind::Int64, "-9223372036854775808", Some(Value::I64(i64::MIN))),
            (Kind::Int64, "9223372036854775808", None),
            (Kind::Uint32, "4294967295", Some(Value::U32(u32::MAX))),
            (Kind::Uint32, "-1", None),
            (Kind::Uint64, "18446744073709551615", Some(Value::U64(u64::MAX))),
            (Kind::Uint64, "18446744073709551616", None),
            (Kind::Float, "3.4028235e38", Some(Value::F32(f32::MAX))),
            (Kind::Float, "1e39", None),
            (Kind::Float, "-Infinity", Some(Value::F32(f32::NEG_INFINITY))),
            (Kind::Double, "1.7976931348623157e308", Some(Value::F64(f64::MAX))),
            (Kind::Double, "1e309", None),
            (Kind::Double, "inf", None),
            (Kind::Double, "0.1", Some(Value::F64(0.1))),
        ] {
            assert_eq!(from_text(&kind, text), value, "{kind:?} {text}");
        }
    }

    #[test]
    fn both_base64_alphabets_are_read_with_and_without_padding() {
        for (text, value) in [
            ("", Some(&b""[..])),
            ("+/8=", Some(b"\xfb\xff")),
            ("-_8=", Some(b"\xfb\xff")),
            ("-_8", Some(b"\xfb\xff")),
            ("+_8", None),
            ("a", None),
            ("a b=", None),
        ] {
            assert_eq!(bytes(text).as_deref(), value, "{text}");
        }
    }
}
