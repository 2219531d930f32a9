//! Bounds the size of a request message before the message is made.

use super::entry::Route;
use super::masks::longest_mask;
use crate::codec;

/// Bytes of memory for each field on the way to a value: a node in the tree of what the form sets, and an element in
/// the path to the value. The name comes on top.
const STEP: usize = 288;

/// Bytes of memory for a pair of a form or a part of a multipart form, besides its text and the path to its field.
const PAIR: usize = 512;

/// Bytes to add for an escaped `,`, `[` or `{`, each of which begins a value in JSON.
const VALUE: usize = 32;

impl Route {
    /// The most bytes that a JSON body becomes, besides the values from path and query.
    #[must_use]
    pub fn longest_of_json(&self, text: &[u8]) -> usize {
        codec::longest(text) + self.longest_mask(text.len())
    }

    /// The most bytes that a form takes: its values, its mask, and the memory that holds them until the message is
    /// made.
    #[must_use]
    pub fn longest_of_form(&self, form: &[u8]) -> usize {
        let (mut steps, mut values, mut pairs) = (0, 0, 1);
        for (place, byte) in form.iter().enumerate() {
            match (byte, form.get(place + 1..place + 3)) {
                (b'.', _) | (b'%', Some(b"2E" | b"2e")) => steps += 1,
                (b'%', Some(b"2C" | b"2c" | b"5B" | b"5b" | b"7B" | b"7b")) => values += 1,
                (b'&' | b'\n', _) => pairs += 1,
                _ => {}
            }
        }
        let kept = STEP * (steps + 1) + PAIR * self.rpc.policy.query_pairs.min(pairs);
        codec::longest(form) + VALUE * values + kept + self.longest_mask(form.len())
    }

    fn longest_mask(&self, body: usize) -> usize {
        if self.mask.is_some() { longest_mask(body) } else { 0 }
    }
}
