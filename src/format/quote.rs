//! Shortens what a caller has sent, for error texts.

use std::borrow::Cow;

/// How many bytes of a caller's text an error may quote.
pub const MOST: usize = 200;

/// Limit for names of unknown fields, which an error quotes twice: in its text and, if they are short enough, in its
/// details.
pub const MOST_TWICE: usize = MOST / 2;

/// `text`, or its first `most` bytes and `...` if it is longer.
#[must_use]
pub fn beginning(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("{}...", &text[..text.floor_char_boundary(most)]))
}

/// `text`, or `...` and its last `most` bytes if it is longer.
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
