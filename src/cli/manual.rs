//! `towbar man`: the manual pages, made from the same definitions as `--help`.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Command};
use clap_mangen::Man;

use super::outcome::Outcome;
use crate::format::problem::Problem;

#[derive(Debug, Args)]
pub(super) struct ManArguments {
    /// The command to describe, for example `serve` or `certs new`; default: towbar itself
    #[arg(conflicts_with = "out")]
    command: Vec<String>,
    /// Write the page of every command to this folder
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

/// Prints or writes the pages. `command` is the definition of the whole program.
pub(super) fn run(arguments: &ManArguments, command: Command) -> Outcome {
    let mut root = command.disable_help_subcommand(true);
    root.build();
    if let Some(folder) = &arguments.out {
        write_all(&root, folder)?;
        return Ok(ExitCode::SUCCESS);
    }
    let command = find(&root, &arguments.command)?;
    let written = page(command).and_then(|page| io::stdout().write_all(&page));
    written.map_err(|error| vec![Problem::at("standard output", error)])?;
    Ok(ExitCode::SUCCESS)
}

/// The command with this name, such as `certs new`.
fn find<'a>(root: &'a Command, words: &[String]) -> Result<&'a Command, Vec<Problem>> {
    let found = words.iter().try_fold(root, |command, word| command.find_subcommand(word));
    let unknown = || {
        let names: Vec<&str> = root.get_subcommands().map(Command::get_name).collect();
        vec![Problem::new(format!("there is no command `{}`; commands: {}", words.join(" "), names.join(", ")))]
    };
    found.ok_or_else(unknown)
}

/// Writes a file for each command: `towbar.1`, `towbar-serve.1`, `towbar-certs-new.1`.
fn write_all(command: &Command, folder: &Path) -> Result<(), Vec<Problem>> {
    let name = command.get_display_name().unwrap_or(command.get_name());
    let file = folder.join(format!("{name}.1"));
    let written = page(command).and_then(|page| fs::write(&file, page));
    written.map_err(|error| vec![Problem::at(file.display(), error)])?;
    command.get_subcommands().try_for_each(|command| write_all(command, folder))
}

fn page(command: &Command) -> io::Result<Vec<u8>> {
    let source = concat!("towbar ", env!("CARGO_PKG_VERSION"));
    let man = Man::new(command.clone()).source(source).manual("Towbar manual");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    page.extend(examples(command).into_bytes());
    Ok(page)
}

/// The examples of the help, with their line breaks: `Man::render` would join the lines.
fn examples(command: &Command) -> String {
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let lines: Vec<String> = help.lines().filter_map(|line| line.strip_prefix("  ")).map(escaped).collect();
    format!(".SH EXAMPLES\n.nf\n{}\n.fi\n", lines.join("\n"))
}

/// Escapes a line for roff. No example begins with `.` or `'`, which would be a roff request.
fn escaped(line: &str) -> String {
    line.replace('\\', r"\e").replace('-', r"\-").replace('\'', r"\(aq")
}
