//! Runs the command that the arguments name, and prints what is wrong.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use super::arguments::{Cli, Command};
#[cfg(feature = "demo")]
use super::demo;
use super::outcome::REFUSED;
use super::{certs, check, completions, config, curl, doctor, dumps, explain, manual, openapi, routes, serve};
use crate::format::problem::Problem;
use crate::tls::pem;

/// Runs the command that the arguments name.
#[must_use]
pub fn run() -> ExitCode {
    let Cli { core_dumps, command } = Cli::try_parse().unwrap_or_else(|error| refused(&error));
    if !core_dumps && let Err(problem) = dumps::forbid() {
        return told(vec![problem]);
    }
    let outcome = match command {
        Command::Serve(settings) => serve::run(&settings),
        Command::Check(settings) => check::run(&settings),
        Command::Routes(settings) => routes::run(&settings),
        Command::OpenApi(arguments) => openapi::run(&arguments),
        Command::Config(command) => config::run(&command),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Curl(arguments) => curl::run(&arguments),
        Command::Certs(command) => certs::run(command),
        Command::Doctor(arguments) => doctor::run(arguments),
        #[cfg(feature = "demo")]
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments, Cli::command()),
        Command::Man(arguments) => manual::run(&arguments, Cli::command()),
    };
    outcome.unwrap_or_else(told)
}

/// Prints what is wrong with the arguments and exits. clap quotes them, so a private key in place of its path is not
/// repeated.
fn refused(error: &clap::Error) -> ! {
    let is_file = |argument: OsString| pem::is_file(&argument.to_string_lossy());
    if std::env::args_os().skip(1).any(is_file) {
        eprintln!("error: an argument holds the contents of a key or a certificate; pass the path of its file instead");
        std::process::exit(REFUSED.into());
    }
    error.exit()
}

/// Prints each problem once: `listen` and `upstream` may name the same file.
fn told(problems: Vec<Problem>) -> ExitCode {
    let mut told: Vec<Problem> = Vec::new();
    for problem in problems {
        if !told.contains(&problem) {
            eprintln!("{problem}");
            told.push(problem);
        }
    }
    let things = if told.len() == 1 { "problem" } else { "problems" };
    eprintln!("towbar: {} {things}, nothing was started", told.len());
    ExitCode::from(REFUSED)
}
