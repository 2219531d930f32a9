//! `idempotency`: the store of the keys. The other keys of the section belong to a policy.

use super::input::Input;
use super::reader::{Value, or_default};
use crate::format::quantity;
use crate::gateway::IDEMPOTENCY_MEMORY;

/// More instances of one gateway than anybody runs.
const MOST_INSTANCES: usize = 10_000;

impl Input<'_> {
    /// The memory limit of the store in bytes.
    pub(super) fn idempotency_memory(&self) -> usize {
        let value = |key| self.value("idempotency").and_then(|section| section.get(key));
        if let Some(instances) = value("instances") {
            check_instances(&instances);
        }
        or_default(value("memory"), Value::size, IDEMPOTENCY_MEMORY)
    }
}

/// Processes do not share their keys: a retry that reaches another process would be executed again.
fn check_instances(value: &Value) {
    if let Ok(2..) = value.parsed("a number", |text| quantity::number(text, MOST_INSTANCES)) {
        value.wrong(
            "expected `1`: keys are stored in the memory of one process, and another instance would execute a retry again; run \
             one instance, or remove `idempotency`",
        );
    }
}
