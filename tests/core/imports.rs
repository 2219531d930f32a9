//! Which file imports which: no circles, and a folder's first file is its map.
//!
//! An import is a `use` or a path that begins with `crate`, `self` or `super`, read to the deepest file that it names. Modules of tests
//! do not count, and neither do the `mod` lines of a folder's first file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::layers::walk;

/// The files of `src/` by module path, each with its product code.
struct Sources(BTreeMap<String, String>);

impl Sources {
    fn read() -> Self {
        let mut files = BTreeMap::new();
        walk(Path::new("src"), &mut |path, text| {
            let module = path.strip_prefix("src").unwrap().with_extension("").to_str().unwrap().replace('/', "::");
            let module = module.strip_suffix("::mod").unwrap_or(&module).to_owned();
            let is_test = module.split("::").any(|part| part == "tests");
            if !is_test && !["lib", "main"].contains(&module.as_str()) {
                files.insert(module, product(text));
            }
        });
        Self(files)
    }

    /// The modules that a file imports, itself left out.
    fn imports(&self, module: &str) -> BTreeSet<&str> {
        let text = &self.0[module];
        let (uses, rest): (Vec<&str>, Vec<&str>) = text.split_inclusive(';').partition(|part| is_use(part));
        let mut paths: Vec<String> = uses.iter().flat_map(|part| expanded(&part[use_at(part)..])).collect();
        paths.extend(rest.iter().flat_map(|part| inline_paths(part)));
        let found = paths.iter().filter_map(|path| self.resolved(module, path));
        found.filter(|found| *found != module).collect()
    }

    /// The deepest file that a path names.
    fn resolved(&self, from: &str, path: &str) -> Option<&str> {
        let mut words: Vec<&str> = path.split("::").map(str::trim).collect();
        let mut base: Vec<&str> = from.split("::").collect();
        match words.first().copied()? {
            "crate" => {
                base.clear();
                words.remove(0);
            }
            "super" => {
                while words.first() == Some(&"super") {
                    base.pop();
                    words.remove(0);
                }
            }
            "self" => drop(words.remove(0)),
            // A module of this one, in its `pub use`.
            _ => {}
        }
        base.extend(words);
        (1..=base.len()).rev().find_map(|length| {
            let (module, _) = self.0.get_key_value(&base[..length].join("::"))?;
            Some(module.as_str())
        })
    }

    fn graph(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        self.0.keys().map(|module| (module.as_str(), self.imports(module))).collect()
    }
}

/// A file without comments and without its tests.
fn product(text: &str) -> String {
    let lines = text.lines().take_while(|line| *line != "mod tests {");
    let code = lines.map(|line| line.split("//").next().unwrap_or_default());
    code.collect::<Vec<_>>().join("\n")
}

fn use_at(part: &str) -> usize {
    part.rmatch_indices("use ").map(|(at, _)| at).find(|at| part[..*at].ends_with(['\n', ' ', ')'])).unwrap_or(0)
}

/// Whether what stands before a semicolon ends in a `use`.
fn is_use(part: &str) -> bool {
    let last_item = part.trim_end_matches(';').rsplit_once("\n\n").map_or(part, |(_, last)| last);
    last_item.lines().any(|line| {
        let line = line.trim_start();
        let line = line.strip_prefix("pub").map_or(line, |rest| rest.split_once(") ").map_or(rest, |(_, rest)| rest));
        line.trim_start().starts_with("use ")
    })
}

/// `use a::{b, c::{d, e}};` as `a::b`, `a::c::d`, `a::c::e`.
fn expanded(statement: &str) -> Vec<String> {
    fn add(prefix: &str, tree: &str, paths: &mut Vec<String>) {
        let Some((head, list)) = tree.split_once('{') else {
            let path = tree.split(" as ").next().unwrap_or_default().trim();
            paths.push(format!("{prefix}{path}"));
            return;
        };
        let list = &list[..list.rfind('}').unwrap_or(list.len())];
        let (mut depth, mut start) = (0, 0);
        for (at, byte) in list.bytes().enumerate().chain([(list.len(), b',')]) {
            match byte {
                b'{' => depth += 1,
                b'}' => depth -= 1,
                b',' if depth == 0 => {
                    if !list[start..at].trim().is_empty() {
                        add(&format!("{prefix}{}", head.trim()), list[start..at].trim(), paths);
                    }
                    start = at + 1;
                }
                _ => {}
            }
        }
    }
    let mut paths = Vec::new();
    add("", statement.trim().trim_start_matches("use ").trim_end_matches(';'), &mut paths);
    paths
}

/// The paths in code that begin with `crate` or `super`.
fn inline_paths(code: &str) -> Vec<String> {
    let is_word = |c: char| c == '_' || c == ':' || c.is_alphanumeric();
    let words = code.split(|c: char| !is_word(c));
    words.filter(|word| word.starts_with("crate::") || word.starts_with("super::")).map(str::to_owned).collect()
}

/// The groups of modules that reach each other.
fn circles<'a>(graph: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> Vec<Vec<&'a str>> {
    let reached = |from: &'a str| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
        while let Some(module) = open.pop() {
            open.extend(graph.get(module).into_iter().flatten().filter(|next| seen.insert(**next)));
        }
        seen
    };
    let reach: BTreeMap<&str, BTreeSet<&str>> = graph.keys().map(|module| (*module, reached(module))).collect();
    let mut circles: BTreeSet<Vec<&str>> = BTreeSet::new();
    for (module, seen) in &reach {
        if seen.contains(module) {
            circles.insert(
                reach.keys().copied().filter(|other| seen.contains(other) && reach[other].contains(module)).collect(),
            );
        }
    }
    circles.into_iter().collect()
}

#[test]
fn modules_have_no_circular_imports() {
    let sources = Sources::read();
    let circles = circles(&sources.graph());
    let lines: Vec<String> = circles.iter().map(|circle| circle.join(", ")).collect();
    assert!(lines.is_empty(), "these import each other:\n{}", lines.join("\n"));
}

/// Documentation, `mod` and `pub use`: whoever opens a folder reads its map first.
#[test]
fn every_mod_rs_holds_only_documentation_modules_and_reexports() {
    let mut wrong = Vec::new();
    walk(Path::new("src"), &mut |path, text| {
        if !path.ends_with("mod.rs") || path.iter().any(|part| part == "tests") {
            return;
        }
        let statements = product(text).replace("#[cfg(test)]", "").replace("#[cfg(feature = \"demo\")]", "");
        for statement in statements.split(';').map(str::trim).filter(|statement| !statement.is_empty()) {
            let item = statement
                .strip_prefix("pub")
                .map_or(statement, |rest| rest.split_once(") ").map_or(rest, |(_, rest)| rest));
            let is_map = item.trim_start().starts_with("mod ")
                || statement.starts_with("pub") && item.trim_start().starts_with("use ");
            if !is_map && !statement.starts_with("#![") {
                wrong.push(format!("{}: {}", path.display(), statement.lines().next().unwrap_or_default()));
                break;
            }
        }
    });
    assert!(wrong.is_empty(), "a mod.rs holds documentation, `mod` and `pub use`:\n{}", wrong.join("\n"));
}

#[test]
fn imports_are_read_as_the_compiler_reads_them() {
    let files = [
        ("a", "pub use b::B;\nuse crate::{c, d::e::{F, G as H}};"),
        ("a::b", "use super::super::c::C;\nfn f() { crate::d::g(); }"),
    ];
    let files = files.into_iter().chain([("c", "mod tests {"), ("d", ""), ("d::e", "use super::Up;")]);
    let sources = Sources(files.map(|(module, text)| (module.to_owned(), product(text))).collect());
    let imports = |module| sources.imports(module).into_iter().collect::<Vec<_>>().join(" ");
    for (module, expected) in [("a", "a::b c d::e"), ("a::b", "c d"), ("c", ""), ("d", ""), ("d::e", "d")] {
        assert_eq!(imports(module), expected, "{module}");
    }
    assert_eq!(circles(&sources.graph()), Vec::<Vec<&str>>::new());
    let round: BTreeMap<&str, BTreeSet<&str>> = [("a", ["b"].into()), ("b", ["a"].into()), ("c", ["a"].into())].into();
    assert_eq!(circles(&round), [["a", "b"]]);
}

/// The rows stand once, in the test of the rows; the documentation of the crate shows the same.
#[test]
fn the_documentation_of_the_crate_shows_the_rows_of_modules() {
    let lib = fs::read_to_string("src/lib.rs").unwrap();
    let picture = lib.split("//! ```text\n").nth(1).and_then(|text| text.split("//! ```").next()).unwrap();
    let shown: Vec<Vec<&str>> = picture
        .lines()
        .map(|line| {
            line.trim_start_matches("//! ").split("   ").next().unwrap_or_default().split_whitespace().collect()
        })
        .collect();
    assert_eq!(shown, crate::layers::ROWS);
}
