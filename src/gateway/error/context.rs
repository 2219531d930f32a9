//! What is known about a call when its end is reported.

use super::timer::Timer;
use crate::route::policy::Errors;
use crate::route::{Query, Route};
use crate::schema::Schema;

/// Which parts of a backend's status callers may see. The default equals that of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Exposure {
    /// Whether the messages of INTERNAL, UNKNOWN and DATA_LOSS are replaced by a neutral text.
    pub hides_internal_messages: bool,
    /// Whether details of unknown types are shown, as bytes.
    pub shows_unknown_details: bool,
}

impl Exposure {
    /// The exposure that a policy sets.
    #[must_use]
    pub fn of(errors: &Errors) -> Self {
        Self {
            hides_internal_messages: errors.hide_internal_messages,
            shows_unknown_details: errors.show_unknown_details,
        }
    }
}

/// The request behind a call. Errors take the caller's names of fields from it.
#[derive(Clone, Copy)]
pub struct CallContext<'a> {
    /// The types of error details.
    pub schema: &'a Schema,
    pub route: &'a Route,
    pub query: &'a Query,
    /// The request body, if it was JSON.
    pub json: Option<&'a [u8]>,
    /// The timeout of the call.
    pub timer: &'a Timer,
    /// Which parts of the backend's status callers may see.
    pub exposure: Exposure,
}
