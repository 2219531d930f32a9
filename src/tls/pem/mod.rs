//! Files of certificates and private keys: PEM in, DER out, or what the file looks like and how to convert it.
//!
//! The only module that parses PEM (RFC 7468). Whoever made the file may have damaged it, and then every byte of it may be a
//! secret: an [`Unusable`] is `Copy` and holds numbers and names of kinds, so no byte of a file can be in its text. Errors of the
//! libraries below are dropped for the same reason. Knows neither who a certificate is for nor what it says.

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
