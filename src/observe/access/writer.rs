//! The thread that writes the access log.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::config::{Config, Output};
use super::queue::{AccessLog, Queue};
use crate::format::problem::Problem;

/// How long lines are collected before they are written together.
const GATHER: Duration = Duration::from_millis(5);

/// How long the process waits at its end for the last lines to be written.
const LAST: Duration = Duration::from_secs(2);

/// Least time between two log lines about dropped lines.
const TELL: Duration = Duration::from_secs(10);

/// Mode of a file that is created: the owner may read and write it, its group may read it.
const MODE: u32 = 0o640;

/// The running writer. Dropping it writes the lines that still wait.
pub struct Writing {
    log: AccessLog,
    ended: mpsc::Receiver<()>,
}

/// Opens the output and starts the writer.
///
/// # Errors
/// The file cannot be opened, or the thread cannot be started.
pub fn start(config: Config) -> Result<(AccessLog, Writing), Problem> {
    let target = Target::open(&config.to)?;
    let log = AccessLog::new(config);
    let (end, ended) = mpsc::channel();
    let writer = Writer { target, log: log.clone(), lost: 0, told: None };
    let thread = thread::Builder::new().name("access-log".to_owned()).spawn(move || {
        writer.run();
        // The receiver may already be gone.
        let _ = end.send(());
    });
    let thread = thread.map_err(|error| Problem::new(format!("cannot start the thread of the access log: {error}")))?;
    let _ = log.0.writer.set(thread.thread().clone());
    // A line may have been queued before the thread could be woken.
    log.0.wake();
    Ok((log.clone(), Writing { log, ended }))
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.log.0.is_stopping.store(true, Ordering::Release);
        self.log.0.wake();
        // If the output is a pipe that nobody reads, the wait ends here.
        let _ = self.ended.recv_timeout(LAST);
    }
}

struct Writer {
    target: Target,
    log: AccessLog,
    /// How many lines could not be written.
    lost: u64,
    told: Option<(Instant, u64)>,
}

impl Writer {
    fn run(mut self) {
        let mut lines = Vec::new();
        loop {
            let queue: &Queue = &self.log.0;
            let is_last = queue.is_stopping.load(Ordering::Acquire);
            if !is_last {
                thread::park();
                thread::sleep(GATHER);
            }
            if queue.is_reopened.swap(false, Ordering::AcqRel) {
                self.target.reopen(&queue.config.to);
            }
            for buffer in queue.buffers() {
                buffer.swap(&mut lines);
                if !lines.is_empty() && self.target.write_all(&lines).is_err() {
                    self.lost += lines.iter().filter(|byte| **byte == b'\n').count() as u64;
                }
                lines.clear();
            }
            let _ = self.target.flush();
            self.tell();
            if is_last {
                return;
            }
        }
    }

    /// Logs how many lines were dropped.
    fn tell(&mut self) {
        let lost = self.lost + self.log.dropped();
        let (is_due, told) = match self.told {
            Some((at, told)) => (at.elapsed() >= TELL, told),
            None => (true, 0),
        };
        if is_due && lost > told {
            self.told = Some((Instant::now(), lost));
            tracing::warn!(
                lines = lost - told,
                "lines of the access log were dropped: its output did not take them in time"
            );
        }
    }
}

enum Target {
    Stdout(io::Stdout),
    Stderr(io::Stderr),
    File(File),
}

impl Target {
    fn open(to: &Output) -> Result<Self, Problem> {
        Ok(match to {
            Output::Stdout => Self::Stdout(io::stdout()),
            Output::Stderr => Self::Stderr(io::stderr()),
            Output::File(path) => {
                let opened = open(path);
                Self::File(opened.map_err(|error| Problem::at(path.display(), format!("`log.access.to`: {error}")))?)
            }
        })
    }

    /// Keeps the old file if the new one cannot be opened.
    fn reopen(&mut self, to: &Output) {
        let Output::File(path) = to else { return };
        match open(path) {
            Ok(file) => *self = Self::File(file),
            Err(error) => tracing::warn!("the access log cannot be opened again: {}: {error}", path.display()),
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(MODE).open(path)
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(stdout) => stdout.write(bytes),
            Self::Stderr(stderr) => stderr.write(bytes),
            Self::File(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(stdout) => stdout.flush(),
            Self::Stderr(stderr) => stderr.flush(),
            Self::File(file) => file.flush(),
        }
    }
}
