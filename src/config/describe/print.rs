//! The configuration in effect as people write it: what the file says, and the defaults of all that it does not say.

use std::fmt::Write as _;

use super::manual::{Manual, name};
use super::probe::{self, Found, Step};
use crate::config::compatibility::PresetKey;
use crate::config::settings::Config;

/// The configuration as YAML, without secrets: the keys of the file and of `compatibility`, and each other key as a comment with its
/// default.
#[must_use]
pub fn effective(config: &Config) -> String {
    let mut text = config.shown.clone();
    if let Some((preset, keys)) = &config.compatibility {
        let _ = writeln!(text, "\n# By `compatibility: {}`, as the file does not set them:", preset.name());
        for PresetKey { key, value, .. } in keys.iter().filter(|key| key.file.is_none()) {
            let _ = writeln!(text, "#   {key}: {value}");
        }
    }
    text.push_str("\n# Not set, with their defaults:\n");
    let set = keys_of(&config.shown);
    defaults(&probe::file(), &mut Vec::new(), &Manual::read(), &set, &mut text);
    text
}

/// The full names of the keys of YAML as it is shown: two spaces for each level.
fn keys_of(shown: &str) -> Vec<String> {
    let (mut above, mut keys): (Vec<&str>, Vec<String>) = (Vec::new(), Vec::new());
    for line in shown.lines() {
        let depth = line.chars().take_while(|c| *c == ' ').count() / 2;
        let Some((key, _)) = line.trim_start().split_once(':').filter(|(key, _)| !key.starts_with(['-', '#'])) else {
            continue;
        };
        above.truncate(depth);
        above.push(key);
        keys.push(above.join("."));
    }
    keys
}

fn defaults(found: &Found, path: &mut Vec<Step>, manual: &Manual, set: &[String], text: &mut String) {
    for (key, below) in &found.keys {
        path.push(Step::Key(key.clone()));
        let name = name(path);
        let default = manual.of(path).map(|entry| entry.default.as_str()).unwrap_or_default();
        let is_set = set.contains(&name);
        if !is_set && !default.is_empty() && default != "required" {
            let _ = writeln!(text, "#   {name}: {default}");
        }
        // What a map that is not there would have is the default of the map.
        if is_set || path.len() == 1 {
            defaults(below, path, manual, set, text);
        }
        path.pop();
    }
}
