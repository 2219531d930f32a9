//! A Lua script that the server executes as one step.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

/// A Lua script, with the digest by which the server knows it.
#[derive(Debug, Clone)]
pub struct Script {
    pub(super) text: &'static str,
    /// SHA-1 in hexadecimal digits: a name, not a protection.
    pub(super) digest: String,
}

impl Script {
    #[must_use]
    pub fn new(text: &'static str) -> Self {
        let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
        let digest = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        Self { text, digest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_known_by_its_sha1() {
        assert_eq!(Script::new("return 1").digest, "e0e1f9fabfc9d4800c877a703b823ac0578ff8db");
    }
}
