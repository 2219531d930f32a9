//! The store that several gateways share: made from its configuration, and said in words.

use super::keep::keep;
use crate::config::{Config, Store};
use crate::format::problem::Problem;
use crate::upstream::redis::Redis;

/// The configured store. It connects when it is started.
pub(super) fn store(config: &Config, problems: &mut Vec<Problem>) -> Option<Redis> {
    let of = |store: &Store| store.redis().map_err(|problem| vec![problem]).and_then(|redis| Redis::new(&redis));
    keep(config.store.as_ref().map(of)?, problems)
}
