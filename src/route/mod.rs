//! Finds the rpc for a request, and makes its request message.
//!
//! [`Routes::build`] resolves every rule of a [`Schema`](crate::schema::Schema), or fails with every problem found.
//! [`Routes::find`] finds the [`Route`] of a request by method, path and query keys; a route is one way to call its
//! [`Rpc`]. [`Route::encode`] makes the request message, and [`Route::reverse`] makes the HTTP request for a message.
//! The settings of an rpc are in its [`policy`]. This module knows nothing of tokens and upstream addresses.

mod absent;
mod binding;
mod choice;
mod entry;
mod found;
mod keys;
mod masks;
mod misplaced;
mod money;
mod names;
mod naming;
mod near;
mod options;
mod parts;
mod plan;
pub mod policy;
mod query;
mod rpc;
mod rules;
mod serving;
mod sizes;
mod sources;
mod spare;
mod system;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod trie;

pub use choice::KeysApart;
pub use entry::{BodyRule, Route};
pub use found::{Found, Miss};
pub use misplaced::misplaced;
pub use near::{Difference, Why};
pub use options::{Defaults, RpcOptions};
pub use plan::{EncodeError, FormError, QueryProblem, RestRequest, ReverseError, ReverseProblem, ValueProblem};
pub use query::{Query, QueryError};
pub use rpc::{Rpc, Streaming, Validated};
pub use rules::{Rules, Selected};
pub use serving::{Answering, Selector, Serving};
pub use sources::{FieldSource, RequestPart, SourceValue};
pub use system::{System, SystemProblem};
pub use table::Routes;
