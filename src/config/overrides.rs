//! What comes beside the file: flags and the environment.

use std::path::PathBuf;
use std::sync::Arc;

use crate::upstream;

/// The flags, each of which stands for a whole section of the file, which is then not read at all; and the environment.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--proto`, for `schema`.
    pub proto: Vec<PathBuf>,
    /// `--proto-path`, for `schema.import_paths`.
    pub proto_paths: Vec<PathBuf>,
    /// `--reflection`, for `schema` too.
    pub reflection: bool,
    /// `--backend`, for `upstream`.
    pub backend: Option<String>,
    /// `--listen`, for `listen`.
    pub listen: Option<String>,
    /// What it says of proxies, for upstreams of which the file says nothing.
    pub environment: upstream::Environment,
    /// The file's text, where it is standard input or a pipe: it can be read only once, and paths in it count from the working folder.
    pub given: Option<Arc<Vec<u8>>>,
    /// Only what routes are made of is needed: an `upstream` that is not asked for its descriptors is not read.
    pub only_routes: bool,
}
