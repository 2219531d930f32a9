//! `reload`: how changed files are detected.

use std::time::Duration;

use super::input::Input;
use super::reader::{Value, or_default};
use super::settings::Reload;

/// Short enough that, with the time to read the files, new certificates are served within a second.
const RELOAD_INTERVAL: Duration = Duration::from_millis(500);

impl Input<'_> {
    pub(super) fn reload(&self) -> Reload {
        let section = self.section("reload", &["watch", "interval"]);
        let value = |key| section.and_then(|section| section.value(key));
        Reload {
            watch: or_default(value("watch"), Value::truth, true),
            interval: or_default(value("interval"), Value::duration, RELOAD_INTERVAL),
        }
    }
}
