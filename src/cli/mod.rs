//! The command line: one file a command.

mod certs;
mod curl;
#[cfg(feature = "demo")]
pub mod demo;
pub mod doctor;
mod dumps;
mod explain;
mod loaded;
mod log;
mod routes;
mod serve;
mod shell;
mod source;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::Overrides;
use crate::format::problem::Problem;
use crate::tls::certs::{Inspection, NewCertificate};
use crate::tls::pem;
use crate::upstream::Environment;
use source::ConfigFile;

/// REST/JSON calls in, gRPC over mutual TLS out.
#[derive(Debug, Parser)]
#[command(name = "towbar", version, about)]
struct Cli {
    /// Let the process be dumped and debugged: what is in its memory, keys and tokens too, can then be read
    #[arg(long, global = true)]
    core_dumps: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the routes of the descriptors in front of a backend
    Serve(Settings),
    /// Check all that `serve` would use, and say everything that is wrong
    Check(Settings),
    /// Print the route table: method, path, rpc, body, query keys
    Routes(Settings),
    /// Say what becomes of a request: its rule, its message, or its refusal; nothing is sent
    Explain(explain::Asked),
    /// Print a curl line for a message: what `explain` says, the other way round
    Curl(curl::Asked),
    /// Make certificates, and say what is wrong with those that there are
    #[command(subcommand)]
    Certs(certs::Certs),
    /// Try a connection step by step, and say what is wrong and what to change
    Doctor(doctor::command::Asked),
    /// Run a sample bank and the gateway in front of it, with throw-away certificates
    #[cfg(feature = "demo")]
    Demo {
        /// Where the gateway listens
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
        listen: String,
    },
}

/// Where the configuration comes from; flags win over the file.
#[derive(Debug, Args)]
struct Settings {
    /// The configuration file (YAML); `-` reads it from standard input
    #[arg(long, value_name = "FILE", value_parser = ConfigFile::parse)]
    config: Option<ConfigFile>,
    /// A .proto file, a folder of them or a descriptor set; replaces the file's `schema`
    #[arg(long, value_name = "PATH")]
    proto: Vec<PathBuf>,
    /// A folder that imports of .proto files count from, besides those of --proto; replaces the file's `schema.import_paths`
    #[arg(short = 'I', long, value_name = "FOLDER")]
    proto_path: Vec<PathBuf>,
    /// Ask the backend for its descriptors by gRPC server reflection; replaces the file's `schema`, may stand beside --proto
    #[arg(long)]
    reflection: bool,
    /// The backend, http://HOST:PORT or https://HOST:PORT; replaces the file's `upstream`
    #[arg(long, value_name = "URL")]
    backend: Option<String>,
    /// Where to listen, HOST:PORT; replaces the file's `listen`
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
}

impl Settings {
    fn file(&self) -> Option<&Path> {
        self.config.as_ref().map(ConfigFile::path)
    }

    fn overrides(&self) -> Overrides {
        Overrides {
            proto: self.proto.clone(),
            proto_paths: self.proto_path.clone(),
            reflection: self.reflection,
            backend: self.backend.clone(),
            listen: self.listen.clone(),
            environment: Environment::of(|variable| std::env::var_os(variable)),
            given: self.config.as_ref().and_then(ConfigFile::given),
            only_routes: false,
        }
    }
}

/// What a command ends with when something is wrong at the start.
type Outcome = Result<(), Vec<Problem>>;

pub use curl::{line as curl_line, written as curl_words};

/// Exit code for a request that is refused, or a message that no request carries.
const NOT_SENT: u8 = 1;

/// Exit code for a start that was refused, the same as for a wrong flag.
const REFUSED: u8 = 2;

/// Runs the command that the arguments name.
#[must_use]
pub fn run() -> ExitCode {
    let done = |outcome: Outcome| outcome.map(|()| ExitCode::SUCCESS);
    let Cli { core_dumps, command } = Cli::try_parse().unwrap_or_else(|error| refused(&error));
    if !core_dumps && let Err(problem) = dumps::forbid() {
        tell(vec![problem]);
        return ExitCode::from(REFUSED);
    }
    let outcome = match command {
        Command::Serve(settings) => done(serve::serve(&settings)),
        Command::Check(settings) => done(serve::check(&settings)),
        Command::Routes(settings) => done(routes::print(&settings)),
        Command::Explain(asked) => explain::print(&asked),
        Command::Curl(asked) => curl::print(&asked),
        Command::Certs(certs::Certs::Check { files, profile, usage, name }) => {
            let (profile, usage) = (profile.map(Into::into), usage.map(Into::into));
            return certs::check(&Inspection { files, usage, profile, name, ..Inspection::default() });
        }
        Command::Certs(certs::Certs::New { name, profile, key, days, out }) => {
            done(certs::new(&NewCertificate { name, profile: profile.map(Into::into), key: key.into(), days }, &out))
        }
        Command::Doctor(asked) => return doctor::command::run(asked),
        #[cfg(feature = "demo")]
        Command::Demo { listen } => done(demo::run(&listen)),
    };
    match outcome {
        Ok(code) => code,
        Err(problems) => {
            tell(problems);
            ExitCode::from(REFUSED)
        }
    }
}

/// Ends with what is wrong with the arguments, which quotes them: not a key that stands where the path of its file is due.
fn refused(error: &clap::Error) -> ! {
    let is_file = |argument: OsString| pem::is_file(&argument.to_string_lossy());
    if std::env::args_os().skip(1).any(is_file) {
        eprintln!("error: an argument is the contents of a key or a certificate: name the file in which it is");
        std::process::exit(REFUSED.into());
    }
    error.exit()
}

/// Prints each problem once: both ends may name the same file.
fn tell(problems: Vec<Problem>) {
    let mut told: Vec<Problem> = Vec::new();
    for problem in problems {
        if !told.contains(&problem) {
            eprintln!("{problem}");
            told.push(problem);
        }
    }
    let things = if told.len() == 1 { "problem" } else { "problems" };
    eprintln!("towbar: {} {things}, nothing was started", told.len());
}
