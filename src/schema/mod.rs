//! What was compiled from the descriptors: messages, fields, rpcs and their rules.
//!
//! `.proto` files, folders and descriptor sets in; a [`Schema`] out, or every [`Problem`] found. Everything is compiled
//! once into flat [`Tables`] that the codec runs on; a [`Message`] or a [`Field`] is a place in them. Knows no URLs, no
//! JSON text but the names of fields, no sockets.

mod apart;
mod case;
mod check;
mod clash;
mod common;
mod compile;
mod descriptor;
mod edition;
mod features;
pub mod generated;
mod join;
mod load;
mod message;
mod option_imports;
mod path;

mod prefix;
mod proto_text;
mod protos;
mod remarks;
mod resolver;
mod roots;
mod rpc;
mod rule;
mod secret;
mod sources;
mod table;
mod uncompiled;
mod unit;

pub use case::{Alike, AnyCase, Named};
pub use common::find_any;
pub use join::Schema;
#[cfg(test)]
pub(crate) use join::schema_of;
pub use load::bundled;
pub use message::{Field, Message};
pub use path::{FieldPath, PathError, Paths};
pub use prefix::{KeepsPrefix, PrefixProblem};
pub use remarks::{FileRemark, Remark, Remarks};
pub use roots::proto_files;
pub use rpc::RpcDescriptor;
pub use rule::{Pattern, Rule, RuleError};
pub use sources::{DescriptorSource, Imports};
pub use table::{EnumId, EnumTable, FieldTable, Kind, MessageId, MessageTable, Shape, Tables, WellKnown};
pub use uncompiled::{DeclaredRpc, Uncompiled};
