//! Connections of callers: accepts them, completes TLS, speaks HTTP, and drains them at the end.
//!
//! Over TLS the caller chooses HTTP/1.1 or HTTP/2 by ALPN; a plain connection speaks HTTP/1.1 or, if so configured,
//! HTTP/2. This module does not know what the service does with a request.
//!
//! ```text
//! listener -> port, admission -> worker -> connection (TLS) -> http -> http1 | http2 -> answerer
//! ```

mod admission;
mod answerer;
mod config;
mod connection;
mod drain;
mod handshakes;
mod head_clock;
mod http;
pub mod http1;
mod http2;
mod listener;
mod pace;
mod patience;
mod port;
mod preface;
mod refusal;
mod served;
mod standing;
mod stop;
mod streams;
mod syntax;
mod transport;
mod turns;
mod upgrade;
mod violation;
mod worker;

pub use admission::Bounds;
pub use answerer::{Answerer, Arrived};
pub use config::{ClientAuth, Config, HopFiles, Plain, SYSTEMD, TlsFiles};
pub use drain::{Ending, Hold, Holder};
pub use handshakes::HANDSHAKES_OF_ONE_ADDRESS;
pub use listener::Listener;
pub use port::BACKLOG;
pub use refusal::Malformed;
pub use served::{Handover, Recipe, Served};
pub use stop::{Drain, Phase, Stop};
pub use upgrade::{Duplex, Switched, Upgrade};
pub use violation::Violation;
