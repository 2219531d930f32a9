//! Packages of Python, installed once into a folder of their own below `target/`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::process::Process;
use super::programs::{Package, installed, missing};

const VENV: Package = Package::Debian("python3-venv");

/// A Python interpreter that has what `pip install` is given, once for each item of `installs`. `None` where that is not possible, which
/// is a failure in CI.
pub(crate) fn environment(name: &str, installs: &[&[&str]]) -> Option<PathBuf> {
    // Tests that run at one time install one environment.
    static INSTALLING: Mutex<()> = Mutex::new(());
    let _installing = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    let system = installed("python3", Package::Debian("python3 python3-venv"))?;
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name.replace("==", "-"));
    let (python, complete) = (folder.join("bin/python"), folder.join("complete"));
    if complete.exists() {
        return Some(python);
    }
    let environment = Process::start(Command::new(system).args(["-m", "venv", "--clear"]).arg(&folder));
    let ended = environment.wait_for(Duration::from_secs(120));
    if ended.code != Some(0) {
        let why = ended.stdout.trim().to_owned();
        missing(&format!("python3 makes no virtual environment: {}: {why}", VENV.command()), Some(VENV));
        return None;
    }
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "1"];
    for packages in installs {
        let ended = Process::start(Command::new(&python).args(pip).args(*packages)).wait_for(Duration::from_secs(600));
        if ended.code != Some(0) {
            let why = ended.stderr.trim().lines().next_back().unwrap_or_default();
            let packages = packages.join(" ");
            missing(
                &format!("`pip install {packages}` must work, from an index that has it, and does not: {why}"),
                None,
            );
            return None;
        }
    }
    fs::write(complete, "").unwrap();
    Some(python)
}
