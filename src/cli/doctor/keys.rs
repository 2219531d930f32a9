//! Tests the URL at which a token issuer publishes its keys.

use std::time::Duration;

use tokio::time::timeout;

use super::report::Report;
use crate::app::{FetchedKeys, KeySource};
use crate::config::KeyServer;

/// An issuer whose keys are at a URL.
pub(super) struct IssuerKeys {
    /// Its name in the configuration.
    pub(super) name: String,
    /// The `iss` of its tokens.
    pub(super) issuer: String,
    pub(super) server: KeyServer,
    /// The longest time for the test.
    pub(super) patience: Duration,
}

/// Fetches the keys as the gateway would.
pub(super) async fn keys(of: &IssuerKeys, report: &mut Report<'_>) {
    let IssuerKeys { name, issuer, server, patience } = of;
    let advice = format!("check `callers.issuers.{name}.keys`");
    let source = match KeySource::new(server, issuer) {
        Ok(source) => source,
        Err(problems) => {
            for problem in problems {
                report.failed("keys", problem, &advice);
            }
            return;
        }
    };
    let url = server.place.url();
    let failure = match timeout(*patience, source.fetch()).await {
        Err(_) => format!("{url}: no answer within {patience:?}"),
        Ok(Err(problem)) => problem,
        Ok(Ok(FetchedKeys { keys, max_age, .. })) => {
            let keys = if keys.len() == 1 { "1 key".to_owned() } else { format!("{} keys", keys.len()) };
            let age = max_age.map_or("no max-age".to_owned(), |age| format!("max-age {} s", age.as_secs()));
            return report.passed("keys", format_args!("{url}: {keys}, {age}"));
        }
    };
    report.failed("keys", failure, advice);
}
