//! Rules of single values, compiled.

use std::collections::HashSet;
use std::fmt;
use std::ops::Bound;
use std::time::SystemTime;

use regex::Regex;

/// A rule: its name, what it expects, and how a value is tested.
#[derive(Debug)]
pub(super) struct Rule<T> {
    /// As `buf.validate` names it.
    pub(super) id: Box<str>,
    pub(super) expected: Box<str>,
    pub(super) test: T,
}

/// Limits of a length or a number of items, with both ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sizes {
    pub(super) least: u64,
    pub(super) most: u64,
}

impl Sizes {
    pub(super) fn has(self, size: u64) -> bool {
        (self.least..=self.most).contains(&size)
    }
}

/// A test of a string.
pub(super) enum TextTest {
    Is(Box<str>),
    /// Number of Unicode code points.
    Length(Sizes),
    /// Number of bytes in UTF-8.
    Bytes(Sizes),
    Matches(Regex),
    BeginsWith(Box<str>),
    EndsWith(Box<str>),
    Contains(Box<str>),
    Lacks(Box<str>),
    In(HashSet<Box<str>>),
    NotIn(HashSet<Box<str>>),
    Format(fn(&str) -> bool),
    /// The empty text, or one of this format.
    FormatUnlessEmpty(fn(&str) -> bool),
    NotEmpty,
}

/// A test of the paths of a field mask.
#[derive(Debug)]
pub(super) enum MaskTest {
    /// These paths, in this order.
    Are(Box<[Box<str>]>),
    /// Only these paths and paths below them.
    In(Box<[Box<str>]>),
    /// None of these paths, nor a path below one.
    NotIn(Box<[Box<str>]>),
}

impl MaskTest {
    pub(super) fn passes(&self, paths: &[&str]) -> bool {
        let is_below = |path: &str, above: &str| {
            path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let is_of = |all: &[Box<str>], path: &str| all.iter().any(|above| is_below(path, above));
        match self {
            Self::Are(all) => all.iter().map(|path| &**path).eq(paths.iter().copied()),
            Self::In(all) => paths.iter().all(|path| is_of(all, path)),
            Self::NotIn(all) => !paths.iter().any(|path| is_of(all, path)),
        }
    }
}

/// A test of bytes.
pub(super) enum BytesTest {
    Is(Box<[u8]>),
    Length(Sizes),
    Matches(Regex),
    BeginsWith(Box<[u8]>),
    EndsWith(Box<[u8]>),
    Contains(Box<[u8]>),
    In(HashSet<Box<[u8]>>),
    NotIn(HashSet<Box<[u8]>>),
    /// No bytes, or 4 or 16 of an IP address, or 16 of a UUID.
    Sizes(&'static [usize]),
    NotEmpty,
}

/// A test of a number: of an integer, the number of an enum value, or nanoseconds.
#[derive(Debug, PartialEq)]
pub(super) enum NumberTest<N> {
    Is(N),
    /// Inside both bounds.
    Within(Bound<N>, Bound<N>),
    /// Above the first or below the second.
    Outside(Bound<N>, Bound<N>),
    In(Box<[N]>),
    NotIn(Box<[N]>),
    Finite,
    /// Nanoseconds since 1970 that are over.
    Past,
    /// Nanoseconds since 1970 that are to come.
    Future,
    /// So many nanoseconds away from now at most.
    Near(N),
}

impl TextTest {
    pub(super) fn passes(&self, text: &str) -> bool {
        match self {
            Self::Is(is) => *text == **is,
            Self::Length(sizes) => sizes.has(text.chars().count() as u64),
            Self::Bytes(sizes) => sizes.has(text.len() as u64),
            Self::Matches(pattern) => pattern.is_match(text),
            Self::BeginsWith(part) => text.starts_with(&**part),
            Self::EndsWith(part) => text.ends_with(&**part),
            Self::Contains(part) => text.contains(&**part),
            Self::Lacks(part) => !text.contains(&**part),
            Self::In(texts) => texts.contains(text),
            Self::NotIn(texts) => !texts.contains(text),
            Self::Format(is) => is(text),
            Self::FormatUnlessEmpty(is) => text.is_empty() || is(text),
            Self::NotEmpty => !text.is_empty(),
        }
    }
}

impl BytesTest {
    pub(super) fn passes(&self, bytes: &[u8]) -> bool {
        match self {
            Self::Is(is) => *bytes == **is,
            Self::Length(sizes) => sizes.has(bytes.len() as u64),
            Self::Matches(pattern) => std::str::from_utf8(bytes).is_ok_and(|text| pattern.is_match(text)),
            Self::BeginsWith(part) => bytes.starts_with(part),
            Self::EndsWith(part) => bytes.ends_with(part),
            Self::Contains(part) => memchr::memmem::find(bytes, part).is_some(),
            Self::In(all) => all.contains(bytes),
            Self::NotIn(all) => !all.contains(bytes),
            Self::Sizes(sizes) => bytes.is_empty() || sizes.contains(&bytes.len()),
            Self::NotEmpty => !bytes.is_empty(),
        }
    }
}

/// What numbers of a kind can tell besides their order.
pub(super) trait Number: Copy + PartialOrd {
    fn is_finite(self) -> bool;

    /// How far it is from now, in nanoseconds: positive if it is to come.
    fn ahead_of_now(self) -> Self;

    fn magnitude(self) -> Self;

    fn zero() -> Self;
}

impl Number for i128 {
    fn is_finite(self) -> bool {
        true
    }

    fn ahead_of_now(self) -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self - now.as_nanos() as Self
    }

    fn magnitude(self) -> Self {
        self.abs()
    }

    fn zero() -> Self {
        0
    }
}

impl Number for f64 {
    fn is_finite(self) -> bool {
        Self::is_finite(self)
    }

    fn ahead_of_now(self) -> Self {
        Self::NAN
    }

    fn magnitude(self) -> Self {
        self.abs()
    }

    fn zero() -> Self {
        0.0
    }
}

impl<N: Number> NumberTest<N> {
    pub(super) fn passes(&self, number: N) -> bool {
        match self {
            Self::Is(is) => number == *is,
            Self::Within(low, high) => is_above(number, low) && is_below(number, high),
            Self::Outside(low, high) => is_above(number, low) || is_below(number, high),
            Self::In(all) => all.contains(&number),
            Self::NotIn(all) => !all.contains(&number),
            Self::Finite => number.is_finite(),
            Self::Past => number.ahead_of_now() < N::zero(),
            Self::Future => number.ahead_of_now() > N::zero(),
            Self::Near(most) => number.ahead_of_now().magnitude() <= *most,
        }
    }
}

fn is_above<N: PartialOrd>(number: N, low: &Bound<N>) -> bool {
    match low {
        Bound::Included(low) => number >= *low,
        Bound::Excluded(low) => number > *low,
        Bound::Unbounded => true,
    }
}

fn is_below<N: PartialOrd>(number: N, high: &Bound<N>) -> bool {
    match high {
        Bound::Included(high) => number <= *high,
        Bound::Excluded(high) => number < *high,
        Bound::Unbounded => true,
    }
}

impl fmt::Debug for TextTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TextTest")
    }
}

impl fmt::Debug for BytesTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BytesTest")
    }
}
