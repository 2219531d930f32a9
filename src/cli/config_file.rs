//! The file that `--config` names: a path, or `-` and other things that can be read only once.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A configuration's file. What is no regular file is read at once: the start reads a file twice, and a pipe has nothing the second
/// time.
#[derive(Debug, Clone)]
pub(super) struct ConfigFile {
    path: PathBuf,
    text: Option<Arc<Vec<u8>>>,
}

impl ConfigFile {
    /// What the flag says.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let read = |read: io::Result<Vec<u8>>| read.map(|text| Some(Arc::new(text))).map_err(|error| error.to_string());
        if text == "-" {
            let mut all = Vec::new();
            let text = read(io::stdin().read_to_end(&mut all).map(|_| all))?;
            return Ok(Self { path: PathBuf::from("standard input"), text });
        }
        let path = PathBuf::from(text);
        let is_read_once = fs::metadata(&path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir());
        let text = if is_read_once { read(fs::read(&path))? } else { None };
        Ok(Self { path, text })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What was in it, if it cannot be read again.
    pub(super) fn given(&self) -> Option<Arc<Vec<u8>>> {
        self.text.clone()
    }
}
