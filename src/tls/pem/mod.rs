//! Files of certificates and private keys: reads PEM and gives DER, or says what the file looks like and how to convert
//! it.
//!
//! This is the only module that parses PEM (RFC 7468). If the file is damaged, every byte of it may be part of a
//! secret. Therefore an [`Unusable`] is `Copy` and holds only numbers and kinds, so its text cannot contain a byte of
//! the file. Errors of the underlying libraries are dropped for the same reason. This module does not know what a
//! certificate says or is used for.

mod der;
mod files;
mod looks;
mod sections;
#[cfg(test)]
mod tests;
mod unusable;

pub use files::{Item, certificates, items, key};
pub use looks::{is_file, is_secret, place};
pub use unusable::{Kind, PemError, Unusable, Wanted};
