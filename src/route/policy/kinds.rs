//! Values of keys that allow one of several choices.

use std::str::FromStr;

use super::layer::whole;

whole!(CallerGone, EmptyBody, LimitUse, UnknownKeys);

/// What happens to a unary call whose caller disconnects after its request was read and before the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CallerGone {
    /// The call is cancelled at the backend.
    #[default]
    Cancel,
    /// The call runs to its end, and its result is logged.
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

/// What an empty body means on a route that takes a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EmptyBody {
    /// A missing body: the request is rejected.
    #[default]
    Refuse,
    /// The empty object, `{}`.
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

/// Which of the rate limits count the requests of an rpc.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum LimitUse {
    /// All of them.
    #[default]
    All,
    /// The ones with these names.
    Listed(Vec<String>),
}

impl LimitUse {
    /// Whether the limit with this name counts them.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Listed(names) => names.iter().any(|listed| listed == name),
        }
    }
}

/// Unknown query keys, or unknown members of a body, that are ignored instead of rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnknownKeys {
    /// Every unknown key.
    All,
    /// These keys only.
    Listed(Vec<String>),
}

impl Default for UnknownKeys {
    fn default() -> Self {
        Self::Listed(Vec::new())
    }
}

impl UnknownKeys {
    /// Whether this key is ignored.
    #[must_use]
    pub fn cover(&self, key: &str) -> bool {
        match self {
            Self::All => true,
            Self::Listed(keys) => keys.iter().any(|listed| listed == key),
        }
    }
}
