//! What a configuration has under its keys, as far as reading a policy needs it.
//!
//! Whoever implements these notes each problem with its place. `None` and empty values are therefore no news to anybody.

/// A map of keys.
pub trait Keys {
    /// What stands under a key.
    type Setting: Setting;

    /// The setting of this key, if the map has it.
    fn setting(&self, key: &str) -> Option<Self::Setting>;

    /// What `read` makes of the setting of this key; without such a key, nothing.
    fn read<T: Default>(&self, key: &str, read: impl FnOnce(&Self::Setting) -> T) -> T {
        self.setting(key).map(|setting| read(&setting)).unwrap_or_default()
    }
}

/// What stands under a key, or an item of a list under it.
pub trait Setting: Sized {
    /// A map as a setting.
    type Map: Keys<Setting = Self>;

    /// Whether it is a map.
    fn is_map(&self) -> bool;

    /// Whether it is one line of text.
    fn is_text(&self) -> bool;

    /// Text that `parse` takes; otherwise something else was `expected`.
    fn parsed<T>(&self, expected: &str, parse: impl Fn(&str) -> Result<T, String>) -> Option<T>;

    /// A map that has no other keys than these.
    fn map(&self, known: &[&str]) -> Option<Self::Map>;

    /// What stands under each key of a map whose keys are names.
    fn named(&self) -> Vec<(String, Self)>;

    /// One item without a list around it, or those of a list of at least one, as `read` gives them and none twice.
    fn list<T: PartialEq>(&self, what: &str, read: impl Fn(&Self) -> Option<T>) -> Vec<T>;

    /// The items of a list as `read` gives them, none twice.
    fn items<T: PartialEq>(&self, read: impl Fn(&Self) -> Option<T>) -> Vec<T>;

    /// Notes what is wrong with it.
    fn refuse(&self, problem: String);
}
