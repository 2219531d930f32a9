//! Prints a whole response message.

use super::decoder::{Decoder, finish};
use super::error::DecodeError;
use super::place;
use super::print::Print;
use crate::schema::Message;

/// The response message as ProtoJSON.
///
/// # Errors
/// The bytes do not match the descriptors.
pub fn reply(output: &Message, wire: &[u8], print: &Print) -> Result<Vec<u8>, DecodeError> {
    let out = Vec::with_capacity(wire.len() * 2 + 256);
    let mut decoder = Decoder::new(output.tables(), print, out, 0);
    let made = decoder.whole(output.id(), wire.into());
    finish(decoder, made).map_err(|(problem, out)| {
        let field = place::within_message(output.tables(), output.id(), &out);
        DecodeError { message: output.name().to_owned(), field, problem }
    })
}
