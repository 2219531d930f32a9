//! The file that `--config` names: a regular file, or standard input or a pipe, which can be read only once.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A configuration file. Anything but a regular file is read at once and kept: a start reads the file twice, and a pipe
/// is empty the second time.
#[derive(Debug, Clone)]
pub(super) struct ConfigFile {
    path: PathBuf,
    text: Option<Arc<Vec<u8>>>,
}

impl ConfigFile {
    /// Parses the value of the flag.
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

    /// The content, if the file cannot be read again.
    pub(super) fn given(&self) -> Option<Arc<Vec<u8>>> {
        self.text.clone()
    }
}
