//! What the keys mean, and their defaults: the tables of `docs/configuration.md`.

use std::collections::BTreeMap;

use super::probe::Step;

const PAGE: &str = include_str!("../../../docs/configuration.md");

/// What the page says of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) meaning: String,
    /// Empty if it has none.
    pub(super) default: String,
    pub(super) range: String,
}

/// The tables by the full names of keys.
pub(super) struct Manual(BTreeMap<String, Entry>);

impl Manual {
    pub(super) fn read() -> Self {
        let mut entries = BTreeMap::new();
        for line in PAGE.lines().filter(|line| line.starts_with("| `")) {
            let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
            let [names, meaning, default, range] = cells[..] else { continue };
            for name in names.split('`').skip(1).step_by(2) {
                let entry = Entry { meaning: plain(meaning), default: plain(default), range: plain(range) };
                entries.insert(name.to_owned(), entry);
            }
        }
        Self(entries)
    }

    /// What it says of the key at a place, or of the one that this is short for.
    pub(super) fn of(&self, path: &[Step]) -> Option<&Entry> {
        let name = name(path);
        let shared = [
            ("upstreams.NAME.", "upstream."),
            ("traces.collector.", "upstream."),
            ("rpcs.NAME.json.", "json."),
            ("rpcs.NAME.errors.", "errors."),
            ("rpcs.NAME.require.", "callers.require."),
        ];
        let shared = shared.iter().find_map(|(long, short)| Some(format!("{short}{}", name.strip_prefix(long)?)));
        let outcome = name.rsplit_once('.').map(|(above, _)| format!("{above}.OUTCOME"));
        self.0.get(&name).or_else(|| self.0.get(&shared?)).or_else(|| self.0.get(&outcome?))
    }
}

/// The full name of a key: `upstreams.NAME.address`.
pub(super) fn name(path: &[Step]) -> String {
    let part = |step: &Step| match step {
        Step::Key(key) => Some(key.clone()),
        Step::Name => Some("NAME".to_owned()),
        Step::Item => None,
    };
    path.iter().filter_map(part).collect::<Vec<_>>().join(".")
}

/// A text without the targets of its links.
fn plain(text: &str) -> String {
    let mut parts = text.split("](");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        if let Some(at) = plain.rfind('[') {
            plain.remove(at);
        }
        plain.push_str(part.split_once(')').map_or("", |(_, rest)| rest));
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_links_are_reduced_to_their_text() {
        for (text, expected) in [
            ("see [draining](draining.md)", "see draining"),
            ("an `Any`, [a list](a.md#b), or [this](c.md).", "an `Any`, a list, or this."),
            ("none: `[]` rejects", "none: `[]` rejects"),
        ] {
            assert_eq!(plain(text), expected);
        }
    }

    #[test]
    fn a_key_has_the_documented_default_of_itself_or_of_the_key_it_overrides() {
        let manual = Manual::read();
        let key = |key: &str| Step::Key(key.to_owned());
        let default = |path: &[Step]| manual.of(path).map(|entry| entry.default.as_str());
        assert_eq!(default(&[key("requests"), key("body_limit")]), Some("`1MiB`"));
        assert_eq!(default(&[key("upstreams"), Step::Name, key("deadline")]), Some("`25s`"));
        assert_eq!(default(&[key("rpcs"), Step::Name, key("json"), key("int64")]), Some("`string`"));
        assert_eq!(default(&[key("log"), key("access"), key("sample"), key("failed")]), Some("`100%`"));
        assert_eq!(default(&[key("nothing")]), None);
    }
}
