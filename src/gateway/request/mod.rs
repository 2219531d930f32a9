//! Reads a request before it is converted: checks of the head, size limits, the deadline, and the body from the
//! connection.

mod body;
pub(super) mod deadline;
pub(super) mod gzip;
pub(super) mod head;
pub(super) mod id;
pub(super) mod inbound;
pub(super) mod limits;
