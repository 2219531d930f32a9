//! Requests above a limit.

use std::time::Duration;

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue, RETRY_AFTER};
use prost::Message as _;

use super::detail;
use super::reason::Reason;
use super::refusal::Refusal;
use crate::gateway::rate::limits::{Exceeding, Excess, QuotaNote};
use crate::limits::rate::{Left, Quota};
use crate::schema::generated::google::rpc;

/// draft-ietf-httpapi-ratelimit-headers-10
const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// When a request in progress will have ended is not known. Seconds.
const RETRY_CONCURRENT: u64 = 1;

/// The store is tried again after this time. Seconds.
const RETRY_UNKNOWN: u64 = 1;

impl Refusal {
    /// 429 for a request above a limit.
    #[must_use]
    pub(crate) fn rate_limited(exceeding: &Exceeding) -> Self {
        let name = &exceeding.name;
        match exceeding.excess {
            Excess::Rate { quota, exceeded } => {
                let wait = seconds(exceeded.wait);
                let message = format!(
                    "the rate limit {name} is exceeded; the call was not sent; send the request again after {wait} s"
                );
                let left = Left { remaining: exceeded.remaining, wait: exceeded.wait };
                Self::new(Reason::RateLimited, message)
                    .with_retry(wait)
                    .with_header(RATELIMIT, ratelimit(name, left))
                    .with_header(RATELIMIT_POLICY, policy(name, quota))
            }
            Excess::Concurrent { most } => {
                let requests = if most == 1 { "1 request" } else { &format!("{most} requests") };
                let message = format!(
                    "the limit {name} allows {requests} in progress at one time; the call was not sent; send the request again when \
                     another has been answered"
                );
                Self::new(Reason::ConcurrencyLimited, message).with_retry(RETRY_CONCURRENT)
            }
            Excess::Unknown => {
                let message = format!("the rate limit {name} cannot be checked at the moment; the call was not sent");
                Self::new(Reason::RateLimitUnavailable, message).with_retry(RETRY_UNKNOWN)
            }
        }
    }

    /// When to send the request again: as a header, and as a detail, which gRPC clients read.
    fn with_retry(mut self, wait: u64) -> Self {
        let delay = pbjson_types::Duration { seconds: i64::try_from(wait).unwrap_or(i64::MAX), nanos: 0 };
        let retry = rpc::RetryInfo { retry_delay: Some(delay) }.encode_to_vec();
        self.details.extend(detail::known("type.googleapis.com/google.rpc.RetryInfo", &retry));
        self.with_header(RETRY_AFTER, wait.to_string())
    }
}

/// Says in the headers of an answer what is left of quotas, unless it says so already.
pub(crate) fn put_quotas(quotas: &[QuotaNote], headers: &mut HeaderMap) {
    if quotas.is_empty() || headers.contains_key(RATELIMIT) {
        return;
    }
    let list = |text: &dyn Fn(&QuotaNote) -> String| quotas.iter().map(text).collect::<Vec<_>>().join(", ");
    let left = list(&|note| ratelimit(&note.name, note.left));
    let policies = list(&|note| policy(&note.name, note.quota));
    for (name, text) in [(RATELIMIT, left), (RATELIMIT_POLICY, policies)] {
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(name, value);
        }
    }
}

fn ratelimit(name: &str, Left { remaining, wait }: Left) -> String {
    format!("\"{name}\";r={remaining};t={}", seconds(wait))
}

fn policy(name: &str, quota: Quota) -> String {
    format!("\"{name}\";q={};w={}", quota.burst(), seconds(quota.window()))
}

/// Whole seconds, rounded up: a caller that waits so long has waited long enough.
fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}
