//! The settings of routes in the configuration: for all rpcs, and for single ones.

use super::policy::{Layer as _, OwnPolicy, Policy};
use super::rules::Rules;
use super::serving::Serving;
use crate::codec::validate::Sources;

/// The settings of one rpc in the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RpcOptions {
    /// `package.Service.Method`.
    pub rpc: String,
    /// The place in the configuration, for problems.
    pub place: String,
    /// The keys that are set for the rpc.
    pub policy: OwnPolicy,
}

/// The settings of all rpcs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Defaults {
    /// The policy of an rpc without options of its own.
    pub policy: Policy,
    /// HTTP rules of the configuration, next to the annotations of the schema.
    pub rules: Rules,
    /// Which rpcs are served, and by which upstream.
    pub serving: Serving,
    /// Rules for request messages.
    pub validation: Sources,
}

impl Defaults {
    /// The policy of the rpc with these options.
    pub(super) fn policy_of(&self, options: Option<&RpcOptions>) -> Policy {
        options.map_or_else(|| self.policy.clone(), |options| self.policy.with(&options.policy))
    }
}
