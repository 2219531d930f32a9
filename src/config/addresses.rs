//! `listen.addresses`: which addresses may call.

use std::path::{Path, PathBuf};

use super::file::read_text;
use super::input::Input;
use super::reader::{Problems, Section, Value};
use super::yaml::Spot;
use crate::caller::addresses::{AddressRules, AddressTable};
use crate::caller::forwarded::{Network, NetworkError};

const KEYS: &[&str] = &["allow", "allow_files", "deny", "deny_files"];
/// How many wrong lines of one file are listed.
const MOST_PROBLEMS: usize = 20;

/// The rules of the lists, and the files that the lists were read from.
pub(super) struct AddressLists {
    pub(super) rules: AddressRules,
    pub(super) files: Vec<PathBuf>,
}

impl Input<'_> {
    /// `None` if all addresses may call.
    pub(super) fn addresses(&self) -> Option<AddressLists> {
        let listen = self.value("listen").filter(|value| value.is_map() && self.overrides.listen.is_none())?;
        let value = listen.get("addresses")?;
        let section = value.section(KEYS).ok()?;
        let mut files = Vec::new();
        let (allowed, denied) = (
            self.list(section, "allow", "allow_files", &mut files),
            self.list(section, "deny", "deny_files", &mut files),
        );
        if allowed.is_none() && denied.is_none() {
            value.wrong("nothing is listed: set `allow`, `allow_files`, `deny` or `deny_files`");
        }
        Some(AddressLists { rules: AddressRules { allowed, denied: denied.unwrap_or_default() }, files })
    }

    /// The blocks of one list, inline and of its files; `None` if it is not configured.
    fn list(&self, section: Section, inline: &str, from: &str, files: &mut Vec<PathBuf>) -> Option<AddressTable> {
        let (inline, from) = (section.value(inline), section.value(from));
        if inline.is_none() && from.is_none() {
            return None;
        }
        let block = |item: Value| item.parsed("an address", block);
        let mut blocks = inline.map_or_else(Vec::new, |value| value.one_or_more("an address", block));
        let paths = from.map_or_else(Vec::new, |value| value.one_or_more("a path", |item| item.path(self.folder)));
        for path in paths {
            blocks.extend(self.blocks_of(&path));
            files.push(path);
        }
        Some(blocks.into_iter().collect())
    }

    /// The blocks of a file: one a line, with comments behind `#` or `;`.
    fn blocks_of(&self, path: &Path) -> Vec<Network> {
        let problems = Problems::new(Some(path));
        let mut blocks = Vec::new();
        let mut wrong = 0;
        if let Ok(text) = read_text(path, &problems) {
            for (number, line) in (1_u64..).zip(text.lines()) {
                let written = line.split(['#', ';']).next().unwrap_or_default();
                let column = written.chars().take_while(|letter| letter.is_whitespace()).count() as u64 + 1;
                match written.trim() {
                    "" => {}
                    written => match block(written) {
                        Ok(block) => blocks.push(block),
                        Err(message) => {
                            wrong += 1;
                            if wrong <= MOST_PROBLEMS {
                                problems.at(Spot { line: number, column }, message);
                            }
                        }
                    },
                }
            }
        }
        if wrong > MOST_PROBLEMS {
            problems.file(format!("{} more lines are wrong", wrong - MOST_PROBLEMS));
        }
        self.problems.add(problems);
        blocks
    }
}

fn block(text: &str) -> Result<Network, String> {
    text.parse().map_err(|error: NetworkError| match error {
        NetworkError::Everybody(found) => {
            format!("`{found}` has every address, so the list has no effect or nobody may call; list smaller blocks")
        }
        error => error.to_string(),
    })
}
