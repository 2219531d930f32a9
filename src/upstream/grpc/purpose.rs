//! What the connections of a pool are for.

/// What a pool's connections are for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Purpose {
    /// Most connections to an address at one time; another is opened when those there are have as many calls as they may.
    pub(crate) connections: usize,
    /// Most calls on a connection, if the backend allows as many. A connection has more only if none can be opened.
    pub(crate) calls: usize,
    /// Flow-control window of a call, in bytes.
    pub(crate) window: u32,
    /// That of a connection.
    pub(crate) connection_window: u32,
}

/// Calls of one message: the windows hold a list without waiting, and are given back at once.
pub(crate) const UNARY: Purpose =
    Purpose { connections: 4, calls: usize::MAX, window: 4 << 20, connection_window: 4 << 20 };
/// Calls of many messages: those whose readers are slow fill their windows, and all of them together do not fill the
/// connection's.
pub(crate) const STREAMS: Purpose =
    Purpose { connections: 16, calls: 64, window: 256 << 10, connection_window: 16 << 20 };
