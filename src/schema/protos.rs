//! Compiles the `.proto` files of all sources together, each file once and after the files it imports.
//!
//! A file that does not compile prevents only the files that import it from being compiled, because not every file of a
//! folder is needed. Which files are needed is known when the routes are.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use prost::Message as _;
use prost_types::{FileDescriptorProto, MethodDescriptorProto};
use protox::file::File;

use super::apart::{self, Renamed};
use super::resolver::{MOST, Resolver};
use super::rule::{PATTERNS, RuleError};
use super::secret::without_keys;
use super::uncompiled::DeclaredRpc;
use super::unit::{Link, Unit, UnitContent, Units};
use super::{descriptor, edition, option_imports, proto_text};
use crate::format::problem::Problem;

/// The result of compiling all `.proto` files.
#[derive(Debug, Default)]
pub(super) struct Compiled {
    /// Each file comes after its imports.
    pub(super) files: Vec<CompiledFile>,
    pub(super) uncompiled: Vec<SourceUncompiled>,
    /// The `.proto` files that were read.
    pub(super) read: Vec<PathBuf>,
    pub(super) warnings: Vec<String>,
}

/// A compiled file and the source it belongs to.
#[derive(Debug)]
pub(super) struct CompiledFile {
    pub(super) source: usize,
    pub(super) place: String,
    pub(super) encoded: Vec<u8>,
    renamed: Vec<Renamed>,
}

impl CompiledFile {
    pub(super) fn read(self) -> Option<descriptor::File> {
        let mut file = descriptor::File::decode(self.encoded.as_slice()).ok()?;
        apart::restore(&mut file, self.renamed);
        Some(file)
    }
}

/// A file that did not compile, and the source it belongs to.
#[derive(Debug)]
pub(super) struct SourceUncompiled {
    pub(super) source: usize,
    /// Whether the source names exactly this file.
    pub(super) is_named: bool,
    pub(super) problems: Vec<Problem>,
    /// The rpcs that the file declares, if it could be parsed.
    pub(super) rpcs: Option<Vec<DeclaredRpc>>,
}

/// Whether the comments of a file are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comments {
    Dropped,
    Kept,
}

/// Compiles all files. The descriptor pool is restarted whenever it has resolved about `most` bytes.
pub(super) fn compile(mut units: Units, most: usize, comments: Comments) -> Compiled {
    let clashes = units.name();
    let mut compiler = ProtoCompiler { comments, ..ProtoCompiler::of(&units, most) };
    for (index, first) in clashes {
        let (unit, first) = (&units.units[index], &units.units[first]);
        let message = format!("{} is also in {} with different content; keep one of the two", unit.name, first.place);
        compiler.refuse(index, Problem::at(&unit.place, message), None);
    }
    for index in 0..units.units.len() {
        let index = units.original(index);
        // Built-in files are compiled only if a file imports them.
        if units.units[index].path.is_some() {
            compiler.compile(index, &mut Vec::new());
        }
    }
    compiler.finish()
}

/// All files encoded, each after its imports; `None` if one does not compile.
pub(super) fn encoded(units: &Units) -> Option<Vec<Vec<u8>>> {
    let mut compiler = ProtoCompiler::of(units, MOST);
    (0..units.units.len()).for_each(|index| compiler.compile(index, &mut Vec::new()));
    let is_done = compiler.states.iter().all(|state| *state == State::Done);
    is_done.then(|| compiler.order.iter().map(|(index, _)| compiler.pool.encoded(*index).to_vec()).collect())
}

/// The rpcs that a file declares, if it could be parsed.
type Rpcs = Option<Vec<DeclaredRpc>>;

/// How far the compilation of a file has come.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Open,
    /// Its imports are being compiled.
    Under,
    Done,
    /// It cannot be compiled; these are indices in `causes`.
    Broken(Vec<usize>),
}

struct ProtoCompiler<'a> {
    units: &'a Units,
    states: Vec<State>,
    pool: Resolver<'a>,
    comments: Comments,
    /// The file that declares each full name.
    symbols: HashMap<String, usize>,
    /// The packages of all files, and the parents of these packages.
    packages: HashSet<String>,
    causes: Vec<Problem>,
    order: Vec<(usize, Vec<Renamed>)>,
    uncompiled: Vec<(usize, Rpcs)>,
}

impl<'a> ProtoCompiler<'a> {
    fn of(units: &'a Units, most: usize) -> Self {
        Self {
            states: vec![State::Open; units.units.len()],
            units,
            pool: Resolver::of(units, most),
            comments: Comments::Dropped,
            symbols: HashMap::new(),
            packages: HashSet::new(),
            causes: Vec::new(),
            order: Vec::new(),
            uncompiled: Vec::new(),
        }
    }

    /// Compiles a file after its imports; `path` is the chain of imports that led to it.
    fn compile(&mut self, index: usize, path: &mut Vec<usize>) {
        match &self.states[index] {
            State::Open => {}
            State::Under => {
                let from = path.iter().position(|on_the_way| *on_the_way == index).unwrap_or_default();
                let circle = path[from..].iter().chain([&index]).map(|at| self.units.units[*at].name.as_str());
                let circle = circle.collect::<Vec<_>>().join(" -> ");
                let problem = Problem::at(&self.units.units[index].place, format!("import cycle detected: {circle}"));
                return self.refuse(index, problem, None);
            }
            State::Done | State::Broken(_) => return,
        }
        let Ok(parsed) = self.parse(index) else { return };
        self.states[index] = State::Under;
        let links: Vec<usize> = self.units.linked(index).collect();
        path.push(index);
        for link in &links {
            self.compile(*link, path);
        }
        path.pop();
        if let State::Broken(_) = self.states[index] {
            return;
        }
        let mut causes: Vec<usize> = Vec::new();
        for link in links {
            if let State::Broken(of_it) = &self.states[link] {
                causes.extend(of_it);
            }
        }
        if !causes.is_empty() {
            causes.sort_unstable();
            causes.dedup();
            self.uncompiled.push((index, declares(&parsed)));
            self.states[index] = State::Broken(causes);
            return;
        }
        self.put(index, parsed);
    }

    /// Parses the file. Its imports are renamed to the names under which they are compiled.
    fn parse(&mut self, index: usize) -> Result<FileDescriptorProto, ()> {
        let unit = &self.units.units[index];
        let name = unit.name.clone();
        let text = match &unit.content {
            UnitContent::Descriptor(file) => return Ok((**file).clone()),
            UnitContent::Fault(fault) => {
                let at = fault.at.map_or_else(String::new, |(line, column)| format!(":{line}:{column}"));
                let problem = Problem::at(&unit.place, format!("{name}{at}: {}", fault.message));
                self.refuse(index, problem, None);
                return Err(());
            }
            UnitContent::Text(text) => text,
        };
        if let Some(message) = edition::not_compiled(&unit.place, &name, &text.text) {
            let declared = if text.mentions_service { None } else { Some(Vec::new()) };
            let problem = Problem::at(&unit.place, without_keys(&name, &text.text, message));
            self.refuse(index, problem, declared);
            return Err(());
        }
        let names = unit.links.iter().zip(&text.imports).map(|(link, import)| {
            let to = match link {
                Link::To(to) => to,
                Link::Skipped => return None,
                // The problem is reported below; the rest of the file is parsed anyway.
                Link::Wrong(_) => return Some("wrong.proto"),
            };
            let name = self.units.units[self.units.original(*to)].name.as_str();
            Some(name).filter(|name| *name != import.name)
        });
        let source = text.with_imports(names);
        match File::from_source(&name, &source) {
            Ok(file) => {
                let mut parsed = FileDescriptorProto::from(file);
                self.skip(index, &mut parsed);
                self.wrong_imports(index, &parsed)?;
                Ok(parsed)
            }
            Err(error) => {
                let declared = if text.mentions_service { None } else { Some(Vec::new()) };
                let wrong = self.wrong_links(index);
                if wrong.is_empty() {
                    let message = without_keys(&name, &text.text, format!("{error:?}"));
                    let problem = Problem::at(&unit.place, message);
                    self.refuse(index, problem, declared);
                } else {
                    wrong.into_iter().for_each(|problem| self.refuse(index, problem, declared.clone()));
                }
                Err(())
            }
        }
    }

    /// Removes the missing imports that the configuration allows to be missing.
    fn skip(&self, index: usize, parsed: &mut FileDescriptorProto) {
        let unit = &self.units.units[index];
        let UnitContent::Text(text) = &unit.content else { return };
        let skipped = unit.links.iter().zip(&text.imports).filter(|(link, _)| **link == Link::Skipped);
        let skipped: Vec<String> = skipped.map(|(_, import)| import.name.clone()).collect();
        option_imports::leave_out(parsed, &skipped);
    }

    fn wrong_links(&self, index: usize) -> Vec<Problem> {
        let unit = &self.units.units[index];
        let UnitContent::Text(text) = &unit.content else { return Vec::new() };
        let told = unit.links.iter().zip(&text.imports).filter_map(|(link, import)| {
            let Link::Wrong(message) = link else { return None };
            let (line, column) = import.at;
            let message = format!("{}:{line}:{column}: {message}", unit.name);
            Some(Problem::at(&unit.place, without_keys(&unit.name, &text.text, message)))
        });
        told.collect()
    }

    fn wrong_imports(&mut self, index: usize, parsed: &FileDescriptorProto) -> Result<(), ()> {
        let wrong = self.wrong_links(index);
        if wrong.is_empty() {
            return Ok(());
        }
        wrong.into_iter().for_each(|problem| self.refuse(index, problem, declares(parsed)));
        Err(())
    }

    /// Adds a file whose imports have been compiled to the pool.
    fn put(&mut self, index: usize, mut parsed: FileDescriptorProto) {
        if let Some(problem) = self.declared_elsewhere(index, &parsed) {
            return self.refuse(index, problem, declares(&parsed));
        }
        if let Some((rpc, why)) = set_twice(&parsed) {
            let unit = &self.units.units[index];
            let problem = Problem::at(&unit.place, format!("{}: {rpc}: {why}", unit.name));
            return self.refuse(index, problem, declares(&parsed));
        }
        let renamed = apart::rename(&mut parsed);
        // Line and column information is most of a file's size and needed only for errors; for those the file is parsed
        // again.
        if self.comments == Comments::Dropped {
            parsed.source_code_info = None;
        }
        let (declared, rules) = (declares(&parsed), two_patterns(&parsed));
        let mut added = self.pool.add(index, parsed);
        if added.is_err()
            && let Ok(mut parsed) = self.parse(index)
        {
            self.pool.take_all();
            drop(apart::rename(&mut parsed));
            added = self.pool.add(index, parsed);
        }
        match added {
            Ok(()) => {
                self.order.push((index, renamed));
                self.states[index] = State::Done;
            }
            Err(error) => {
                let mut message = format!("{error:?}");
                let mut cause = std::error::Error::source(&error);
                while let Some(next) = cause {
                    message.push_str(&format!(": {next}"));
                    cause = next.source();
                }
                let place = error.path().unwrap_or_default();
                if let Some((_, why)) = rules.into_iter().find(|(method, _)| place.starts_with(method)) {
                    message.push_str(&format!(": {why}"));
                }
                let problem = Problem::at(&self.units.units[index].place, message);
                self.refuse(index, problem, declared);
            }
        }
    }

    /// The problem if another file declares the same name. The pool would take long to report it, and would not say
    /// which file.
    fn declared_elsewhere(&mut self, index: usize, parsed: &FileDescriptorProto) -> Option<Problem> {
        let symbols = symbols(parsed);
        let twice: Vec<&String> = symbols.iter().filter(|symbol| self.symbols.contains_key(*symbol)).collect();
        if let Some(first) = twice.first() {
            let (unit, other) = (&self.units.units[index], &self.units.units[self.symbols[*first]]);
            let message = declared_twice(&unit.name, first, twice.len() - 1, &other.name, &other.place);
            return Some(Problem::at(&unit.place, message));
        }
        let packages: Vec<&str> = packages(parsed).collect();
        let is_a_package = symbols.iter().any(|symbol| self.packages.contains(symbol));
        if is_a_package || packages.iter().any(|package| self.symbols.contains_key(*package)) {
            // The pool rejects that if it holds both files.
            self.pool.take_all();
        }
        self.packages.extend(packages.into_iter().map(str::to_owned));
        self.symbols.extend(symbols.into_iter().map(|symbol| (symbol, index)));
        None
    }

    fn refuse(&mut self, index: usize, problem: Problem, declared: Rpcs) {
        let cause = self.causes.len();
        self.causes.push(problem);
        match &mut self.states[index] {
            State::Broken(causes) => causes.push(cause),
            state => {
                *state = State::Broken(vec![cause]);
                self.uncompiled.push((index, declared));
            }
        }
    }

    fn finish(self) -> Compiled {
        let mut compiled = Compiled::default();
        for (index, renamed) in self.order {
            let unit = &self.units.units[index];
            let encoded = self.pool.encoded(index).to_vec();
            compiled.files.push(CompiledFile { source: unit.source, place: unit.place.clone(), encoded, renamed });
        }
        for (index, rpcs) in self.uncompiled {
            let State::Broken(causes) = &self.states[index] else { continue };
            let Unit { source, is_named, .. } = self.units.units[index];
            let problems = causes.iter().map(|cause| self.causes[*cause].clone()).collect();
            compiled.uncompiled.push(SourceUncompiled { source, is_named, problems, rpcs });
        }
        compiled.read = self.units.units.iter().filter_map(|unit| unit.path.clone()).collect();
        for (import, importer) in &self.units.skipped {
            let unit = &self.units.units[*importer];
            compiled.warnings.push(format!(
                "{}: {} imports {import}, which was not found: its options are left out \
                 (`schema.skip_missing_option_imports`)",
                unit.place, unit.name
            ));
        }
        compiled
    }
}

/// The error text for a file that declares names which another file declares too.
pub(super) fn declared_twice(file: &str, first: &str, others: usize, other: &str, place: &str) -> String {
    let others = if others == 0 { String::new() } else { format!(" (and {others} more)") };
    format!("{file} declares {first}{others}, which {other} in {place} also declares; remove one of the two")
}

/// The full names of top-level declarations, including enum values, which share their scope.
fn symbols(file: &FileDescriptorProto) -> Vec<String> {
    let scope = scope(file);
    let messages = file.message_type.iter().map(|declared| declared.name());
    let enums = file
        .enum_type
        .iter()
        .flat_map(|declared| std::iter::once(declared.name()).chain(declared.value.iter().map(|value| value.name())));
    let services = file.service.iter().map(|declared| declared.name());
    let extensions = file.extension.iter().map(|declared| declared.name());
    messages.chain(enums).chain(services).chain(extensions).map(|name| format!("{scope}{name}")).collect()
}

/// The package of a file, and the parents of that package.
fn packages(file: &FileDescriptorProto) -> impl Iterator<Item = &str> {
    let package = file.package();
    let ends = package.match_indices('.').map(|(dot, _)| dot).chain(Some(package.len()).filter(|length| *length > 0));
    ends.map(|end| &package[..end])
}

fn scope(file: &FileDescriptorProto) -> String {
    if file.package().is_empty() { String::new() } else { format!("{}.", file.package()) }
}

fn declares(file: &FileDescriptorProto) -> Rpcs {
    let scope = scope(file);
    let of_service = file.service.iter().flat_map(|service| {
        let rpc = |method: &MethodDescriptorProto| DeclaredRpc {
            name: format!("{scope}{}.{}", service.name(), method.name()),
            is_annotated: is_annotated(method),
        };
        service.method.iter().map(rpc).collect::<Vec<_>>()
    });
    Some(of_service.collect())
}

/// Whether a method has an option that ends like google.api.http, whatever package it is written with.
fn is_annotated(method: &MethodDescriptorProto) -> bool {
    let options = method.options.iter().flat_map(|options| &options.uninterpreted_option);
    options.flat_map(|option| option.name.first()).any(|name| name.is_extension && name.name_part.ends_with("http"))
}

/// The methods whose annotation has more than one pattern, each with its path in the descriptor and the error.
fn two_patterns(file: &FileDescriptorProto) -> Vec<([i32; 4], RuleError)> {
    let mut found = Vec::new();
    for (service, declared) in file.service.iter().enumerate() {
        for (method, declared) in declared.method.iter().enumerate() {
            let options = declared.options.iter().flat_map(|options| &options.uninterpreted_option);
            for text in options.filter_map(|option| option.aggregate_value.as_deref()) {
                let members = proto_text::members(text);
                let mut patterns: Vec<&str> = PATTERNS.iter().map(|(_, name)| *name).collect();
                patterns.retain(|pattern| members.contains(pattern));
                if patterns.len() > 1 {
                    // descriptor.proto: field 6 of a file holds its services, field 2 of a service its methods.
                    found.push(([6, service as i32, 2, method as i32], RuleError::TwoPatterns(patterns)));
                }
            }
        }
    }
    found
}

/// A method whose annotation sets more than one pattern, each in a separate option: the pool would keep only the last.
fn set_twice(file: &FileDescriptorProto) -> Option<(String, RuleError)> {
    let scope = scope(file);
    file.service.iter().find_map(|service| {
        service.method.iter().find_map(|method| {
            let options = method.options.iter().flat_map(|options| &options.uninterpreted_option);
            let set: Vec<&str> = options
                .filter_map(|option| match option.name.as_slice() {
                    [rule, field] if rule.is_extension && rule.name_part.ends_with("http") => Some(&*field.name_part),
                    _ => None,
                })
                .collect();
            let mut patterns: Vec<&str> = PATTERNS.iter().map(|(_, name)| *name).collect();
            patterns.retain(|pattern| set.contains(pattern));
            let rpc = format!("{scope}{}.{}", service.name(), method.name());
            (patterns.len() > 1).then_some((rpc, RuleError::TwoPatterns(patterns)))
        })
    })
}
