//! The gRPC backend from a client's view: connections, TLS, deadlines, framing, retries.
//!
//! Takes a path, metadata and a message, and gives a message with metadata, or a [`CallError`]. Streaming calls have
//! several messages. A call is sent again only if the backend says that it has not processed it, or if its rpc is
//! idempotent. Every error says what may have happened to the call ([`Fate`]). The number of calls in flight is
//! limited. This module knows nothing of JSON and routes.

mod backend;
mod config;
mod counts;
mod dial;
mod fate;
mod fetch;
mod grpc;
mod outbound;
pub mod redis;
pub mod reflection;
mod state;
mod targets;
mod trail;

pub use backend::Upstream;
pub use config::{Config, DEADLINE, REPLY_LIMIT, TlsFiles};
pub use counts::ConnectCounts;
pub use dial::address::{Address, AddressError, Addresses, AddressesError};
pub use dial::connections::Connections;
pub use dial::directory::Dns;
pub use dial::proxy::answer::{Offers, ProxyReason, TunnelError};
pub use dial::proxy::config::{Credentials, CredentialsError, Login, Proxy, ProxyConfig, ProxyError};
pub use dial::proxy::environment::{Environment, VariableError};
pub use fate::Fate;
pub use fetch::{Document, DocumentUrl, FetchConfig, Fetcher};
pub use grpc::adaptive::Adaptive;
pub use grpc::error::CallError;
pub use grpc::health::Health;
pub use grpc::limit::Limits;
pub use grpc::reply::Reply;
pub use grpc::stream::{Incoming, Outgoing, Stopped};
pub use outbound::{Outbound, Terms};
pub use state::EndpointState;
pub use trail::Trail;
