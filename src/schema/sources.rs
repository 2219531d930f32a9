//! Where descriptors come from: what the operator names.

use std::path::PathBuf;

/// Where descriptors come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DescriptorSource {
    /// A `.proto` file, a folder of them or a descriptor set.
    Path(PathBuf),
    /// A descriptor set that is at hand.
    Set {
        /// What it is called in problems.
        name: String,
        /// An encoded `google.protobuf.FileDescriptorSet`.
        set: Vec<u8>,
    },
    /// The same, as a server gave it by reflection.
    Reflection {
        /// What it is called in problems.
        name: String,
        /// An encoded `google.protobuf.FileDescriptorSet`.
        set: Vec<u8>,
    },
}

/// How imports of `.proto` files are found, besides in the sources themselves.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Imports {
    /// More folders that imports count from; they are searched before the sources.
    pub paths: Vec<PathBuf>,
    /// Whether well-known files that hold nothing but options for other tools may be absent. Their options are left out then.
    pub skips_missing_options: bool,
}
