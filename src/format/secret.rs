//! Files that hold secrets: their permissions and contents.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Which permissions a file with a secret may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Permissions {
    /// Only its owner may read the file; if root owns it, its group may read it too. Debian's `ssl-cert` and the
    /// `fsGroup` of Kubernetes rely on that to give a service that does not run as root its key.
    #[default]
    Strict,
    /// The permissions are not checked.
    Any,
}

/// A file with a secret that other users can read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exposed {
    file: PathBuf,
    /// The permission bits of the file's mode.
    mode: u32,
}

/// The contents of a file with a secret. Has neither `Debug` nor `Display`, so that it cannot be printed. Whoever
/// parses it reports errors in texts that hold no part of it, and never passes on a library's error.
pub struct Contents(Vec<u8>);

impl Contents {
    /// The raw contents.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A password or a key. Has neither `Debug` nor `Display`, so that it cannot be printed. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<[u8]>);

impl Secret {
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    /// The secret itself.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Reads a file with a secret.
///
/// # Errors
/// The operating system refuses access; its error text never shows the contents.
pub fn read(file: &Path) -> io::Result<Contents> {
    fs::read(file).map(Contents)
}

/// Whether other users can read this file; `None` if only those allowed can, or if the file does not exist.
#[must_use]
pub fn exposed(file: &Path) -> Option<Exposed> {
    let metadata = fs::metadata(file).ok()?;
    let mode = metadata.permissions().mode() & 0o777;
    is_exposed(mode, metadata.uid()).then(|| Exposed { file: file.to_owned(), mode })
}

fn is_exposed(mode: u32, owner: u32) -> bool {
    const ROOT: u32 = 0;
    let others = if owner == ROOT { 0o037 } else { 0o077 };
    mode & others != 0
}

/// The problem and its fix: `others can read this file (mode 0644): run ...`.
impl fmt::Display for Exposed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, mode } = self;
        write!(
            f,
            "others can read this file (mode {mode:04o}): run `chmod 600 {}`, or set `secret_files: any`",
            file.display()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_owner_may_read_a_secret_file_and_the_group_if_root_owns_it() {
        for (mode, of_root, of_another) in [
            (0o600, false, false),
            (0o400, false, false),
            (0o700, false, false),
            (0o640, false, true),
            (0o440, false, true),
            (0o660, true, true),
            (0o650, true, true),
            (0o604, true, true),
            (0o644, true, true),
            (0o602, true, true),
        ] {
            assert_eq!([0, 1000].map(|owner| is_exposed(mode, owner)), [of_root, of_another], "{mode:o}");
        }
    }
}
