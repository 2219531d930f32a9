//! Which rpcs name the values of enums without the enum's prefix, and whether they can.

use super::{Defaults, RpcOptions};
use crate::problem::Problem;
use crate::schema::{Rpc, Schema};

/// Those rpcs.
pub(super) struct Stripped {
    rpcs: Vec<Rpc>,
}

impl Stripped {
    /// Of those that are served. Without any, nothing is made for them.
    pub(super) fn new(schema: &Schema, options: &[RpcOptions], defaults: &Defaults) -> Self {
        let is_stripped = |rpc: &&Rpc| {
            let own = options.iter().find(|options| options.rpc == rpc.name).and_then(|options| options.strips_enums);
            let is_served =
                || defaults.serving.exposes(&rpc.name) && defaults.rules.of(rpc).is_ok_and(|rules| !rules.is_empty());
            own.unwrap_or(defaults.strips_enums) && is_served()
        };
        if !schema.rpcs().iter().any(|rpc| is_stripped(&rpc)) {
            return Self { rpcs: Vec::new() };
        }
        let schema = schema.without_enum_prefixes();
        Self { rpcs: schema.rpcs().iter().filter(is_stripped).cloned().collect() }
    }

    /// The rpc with the names that it has on its routes.
    pub(super) fn of<'a>(&'a self, rpc: &'a Rpc) -> &'a Rpc {
        self.rpcs.iter().find(|stripped| stripped.name == rpc.name).unwrap_or(rpc)
    }

    /// The enums that cannot do without their prefix, each with the first rpc that has it.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut told: Vec<String> = Vec::new();
        let mut problems = Vec::new();
        for rpc in &self.rpcs {
            for kept in [&rpc.input, &rpc.output].into_iter().flat_map(|message| message.kept_prefixes()) {
                if !told.contains(&kept.enumeration) {
                    let advice = "set `json.enum_prefix: keep` for the rpcs that have it, or for all";
                    problems.push(Problem::at(&rpc.name, format!("{kept}: {advice}")));
                    told.push(kept.enumeration);
                }
            }
        }
        problems
    }
}
