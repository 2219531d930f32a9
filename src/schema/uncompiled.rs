//! `.proto` files that do not compile, which something served may or may not need.

use crate::format::problem::Problem;

/// A `.proto` file that does not compile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uncompiled {
    /// Why: what is wrong with it, or with what it imports.
    pub problems: Vec<Problem>,
    /// What it declares.
    pub rpcs: Vec<DeclaredRpc>,
}

/// An rpc of a file that does not compile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredRpc {
    /// `package.Service.Method`.
    pub name: String,
    /// Whether it seems to have a `google.api.http` rule.
    pub is_annotated: bool,
}
