//! Whether request messages are validated before they are forwarded.

use std::str::FromStr;

use super::layer::whole;
use super::read::word;
use super::setting::{Keys as _, Setting};

const USES: &str = "`off`, `report` or `enforce`";

/// Keys of `validation` that do not belong to a policy.
pub const RULE_KEYS: &[&str] = &["rules", "protovalidate", "field_behavior", "buf_violations"];

/// Whether request messages are validated before they are forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Validation {
    /// They are not.
    #[default]
    Off,
    /// What is wrong is counted and logged, and the call is made.
    Report,
    /// A request that violates a rule is rejected.
    Enforce,
}

whole!(Validation);

impl FromStr for Validation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self::Off),
            "report" => Ok(Self::Report),
            "enforce" => Ok(Self::Enforce),
            _ => Err(format!("expected {USES}, found `{text}`")),
        }
    }
}

/// What is said for all rpcs, beside where the rules are. Who names rules and says nothing more wants them enforced.
pub(super) fn for_all<S: Setting>(setting: &S, all: &Validation) -> Option<Validation> {
    let keys = setting.map(&[&["mode"], RULE_KEYS].concat())?;
    match keys.setting("mode") {
        Some(mode) => for_one(&mode, all),
        None => Some(Validation::Enforce),
    }
}

/// What is said of one rpc.
pub(super) fn for_one<S: Setting>(setting: &S, all: &Validation) -> Option<Validation> {
    word(USES)(setting, all)
}
