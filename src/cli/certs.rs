//! `towbar certs`: creates a certificate with its key, and shows and checks certificates and keys.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use clap::{Subcommand, ValueEnum};

use super::outcome::{Outcome, REFUSED};
use crate::format::problem::Problem;
use crate::tls::certs::{self, Finding, Inspection, Level, NewCertificate, Report};

#[derive(Debug, Subcommand)]
pub(super) enum CertsCommand {
    /// Create a private key and a self-signed certificate: key.pem and cert.pem
    #[command(after_help = "\
Example:
  towbar certs new gateway.example.com --key p384 --out tls")]
    New {
        /// The common name, exactly as it should appear in the certificate
        name: String,
        /// The network whose rules the certificate must meet
        #[arg(long, help_heading = "Certificate")]
        profile: Option<Profile>,
        /// The type of the private key
        #[arg(long, help_heading = "Certificate", default_value = "p256")]
        key: KeyType,
        /// How many days the certificate is valid [default: 365; 730 with --profile thales]
        #[arg(long, help_heading = "Certificate")]
        days: Option<u32>,
        /// The folder to write the two files to
        #[arg(long, help_heading = "Output", value_name = "FOLDER", default_value = ".")]
        out: PathBuf,
    },
    /// Show what certificates and keys contain, and list every problem
    #[command(after_help = "\
Example:
  towbar certs check --for server --name gateway.example.com tls/cert.pem tls/key.pem")]
    Check {
        /// PEM files with certificates and keys
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// The network whose rules to check as well
        #[arg(long, help_heading = "What to check")]
        profile: Option<Profile>,
        /// What the files are used for
        #[arg(long = "for", help_heading = "What to check", value_name = "USE")]
        usage: Option<Usage>,
        /// The name that the certificate must have; for a server, its host name
        #[arg(long, help_heading = "What to check")]
        name: Option<String>,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Profile {
    Token,
    Thales,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Usage {
    /// Presented to callers
    Server,
    /// Presented to a backend
    Client,
    /// Certificate authorities to trust
    Trust,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum KeyType {
    P256,
    P384,
    Rsa2048,
    Rsa4096,
}

pub(super) fn run(command: CertsCommand) -> Outcome {
    match command {
        CertsCommand::Check { files, profile, usage, name } => {
            let (profile, usage) = (profile.map(Into::into), usage.map(Into::into));
            Ok(check(&Inspection { files, usage, profile, name, ..Inspection::default() }))
        }
        CertsCommand::New { name, profile, key, days, out } => {
            new(&NewCertificate { name, profile: profile.map(Into::into), key: key.into(), days }, &out)
        }
    }
}

/// Prints what the files contain. If anything is wrong, the exit code is that of a refused start.
fn check(asked: &Inspection) -> ExitCode {
    let report = certs::check(asked, SystemTime::now());
    print(&report);
    if report.errors() == 0 { ExitCode::SUCCESS } else { ExitCode::from(REFUSED) }
}

/// Writes key.pem and cert.pem. Existing files are never overwritten.
fn new(wanted: &NewCertificate, out: &Path) -> Outcome {
    let made = certs::make(wanted, SystemTime::now()).map_err(|error| vec![Problem::new(error)])?;
    let (key, cert) = (out.join("key.pem"), out.join("cert.pem"));
    let taken = [&key, &cert].into_iter().filter(|file| file.symlink_metadata().is_ok());
    let message = "already exists; remove it, or choose another folder with `--out`";
    let taken: Vec<Problem> = taken.map(|file| Problem::at(file.display(), message)).collect();
    if !taken.is_empty() {
        return Err(taken);
    }
    write(&key, &made.key, 0o600)?;
    write(&cert, &made.certificate, 0o644)?;
    let asked = Inspection {
        files: vec![cert, key],
        usage: None,
        profile: wanted.profile,
        name: Some(wanted.name.clone()),
        ..Inspection::default()
    };
    print(&certs::check(&asked, SystemTime::now()));
    Ok(ExitCode::SUCCESS)
}

/// Creates the file with its permissions set from the start, so that nobody else can ever read a key.
fn write(file: &Path, text: &str, mode: u32) -> Result<(), Vec<Problem>> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(file);
    let written = opened.and_then(|mut opened| opened.write_all(text.as_bytes()));
    written.map_err(|error| vec![Problem::at(file.display(), error)])
}

fn print(report: &Report) {
    report.facts.iter().for_each(|fact| println!("{fact}"));
    println!();
    report.findings.iter().for_each(|finding| println!("{finding}"));
    println!("{}", summary(&report.findings));
}

fn summary(findings: &[Finding]) -> String {
    let count = |level: Level| findings.iter().filter(|finding| finding.level == level).count();
    let counted = |count: usize, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
    match (count(Level::Error), count(Level::Warning)) {
        (0, 0) => "no problems found".to_owned(),
        (errors, warnings) => format!("{}, {}", counted(errors, "error"), counted(warnings, "warning")),
    }
}

impl From<Profile> for certs::Profile {
    fn from(profile: Profile) -> Self {
        match profile {
            Profile::Token => Self::Token,
            Profile::Thales => Self::Thales,
        }
    }
}

impl From<Usage> for certs::Usage {
    fn from(usage: Usage) -> Self {
        match usage {
            Usage::Server => Self::Server,
            Usage::Client => Self::Client,
            Usage::Trust => Self::Trust,
        }
    }
}

impl From<KeyType> for certs::KeyType {
    fn from(key: KeyType) -> Self {
        match key {
            KeyType::P256 => Self::P256,
            KeyType::P384 => Self::P384,
            KeyType::Rsa2048 => Self::Rsa2048,
            KeyType::Rsa4096 => Self::Rsa4096,
        }
    }
}
