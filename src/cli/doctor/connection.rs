//! What requests are sent over: TCP, with TLS or without.

use tokio::io::{AsyncRead, AsyncWrite};

/// A connection of any kind.
pub(super) trait Connection: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Connection for S {}
