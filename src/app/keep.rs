//! Goes on after a problem, so that all problems are reported at once.

use crate::format::problem::Problem;

/// The value; or adds its problems to `problems`.
pub(super) fn keep<T>(result: Result<T, Vec<Problem>>, problems: &mut Vec<Problem>) -> Option<T> {
    result.map_err(|wrong| problems.extend(wrong)).ok()
}
