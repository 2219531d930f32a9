//! Files of certificates and keys: what they hold, what is wrong with them, and how to make new ones.
//!
//! Reads PEM files and gives a [`Report`]: what each certificate says, and [`Finding`]s by the rules of TLS and of the
//! network that a certificate is for ([`Profile`]). Start-up runs the same checks as `towbar certs check`. This module
//! knows nothing of sockets and configuration.

mod chain;
mod facts;
mod inspect;
mod make;
mod read;
mod report;
mod rules;
mod shown;

pub use inspect::{check, first_of};
pub use make::{KeyType, Made, MakeError, NewCertificate, make};
pub use report::{Finding, Inspection, Level, Profile, Report, Usage};
pub use rules::sample_key_is;
pub use shown::Shown;
