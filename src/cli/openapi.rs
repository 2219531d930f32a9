//! `towbar openapi`: prints the OpenAPI document of the routes, or what breaks callers of an older document.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::loaded::Loaded;
use super::outcome::Outcome;
use super::settings::Settings;
use crate::app::openapi::{Api, Certificate, breaking_changes, document, from_yaml, to_yaml};
use crate::format::problem::Problem;

/// Exit code if the new document breaks callers of the older one.
const BREAKS: u8 = 1;

#[derive(Debug, Args)]
pub(super) struct OpenApiArguments {
    /// How the document is written
    #[arg(long, help_heading = "Output", value_enum, default_value_t = Format::Yaml)]
    format: Format,
    /// An older document, YAML or JSON: print what breaks its callers instead; exit code 1 if anything does
    #[arg(long, help_heading = "Output", value_name = "OLD", conflicts_with = "format")]
    diff: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Yaml,
    Json,
}

pub(super) fn run(arguments: &OpenApiArguments) -> Outcome {
    let old = arguments.diff.as_deref().map(|file| read(file).map(|text| (file, text))).transpose();
    let old = old.map_err(|problem| vec![problem])?;
    let loaded = Loaded::new(&arguments.settings)?;
    let remarks = loaded.remarks()?;
    let certificate = loaded.listen.as_ref().and_then(Certificate::of);
    let new = document(&Api { routes: &loaded.routes, remarks: &remarks, config: &loaded.config.proxy, certificate });
    let Some((file, old)) = old else {
        print(&match arguments.format {
            Format::Yaml => to_yaml(&new),
            Format::Json => format!("{new:#}\n"),
        });
        return Ok(ExitCode::SUCCESS);
    };
    let old = from_yaml(&old).map_err(|error| {
        vec![Problem::at(file.display(), format!("expected an OpenAPI document in YAML or JSON: {error}"))]
    })?;
    if !old["paths"].is_object() {
        return Err(vec![Problem::at(file.display(), "expected an OpenAPI document, found no `paths`")]);
    }
    let changes = breaking_changes(&old, &new);
    print(&changes.iter().map(|change| format!("{change}\n")).collect::<String>());
    Ok(if changes.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(BREAKS) })
}

fn read(file: &Path) -> Result<String, Problem> {
    fs::read_to_string(file).map_err(|error| Problem::at(file.display(), error))
}

/// Ignores write errors: the reader of a pipe may stop early.
fn print(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}
