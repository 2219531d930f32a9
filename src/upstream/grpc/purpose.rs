//! Settings that depend on what the connections of a pool are for.

/// The purpose of a pool's connections.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Purpose {
    /// The most connections to one address. Another one is opened when the existing ones have as many calls as they
    /// may.
    pub(crate) connections: usize,
    /// The most calls on one connection, if the backend allows as many. There are more only if no other connection can
    /// be opened.
    pub(crate) calls: usize,
    /// The flow-control window of a call, in bytes.
    pub(crate) window: u32,
    /// The flow-control window of a connection, in bytes.
    pub(crate) connection_window: u32,
}

/// For unary calls: the windows hold a long list without waiting, and are given back at once.
pub(crate) const UNARY: Purpose =
    Purpose { connections: 4, calls: usize::MAX, window: 4 << 20, connection_window: 4 << 20 };
/// For streaming calls: slow readers fill the windows of their streams, but together they do not fill that of the
/// connection.
pub(crate) const STREAMS: Purpose =
    Purpose { connections: 16, calls: 64, window: 256 << 10, connection_window: 16 << 20 };
