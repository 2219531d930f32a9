//! The features of a declaration: what proto2, proto3 and the editions specify about presence, enums, packing and
//! groups.
//!
//! <https://protobuf.dev/editions/features/>: a declaration inherits the features of its parent, except those that it
//! sets itself; a file starts with the defaults of its edition. proto2 and proto3 are editions whose features cannot be
//! set.
//!
//! Two features have no effect here. `utf8_validation`: JSON is UTF-8, so a string that is not UTF-8 has no JSON form,
//! whether others check it or not. `json_format`: whatever it says, messages with two fields of the same name are not
//! served (see `clash`).

use super::descriptor::{FeatureSet, File};

/// The features that the codec needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Features {
    pub(super) presence: Presence,
    pub(super) open_enums: bool,
    pub(super) packed: bool,
    pub(super) delimited: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    Explicit,
    Implicit,
    Required,
}

/// `EDITION_2023` in descriptor.proto. `EDITION_2024` has the same defaults for the features that matter here.
pub(super) const EDITION_2023: i32 = 1000;
pub(super) const EDITION_2024: i32 = 1001;

impl Features {
    /// The default features of a file; `None` for an unknown syntax or edition.
    pub(super) fn of_file(file: &File) -> Option<Self> {
        use Presence::{Explicit, Implicit};
        let defaults = match (file.syntax.as_str(), file.edition) {
            ("" | "proto2", 0) => Self { presence: Explicit, open_enums: false, packed: false, delimited: false },
            ("proto3", _) => Self { presence: Implicit, open_enums: true, packed: true, delimited: false },
            (_, EDITION_2023 | EDITION_2024) => {
                Self { presence: Explicit, open_enums: true, packed: true, delimited: false }
            }
            _ => return None,
        };
        Some(defaults.with(file.options.as_ref().and_then(|options| options.features)))
    }

    /// These features, overridden by those that a declaration sets itself.
    pub(super) fn with(self, own: Option<FeatureSet>) -> Self {
        let Some(own) = own else { return self };
        Self {
            presence: match own.field_presence {
                Some(1) => Presence::Explicit,
                Some(2) => Presence::Implicit,
                Some(3) => Presence::Required,
                _ => self.presence,
            },
            open_enums: own.enum_type.map_or(self.open_enums, |value| value == 1),
            packed: own.repeated_field_encoding.map_or(self.packed, |value| value == 1),
            delimited: own.message_encoding.map_or(self.delimited, |value| value == 2),
        }
    }
}
