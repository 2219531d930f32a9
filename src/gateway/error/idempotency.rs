//! Refusals of requests whose idempotency key is missing, invalid, or was used before.

use http::header::RETRY_AFTER;

use super::reason::Reason;
use super::refusal::Refusal;
use crate::gateway::idempotency::key::KeyError;
use crate::gateway::idempotency::store::Conflict;
use crate::upstream::Fate;

/// `Retry-After` in seconds while the first request has no response yet.
const RETRY: u64 = 1;
/// `Retry-After` in seconds while there is no memory for another key.
const RETRY_FULL: u64 = 60;

impl Refusal {
    /// 400: the request has no idempotency key, or not a usable one.
    #[must_use]
    pub(crate) fn idempotency_key(error: &KeyError) -> Self {
        match error {
            KeyError::Missing(_) => Self::new(Reason::IdempotencyKeyMissing, error.to_string()),
            KeyError::Several(_) | KeyError::Malformed { .. } => Self::header(error.to_string()),
        }
    }

    /// The request has a key, but its call is not made, and the first response cannot be returned. The fate is that of
    /// the first request.
    #[must_use]
    pub(crate) fn idempotency_conflict(conflict: Conflict) -> Self {
        match conflict {
            Conflict::OtherRequest => Self::new(
                Reason::IdempotencyKeyReused,
                "this idempotency key was already used with another request; send a new key with each new request",
            ),
            Conflict::InFlight => Self::of(
                Fate::Unknown,
                Reason::IdempotencyKeyInUse,
                "the first request with this idempotency key is still in progress; repeat the request later with the same key",
            )
            .with_header(RETRY_AFTER, RETRY.to_string()),
            Conflict::Unknown => Self::of(
                Fate::Unknown,
                Reason::IdempotentOutcomeUnknown,
                "the outcome of the first request with this idempotency key is unknown, and it is not executed again; find out \
                 what the backend did before you send the request with a new key",
            ),
            Conflict::NotKept => Self::of(
                Fate::Answered,
                Reason::IdempotentAnswerNotKept,
                "the backend answered the first request with this idempotency key, but the answer could not be stored; it is \
                 not executed again",
            ),
            Conflict::Full => Self::new(
                Reason::IdempotencyStoreFull,
                "the gateway has no memory left for another idempotency key; the call was not sent",
            )
            .with_header(RETRY_AFTER, RETRY_FULL.to_string()),
            Conflict::StoreFull => Self::new(
                Reason::IdempotencyStoreFull,
                "the store of idempotency keys has no memory left for another key; the call was not sent",
            )
            .with_header(RETRY_AFTER, RETRY_FULL.to_string()),
            Conflict::Away => Self::new(
                Reason::IdempotencyStoreUnavailable,
                "the store of idempotency keys does not answer, so the call was not sent; repeat the request with the same key",
            )
            .with_header(RETRY_AFTER, RETRY.to_string()),
            Conflict::Share => Self::new(
                Reason::IdempotencyStoreFull,
                "the gateway has little memory left for idempotency keys, and this caller already has its share; the call was \
                 not sent",
            )
            .with_header(RETRY_AFTER, RETRY_FULL.to_string()),
        }
    }
}
