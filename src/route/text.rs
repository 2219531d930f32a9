//! Undoes percent-encoding, exactly once.

use memchr::memchr2;

/// Why a text cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// `%` without two hexadecimal digits (RFC 3986, section 2.1).
    #[error("invalid percent-encoding: expected two hexadecimal digits after \"%\"; write %25 for a literal \"%\"")]
    Escape,
    /// The decoded bytes are not valid UTF-8.
    #[error("the percent-encoded bytes are not valid UTF-8")]
    NotUtf8,
    /// `%00`: no field needs it, and other programs take it for the end of a text.
    #[error("a NUL character (%00) is not allowed")]
    Nul,
}

/// What is kept undecoded, or decoded differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// Decodes everything: for a variable of one segment.
    Nothing,
    /// Keeps `%2F`. http.proto: a multi-segment variable keeps it undecoded; otherwise `a%2Fb` and `a/b` would be the
    /// same name.
    Slash,
    /// Decodes `+` as a space: for a query.
    Plus,
}

/// Appends the decoded `raw`. What has no escapes is copied piece by piece.
pub(super) fn decode_into(decoded: &mut String, raw: &str, keep: Keep) -> Result<(), TextError> {
    let other = if keep == Keep::Plus { b'+' } else { b'%' };
    let mut rest = raw;
    while let Some(at) = memchr2(b'%', other, rest.as_bytes()) {
        decoded.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix('+') {
            decoded.push(' ');
            rest = after;
            continue;
        }
        match (escape(rest)?, keep) {
            (0, _) => return Err(TextError::Nul),
            (b'/', Keep::Slash) => decoded.push_str(&rest[..3]),
            (byte, _) if byte.is_ascii() => decoded.push(char::from(byte)),
            _ => {
                rest = decode_wide(decoded, rest)?;
                continue;
            }
        }
        rest = &rest[3..];
    }
    decoded.push_str(rest);
    Ok(())
}

/// Decodes `raw`.
pub(super) fn decode(raw: &str, keep: Keep) -> Result<String, TextError> {
    let mut decoded = String::with_capacity(raw.len());
    decode_into(&mut decoded, raw, keep)?;
    Ok(decoded)
}

/// Decodes the escapes at the start of `raw` that are not ASCII, and returns what stands behind them. Characters end
/// among them: whatever else is in `raw` is UTF-8 by itself.
#[cold]
fn decode_wide<'a>(decoded: &mut String, raw: &'a str) -> Result<&'a str, TextError> {
    let (mut wide, mut rest) = (Vec::new(), raw);
    while rest.starts_with('%') {
        let byte = escape(rest)?;
        if byte.is_ascii() {
            break;
        }
        wide.push(byte);
        rest = &rest[3..];
    }
    decoded.push_str(std::str::from_utf8(&wide).map_err(|_| TextError::NotUtf8)?);
    Ok(rest)
}

/// The byte that the escape at the start of `raw` stands for.
fn escape(raw: &str) -> Result<u8, TextError> {
    raw.as_bytes().get(1..3).ok_or(TextError::Escape).and_then(hex)
}

fn hex(digits: &[u8]) -> Result<u8, TextError> {
    digits.iter().try_fold(0, |value, &digit| {
        let digit = char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        Ok(value * 16 + digit.ok_or(TextError::Escape)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_encoding_is_decoded_exactly_once() {
        for (raw, keep, decoded) in [
            ("m:88Enz2%2Fa:UP4", Keep::Nothing, Ok("m:88Enz2/a:UP4")),
            ("a%252Fb", Keep::Nothing, Ok("a%2Fb")),
            ("a%2Fb/c%20d", Keep::Slash, Ok("a%2Fb/c d")),
            ("a%2fb", Keep::Slash, Ok("a%2fb")),
            ("a+b%2B", Keep::Nothing, Ok("a+b+")),
            ("a+b%2B", Keep::Plus, Ok("a b+")),
            ("%C3%A9", Keep::Nothing, Ok("é")),
            ("a%C3%A9%E2%82%AC%2fé%F0%9F%98%80+", Keep::Slash, Ok("aé€%2fé😀+")),
            ("+%C3%A9++é", Keep::Plus, Ok(" é  é")),
            ("%C3é", Keep::Nothing, Err(TextError::NotUtf8)),
            ("%C3a%A9", Keep::Nothing, Err(TextError::NotUtf8)),
            ("%C3%2", Keep::Nothing, Err(TextError::Escape)),
            ("%é", Keep::Nothing, Err(TextError::Escape)),
            ("%aé", Keep::Nothing, Err(TextError::Escape)),
            ("%", Keep::Nothing, Err(TextError::Escape)),
            ("%2", Keep::Nothing, Err(TextError::Escape)),
            ("%2x", Keep::Nothing, Err(TextError::Escape)),
            ("%+1", Keep::Nothing, Err(TextError::Escape)),
            ("%FF", Keep::Nothing, Err(TextError::NotUtf8)),
            ("a%00", Keep::Nothing, Err(TextError::Nul)),
        ] {
            assert_eq!(decode(raw, keep), decoded.map(str::to_owned), "{raw}");
        }
    }
}
