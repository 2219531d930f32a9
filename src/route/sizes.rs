//! How long a request message can become, before it is made.

use super::entry::Route;
use super::masks::longest_mask;
use crate::codec;

/// What a field on the way to a value takes beside its name: a node of the tree of what a form gives, and a place in the path to the
/// value.
const STEP: usize = 288;

/// What one pair of a form, or one of its parts, takes beside its text and the way to its field.
const PAIR: usize = 512;

/// What an escape can stand for that counts: in JSON it begins a value.
const VALUE: usize = 32;

impl Route {
    /// At most so many bytes are made of a JSON body, beside what path and query say.
    #[must_use]
    pub fn longest_of_json(&self, text: &[u8]) -> usize {
        codec::longest(text) + self.longest_mask(text.len())
    }

    /// The same bound for a form: its values, its mask, and the memory that holds them until the message is made.
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
