//! What holds on each route: the configuration of all rpcs, and what it says of single ones.

use std::collections::HashMap;

use super::Config;
use crate::error::Form;
use crate::route::Routes;

/// What a configuration says of one rpc, where it is not as for all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Exceptions {
    /// See [`Config::errors`].
    pub errors: Option<Form>,
}

/// What holds on one route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Settings {
    /// The form of errors.
    pub(super) errors: Form,
}

/// Those of all routes, in their order.
pub(super) fn of_routes(routes: &Routes, config: &Config) -> Vec<Settings> {
    routes.all().iter().map(|route| of_rpc(config.exceptions.get(&route.rpc), config)).collect()
}

fn of_rpc(exceptions: Option<&Exceptions>, config: &Config) -> Settings {
    let said = exceptions.cloned().unwrap_or_default();
    Settings { errors: said.errors.unwrap_or(config.errors) }
}

/// Exceptions by `package.Service.Method`.
pub type ByRpc = HashMap<String, Exceptions>;
