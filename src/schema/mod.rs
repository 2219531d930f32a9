//! The compiled descriptors: messages, fields, rpcs and their HTTP rules.
//!
//! Takes `.proto` files, folders and descriptor sets and returns a [`Schema`], or every [`Problem`] found. Everything
//! is compiled once into flat [`Tables`], which the codec uses; a [`Message`] or a [`Field`] is a reference into them.
//! Knows nothing of URLs or sockets, and of JSON only the names of fields.

mod annotation;
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

pub use annotation::{Annotated, Annotation, Predefined};
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
