//! The pool of descriptors that resolves names and options of `.proto` files, and refuses what protoc would.
//!
//! A pool takes some forty bytes for each byte of a file's text. So it is begun anew when it has become large, and then takes again
//! only what the next files import: a folder of thousands of files needs the memory of a few of them.

use std::collections::BTreeMap;
use std::collections::HashSet;
use std::ops::Range;

use prost_reflect::{DescriptorError, DescriptorPool};
use prost_types::FileDescriptorProto;

use super::unit::Units;

/// So many bytes of descriptors are resolved before the pool is begun anew.
const MOST: usize = 512 << 10;

/// The files that were resolved, and a pool with some of them.
pub(super) struct Resolver<'a> {
    units: &'a Units,
    pool: DescriptorPool,
    /// The files in it.
    held: HashSet<usize>,
    /// How many bytes were resolved since it was begun.
    fresh: usize,
    /// How many it has taken again. With them grows what it may resolve, so that most of the work is never done twice.
    again: usize,
    /// All files that were resolved, encoded.
    encoded: Vec<u8>,
    places: BTreeMap<usize, Range<usize>>,
}

impl<'a> Resolver<'a> {
    pub(super) fn of(units: &'a Units) -> Self {
        Self {
            units,
            pool: DescriptorPool::new(),
            held: HashSet::new(),
            fresh: 0,
            again: 0,
            encoded: Vec::new(),
            places: BTreeMap::new(),
        }
    }

    /// Resolves a file whose imports were resolved.
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
        if self.fresh > MOST + 2 * self.again {
            self.pool = DescriptorPool::new();
            self.held.clear();
            (self.fresh, self.again) = (0, 0);
        }
        Ok(())
    }

    /// Takes all files: what the pool says of a name depends on what it holds.
    pub(super) fn take_all(&mut self) {
        let all: Vec<usize> = self.places.keys().copied().collect();
        all.into_iter().for_each(|index| self.take(index));
    }

    /// A file that was resolved.
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
        // It was taken before.
        if self.pool.decode_file_descriptor_proto(bytes).is_ok() {
            self.held.insert(index);
            self.again += bytes.len();
        }
    }
}
