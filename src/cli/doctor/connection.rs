//! The connection that requests are sent over: TCP, with or without TLS.

use tokio::io::{AsyncRead, AsyncWrite};

/// A byte stream to a server.
pub(super) trait Connection: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Connection for S {}
