//! Configuration that does not come from the file: flags and the environment.

use std::path::PathBuf;
use std::sync::Arc;

use crate::upstream;

/// Flags and environment. A flag replaces a whole section of the file, which is then not read.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--proto`; replaces `schema`.
    pub proto: Vec<PathBuf>,
    /// `--proto-path`; replaces `schema.import_paths`.
    pub proto_paths: Vec<PathBuf>,
    /// `--reflection`; replaces `schema`.
    pub reflection: bool,
    /// `--backend`; replaces `upstream`.
    pub backend: Option<String>,
    /// `--listen`; replaces `listen`.
    pub listen: Option<String>,
    /// The proxy variables of the environment, for upstreams without `proxy` in the file.
    pub environment: upstream::Environment,
    /// The file's text if it came from standard input or a pipe, which can be read only once. Relative paths in it then
    /// count from the working folder.
    pub given: Option<Arc<Vec<u8>>>,
    /// Read only what determines the routes. `upstream` may then be missing, unless the schema comes from its
    /// reflection.
    pub only_routes: bool,
}
