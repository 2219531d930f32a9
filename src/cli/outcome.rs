//! What a command ends with.

use std::process::ExitCode;

use crate::format::problem::Problem;

/// The exit code, or what is wrong at the start.
pub(super) type Outcome = Result<ExitCode, Vec<Problem>>;

/// Exit code for a request that is refused, or a message that no request carries.
pub(super) const NOT_SENT: u8 = 1;

/// Exit code for a start that was refused, the same as for a wrong flag.
pub(super) const REFUSED: u8 = 2;
