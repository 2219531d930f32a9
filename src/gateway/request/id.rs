//! The id of a request: the one that the caller sent, or a new one.

use http::header::{HeaderMap, HeaderName, HeaderValue};

/// The longest accepted id, in bytes.
const LONGEST: usize = 128;

/// The value of this header if there is exactly one and it is a valid id. Otherwise creates a new id and puts it into
/// the headers.
pub(crate) fn taken_or_made(name: &HeaderName, headers: &mut HeaderMap) -> HeaderValue {
    let mut values = headers.get_all(name).iter();
    if let (Some(value), None) = (values.next(), values.next())
        && is_fit(value.as_bytes())
    {
        return value.clone();
    }
    // Random bits are enough, even if they are predictable: an id is not a secret.
    let made = HeaderValue::try_from(format!("{:032x}", fastrand::u128(1..))).expect("digits may stand in a header");
    headers.insert(name, made.clone());
    made
}

/// Whether the id can appear unescaped in a line of any log.
fn is_fit(id: &[u8]) -> bool {
    let is_safe = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:+/".contains(byte);
    (1..=LONGEST).contains(&id.len()) && id.iter().all(is_safe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_valid_request_id_is_kept_and_any_other_is_replaced() {
        let name = HeaderName::from_static("x-request-id");
        let long = "x".repeat(129);
        for (given, is_taken) in [
            (&["7"][..], true),
            (&["0190a2b4-7c1e-7d3a:1.2_3+/"], true),
            (&[], false),
            (&[""], false),
            (&["a", "b"], false),
            (&["a b"], false),
            (&["a\"b"], false),
            (&["a=b"], false),
            (&[long.as_str()], false),
        ] {
            let mut headers = HeaderMap::new();
            for value in given {
                headers.append(&name, HeaderValue::from_str(value).unwrap());
            }
            let id = taken_or_made(&name, &mut headers);
            assert_eq!(id == given.first().copied().unwrap_or_default(), is_taken, "{given:?}");
            assert_eq!(headers.get_all(&name).iter().collect::<Vec<_>>(), [&id], "{given:?}");
            let is_new = id.len() == 32 && id.as_bytes().iter().all(u8::is_ascii_hexdigit);
            assert!(is_taken || is_new, "{given:?}: {id:?}");
        }
    }
}
