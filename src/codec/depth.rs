//! How deep messages may be nested.

/// How deep messages may be nested in wire format, the outermost counted; other readers go as deep and no deeper.
pub(super) const DEPTH_LIMIT: usize = 100;
