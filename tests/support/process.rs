//! The `towbar` command as an operator runs it: arguments in; exit code, texts and an address out.
//!
//! Nothing it starts outlives the test: a process that is dropped is killed.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "a test may panic, and uses a part of its support")]

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Longest wait for anything that a process should do soon.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a process leaves behind.
#[derive(Debug, PartialEq, Eq)]
pub struct Ended {
    /// No code: a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// A process that runs.
pub struct Process {
    child: Child,
    lines: Receiver<String>,
    /// The lines of stdout that were read.
    pub stdout: Vec<String>,
    stderr: Option<JoinHandle<String>>,
}

/// A `towbar` that listens.
pub struct Gateway {
    pub process: Process,
    pub address: SocketAddr,
}

/// The command with these arguments, and no settings from the environment of the test.
pub fn towbar<S: AsRef<OsStr>>(arguments: &[S]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_towbar"));
    command.args(arguments).env_remove("TOWBAR_LOG").env_remove("RUST_LOG");
    for name in ["grpc_proxy", "https_proxy", "http_proxy", "no_grpc_proxy", "no_proxy"] {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    command
}

/// Runs the command to its end, which must come by itself.
pub fn run<S: AsRef<OsStr>>(arguments: &[S]) -> Ended {
    Process::start(&mut towbar(arguments)).wait()
}

impl Process {
    pub fn start(command: &mut Command) -> Self {
        Self::start_with(command, Stdio::null())
    }

    pub fn start_with(command: &mut Command, stdin: Stdio) -> Self {
        let command = command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let (stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            BufReader::new(stdout).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let stderr = std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = stderr.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        Self { child, lines, stdout: Vec::new(), stderr: Some(stderr) }
    }

    /// Reads stdout up to the first line that starts so, and gives what follows the start.
    pub fn read_until(&mut self, start: &str) -> String {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    self.stdout.push(line.clone());
                    if let Some(rest) = line.strip_prefix(start) {
                        return rest.to_owned();
                    }
                }
                Err(error) => {
                    let _ = self.child.kill();
                    let stderr = self.collect_stderr();
                    panic!("{error}: no line `{start}...` in {:?}, stderr {stderr}", self.stdout);
                }
            }
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let id = self.id().to_string();
        let status = Command::new("sh").args(["-c", "kill -s \"$0\" \"$1\"", name, &id]).status().unwrap();
        assert!(status.success(), "kill -s {name}: {status}");
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// The last lines that it said, if it has ended before it should.
    pub fn ended(&mut self) -> Option<String> {
        if self.is_running() {
            return None;
        }
        let text = self.collect_stderr();
        let lines: Vec<&str> = text.lines().collect();
        Some(lines[lines.len().saturating_sub(20)..].join("\n"))
    }

    /// Waits for the end, which must come by itself.
    pub fn wait(self) -> Ended {
        self.wait_for(PATIENCE)
    }

    /// The same for what takes its time.
    pub fn wait_for(mut self, patience: Duration) -> Ended {
        let end = Instant::now() + patience;
        while self.is_running() {
            if Instant::now() > end {
                let _ = self.child.kill();
                let (stdout, stderr) = (self.read_rest(), self.collect_stderr());
                panic!("it still runs: stdout {stdout}, stderr {stderr}");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let code = self.child.wait().unwrap().code();
        Ended { code, stdout: self.read_rest(), stderr: self.collect_stderr() }
    }

    /// All of stdout, once the process is over.
    fn read_rest(&mut self) -> String {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => self.stdout.push(line),
                Err(RecvTimeoutError::Disconnected) => {
                    return self.stdout.iter().map(|line| line.clone() + "\n").collect();
                }
                Err(RecvTimeoutError::Timeout) => panic!("stdout is still open"),
            }
        }
    }

    fn collect_stderr(&mut self) -> String {
        self.stderr.take().map_or_else(String::new, |stderr| stderr.join().unwrap())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Gateway {
    /// Starts the command and waits until it listens.
    pub fn start<S: AsRef<OsStr>>(arguments: &[S]) -> Self {
        Self::of(&mut towbar(arguments))
    }

    /// The same with a command that was prepared.
    pub fn of(command: &mut Command) -> Self {
        Self::of_process(Process::start(command))
    }

    pub fn of_process(mut process: Process) -> Self {
        let place = process.read_until("listening on ");
        let address = place.split("://").nth(1).and_then(|rest| rest.split(',').next()).unwrap_or_default();
        let address = address.parse().unwrap_or_else(|error| panic!("{place}: {error}"));
        Self { process, address }
    }

    /// Stops it as somebody at a terminal does: without a notice.
    pub fn stop(self) -> Ended {
        self.process.signal("INT");
        self.process.wait()
    }
}
