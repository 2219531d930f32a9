//! Joins all descriptors: takes files, folders and descriptor sets and returns one [`Schema`].

use std::path::PathBuf;
use std::sync::Arc;

use super::annotation::{self, Annotation, Predefined};
use super::clash::Clashes;
use super::compile;
use super::load::{self, Loaded};
use super::message::Message;
use super::rpc::{self, RpcDescriptor};
use super::sources::{DescriptorSource, Imports};
use super::table::{MessageId, Tables};
use super::uncompiled::Uncompiled;
use crate::format::problem::Problem;

/// All messages and rpcs of the descriptors.
#[derive(Debug, Clone)]
pub struct Schema {
    pub(super) tables: Arc<Tables>,
    rpcs: Vec<RpcDescriptor>,
    files: Vec<PathBuf>,
    clashes: Arc<Clashes>,
    uncompiled: Vec<Uncompiled>,
    warnings: Vec<String>,
    annotations: Arc<[Annotation]>,
    predefined: Arc<[Predefined]>,
}

impl Schema {
    /// Loads `.proto` files, folders of `.proto` files and descriptor sets.
    ///
    /// # Errors
    /// Every problem found.
    pub fn load(paths: &[PathBuf]) -> Result<Self, Vec<Problem>> {
        Self::join(&paths.iter().cloned().map(DescriptorSource::Path).collect::<Vec<_>>())
    }

    /// Loads several sources together. If two of them contain the same file, its content must be equal.
    ///
    /// # Errors
    /// Every problem found.
    pub fn join(sources: &[DescriptorSource]) -> Result<Self, Vec<Problem>> {
        Self::join_with(sources, &Imports::default())
    }

    /// Loads several sources together as [`Schema::join`] does, and searches imports in more folders.
    ///
    /// # Errors
    /// Every problem found.
    pub fn join_with(sources: &[DescriptorSource], imports: &Imports) -> Result<Self, Vec<Problem>> {
        let Loaded { files, origins, read, uncompiled, warnings } = load::files(sources, imports)?;
        let mut tables = compile::compile(&files)?;
        let clashes = Arc::new(Clashes::of(&files, &origins, &mut tables));
        let tables = Arc::new(tables);
        let rpcs = rpc::rpcs(&files, &tables)?;
        let annotations = annotation::annotations(&files).into();
        let predefined = annotation::predefined(&files).into();
        Ok(Self { tables, rpcs, files: read, clashes, uncompiled, warnings, annotations, predefined })
    }

    /// Loads one descriptor set from memory; problems name it `name`.
    ///
    /// # Errors
    /// Every problem found.
    pub fn decode(name: &str, descriptor_set: &[u8]) -> Result<Self, Vec<Problem>> {
        Self::join(&[DescriptorSource::Set { name: name.to_owned(), set: descriptor_set.to_vec() }])
    }

    /// The same messages and rpcs over other tables, in which every message has the same id.
    pub(super) fn with_tables(&self, tables: Arc<Tables>) -> Self {
        let mut schema = self.clone();
        for rpc in &mut schema.rpcs {
            rpc.input.tables = Arc::clone(&tables);
            rpc.output.tables = Arc::clone(&tables);
        }
        Self { tables, ..schema }
    }

    /// All rpcs, in the order of the descriptors.
    #[must_use]
    pub fn rpcs(&self) -> &[RpcDescriptor] {
        &self.rpcs
    }

    /// The `.proto` files that were read, including imported ones.
    #[must_use]
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// The `.proto` files that do not compile. Whether anything served needs them is not known yet.
    #[must_use]
    pub fn uncompiled(&self) -> &[Uncompiled] {
        &self.uncompiled
    }

    /// Remarks about descriptors that can be used nevertheless.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Pairs of fields that JSON cannot tell apart, in these messages and in all messages they contain.
    #[must_use]
    pub fn clashes<'a>(&self, messages: impl Iterator<Item = &'a Message>) -> Vec<Problem> {
        self.clashes.reached(messages)
    }

    /// The options about valid values of all messages, in the order of the descriptors.
    #[must_use]
    pub fn annotations(&self) -> &[Annotation] {
        &self.annotations
    }

    /// The rules that extensions of `buf.validate` add to it.
    #[must_use]
    pub fn predefined(&self) -> &[Predefined] {
        &self.predefined
    }

    /// All messages, including nested ones.
    pub fn messages(&self) -> impl Iterator<Item = Message> {
        let message = |index| Message { tables: Arc::clone(&self.tables), id: MessageId(index as u32) };
        (0..self.tables.messages.len()).map(message)
    }

    /// The message with this full name. Messages whose fields JSON cannot tell apart are not found.
    #[must_use]
    pub fn message(&self, full_name: &str) -> Option<Message> {
        self.tables.find(full_name).map(|id| Message { tables: Arc::clone(&self.tables), id })
    }
}

/// Compiles one `.proto` text, for unit tests of modules above this one.
#[cfg(test)]
pub(crate) fn schema_of(proto: &str) -> Result<Schema, Vec<Problem>> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("test.proto"), proto).unwrap();
    Schema::load(&[folder.path().to_owned()])
}
