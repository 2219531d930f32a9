//! What a configuration says of routes: of all rpcs, and of single ones.

use super::policy::{Layer as _, OwnPolicy, Policy};
use super::rules::Rules;
use super::serving::Serving;

/// What a configuration says of one rpc.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RpcOptions {
    /// `package.Service.Method`.
    pub rpc: String,
    /// Where the configuration says it.
    pub place: String,
    /// What it says.
    pub policy: OwnPolicy,
}

/// What holds for every rpc, where its own options are silent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Defaults {
    /// What holds for an rpc of which nothing is said.
    pub policy: Policy,
    /// Which rules there are besides annotations.
    pub rules: Rules,
    /// Which rpcs are served, and by whom.
    pub serving: Serving,
}

impl Defaults {
    /// What holds for the rpc of which this is said.
    pub(super) fn policy_of(&self, options: Option<&RpcOptions>) -> Policy {
        options.map_or_else(|| self.policy.clone(), |options| self.policy.with(&options.policy))
    }
}
