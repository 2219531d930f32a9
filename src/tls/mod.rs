//! Certificates, keys and trust anchors: reads PEM files and gives rustls configurations.
//!
//! There is one crypto provider, aws-lc-rs, with TLS 1.2 and 1.3. What is wrong with a file is a
//! [`Problem`](crate::format::problem::Problem) that names the file and quotes nothing of it. This module knows nothing
//! of sockets and listeners.

pub mod certs;
mod check;
mod client;
mod clients;
mod identity;
mod look;
mod order;
pub mod pem;
mod pin;
mod presented;
mod provider;
mod reason;
mod server;
mod sessions;
mod signatures;
mod trust;
mod witness;

pub use check::ClientCheck;
pub use client::{Servers, client};
pub use clients::{Clients, PinnedClient};
pub use identity::{Identity, IdentityFiles};
pub use look::{Look, Seen};
pub use pin::{PUBLISHED_KEY, Pin, PinError, sha256};
pub use presented::{LONGEST_CERTIFICATE, MOST_CERTIFICATES, MOST_OF_ONE_SUBJECT};
pub use reason::explain;
pub use server::{Handshake, Server, fingerprint, server};
pub use trust::Trust;
pub use witness::RefusedCertificate;
