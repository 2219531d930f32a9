//! Programs that tests need: where they are, and, at the end of all tests, how to get those that are not there.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "a test may panic, and uses a part of its support")]

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// How a program is installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Package {
    /// Packages of Debian.
    Debian(&'static str),
    /// A package of Python's index, in the folder where the checks have it.
    Pip(&'static str),
}

impl Package {
    pub fn command(self) -> String {
        let (debian, pip) = match self {
            Self::Debian(packages) => (packages, ""),
            Self::Pip(packages) => ("", packages),
        };
        commands(debian, pip)
    }
}

/// Where a program is that a test needs. When it is not there, the test is skipped with a message; in CI it fails.
pub fn installed(program: &str, package: Package) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Debian leaves /usr/sbin out of a user's PATH.
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let found = folders.map(|folder| folder.join(program)).find(|file| file.is_file());
    if found.is_none() {
        missing(&format!("{program} is not installed: {}", package.command()), Some(package));
    }
    found
}

/// Skips a test for want of something that CI has.
pub fn missing(why: &str, package: Option<Package>) {
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{why}");
    skipped(why);
    if let Some(package) = package {
        note(&log(), package);
    }
}

/// Says why a test does nothing here.
pub fn skipped(why: &str) {
    say(&format!("skipped: {why}"));
}

/// The harness keeps what `eprintln!` prints to itself when a test passes.
pub fn say(line: &str) {
    std::io::stderr().write_all(format!("{line}\n").as_bytes()).unwrap();
}

/// A file for all executables that one `cargo test` starts: it is their parent.
fn log() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("skipped-{}", std::os::unix::process::parent_id()))
}

/// A line a test, as the harness names its thread, and what it has not got.
fn note(log: &Path, package: Package) {
    let thread = std::thread::current();
    let (kind, packages) = match package {
        Package::Debian(packages) => ("debian", packages),
        Package::Pip(packages) => ("pip", packages),
    };
    let line = format!("{kind} {packages}\t{}\n", thread.name().unwrap_or_default());
    fs::OpenOptions::new().create(true).append(true).open(log).unwrap().write_all(line.as_bytes()).unwrap();
}

/// One line of what the tests before this one have not got, if there is any. The next run begins anew.
pub fn summary() -> Option<String> {
    let text = fs::read_to_string(log()).ok()?;
    let _ = fs::remove_file(log());
    Some(told(&text))
}

/// The line of a log.
pub fn told(text: &str) -> String {
    let (mut tests, mut debian, mut pip) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for (what, test) in text.lines().filter_map(|line| line.split_once('\t')) {
        tests.insert(test);
        match what.split_once(' ') {
            Some(("pip", packages)) => pip.extend(packages.split(' ')),
            Some((_, packages)) => debian.extend(packages.split(' ')),
            None => {}
        }
    }
    let joined = |packages: BTreeSet<&str>| packages.into_iter().collect::<Vec<_>>().join(" ");
    let (count, commands) = (tests.len(), commands(&joined(debian), &joined(pip)));
    format!("skipped: {count} {} for want of a program: {commands}", if count == 1 { "test" } else { "tests" })
}

fn commands(debian: &str, pip: &str) -> String {
    let debian = (!debian.is_empty()).then(|| format!("apt-get install -y --no-install-recommends {debian}"));
    let pip =
        (!pip.is_empty()).then(|| format!("python3 -m venv target/ci-tools && target/ci-tools/bin/pip install {pip}"));
    debian.into_iter().chain(pip).collect::<Vec<_>>().join(" && ")
}
