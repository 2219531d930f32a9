//! `towbar completions`: prints a script with which a shell completes the command line.

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Args, Command, ValueEnum};

use super::outcome::Outcome;
use crate::format::problem::Problem;

#[derive(Debug, Args)]
pub(super) struct CompletionsArguments {
    /// The shell that reads the script
    shell: Shell,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// Prints the script that completes `command`.
pub(super) fn run(arguments: &CompletionsArguments, mut command: Command) -> Outcome {
    let shell = match arguments.shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "towbar", &mut script);
    let written = std::io::stdout().write_all(&script);
    written.map_err(|error| vec![Problem::at("standard output", error)])?;
    Ok(ExitCode::SUCCESS)
}
