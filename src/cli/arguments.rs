//! The commands and their flags.

use clap::{Parser, Subcommand};

use super::certs::CertsCommand;
use super::curl::CurlArguments;
#[cfg(feature = "demo")]
use super::demo::DemoArguments;
use super::doctor::DoctorArguments;
use super::explain::ExplainArguments;
use super::openapi::OpenApiArguments;
use super::settings::Settings;

/// REST/JSON calls in, gRPC over mutual TLS out.
#[derive(Debug, Parser)]
#[command(name = "towbar", version, about)]
pub(super) struct Cli {
    /// Let the process be dumped and debugged: what is in its memory, keys and tokens too, can then be read
    #[arg(long, global = true)]
    pub(super) core_dumps: bool,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Serve the routes of the descriptors in front of a backend
    Serve(Settings),
    /// Check all that `serve` would use, and say everything that is wrong
    Check(Settings),
    /// Print the route table: method, path, rpc, body, query keys
    Routes(Settings),
    /// Print the OpenAPI document of the routes, or what of it breaks callers of an older one
    #[command(name = "openapi")]
    OpenApi(OpenApiArguments),
    /// Say what becomes of a request: its rule, its message, or its refusal; nothing is sent
    Explain(ExplainArguments),
    /// Print a curl line for a message: what `explain` says, the other way round
    Curl(CurlArguments),
    /// Make certificates, and say what is wrong with those that there are
    #[command(subcommand)]
    Certs(CertsCommand),
    /// Try a connection step by step, and say what is wrong and what to change
    Doctor(DoctorArguments),
    /// Run a sample bank and the gateway in front of it, with throw-away certificates
    #[cfg(feature = "demo")]
    Demo(DemoArguments),
}
