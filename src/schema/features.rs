//! The features of a declaration: what proto2, proto3 and the editions say of presence, enums, packing and groups.
//!
//! <https://protobuf.dev/editions/features/>: a declaration has the features of what it lies in, but for those that it
//! sets itself; a file has the defaults of its edition. proto2 and proto3 are editions whose features cannot be set.
//!
//! Two features change nothing here. `utf8_validation`: JSON is UTF-8, so a string that is not has no form in it, whether
//! others check it or not. `json_format`: whatever it says, two fields of one name are not served (see `clash`).

use super::descriptor::{FeatureSet, File};

/// Every feature that the codec asks for.
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

/// `EDITION_2023` of descriptor.proto; `EDITION_2024` has the same defaults for the features that count here.
pub(super) const EDITION_2023: i32 = 1000;
pub(super) const EDITION_2024: i32 = 1001;

impl Features {
    /// The features of a file; `None` for a syntax or an edition that is not known.
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

    /// With what a declaration sets itself.
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
