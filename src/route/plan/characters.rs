//! The characters that stay unescaped in the path and query of a request that is made from a message.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};

/// RFC 3986, section 2.3: every character except the unreserved ones is escaped.
pub(super) const SEGMENT: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// A query needs no escapes for these either (section 3.4), and neither curl nor a shell gives them another meaning.
pub(super) const PAIR: AsciiSet = SEGMENT.remove(b':').remove(b'/').remove(b',').remove(b'@');
