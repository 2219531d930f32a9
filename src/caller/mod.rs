//! Who calls: what the connection shows, the address and the certificate that trusted proxies name, what tokens prove, and
//! whether the call is admitted.

pub mod addresses;
mod admission;
mod challenge;
mod clock;
mod config;
mod credentials;
mod denied;
pub mod dpop;
pub mod forwarded;
pub mod hop;
mod identity;
mod names;
mod peer;
mod principal;
pub mod token;

pub use admission::{Admitted, Received, ReceivedBody, admit};
pub use challenge::Challenge;
pub use config::{Config, IssuerSource, KeySource};
pub use denied::{Denied, DeniedKind};
pub use identity::{Callers, Identified, VerifiedCaller, identify};
pub use names::{CallerNames, Hops};
pub use peer::{Certificate, Peer, Protocol, Tls};
pub use principal::{Principal, Subject};
