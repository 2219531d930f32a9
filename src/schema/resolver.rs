//! A descriptor pool that resolves names and options of `.proto` files and rejects what protoc would reject.
//!
//! A pool needs some forty bytes of memory per byte of a file's text. It is therefore restarted when it has become
//! large, and then reloads only the files that the next ones import. A folder of thousands of files thus needs the
//! memory of a few of them.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use prost_reflect::{DescriptorError, DescriptorPool};
use prost_types::FileDescriptorProto;

use super::unit::Units;

/// After resolving about this many bytes of descriptors, a pool is restarted.
pub(super) const MOST: usize = 512 << 10;

/// The resolved files, and a pool that holds some of them.
pub(super) struct Resolver<'a> {
    units: &'a Units,
    most: usize,
    pool: DescriptorPool,
    /// The files in the pool.
    held: HashSet<usize>,
    /// Bytes resolved since the pool was restarted.
    fresh: usize,
    /// Bytes reloaded since the pool was restarted. They raise the limit for the next restart, so that most of the work
    /// is never done twice.
    again: usize,
    /// All resolved files, encoded.
    encoded: Vec<u8>,
    places: BTreeMap<usize, Range<usize>>,
}

impl<'a> Resolver<'a> {
    /// Creates a resolver whose pool is restarted after resolving about `most` bytes.
    pub(super) fn of(units: &'a Units, most: usize) -> Self {
        Self {
            units,
            most,
            pool: DescriptorPool::new(),
            held: HashSet::new(),
            fresh: 0,
            again: 0,
            encoded: Vec::new(),
            places: BTreeMap::new(),
        }
    }

    /// Resolves a file whose imports have been resolved.
    pub(super) fn add(&mut self, index: usize, file: FileDescriptorProto) -> Result<(), DescriptorError> {
        self.take_imports(index);
        self.pool.add_file_descriptor_proto(file)?;
        let start = self.encoded.len();
        if let Some(file) = self.pool.get_file_by_name(&self.units.units[index].name) {
            self.encoded.extend_from_slice(&file.encode_to_vec());
        }
        self.places.insert(index, start..self.encoded.len());
        self.held.insert(index);
        self.fresh += self.encoded.len() - start;
        if self.fresh > self.most.saturating_add(2 * self.again) {
            self.pool = DescriptorPool::new();
            self.held.clear();
            (self.fresh, self.again) = (0, 0);
        }
        Ok(())
    }

    /// Loads all files into the pool, because its answer about a name depends on the files it holds.
    pub(super) fn take_all(&mut self) {
        let all: Vec<usize> = self.places.keys().copied().collect();
        all.into_iter().for_each(|index| self.take(index));
    }

    /// A resolved file, encoded.
    pub(super) fn encoded(&self, index: usize) -> &[u8] {
        self.places.get(&index).map_or(&[], |place| &self.encoded[place.clone()])
    }

    fn take_imports(&mut self, index: usize) {
        let units = self.units;
        units.linked(index).for_each(|import| self.take(import));
    }

    fn take(&mut self, index: usize) {
        if self.held.contains(&index) {
            return;
        }
        self.take_imports(index);
        let Some(place) = self.places.get(&index) else { return };
        let bytes = &self.encoded[place.clone()];
        // The pool accepted this file before.
        if self.pool.decode_file_descriptor_proto(bytes).is_ok() {
            self.held.insert(index);
            self.again += bytes.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::schema::descriptor::File;
    use crate::schema::protos;
    use crate::schema::roots::{FoundFile, Roots, proto_files};

    const FILES: [(&str, &str); 8] = [
        (
            "options.proto",
            "package o; import 'google/protobuf/descriptor.proto'; extend google.protobuf.FieldOptions { string tag = 50001; }",
        ),
        (
            "base.proto",
            "package b; import 'options.proto'; message Base { string id = 1 [(o.tag) = 'x']; } enum E { NONE = 0; }",
        ),
        ("middle.proto", "package m; import public 'base.proto'; message Middle { b.Base base = 1; }"),
        (
            "top.proto",
            "package t; import 'middle.proto'; import 'google/api/annotations.proto'; message Top { m.Middle m = 1; b.E e = 2; } \
             service S { rpc Get(Top) returns (b.Base) { option (google.api.http) = { get: '/v1/{m.base.id}' }; } }",
        ),
        // These names sort last.
        ("wrong_import.proto", "package w; import 'options.proto'; message W { b.Base base = 1; }"),
        ("wrong_name.proto", "package w; import 'base.proto'; message N { b.None none = 1; }"),
        ("wrong_option.proto", "package w; message O { string id = 1 [(o.tag) = 'x']; }"),
        ("wrong_package.proto", "package b.Base; message P {}"),
    ];

    /// What is compiled from a folder, and the problems.
    fn compiled(folder: &std::path::Path, most: usize) -> (Vec<File>, Vec<String>) {
        let (mut units, mut roots) = (Units::default(), Roots::default());
        roots.add(folder, Vec::new());
        for path in proto_files(folder).unwrap() {
            units.add(&FoundFile { root: folder.to_owned(), path }, 0, false);
        }
        units.follow(&roots, false);
        let compiled = protos::compile(units, most, protos::Comments::Dropped);
        let problems =
            compiled.uncompiled.iter().flat_map(|file| &file.problems).map(|problem| problem.message.clone());
        let problems = problems.collect();
        (compiled.files.into_iter().filter_map(protos::CompiledFile::read).collect(), problems)
    }

    #[test]
    fn compiled_files_are_equal_however_often_the_pool_is_rebuilt() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            fs::write(folder.path().join(name), format!("syntax = 'proto3'; {text}")).unwrap();
        };
        FILES.iter().for_each(|(name, text)| write(name, text));
        for number in 0..20 {
            let text = format!(
                "package n{number}; import 'middle.proto'; message N {{ m.Middle middle = 1; b.Base base = 2; }}"
            );
            write(&format!("many{number}.proto"), &text);
        }
        let (files, problems) = compiled(folder.path(), usize::MAX);
        assert_eq!((files.len(), problems.len()), (27, 4), "{problems:#?}");
        for most in [0, 100, 1000] {
            assert_eq!(compiled(folder.path(), most), (files.clone(), problems.clone()), "{most}");
        }
    }
}
