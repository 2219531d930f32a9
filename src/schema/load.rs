//! Loads descriptors from `.proto` files, folders and descriptor sets into one list.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use prost::Message as _;
use prost::bytes::Buf;
use prost::encoding::{WireType, decode_key, decode_varint};

use super::check::{self, Names, Violation};
use super::descriptor;
use super::features::Features;
use super::protos::{self, Comments, SourceUncompiled};
use super::resolver::MOST;
use super::roots::{self, FoundFile, Listing, Roots, or_here, relative};
use super::sources::{DescriptorSource, Imports};
use super::uncompiled::Uncompiled;
use super::unit::{self, Units};
use crate::format::problem::Problem;

/// The result of loading all sources.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    /// Each file once.
    pub(super) files: Vec<descriptor::File>,
    /// The source of each file, in the order of `files`.
    pub(super) origins: Vec<String>,
    /// The `.proto` files that were read.
    pub(super) read: Vec<PathBuf>,
    pub(super) uncompiled: Vec<Uncompiled>,
    pub(super) warnings: Vec<String>,
}

/// The files of all `sources`, or every problem found.
pub(super) fn files(sources: &[DescriptorSource], imports: &Imports) -> Result<Loaded, Vec<Problem>> {
    let mut joined = Joined::default();
    // Problems are reported in the order of the sources.
    let mut wrong: Vec<Vec<Problem>> = sources.iter().map(|_| Vec::new()).collect();
    let mut inputs: Vec<Input<'_>> =
        sources.iter().zip(&mut wrong).map(|(source, wrong)| Input::of(source, wrong)).collect();
    let no_folders: Vec<Problem> = imports.paths.iter().filter_map(|path| no_folder(path)).collect();
    let roots = roots(&mut inputs, imports);
    let protos::Compiled { files, uncompiled, read, warnings } = compiled(&inputs, &roots, imports, Comments::Dropped);
    let mut files = files.into_iter().peekable();
    for (source, input) in inputs.iter().enumerate() {
        if let Input::Set { name, set, kind } = input {
            joined.add(name, set, *kind, &mut wrong[source]);
        }
        while let Some(compiled) = files.next_if(|file| file.source <= source) {
            let place = compiled.place.clone();
            if let Some(file) = compiled.read() {
                joined.add_compiled(&place, file, &mut wrong[source]);
            }
        }
    }
    let mut failed = joined.finish();
    failed.extend(no_folders);
    let is_wrong = !failed.is_empty() || wrong.iter().any(|wrong| !wrong.is_empty());
    let is_needed = |uncompiled: &SourceUncompiled| uncompiled.is_named || uncompiled.rpcs.is_none();
    if is_wrong || uncompiled.iter().any(is_needed) {
        for uncompiled in uncompiled {
            let has_rpcs = uncompiled.rpcs.as_ref().is_none_or(|rpcs| !rpcs.is_empty());
            if is_wrong || uncompiled.is_named || has_rpcs {
                wrong[uncompiled.source].extend(uncompiled.problems);
            }
        }
        let mut problems: Vec<Problem> = Vec::new();
        for problem in wrong.into_iter().flatten().chain(failed) {
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        }
        return Err(problems);
    }
    let spare = |SourceUncompiled { problems, rpcs, .. }| Uncompiled { problems, rpcs: rpcs.unwrap_or_default() };
    let uncompiled = uncompiled.into_iter().map(spare).collect();
    let origins = joined.read.iter().map(|file| joined.known[&file.name].origin.clone()).collect();
    Ok(Loaded { files: joined.read, origins, read, uncompiled, warnings })
}

/// Compiles the `.proto` files of all sources.
fn compiled(inputs: &[Input<'_>], roots: &Roots, imports: &Imports, comments: Comments) -> protos::Compiled {
    let mut units = Units::default();
    for (source, input) in inputs.iter().enumerate() {
        input.add_to(&mut units, source);
    }
    units.follow(roots, imports.skips_missing_options);
    protos::compile(units, MOST, comments)
}

/// The encoded files of all `sources`, with comments where the sources have them. Files with problems are left out;
/// [`files`] reports those.
pub(super) fn encoded(sources: &[DescriptorSource], imports: &Imports) -> Vec<Vec<u8>> {
    let mut inputs: Vec<Input<'_>> = sources.iter().map(|source| Input::of(source, &mut Vec::new())).collect();
    let roots = roots(&mut inputs, imports);
    let compiled = compiled(&inputs, &roots, imports, Comments::Kept).files.into_iter().map(|file| file.encoded);
    let sets = inputs.iter().filter_map(|input| match input {
        Input::Set { set, .. } => files_of(set),
        Input::Folder { .. } | Input::File { .. } | Input::Nothing => None,
    });
    compiled.chain(sets.flatten().map(<[u8]>::to_vec)).collect()
}

/// A built-in file of google/protobuf, google/api or google/rpc, encoded and preceded by the files it imports.
#[must_use]
pub fn bundled(name: &str) -> Option<Vec<Vec<u8>>> {
    protos::encoded(&unit::built_in(name)?)
}

/// The content of a source.
enum Input<'a> {
    Folder {
        path: PathBuf,
        listing: Listing,
    },
    File {
        path: PathBuf,
        /// The folder that its imports are relative to.
        root: PathBuf,
    },
    Set {
        name: String,
        set: Cow<'a, [u8]>,
        kind: Provenance,
    },
    /// The source cannot be used; the problem has been reported.
    Nothing,
}

impl<'a> Input<'a> {
    fn of(source: &'a DescriptorSource, wrong: &mut Vec<Problem>) -> Self {
        let path = match source {
            DescriptorSource::Set { name, set } => {
                return Self::Set { name: name.clone(), set: Cow::Borrowed(set), kind: Provenance::Set };
            }
            DescriptorSource::Reflection { name, set } => {
                return Self::Set { name: name.clone(), set: Cow::Borrowed(set), kind: Provenance::Reflection };
            }
            DescriptorSource::Path(path) => path,
        };
        let mut nothing = |message: String| {
            wrong.push(Problem::at(path.display(), message));
            Self::Nothing
        };
        let io = |error: std::io::Error| error.to_string();
        match fs::metadata(path).map_err(io) {
            Err(message) => nothing(message),
            Ok(metadata) if metadata.is_dir() => match Listing::of(path).map_err(io) {
                Ok(listing) if listing.files.is_empty() => {
                    nothing("expected .proto files in this folder, found none".to_owned())
                }
                Ok(listing) => Self::Folder { path: path.clone(), listing },
                Err(message) => nothing(message),
            },
            Ok(_) if roots::is_proto(path) => Self::File { path: path.clone(), root: PathBuf::new() },
            Ok(_) => match fs::read(path).map_err(io) {
                Ok(set) => Self::Set { name: path.display().to_string(), set: Cow::Owned(set), kind: Provenance::Set },
                Err(message) => nothing(message),
            },
        }
    }

    fn add_to(&self, units: &mut Units, source: usize) {
        match self {
            Self::Folder { path, listing } => {
                for file in &listing.files {
                    units.add(&FoundFile { root: or_here(path), path: file.clone() }, source, false);
                }
            }
            Self::File { path, root } => {
                units.add(&FoundFile { root: root.clone(), path: path.clone() }, source, true);
            }
            Self::Set { .. } | Self::Nothing => {}
        }
    }
}

/// The import roots: first the configured ones, then the folders, then the roots of single files, which are determined
/// here.
fn roots(inputs: &mut [Input<'_>], imports: &Imports) -> Roots {
    let mut roots = Roots::default();
    for path in &imports.paths {
        roots.add(path, Vec::new());
    }
    for input in &*inputs {
        match input {
            Input::Folder { path, listing } => roots.add(path, listing.vendored.clone()),
            Input::File { path, .. } => roots.add_file(path),
            Input::Set { .. } | Input::Nothing => {}
        }
    }
    for input in &mut *inputs {
        if let Input::File { path, root } = input {
            *root = root_of(path, &roots, imports);
        }
    }
    for input in inputs {
        if let Input::File { path, root } = input {
            roots.add(root, roots::vendored_in(root));
            roots.add(path.parent().unwrap_or(Path::new("")), Vec::new());
        }
    }
    roots
}

fn no_folder(path: &Path) -> Option<Problem> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => None,
        Ok(_) => Some(Problem::at(path.display(), "expected a folder to search for imports, found a file")),
        Err(error) => Some(Problem::at(path.display(), error)),
    }
}

/// The folder that the imports of a single file are relative to. It is a configured import root that contains the file,
/// if there is one. Otherwise it is the nearest parent folder from which the fewest imports are missing.
fn root_of(path: &Path, roots: &Roots, imports: &Imports) -> PathBuf {
    let named = imports.paths.iter().find(|root| relative(root, path).is_some());
    if let Some(root) = named {
        return root.clone();
    }
    let mut best: Option<(usize, PathBuf)> = None;
    for above in path.ancestors().skip(1) {
        let root = or_here(above);
        let missing = Units::missing(path, &root, roots, imports.skips_missing_options);
        if best.as_ref().is_none_or(|(fewest, _)| missing < *fewest) {
            best = Some((missing, root));
        }
        if missing == 0 {
            break;
        }
    }
    best.map_or_else(|| PathBuf::from("."), |(_, root)| root)
}

/// Turns the violations in a file from `origin` into problems.
fn told(origin: &str, file: &descriptor::File, violations: Vec<Violation>) -> Vec<Problem> {
    let problem =
        |Violation { declaration, message }| Problem::at(origin, format!("{}: {declaration}: {message}", file.name));
    violations.into_iter().map(problem).collect()
}

#[derive(Default)]
struct Joined {
    read: Vec<descriptor::File>,
    /// By file name.
    known: HashMap<String, KnownFile>,
    /// The file that declares each full name.
    symbols: HashMap<String, String>,
}

struct KnownFile {
    origin: String,
    /// Index in `read`.
    place: usize,
    kind: Provenance,
}

/// How a file was obtained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Provenance {
    /// From a compiler, which has checked it; it is not checked again.
    Compiled,
    Set,
    Reflection,
}

impl Joined {
    fn add(&mut self, origin: &str, set: &[u8], kind: Provenance, wrong: &mut Vec<Problem>) {
        match files_of(set) {
            Some(files) if !files.is_empty() => {
                for bytes in files {
                    match descriptor::File::decode(bytes) {
                        Ok(file) => self.add_file(origin, file, kind, wrong),
                        Err(_) => wrong.push(Problem::at(origin, "contains an entry that is not a file descriptor")),
                    }
                }
            }
            _ => wrong.push(Problem::at(
                origin,
                "expected a .proto file, a folder of them or an encoded google.protobuf.FileDescriptorSet \
                 (protoc --include_imports --descriptor_set_out), found something else",
            )),
        }
    }

    fn add_compiled(&mut self, place: &str, file: descriptor::File, wrong: &mut Vec<Problem>) {
        self.add_file(place, file, Provenance::Compiled, wrong);
    }

    fn add_file(&mut self, origin: &str, file: descriptor::File, kind: Provenance, wrong: &mut Vec<Problem>) {
        let name = file.name.clone();
        if Features::of_file(&file).is_none() {
            let found = if file.edition == 0 { file.syntax.clone() } else { format!("edition {}", file.edition) };
            let message = format!("{name}: expected syntax proto2 or proto3, or edition 2023 or 2024, found {found}");
            return wrong.push(Problem::at(origin, message));
        }
        match self.known.get(&name) {
            // These files exist in many versions that differ only in comments and options.
            Some(_) if name.starts_with("google/") => {}
            Some(known) if self.read[known.place] == file => {}
            Some(known) => {
                let message = format!("{name} is also in {} with different content; keep one of the two", known.origin);
                wrong.push(Problem::at(origin, message));
            }
            None => {
                let elsewhere = self.declared_elsewhere(origin, &file);
                // That is reported already; no further checks are needed.
                let kind = if elsewhere.is_some() { Provenance::Compiled } else { kind };
                wrong.extend(elsewhere.map(|message| Problem::at(origin, message)));
                self.known.insert(name, KnownFile { origin: origin.to_owned(), place: self.read.len(), kind });
                self.read.push(file);
            }
        }
    }

    /// The problem if another source declares the same name in a different file. Duplicates within one source are found
    /// by `check`.
    fn declared_elsewhere(&mut self, origin: &str, file: &descriptor::File) -> Option<String> {
        let mut twice = Vec::new();
        for symbol in file.symbols() {
            match self.symbols.get(&symbol) {
                Some(first) if self.known.get(first).is_some_and(|known| known.origin != origin) => twice.push(symbol),
                Some(_) => {}
                None => drop(self.symbols.insert(symbol, file.name.clone())),
            }
        }
        let (first, others) = (twice.first()?, twice.len() - 1);
        let elsewhere = &self.symbols[first];
        Some(protos::declared_twice(&file.name, first, others, elsewhere, &self.known[elsewhere].origin))
    }

    /// Checks what no compiler has checked. This runs when all files are loaded, because a set may list them in any
    /// order.
    fn finish(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let unchecked = || {
            let known = self.read.iter().map(|file| (file, &self.known[&file.name]));
            known.filter(|(_, known)| known.kind != Provenance::Compiled)
        };
        for (file, KnownFile { origin, .. }) in unchecked() {
            if let Some(import) = file.dependency.iter().find(|import| !self.known.contains_key(*import)) {
                let advice = "create the descriptor set with `--include_imports`";
                let message = format!("{} imports {import}, which is missing; {advice}", file.name);
                problems.push(Problem::at(origin, message));
            }
        }
        // If a file is missing, so are the names that it declares; only the missing file is reported.
        let names = problems.is_empty().then(|| Names::of(&self.read));
        let mut placeholders = HashSet::new();
        for (file, KnownFile { origin, .. }) in unchecked() {
            let faults = check::violations(file, names.as_ref());
            match self.placeholder(file).filter(|_| !faults.is_empty()) {
                // Many files may import it; only the first one is reported.
                Some(import) if !placeholders.insert(import) => {}
                Some(import) => problems.push(Problem::at(
                    origin,
                    format!(
                        "{} imports {import}, of which the server has no more than the name: link the code of that file into \
                         the server, or name .proto files or a descriptor set in `schema` in place of reflection",
                        file.name
                    ),
                )),
                None => problems.extend(told(origin, file, faults)),
            }
        }
        problems
    }

    /// An imported file of which a reflection server sent only the name, because the server does not have it.
    fn placeholder<'a>(&self, file: &'a descriptor::File) -> Option<&'a String> {
        file.dependency.iter().find(|import| {
            let known = self.known.get(*import).filter(|known| known.kind == Provenance::Reflection);
            known.is_some_and(|known| self.read[known.place].is_placeholder())
        })
    }
}

/// The encoded files of a descriptor set: field 1, `repeated FileDescriptorProto file`.
fn files_of(mut set: &[u8]) -> Option<Vec<&[u8]>> {
    let mut files = Vec::new();
    while set.has_remaining() {
        let (number, wire_type) = decode_key(&mut set).ok()?;
        if (number, wire_type) != (1, WireType::LengthDelimited) {
            return None;
        }
        let length = usize::try_from(decode_varint(&mut set).ok()?).ok()?;
        let (file, rest) = set.split_at_checked(length)?;
        files.push(file);
        set = rest;
    }
    Some(files)
}
