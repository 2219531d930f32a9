//! What a caller has sent, as errors quote it: at most 200 bytes.

use std::borrow::Cow;

/// So many bytes of it stand in an error.
pub const MOST: usize = 200;

/// A name that no field has stands in an error's text and, if it has no more bytes, in its details a second time.
pub const MOST_TWICE: usize = MOST / 2;

/// The beginning of a text that is longer than `most` bytes.
#[must_use]
pub fn beginning(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("{}...", &text[..text.floor_char_boundary(most)]))
}

/// The end of one.
#[must_use]
pub fn ending(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("...{}", &text[text.ceil_char_boundary(text.len() - most)..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_two_characters() {
        for (text, most, first, last) in [
            ("", 0, "", ""),
            ("abc", 3, "abc", "abc"),
            ("abcd", 3, "abc...", "...bcd"),
            ("éééé", 3, "é...", "...é"),
            ("aé", 2, "a...", "...é"),
            ("é", 1, "...", "..."),
        ] {
            assert_eq!((beginning(text, most).as_ref(), ending(text, most).as_ref()), (first, last), "{text} {most}");
        }
    }
}
