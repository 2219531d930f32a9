//! `idempotency`: the store of the keys. The other keys of the section belong to a policy.

use super::input::Input;
use super::reader::{Read, Value, or_default};
use crate::format::problem::Problem;
use crate::format::quantity;
use crate::format::secret::SecretSource;
use crate::gateway::{IDEMPOTENCY_MEMORY, SealingKeys};

/// More instances of one gateway than anybody runs.
const MOST_INSTANCES: usize = 10_000;
/// More replicas than anybody waits for.
const MOST_REPLICAS: usize = 16;

/// Idempotency keys in the shared store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedIdempotency {
    /// The keys that encrypt stored responses.
    encryption_keys: Vec<SecretSource>,
    /// How many replicas must confirm that a key is stored.
    pub replicas: usize,
}

impl Input<'_> {
    fn idempotency_value(&self, key: &str) -> Option<Value<'_>> {
        self.value("idempotency").and_then(|section| section.get(key))
    }

    /// The memory limit of the store in bytes.
    pub(super) fn idempotency_memory(&self) -> usize {
        or_default(self.idempotency_value("memory"), Value::size, IDEMPOTENCY_MEMORY)
    }

    /// What `idempotency` says of the shared store; `None` if keys are in the memory of this process.
    pub(super) fn shared_idempotency(&self) -> Option<SharedIdempotency> {
        let store = self.idempotency_value("store");
        let word = |value: &Value| value.parsed("`memory` or `shared`", is_shared);
        let is_shared = or_default(store, word, false);
        if let Some(instances) = self.idempotency_value("instances") {
            check_instances(&instances, is_shared);
        }
        if !is_shared {
            for key in ["encryption_keys", "replicas"] {
                if let Some(value) = self.idempotency_value(key) {
                    value.wrong("has no effect without `store: shared`");
                }
            }
            return None;
        }
        self.shared_section(&store?).ok()
    }

    fn shared_section(&self, store: &Value) -> Read<SharedIdempotency> {
        if self.value("store").is_none() {
            store.wrong(
                "`store` is missing at the top of the file: set it to the address of a server of Redis or Valkey",
            );
        }
        if let Some(memory) = self.idempotency_value("memory") {
            memory.wrong("has no effect with `store: shared`; the server has a limit of its own, `maxmemory`");
        }
        let number = |value: &Value| value.parsed("a number", |text| quantity::number_or_none(text, MOST_REPLICAS));
        let replicas = or_default(self.idempotency_value("replicas"), number, 0);
        let keys = self.idempotency_value("encryption_keys").ok_or_else(|| {
            store
                .wrong("`encryption_keys` is missing: stored answers are encrypted; set it to `${NAME}` or `file:PATH`")
        })?;
        let encryption_keys = keys.all("a reference to a key", |item| self.secret(item))?;
        Ok(SharedIdempotency { encryption_keys, replicas })
    }
}

impl SharedIdempotency {
    /// Reads the keys.
    ///
    /// # Errors
    /// All keys that cannot be read or are none.
    pub fn keys(&self) -> Result<SealingKeys, Vec<Problem>> {
        let (mut secrets, mut problems) = (Vec::new(), Vec::new());
        for source in &self.encryption_keys {
            match source.load() {
                Ok(secret) => secrets.push(secret),
                Err(problem) => problems.push(problem),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        SealingKeys::new(&secrets)
            .map_err(|place| vec![Problem::at(self.encryption_keys[place].place(), SealingKeys::EXPECTED)])
    }

    /// The sources of the keys.
    pub(super) fn sources(&self) -> impl Iterator<Item = &SecretSource> {
        self.encryption_keys.iter()
    }
}

fn is_shared(text: &str) -> Result<bool, String> {
    match text {
        "memory" => Ok(false),
        "shared" => Ok(true),
        _ => Err(format!("expected `memory` or `shared`, found `{text}`")),
    }
}

/// Processes do not share the keys in their memory: a retry that reaches another process would be executed again.
fn check_instances(value: &Value, is_shared: bool) {
    if let Ok(2..) = value.parsed("a number", |text| quantity::number(text, MOST_INSTANCES))
        && !is_shared
    {
        value.wrong(
            "expected `1`: keys are stored in the memory of one process, and another instance would execute a retry again; set \
             `store: shared`, run one instance, or remove `idempotency`",
        );
    }
}
