//! The unit file for systemd, as `systemd-analyze` reads it.

use std::fs;
use std::process::Command;

use crate::support::folder::Folder;
use crate::support::process::{Ended, Process};
use crate::support::programs::{Package, installed};

const UNIT: &str = include_str!("../../config/towbar.service");
const SOCKET: &str = include_str!("../../config/towbar.socket");

/// The highest exposure, of 100, for a service that listens on the network.
const EXPOSURE: &str = "--threshold=25";

#[test]
fn the_systemd_unit_is_valid_and_restricts_the_service() {
    let Some(program) = installed("systemd-analyze", Package::Debian("systemd")) else { return };
    let folder = Folder::new();
    // The unit must name a program that is there.
    let unit = UNIT.replace("/usr/bin/towbar", env!("CARGO_BIN_EXE_towbar"));
    assert_ne!(unit, UNIT);
    folder.write("towbar.service", unit).write("towbar.socket", SOCKET);
    for (arguments, units) in [
        (&["verify", "--man=no"][..], &["towbar.service", "towbar.socket"][..]),
        (&["security", "--offline=true", "--no-pager", EXPOSURE], &["towbar.service"]),
    ] {
        let mut command = Command::new(&program);
        command.args(arguments).args(units.iter().map(|unit| folder.path(unit)));
        let Ended { code, stdout, stderr } = Process::start(&mut command).wait();
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{arguments:?}: {stdout}");
    }
}

#[test]
fn the_systemd_unit_runs_serve_and_waits_for_the_drain() {
    let value = |key: &str| UNIT.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).unwrap();
    // `notice` and `timeout` of the default `listen.drain` are 30 s.
    assert_eq!(value("TimeoutStopSec"), "35");
    assert_eq!(value("ExecStart"), "/usr/bin/towbar serve --config /etc/towbar/towbar.yaml");
    assert_eq!(value("RestartPreventExitStatus"), "2");
    assert_eq!(value("Type"), "notify");
    let documented = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations.md")).unwrap();
    assert!(documented.contains("(../config/towbar.service)"));
}
