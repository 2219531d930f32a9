//! Declares keys as rows of a table, and lays one layer of the configuration over another.

use std::time::Duration;

use http::HeaderName;

/// A part of the configuration file where policy keys may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The top level of the file, for all rpcs.
    File,
    /// `requests`, for all rpcs.
    Requests,
    /// `replies`, for all rpcs.
    Replies,
    /// `streams`, for all rpcs.
    Streams,
    /// `callers`, for all rpcs.
    Callers,
    /// `rpcs.NAME`, for one rpc.
    Rpc,
    /// A map under a key of one of the other parts, such as `json`.
    Group,
}

/// A key as its row declares it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// The name of the key in the file.
    pub name: &'static str,
    /// The parts of the file where the key may stand.
    pub parts: &'static [Part],
    /// What the key means.
    pub documentation: &'static str,
}

/// A value that a more specific layer of the configuration can override.
pub trait Layer {
    /// What such a layer says about the value.
    type Own;

    /// The value with `own` laid over it.
    #[must_use]
    fn with(&self, own: &Self::Own) -> Self;
}

/// Implements [`Layer`] for values that are replaced as a whole.
macro_rules! whole {
    ($($type:ty),+ $(,)?) => {
        $(impl $crate::route::policy::layer::Layer for $type {
            type Own = Option<Self>;

            fn with(&self, own: &Option<Self>) -> Self {
                own.as_ref().unwrap_or(self).clone()
            }
        })+
    };
}

whole!(bool, usize);

/// Implements [`Layer`] for optional values: without a setting there is no value.
macro_rules! optional {
    ($($type:ty),+ $(,)?) => {
        $(impl $crate::route::policy::layer::Layer for Option<$type> {
            type Own = Self;

            fn with(&self, own: &Self) -> Self {
                own.as_ref().or(self.as_ref()).cloned()
            }
        })+
    };
}

optional!(bool, usize, Duration, HeaderName);

/// Declares keys, one row each:
///
/// ```text
/// /// Documentation.
/// name: Type = default, { Part: how to read it there, Other: how to read it there };
/// ```
///
/// Makes two structs: the effective values, and what one layer of the configuration sets. Also makes the reading of the
/// second: `how to read it` is called with the [`Setting`](super::Setting) and with the value for all rpcs.
macro_rules! keys {
    (
        $(#[$all_meta:meta])* pub struct $all:ident;
        $(#[$own_meta:meta])* pub struct $own:ident;
        $( $(#[doc = $doc:literal])+ $name:ident: $type:ty = $default:expr, { $($part:ident: $read:expr),+ $(,)? }; )+
    ) => {
        $(#[$all_meta])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $all {
            $( $(#[doc = $doc])+ pub $name: $type, )+
        }

        $(#[$own_meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Default)]
        pub struct $own {
            $( $(#[doc = $doc])+ pub $name: <$type as $crate::route::policy::layer::Layer>::Own, )+
        }

        impl Default for $all {
            fn default() -> Self {
                Self { $( $name: $default, )+ }
            }
        }

        impl $crate::route::policy::layer::Layer for $all {
            type Own = $own;

            fn with(&self, own: &$own) -> Self {
                Self { $( $name: self.$name.with(&own.$name), )+ }
            }
        }

        impl $all {
            /// Every key, in the order of the rows.
            pub const KEYS: &'static [$crate::route::policy::layer::Key] = &[
                $( $crate::route::policy::layer::Key {
                    name: stringify!($name),
                    parts: &[$( $crate::route::policy::layer::Part::$part, )+],
                    documentation: concat!($($doc, "\n",)+),
                }, )+
            ];

            /// The names of the keys that may stand in this part of the file.
            pub fn keys_of(part: $crate::route::policy::layer::Part) -> Vec<&'static str> {
                Self::KEYS.iter().filter(|key| key.parts.contains(&part)).map(|key| key.name).collect()
            }
        }

        impl $own {
            /// Reads the keys of one part of the file. `all` holds the values for all rpcs.
            pub fn read(
                keys: &impl $crate::route::policy::setting::Keys,
                part: $crate::route::policy::layer::Part,
                all: &$all,
            ) -> Self {
                Self {
                    $( $name: match part {
                        $( $crate::route::policy::layer::Part::$part => {
                            keys.read(stringify!($name), |setting| ($read)(setting, &all.$name))
                        } )+
                        _ => Default::default(),
                    }, )+
                }
            }
        }
    };
}

pub(super) use {keys, optional, whole};
