//! What reading a policy needs of a configuration file.
//!
//! Implementations report each problem together with its place. `None` and empty values therefore need no further
//! report.

/// A map of keys.
pub trait Keys {
    /// The value of a key.
    type Setting: Setting;

    /// The value of this key, if the map has it.
    fn setting(&self, key: &str) -> Option<Self::Setting>;

    /// Applies `read` to the value of this key; without the key, returns the default.
    fn read<T: Default>(&self, key: &str, read: impl FnOnce(&Self::Setting) -> T) -> T {
        self.setting(key).map(|setting| read(&setting)).unwrap_or_default()
    }
}

/// The value of a key, or an item of a list.
pub trait Setting: Sized {
    /// The map that [`map`](Self::map) gives.
    type Map: Keys<Setting = Self>;

    /// Whether the value is a map.
    fn is_map(&self) -> bool;

    /// Whether the value is one line of text.
    fn is_text(&self) -> bool;

    /// Parses text with `parse`. A value that is not text is reported; `expected` says what it should be.
    fn parsed<T>(&self, expected: &str, parse: impl Fn(&str) -> Result<T, String>) -> Option<T>;

    /// The value as a map. Keys other than `known` are reported.
    fn map(&self, known: &[&str]) -> Option<Self::Map>;

    /// The entries of a map whose keys are names.
    fn named(&self) -> Vec<(String, Self)>;

    /// Reads a list of at least one item; a single item may stand without a list around it. Duplicates are reported.
    fn list<T: PartialEq>(&self, what: &str, read: impl Fn(&Self) -> Option<T>) -> Vec<T>;

    /// Reads the items of a list. Duplicates are reported.
    fn items<T: PartialEq>(&self, read: impl Fn(&Self) -> Option<T>) -> Vec<T>;

    /// Reports a problem with this value.
    fn refuse(&self, problem: String);
}
