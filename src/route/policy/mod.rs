//! What holds for an rpc: every key that `rpcs.NAME` of the configuration may have.
//!
//! A key is one row of a table: [`Policy`] in `table.rs`, [`Json`] in `json.rs`, [`Errors`] in `errors.rs`. The row has its
//! documentation, name, type and default, and for each part of the file where the key may stand how its value is read, with its
//! range. From the rows come what holds for an rpc (`Policy`), what the file says of one rpc (`OwnPolicy`), how the second is laid
//! over the first, how both are read, and which keys are known. Nothing else names a key but who acts on it, as
//! `rpc.policy.NAME`.
//!
//! Knows no file: values come through [`Keys`] and [`Setting`], which whoever reads the file implements.

mod errors;
mod json;
mod kinds;
mod layer;
mod origins;
mod read;
mod require;
mod setting;
mod table;

pub use errors::{Errors, Form, OwnErrors, Statuses};
pub use json::{EnumPrefix, Json, OwnJson};
pub use kinds::{CallerGone, EmptyBody, UnknownKeys};
pub use layer::{Key, Layer, Part};
pub use origins::{NoOrigin, Origin, Origins};
pub use require::{Binding, ClaimDemand, Require, TokenDemand};
pub use setting::{Keys, Setting};
pub use table::{OwnPolicy, Policy, QueryLimits};
