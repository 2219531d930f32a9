//! Prevents memory dumps: the process holds private keys, tokens and the data of callers and backends.

use rustix::process::{Resource, Rlimit, setrlimit};

use crate::format::problem::Problem;

/// Turns off core dumps of this process. On Linux also denies everyone but root access to its memory, by debugger or
/// `/proc/PID/mem`.
///
/// # Errors
/// The operating system refuses it.
pub(super) fn forbid() -> Result<(), Problem> {
    let wrong = |error| Problem::new(format!("cannot turn core dumps off: {error}; `--core-dumps` allows them"));
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }).map_err(wrong)?;
    // core(5): a `core_pattern` that starts with `|` pipes the dump to a program whatever the limit is, if the process
    // is dumpable.
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable).map_err(wrong)?;
    Ok(())
}
