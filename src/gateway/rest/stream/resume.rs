//! `Last-Event-ID` (HTML, section 9.2.4): the last event that a returning caller has seen.

use http::HeaderMap;
use http::header::HeaderName;

pub const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The most digits of an event number. No stream lasts long enough to need more.
const DIGITS: usize = 15;

/// The value of `Last-Event-ID` is not the id of an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("header {LAST_EVENT_ID}: expected the id of an event, a number of at most {DIGITS} digits, got {found}")]
pub struct NotAnEvent {
    found: &'static str,
}

/// The number of the last event that the caller has seen; 0 if it has seen none.
///
/// # Errors
/// The header has another value, or occurs twice.
pub fn last_event(headers: &HeaderMap) -> Result<u64, NotAnEvent> {
    let mut values = headers.get_all(LAST_EVENT_ID).iter();
    let text = values.next().map_or(&b""[..], |value| value.as_bytes());
    if values.next().is_some() {
        return Err(NotAnEvent { found: "two values" });
    }
    let is_number = text.len() <= DIGITS && text.iter().all(u8::is_ascii_digit);
    let number = is_number.then(|| text.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')));
    number.ok_or(NotAnEvent { found: "something else" })
}
