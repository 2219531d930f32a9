//! Certificates and keys as files: what is in them, what is wrong with them, and new ones.
//!
//! PEM files in, a [`Report`] out: what each certificate says, and [`Finding`]s by the rules of TLS and of the network that a
//! certificate is for ([`Profile`]). The start asks the same questions as `towbar certs check`. Knows no sockets and no
//! configuration.

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
