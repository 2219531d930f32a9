//! An upper bound for the length of the wire format of a JSON text, known before it is built.

/// Most bytes that a value needs besides its text: a tag, a length, the tag and eight bytes of a number, and the end of
/// a group. A map entry with the tags and lengths of its key and value needs no more.
const AROUND: usize = 24;

/// An upper bound for the wire format of a JSON text, in bytes, whatever its message: twice its text, because a field
/// mask doubles capital letters, and the overhead of each value.
#[must_use]
pub fn longest(text: &[u8]) -> usize {
    let begins_value = |byte: &&u8| matches!(byte, b',' | b'[' | b'{');
    let values = 1 + text.iter().filter(begins_value).count();
    2 * text.len() + AROUND * values
}
