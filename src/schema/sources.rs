//! The sources of descriptors that the operator names.

use std::path::PathBuf;

/// A source of descriptors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DescriptorSource {
    /// A path to a `.proto` file, a folder of `.proto` files or a descriptor set.
    Path(PathBuf),
    /// A descriptor set in memory.
    Set {
        /// How problems refer to it.
        name: String,
        /// An encoded `google.protobuf.FileDescriptorSet`.
        set: Vec<u8>,
    },
    /// A descriptor set that a server returned by reflection.
    Reflection {
        /// How problems refer to it.
        name: String,
        /// An encoded `google.protobuf.FileDescriptorSet`.
        set: Vec<u8>,
    },
}

/// How imports of `.proto` files are found outside the sources themselves.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Imports {
    /// Additional import roots, searched before the sources.
    pub paths: Vec<PathBuf>,
    /// Whether well-known files that only provide options for other tools may be missing. Their options are then left
    /// out.
    pub skips_missing_options: bool,
}
