//! What of a body is passed over.

use std::collections::HashMap;

/// What is passed over: members for which the message has no field, and line breaks in base64.
#[derive(Debug, Clone, Default)]
pub struct Ignored {
    /// All of them.
    all: bool,
    /// Unknown names of enums too.
    pub(super) names: bool,
    /// Line breaks in base64.
    pub(super) breaks: bool,
    members: HashMap<String, Self>,
    /// Whether this member itself is listed.
    listed: bool,
}

impl Ignored {
    /// These members and no others, dotted where nested; list indices are left out.
    #[must_use]
    pub fn new(members: &[String]) -> Self {
        let mut root = Self::default();
        for member in members {
            let names = member.split('.').map(str::to_owned);
            names.fold(&mut root, |here, name| here.members.entry(name).or_default()).listed = true;
        }
        root
    }

    /// All of them, and unknown names of enums too.
    #[must_use]
    pub fn all() -> Self {
        Self { all: true, names: true, ..Self::default() }
    }

    /// All of them. An unknown name of an enum is still wrong.
    #[must_use]
    pub fn members() -> Self {
        Self { all: true, ..Self::default() }
    }

    /// The same, and line breaks in base64 too, if `breaks`.
    #[must_use]
    pub fn with_breaks(self, breaks: bool) -> Self {
        Self { breaks, ..self }
    }

    /// Whether no member is.
    pub(super) fn is_empty(&self) -> bool {
        !self.all && self.members.is_empty()
    }

    pub(super) fn covers(&self, name: &str) -> bool {
        self.all || self.members.get(name).is_some_and(|member| member.listed)
    }

    /// What is passed over inside a member.
    pub(super) fn within(&self, name: &str) -> Option<&Self> {
        if self.all { Some(self) } else { self.members.get(name) }
    }
}
