//! The `.proto` files of all sources and of their imports: each file once, even if several names lead to it.
//!
//! Takes sources and import roots and returns [`Units`]: each file with the name that it is compiled under and its
//! resolved imports. Nothing is compiled here.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use prost_types::FileDescriptorProto;
use protox::file::{FileResolver as _, GoogleFileResolver};

use super::option_imports;
use super::proto_text::{NotText, Text};
use super::roots::{FoundFile, Roots, relative};

/// Files that every annotated API imports, but that not every folder contains.
const BUNDLED: [(&str, &str); 6] = [
    ("google/api/annotations.proto", include_str!("../../proto/google/api/annotations.proto")),
    ("google/api/http.proto", include_str!("../../proto/google/api/http.proto")),
    ("google/api/httpbody.proto", include_str!("../../proto/google/api/httpbody.proto")),
    ("google/rpc/code.proto", include_str!("../../proto/google/rpc/code.proto")),
    ("google/rpc/error_details.proto", include_str!("../../proto/google/rpc/error_details.proto")),
    ("google/rpc/status.proto", include_str!("../../proto/google/rpc/status.proto")),
];

#[derive(Debug)]
pub(super) struct Unit {
    /// The name that the file is compiled under.
    pub(super) name: String,
    /// The import root under which it was found, for error texts.
    pub(super) place: String,
    /// Path of the file; `None` for a built-in file.
    pub(super) path: Option<PathBuf>,
    pub(super) content: UnitContent,
    pub(super) links: Vec<Link>,
    /// Index of the source it belongs to.
    pub(super) source: usize,
    /// Whether the source names exactly this file.
    pub(super) is_named: bool,
    /// The file that this one is a copy of.
    pub(super) same_as: Option<usize>,
    root: PathBuf,
    /// The names under which it is imported, each with its root.
    imported_as: BTreeMap<String, PathBuf>,
}

#[derive(Debug)]
pub(super) enum UnitContent {
    Text(Text),
    Descriptor(Box<FileDescriptorProto>),
    /// The file cannot be read, or is not text.
    Fault(NotText),
}

/// A resolved import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Link {
    /// The import is the file with this index.
    To(usize),
    /// The file is missing; it is left out together with its options.
    Skipped,
    /// The import cannot be resolved; the text says why.
    Wrong(String),
}

/// All files; those of the sources come first, in order.
#[derive(Debug, Default)]
pub(super) struct Units {
    pub(super) units: Vec<Unit>,
    /// Missing files that are left out with their options, each with the first file that imports it.
    pub(super) skipped: Vec<(String, usize)>,
    by_path: HashMap<PathBuf, usize>,
    built_in: HashMap<String, usize>,
    /// The error texts for imports that are not found.
    nowhere: HashMap<String, String>,
}

impl Units {
    /// Adds a file of a source.
    pub(super) fn add(&mut self, found: &FoundFile, source: usize, is_named: bool) {
        let index = self.open(found, source);
        self.units[index].is_named |= is_named;
    }

    /// Adds the imports of all files, and their imports, until all are there.
    pub(super) fn follow(&mut self, roots: &Roots, skips_options: bool) {
        let mut next = 0;
        while next < self.units.len() {
            let imports: Vec<String> = self.imports(next);
            for import in imports {
                let link = self.link(next, &import, roots, skips_options);
                self.units[next].links.push(link);
            }
            next += 1;
        }
    }

    /// Gives every file one name: the name by which others import it, because they know its root best, or else its name
    /// under its own root. Copies are replaced by the file they copy. Returns each file whose name is taken, with the
    /// file that has the name.
    pub(super) fn name(&mut self) -> Vec<(usize, usize)> {
        for unit in &mut self.units {
            let shortest = unit.imported_as.iter().min_by_key(|(name, _)| (name.len(), (*name).clone()));
            if let Some((name, root)) = shortest.filter(|_| !unit.imported_as.contains_key(&unit.name)) {
                (unit.name, unit.place) = (name.clone(), root.display().to_string());
            }
        }
        let (mut names, mut texts) = (HashMap::<&str, usize>::new(), HashMap::<&str, usize>::new());
        let (mut copies, mut clashes) = (Vec::new(), Vec::new());
        for (index, unit) in self.units.iter().enumerate() {
            let text = match &unit.content {
                UnitContent::Text(text) if unit.path.is_some() => Some(text.text.as_str()),
                _ => None,
            };
            let copy = text.and_then(|text| texts.get(text)).copied();
            match (copy, names.get(unit.name.as_str()).copied()) {
                (Some(first), _) => copies.push((index, first)),
                // These files exist in many versions that differ only in comments and options.
                (None, Some(first)) if unit.name.starts_with("google/") => copies.push((index, first)),
                (None, Some(first)) => clashes.push((index, first)),
                (None, None) => {
                    texts.extend(text.map(|text| (text, index)));
                    names.insert(&unit.name, index);
                }
            }
        }
        for (index, first) in copies {
            self.units[index].same_as = Some(first);
            self.units[first].is_named |= self.units[index].is_named;
        }
        clashes
    }

    /// The file itself; for a copy, the file it copies.
    pub(super) fn original(&self, index: usize) -> usize {
        self.units[index].same_as.unwrap_or(index)
    }

    /// The resolved imports of a file.
    pub(super) fn linked(&self, index: usize) -> impl Iterator<Item = usize> {
        self.units[index].links.iter().filter_map(|link| match link {
            Link::To(to) => Some(self.original(*to)),
            Link::Skipped | Link::Wrong(_) => None,
        })
    }

    /// How many imports of a file, and of the files it imports, cannot be found if its root is `root`.
    pub(super) fn missing(path: &Path, root: &Path, roots: &Roots, skips_options: bool) -> usize {
        let mut units = Self::default();
        units.add(&FoundFile { root: root.to_owned(), path: path.to_owned() }, 0, true);
        units.follow(roots, skips_options);
        let links = units.units.iter().flat_map(|unit| &unit.links);
        links.filter(|link| matches!(link, Link::Wrong(_))).count()
    }

    fn open(&mut self, found: &FoundFile, source: usize) -> usize {
        let key = fs::canonicalize(&found.path).unwrap_or_else(|_| found.path.clone());
        if let Some(known) = self.by_path.get(&key) {
            return *known;
        }
        let content = match fs::read(&found.path) {
            Ok(bytes) => Text::read(&bytes).map_or_else(UnitContent::Fault, UnitContent::Text),
            Err(error) => UnitContent::Fault(NotText { at: None, message: error.to_string() }),
        };
        let name = relative(&found.root, &found.path).unwrap_or_else(|| found.path.display().to_string());
        self.by_path.insert(key, self.units.len());
        self.push(Unit {
            name,
            place: found.root.display().to_string(),
            path: Some(found.path.clone()),
            content,
            links: Vec::new(),
            source,
            is_named: false,
            same_as: None,
            root: found.root.clone(),
            imported_as: BTreeMap::new(),
        })
    }

    fn push(&mut self, unit: Unit) -> usize {
        self.units.push(unit);
        self.units.len() - 1
    }

    fn imports(&self, index: usize) -> Vec<String> {
        match &self.units[index].content {
            UnitContent::Text(text) => text.imports.iter().map(|import| import.name.clone()).collect(),
            UnitContent::Descriptor(file) => file.dependency.clone(),
            UnitContent::Fault(_) => Vec::new(),
        }
    }

    fn link(&mut self, from: usize, import: &str, roots: &Roots, skips_options: bool) -> Link {
        let unit = &self.units[from];
        let source = unit.source;
        if let Some(rest) = import.strip_prefix("./").filter(|rest| is_plain(rest)) {
            // Relative to the folder of the file, as protobuf.js reads it.
            let path = unit.path.as_ref().and_then(|path| path.parent()).map(|folder| folder.join(rest));
            return match path.filter(|path| path.is_file()) {
                Some(path) => Link::To(self.open(&FoundFile { root: unit.root.clone(), path }, source)),
                None => Link::Wrong(format!("import \"{import}\" was not found in the folder of the file")),
            };
        }
        if !is_plain(import) {
            return Link::Wrong(unplain(unit, import));
        }
        if let Some(found) = roots.find(&unit.root, import) {
            let to = self.open(&found, source);
            self.units[to].imported_as.insert(import.to_owned(), found.root);
            return Link::To(to);
        }
        if let Some(to) = self.built_in(import, source) {
            return Link::To(to);
        }
        if skips_options && option_imports::is_known(import) {
            if !self.skipped.iter().any(|(skipped, _)| skipped == import) {
                self.skipped.push((import.to_owned(), from));
            }
            return Link::Skipped;
        }
        let nowhere = self.nowhere.entry(import.to_owned()).or_insert_with(|| nowhere(import, roots));
        Link::Wrong(nowhere.clone())
    }

    /// The built-in file with this name.
    fn built_in(&mut self, name: &str, source: usize) -> Option<usize> {
        if let Some(known) = self.built_in.get(name) {
            return Some(*known);
        }
        let content = match BUNDLED.iter().find(|(bundled, _)| *bundled == name) {
            Some((_, text)) => Text::read(text.as_bytes()).map_or_else(UnitContent::Fault, UnitContent::Text),
            None => {
                let file = GoogleFileResolver::new().open_file(name).ok()?;
                UnitContent::Descriptor(Box::new(file.file_descriptor_proto().clone()))
            }
        };
        self.built_in.insert(name.to_owned(), self.units.len());
        Some(self.push(Unit {
            name: name.to_owned(),
            place: "built in".to_owned(),
            path: None,
            content,
            links: Vec::new(),
            source,
            is_named: false,
            same_as: None,
            root: PathBuf::from("built in"),
            imported_as: BTreeMap::new(),
        }))
    }
}

/// Whether protoc accepts this name of an import.
fn is_plain(import: &str) -> bool {
    !import.contains('\\') && import.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// The error text for an invalid name of an import, with a suggestion.
fn unplain(unit: &Unit, import: &str) -> String {
    let rule = format!("import \"{import}\" is not a path from an import root");
    let mut parts: Vec<&str> = unit.name.split('/').collect();
    parts.pop();
    for part in import.split(['/', '\\']) {
        match part {
            "" | "." => {}
            ".." if parts.pop().is_none() => {
                return format!(
                    "{rule}: \"..\" leads out of {}; make the folder above an import root with `-I`",
                    unit.place
                );
            }
            ".." => {}
            part => parts.push(part),
        }
    }
    let name = parts.join("/");
    if unit.root.join(&name).is_file() {
        format!("{rule}; write `import \"{name}\";`")
    } else {
        format!("{rule}; write it with single slashes and without \".\" or \"..\"")
    }
}

fn nowhere(import: &str, roots: &Roots) -> String {
    let searched = format!("import \"{import}\" was not found in the import roots ({})", roots.told());
    if let Some(FoundFile { root, path }) = roots.elsewhere(import) {
        let (root, path) = (root.display(), path.display());
        return format!("{searched}; it is at {path}: add `-I {root}`, or {root} to `schema.import_paths`");
    }
    if option_imports::is_known(import) {
        return format!(
            "{searched}; add its root with `-I` or `schema.import_paths`, or leave its options out with \
             `schema.skip_missing_option_imports: true`"
        );
    }
    format!("{searched}; add its root with `-I` or `schema.import_paths`")
}

/// A built-in file, such as google/protobuf/any.proto, and what it imports.
pub(super) fn built_in(name: &str) -> Option<Units> {
    let mut units = Units::default();
    units.built_in(name, 0)?;
    units.follow(&Roots::default(), false);
    Some(units)
}
