//! Records the contents of files by their digests, to detect changes.
//!
//! Contents are compared, not names. Kubernetes swaps a link far above the files, and other tools rewrite a file with
//! the same text. Since this runs often, a file is read only if its metadata changed, or if it changed so recently that
//! the metadata may not show another change.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{SHA256, digest};

use crate::schema;

/// For this long after a change, time stamps may be too coarse to show another change.
const YOUNG: Duration = Duration::from_secs(2);

/// Some files and their contents at the time they were looked at.
#[derive(Debug, Clone, Default)]
pub(super) struct Files(BTreeMap<PathBuf, Seen>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    content: Content,
    /// Identifies the file and its version; `None` if it must be read again.
    stamp: Option<Stamp>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Content {
    Digest([u8; 32]),
    Unreadable(io::ErrorKind),
}

/// If two stamps are equal, it is the same unchanged file. Links are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Files {
    /// Looks at `paths`, and for a folder at the `.proto` files below it. Files with the same stamp as `before` are not
    /// read.
    pub(super) fn look(paths: &[PathBuf], before: &Self) -> Self {
        let all = paths.iter().flat_map(|path| expand(path));
        Self(all.map(|path| (path.clone(), Seen::now(&path, before.0.get(&path)))).collect())
    }

    /// The files that have other contents than before, are new, or are gone.
    pub(super) fn changed_since<'a>(&'a self, before: &'a Self) -> Vec<&'a Path> {
        let content = |files: &Self, path: &PathBuf| files.0.get(path).map(|seen| seen.content.clone());
        let gone = before.0.keys().filter(|path| !self.0.contains_key(*path));
        let other = self.0.keys().filter(|path| content(self, path) != content(before, path));
        let mut paths: Vec<&Path> = gone.chain(other).map(PathBuf::as_path).collect();
        paths.sort_unstable();
        paths
    }

    /// Whether each of these files is among the others, with the same contents.
    pub(super) fn are_all_in(&self, others: &Self) -> bool {
        let content = |path| others.0.get(path).map(|seen: &Seen| &seen.content);
        self.0.iter().all(|(path, seen)| content(path) == Some(&seen.content))
    }

    /// Adds the files of `more` that are not listed yet.
    pub(super) fn and(mut self, more: Self) -> Self {
        for (path, seen) in more.0 {
            self.0.entry(path).or_insert(seen);
        }
        self
    }
}

fn expand(path: &Path) -> Vec<PathBuf> {
    if path.is_dir() { schema::proto_files(path).unwrap_or_default() } else { vec![path.to_owned()] }
}

impl Seen {
    fn now(path: &Path, before: Option<&Self>) -> Self {
        let stamp = fs::metadata(path).ok().map(|metadata| (Stamp::of(&metadata), is_young(&metadata)));
        if let (Some((stamp, _)), Some(before)) = (stamp, before)
            && before.stamp == Some(stamp)
        {
            return before.clone();
        }
        let content = match fs::read(path) {
            Ok(bytes) => {
                let mut made = [0; 32];
                made.copy_from_slice(digest(&SHA256, &bytes).as_ref());
                Content::Digest(made)
            }
            Err(error) => Content::Unreadable(error.kind()),
        };
        let stamp = stamp.filter(|(_, is_young)| !is_young).map(|(stamp, _)| stamp);
        Self { content, stamp }
    }
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

fn is_young(metadata: &Metadata) -> bool {
    let changed = Duration::from_secs(u64::try_from(metadata.ctime()).unwrap_or_default());
    let age = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH + changed);
    // A time in the future comes from another machine's clock and proves nothing.
    !age.is_ok_and(|age| age >= YOUNG)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// What `act` does to a folder with `a.proto`, `b.txt` and the link `current/key.pem`, and which files count as
    /// changed.
    #[test]
    fn changes_are_detected_by_contents_not_by_timestamps_or_link_targets() {
        type Act = fn(&Path);
        let cases: [(&str, Act, &[&str]); 9] = [
            ("nothing", |_| {}, &[]),
            ("the same text anew", |root| fs::write(root.join("b.txt"), "b").unwrap(), &[]),
            ("other text of one length", |root| fs::write(root.join("b.txt"), "c").unwrap(), &["b.txt"]),
            ("no file any more", |root| fs::remove_file(root.join("b.txt")).unwrap(), &["b.txt"]),
            ("a new file of a schema", |root| fs::write(root.join("api/n.proto"), "n").unwrap(), &["api/n.proto"]),
            ("a new file of no schema", |root| fs::write(root.join("api/n.txt"), "n").unwrap(), &[]),
            ("one less", |root| fs::remove_file(root.join("api/a.proto")).unwrap(), &["api/a.proto"]),
            ("a link to other text", |root| swap(root, "new"), &["current/key.pem"]),
            ("a link to the same text", |root| swap(root, "copy"), &[]),
        ];
        for (case, act, expected) in cases {
            let folder = tempfile::tempdir().unwrap();
            let root = folder.path();
            for (name, text) in [
                ("b.txt", "b"),
                ("api/a.proto", "a"),
                ("old/key.pem", "1"),
                ("new/key.pem", "2"),
                ("copy/key.pem", "1"),
            ] {
                fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
                fs::write(root.join(name), text).unwrap();
            }
            symlink("old", root.join("current")).unwrap();
            let paths = ["b.txt", "api", "current/key.pem"].map(|name| root.join(name));
            let before = Files::look(&paths, &Files::default());
            act(root);
            let after = Files::look(&paths, &before);
            let changed: Vec<_> =
                after.changed_since(&before).into_iter().map(|path| path.strip_prefix(root).unwrap()).collect();
            assert_eq!(changed, expected.iter().map(Path::new).collect::<Vec<_>>(), "{case}");
        }
    }

    fn swap(root: &Path, to: &str) {
        symlink(to, root.join("next")).unwrap();
        fs::rename(root.join("next"), root.join("current")).unwrap();
    }
}
