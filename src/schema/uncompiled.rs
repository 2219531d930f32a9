//! `.proto` files that do not compile. What is served may or may not need them.

use crate::format::problem::Problem;

/// A `.proto` file that does not compile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uncompiled {
    /// Why: problems of the file itself, or of what it imports.
    pub problems: Vec<Problem>,
    /// The rpcs that it declares.
    pub rpcs: Vec<DeclaredRpc>,
}

/// An rpc declared in a file that does not compile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredRpc {
    /// The full name: `package.Service.Method`.
    pub name: String,
    /// Whether it seems to have a `google.api.http` rule.
    pub is_annotated: bool,
}
