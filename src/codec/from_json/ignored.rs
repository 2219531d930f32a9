//! Which parts of a body are ignored.

use std::collections::HashMap;

/// What is ignored: members for which the message has no field, unknown enum names, and line breaks in base64.
#[derive(Debug, Clone, Default)]
pub struct Ignored {
    /// Whether all unknown members are ignored.
    all: bool,
    /// Whether unknown enum names are ignored too.
    pub(super) names: bool,
    /// Whether line breaks in base64 are ignored.
    pub(super) breaks: bool,
    members: HashMap<String, Self>,
    /// Whether this member itself is ignored.
    listed: bool,
}

impl Ignored {
    /// Ignores these members and no others. Nested members are dotted, without list indices.
    #[must_use]
    pub fn new(members: &[String]) -> Self {
        let mut root = Self::default();
        for member in members {
            let names = member.split('.').map(str::to_owned);
            names.fold(&mut root, |here, name| here.members.entry(name).or_default()).listed = true;
        }
        root
    }

    /// Ignores all unknown members and unknown enum names.
    #[must_use]
    pub fn all() -> Self {
        Self { all: true, names: true, ..Self::default() }
    }

    /// Ignores all unknown members. Unknown enum names are still errors.
    #[must_use]
    pub fn members() -> Self {
        Self { all: true, ..Self::default() }
    }

    /// Additionally ignores line breaks in base64 if `breaks` is true.
    #[must_use]
    pub fn with_breaks(self, breaks: bool) -> Self {
        Self { breaks, ..self }
    }

    /// Whether no member is ignored.
    pub(super) fn is_empty(&self) -> bool {
        !self.all && self.members.is_empty()
    }

    pub(super) fn covers(&self, name: &str) -> bool {
        self.all || self.members.get(name).is_some_and(|member| member.listed)
    }

    /// What is ignored inside a member.
    pub(super) fn within(&self, name: &str) -> Option<&Self> {
        if self.all { Some(self) } else { self.members.get(name) }
    }
}
