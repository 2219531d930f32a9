//! How often something may happen, and how many at one time, for each of many keys.
//!
//! A [`Quota`] and the state of a key in, whether it may happen now out: the generic cell rate algorithm (ITU-T I.371),
//! which needs one number for each key. A [`Table`] has the numbers of all keys, within a bound of memory. [`Slots`] count
//! what is in progress. This module does not know what the keys are.

mod key;
mod quota;
mod slots;
mod table;

pub use key::{Key, Keys};
pub use quota::{Exceeded, Left, Quota};
pub use slots::{Slot, Slots};
pub use table::Table;
