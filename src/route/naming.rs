//! Serves rpcs under other names than those of the descriptors: enum values without the enum's prefix, and names read
//! in any case. Reports names that would become ambiguous.

use super::options::{Defaults, RpcOptions};
use super::policy::{EnumPrefix, Layer as _};
use crate::format::problem::Problem;
use crate::schema::{AnyCase, Named, RpcDescriptor, Schema};

/// The naming that an rpc uses.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Naming {
    strips_enums: bool,
    any_case: AnyCase,
}

impl Naming {
    fn of(rpc: &RpcDescriptor, options: &[RpcOptions], defaults: &Defaults) -> Self {
        let own = options.iter().find(|options| options.rpc == rpc.name);
        let all = &defaults.policy.json;
        let json = own.map_or_else(|| all.clone(), |own| all.with(&own.policy.json));
        Self { strips_enums: json.enum_prefix == EnumPrefix::Strip, any_case: json.any_case() }
    }

    fn is_plain(self) -> bool {
        !self.strips_enums && self.any_case.is_none()
    }

    fn applied_to(self, schema: &Schema) -> Schema {
        let schema = if self.strips_enums { schema.without_enum_prefixes() } else { schema.clone() };
        if self.any_case.is_none() { schema } else { schema.in_any_case(self.any_case) }
    }
}

/// The rpcs that are served under other names.
pub(super) struct Renamed {
    rpcs: Vec<(RpcDescriptor, Naming)>,
}

impl Renamed {
    /// Compiles one renamed schema for each naming in use; none if every rpc uses the names of the descriptors.
    pub(super) fn new(schema: &Schema, options: &[RpcOptions], defaults: &Defaults) -> Self {
        let is_served = |rpc: &RpcDescriptor| {
            defaults.rules.of(rpc).is_ok_and(|rules| defaults.serving.serves(&rpc.name, !rules.is_empty()))
        };
        let mut schemas: Vec<(Naming, Schema)> = Vec::new();
        let mut rpcs = Vec::new();
        for (index, rpc) in schema.rpcs().iter().enumerate() {
            let naming = Naming::of(rpc, options, defaults);
            if naming.is_plain() || !is_served(rpc) {
                continue;
            }
            if !schemas.iter().any(|(made, _)| *made == naming) {
                schemas.push((naming, naming.applied_to(schema)));
            }
            let made = schemas.iter().find(|(made, _)| *made == naming);
            rpcs.extend(made.map(|(_, schema)| (schema.rpcs()[index].clone(), naming)));
        }
        Self { rpcs }
    }

    /// The rpc with the names that its routes use.
    pub(super) fn of<'a>(&'a self, rpc: &'a RpcDescriptor) -> &'a RpcDescriptor {
        self.rpcs.iter().map(|(renamed, _)| renamed).find(|renamed| renamed.name == rpc.name).unwrap_or(rpc)
    }

    /// Names that cannot be changed this way, each with the first rpc that uses them.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut told: Vec<String> = Vec::new();
        let mut problems = Vec::new();
        for (rpc, naming) in &self.rpcs {
            let both = [&rpc.input, &rpc.output].into_iter().filter(|_| naming.strips_enums);
            let kept = both.flat_map(|message| message.kept_prefixes());
            let kept = kept.map(|kept| (kept.to_string(), "set `json.enum_prefix: keep`"));
            let alike = rpc.input.alike(naming.any_case).into_iter().map(|alike| {
                let advice = match alike.what {
                    Named::Field => "set `json.case_insensitive_field_parsing: false`",
                    Named::Value => "set `json.case_insensitive_enum_parsing: false`",
                };
                (alike.to_string(), advice)
            });
            for (problem, advice) in kept.chain(alike) {
                if !told.contains(&problem) {
                    let message = format!("{problem}: {advice} for the rpcs that use it, or for all");
                    problems.push(Problem::at(&rpc.name, message));
                    told.push(problem);
                }
            }
        }
        problems
    }
}
