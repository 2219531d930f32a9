//! `towbar config`: the configuration file's JSON Schema, and the configuration in effect.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Subcommand;

use super::outcome::Outcome;
use super::settings::Settings;
use crate::config;

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Print the JSON Schema of the configuration file, for editors
    #[command(after_help = "\
Example:
  towbar config schema > towbar.schema.json")]
    Schema,
    /// Print the configuration in effect, without secrets: the file, and the defaults of all other keys
    #[command(after_help = "\
Example:
  towbar config print --config towbar.yaml")]
    Print(Settings),
}

pub(super) fn run(command: &ConfigCommand) -> Outcome {
    let text = match command {
        ConfigCommand::Schema => format!("{:#}\n", config::schema()),
        ConfigCommand::Print(settings) => {
            let (config, problems) = config::load(settings.file(), &settings.overrides());
            if !problems.is_empty() {
                return Err(problems);
            }
            config::effective(&config)
        }
    };
    // The reader may close the pipe early.
    let _ = io::stdout().write_all(text.as_bytes());
    Ok(ExitCode::SUCCESS)
}
