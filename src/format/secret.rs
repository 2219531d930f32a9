//! Files that hold secrets: their permissions and contents.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::problem::Problem;

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

/// Where a secret is, as the configuration says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretSource {
    /// Where the configuration says so.
    place: String,
    from: From,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum From {
    Variable(String),
    File(PathBuf, Permissions),
}

impl SecretSource {
    /// An environment variable.
    #[must_use]
    pub fn variable(place: String, name: String) -> Self {
        Self { place, from: From::Variable(name) }
    }

    /// A file whose only line is the secret.
    #[must_use]
    pub fn file(place: String, file: PathBuf, permissions: Permissions) -> Self {
        Self { place, from: From::File(file, permissions) }
    }

    /// The file, if it is in one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match &self.from {
            From::Variable(_) => None,
            From::File(file, _) => Some(file),
        }
    }

    /// Where the configuration refers to the secret, for other problems with it.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Reads the secret.
    ///
    /// # Errors
    /// It is missing or empty, or others can read its file.
    pub fn load(&self) -> Result<Secret, Problem> {
        let wrong = |message: String| Problem::at(&self.place, message);
        let (secret, named) = match &self.from {
            From::Variable(name) => {
                let secret = std::env::var_os(name).map(OsString::into_vec);
                let named = format!("the environment variable `{name}`");
                (Secret::new(&secret.ok_or_else(|| wrong(format!("{named} is not set")))?), named)
            }
            From::File(file, permissions) => {
                let named = file.display().to_string();
                let contents = read(file).map_err(|error| wrong(format!("{named}: {error}")))?;
                if let (Permissions::Strict, Some(exposed)) = (permissions, exposed(file)) {
                    return Err(wrong(format!("{named}: {exposed}")));
                }
                (Secret::new(line(contents.bytes())), named)
            }
        };
        if secret.bytes().is_empty() { Err(wrong(format!("{named} is empty"))) } else { Ok(secret) }
    }
}

/// Reads a file with a secret.
///
/// # Errors
/// The operating system refuses access; its error text never shows the contents.
pub fn read(file: &Path) -> io::Result<Contents> {
    fs::read(file).map(Contents)
}

/// The line that is a secret in a file: without a byte order mark before it and a line break behind it.
#[must_use]
pub fn line(contents: &[u8]) -> &[u8] {
    let line = contents.strip_prefix(b"\xef\xbb\xbf").unwrap_or(contents);
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
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
    fn a_secret_that_cannot_be_read_is_a_problem_at_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, contents: &str, mode: u32| {
            let file = folder.path().join(name);
            fs::write(&file, contents).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            file
        };
        let place = || "t.yaml:3:5: password".to_owned();
        let of_file = |file, permissions| SecretSource::file(place(), file, permissions).load();
        for (source, message) in [
            (
                SecretSource::variable(place(), "TOWBAR_NO_SUCH".to_owned()).load(),
                "the environment variable `TOWBAR_NO_SUCH` is not set",
            ),
            (of_file(folder.path().join("none"), Permissions::Any), "DIR/none: No such file or directory (os error 2)"),
            (of_file(file("empty", "\n", 0o600), Permissions::Strict), "DIR/empty is empty"),
            (
                of_file(file("open", "secret", 0o644), Permissions::Strict),
                "DIR/open: others can read this file (mode 0644): run `chmod 600 DIR/open`, or set `secret_files: any`",
            ),
        ] {
            let message = message.replace("DIR", &folder.path().display().to_string());
            assert!(source.is_err_and(|problem| problem == Problem::at(place(), &message)), "{message}");
        }
        assert!(
            of_file(file("line", "\u{feff}secret\r\n", 0o600), Permissions::Strict)
                .is_ok_and(|it| it.bytes() == b"secret")
        );
        assert!(of_file(file("any", " se cret", 0o644), Permissions::Any).is_ok_and(|it| it.bytes() == b" se cret"));
    }

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
