//! Others' validators of OpenAPI, over the document of the bank and over one of every kind of field.
//!
//! They are installed once, each into a folder of its own below `target/`; where that is not possible a test is skipped and says so.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::support::folder::Folder;
use crate::support::process::Process;
use crate::support::programs::{Package, installed, missing};
use crate::support::python;

const PYTHON: &str = "openapi-spec-validator==0.9.0";
const REDOCLY: &str = "@redocly/cli@2.77.0";
const BANK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/bank.yaml");
const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases");
/// So long may a validator take.
const PATIENCE: Duration = Duration::from_secs(120);

/// The documents that are validated: that of the bank, and that of all kinds in YAML and in JSON.
fn documents(folder: &Folder) -> Vec<PathBuf> {
    folder.write("kinds/kinds.proto", include_str!("../support/kinds.proto"));
    let mut documents = vec![PathBuf::from(BANK)];
    for format in ["yaml", "json"] {
        let printed = folder.run(&["openapi", "--format", format, "--proto", "kinds", "-I", CASES]);
        assert_eq!(printed.code, Some(0), "{}", printed.stderr);
        let name = format!("kinds.{format}");
        folder.write(&name, printed.stdout);
        documents.push(folder.path(&name));
    }
    documents
}

#[test]
fn documents_are_valid_for_openapi_spec_validator() {
    let Some(python) = python::environment(PYTHON, &[&[PYTHON]]) else { return };
    let folder = Folder::new();
    let mut command = Command::new(python);
    command.args(["-m", "openapi_spec_validator"]).args(documents(&folder));
    let ended = Process::start(&mut command).wait_for(PATIENCE);
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
}

#[test]
fn documents_are_valid_for_redocly() {
    let Some(redocly) = redocly() else { return };
    let folder = Folder::new();
    let mut command = Command::new(redocly);
    command.args(["lint", "--extends", "recommended"]).args(documents(&folder)).current_dir(folder.path("."));
    // It asks nobody for news, and tells nobody that it runs.
    command.envs([("REDOCLY_TELEMETRY", "off"), ("REDOCLY_SUPPRESS_UPDATE_NOTICE", "true")]);
    let ended = Process::start(&mut command).wait_for(PATIENCE);
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
}

fn redocly() -> Option<PathBuf> {
    let npm = installed("npm", Package::Debian("npm"))?;
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("redocly-2.77.0");
    let (program, complete) = (folder.join("node_modules/.bin/redocly"), folder.join("complete"));
    if complete.exists() {
        return Some(program);
    }
    let mut command = Command::new(npm);
    command.args(["install", "--no-audit", "--no-fund", "--prefix"]).arg(&folder).arg(REDOCLY);
    let ended = Process::start(&mut command).wait_for(Duration::from_secs(300));
    if ended.code != Some(0) {
        let why = ended.stderr.trim().lines().next_back().unwrap_or_default().to_owned();
        missing(&format!("`npm install {REDOCLY}` must work, from a registry that has it, and does not: {why}"), None);
        return None;
    }
    fs::write(complete, "").unwrap();
    Some(program)
}
