//! The sources of HTTP rules: annotations in the schema, and the configuration.

use super::absent::no_rpc;
use crate::format::problem::Problem;
use crate::schema::{Pattern, RpcDescriptor, Rule, RuleError, Schema};

/// The configuration of rules.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules {
    /// The rules in the configuration itself.
    pub selected: Vec<Selected>,
    /// Whether the annotation of an rpc is kept next to its configured rules. Otherwise they replace it.
    pub keeps_annotations: bool,
    /// Whether an rpc without any rule is served at `POST /package.Service/Method`, with the request message as the
    /// body.
    pub maps_unannotated: bool,
}

/// A configured rule with its additional bindings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selected {
    /// `package.Service.Method`.
    pub selector: String,
    /// The place in the configuration, for problems.
    pub place: String,
    /// The rule itself, then its additional bindings.
    pub rules: Vec<Rule>,
}

impl Rules {
    pub(super) fn of(&self, rpc: &RpcDescriptor) -> Result<Vec<Rule>, RuleError> {
        let own = self.selected.iter().filter(|selected| selected.selector == rpc.name);
        let own: Vec<Rule> = own.flat_map(|selected| selected.rules.iter().cloned()).collect();
        if !own.is_empty() && !self.keeps_annotations {
            return Ok(own);
        }
        let annotated = rpc.rules.clone()?;
        if own.is_empty() && annotated.is_empty() && self.maps_unannotated {
            return Ok(vec![mapped(rpc)]);
        }
        Ok(annotated.into_iter().chain(own).collect())
    }

    /// Reports rules for rpcs that the schema does not have, and second rules for the same rpc.
    pub(super) fn misplaced(&self, schema: &Schema) -> Vec<Problem> {
        let problem = |(index, rule): (usize, &Selected)| {
            let first = self.selected[..index].iter().find(|first| first.selector == rule.selector);
            match first {
                Some(first) => Some(format!("`{}` already has a rule, at {}", rule.selector, first.place)),
                None if schema.rpcs().iter().all(|rpc| rpc.name != rule.selector) => {
                    Some(no_rpc(schema, &rule.selector))
                }
                None => None,
            }
            .map(|message| Problem::at(&rule.place, message))
        };
        self.selected.iter().enumerate().filter_map(problem).collect()
    }
}

/// The rule that makes the path of an rpc one of its own.
pub(super) fn mapped(rpc: &RpcDescriptor) -> Rule {
    let pattern = Pattern { method: "POST".to_owned(), template: rpc.path.clone() };
    let (body, response_body) = ("*".to_owned(), String::new());
    Rule { pattern, body, response_body, fully_decode: false, place: None }
}
