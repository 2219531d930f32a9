//! How often something may happen, for each of many keys.
//!
//! A [`Quota`] and the state of a key in, whether it may happen now out: the generic cell rate algorithm (ITU-T I.371),
//! which needs one number for each key. A [`Table`] has the numbers of all keys, within a bound of memory. This module
//! does not know what the keys are.

mod quota;
mod table;

pub use quota::{Exceeded, Quota};
pub use table::{Key, Table};
