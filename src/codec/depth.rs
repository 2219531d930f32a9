//! Limit on the nesting of messages.

/// How deeply messages may be nested in wire format, counting the outermost. Other protobuf readers have the same
/// limit.
pub(super) const DEPTH_LIMIT: usize = 100;
