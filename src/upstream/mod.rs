//! The gRPC backend as a client sees it: connection, TLS, deadline, framing.
//!
//! A path, metadata and a message in; a message with metadata or a [`CallError`] out; or several messages, one after the
//! other. A call is sent again only if the backend says that it has not touched it, or its rpc is idempotent; what may have become
//! of it otherwise is told. So many calls are in flight at one time, and no more. Knows neither JSON nor routes.

mod backend;
mod config;
mod counts;
mod dial;
mod fate;
mod grpc;
mod outbound;
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
pub use grpc::error::CallError;
pub use grpc::health::Health;
pub use grpc::limit::Limits;
pub use grpc::reply::Reply;
pub use grpc::stream::{Incoming, Outgoing, Stopped};
pub use outbound::{Outbound, Terms};
pub use state::EndpointState;
pub use trail::Trail;
