//! The commands and their flags, as clap definitions.

use clap::{Parser, Subcommand};

use super::certs::CertsCommand;
use super::completions::CompletionsArguments;
use super::config::ConfigCommand;
use super::curl::CurlArguments;
#[cfg(feature = "demo")]
use super::demo::DemoArguments;
use super::doctor::DoctorArguments;
use super::explain::ExplainArguments;
use super::manual::ManArguments;
use super::openapi::OpenApiArguments;
use super::settings::Settings;

/// Examples for the top-level help that do not need the sample bank.
macro_rules! examples {
    () => {
        "  towbar serve --proto api.proto --backend http://127.0.0.1:9000 --listen 127.0.0.1:8080
  towbar check --config towbar.yaml

Use `towbar help COMMAND` for the options of a command."
    };
}

/// A gateway that serves gRPC services as REST/JSON APIs, as their google.api.http annotations say
#[derive(Debug, Parser)]
#[command(name = "towbar", version, arg_required_else_help = true, after_help = EXAMPLES)]
pub(super) struct Cli {
    /// Allow core dumps and debuggers; both can read private keys and tokens from memory
    #[arg(long, global = true, help_heading = "Global options")]
    pub(super) core_dumps: bool,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[cfg(feature = "demo")]
const EXAMPLES: &str = concat!("Examples:\n  towbar demo\n", examples!());
#[cfg(not(feature = "demo"))]
const EXAMPLES: &str = concat!("Examples:\n", examples!());

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Start the gateway
    #[command(after_help = "\
Examples:
  towbar serve --config towbar.yaml
  towbar serve --proto api.proto --backend http://127.0.0.1:9000 --listen 127.0.0.1:8080")]
    Serve(Settings),
    /// Check the configuration, schema and certificates, and list every problem
    #[command(after_help = "\
Example:
  towbar check --config towbar.yaml")]
    Check(Settings),
    /// List the routes: method, path, rpc, body and query parameters
    #[command(after_help = "\
Example:
  towbar routes --config towbar.yaml")]
    Routes(Settings),
    /// Print the OpenAPI document of the routes, or compare it with an older one
    #[command(
        name = "openapi",
        after_help = "\
Examples:
  towbar openapi --config towbar.yaml
  towbar openapi --config towbar.yaml --diff openapi.yaml"
    )]
    OpenApi(OpenApiArguments),
    /// Print the JSON Schema of the configuration file, or the configuration in effect
    #[command(
        subcommand,
        after_help = "\
Examples:
  towbar config schema > towbar.schema.json
  towbar config print --config towbar.yaml"
    )]
    Config(ConfigCommand),
    /// Show how a request would be answered, without sending anything
    #[command(after_help = "\
Examples:
  towbar explain --config towbar.yaml 'GET /accounts/transactions?limit=5'
  towbar explain --config towbar.yaml --body transfer.json 'POST /transfers'")]
    Explain(ExplainArguments),
    /// Print the curl command that calls an rpc with a given message
    #[command(after_help = "\
Example:
  towbar curl --config towbar.yaml GetTransactions '{\"limit\":5}'")]
    Curl(CurlArguments),
    /// Create and check certificates
    #[command(
        subcommand,
        after_help = "\
Examples:
  towbar certs new gateway.example.com --out tls
  towbar certs check --for server tls/cert.pem tls/key.pem"
    )]
    Certs(CertsCommand),
    /// Test a connection step by step, and suggest fixes
    #[command(after_help = "\
Examples:
  towbar doctor --config towbar.yaml
  towbar doctor --backend https://bank.example.com:1234 --cert client.pem --key client.key --ca bank-ca.pem
  towbar doctor --url https://api.example.com/")]
    Doctor(DoctorArguments),
    /// Run a sample bank with the gateway in front of it
    #[cfg(feature = "demo")]
    #[command(after_help = "\
Example:
  towbar demo --listen 127.0.0.1:8080")]
    Demo(DemoArguments),
    /// Print the completion script for a shell
    #[command(after_help = "\
Examples:
  towbar completions bash > ~/.local/share/bash-completion/completions/towbar
  towbar completions zsh > ~/.zfunc/_towbar
  towbar completions fish > ~/.config/fish/completions/towbar.fish")]
    Completions(CompletionsArguments),
    /// Print a man page, or write all of them to a folder
    #[command(after_help = "\
Examples:
  towbar man serve | man -l -
  towbar man --out /usr/local/share/man/man1")]
    Man(ManArguments),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    /// Splits a line into words. Words in single quotes may contain spaces; a pipe or redirection at the end is cut
    /// off.
    fn words(line: &str) -> Vec<String> {
        let line = line.split(" | ").next().unwrap_or(line).split(" > ").next().unwrap_or(line);
        let quoted = |(index, part): (usize, &str)| match index % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect(),
            _ => vec![part.to_owned()],
        };
        line.split('\'').enumerate().flat_map(quoted).collect()
    }

    fn check(command: &clap::Command, path: &str) {
        let help = command.clone().render_long_help().to_string();
        let about = help.lines().next().unwrap();
        assert!(!about.is_empty() && !about.ends_with('.') && about.len() < 100, "{path}: {about}");
        let examples: Vec<&str> = help.lines().filter(|line| line.starts_with("  towbar ")).collect();
        assert!(!examples.is_empty(), "{path}: {help}");
        for example in examples {
            assert!(example.trim_start().starts_with(path), "{path}: {example}");
            let parsed = Cli::try_parse_from(words(example));
            assert!(parsed.is_ok(), "{example}: {}", parsed.unwrap_err());
        }
        // Only clap's own flags stand under "Options", and the flags of commands that have too few to group.
        let is_own = |argument: &&clap::Arg| matches!(argument.get_id().as_str(), "help" | "version" | "out");
        for argument in command.get_opts().filter(|argument| !is_own(argument)) {
            assert!(argument.get_help_heading().is_some(), "{path}: {argument}");
        }
        command.get_subcommands().filter(|command| command.get_name() != "help").for_each(|command| {
            check(command, &format!("{path} {}", command.get_name()));
        });
    }

    #[test]
    fn every_command_has_a_summary_grouped_options_and_examples_that_parse() {
        check(&Cli::command(), "towbar");
    }
}
