//! The log: lines on standard error, written without making any request wait.
//!
//! A separate thread writes the lines. If it cannot keep up, because the disk is full or the reader has stopped, lines
//! are dropped and counted. Requests are answered as usual.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::reload::Handle;

use crate::observe::filter::LogFilter;

/// The default of `TOWBAR_LOG`. Libraries log errors only: callers could make them warn as often as they like.
const DEFAULT: &str = "error,towbar=info";

/// The most lines that wait to be written.
const WAITING: usize = 4096;

/// The interval at which lost lines are checked for.
const LOOK: Duration = Duration::from_secs(10);

/// Keeps the writing thread alive. When this is dropped, the waiting lines are written.
pub(super) struct Log {
    lost: ErrorCounter,
    filter: Arc<dyn LogFilter>,
    _writing: WorkerGuard,
}

/// Sends log lines to standard error. `TOWBAR_LOG` sets the filter: `info` by default, `towbar=debug` for a line per
/// request.
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

/// The log filter, which can be replaced at run time.
struct Replaceable<S>(Handle<EnvFilter, S>);

impl<S> LogFilter for Replaceable<S> {
    fn shown(&self) -> String {
        self.0.with_current(EnvFilter::to_string).unwrap_or_default()
    }

    fn replace(&self, filter: &str) -> Result<(), String> {
        if filter.is_empty() {
            return Err(format!("expected a filter such as `{DEFAULT}`, got nothing"));
        }
        // Towbar's lines have no spans to filter by, and matching fields by regex would cost time on every line.
        let parsed = EnvFilter::builder().with_regex(false).parse(filter);
        let parsed = parsed.map_err(|error| format!("expected a filter such as `{DEFAULT}`: {error}"))?;
        self.0.reload(parsed).map_err(|error| error.to_string())
    }
}

impl Log {
    pub(super) fn filter(&self) -> Arc<dyn LogFilter> {
        self.filter.clone()
    }

    /// The number of lost lines.
    pub(super) fn lost(&self) -> ErrorCounter {
        self.lost.clone()
    }
}

/// Logs how many lines were lost, as soon as lines can be written again.
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
