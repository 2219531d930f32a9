//! What stands unescaped in a path and in a query that are made of a message.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};

/// RFC 3986, section 2.3: all but the unreserved characters.
pub(super) const SEGMENT: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// In a query these need no escape (section 3.4), and neither curl nor a shell takes them for something else.
pub(super) const PAIR: AsciiSet = SEGMENT.remove(b':').remove(b'/').remove(b',').remove(b'@');
