//! The settings of an rpc: every key that `rpcs.NAME` of the configuration may have.
//!
//! A key is one row of a table: [`Policy`] in `table.rs`, [`Json`] in `json.rs`, [`Errors`] in `errors.rs`,
//! [`Idempotency`] in `idempotency.rs`. The row gives documentation, name, type and default. For each part of the file
//! where the key may stand, it also gives how the value is read, with its range. The rows produce two structs: the
//! effective settings of an rpc (`Policy`), and the settings that the file makes for one rpc (`OwnPolicy`). They also
//! produce how the second overrides the first, how both are read, and which keys are known. No other code names a key,
//! except for the code that acts on it, as `rpc.policy.NAME`.
//!
//! This module does not know the file: values come through [`Keys`] and [`Setting`], which the reader of the file
//! implements.

mod errors;
mod idempotency;
mod json;
mod kinds;
mod layer;
mod origins;
mod read;
mod require;
mod setting;
mod table;
mod validation;

pub use errors::{Errors, Form, OwnErrors, Statuses};
pub use idempotency::{Idempotency, KeyUse, OwnIdempotency, STORE_KEYS};
pub use json::{EnumPrefix, Json, OwnJson};
pub use kinds::{CallerGone, EmptyBody, LimitUse, UnknownKeys};
pub use layer::{Key, Layer, Part};
pub use origins::{NoOrigin, Origin, Origins};
pub use require::{Binding, ClaimDemand, Require, TokenDemand};
pub use setting::{Keys, Setting};
pub use table::{OwnPolicy, Policy, QueryLimits};
pub use validation::{RULE_KEYS, Validation};
