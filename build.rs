//! Compiles `proto/`: the messages of `google.api` and `google.rpc`, and for the feature `demo` also the messages and
//! services of the bank API.
//!
//! Writes to `$OUT_DIR`: `google.rs` and `bank.rs` (the modules of their packages), `google.rpc.serde.rs` (the JSON
//! form of `google.rpc`) and `descriptors.binpb` (every file with its imports, options and comments). Needs no
//! `protoc`.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

/// The import root.
const ROOT: &str = "proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let mut files = Vec::new();
    collect(Path::new(ROOT), &mut files)?;
    files.sort();

    let mut compiler = protox::Compiler::new([ROOT])?;
    compiler.include_imports(true).include_source_info(true).open_files(files)?;
    google(&compiler)?;
    #[cfg(feature = "demo")]
    bank::compile(&compiler)?;
    Ok(())
}

/// Collects the `.proto` files below `folder`. The folder is watched too, so that new files are noticed.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    println!("cargo::rerun-if-changed={}", folder.display());
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            files.push(path);
        }
    }
    Ok(())
}

/// Compiles the messages that the gateway itself reads and writes.
fn google(compiler: &protox::Compiler) -> Result<(), Box<dyn Error>> {
    let mut descriptors = compiler.file_descriptor_set();
    descriptors.file.retain(|file| file.package().starts_with("google."));
    prost_build::Config::new()
        .compile_well_known_types()
        .extern_path(".google.protobuf", "::pbjson_types")
        .include_file("google.rs")
        .compile_fds(descriptors)?;
    pbjson_build::Builder::new()
        .register_descriptors(&compiler.encode_file_descriptor_set())?
        .extern_path(".google.protobuf", "::pbjson_types")
        .build(&[".google.rpc"])?;
    Ok(())
}

#[cfg(feature = "demo")]
mod bank {
    use std::error::Error;
    use std::fs;
    use std::path::PathBuf;

    const PACKAGE: &str = "io.token.";

    pub(super) fn compile(compiler: &protox::Compiler) -> Result<(), Box<dyn Error>> {
        // Encoded by protox itself, because `prost_types::FileDescriptorSet` would lose the options that are
        // extensions.
        let out = PathBuf::from(std::env::var("OUT_DIR")?);
        fs::write(out.join("descriptors.binpb"), compiler.encode_file_descriptor_set())?;

        let mut code = tonic_prost_build::configure()
            .build_transport(false)
            .compile_well_known_types(true)
            .extern_path(".google.protobuf", "::pbjson_types")
            .extern_path(".google.api", "crate::schema::generated::google::api")
            .extern_path(".google.rpc", "crate::schema::generated::google::rpc")
            .skip_debug(messages(compiler))
            .include_file("bank.rs")
            .emit_rerun_if_changed(false);
        for nested in enums_in_messages(compiler) {
            code = code.enum_attribute(nested, "#[derive(Debug)]");
        }
        code.compile_fds(compiler.file_descriptor_set())?;
        Ok(())
    }

    /// Messages that get no `Debug`. Many have redacted fields or contain messages that do, and what has no `Debug`
    /// cannot be logged.
    fn messages(compiler: &protox::Compiler) -> Vec<String> {
        let pool = compiler.descriptor_pool();
        pool.all_messages()
            .filter(|message| message.package_name().starts_with(PACKAGE))
            .filter(|message| message.parent_message().is_none())
            .map(|message| format!(".{}", message.full_name()))
            .collect()
    }

    /// Enums that lost `Debug` together with their enclosing message, although an enum has nothing to hide.
    fn enums_in_messages(compiler: &protox::Compiler) -> Vec<String> {
        let pool = compiler.descriptor_pool();
        pool.all_enums()
            .filter(|nested| nested.package_name().starts_with(PACKAGE))
            .filter(|nested| nested.parent_message().is_some())
            .map(|nested| format!(".{}", nested.full_name()))
            .collect()
    }
}
