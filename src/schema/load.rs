//! Descriptors from `.proto` files, folders and descriptor sets, joined in one list.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use prost::Message as _;
use prost::bytes::Buf;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use prost_reflect::DescriptorPool;
use protox::Compiler;
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver, IncludeFileResolver};

use super::check::{self, Fault, Names};
use super::features::Features;
use super::{Source, descriptor, edition};
use crate::problem::Problem;

/// Files that every annotated API imports and not every folder has.
const BUNDLED: [(&str, &str); 6] = [
    ("google/api/annotations.proto", include_str!("../../proto/google/api/annotations.proto")),
    ("google/api/http.proto", include_str!("../../proto/google/api/http.proto")),
    ("google/api/httpbody.proto", include_str!("../../proto/google/api/httpbody.proto")),
    ("google/rpc/code.proto", include_str!("../../proto/google/rpc/code.proto")),
    ("google/rpc/error_details.proto", include_str!("../../proto/google/rpc/error_details.proto")),
    ("google/rpc/status.proto", include_str!("../../proto/google/rpc/status.proto")),
];

/// The files of all `sources`, each once, and the `.proto` files that were read for them; or everything wrong with them.
pub(super) fn files(sources: &[Source]) -> Result<(Vec<descriptor::File>, Vec<PathBuf>), Vec<Problem>> {
    let (mut joined, mut read) = (Joined::default(), Vec::new());
    for source in sources {
        match source {
            Source::Set { name, set } => joined.add(name, set),
            Source::Path(path) => match set_at(path) {
                Ok(Compiled { set, files }) => {
                    read.extend(files);
                    joined.add(&path.display().to_string(), &set);
                }
                Err(problems) => joined.problems.extend(problems),
            },
        }
    }
    joined.finish().map(|files| (files, read))
}

/// A file that everybody knows, such as google/protobuf/any.proto, encoded, with what it imports before it.
pub(super) fn bundled(name: &str) -> Option<Vec<Vec<u8>>> {
    let mut resolver = ChainFileResolver::new();
    resolver.add(Bundled);
    resolver.add(GoogleFileResolver::new());
    let mut compiler = Compiler::with_file_resolver(resolver);
    compiler.include_imports(true).open_file(name).ok()?;
    let set = compiler.encode_file_descriptor_set();
    Some(files_of(&set)?.into_iter().map(<[u8]>::to_vec).collect())
}

/// An encoded descriptor set, and the `.proto` files that it was made from.
struct Compiled {
    set: Vec<u8>,
    files: Vec<PathBuf>,
}

/// The descriptor set of one path.
fn set_at(path: &Path) -> Result<Compiled, Vec<Problem>> {
    let io = |error: std::io::Error| vec![Problem::at(path.display(), error)];
    if fs::metadata(path).map_err(io)?.is_dir() {
        let files = proto_files(path).map_err(io)?;
        if files.is_empty() {
            return Err(vec![Problem::at(path.display(), "expected .proto files in this folder, found none")]);
        }
        compile(path, &files)
    } else if path.extension().is_some_and(|extension| extension == "proto") {
        compile_file(path)
    } else {
        fs::read(path).map_err(io).map(|set| Compiled { set, files: Vec::new() })
    }
}

/// The `.proto` files below `folder`, sorted.
pub(super) fn proto_files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "proto") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Imports count from some folder above the file: the nearest from which all of them are found.
fn compile_file(path: &Path) -> Result<Compiled, Vec<Problem>> {
    let mut first_error = None;
    for root in path.ancestors().skip(1) {
        let root = if root.as_os_str().is_empty() { Path::new(".") } else { root };
        match compile(root, &[path.to_path_buf()]) {
            Ok(compiled) => return Ok(compiled),
            Err(problems) => first_error = first_error.or(Some(problems)),
        }
    }
    Err(first_error.unwrap_or_else(|| vec![Problem::at(path.display(), "is in no folder")]))
}

fn compile(root: &Path, files: &[PathBuf]) -> Result<Compiled, Vec<Problem>> {
    let mut compiler = Compiler::with_file_resolver(resolver(root));
    compiler.include_imports(true).include_source_info(true);
    let mut problems = Vec::new();
    for file in files {
        // Relative to the root: the same file may be reached by more than one spelling of its path.
        let name = file.strip_prefix(root).unwrap_or(file);
        if let Err(error) = compiler.open_file(name) {
            match clashes_at(root, &error) {
                clashes if clashes.is_empty() => {
                    let message = edition::not_compiled(root, &error).unwrap_or_else(|| format!("{error:?}"));
                    problems.push(Problem::at(root.display(), message));
                }
                clashes => problems.extend(clashes),
            }
        }
    }
    problems.dedup();
    if !problems.is_empty() {
        return Err(problems);
    }
    let files = compiler.files().filter_map(|file| file.path().map(Path::to_owned)).collect();
    Ok(Compiled { set: compiler.encode_file_descriptor_set(), files })
}

fn resolver(root: &Path) -> ChainFileResolver {
    let mut resolver = ChainFileResolver::new();
    resolver.add(IncludeFileResolver::new(root.to_path_buf()));
    resolver.add(Bundled);
    resolver.add(GoogleFileResolver::new());
    resolver
}

/// The names that clash in the file of an error: the compiler refuses them too, and does not say whose they are.
fn clashes_at(root: &Path, error: &protox::Error) -> Vec<Problem> {
    let file = error.file().and_then(|name| resolver(root).open_file(name).ok());
    let file =
        file.and_then(|file| descriptor::File::decode(file.file_descriptor_proto().encode_to_vec().as_slice()).ok());
    let clashes = file.iter().flat_map(check::clashes).collect();
    file.as_ref().map_or_else(Vec::new, |file| told(&root.display().to_string(), file, clashes))
}

/// What is wrong with a file that came from `origin`.
fn told(origin: &str, file: &descriptor::File, faults: Vec<Fault>) -> Vec<Problem> {
    let problem = |(declaration, message)| Problem::at(origin, format!("{}: {declaration}: {message}", file.name));
    faults.into_iter().map(problem).collect()
}

struct Bundled;

impl FileResolver for Bundled {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        match BUNDLED.iter().find(|(bundled, _)| *bundled == name) {
            Some((_, source)) => File::from_source(name, source),
            None => Err(protox::Error::file_not_found(name)),
        }
    }
}

#[derive(Default)]
struct Joined {
    /// Checks files. It knows no editions: those that have one, or import one that has, stay out of it, and [`check`] does.
    pool: DescriptorPool,
    read: Vec<descriptor::File>,
    /// Where each file came from, its bytes without comments, and who has checked it.
    known: HashMap<String, Known>,
    /// Which file declares a name.
    symbols: HashMap<String, String>,
    problems: Vec<Problem>,
}

struct Known {
    origin: String,
    bare: Vec<u8>,
    standing: Standing,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Checked by the pool, which has it.
    InPool,
    /// Not checked: the pool cannot have it.
    Unchecked,
    /// Its problem is told.
    Refused,
}

impl Joined {
    fn add(&mut self, origin: &str, set: &[u8]) {
        match files_of(set) {
            Some(files) if !files.is_empty() => files.iter().for_each(|file| self.add_file(origin, file)),
            _ => self.problems.push(Problem::at(
                origin,
                "expected a .proto file, a folder of them or an encoded google.protobuf.FileDescriptorSet \
                 (protoc --include_imports --descriptor_set_out), found something else",
            )),
        }
    }

    fn add_file(&mut self, origin: &str, bytes: &[u8]) {
        let Ok(file) = descriptor::File::decode(bytes) else {
            return self.problems.push(Problem::at(origin, "holds something that is no file descriptor"));
        };
        let name = file.name.clone();
        if Features::of_file(&file).is_none() {
            let found = if file.edition == 0 { file.syntax.clone() } else { format!("edition {}", file.edition) };
            let message = format!("{name}: expected syntax proto2 or proto3, or edition 2023 or 2024, found {found}");
            return self.problems.push(Problem::at(origin, message));
        }
        let bare = without_source_info(bytes);
        match self.known.get(&name) {
            // These are everywhere, in many editions that differ in comments and options only.
            Some(_) if name.starts_with("google/") => {}
            Some(known) if known.bare == bare => {}
            Some(known) => {
                let message = format!("{name} is here and in {}, and the two differ", known.origin);
                self.problems.push(Problem::at(origin, message));
            }
            None => {
                let standing = match self.declared_elsewhere(origin, &file) {
                    Some(message) => {
                        self.problems.push(Problem::at(origin, message));
                        Standing::Refused
                    }
                    None => self.check(origin, &file, bytes),
                };
                self.known.insert(name, Known { origin: origin.to_owned(), bare, standing });
                self.read.push(file);
            }
        }
    }

    /// What is wrong if another source declares the same in a file of another name. Two of one source are the checks' own.
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
        let others = if others == 0 { String::new() } else { format!(" (and {others} more)") };
        Some(format!(
            "{} declares {first}{others}, which {elsewhere} in {} declares too: leave one of the two out",
            file.name, self.known[elsewhere].origin
        ))
    }

    /// Checks a file against those before it, if the pool can have it.
    fn check(&mut self, origin: &str, file: &descriptor::File, bytes: &[u8]) -> Standing {
        let missing = file.dependency.iter().find(|import| !self.known.contains_key(*import));
        if let Some(import) = missing {
            let hint = "was the set made with --include_imports?";
            let message = format!("{} imports {import}, which is not there: {hint}", file.name);
            self.problems.push(Problem::at(origin, message));
            return Standing::Unchecked;
        }
        // The pool refuses such names too, some of them, and does not say whose they are.
        let has_clashes = !check::clashes(file).is_empty();
        let imports_are_in_pool = file.dependency.iter().all(|import| self.known[import].standing == Standing::InPool);
        if file.edition != 0 || has_clashes || !imports_are_in_pool {
            return Standing::Unchecked;
        }
        match self.pool.decode_file_descriptor_proto(bytes) {
            Ok(()) => Standing::InPool,
            Err(error) => {
                self.problems.push(Problem::at(origin, format!("{}: {error}", file.name)));
                Standing::Refused
            }
        }
    }

    fn finish(mut self) -> Result<Vec<descriptor::File>, Vec<Problem>> {
        // Where a file is missing, so are the names that it declares: that is told once.
        let names = self.problems.is_empty().then(|| Names::of(&self.read));
        for file in &self.read {
            let Known { origin, standing, .. } = &self.known[&file.name];
            if *standing == Standing::Unchecked {
                self.problems.extend(told(origin, file, check::faults(file, names.as_ref())));
            }
        }
        if self.problems.is_empty() { Ok(self.read) } else { Err(self.problems) }
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

/// A file descriptor without field 9, `source_code_info`: two copies of a file differ there first.
fn without_source_info(file: &[u8]) -> Vec<u8> {
    let mut bare = Vec::with_capacity(file.len());
    let mut rest = file;
    while rest.has_remaining() {
        let start = rest;
        let Ok((number, wire_type)) = decode_key(&mut rest) else { break };
        if skip_field(wire_type, number, &mut rest, DecodeContext::default()).is_err() {
            break;
        }
        if number != 9 {
            bare.extend_from_slice(&start[..start.len() - rest.len()]);
        }
    }
    bare
}
