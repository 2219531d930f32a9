//! Requests above a rate limit.

use std::time::Duration;

use http::header::{HeaderName, RETRY_AFTER};

use super::reason::Reason;
use super::refusal::Refusal;
use crate::gateway::rate::limits::Exceeding;

/// draft-ietf-httpapi-ratelimit-headers-10
const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

impl Refusal {
    /// 429 for a request above a rate limit.
    #[must_use]
    pub(crate) fn rate_limited(exceeding: &Exceeding) -> Self {
        let Exceeding { name, quota, exceeded } = exceeding;
        let (wait, window) = (seconds(exceeded.wait), seconds(quota.window()));
        let message =
            format!("the rate limit {name} is exceeded; the call was not sent; send the request again after {wait} s");
        Self::new(Reason::RateLimited, message)
            .with_header(RETRY_AFTER, wait.to_string())
            .with_header(RATELIMIT, format!("\"{name}\";r={};t={wait}", exceeded.remaining))
            .with_header(RATELIMIT_POLICY, format!("\"{name}\";q={};w={window}", quota.burst()))
    }
}

/// Whole seconds, rounded up: a caller that waits so long has waited long enough.
fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}
