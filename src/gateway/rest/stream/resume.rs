//! `Last-Event-ID` (HTML, section 9.2.4): which event a caller has seen, when it comes back for more.

use http::HeaderMap;
use http::header::HeaderName;

/// The header.
pub const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Numbers of events have no more digits: those of a stream that lasts as long as it can have fewer.
const DIGITS: usize = 15;

/// A `Last-Event-ID` that no event has had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("header {LAST_EVENT_ID}: expected the id of an event, a number of at most {DIGITS} digits, got {found}")]
pub struct NotAnEvent {
    found: &'static str,
}

/// The number of the last event that the caller has seen; 0 if it has seen none.
///
/// # Errors
/// The header has another value, or comes twice.
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
