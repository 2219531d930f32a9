//! The store that several gateways share: made from its configuration, and said in words.

use super::keep::keep;
use crate::config::{Config, Store};
use crate::format::problem::Problem;
use crate::gateway::SharedKeys;
use crate::upstream::redis::Redis;

/// The configured store. It connects when it is started.
pub(super) fn store(config: &Config, problems: &mut Vec<Problem>) -> Option<Redis> {
    let of = |store: &Store| store.redis().map_err(|problem| vec![problem]).and_then(|redis| Redis::new(&redis));
    keep(config.store.as_ref().map(of)?, problems)
}

/// The idempotency keys in this store, if they are to be there.
pub(super) fn shared_keys(config: &Config, store: Option<&Redis>, problems: &mut Vec<Problem>) -> Option<SharedKeys> {
    let shared = config.shared_idempotency.as_ref()?;
    let keys = keep(shared.keys(), problems)?;
    Some(SharedKeys::new(store?.clone(), keys, shared.replicas))
}
