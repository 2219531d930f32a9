//! Values of keys that are one of several things.

use std::str::FromStr;

use super::layer::whole;

whole!(CallerGone, EmptyBody, UnknownKeys);

/// What becomes of a call of one message each way, its request read, whose caller goes away before the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CallerGone {
    /// It is cancelled at the backend.
    #[default]
    Cancel,
    /// It goes on to its end, which is logged.
    Finish,
}

impl FromStr for CallerGone {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "cancel" => Ok(Self::Cancel),
            "finish" => Ok(Self::Finish),
            _ => Err(format!("expected `cancel` or `finish`, found `{text}`")),
        }
    }
}

/// What an empty body stands for where the rule takes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EmptyBody {
    /// Nothing: it is refused.
    #[default]
    Refuse,
    /// `{}`
    Object,
}

impl FromStr for EmptyBody {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "refuse" => Ok(Self::Refuse),
            "object" => Ok(Self::Object),
            _ => Err(format!("expected `refuse` or `object`, found `{text}`")),
        }
    }
}

/// Query keys, or members of a body, that are passed over though the request has no such field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnknownKeys {
    /// All of them.
    All,
    /// These.
    Listed(Vec<String>),
}

impl Default for UnknownKeys {
    fn default() -> Self {
        Self::Listed(Vec::new())
    }
}

impl UnknownKeys {
    /// Whether this key is one of them.
    #[must_use]
    pub fn cover(&self, key: &str) -> bool {
        match self {
            Self::All => true,
            Self::Listed(keys) => keys.iter().any(|listed| listed == key),
        }
    }
}
