//! No dumps of the process: its memory holds private keys, tokens and what callers and banks send each other.

use rustix::process::{Resource, Rlimit, setrlimit};

use crate::format::problem::Problem;

/// Has the operating system write no core dump of this process. On Linux nobody but root may look into its memory either: neither a
/// debugger nor `/proc/PID/mem`.
///
/// # Errors
/// The operating system's.
pub(super) fn forbid() -> Result<(), Problem> {
    let wrong = |error| Problem::new(format!("cannot turn core dumps off: {error}; `--core-dumps` allows them"));
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }).map_err(wrong)?;
    // core(5): a `core_pattern` that starts with `|` has a program read the process whatever the limit is, if it is dumpable.
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable).map_err(wrong)?;
    Ok(())
}
