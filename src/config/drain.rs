//! `listen.drain`: how long a shutdown may take.

use std::time::Duration;

use super::reader::{Section, Value, or_default};
use crate::format::quantity;
use crate::server::Drain;

/// The settings in the file, with defaults for the missing ones.
pub(super) fn drain(listen: Section) -> Drain {
    let keys = listen.value("drain").and_then(|value| value.section(&["notice", "timeout"]).ok());
    let value = |key| keys.and_then(|keys| keys.value(key));
    let default = Drain::default();
    let notice = |value: &Value| value.parsed("a duration", notice);
    Drain {
        notice: or_default(value("notice"), notice, default.notice),
        timeout: or_default(value("timeout"), Value::duration, default.timeout),
    }
}

/// A duration that may also be `0s`: no notice.
fn notice(text: &str) -> Result<Duration, String> {
    match text {
        "0s" => Ok(Duration::ZERO),
        text => quantity::duration(text).map_err(|_| format!("expected a duration from `0s` to `1h`, found `{text}`")),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Overrides, load_text};

    fn read(listen: &str) -> (Option<Drain>, Vec<String>) {
        let text = format!("listen: {listen}\nschema: p\nupstream: http://bank\n");
        let (config, problems) = load_text(&text, Path::new("towbar.yaml"), &Overrides::default());
        (config.listen.map(|listen| listen.drain), problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn the_drain_notice_and_timeout_are_read_with_their_defaults() {
        let drain =
            |notice, timeout| Drain { notice: Duration::from_millis(notice), timeout: Duration::from_millis(timeout) };
        for (listen, expected) in [
            ("0.0.0.0:80", drain(5000, 25_000)),
            ("{}", drain(5000, 25_000)),
            ("{drain: {notice: 0s}}", drain(0, 25_000)),
            ("{drain: {notice: 1h, timeout: 500ms}}", drain(3_600_000, 500)),
        ] {
            assert_eq!(read(listen), (Some(expected), Vec::new()), "{listen}");
        }
    }

    #[test]
    fn an_invalid_drain_setting_is_reported_with_its_position() {
        for (listen, problems) in [
            ("{drain: 5s}", &["towbar.yaml:1:17: drain: expected a map, found `5s`"][..]),
            (
                "{drain: {notice: 2h, timeout: 0s}}",
                &[
                    "towbar.yaml:1:26: notice: expected a duration from `0s` to `1h`, found `2h`",
                    "towbar.yaml:1:39: timeout: expected a duration above `0s` and up to `1h`, found `0s`",
                ],
            ),
            ("{drain: {grace: 5s}}", &["towbar.yaml:1:18: unknown key `grace`; known here: `notice`, `timeout`"]),
        ] {
            assert_eq!(read(listen).1, problems, "{listen}");
        }
    }
}
