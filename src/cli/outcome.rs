//! The result of a command.

use std::process::ExitCode;

use crate::format::problem::Problem;

/// The exit code, or the problems that stopped the command.
pub(super) type Outcome = Result<ExitCode, Vec<Problem>>;

/// Exit code if the request would be refused, or no request can carry the message.
pub(super) const NOT_SENT: u8 = 1;

/// Exit code if the start is refused; wrong flags have it too.
pub(super) const REFUSED: u8 = 2;
