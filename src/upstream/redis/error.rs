//! Why a command has no answer, and whether the server may have executed it.

use std::sync::Arc;
use std::time::Duration;

use crate::upstream::fate::Fate;

/// Why a command has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RedisError {
    /// There is no connection.
    #[error("not connected: {0}")]
    Unconnected(Arc<str>),
    /// As many commands or bytes are in flight as the configuration allows.
    #[error("too many commands are in flight")]
    Busy,
    /// The connection ended before the command was sent.
    #[error("the connection ended before the command was sent: {0}")]
    Unsent(Arc<str>),
    /// The connection ended after the command, or a part of it, was sent.
    #[error("the connection ended before the answer: {0}")]
    Lost(Arc<str>),
    /// No answer within the configured time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The server answered with an error. A script stopped at the command that caused it.
    #[error("the server answered {0}")]
    Refused(Arc<str>),
    /// The answer is not of the expected form.
    #[error("unexpected answer")]
    Unexpected,
}

/// Errors that the server gives before it executes anything.
const NOT_EXECUTED: [&str; 9] =
    ["NOAUTH", "NOPERM", "WRONGPASS", "NOSCRIPT", "LOADING", "BUSY", "READONLY", "MASTERDOWN", "MISCONF"];
/// Errors after which the connection is of no use until the server has changed.
const UNUSABLE: [&str; 5] = ["NOAUTH", "WRONGPASS", "LOADING", "READONLY", "MASTERDOWN"];

impl RedisError {
    /// Whether the server may have executed the command.
    #[must_use]
    pub fn fate(&self) -> Fate {
        match self {
            Self::Unconnected(_) | Self::Busy | Self::Unsent(_) => Fate::NotSent,
            Self::Lost(_) | Self::Timeout(_) => Fate::Unknown,
            Self::Refused(text) if NOT_EXECUTED.contains(&code(text)) => Fate::NotSent,
            Self::Refused(_) | Self::Unexpected => Fate::Answered,
        }
    }

    /// The code of an error of the server, such as `OOM`.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused(text) => Some(code(text)),
            Self::Unconnected(_)
            | Self::Busy
            | Self::Unsent(_)
            | Self::Lost(_)
            | Self::Timeout(_)
            | Self::Unexpected => None,
        }
    }
}

/// Whether the server cannot be used after this error.
pub(super) fn is_unusable(text: &str) -> bool {
    UNUSABLE.contains(&code(text))
}

pub(super) fn code(text: &str) -> &str {
    text.split(' ').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_says_whether_the_command_may_have_been_executed() {
        let refused = |text: &str| RedisError::Refused(text.into());
        for (error, fate) in [
            (RedisError::Unconnected("x".into()), Fate::NotSent),
            (RedisError::Busy, Fate::NotSent),
            (RedisError::Unsent("x".into()), Fate::NotSent),
            (RedisError::Lost("x".into()), Fate::Unknown),
            (RedisError::Timeout(Duration::from_secs(1)), Fate::Unknown),
            (refused("NOSCRIPT No matching script."), Fate::NotSent),
            (refused("READONLY You can't write against a read only replica."), Fate::NotSent),
            (refused("ERR wrong number of arguments"), Fate::Answered),
            (RedisError::Unexpected, Fate::Answered),
        ] {
            assert_eq!(error.fate(), fate, "{error}");
        }
    }
}
