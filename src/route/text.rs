//! Undoes percent-encoding, exactly once.

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

/// Appends the decoded `raw`. Most texts have no escapes and are copied.
pub(super) fn decode_into(decoded: &mut String, raw: &str, keep: Keep) -> Result<(), TextError> {
    if raw.bytes().any(|byte| byte == b'%' || byte == b'+') {
        decoded.push_str(&decode(raw, keep)?);
    } else {
        decoded.push_str(raw);
    }
    Ok(())
}

/// Decodes `raw`.
pub(super) fn decode(raw: &str, keep: Keep) -> Result<String, TextError> {
    let mut decoded = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'%' => {
                let (digits, after) = rest.split_at_checked(2).ok_or(TextError::Escape)?;
                rest = after;
                match (hex(digits)?, keep) {
                    (0, _) => return Err(TextError::Nul),
                    (b'/', Keep::Slash) => decoded.extend([b'%', digits[0], digits[1]]),
                    (byte, _) => decoded.push(byte),
                }
            }
            b'+' if keep == Keep::Plus => decoded.push(b' '),
            byte => decoded.push(byte),
        }
    }
    String::from_utf8(decoded).map_err(|_| TextError::NotUtf8)
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
    fn escapes_are_undone_once() {
        for (raw, keep, decoded) in [
            ("m:88Enz2%2Fa:UP4", Keep::Nothing, Ok("m:88Enz2/a:UP4")),
            ("a%252Fb", Keep::Nothing, Ok("a%2Fb")),
            ("a%2Fb/c%20d", Keep::Slash, Ok("a%2Fb/c d")),
            ("a%2fb", Keep::Slash, Ok("a%2fb")),
            ("a+b%2B", Keep::Nothing, Ok("a+b+")),
            ("a+b%2B", Keep::Plus, Ok("a b+")),
            ("%C3%A9", Keep::Nothing, Ok("é")),
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
