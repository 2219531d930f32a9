//! What is read of a request before anything is made of it: what no head may say, how large it may be, how long it may take, and its
//! body as the connection gives it.

mod body;
pub(super) mod deadline;
pub(super) mod head;
pub(super) mod id;
pub(super) mod inbound;
pub(super) mod limits;
