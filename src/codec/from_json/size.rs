//! How long the wire format of a JSON text can be, before any of it is made.

/// What one value has at most beside its text: a tag, a length, the tag and the eight bytes of a number, and the end of a group; or an
/// entry of a map, with the tags and lengths of its key and its value.
const AROUND: usize = 24;

/// At most so many bytes of wire format a JSON text makes, whatever its message: its strings, of which a field mask doubles capital
/// letters, and what stands around its values.
#[must_use]
pub fn longest(text: &[u8]) -> usize {
    let begins_value = |byte: &&u8| matches!(byte, b',' | b'[' | b'{');
    let values = 1 + text.iter().filter(begins_value).count();
    2 * text.len() + AROUND * values
}
