//! What a configuration says of single rpcs.

use std::collections::HashMap;
use std::time::Duration;

use http::HeaderName;

use super::error::{Form, Statuses};
use super::rest::websocket::Origins;

/// Exceptions by `package.Service.Method`.
pub type ByRpc = HashMap<String, Exceptions>;

/// What a configuration says of one rpc, where it is not as for all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Exceptions {
    /// See [`Config::errors`].
    pub errors: Option<Form>,
    /// See [`Config::statuses`]: those that are otherwise.
    pub statuses: Statuses,
    /// See [`Exposure::hides_internal_messages`].
    pub hides_internal_messages: Option<bool>,
    /// See [`Exposure::shows_unknown_details`].
    pub shows_unknown_details: Option<bool>,
    /// See [`crate::upstream::Config::deadline`] and [`crate::gateway::stream::Config::deadline`], in whose place it stands.
    pub deadline: Option<Duration>,
    /// See [`Config::header_limit`]; no more than there.
    pub header_limit: Option<usize>,
    /// See [`Config::body_limit`].
    pub body_limit: Option<usize>,
    /// See [`crate::upstream::Config::reply_limit`].
    pub reply_limit: Option<usize>,
    /// See [`Config::compression`].
    pub compression: Option<bool>,
    /// See [`Config::caller_gone`].
    pub caller_gone: Option<CallerGone>,
    /// See [`crate::gateway::stream::Config::closing_line`].
    pub closing_line: Option<bool>,
    /// Metadata that tells the backend which event a caller has seen last, so that the stream goes on behind it.
    pub last_event_id: Option<HeaderName>,
    /// The pages that may open a WebSocket for it; without it, nobody may.
    pub websocket: Option<Origins>,
}

/// What becomes of a call of one message each way, its request read, whose caller goes away before the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CallerGone {
    /// It is cancelled at the backend.
    #[default]
    Cancel,
    /// It goes on to its end, which is logged.
    Finish,
}
