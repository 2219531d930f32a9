//! Tests the store that several gateways share: that it is reached, and that it keeps what it is told.

use super::report::Report;
use crate::upstream::redis::{Redis, ServerFacts};

/// Connects and signs in, with nothing stored.
pub(super) async fn store(redis: &Redis, report: &mut Report<'_>) {
    let (address, began) = (&redis.config().address, std::time::Instant::now());
    let ServerFacts { evicts, persists, .. } = match redis.probe().await {
        Ok(facts) => facts,
        Err(reason) => {
            let _ = report.failed("connect", format!("{address}: {reason}"), "check `store` and the server");
            return;
        }
    };
    report.passed("connect", format!("{address}: connected and signed in within {:?}", began.elapsed()));
    match evicts {
        Some(false) => report.passed("memory", "keys are not removed before they expire"),
        Some(true) => {
            let reason = "keys are removed when its memory is full, and a request could be executed again";
            let _ = report.failed("memory", reason, "set `maxmemory-policy noeviction` at the server");
        }
        None => report.noted(
            "memory",
            "unknown, because the user may not run INFO; check that `maxmemory-policy` is `noeviction`",
        ),
    }
    match persists {
        Some(true) => {
            report.passed("disk", "an append-only file has what is stored; `appendfsync always` loses nothing")
        }
        Some(false) => {
            report.noted(
                "disk",
                "there is no append-only file: a restart of the server forgets every key; set `appendonly yes`",
            );
        }
        None => report.noted("disk", "unknown, because the user may not run INFO; check that `appendonly` is `yes`"),
    }
}
