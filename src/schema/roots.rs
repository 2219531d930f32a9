//! Import roots: the folders in which imports are searched, and the files found there.
//!
//! An import is searched first from the root of the importing file, then from the other roots in order, then in the
//! vendored folders below them. Only names and existence matter here; no file is read.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Folders with files of third parties. Their files are read only if they are imported, and the folders are import
/// roots.
const VENDORED: [&str; 4] = ["third_party", "third-party", "thirdparty", "googleapis"];

/// The content of a folder.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Listing {
    /// Its `.proto` files, sorted, without those in vendored folders.
    pub(super) files: Vec<PathBuf>,
    /// The vendored folders, those closest to the top first.
    pub(super) vendored: Vec<PathBuf>,
}

/// The folders in which imports are searched.
#[derive(Debug, Default)]
pub(super) struct Roots {
    roots: Vec<PathBuf>,
    /// The sources that are single files.
    named: Vec<PathBuf>,
    vendored: Vec<PathBuf>,
    /// The `.proto` files below vendored folders, by file name; filled at the first import that needs it.
    files: RefCell<Option<HashMap<String, Vec<PathBuf>>>>,
}

/// A file and the root under which it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FoundFile {
    pub(super) root: PathBuf,
    pub(super) path: PathBuf,
}

impl Listing {
    /// Lists a folder. If it is vendored itself, or holds only vendored files, its files are listed like those of any
    /// other source.
    pub(super) fn of(folder: &Path) -> io::Result<Self> {
        let mut listing = Self::default();
        if !is_vendored(folder) {
            let mut folders = vec![folder.to_path_buf()];
            while let Some(folder) = folders.pop() {
                for entry in fs::read_dir(folder)? {
                    let path = entry?.path();
                    if !path.is_dir() {
                        listing.files.extend(Some(path).filter(|path| is_proto(path)));
                    } else if is_vendored(&path) {
                        listing.vendored.push(path);
                    } else {
                        folders.push(path);
                    }
                }
            }
        }
        if listing.files.is_empty() {
            listing.files = proto_files(folder)?;
        }
        listing.files.sort();
        listing.vendored.sort_by_key(|path| (path.components().count(), path.clone()));
        Ok(listing)
    }
}

/// The vendored folders directly in a folder.
pub(super) fn vendored_in(folder: &Path) -> Vec<PathBuf> {
    VENDORED.iter().map(|name| folder.join(name)).filter(|path| path.is_dir()).collect()
}

/// The `.proto` files below a folder, sorted.
///
/// # Errors
/// A folder cannot be read.
pub fn proto_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if is_proto(&path) {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

pub(super) fn is_proto(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "proto")
}

fn is_vendored(folder: &Path) -> bool {
    folder.file_name().is_some_and(|name| VENDORED.iter().any(|vendored| name == *vendored))
}

impl Roots {
    /// Adds a root and the vendored folders inside it.
    pub(super) fn add(&mut self, root: &Path, vendored: Vec<PathBuf>) {
        let root = or_here(root);
        if !self.roots.contains(&root) {
            self.roots.push(root);
        }
        for folder in vendored {
            if !self.vendored.contains(&folder) {
                self.vendored.push(folder);
            }
        }
        *self.files.borrow_mut() = None;
    }

    /// Adds a source that is a single file. Files may import it by the end of its path.
    pub(super) fn add_file(&mut self, path: &Path) {
        self.named.push(path.to_owned());
    }

    /// The roots in order, for error texts.
    pub(super) fn told(&self) -> String {
        let all = self.roots.iter().chain(&self.vendored);
        all.map(|root| root.display().to_string()).collect::<Vec<_>>().join(", ")
    }

    /// Finds the file for an import in a file whose root is `from`.
    pub(super) fn find(&self, from: &Path, import: &str) -> Option<FoundFile> {
        let at = |root: &Path| {
            let path = if root == Path::new(".") { PathBuf::from(import) } else { root.join(import) };
            path.is_file().then(|| FoundFile { root: root.to_owned(), path })
        };
        let given = std::iter::once(from).chain(self.roots.iter().map(PathBuf::as_path));
        let direct = given.chain(self.vendored.iter().map(PathBuf::as_path)).find_map(at);
        let named = || self.named.iter().find(|path| path.ends_with(import)).and_then(|path| found(path, import));
        direct.or_else(named).or_else(|| self.vendored(import))
    }

    /// The file with this name at any depth below a vendored folder: the one whose root is closest to the top.
    fn vendored(&self, import: &str) -> Option<FoundFile> {
        let mut files = self.files.borrow_mut();
        let files = files.get_or_insert_with(|| {
            let mut files: HashMap<String, Vec<PathBuf>> = HashMap::new();
            for path in self.vendored.iter().flat_map(|folder| proto_files(folder).unwrap_or_default()) {
                if let Some(name) = path.file_name().and_then(|name| name.to_str()) {
                    files.entry(name.to_owned()).or_default().push(path);
                }
            }
            files
        });
        let named = files.get(import.rsplit('/').next()?)?;
        let ending = named.iter().filter(|path| path.ends_with(import));
        let path = ending.min_by_key(|path| (path.components().count(), (*path).clone()))?;
        found(path, import)
    }

    /// A file with this name below one of the roots, whose root could be added as an import root.
    pub(super) fn elsewhere(&self, import: &str) -> Option<FoundFile> {
        self.roots.iter().filter(|root| *root != Path::new(".")).find_map(|root| {
            let files = proto_files(root).ok()?;
            let path = files.into_iter().find(|path| path.ends_with(import))?;
            found(&path, import)
        })
    }
}

/// A file whose path ends with `name`, and the root under which it has that name.
fn found(path: &Path, name: &str) -> Option<FoundFile> {
    let root = path.ancestors().nth(Path::new(name).components().count())?;
    Some(FoundFile { root: or_here(root), path: path.to_owned() })
}

/// The path as imports write it, relative to `root`.
pub(super) fn relative(root: &Path, path: &Path) -> Option<String> {
    let inner = match path.strip_prefix(root) {
        Ok(inner) => inner,
        Err(_) if root == Path::new(".") && path.is_relative() => path,
        Err(_) => return None,
    };
    let mut name = String::new();
    for component in inner.components() {
        match component {
            std::path::Component::Normal(part) => {
                name.push_str(if name.is_empty() { "" } else { "/" });
                name.push_str(part.to_str()?);
            }
            std::path::Component::CurDir => {}
            _ => return None,
        }
    }
    Some(name).filter(|name| !name.is_empty())
}

/// The folder, or `.` if it is empty.
pub(super) fn or_here(folder: &Path) -> PathBuf {
    if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder.to_owned() }
}
