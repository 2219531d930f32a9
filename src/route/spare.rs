//! Schema files that do not compile. If one declares an rpc to be served, the start fails; the others only cause a
//! warning.

use super::entry::Route;
use super::options::Defaults;
use crate::format::problem::Problem;
use crate::schema::{DeclaredRpc, Schema};

/// The problems of files that a served rpc needs, and those of the other files.
pub(super) struct Spare {
    pub(super) needed: Vec<Problem>,
    pub(super) others: Vec<Problem>,
}

impl Spare {
    pub(super) fn of(schema: &Schema, defaults: &Defaults) -> Self {
        let is_served = |rpc: &DeclaredRpc| {
            let has_rule = rpc.is_annotated
                || defaults.rules.maps_unannotated
                || defaults.rules.selected.iter().any(|selected| selected.selector == rpc.name);
            defaults.serving.serves(&rpc.name, has_rule)
        };
        let mut spare = Self { needed: Vec::new(), others: Vec::new() };
        for file in schema.uncompiled() {
            let is_needed = file.rpcs.iter().any(is_served);
            let told = if is_needed { &mut spare.needed } else { &mut spare.others };
            let new = file.problems.iter().filter(|problem| !told.contains(problem)).cloned().collect::<Vec<_>>();
            told.extend(new);
        }
        spare.others.retain(|problem| !spare.needed.contains(problem));
        spare
    }

    /// One warning for each problem of a file that is skipped.
    pub(super) fn warnings(&self) -> impl Iterator<Item = String> {
        self.others.iter().map(|problem| format!("{problem}; the file is skipped, because no served rpc needs it"))
    }
}

/// Reports messages of routes with fields that JSON cannot tell apart.
pub(super) fn clashes(schema: &Schema, routes: &[Route]) -> Vec<Problem> {
    schema.clashes(routes.iter().flat_map(|route| [&route.rpc.input, &route.rpc.output]))
}
