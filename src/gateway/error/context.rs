//! What is known of a call where its end is told.

use super::timer::Timer;
use crate::route::policy::Errors;
use crate::route::{Query, Route};
use crate::schema::Schema;

/// What of a backend's status callers get to see. The default is that of the configuration's keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Exposure {
    /// Whether a neutral text stands in the place of the messages of INTERNAL, UNKNOWN and DATA_LOSS.
    pub hides_internal_messages: bool,
    /// Whether details of a type that nobody here knows are shown, as bytes.
    pub shows_unknown_details: bool,
}

impl Exposure {
    /// What a policy says of it.
    #[must_use]
    pub fn of(errors: &Errors) -> Self {
        Self {
            hides_internal_messages: errors.hide_internal_messages,
            shows_unknown_details: errors.show_unknown_details,
        }
    }
}

/// The request that a call was made for, in which the caller finds what a backend names.
#[derive(Clone, Copy)]
pub struct CallContext<'a> {
    /// Types of details.
    pub schema: &'a Schema,
    /// Where the request went.
    pub route: &'a Route,
    /// Its query.
    pub query: &'a Query,
    /// Its body, if that was JSON.
    pub json: Option<&'a [u8]>,
    /// How long it may take.
    pub timer: &'a Timer,
    /// What callers are told about its status.
    pub exposure: Exposure,
}
