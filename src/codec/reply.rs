//! Wire bytes of a reply into JSON.

use prost_reflect::{DynamicMessage, SerializeOptions};

use crate::schema::Message;

/// A reply that is no message of its type, or has no JSON form. The text is for the log: it may name types, never
/// values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not in wire format.
    #[error("the reply is no {message}: {cause}")]
    Wire { message: String, cause: String },
    /// ProtoJSON cannot say it, such as an Any of an unknown type.
    #[error("the reply ({message}) has no JSON form")]
    Json { message: String },
}

/// The ProtoJSON form of a reply: lowerCamelCase names, 64-bit integers as strings, defaults left out.
///
/// # Errors
/// The bytes are not what the descriptors promise.
pub fn reply(output: &Message, wire: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let message = DynamicMessage::decode(output.0.clone(), wire)
        .map_err(|error| DecodeError::Wire { message: output.name().to_owned(), cause: error.to_string() })?;
    let mut json = Vec::with_capacity(wire.len() * 2 + 2);
    let mut serializer = serde_json::Serializer::new(&mut json);
    message
        .serialize_with_options(&mut serializer, &SerializeOptions::new())
        .map_err(|_| DecodeError::Json { message: output.name().to_owned() })?;
    Ok(json)
}
