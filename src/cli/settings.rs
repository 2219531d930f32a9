//! The flags that say where the configuration comes from.

use std::path::{Path, PathBuf};

use clap::Args;

use super::config_file::ConfigFile;
use crate::app::reload::Inputs;
use crate::config::Overrides;
use crate::upstream::Environment;

/// Where the configuration comes from; flags win over the file.
#[derive(Debug, Args)]
pub(super) struct Settings {
    /// The configuration file (YAML), or `-` for standard input
    #[arg(long, help_heading = "Configuration", value_name = "FILE", value_parser = ConfigFile::parse)]
    config: Option<ConfigFile>,
    /// A .proto file, a folder of .proto files or a descriptor set (repeatable; overrides `schema`)
    #[arg(long, help_heading = "Schema", value_name = "PATH")]
    proto: Vec<PathBuf>,
    /// A folder to search for imported .proto files (repeatable; overrides `schema.import_paths`)
    #[arg(short = 'I', long, help_heading = "Schema", value_name = "FOLDER")]
    proto_path: Vec<PathBuf>,
    /// Load the schema from the backend by gRPC server reflection (overrides `schema`)
    #[arg(long, help_heading = "Schema")]
    reflection: bool,
    /// The backend: http://HOST:PORT or https://HOST:PORT (overrides `upstream`)
    #[arg(long, help_heading = "Network", value_name = "URL")]
    backend: Option<String>,
    /// The address to listen on: HOST:PORT (overrides `listen`)
    #[arg(long, help_heading = "Network", value_name = "ADDR")]
    listen: Option<String>,
}

impl Settings {
    pub(super) fn file(&self) -> Option<&Path> {
        self.config.as_ref().map(ConfigFile::path)
    }

    pub(super) fn overrides(&self) -> Overrides {
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

    /// What a start reads, and every reload reads again.
    pub(super) fn source(&self) -> Inputs {
        Inputs { file: self.file().map(Path::to_path_buf), overrides: self.overrides() }
    }
}
