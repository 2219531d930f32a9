//! Files with secrets: who may read them, and their contents.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Which permissions a file with a secret may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Permissions {
    /// Its owner may read it, and nobody else; of a file that belongs to root its group may too. So Debian's `ssl-cert` and the
    /// `fsGroup` of Kubernetes have a service that is not root read its key.
    #[default]
    Strict,
    /// Any.
    Any,
}

/// A file with a secret that others may read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exposed {
    file: PathBuf,
    /// The bits of the mode that say who may do what.
    mode: u32,
}

/// What is in a file with a secret. Has neither `Debug` nor `Display`, so that it cannot be printed; whoever parses it says what is
/// wrong in words that hold no part of it, and passes no error of a library on.
pub struct Contents(Vec<u8>);

impl Contents {
    /// As they are.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Reads a file with a secret.
///
/// # Errors
/// The operating system does not let us; its words know nothing of the contents.
pub fn read(file: &Path) -> io::Result<Contents> {
    fs::read(file).map(Contents)
}

/// Whether others may read this file. One that is not there, nobody may.
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

/// What is wrong, and what to do: `others can read this file (mode 0644): run ...`.
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
    fn a_secret_is_its_owners_and_of_root_also_the_groups() {
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
