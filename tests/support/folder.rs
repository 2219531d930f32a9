//! A folder of its own for a test, and the command run in it: paths in the texts are then as the test wrote them.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "a test may panic, and uses a part of its support")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use towbar::cli::demo::bank::certificates::{Authority, Issued};

use super::process::{Ended, Gateway, Process, towbar};

/// Removed when it is dropped.
pub struct Folder(TempDir);

/// For commands that call nobody.
pub const NOBODY: &str = "http://127.0.0.1:1";

/// Of the rpc `shop.v1.Orders.Get`, and of what its rules may name.
const HEAD: &str = "syntax = \"proto3\";
package shop.v1;
import \"google/api/annotations.proto\";
service Orders {
";
const TAIL: &str = "
}
message Order { string id = 1; repeated string tags = 2; Item item = 3; map<string, string> notes = 4; int32 count = 5; }
message Item { string name = 1; }
";

/// A `.proto` file with these rpcs, which start on line 5.
pub fn orders(rpcs: &str) -> String {
    format!("{HEAD}{rpcs}{TAIL}")
}

/// The same with one rpc, `Get`, and this rule.
pub fn get_with(rule: &str) -> String {
    orders(&format!("rpc Get(Order) returns (Order) {{ option (google.api.http) = {{ {rule} }}; }}"))
}

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file and the folders above it.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> &Self {
        let file = self.path(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
        self
    }

    /// Writes a private key, which nobody else may read.
    pub fn write_key(&self, name: &str, pem: impl AsRef<[u8]>) -> &Self {
        self.write(name, pem);
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o600)).unwrap();
        self
    }

    /// Writes a certificate and its key.
    pub fn write_identity(&self, cert: &str, key: &str, identity: &Issued) -> &Self {
        self.write(cert, identity.certificate_pem()).write_key(key, identity.key_pem())
    }

    /// Copies a folder of the repository.
    pub fn copy(&self, from: &str, to: &str) -> &Self {
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join(from), &self.path(to));
        self
    }

    /// The command with these arguments, run here.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = towbar(arguments);
        command.current_dir(self.0.path());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ended {
        Process::start(&mut self.command(arguments)).wait()
    }

    pub fn start(&self, arguments: &[&str]) -> Gateway {
        Gateway::of(&mut self.command(arguments))
    }

    /// The problems for which the command is refused, a line each. Nothing listens, and nothing is left running.
    pub fn refusal(&self, arguments: &[&str]) -> Vec<String> {
        let Ended { code, stdout, stderr } = self.run(arguments);
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{arguments:?}: {stderr}");
        let mut lines: Vec<String> = stderr.lines().map(str::to_owned).collect();
        let things = if lines.len() == 2 { "problem" } else { "problems" };
        let last = format!("towbar: {} {things}, nothing was started", lines.len() - 1);
        assert_eq!(lines.pop(), Some(last), "{arguments:?}: {stderr}");
        lines
    }

    /// The refusal of `serve` with these descriptors.
    pub fn refused_protos(&self, paths: &[&str]) -> Vec<String> {
        let flags = paths.iter().flat_map(|path| ["--proto", path]);
        let arguments: Vec<&str> =
            ["serve", "--listen", "127.0.0.1:0", "--backend", NOBODY].into_iter().chain(flags).collect();
        self.refusal(&arguments)
    }

    /// The routes of these descriptors: method, path, rpc.
    pub fn routes(&self, paths: &[&str]) -> Vec<String> {
        let flags = paths.iter().flat_map(|path| ["--proto", path]);
        let Ended { code, stdout, stderr } = self.run(&["routes"].into_iter().chain(flags).collect::<Vec<_>>());
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{paths:?}");
        let row = |line: &str| line.split_whitespace().take(3).collect::<Vec<_>>().join(" ");
        stdout.lines().skip(1).map(row).collect()
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        // The operator's own certificates, if there are any, stay where they are.
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else if entry.path().extension().is_none_or(|extension| extension != "pem") {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// An authority of the test.
pub fn authority(name: &str) -> Authority {
    Authority::new(name).unwrap()
}
