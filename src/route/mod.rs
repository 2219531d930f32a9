//! From method, path and query keys to the rpc, and from their values to its request message.
//!
//! [`Routes::build`] resolves every rule of a [`Schema`](crate::schema::Schema) and refuses to leave one out; [`Routes::find`]
//! finds the [`Route`] of a request, which is one way in to its [`Rpc`]; [`Route::encode`] makes the message, and
//! [`Route::reverse`] makes the request of a message. What holds for an rpc stands in its [`policy`]. Knows no tokens and no
//! upstream addresses.

mod binding;
mod choice;
mod entry;
mod found;
mod keys;
mod masks;
mod misplaced;
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
pub use rpc::{Rpc, Streaming};
pub use rules::{Rules, Selected};
pub use serving::{Answering, Selector, Serving};
pub use sources::{FieldSource, RequestPart, SourceValue};
pub use system::{System, SystemProblem};
pub use table::Routes;
