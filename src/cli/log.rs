//! The log: lines on standard error, which nobody who serves waits for.
//!
//! A thread writes them. Where it cannot, since the disk is full or whoever reads the lines has stopped, those that come too fast are
//! dropped and counted, and calls are answered as ever.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::reload::Handle;

use crate::observe::filter::LogFilter;

/// What is logged where `TOWBAR_LOG` says nothing. Of libraries only what they call an error: callers can have them warn as often as
/// they like.
const DEFAULT: &str = "error,towbar=info";

/// Most lines that wait to be written.
const WAITING: usize = 4096;

/// Time between two looks at what was lost.
const LOOK: Duration = Duration::from_secs(10);

/// While it is there, lines are written; those that wait are written when it goes.
pub(super) struct Log {
    lost: ErrorCounter,
    filter: Arc<dyn LogFilter>,
    _writing: WorkerGuard,
}

/// Log lines go to standard error; `TOWBAR_LOG` chooses how many (`info` by default, `towbar=debug` for every call).
pub(super) fn to_stderr() -> Log {
    let filter = EnvFilter::try_from_env("TOWBAR_LOG").unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    let builder = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(WAITING).thread_name("log");
    let (writer, guard) = builder.finish(std::io::stderr());
    let lost = writer.error_counter();
    let is_terminal = std::io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_ansi(is_terminal);
    let builder = builder.with_filter_reloading();
    let filter = Arc::new(Replaceable(builder.reload_handle()));
    builder.init();
    Log { lost, filter, _writing: guard }
}

/// The filter of the log, replaced while it is written.
struct Replaceable<S>(Handle<EnvFilter, S>);

impl<S> LogFilter for Replaceable<S> {
    fn shown(&self) -> String {
        self.0.with_current(EnvFilter::to_string).unwrap_or_default()
    }

    fn replace(&self, filter: &str) -> Result<(), String> {
        if filter.is_empty() {
            return Err(format!("expected a filter such as `{DEFAULT}`, got nothing"));
        }
        // A span or a field has no meaning here, and its pattern would cost time for every line.
        let parsed = EnvFilter::builder().with_regex(false).parse(filter);
        let parsed = parsed.map_err(|error| format!("expected a filter such as `{DEFAULT}`: {error}"))?;
        self.0.reload(parsed).map_err(|error| error.to_string())
    }
}

impl Log {
    /// Which lines are written.
    pub(super) fn filter(&self) -> Arc<dyn LogFilter> {
        self.filter.clone()
    }

    /// Counts the lines that are lost.
    pub(super) fn lost(&self) -> ErrorCounter {
        self.lost.clone()
    }
}

/// Says in the log itself how many lines it has lost, as soon as it takes lines again.
pub(super) async fn tell_what_is_lost(lost: ErrorCounter) {
    let mut told = 0;
    loop {
        tokio::time::sleep(LOOK).await;
        let now = lost.dropped_lines();
        if now > told {
            tracing::warn!(lines = now - told, "log lines were dropped because standard error was too slow");
            told = now;
        }
    }
}
