//! Keys declared as rows, and what one layer of a configuration says laid over another.

use std::time::Duration;

use http::HeaderName;

/// A part of the file where keys of a policy may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The file itself, for all rpcs.
    File,
    /// `requests`, for all rpcs.
    Requests,
    /// `replies`, for all rpcs.
    Replies,
    /// `streams`, for all rpcs.
    Streams,
    /// `callers`, for all rpcs.
    Callers,
    /// `rpcs.NAME`, for this rpc.
    Rpc,
    /// A map under a key of one of these.
    Group,
}

/// A key as it is declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Its name in the file.
    pub name: &'static str,
    /// Where it may stand.
    pub parts: &'static [Part],
    /// What it means.
    pub documentation: &'static str,
}

/// A value that can be said anew.
pub trait Layer {
    /// What is said of it.
    type Own;

    /// The value where this is said of it.
    #[must_use]
    fn with(&self, own: &Self::Own) -> Self;
}

/// Values that are said as a whole or not at all.
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

/// Values without a default: nothing holds where nothing is said.
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

/// Declares keys, a row each:
///
/// ```text
/// /// Documentation.
/// name: Type = default, { Part: how to read it there, Other: how to read it there };
/// ```
///
/// Makes the struct of what holds, the struct of what is said of it, and how the second is read: `how to read it` is called with the
/// [`Setting`](super::Setting) and with what holds for all.
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
            /// Every key.
            pub const KEYS: &'static [$crate::route::policy::layer::Key] = &[
                $( $crate::route::policy::layer::Key {
                    name: stringify!($name),
                    parts: &[$( $crate::route::policy::layer::Part::$part, )+],
                    documentation: concat!($($doc, "\n",)+),
                }, )+
            ];

            /// The names of the keys that may stand in this part.
            pub fn keys_of(part: $crate::route::policy::layer::Part) -> Vec<&'static str> {
                Self::KEYS.iter().filter(|key| key.parts.contains(&part)).map(|key| key.name).collect()
            }
        }

        impl $own {
            /// What these keys of a part say, where `all` holds otherwise.
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
